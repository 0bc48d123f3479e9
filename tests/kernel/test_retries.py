"""Whole sequences of retries, from fixtures/cases/kernel/retries.yaml, and what always holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.kernel.effects import RetryPolicy
from simtriggers.kernel.retries import Exhausted, RetryAt, delay_ms, next_attempt

CASES: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).parents[2] / "fixtures" / "cases" / "kernel" / "retries.yaml"
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_sequence_of_failures(case: dict[str, Any]) -> None:
    policy = RetryPolicy("case", **case["policy"])
    chances = case.get("chance", 0.0)
    found: list[int | str] = []
    first_ms = now_ms = 1_000_000
    for attempts in range(1, 50):
        chance = chances[attempts - 1] if isinstance(chances, list) and attempts <= len(chances) else chances
        chance = 0.0 if isinstance(chance, list) else chance
        after = next_attempt(policy, attempts=attempts, first_ms=first_ms, now_ms=now_ms, chance=chance)
        if isinstance(after, Exhausted):
            found.append(after.condition)
            break
        now_ms = after.at_ms
        found.append(now_ms - first_ms)
    assert found == case["then"]


@given(
    base=st.integers(1, 10_000),
    cap=st.integers(1, 10**9),
    jitter=st.floats(0, 1),
    attempts=st.integers(1, 10_000),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_at_least_a_millisecond_and_at_most_the_cap(
    base: int, cap: int, jitter: float, attempts: int, chance: float
) -> None:
    policy = RetryPolicy("p", 10_000, 10**12, base, cap, jitter)
    delay = delay_ms(policy, attempts=attempts, chance=chance)
    assert 1 <= delay <= cap
    assert delay_ms(policy, attempts=attempts, chance=0.0) >= delay
    assert delay_ms(policy, attempts=attempts + 1, chance=chance) >= delay


@given(attempts=st.integers(1, 30), waited=st.integers(0, 10**6))
def test_no_attempt_is_made_after_the_maximum_age(attempts: int, waited: int) -> None:
    policy = RetryPolicy("p", 20, 500_000, 1000, 300_000)
    after = next_attempt(policy, attempts=attempts, first_ms=0, now_ms=waited, chance=0.0)
    if isinstance(after, RetryAt):
        assert attempts <= 20 and waited < after.at_ms <= 500_000
    else:
        assert attempts > 20 or waited + delay_ms(policy, attempts=attempts, chance=0.0) > 500_000

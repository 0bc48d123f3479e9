"""SNS's retries: the phases of delivery policies, and the fixed ones whole."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.backoff import (
    AWS_MANAGED,
    BACKOFF_FUNCTIONS,
    CUSTOMER_MANAGED,
    backoff_delays,
    delivery_policy_delays,
    http_retry_policy,
)
from simtriggers.kernel.codec import decode, encode
from simtriggers.kernel.effects import RetryPolicy
from simtriggers.kernel.retries import delay_ms
from simtriggers.services.sns.settings import retry_policy_of

CASES = YAML(typ="safe").load(Path(__file__).parents[2] / "fixtures" / "cases" / "sns" / "backoff.yaml")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_phases(case: dict[str, Any]) -> None:
    policy = retry_policy_of(case["policy"])
    phases = tuple(tuple(phase) for phase in case["phases"])
    assert delivery_policy_delays(policy) == phases
    found = http_retry_policy(policy)
    assert found.maximum_retries == sum(count for count, _ in phases)
    expected = [delay for count, delay in phases for _ in range(count)]
    assert [delay_ms(found, attempts=n, chance=0.0) for n in range(1, len(expected) + 1)] == expected


def _delays(policy: RetryPolicy, numbers: range) -> list[int]:
    return [delay_ms(policy, attempts=number, chance=0.0) for number in numbers]


def test_functions_and_queues() -> None:
    assert AWS_MANAGED.maximum_retries == 100_015
    assert _delays(AWS_MANAGED, range(1, 7)) == [0, 0, 0, 1000, 1000, 1000]
    backoff = _delays(AWS_MANAGED, range(6, 16))
    assert (backoff[0], backoff[-1]) == (1000, 20_000)
    assert [round(later / sooner, 1) for sooner, later in pairwise(backoff)] == [1.4] * 9
    assert _delays(AWS_MANAGED, range(16, 19)) == [20_000] * 3
    total_days = sum(count * delay for count, delay in AWS_MANAGED.phases) / 86_400_000
    assert 23 < total_days < 24


def test_people() -> None:
    assert CUSTOMER_MANAGED.maximum_retries == 50
    assert _delays(CUSTOMER_MANAGED, range(1, 4)) == [10_000] * 3
    assert _delays(CUSTOMER_MANAGED, range(12, 15)) == [600_000] * 3
    total_h = sum(count * delay for count, delay in CUSTOMER_MANAGED.phases) / 3_600_000
    assert 6 < total_h < 8


def test_jitter_takes_off_at_most_a_fifth() -> None:
    assert delay_ms(AWS_MANAGED, attempts=16, chance=1.0) == 16_000
    assert delay_ms(AWS_MANAGED, attempts=1, chance=0.9) == 0


def test_policies_can_be_stored() -> None:
    assert decode(encode(AWS_MANAGED)) == AWS_MANAGED


@given(st.sampled_from(BACKOFF_FUNCTIONS), st.integers(2, 100), st.integers(1, 3600), st.integers(0, 3600))
def test_every_curve_grows_from_the_least_to_the_greatest(function: str, count: int, low: int, more: int) -> None:
    found = backoff_delays(function, count, low_ms=low, high_ms=low + more)
    assert len(found) == count
    assert (found[0], found[-1]) == (low, low + more)
    assert list(found) == sorted(found)

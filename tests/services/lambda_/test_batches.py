"""Batches as values: what fits, what the event looks like, what a response settles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.contracts import Record
from simtriggers.services.lambda_.batches import Verdict, event_text, fitting, hold, verdict

TABLE = YAML(typ="safe").load(Path(__file__).parents[3] / "fixtures/cases/lambda_/partial_batch.yaml")
LIMIT = 6 * 1024 * 1024


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_partial_batch_response(case: dict[str, Any]) -> None:
    expected = Verdict(frozenset(case["failed"]), case.get("problem", ""))
    assert verdict(case["response"], TABLE["ids"]) == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_json)
def test_a_response_fails_known_records_only(response: Any) -> None:
    found = verdict(json.dumps(response), ["m-1", "m-2"])
    assert found.failed <= {"m-1", "m-2"}
    assert not found.problem or found.failed == {"m-1", "m-2"}


def _records(*sizes: int, fill: str = "x") -> list[Any]:
    return [
        hold(Record(f"m-{n}", f"r-{n}", '"' + fill * (size - 2) + '"', n), now_ms=0) for n, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    "records, batch_size, expected",
    [
        (_records(10, 10, 10), 10, 3),
        (_records(10, 10, 10), 2, 2),
        (_records(*[1024 * 1024] * 10), 10, 5),
        (_records(LIMIT // 2, LIMIT // 2 - 16, 10), 10, 2),
        (_records(LIMIT // 2, LIMIT // 2 - 15, 10), 10, 1),
        (_records(LIMIT // 4, LIMIT // 4, fill="é"), 10, 1),
        (_records(LIMIT * 2), 10, 1),
    ],
    ids=["all", "batch size", "megabytes", "exactly 6 MB", "a byte more", "bytes count, not characters", "never none"],
)
def test_a_batch_ends_at_its_size_or_at_six_megabytes(records: list[Any], batch_size: int, expected: int) -> None:
    assert fitting(records, batch_size) == expected
    if expected > 1:
        assert len(event_text(records[:expected]).encode()) <= LIMIT


def test_the_event_holds_the_records_as_their_source_shaped_them() -> None:
    records = [
        hold(Record("a", "r", '{"messageId":"a","body":"é"}', 1), now_ms=0),
        hold(Record("b", "r", "{}", 2), now_ms=0),
    ]
    assert event_text(records) == '{"Records":[{"messageId":"a","body":"é"},{}]}'

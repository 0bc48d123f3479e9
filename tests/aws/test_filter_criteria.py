"""Filter criteria of queues: the table of what a body must be, and the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.aws.filter_criteria import FilterError, compile_filters, explain_filters, passes

CASES = Path(__file__).parents[2] / "fixtures" / "patterns" / "filters.yaml"
ROWS = YAML(typ="safe").load(CASES)


@pytest.mark.parametrize("row", ROWS, ids=[f"{number}-{row['name']}" for number, row in enumerate(ROWS)])
def test_filters(row: dict[str, Any]) -> None:
    filters = compile_filters(row["patterns"])
    record = {"messageId": "m", "body": row["body"], **row.get("more", {})}
    before = repr(record)
    assert passes(filters, record) is row["passes"]
    assert explain_filters(filters, record) == tuple(row.get("explain", ()))
    assert repr(record) == before


@pytest.mark.parametrize("pattern", ['["a"]', "plain", '{"body": "a"}', '{"body": [', "{}"])
def test_what_lambda_refuses(pattern: str) -> None:
    with pytest.raises(FilterError, match=r"^Invalid filter pattern definition\.$") as caught:
        compile_filters(['{"body": {"a": [1]}}', pattern])
    assert (caught.value.code, caught.value.pattern_error.source) == ("InvalidParameterValueException", pattern)


def test_a_body_that_is_nested_too_deep_is_text() -> None:
    filters = compile_filters([{"body": {"a": [1]}}, {"body": [{"prefix": "[["}]}])
    assert passes(filters, {"body": "[" * 100_000})

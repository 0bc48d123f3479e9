"""Input transformers: recorded templates, paths, and laws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.input_transformer import Context, Placeholder, parse_template, render, transform
from simtriggers.aws.input_transformer_paths import MISSING, follow, parse_path
from simtriggers.aws.json_text import minified, without_space

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "eventbridge" / "transformers.yaml"
ROWS: list[dict[str, Any]] = YAML(typ="safe").load(CASES)
EVENT = (
    '{"version":"0","id":"e-1","detail-type":"order","source":"shop","account":"123456789012",'
    '"time":"2026-01-15T12:00:00Z","region":"us-east-1","resources":["arn:aws:x:::y"],'
    '"detail":{"userId":"0a78","payload":{"acc_id":"0a78","sf_id":"baz"},"count":12,"price":59.90,"ok":true,'
    '"nothing":null,"tags":["HIGH"],"tasks":[{"state":"ACTIVE"},{"state":"INACTIVE"},{}],"said":"\\"hi\\""}}'
)
RULE = Context("arn:aws:events:us-east-1:123456789012:rule/shop/orders", "orders", "2026-01-15T12:00:00Z", EVENT)


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_template(row: dict[str, Any]) -> None:
    wanted = row["makes"] if row["makes"] is None else row["makes"].replace("EVENT", EVENT)
    assert transform(parse_template(row["template"]), row["paths"], json.loads(EVENT), RULE) == wanted


def test_the_rows_have_names_and_reasons() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    assert all(row["why"] for row in ROWS)


@pytest.mark.parametrize(
    "path, found",
    [
        ("$", json.loads(EVENT)),
        ("$.detail-type", "order"),
        ("$.detail.userId", "0a78"),
        ("$.detail.tasks[1].state", "INACTIVE"),
        ("$.detail.tasks[*].state", ["ACTIVE", "INACTIVE"]),
        ("$.detail.payload.*", ["0a78", "baz"]),
        ("$.detail.nothing", None),
        ("$.detail.tags[0]", "HIGH"),
        ("$.detail.tags[1]", MISSING),
        ("$.detail.tags.x", MISSING),
        ("$.detail.userId.x", MISSING),
        ("$.detail.none[*].x", MISSING),
        ("$.Detail", MISSING),
        ("detail", MISSING),
        ("$detail", MISSING),
        ("$.detail[?(@.x)]", MISSING),
        ("$['detail']", MISSING),
        ("$.a/b", MISSING),
    ],
)
def test_path(path: str, found: Any) -> None:
    assert follow(path, json.loads(EVENT)) == found


def test_names_of_paths_have_dashes_underscores_and_slashes() -> None:
    assert follow("$.a-b.c_d.e/f", {"a-b": {"c_d": {"e/f": 1}}}) == 1
    assert parse_path("$.a..b") is None


def test_placeholders_know_where_they_stand() -> None:
    parts = parse_template('{"a": <x>, "b": "<y> \\" <z>"}').parts
    assert [part for part in parts if isinstance(part, Placeholder)] == [
        Placeholder("x", False),
        Placeholder("y", True),
        Placeholder("z", True),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_value_outside_of_quotes_comes_out_as_it_was(found: Any) -> None:
    made = render(parse_template('{"v": <v>}'), lambda name: found)
    assert made is not None
    assert json.loads(made) == {"v": found}


@given(JSON, st.integers(0, 4))
def test_minifying_changes_no_value(found: Any, indent: int) -> None:
    text = json.dumps(found, indent=indent, ensure_ascii=False)
    made = minified(text)
    assert made is not None
    assert json.loads(made) == found
    assert made == without_space(made) == json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def test_numbers_stay_as_they_were_written() -> None:
    assert (
        minified('{ "a" : 59.90 , "b":[ 1e3, 12345678901234567890 ] }') == '{"a":59.90,"b":[1e3,12345678901234567890]}'
    )
    assert minified('{"a": NaN}') is None

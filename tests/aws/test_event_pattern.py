"""Event patterns: every operator and every error as a table, and a second reading that shares no code."""

from __future__ import annotations

import copy
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.event_pattern import (
    Alternative,
    Kind,
    PatternError,
    compile_pattern,
    explain,
    matches,
)
from tests.aws.patterns import SCALARS, events, judge, paths_are_distinct, patterns

CASES = Path(__file__).parents[2] / "fixtures" / "patterns"


def cases(name: str) -> list[Any]:
    rows = YAML(typ="safe").load(CASES / f"{name}.yaml")
    return [pytest.param(row, id=f"{number}-{row['name']}") for number, row in enumerate(rows)]


# --- tables -------------------------------------------------------------------------------------


def check(pattern: str, event: dict[str, Any], row: dict[str, Any]) -> None:
    compiled = compile_pattern(pattern)
    assert matches(compiled, event) is row["match"]
    why_not = explain(compiled, event)
    assert (why_not is None) is row["match"]
    if "explain" in row:
        assert str(why_not) == row["explain"]


@pytest.mark.parametrize("row", cases("structure"))
def test_structure(row: dict[str, Any]) -> None:
    check(row["pattern_text"] if "pattern_text" in row else json.dumps(row["pattern"]), row["event"], row)


@pytest.mark.parametrize("row", cases("values"))
def test_values(row: dict[str, Any]) -> None:
    text = row["pattern_text"] if "pattern_text" in row else json.dumps(row["pattern"])
    event = {"v": row["event"]} if "event" in row else {}
    check(f'{{"v": {text}}}', event, row)


@pytest.mark.parametrize("row", cases("values"))
def test_values_are_the_same_below_an_array_of_objects(row: dict[str, Any]) -> None:
    """The short test of a field and the full search answer alike."""
    text = row["pattern_text"] if "pattern_text" in row else json.dumps(row["pattern"])
    compiled = compile_pattern(f'{{"list": {{"v": {text}}}}}')
    event = {"v": row["event"]} if "event" in row else {}
    assert matches(compiled, {"list": [event]}) is row["match"]
    assert matches(compiled, {"list": event}) is row["match"]


@pytest.mark.parametrize("row", cases("errors"))
def test_errors(row: dict[str, Any]) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(row["pattern"])
    error = caught.value
    line = row.get("line", 1) if row["column"] else 0
    assert (error.reason, error.line, error.column) == (row["reason"], line, row["column"])
    place = f'\n at [Source: (String)"{row["pattern"]}"; line: {line}, column: {row["column"]}]'
    places = row.get("places", 1) if row["column"] else 0
    assert error.message == f"Event pattern is not valid. Reason: {row['reason']}{place * places}"


def test_every_operator_has_its_rows() -> None:
    texts = [json.dumps(case.values[0].get("pattern", "")) for name in ("structure", "values") for case in cases(name)]
    kinds = {
        alternative.kind
        for text in texts
        if text.startswith("[")
        for branch in compile_pattern(f'{{"v": {text}}}').branches
        for alternative in branch.fields[0].alternatives
    }
    assert kinds == set(Kind)


# --- the compiled pattern -----------------------------------------------------------------------


def test_what_a_pattern_is_made_of() -> None:
    pattern = compile_pattern({"b": [1, {"prefix": "x"}], "$or": [{"a": {"c": [None]}}, {"d": [{"exists": False}]}]})
    assert [[(field.path, field.alternatives) for field in branch.fields] for branch in pattern.branches] == [
        [
            ("b", (Alternative(Kind.EQUALS, (1,)), Alternative(Kind.PREFIX, ("x",)))),
            ("a.c", (Alternative(Kind.EQUALS, (None,)),)),
        ],
        [
            ("b", (Alternative(Kind.EQUALS, (1,)), Alternative(Kind.PREFIX, ("x",)))),
            ("d", (Alternative(Kind.ABSENT),)),
        ],
    ]


def test_a_pattern_survives_copying() -> None:
    pattern = compile_pattern({"a": ["x"]})
    for twin in (pickle.loads(pickle.dumps(pattern)), copy.deepcopy(pattern)):
        assert twin == pattern and matches(twin, {"a": "x"}) and not matches(twin, {"a": "y"})


def test_a_dict_that_is_no_json() -> None:
    for source in ({"a": [float("nan")]}, {"a": [b"x"]}):
        with pytest.raises(PatternError, match="cannot be written as JSON"):
            compile_pattern(source)


def test_a_long_source_is_cut_in_the_message() -> None:
    text = json.dumps({"a": ["x" * 600], "b": 5})
    with pytest.raises(PatternError) as caught:
        compile_pattern(text)
    assert f'"{text[:500]}"[truncated {len(text) - 500} chars]; line: 1' in caught.value.message


def test_too_many_combinations() -> None:
    def ors(count: int) -> dict[str, Any]:
        return {f"p{n}": {"$or": [{"a": [1]}, {"b": [1]}]} for n in range(count)}

    assert len(compile_pattern(ors(9)).branches) == 512
    with pytest.raises(PatternError, match="more than 1000 combinations"):
        compile_pattern(ors(10))


def test_nesting_is_bounded() -> None:
    deep = '{"a":' * 399 + "[1]" + "}" * 399
    event: Any = 1
    for _ in range(399):
        event = {"a": event}
    assert matches(compile_pattern(deep), event)
    with pytest.raises(PatternError, match="nesting depth"):
        compile_pattern('{"a":' * 5000)


@pytest.mark.parametrize(
    "wildcard, accepted",
    [
        ("arn:aws:events:us-east-1:*:event-bus/*", True),
        ("/Users/*/dir/dir/dir/dir/dir/doc.txt", True),
        ("*/init/*", True),
        ("*:*:*:*:*:event-bus/*", False),
        ("a*b*c*d*e", True),
        ("a*b*c*d*e*f", False),
    ],
)
def test_complexity_of_wildcards(wildcard: str, accepted: bool) -> None:
    """The first four are recorded on AWS."""
    pattern = {"a": [{"wildcard": wildcard}]}
    if accepted:
        compile_pattern(pattern)
        return
    with pytest.raises(PatternError, match="Rule is too complex"):
        compile_pattern(pattern)


# --- nothing explodes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alternatives, value",
    [
        ([{"wildcard": "*a*a*a*b"}], "a" * 200_000),
        ([{"anything-but": {"wildcard": "*ab*ab*ab*x"}}], "ab" * 100_000),
        ([{"prefix": {"equals-ignore-case": "ß" * 1000}}], "S" * 200_000),
        ([{"cidr": "10.0.0.0/8"}], "1." * 100_000),
    ],
)
def test_long_values_take_no_long_time(alternatives: list[Any], value: str) -> None:
    pattern = compile_pattern({"v": alternatives})
    started = time.process_time()
    matches(pattern, {"v": value})
    assert time.process_time() - started < 0.5


def test_long_paths_and_arrays_take_no_long_time() -> None:
    started = time.process_time()
    long = ".".join("a" * 2000)
    assert not matches(compile_pattern({long: [1]}), {"a": {"a": {"a.a": 2}}})
    assert matches(compile_pattern({long: [1]}), {long: 1})
    pattern = compile_pattern({"p": {"x": [1], "y": [1]}, "q": {"x": [1], "y": [1]}})
    items = [{"x": 1, "y": 0}, {"x": 0, "y": 1}] * 500
    assert not matches(pattern, {"p": items, "q": items})
    assert matches(pattern, {"p": [*items, {"x": 1, "y": 1}], "q": [*items, {"x": 1, "y": 1}]})
    assert time.process_time() - started < 2


# --- properties ---------------------------------------------------------------------------------


@settings(max_examples=400)
@given(patterns(), events())
def test_the_second_reading_agrees(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    assume(paths_are_distinct(pattern))
    compiled = compile_pattern(pattern)
    expected = judge(event, pattern)
    assert matches(compiled, event) is expected
    assert (explain(compiled, event) is None) is expected


@settings(max_examples=150)
@given(events())
def test_a_pattern_made_from_an_event_matches_it(event: dict[str, Any]) -> None:
    made = as_pattern(event)
    assume(made)
    assert explain(compile_pattern(made), event) is None


@settings(max_examples=150)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("xyz"), SCALARS, min_size=1), min_size=1),
    st.data(),
)
def test_another_leaf_breaks_it(event: dict[str, Any], data: st.DataObject) -> None:
    pattern = compile_pattern({key: {name: [leaf] for name, leaf in inner.items()} for key, inner in event.items()})
    assert matches(pattern, event)
    key = data.draw(st.sampled_from(sorted(event)))
    name = data.draw(st.sampled_from(sorted(event[key])))
    changed = copy.deepcopy(event)
    changed[key][name] = "something else"
    mismatch = explain(pattern, changed)
    assert mismatch is not None and not matches(pattern, changed)
    assert (mismatch.path, mismatch.found) == (f"{key}.{name}", ("something else",))
    del changed[key][name]
    assert not matches(pattern, changed)


def as_pattern(event: dict[str, Any]) -> dict[str, Any]:
    """A pattern of every leaf that lies below objects alone, at a path of its own."""
    found: dict[str, list[Any]] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{path}.{key}" if path else key)
        elif not isinstance(node, list):
            found.setdefault(path, []).append(node)

    walk(event, "")
    return dict(found)


@settings(max_examples=300)
@given(st.text('{}[]",:\\ab*$or1-.e\n', max_size=25))
def test_any_text_is_a_pattern_or_an_error_with_a_place(text: str) -> None:
    error = error_of(text)
    if error is not None and error.line:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1


def error_of(text: str) -> PatternError | None:
    try:
        compile_pattern(text)
    except PatternError as error:
        return error
    return None


@settings(max_examples=300)
@given(patterns(), st.data())
def test_what_json_refuses_is_refused(pattern: dict[str, Any], data: st.DataObject) -> None:
    """One character less or more: where Python's parser finds no JSON before the end, neither is it a pattern."""
    text = json.dumps(pattern)
    at = data.draw(st.integers(0, len(text) - 1))
    broken = text[:at] + data.draw(st.sampled_from(["", "x", '"', ",", "]", "}"])) + text[at + 1 :]
    assert is_json(broken) or error_of(broken) is not None


def is_json(text: str) -> bool:
    try:
        json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return False
    return True

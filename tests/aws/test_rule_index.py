"""The index answers as rule-by-rule evaluation does, for any rules, events, additions and removals."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.event_pattern import Pattern, PatternError, compile_pattern, matches
from simtriggers.aws.rule_index import RuleIndex
from tests.aws.patterns import events, patterns

ENVELOPE: dict[str, Any] = {"source": "a", "detail-type": "b"}


def compiled(sources: list[dict[str, Any]]) -> dict[int, Pattern]:
    """By number; patterns that AWS refuses are left out."""
    found = {}
    for number, source in enumerate(sources):
        try:
            found[number] = compile_pattern(source)
        except PatternError:
            continue
    return found


def index_of(rules: dict[int, Pattern]) -> RuleIndex[int]:
    index: RuleIndex[int] = RuleIndex()
    for number, pattern in rules.items():
        index.add(number, pattern)
    return index


def one_by_one(rules: dict[int, Pattern], event: dict[str, Any]) -> list[int]:
    return [number for number, pattern in rules.items() if matches(pattern, event)]


def variants(event: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Patterns of single leaves of an event, so that many of them match."""
    leaves: list[dict[str, Any]] = [{}]

    def walk(node: Any, path: list[str]) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, [*path, key])
        elif isinstance(node, list):
            for value in node:
                walk(value, path)
        elif path:
            ways: list[Any] = [node, {"exists": True}, {"anything-but": ["zz"]}]
            if isinstance(node, str):
                ways += [{"prefix": node[:1]}, {"suffix": node[-1:]}, {"wildcard": "*"}, {"equals-ignore-case": node}]
            for way in ways:
                pattern: Any = [way]
                for step in reversed(path):
                    pattern = {step: pattern}
                leaves.append(pattern)

    walk(event, [])
    return st.sampled_from(leaves[1:] or [{"a": [{"exists": False}]}])


@settings(max_examples=80)
@given(st.lists(patterns(), min_size=6, max_size=16), st.lists(events(), min_size=1, max_size=4))
def test_agrees_with_rule_by_rule_evaluation(sources: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    rules = compiled(sources)
    index = index_of(rules)
    for each in found:
        for event in (ENVELOPE | each, each):
            assert index.match(event) == one_by_one(rules, event)


@settings(max_examples=60)
@given(events().filter(bool), st.data())
def test_agrees_where_many_rules_match(event: dict[str, Any], data: st.DataObject) -> None:
    event = ENVELOPE | event
    sources = data.draw(st.lists(variants(event) | patterns(), min_size=6, max_size=14))
    rules = compiled(sources)
    assert index_of(rules).match(event) == one_by_one(rules, event)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 11), st.none() | patterns()), max_size=40), st.lists(events(), min_size=3))
def test_rules_come_and_go(acts: list[tuple[int, dict[str, Any] | None]], found: list[dict[str, Any]]) -> None:
    index: RuleIndex[int] = RuleIndex()
    rules: dict[int, Pattern] = {}
    for turn, (key, source) in enumerate(acts):
        pattern = compiled([source])[0] if source is not None and compiled([source]) else None
        if pattern is not None:
            index.add(key, pattern)
            rules.pop(key, None)
            rules[key] = pattern
        elif key in rules:
            index.remove(key)
            del rules[key]
        event = ENVELOPE | found[turn % len(found)]
        assert index.match(event) == one_by_one(rules, event)
    assert len(index) == len(rules)
    assert all(key in index for key in rules)


def test_removing_what_is_not_there() -> None:
    with pytest.raises(KeyError):
        RuleIndex[str]().remove("none")


def test_a_rule_of_several_branches_is_found_once_and_in_its_place() -> None:
    either = {"$or": [{"source": ["a", "c"]}, {"detail": {"x": [1]}}, {"detail-type": ["b"]}]}
    rules = compiled([{"detail": {"x": [{"exists": True}]}}, either, {"detail-type": ["b"]}])
    event = {**ENVELOPE, "detail": {"x": 1}}
    assert index_of(rules).match(event) == [0, 1, 2]


def seeded_rules(count: int, paths: int, seed: int) -> dict[int, Pattern]:
    """Rules over many paths: each asks for one to three of them, some in every way that there is."""
    chance = random.Random(seed)
    ways: list[Any] = [
        [3],
        [{"numeric": [">", 2, "<=", 7]}],
        [{"numeric": ["=", 5]}],
        [{"anything-but": [1, 2]}],
        [{"anything-but": {"prefix": "a"}}, 4],
        [{"anything-but": "ab"}, {"anything-but": "b"}],
        [{"prefix": "ab"}, {"exists": False}],
        [{"suffix": "b"}, None, True],
        [{"equals-ignore-case": "AB"}, False],
        [{"wildcard": "a*b"}],
        [{"cidr": "10.0.0.0/8"}, "10.1.2.3"],
        [{"exists": True}],
        [{"exists": False}],
        ["ab", 9007199254740993, 0.5],
    ]
    return compiled(
        [
            {"detail": {f"p{chance.randrange(paths)}": chance.choice(ways) for _ in range(chance.randint(1, 3))}}
            for _ in range(count)
        ]
    )


@pytest.mark.parametrize("paths", [4, 200], ids=["few paths", "more paths than are walked"])
def test_a_thousand_rules_of_all_kinds(paths: int) -> None:
    rules = seeded_rules(1000, paths, seed=paths)
    index = index_of(rules)
    chance = random.Random(7)
    values = [1, 2, 3, 4, 5, 5.0, 7, 8, 0.5, "a", "ab", "AB", "b", "acb", "10.1.2.3", "::1", None, True, False]
    values += [9007199254740993, 1e400, [], {}, [1, "ab"], [[3]], [{"q": 1}], {"q": "ab"}, ["b", None]]
    matched = 0
    for turn in range(150):
        detail = {f"p{chance.randrange(paths)}": chance.choice(values) for _ in range(chance.randint(0, 6))}
        event = {**ENVELOPE, "detail": detail}
        if turn % 10 == 0:
            event["detail.p1"] = "ab"
        found = index.match(event)
        assert found == one_by_one(rules, event), event
        matched += len(found)
        if turn % 3 == 0 and rules:
            gone = chance.choice(list(rules))
            index.remove(gone)
            del rules[gone]
    assert matched > 500

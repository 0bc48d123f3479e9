"""YAML as plain data with positions: values, places, and files that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.errors import UserError, UserErrors, Where
from simtriggers.project.load import load_yaml, parse_yaml, raise_all, suggest

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "project"
VALUES: list[dict[str, Any]] = YAML(typ="safe").load(CASES / "values.yaml")


@pytest.mark.parametrize("row", VALUES, ids=lambda row: row["name"])
def test_values_are_what_the_file_says(row: dict[str, Any]) -> None:
    data = parse_yaml(row["text"], "v.yaml").data
    assert data == row["expect"]
    assert [type(value) for value in data.values()] == [type(value) for value in row["expect"].values()]


TEXT = """\
# a comment first
queues:
  orders: {visibility_timeout: 30s}
  empty:
functions:
  - handler: a.b
    triggers: [x, {sqs: orders}]
"""


@pytest.mark.parametrize(
    ("path", "value_at", "key_at"),
    [
        ((), (2, 1), (2, 1)),
        (("queues",), (3, 3), (2, 1)),
        (("queues", "orders"), (3, 11), (3, 3)),
        (("queues", "orders", "visibility_timeout"), (3, 32), (3, 12)),
        (("queues", "empty"), (4, 3), (4, 3)),
        (("functions", 0), (6, 5), (6, 5)),
        (("functions", 0, "triggers"), (7, 15), (7, 5)),
        (("functions", 0, "triggers", 1), (7, 19), (7, 19)),
        (("functions", 0, "triggers", 1, "sqs"), (7, 25), (7, 20)),
        (("queues", "orders", "nothing", "here"), (3, 11), (3, 3)),
        (("functions", 9), (6, 3), (5, 1)),
    ],
)
def test_places_count_from_one(path: tuple[str | int, ...], value_at: tuple[int, int], key_at: tuple[int, int]) -> None:
    document = parse_yaml(TEXT, "p.yaml")
    assert document.where(path) == Where("p.yaml", *value_at)
    assert document.where(path, key=True) == Where("p.yaml", *key_at)


def test_get_walks_mappings_and_lists() -> None:
    document = parse_yaml(TEXT, "p.yaml")
    assert document.get(("functions", 0, "triggers", 1)) == {"sqs": "orders"}
    assert document.get(("functions", 7), "none") == "none"
    assert document.get(("queues", "orders", "visibility_timeout", 0), "none") == "none"


def test_a_merged_value_stands_where_it_was_written() -> None:
    document = parse_yaml("a: &x {k: 1, m: 2}\nb:\n  <<: *x\n  k: 3\n", "m.yaml")
    assert document.data == {"a": {"k": 1, "m": 2}, "b": {"k": 3, "m": 2}}
    assert document.where(("b", "m")) == Where("m.yaml", 1, 17)
    assert document.where(("b", "k")) == Where("m.yaml", 4, 6)


def test_an_alias_gives_a_copy_of_its_own() -> None:
    data = parse_yaml("a: &x {k: 1}\nb: *x\n", "m.yaml").data
    data["a"]["k"] = 2
    assert data["b"] == {"k": 1}


def test_aliases_that_multiply_end_with_an_error() -> None:
    layers = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 7))
    with pytest.raises(UserError, match="more than 200000 values\n  fix: use fewer aliases"):
        parse_yaml("l0: &l0 x\n" + layers, "bomb.yaml")


def test_nesting_without_end_is_an_error() -> None:
    with pytest.raises(UserError, match="too deep"):
        parse_yaml("[" * 1000, "deep.yaml")


def test_a_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("\ufeffa: 1\n", encoding="utf-8")
    assert load_yaml(path).file == str(path)
    assert load_yaml(path, name="p.yaml").where(("a",)) == Where("p.yaml", 1, 4)
    assert load_yaml(str(path)).data == {"a": 1}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    found = []
    for name in ("missing.yaml", "latin.yaml", "."):
        with pytest.raises(UserError) as caught:
            load_yaml(tmp_path / name, name=name)
        found.append(str(caught.value))
    assert found == [
        "there is no file missing.yaml\n  fix: check the path, or make the file",
        "latin.yaml: byte 3 is not UTF-8\n  fix: save the file with the encoding UTF-8",
        "cannot read .: is a directory\n  fix: check the path and its permissions",
    ]


@pytest.mark.parametrize(
    ("name", "known", "expect"),
    [
        ("orders-dql", ["orders", "orders-dlq"], "did you mean 'orders-dlq'?"),
        ("MaxReceiveCount", ["max_receive_count"], "did you mean 'max_receive_count'?"),
        ("zzz", ["b", "a", "a"], "write one of a, b"),
        ("zzz", ["only"], "write only"),
        ("zzz", [f"queue-{n}" for n in range(13)], ""),
        ("zzz", [], ""),
    ],
)
def test_suggestions(name: str, known: list[str], expect: str) -> None:
    assert suggest(name, known) == expect


def test_errors_are_raised_in_the_order_of_the_file() -> None:
    document = parse_yaml(TEXT, "p.yaml")
    late, early = document.error(("functions",), "late"), document.error(("queues",), "early", key=True)
    raise_all([])
    with pytest.raises(UserError) as one:
        raise_all([late])
    assert one.value is late
    with pytest.raises(UserErrors) as both:
        raise_all([late, early])
    assert both.value.errors == [early, late]


_plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=8)
_trees = st.recursive(
    _plain | _keys, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3)
)


@given(st.dictionaries(_keys, _trees, min_size=1, max_size=3))
def test_json_is_read_as_json(tree: dict[str, Any]) -> None:
    """JSON is YAML: whatever a project file holds can be written by a program as well."""
    document = parse_yaml(json.dumps(tree), "j.json")
    assert document.data == tree
    for key in tree:
        assert document.where((key,), key=True).line == 1

"""What is stored in an agenda entry comes back as the same value, whatever texts and dicts it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.aws.contracts import Delivery, Poll, PutResource, Record
from simtriggers.kernel.codec import Overdue, command, decode, encode, overdue_of, to_json, type_name, value
from simtriggers.kernel.effects import Caller, ReplyTo, RetryPolicy
from tests.toys import Asked, Remind


@value
class Part:
    """A value inside a command."""

    text: str
    number: int | float | None = None


@command(Overdue.COALESCE)
class Everything:
    """A command with a field of every kind."""

    text: str
    raw: bytes
    flag: bool
    parts: tuple[Part, ...]
    pairs: tuple[tuple[str, str], ...]
    document: dict[str, Any]
    documents: tuple[dict[str, Any], ...] = ()
    inner: Part | None = None


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10) | st.sampled_from(["$type", "bytes", "json"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(TEXTS, JSON, max_size=4)
PARTS = st.builds(Part, TEXTS, st.none() | st.integers() | st.floats(allow_nan=False))
COMMANDS = st.builds(
    Everything,
    TEXTS,
    st.binary(max_size=10),
    st.booleans(),
    st.lists(PARTS, max_size=3).map(tuple),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    DOCUMENTS,
    st.lists(DOCUMENTS, max_size=2).map(tuple),
    st.none() | PARTS,
)


@given(COMMANDS)
def test_a_command_survives_its_text(item: Everything) -> None:
    again = decode(encode(item))
    assert again == item
    assert type(again) is Everything
    assert repr(again) == repr(item)


@pytest.mark.parametrize(
    "item",
    [
        None,
        7,
        "text",
        ("a", ("b", 1)),
        ReplyTo("arn", "r"),
        Caller(3),
        Asked(None),
        Poll(10, None, 30_000),
        PutResource("queue", "q", {"$type": "bytes", "base64": "?", "nested": [{"$type": "sqs.Nothing"}]}),
        Delivery("d", RetryPolicy("p", 3, 60_000), 1, 5, None, (("source", "arn"),)),
    ],
)
def test_these_survive_their_text(item: object) -> None:
    assert decode(encode(item)) == item


def test_the_text_can_be_read_by_people_and_by_the_next_version() -> None:
    assert encode(Record("i", "r", '{"a":1}', 4)) == (
        '{"$type":"aws.Record","id":"i","receipt":"r","json":"{\\"a\\":1}","cause":4,"group_id":null}'
    )
    older = '{"$type":"aws.Record","id":"i","receipt":"r","json":"{}","cause":4}'
    assert decode(older) == Record("i", "r", "{}", 4)
    assert json.loads(encode(PutResource("queue", "q", {"a": [1]})))["config"] == {"a": [1]}
    assert encode(Part("é")) == '{"$type":"kernel.Part","text":"é","number":null}'
    assert type_name(Remind("k", 1)) == "tests.Remind"
    assert type_name(5) == "int"


def test_a_type_that_is_not_declared_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="set cannot be stored in the agenda"):
        encode(Part({1}))  # type: ignore[arg-type]
    with pytest.raises(KeyError, match=r"of\.tomorrow"):
        decode('{"$type":"of.tomorrow"}')


def test_two_types_of_one_name_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"two stored types are named kernel\.Part"):
        value(type("Part", (), {"__module__": "simtriggers.kernel.elsewhere", "__doc__": "Another."}))


def test_overdue_is_what_the_command_says_and_answers_run_at_once() -> None:
    assert overdue_of(Everything) is Overdue.COALESCE
    assert overdue_of(Remind) is Overdue.SKIP
    assert overdue_of(Part) is Overdue.RUN
    assert overdue_of(int) is Overdue.RUN


@given(JSON)
def test_json_is_compact_and_raw(item: Any) -> None:
    assert to_json(item) == json.dumps(item, separators=(",", ":"), ensure_ascii=False)

"""Fixed values behave as frozen dataclasses do, but that only the type checker refuses an assignment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.kernel.fixed import altered, fixed


@fixed
class Fixed:
    """As Plain."""

    name: str
    number: int = 0
    parts: tuple[int, ...] = ()
    seen: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plain:
    """As Fixed."""

    name: str
    number: int = 0
    parts: tuple[int, ...] = ()
    seen: int = field(default=0, compare=False, repr=False)


@fixed
class Empty:
    """No fields."""


@fixed
class Single:
    """One field."""

    only: int


VALUES = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.just(()) | st.just((1,)), st.integers(0, 1))


@given(VALUES, VALUES)
def test_equal_hashed_and_shown_as_a_frozen_dataclass(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    ours, plain = (Fixed(*one), Fixed(*other)), (Plain(*one), Plain(*other))  # type: ignore[arg-type]
    assert (ours[0] == ours[1]) is (plain[0] == plain[1])
    assert hash(ours[0]) == hash(plain[0])
    assert repr(ours[0]) == repr(plain[0]).replace("Plain", "Fixed")
    assert len({*ours}) == len({*plain})


def test_of_no_other_class_and_with_slots() -> None:
    others: list[Any] = [Plain("a"), ("a", 0, ())]
    assert all(Fixed("a") != other for other in others)
    assert Empty() == Empty() and hash(Empty()) == hash(Empty()) and repr(Empty()) == "Empty()"
    assert Single(1) == Single(1) != Single(2)
    with pytest.raises(AttributeError):
        Fixed("a").more = 1  # type: ignore[attr-defined]


def test_altered_is_replace() -> None:
    one = Fixed("a", 1, (2,), 3)
    assert altered(one, number=5, seen=4) == dataclasses.replace(one, number=5)
    assert altered(one, seen=4).seen == 4
    assert (one.number, one.seen) == (1, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nubmer'"):
        altered(one, nubmer=5)

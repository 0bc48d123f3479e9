"""Matching an event against the fields of one branch.

An event is seen as its leaves: scalars at paths, where objects add a step to the path and arrays add none.
Keys with dots are several steps at once. The fields of a branch must match in one and the same element of
each array that they lie in. Most events have no arrays of objects on the way to a field, so each field has
a short test for that, which gives up where it meets one; the full search is then made for the whole branch.
Source: aws/event-ruler, Event, ArrayMembership and ACFinder, whose order of fields (by path) is kept, since
`exists: false` sees only the array elements that earlier fields have chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from .model import Field
from .values import ValueTest, value_test

Array = tuple[str | int, ...]
"""An array of an event: the keys and indexes on the way to it."""
Element = tuple[Array, int]
"""One element of an array."""
Leaf = tuple[Any, tuple[Element, ...]]
"""A scalar, and the array elements that it lies in."""

_SCALARS: Final = (str, int, float, bool, type(None))
_STEPS_WITH_SHORT_TEST: Final = 8
_STEPS_WITH_CHOICES: Final = 16


def branch_test(fields: tuple[Field, ...]) -> Callable[[dict[str, Any]], bool]:
    """The test of an event against all fields of a branch."""
    if any(field.path.count(".") >= _STEPS_WITH_SHORT_TEST for field in fields):
        full = Search(fields)
        return lambda event: full.failure(event) is None
    search: Search | None = None
    checks = tuple((_getter(field.path), value_test(field.alternatives), field.may_be_absent) for field in fields)

    def test(event: dict[str, Any]) -> bool:
        nonlocal search
        for get, takes, absent in checks:
            value = get(event)
            if value is _NOTHING:
                if absent:
                    continue
                return False
            if value.__class__ is list:
                if any(map(takes, value)):
                    continue
                return False
            if value is _UNCLEAR:
                search = search or Search(fields)
                return search.failure(event) is None
            if not takes(value):
                return False
        return True

    return test


# --- the short way to one field -----------------------------------------------------------------

_NOTHING: Final = object()
"""No leaf is at the path."""
_UNCLEAR: Final = object()
"""An array of objects or a dotted key is on the way: only the full search can tell."""


def _leaf(value: Any) -> Any:
    """What a field is asked about: a scalar, or a list of some; or one of the two words above."""
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, dict):
        return _NOTHING
    if all(isinstance(each, _SCALARS) for each in value):
        return list(value) if value else _NOTHING
    return _UNCLEAR


@lru_cache(maxsize=4096)
def _getter(path: str) -> Callable[[dict[str, Any]], Any]:
    """The way to a path's leaf, one function for all the rules that ask for it: it stays in the processor's cache."""
    steps = path.split(".")
    *way, last = steps
    if not way:

        def at_top(event: dict[str, Any]) -> Any:
            value = event.get(last, _NOTHING)
            return value if value.__class__ is str or value is _NOTHING else _leaf(value)

        return at_top

    ways = [(step, frozenset(_dotted(steps[start:]))) for start, step in enumerate(way)]

    def below(event: Any) -> Any:
        for step, longer in ways:
            if not longer.isdisjoint(event):
                return _UNCLEAR
            event = event.get(step)
            if event.__class__ is not dict:
                if isinstance(event, list | tuple):
                    return _UNCLEAR
                if not isinstance(event, dict):
                    return _NOTHING
        value = event.get(last, _NOTHING)
        return value if value.__class__ is str or value is _NOTHING else _leaf(value)

    return below


def _dotted(steps: list[str]) -> tuple[str, ...]:
    """The keys that would take several of the steps at once."""
    return tuple(".".join(steps[:count]) for count in range(2, len(steps) + 1))


# --- the search that sees arrays ----------------------------------------------------------------


class Search:
    """The full search for a way through the fields of a branch."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = tuple(sorted(fields, key=lambda field: field.path))
        self._tests = [
            (Route(field.path), value_test(field.alternatives), field.may_be_absent) for field in self.fields
        ]

    def failure(self, event: dict[str, Any]) -> int | None:
        """The first of `fields` that cannot match beside those before it, or None when all match."""
        leaves = [list(leaves_at(event, route)) for route, _, _ in self._tests]
        matter = _arrays_behind(leaves)
        chosen: set[frozenset[Element]] = {frozenset()}
        for number, (_, test, absent) in enumerate(self._tests):
            later = matter[number]
            chosen = {
                frozenset(element for element in after if element[0] in later) if later else frozenset()
                for before in chosen
                for after in _joined(before, leaves[number], test, absent)
            }
            if not chosen:
                return number
        return None


def _joined(
    before: frozenset[Element], leaves: list[Leaf], test: ValueTest, absent: bool
) -> Iterator[frozenset[Element]]:
    """The array elements chosen after a field, for those chosen before it."""
    index_of = dict(before)
    found = False
    for value, elements in leaves:
        if not index_of or all(index_of.get(array, index) == index for array, index in elements):
            found = True
            if test(value):
                yield before.union(elements)
    if absent and not found:
        yield before


def _arrays_behind(leaves: list[list[Leaf]]) -> list[set[Array]]:
    """For each field, the arrays that later fields lie in: only these must be remembered."""
    behind: list[set[Array]] = [set()]
    for each in reversed(leaves[1:]):
        behind.append(behind[-1] | {array for _, elements in each for array, _ in elements})
    return behind[::-1]


class Route:
    """The ways that a path can take through the keys of objects; keys may have dots of their own.

    Progress is counted in characters of the path; `end` is where a value is a leaf.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.end = len(path) + 1
        steps = path.split(".")
        # Of a path of many steps there would be too many keys to think of: those of the event are looked at.
        self._choices = _choices(steps) if len(steps) <= _STEPS_WITH_CHOICES else None

    def keys(self, node: dict[str, Any], done: int) -> list[tuple[str, int]]:
        """The keys of an object that go on, with the progress behind each."""
        if self._choices is not None:
            return [choice for choice in self._choices[done] if choice[0] in node]
        rest = self._path[done:]
        found = [key for key in node if rest.startswith(key) and rest[len(key) : len(key) + 1] in ("", ".")]
        return [(key, done + len(key) + 1) for key in sorted(found, key=len)]


def _choices(steps: list[str]) -> dict[int, list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = {}
    done = 0
    for start, step in enumerate(steps):
        keys = [".".join(steps[start:stop]) for stop in range(start + 1, len(steps) + 1)]
        found[done] = [(key, done + len(key) + 1) for key in keys]
        done += len(step) + 1
    found[done] = []
    return found


def leaves_at(event: dict[str, Any], route: Route) -> Iterator[Leaf]:
    """The leaves at a path, in the order of the event."""
    todo: list[tuple[Any, int, Array, tuple[Element, ...]]] = [(event, 0, (), ())]
    while todo:
        node, done, way, elements = todo.pop()
        if isinstance(node, dict):
            if done < route.end:
                todo += [(node[key], after, (*way, key), elements) for key, after in route.keys(node, done)[::-1]]
        elif isinstance(node, list | tuple):
            for index in range(len(node) - 1, -1, -1):
                # A scalar in an array lies in no element of it: two values of one array may match two fields.
                inside = elements if isinstance(node[index], _SCALARS) else (*elements, (way, index))
                todo.append((node[index], done, (*way, index), inside))
        elif done == route.end:
            yield node, elements

"""Sets of rules as bits of an int: for each path, which rules are content with a value there.

Rule number n is bit n. What all paths say is joined with `&`; what is left matches. The cost is that of the
paths, not of the rules. An event in which objects lie in arrays, or with dots in its keys, is judged here
only roughly (no rule that matches is missed), and `walk` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..event_pattern import Field
from .values import ValueTable

_MISSING: Final = object()
ROUGH: Final = -1
"""What `walk` gives when it cannot tell exactly."""
_MANY_BITS: Final = 6


@dataclass
class _Level:
    """The keys that paths take at one object. `absent` is what holds when there is no such object."""

    tables: dict[str, ValueTable] = field(default_factory=dict)
    below: dict[str, _Level] = field(default_factory=dict)
    dotted: set[str] = field(default_factory=set)
    absent: int = ROUGH
    entries: list[tuple[str, ValueTable | None, _Level | None]] = field(default_factory=list)

    def close(self) -> None:
        for level in self.below.values():
            level.close()
        for table in self.tables.values():
            table.close()
            self.absent &= table.absent
        for level in self.below.values():
            self.absent &= level.absent
        keys = dict.fromkeys([*self.tables, *self.below])
        entries = [(key, self.tables.get(key), self.below.get(key)) for key in keys]
        # First the paths that most rules ask for: the sooner nothing is left, the better.
        self.entries = sorted(entries, key=lambda entry: entry[1].free.bit_count() if entry[1] is not None else 0)


class Tables:
    """The tables of some rules, each given by its fields. `top` is for `walk`; `every` has each rule's bit."""

    def __init__(self, rules: Sequence[Sequence[Field]]) -> None:
        self.every = (1 << len(rules)) - 1
        self._by_path: dict[str, ValueTable] = {}
        self.top = _Level()
        for number, fields in enumerate(rules):
            for each in fields:
                table = self._by_path.get(each.path) or self._table(each.path)
                table.add(1 << number, each.alternatives)
        for table in self._by_path.values():
            table.free = self.every & ~table.asked
        self.top.close()

    def _table(self, path: str) -> ValueTable:
        table = self._by_path[path] = ValueTable()
        level, steps = self.top, path.split(".")
        for start, step in enumerate(steps):
            level.dotted.update(".".join(steps[start:end]) for end in range(start + 2, len(steps) + 1))
            if start == len(steps) - 1:
                level.tables[step] = table
            else:
                level = level.below.setdefault(step, _Level())
        return table

    def rough(self, event: dict[str, Any]) -> int:
        """Which rules have a value for each field somewhere; whether the values lie together is not asked."""
        leaves, found = leaves_by_path(event), self.every
        for path, table in self._by_path.items():
            content = table.absent
            for value in leaves.get(path, ()):
                content |= table.of_scalar(value)
            found &= content
        return found


def walk(level: _Level, event: dict[str, Any], found: int) -> int:
    """What is left of `found` when the paths of a level have been asked, or -1 where it cannot be said exactly."""
    if level.dotted and not level.dotted.isdisjoint(event):
        return ROUGH
    for key, table, below in level.entries:
        value = event.get(key, _MISSING)
        kind = type(value)
        if table is not None:
            if kind is str:
                found &= table.of_string(value)
            elif value is _MISSING or kind is dict:
                found &= table.absent
            elif kind is list:
                content = _of_list(table, value)
                if content == ROUGH:
                    return ROUGH
                found &= content
            else:
                found &= table.of_scalar(value)
        if below is not None:
            if kind is dict:
                found = walk(below, value, found)
                if found == ROUGH:
                    return ROUGH
            elif kind is list and not all(type(each) in _SCALARS for each in value):
                return ROUGH
            else:
                found &= below.absent
        if not found:
            return 0
    return found


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def _of_list(table: ValueTable, values: list[Any]) -> int:
    if not values:
        return table.absent
    content = 0
    for value in values:
        if type(value) not in _SCALARS:
            return ROUGH
        content |= table.of_scalar(value)
    return content


def places(found: int) -> Iterator[int] | list[int]:
    """The places of the bits that are set."""
    if found.bit_count() > _MANY_BITS:
        return _many_places(found)
    found_places = []
    while found:
        low = found & -found
        found_places.append(low.bit_length() - 1)
        found ^= low
    return found_places


def _many_places(found: int) -> Iterator[int]:
    text = bin(found)[:1:-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)


def leaves_by_path(event: dict[str, Any]) -> dict[str, list[Any]]:
    """The scalars of an event by their dotted paths; arrays add no step."""
    found: dict[str, list[Any]] = {}
    todo: list[tuple[str, Any]] = list(event.items())
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{path}.{key}", below) for key, below in value.items()]
        elif isinstance(value, list | tuple):
            todo += [(path, each) for each in value]
        else:
            found.setdefault(path, []).append(value)
    return found

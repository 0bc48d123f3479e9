"""Rules that share a source (or a detail type): asked one by one while they are few, through tables when many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ..event_pattern import Field
from .tables import ROUGH, Tables, leaves_by_path, places, walk

K = TypeVar("K")

_FEW: Final = 16
"""So many rules are asked one by one, those of the event's detail type alone, sooner than through tables."""
_PATHS_MAX: Final = 48
"""Rules with more paths than this together are told apart by one path of each first."""
_TABLE_RULES_MAX: Final = 8192
"""Rules of one set of tables: each value's bits are as long as this at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot(Generic[K]):
    """One branch of a rule in a group. `number` orders rules by their adding; `kinds` are the detail types that it
    names by plain text, or None; `fields` are what is left to ask, `test` asks all of it of an event."""

    number: int
    key: K
    kinds: tuple[str, ...] | None
    fields: tuple[Field, ...]
    test: Callable[[dict[str, Any]], bool]

    def anchor(self, uses: dict[str, int]) -> str | None:
        """The path that must be there for the branch to match and that the fewest others use."""
        paths = [field.path for field in self.fields if not field.may_be_absent]
        return min(paths, key=lambda path: (uses[path], path)) if paths else None


class Group(Generic[K]):
    """Slots, and what is built from them at the next event after there were enough changes."""

    __slots__ = ("_built", "_by_path", "_fresh", "_fresh_by_kind", "_gone", "_stale", "_tables")

    def __init__(self) -> None:
        self._built: dict[Slot[K], None] = {}
        self._fresh: dict[Slot[K], None] = {}
        self._fresh_by_kind: dict[str | None, list[Slot[K]]] = {}
        self._gone = 0
        self._stale = False
        self._tables: list[tuple[Tables, list[Slot[K]]]] = []
        self._by_path: dict[str, Group[K]] = {}

    def __bool__(self) -> bool:
        return bool(self._built or self._fresh)

    def add(self, slot: Slot[K]) -> None:
        """Add a slot. It is asked alone until the tables are built anew."""
        self._fresh[slot] = None
        for kind in slot.kinds or (None,):
            self._fresh_by_kind.setdefault(kind, []).append(slot)
        self._stale = self._stale or len(self._fresh) > _FEW + len(self._built) // 32

    def remove(self, slot: Slot[K]) -> None:
        """Remove a slot."""
        if slot in self._fresh:
            del self._fresh[slot]
            for kind in slot.kinds or (None,):
                self._fresh_by_kind[kind].remove(slot)
            return
        del self._built[slot]
        self._gone += 1
        self._stale = self._stale or self._gone > _FEW + len(self._built)

    def collect(self, event: dict[str, Any], kind: str, hits: list[Slot[K]]) -> None:
        """Append the slots that match an event of a detail type."""
        if self._stale:
            self._build()
        if self._fresh:
            for slot in self._fresh_by_kind.get(kind, ()):
                if slot.test(event):
                    hits.append(slot)
            for slot in self._fresh_by_kind.get(None, ()):
                if slot.test(event):
                    hits.append(slot)
            if not self._built:
                return
        start = len(hits)
        for tables, slots in self._tables:
            found = walk(tables.top, event, tables.every)
            if found:
                _take(tables, slots, found, event, hits)
        if self._by_path:
            for path in leaves_by_path(event):
                group = self._by_path.get(path)
                if group is not None:
                    group.collect(event, kind, hits)
        if self._gone:
            hits[start:] = [slot for slot in hits[start:] if slot in self._built]

    def _build(self) -> None:
        slots = [*self._built, *self._fresh]
        self._built, self._fresh, self._gone = dict.fromkeys(slots), {}, 0
        self._fresh_by_kind, self._stale = {}, False
        self._tables, self._by_path = [], {}
        uses: dict[str, int] = {}
        for slot in slots:
            for field in slot.fields:
                uses[field.path] = uses.get(field.path, 0) + 1
        if len(uses) > _PATHS_MAX:
            slots = self._split(slots, uses)
        for start in range(0, len(slots), _TABLE_RULES_MAX):
            part = slots[start : start + _TABLE_RULES_MAX]
            self._tables.append((Tables([slot.fields for slot in part]), part))

    def _split(self, slots: list[Slot[K]], uses: dict[str, int]) -> list[Slot[K]]:
        """Hand slots to groups by a path that each needs; returns those that need none."""
        rest: list[Slot[K]] = []
        parts: dict[str, list[Slot[K]]] = {}
        for slot in slots:
            path = slot.anchor(uses)
            if path is None:
                rest.append(slot)
            else:
                parts.setdefault(path, []).append(slot)
        if len(parts) < 2:
            return slots
        for path, part in parts.items():
            group = self._by_path[path] = Group()
            for slot in part:
                group.add(slot)
        return rest


def _take(tables: Tables, slots: list[Slot[K]], found: int, event: dict[str, Any], hits: list[Slot[K]]) -> None:
    """Append the slots whose bits are left, asked once more where the tables see only roughly."""
    if found == ROUGH:
        hits += [slots[place] for place in places(tables.rough(event)) if slots[place].test(event)]
    else:
        hits += [slots[place] for place in places(found)]

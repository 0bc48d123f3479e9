"""Many event patterns as one structure: which of a bus's rules match an event. Pure.

    >>> index = RuleIndex()
    >>> index.add("big", compile_pattern('{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}'))
    >>> index.match({"source": "shop", "detail-type": "order", "detail": {"total": 250}})
    ['big']

Rules are found by `source`, or else by `detail-type`, where they name it by plain text; those that share
it (or name neither) are found by the values of all their fields at once (`tables`). So an event costs
almost the same for ten rules and for ten thousand. What a pattern means is `event_pattern`'s alone: the
index answers as rule-by-rule evaluation does, and a property test holds the two together.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

from ..event_pattern import Branch, Field, Kind, Pattern, matches
from ..event_pattern.addresses import address_of
from ..event_pattern.match import branch_test
from .groups import Group, Slot

__all__ = ["RuleIndex"]

K = TypeVar("K")

_SOURCE: Final = "source"
_DETAIL_TYPE: Final = "detail-type"

_Place = tuple[str, str]
"""Where a branch is found: a field of the envelope and its text; both empty for all the others."""
_ELSEWHERE: Final[_Place] = ("", "")


class RuleIndex(Generic[K]):
    """Patterns by a key (a rule's ARN), which can be added and removed at any time."""

    def __init__(self) -> None:
        self._by_source: dict[str, Group[K]] = {}
        self._by_kind: dict[str, Group[K]] = {}
        self._elsewhere: dict[str, Group[K]] = {}
        self._patterns: dict[K, Pattern] = {}
        self._added: dict[K, list[tuple[_Place, Slot[K]]]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._patterns)

    def __contains__(self, key: object) -> bool:
        return key in self._patterns

    def add(self, key: K, pattern: Pattern) -> None:
        """Add a rule, or replace the pattern of one that is there."""
        if key in self._patterns:
            self.remove(key)
        self._number += 1
        added = self._added[key] = []
        for branch in pattern.branches:
            places, rest = _places(branch)
            slot = Slot(self._number, key, _kinds(rest), rest, branch_test(rest))
            for place in places:
                self._groups(place).setdefault(place[1], Group()).add(slot)
                added.append((place, slot))
        self._patterns[key] = pattern

    def remove(self, key: K) -> None:
        """Remove a rule. Raises KeyError when it is not there."""
        del self._patterns[key]
        for place, slot in self._added.pop(key):
            groups = self._groups(place)
            group = groups[place[1]]
            group.remove(slot)
            if not group:
                del groups[place[1]]

    def _groups(self, place: _Place) -> dict[str, Group[K]]:
        return {_SOURCE: self._by_source, _DETAIL_TYPE: self._by_kind}.get(place[0], self._elsewhere)

    def match(self, event: dict[str, Any]) -> list[K]:
        """The keys of the rules that match, in the order in which they were added.

        `event` is a JSON object as `json.loads` gives it.
        """
        source, kind = event.get(_SOURCE), event.get(_DETAIL_TYPE)
        # An exact type: an envelope's source and detail type are texts, and other events are rare.
        if type(source) is not str or type(kind) is not str:
            return [key for key, pattern in self._patterns.items() if matches(pattern, event)]
        hits: list[Slot[K]] = []
        group = self._by_source.get(source)
        if group is not None:
            group.collect(event, kind, hits)
        group = self._by_kind.get(kind)
        if group is not None:
            group.collect(event, kind, hits)
        if self._elsewhere:
            self._elsewhere[""].collect(event, kind, hits)
        if len(hits) < 2:
            return [slot.key for slot in hits]
        # Several branches of one rule may match; slots sort by their number.
        return list(dict.fromkeys([slot.key for slot in sorted(hits, key=_number)]))


def _number(slot: Slot[Any]) -> int:
    return slot.number


def _places(branch: Branch) -> tuple[list[_Place], tuple[Field, ...]]:
    """Where a branch is found, and the fields that this leaves to be asked, the detail type first."""
    for path in (_SOURCE, _DETAIL_TYPE):
        for field in branch.fields:
            texts = _plain_texts(field) if field.path == path else None
            if texts is not None:
                rest = [other for other in branch.fields if other is not field]
                return [(path, text) for text in texts], tuple(sorted(rest, key=_not_detail_type))
    return [_ELSEWHERE], branch.fields


def _not_detail_type(field: Field) -> bool:
    return field.path != _DETAIL_TYPE


def _kinds(fields: tuple[Field, ...]) -> tuple[str, ...] | None:
    """The detail types that a branch names by plain text."""
    named = [_plain_texts(field) for field in fields if field.path == _DETAIL_TYPE]
    return named[0] if named else None


def _plain_texts(field: Field) -> tuple[str, ...] | None:
    """The texts of a field that asks for nothing but one of some texts; no addresses, which have several forms."""
    texts: dict[str, None] = {}
    for alternative in field.alternatives:
        operand = alternative.operands[0] if alternative.kind is Kind.EQUALS else None
        if not isinstance(operand, str) or address_of(operand) is not None:
            return None
        texts[operand] = None
    return tuple(texts)

r"""Wildcard texts: reading them, matching without backtracking, and how complex they are.

`*` stands for any run of characters, `\*` and `\\` for the characters themselves. Source: Amazon EventBridge
User Guide, "Wildcard matching", and aws/event-ruler, WildcardParser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .error import PatternError

COMPLEXITY_MAX: Final = 10
"""Unverified: AWS publishes no limit. This one agrees with every recorded answer (13 refused, 8 accepted)."""

TOO_COMPLEX: Final = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a"
    " wildcard character"
)

_STAR = None
Parts = tuple[str | None, ...]
"""Single characters, and None for each `*`."""


class BadWildcard(ValueError):
    """A wildcard text that AWS refuses; the text is AWS's."""


def read_wildcard(text: str) -> Parts:
    """The characters and stars of a text. Raises BadWildcard; positions are of bytes behind the opening quote."""
    parts: list[str | None] = []
    index = 0
    while index < len(text):
        char = text[index]
        follows = text[index + 1 : index + 2]
        if char == "*" and follows == "*":
            raise BadWildcard(f"Consecutive wildcard characters at pos {_byte(text, index)}")
        if char == "\\":
            if follows not in ("*", "\\"):
                raise BadWildcard(f"Invalid escape character at pos {_byte(text, index)}")
            parts.append(follows)
            index += 1
        else:
            parts.append(_STAR if char == "*" else char)
        index += 1
    return tuple(parts)


def _byte(text: str, index: int) -> int:
    return len(text[:index].encode("utf-8", "surrogatepass")) + 1


def wildcard_test(parts: Parts) -> Callable[[str], bool]:
    """A test of strings. Takes time in proportion to the string's length and the number of stars."""
    pieces = [""]
    for part in parts:
        if part is _STAR:
            pieces.append("")
        else:
            pieces[-1] += part
    first, *middle, last = pieces if len(pieces) > 1 else (pieces[0], "")
    if len(pieces) == 1:
        return first.__eq__
    length = len(first) + len(last)
    if not middle:
        return lambda text: len(text) >= length and text.startswith(first) and text.endswith(last)

    def test(text: str) -> bool:
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last):
            return False
        start = len(first)
        # The leftmost place is always the best one: what comes later has the more room.
        for piece in middle:
            start = text.find(piece, start, end)
            if start < 0:
                return False
            start += len(piece)
        return True

    return test


def check_complexity(parts: Parts) -> None:
    """Refuse a wildcard that could be matched in too many ways at once. Raises PatternError, without a place.

    Counted is how many of the text's beginnings (with the quotes around it) can be matched at the same
    time, at worst. Source: aws/event-ruler, MachineComplexityEvaluator, for the measure.
    """
    if _STAR in parts and _ways(('"', *parts, '"')) > COMPLEXITY_MAX:
        raise PatternError(TOO_COMPLEX)


def _ways(parts: Parts) -> int:
    """The largest number of places of `parts` that one text can have reached at once; stops above the limit."""
    start = frozenset({0})
    seen, todo, most = {start}, [start], 1
    while todo and most <= COMPLEXITY_MAX:
        places = todo.pop()
        # A character that none of the places wants leaves a part of what any wanted one leaves.
        for char in {parts[place] for place in places if place < len(parts)} - {_STAR}:
            reached = _after(places, char, parts)
            if reached not in seen:
                seen.add(reached)
                todo.append(reached)
                most = max(most, len(reached))
    return most


def _after(places: frozenset[int], char: str | None, parts: Parts) -> frozenset[int]:
    reached: set[int] = set()
    for place in places:
        if place < len(parts) and parts[place] is _STAR:
            reached |= {place, place + 1}
        elif place < len(parts) and parts[place] == char:
            reached.add(place + 1)
            if place + 1 < len(parts) and parts[place + 1] is _STAR:
                reached.add(place + 2)
    return frozenset(reached)

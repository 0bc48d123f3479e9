"""Comparing strings without case, character by character, as the matcher of AWS does.

A character of the pattern takes itself in lower and in upper case, each of which may be several characters
(`ß` takes `ß` and `SS`, not `ss`). Characters outside Unicode's first plane take themselves alone.
Source: aws/event-ruler, EqualsIgnoreCaseParser (which takes `??` for the last; not followed).
"""

from __future__ import annotations

from collections.abc import Callable

_Forms = tuple[frozenset[str], ...]


def equals(wanted: str) -> Callable[[str], bool]:
    """A test for the whole string."""
    if wanted.isascii():
        lower = wanted.lower()
        return lambda text: text.isascii() and text.lower() == lower
    forms = _forms(wanted)
    return lambda text: len(text) in _ends(text, forms)


def starts_with(wanted: str) -> Callable[[str], bool]:
    """A test for the beginning of a string."""
    forms, length, lower = _forms(wanted), len(wanted), wanted.lower()
    if wanted.isascii():
        return lambda text: text[:length].isascii() and text[:length].lower() == lower
    return lambda text: bool(_ends(text, forms))


def ends_with(wanted: str) -> Callable[[str], bool]:
    """A test for the end of a string."""
    begins = starts_with(wanted[::-1])
    if wanted.isascii():
        return lambda text: begins(text[: -len(wanted) - 1 : -1])
    forms = tuple(frozenset(form[::-1] for form in each) for each in reversed(_forms(wanted)))
    return lambda text: bool(_ends(text[::-1], forms))


def _forms(wanted: str) -> _Forms:
    return tuple(frozenset({char.lower(), char.upper()} if char <= "\uffff" else {char}) for char in wanted)


def _ends(text: str, forms: _Forms) -> set[int]:
    """Where a beginning of `text` can end that has one form of each character."""
    ends = {0}
    for each in forms:
        ends = {end + len(form) for end in ends for form in each if text.startswith(form, end)}
        if not ends:
            break
    return ends

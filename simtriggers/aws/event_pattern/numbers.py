"""Which numbers are compared as numbers: those that a binary64 holds without loss.

Two JSON numbers are equal when they are numerically equal, however they are written: 300, 300.0 and 3e2.
One that loses digits in a binary64, such as 9007199254740993, is compared by its text alone, and never by
size. Source: aws/event-ruler, ComparableNumber.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite

EXACT_MAX = 2**53
"""Up to here every whole number is a binary64."""
_DIGITS_MAX = 4000


def parse_number(text: str) -> int | float:
    """The value of a JSON number: an int where it is written as one, else a float (infinite when too large)."""
    is_float = any(sign in text for sign in ".eE") or len(text) > _DIGITS_MAX
    return float(text) if is_float else int(text)


def comparable(text: str) -> int | float | None:
    """The number to compare with, or None for one that loses digits in a binary64."""
    rounded = float(text)
    try:
        if not isfinite(rounded) or Decimal(repr(rounded)) != Decimal(text):
            return None
    except InvalidOperation:
        # An exponent that not even a Decimal holds.
        return None
    number = parse_number(text)
    return number if isinstance(number, int) and -EXACT_MAX <= number <= EXACT_MAX else rounded


def comparable_value(number: int | float) -> int | float | None:
    """The same for a number of an event, whose text is gone: a float counts as written in its shortest form."""
    if isinstance(number, float):
        return number if isfinite(number) else None
    if -EXACT_MAX <= number <= EXACT_MAX:
        return number
    return comparable(str(number)) if number.bit_length() <= 1024 else None

"""The words of the pattern language: every operator, `$or`, and the names that are reserved beside it.

Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns", and aws/event-ruler.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

EXACTLY: Final = "exactly"
PREFIX: Final = "prefix"
SUFFIX: Final = "suffix"
EQUALS_IGNORE_CASE: Final = "equals-ignore-case"
WILDCARD: Final = "wildcard"
ANYTHING_BUT: Final = "anything-but"
NUMERIC: Final = "numeric"
CIDR: Final = "cidr"
EXISTS: Final = "exists"
OPERATORS: Final = (EXACTLY, PREFIX, SUFFIX, EQUALS_IGNORE_CASE, WILDCARD, ANYTHING_BUT, NUMERIC, CIDR, EXISTS)
OR: Final = "$or"

EQUAL: Final = "="
LESS: Final = "<"
LESS_OR_EQUAL: Final = "<="
GREATER: Final = ">"
GREATER_OR_EQUAL: Final = ">="
COMPARISONS: Final = (EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL)

RESERVED_IN_OR: Final = frozenset(
    {
        *OPERATORS,
        *COMPARISONS,
        # Reserved by event-ruler for operators to come.
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    }
)
"""Names that no field inside a branch of `$or` may have."""


class Kind(Enum):
    """What one alternative of a field asks of a value."""

    EQUALS = "equals"
    EXACTLY = "exactly"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    IGNORE_CASE = "equals-ignore-case"
    PREFIX_IGNORE_CASE = "prefix/equals-ignore-case"
    SUFFIX_IGNORE_CASE = "suffix/equals-ignore-case"
    WILDCARD = "wildcard"
    NUMERIC = "numeric"
    CIDR = "cidr"
    EXISTS = "exists"
    ABSENT = "exists: false"
    ANYTHING_BUT = "anything-but"
    ANYTHING_BUT_PREFIX = "anything-but/prefix"
    ANYTHING_BUT_SUFFIX = "anything-but/suffix"
    ANYTHING_BUT_IGNORE_CASE = "anything-but/equals-ignore-case"
    ANYTHING_BUT_WILDCARD = "anything-but/wildcard"

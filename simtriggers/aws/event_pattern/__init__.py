"""Event patterns: EventBridge's matching language, which Lambda's filter criteria use too. Pure.

    >>> pattern = compile_pattern('{"detail": {"amount": [{"numeric": [">", 10]}]}}')
    >>> matches(pattern, {"detail": {"amount": 12}})
    True
    >>> str(explain(pattern, {"detail": {"amount": 5}}))
    'detail.amount: 5 is not > 10'

A pattern is read and checked by one path (`compile`), so whoever checks patterns sees what the matcher
sees; the operators' words are all in `words`, AWS's error texts where each rule is read.
Source: Amazon EventBridge User Guide, "Amazon EventBridge event patterns", and aws/event-ruler.
"""

from __future__ import annotations

from typing import Any

from .compile import COMBINATIONS_MAX, compile_pattern
from .error import CODE, PatternError
from .explain import Mismatch, explain
from .model import Alternative, Branch, Field, Pattern
from .words import Kind

__all__ = [
    "CODE",
    "COMBINATIONS_MAX",
    "Alternative",
    "Branch",
    "Field",
    "Kind",
    "Mismatch",
    "Pattern",
    "PatternError",
    "compile_pattern",
    "explain",
    "matches",
]


def matches(pattern: Pattern, event: dict[str, Any]) -> bool:
    """Whether a JSON object, as `json.loads` gives it, matches a pattern."""
    for branch in pattern.branches:  # noqa: SIM110 (a generator takes twice as long)
        if branch.test(event):
            return True
    return False

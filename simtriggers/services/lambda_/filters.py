"""Filter criteria of a mapping: their form in YAML, what is refused, and the compiled patterns. Pure.

Source: AWS Lambda Developer Guide, "Control which events Lambda sends to your function"; AWS Lambda API
Reference, FilterCriteria and Filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...aws.filter_criteria import MESSAGE as INVALID
from ...aws.filter_criteria import Filter, FilterError, compile_filters
from ...kernel.codec import to_json
from . import limits

_FORM = "filter_criteria is a list of patterns, or {filters: [{pattern: …}, …]}"


def pattern_texts(criteria: Any) -> tuple[str, ...]:
    """The JSON texts of the patterns that YAML holds, as mappings or as texts. Raises ValueError with the form."""
    if isinstance(criteria, dict):
        if set(criteria) != {"filters"} or not isinstance(criteria["filters"], list):
            raise ValueError(_FORM)
        criteria = [_pattern_of(item) for item in criteria["filters"]]
    if not isinstance(criteria, (list, tuple)):
        raise ValueError(_FORM)
    return tuple(item if isinstance(item, str) else _text(item) for item in criteria)


def _pattern_of(item: Any) -> Any:
    if not isinstance(item, dict) or set(item) != {"pattern"}:
        raise ValueError(_FORM)
    return item["pattern"]


def _text(pattern: Any) -> str:
    if not isinstance(pattern, dict):
        raise ValueError(f"{INVALID} {pattern!r} is no JSON object")
    try:
        return to_json(pattern)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{INVALID} {error}") from error


def check_filters(texts: Sequence[str], *, quota: int) -> None:
    """Raises ValueError, in AWS's words where they are known, for patterns that AWS does not take.

    Unverified: the text for too many filters.
    """
    if len(texts) > quota:
        raise ValueError(f"{len(texts)} filters are more than the quota of {quota} filters for an event source")
    for number, text in enumerate(texts, 1):
        if len(text) > limits.FILTER_CHARACTERS:
            raise ValueError(f"{INVALID} Filter {number} has more than {limits.FILTER_CHARACTERS} characters")
        problem = problem_of(text)
        if problem:
            raise ValueError(f"{INVALID} Filter {number}: {problem}")


def problem_of(text: str) -> str:
    """What is wrong with a pattern, in the words of the pattern language; empty when nothing is."""
    try:
        compile_filters((text,))
    except FilterError as error:
        return error.pattern_error.reason
    return ""


@lru_cache(maxsize=1024)
def compiled(texts: tuple[str, ...]) -> tuple[Filter, ...]:
    """The filters of a mapping, ready to match; each set of texts is compiled once."""
    return compile_filters(texts)

"""Filter criteria of Lambda's event source mappings for queues: which records a function gets to see.

A record passes if any of the filters matches it; without filters all pass. A filter is an event pattern over
the record. What it says of `body` decides what a body must be: with fields below `body` a JSON object or
array, with a list of values for `body` itself a plain string; a body of the other kind does not match, and
is not looked at when the filter says nothing of it. What does not pass is deleted from the queue.
Source: AWS Lambda Developer Guide, "Control which events Lambda sends to your function".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import SimtriggersError
from .event_pattern import Branch, Pattern, PatternError, compile_pattern, explain

CODE: Final = "InvalidParameterValueException"
MESSAGE: Final = "Invalid filter pattern definition."

_BODY: Final = "body"
_INSIDE_BODY: Final = "body."


class FilterError(SimtriggersError, ValueError):
    """A filter that AWS refuses: `code` and `message` are AWS's; `pattern_error` says what is wrong, and where."""

    def __init__(self, pattern_error: PatternError) -> None:
        self.code = CODE
        self.message = MESSAGE
        self.pattern_error = pattern_error
        super().__init__(MESSAGE)


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter. `wants` has, for each branch of the pattern, whether it wants JSON in the body (True), plain
    text (False), or says nothing of the body (None); a branch that wants both matches nothing and is left out.
    """

    pattern: Pattern
    wants: tuple[tuple[Branch, bool | None], ...]


def compile_filters(patterns: Iterable[str | dict[str, Any]]) -> tuple[Filter, ...]:
    """The filters of a mapping from the texts of their patterns. Raises FilterError."""
    return tuple(map(_filter, patterns))


def _filter(source: str | dict[str, Any]) -> Filter:
    try:
        pattern = compile_pattern(source)
    except PatternError as error:
        raise FilterError(error) from None
    wanted = ((branch, _wants(branch)) for branch in pattern.branches)
    return Filter(pattern, tuple((branch, next(iter(kinds), None)) for branch, kinds in wanted if len(kinds) < 2))


def _wants(branch: Branch) -> set[bool]:
    paths = [field.path for field in branch.fields]
    inside = {True for path in paths if path.startswith(_INSIDE_BODY)}
    return inside | {False for path in paths if path == _BODY}


def passes(filters: tuple[Filter, ...], record: dict[str, Any]) -> bool:
    """Whether a record, as the function would get it (`body` is its text), passes the filters."""
    if not filters:
        return True
    body: Any = None
    is_json: bool | None = None
    for each in filters:
        for branch, wants_json in each.wants:
            if wants_json is None:
                if branch.test(record):
                    return True
                continue
            if is_json is None:
                body = _parsed(record.get(_BODY))
                is_json = body is not None
            if wants_json is is_json and branch.test({**record, _BODY: body} if is_json else record):
                return True
    return False


def explain_filters(filters: tuple[Filter, ...], record: dict[str, Any]) -> tuple[str, ...]:
    """Why a record does not pass: a text for each filter; empty when it passes."""
    if passes(filters, record):
        return ()
    body = _parsed(record.get(_BODY))
    return tuple(_explain(each, record, body) for each in filters)


def _explain(each: Filter, record: dict[str, Any], body: dict[str, Any] | list[Any] | None) -> str:
    is_json = body is not None
    suited = tuple(branch for branch, wants_json in each.wants if wants_json in (None, is_json))
    if not each.wants:
        return "body: the filter wants it to be both plain text and JSON"
    if not suited:
        kinds = ("JSON", "plain text") if is_json else ("plain text", "JSON")
        return f"body: it is {kinds[0]}, and the filter is for {kinds[1]}"
    seen = {**record, _BODY: body} if is_json else record
    return str(explain(Pattern(each.pattern.text, suited), seen))


def _parsed(body: object) -> dict[str, Any] | list[Any] | None:
    """The JSON object or array that a body is, or None for plain text."""
    if not isinstance(body, str) or body.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    assert isinstance(found, dict | list)
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""Which events came to an event bus or to a function, read from the trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..aws.arn import Names
from ..aws.event_pattern import compile_pattern, explain, matches
from ..kernel.trace import TraceRow
from .model import EventsExpectation

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Received:
    """An event that came somewhere: the row that says so, and the event."""

    row: TraceRow
    event: Any


def events(
    rows: list[TraceRow], expected: EventsExpectation, names: Names, payload: Callable[[str], str]
) -> list[Received]:
    """The events that came to the bus, or to the function, that an expectation names; a retry is no event."""
    if expected.event_bus is not None:
        kind, arn = "EventReceived", names.event_bus(expected.event_bus)
        chosen = [row for row in rows if row.kind == kind and row.arn == arn]
    else:
        kind, arn = "InvocationStarted", names.function(expected.function or "")
        chosen = [row for row in rows if row.kind == kind and row.arn == arn and row.details["attempt"] == 1]
    return [Received(row, json.loads(payload(row.details["payload"]))) for row in chosen]


def fits(one: Received, expected: EventsExpectation) -> bool:
    """Whether an event is one of those that are expected."""
    if expected.pattern is None:
        return True
    return isinstance(one.event, dict) and matches(compile_pattern(expected.pattern), one.event)


def described(there: list[Received], expected: EventsExpectation) -> str:
    """Why the last events that came are not what is expected, for the text of a failure."""
    if expected.pattern is None:
        return ""
    pattern = compile_pattern(expected.pattern)
    others = [one for one in there if not fits(one, expected)][-_SHOWN:]
    reasons = [str(explain(pattern, one.event)) if isinstance(one.event, dict) else "no object" for one in others]
    return "".join(f"\n              {one.row.subject}: {why}" for one, why in zip(others, reasons, strict=True))

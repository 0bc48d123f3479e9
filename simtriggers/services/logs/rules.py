"""Decisions on log lines: append them, read them back. Only what a rule delivers is a row of the trace."""

from __future__ import annotations

from typing import Any

from ...aws.arn import name_of
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store
from .commands import LogEvent

EVENTS_STREAM = "events"
"""The log stream of what rules deliver; AWS makes up an id for it."""


def view_nothing(read: Reader, entry: Entry) -> None:
    """Appending needs to know nothing."""


def decide_put(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Append the lines of a PutLogEvents to the group that the ARN names."""
    command = entry.command
    group, stream, request_id = name_of(entry.arn), command.stream, command.request_id
    rows = [(group, stream, at_ms, request_id, text) for at_ms, text in command.events]
    return Decision(writes=[Write(store.INSERT, rows, many=True)] if rows else [])


def view_delivery(read: Reader, entry: Entry) -> str:
    """The text that a service delivers."""
    return read.payload(entry.command.payload)


def decide_delivery(view: str, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Append what a rule of EventBridge delivers as one line, in a stream of its own, with a row of the trace."""
    group, subject = name_of(entry.arn), dict(entry.command.context).get("subject", "")
    row = (group, EVENTS_STREAM, now_ms, subject, f"{view}\n")
    note = Note(ids.row_id(), "LogEventPut", entry.arn, subject, entry.cause, {"payload": entry.command.payload})
    return Decision(writes=[Write(store.INSERT, row)], notes=[note])


def view_events(read: Reader, entry: Entry) -> tuple[LogEvent, ...]:
    """The lines that a GetLogEvents asks for, oldest first."""
    group, request_id, limit = name_of(entry.arn), entry.command.request_id, entry.command.limit
    if request_id:
        rows = read.all(store.OF_REQUEST, group, request_id, limit)
    else:
        rows = read.all(store.OF_GROUP, group, limit)
    return tuple(LogEvent(*row) for row in rows)


def decide_get(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Reply with the lines of the view."""
    return Decision(reply=view)

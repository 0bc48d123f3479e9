"""Decisions on log lines: append them, read them back. Never writes a trace row for a line."""

from __future__ import annotations

from typing import Any

from ...aws.arn import name_of
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store
from .commands import LogEvent


def view_nothing(read: Reader, entry: Entry) -> None:
    """Appending needs to know nothing."""


def decide_put(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Append the lines of a PutLogEvents to the group that the ARN names."""
    command = entry.command
    group, stream, request_id = name_of(entry.arn), command.stream, command.request_id
    rows = [(group, stream, at_ms, request_id, text) for at_ms, text in command.events]
    return Decision(writes=[Write(store.INSERT, rows, many=True)] if rows else [])


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

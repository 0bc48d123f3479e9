"""The agenda and the engine's own row in the database: written by difference at a commit, read at start."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from ..errors import StateError
from ..kernel.agenda import Agenda, Entry
from ..kernel.codec import decode, encode
from ..kernel.effects import Caller
from ..kernel.fixed import fixed

_INSERT = (
    "INSERT INTO agenda (seq, at_ms, priority, arn, command, cause, reply_to, request, timer_key, park_key,"
    " deadline_ms, order_key, background) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT = (
    "SELECT seq, at_ms, priority, arn, command, cause, reply_to, request, timer_key, park_key, deadline_ms,"
    " order_key, background FROM agenda ORDER BY seq"
)
_SELECT_ENGINE = "SELECT now_ms, ahead_ms, next_seq, next_row, incarnation, ids FROM engine WHERE id = 1"


@fixed
class EngineRow:
    """Where a world stands. `ids` are stream positions, empty for a live world; `ahead_ms` is how far its
    time was ahead of the machine's (`advance`, `--speed`), 0 for a virtual one."""

    now_ms: int
    ahead_ms: int
    next_seq: int
    next_row: int
    incarnation: int
    ids: dict[str, int]


def read_engine_row(connection: sqlite3.Connection) -> EngineRow:
    """The engine's one row."""
    now_ms, ahead_ms, seq, next_row, incarnation, ids = connection.execute(_SELECT_ENGINE).fetchone()
    return EngineRow(now_ms, ahead_ms, seq, next_row, incarnation, json.loads(ids))


def write_engine_row(connection: sqlite3.Connection, row: EngineRow) -> None:
    """Replace the engine's row."""
    connection.execute(
        "UPDATE engine SET now_ms = ?, ahead_ms = ?, next_seq = ?, next_row = ?, incarnation = ?, ids = ? WHERE id = 1",
        (row.now_ms, row.ahead_ms, row.next_seq, row.next_row, row.incarnation, json.dumps(row.ids)),
    )


def _stored(entry: Entry) -> tuple[object, ...]:
    return (
        entry.seq,
        entry.at_ms,
        entry.priority,
        entry.arn,
        encode(entry.command),
        entry.cause,
        encode(entry.reply_to),
        entry.request,
        entry.timer_key,
        entry.park_key,
        entry.deadline_ms,
        entry.order_key,
        int(entry.background),
    )


def unstorable(entry: Entry) -> Exception | None:
    """Why an entry cannot be written: a value that is no command, or a text that is no Unicode."""
    try:
        for part in _stored(entry):
            if isinstance(part, str):
                part.encode()
    except (TypeError, ValueError) as error:
        return error
    return None


def save_changes(connection: sqlite3.Connection, agenda: Agenda) -> None:
    """Write what differs from the last commit; call `agenda.committed()` once it is committed."""
    added, removed = agenda.changes()
    if removed:
        connection.executemany("DELETE FROM agenda WHERE seq = ?", [(seq,) for seq in removed])
    if added:
        connection.executemany(_INSERT, [_stored(entry) for entry in added])


def save_all(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Make these the stored agenda, for a snapshot of a virtual run."""
    connection.execute("DELETE FROM agenda")
    connection.executemany(_INSERT, [_stored(entry) for entry in entries])


def _decoded(seq: int, text: str) -> Any:
    try:
        return decode(text)
    except (KeyError, TypeError) as error:
        raise StateError(
            f"the state's agenda has an entry (seq {seq}) that this version of simtriggers does not know: {text}\n"
            "  fix: start the version that wrote it, or give another --state file"
        ) from error


def load(connection: sqlite3.Connection, agenda: Agenda, *, drop_callers: bool) -> None:
    """Read the stored entries into an empty agenda.

    With `drop_callers`, requests of callers that waited in another process are left out when parked, and
    lose their return address otherwise: what they asked for still happens. The rows are changed likewise.
    Raises StateError for a command that this version does not know.
    """
    entries: list[Entry] = []
    gone: list[tuple[int]] = []
    nobody: list[tuple[int]] = []
    for row in connection.execute(_SELECT):
        seq, at_ms, priority, arn, command, cause, reply_to, request, timer, park, deadline, order, background = row
        entry = Entry(
            at_ms,
            priority,
            arn,
            _decoded(seq, command),
            cause,
            decode(reply_to),
            request,
            timer,
            park,
            deadline,
            order,
            bool(background),
            seq,
        )
        if drop_callers and isinstance(entry.reply_to, Caller):
            if entry.park_key is not None:
                gone.append((entry.seq,))
                continue
            entry.reply_to = None
            nobody.append((entry.seq,))
        entries.append(entry)
    agenda.load(iter(entries))
    if gone or nobody:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM agenda WHERE seq = ?", gone)
        connection.executemany("UPDATE agenda SET reply_to = 'null' WHERE seq = ?", nobody)
        connection.execute("COMMIT")

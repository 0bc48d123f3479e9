"""The trace: one row per note, each with the id of its cause. Collects rows and writes them in bulk.

Rows are the only book that is kept: live views, reports, expectations and `why` all read them. The
trace file (JSONL) holds each payload in full on the row where it first appears and its digest after
that; its bytes depend on project, scenario, seed and the version of simtriggers alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from json import loads
from typing import Any

from .clock import iso_ms
from .codec import to_json
from .effects import Note
from .left_out import Bookkeeping, LeftOut, any_left_out, skeleton

VOLUMES = ("full", "events", "off")

INSERT = "INSERT INTO trace (id, at_ms, kind, arn, subject, cause, details) VALUES (?, ?, ?, ?, ?, ?, ?)"
_COLUMNS = "id, at_ms, kind, arn, subject, cause, details"


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One thing that happened. `details` is parsed JSON; `cause` is a row id, 0 for none."""

    id: int
    at_ms: int
    kind: str
    arn: str
    subject: str
    cause: int
    details: dict[str, Any]


class Trace:
    """Rows of the running simulator, pending until `flush`.

    `volume` is `full`, `events` (without the rows that `bookkeeping` names) or `off`.
    """

    def __init__(self, volume: str = "full", bookkeeping: Bookkeeping | None = None) -> None:
        assert volume in VOLUMES
        self.volume = volume
        self._on = volume != "off"
        self._bookkeeping = bookkeeping or {}
        self._left_out = LeftOut() if volume == "events" else None
        self._pending: list[tuple[int, Note]] = []
        self._subscribers: list[Callable[[TraceRow], None]] = []

    def __len__(self) -> int:
        return len(self._pending)

    def append(self, at_ms: int, notes: Iterable[Note], by: type[Any] | None = None) -> None:
        """Add the notes of one step; `by` is the class of its command."""
        if self.volume == "events":
            self._pending.extend([(at_ms, skeleton(note) if self._is_left_out(note, by) else note) for note in notes])
        elif self._on:
            self._pending.extend([(at_ms, note) for note in notes])

    def _is_left_out(self, note: Note, by: type[Any] | None) -> bool:
        commands = self._bookkeeping.get(note.kind)
        return commands is not None and (not commands or by in commands)

    def told(self) -> dict[str, str]:
        """What the first row of a run says of the volume: nothing of a full one."""
        return {} if self.volume == "full" else {"trace": self.volume}

    def go_on(self, connection: sqlite3.Connection) -> None:
        """Take over a database that another process wrote, perhaps with another volume."""
        if self._on and self._left_out is None and any_left_out(connection):
            self._left_out = LeftOut()

    def subscribe(self, follower: Callable[[TraceRow], None]) -> None:
        """Call `follower` with each row after it was committed, in order."""
        self._subscribers.append(follower)

    def flush(self, connection: sqlite3.Connection) -> list[tuple[int, Note]]:
        """Write the pending rows into the open transaction; returns them for `publish`."""
        pending = self._pending
        if pending and self._left_out is not None:
            pending = self._left_out.sift(connection, pending)
        if pending:
            connection.executemany(
                INSERT,
                [
                    (note.id, at_ms, note.kind, note.arn, note.subject, note.cause, to_json(note.details))
                    for at_ms, note in pending
                ],
            )
        self._pending = []
        return pending

    def pending(self) -> list[tuple[int, Note]]:
        """The rows that are not written yet."""
        return list(self._pending)

    def put_back(self, rows: list[tuple[int, Note]]) -> None:
        """Make these the pending rows again: the transaction that wrote them was rolled back."""
        self._pending = rows

    def discard(self) -> None:
        """Forget the pending rows: their batch was rolled back."""
        self._pending = []
        if self._left_out is not None:
            self._left_out.forget()

    def publish(self, rows: list[tuple[int, Note]]) -> None:
        """Show committed rows to the subscribers."""
        if self._subscribers:
            for at_ms, note in rows:
                row = TraceRow(note.id, at_ms, note.kind, note.arn, note.subject, note.cause, note.details)
                for follower in self._subscribers:
                    follower(row)


def _row(raw: tuple[Any, ...]) -> TraceRow:
    row, at_ms, kind, arn, subject, cause, details = raw
    return TraceRow(row, at_ms, kind, arn, subject, cause, loads(details))


def select(connection: sqlite3.Connection, where: str = "1", parameters: tuple[Any, ...] = ()) -> Iterator[TraceRow]:
    """Rows of a database in order of id; `where` is an SQL condition on the trace's columns."""
    for raw in connection.execute(f"SELECT {_COLUMNS} FROM trace WHERE {where} ORDER BY id", parameters):
        yield _row(raw)


def jsonl(rows: Iterable[TraceRow], payload: Callable[[str], str | None]) -> Iterator[str]:
    """The lines of a trace file, each ending in a newline. `payload` gives a digest's text."""
    shown: set[str] = set()
    for row in rows:
        details = dict(row.details)
        for name in list(details):
            digest = details[name]
            if (name == "payload" or name.endswith("_payload")) and isinstance(digest, str) and digest not in shown:
                text = payload(digest)
                if text is not None:
                    shown.add(digest)
                    details[name] = {"digest": digest, "text": text}
        yield (
            to_json(
                {
                    "id": row.id,
                    "at": iso_ms(row.at_ms),
                    "kind": row.kind,
                    "arn": row.arn,
                    "subject": row.subject,
                    "cause": row.cause,
                    "details": details,
                }
            )
            + "\n"
        )

"""Rows that a trace of events leaves out, so that no chain of causes is cut by it.

Of a row that is left out two numbers are kept in the database: its id, and that of the nearest row before it that
is not. Services store such ids as causes for as long as a message lives, so a row may name one much later; it is
then written with the kept row's id instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from .effects import Note

Bookkeeping = Mapping[str, tuple[type[Any], ...]]
"""Kinds of rows that are no events: all of them, or those that these commands write."""

_NOWHERE = 1 << 62
_KNOWN, _OLDER = 50_000, 10_000
_INSERT = "INSERT INTO trace_left_out (id, cause) VALUES (?, ?)"
_SELECT = "SELECT cause FROM trace_left_out WHERE id = ?"
_ANY = "SELECT EXISTS (SELECT 1 FROM trace_left_out ORDER BY id)"
_NAMING_ROWS = ("by", "causes", "first")
"""Details that hold ids of rows (when they are whole numbers)."""


def skeleton(note: Note) -> Note:
    """What remains of a row that is left out: it has no kind."""
    return Note(note.id, "", "", "", note.cause)


def any_left_out(connection: sqlite3.Connection) -> bool:
    """Whether rows of this database name rows that were left out."""
    return bool(connection.execute(_ANY).fetchone()[0])


class LeftOut:
    """Which rows were left out, and the nearest kept row before each."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._older: dict[int, int] = {}
        self._floor = _NOWHERE  # of this id and all later ones, `_known` has every row that was left out

    def sift(self, connection: sqlite3.Connection, rows: list[tuple[int, Note]]) -> list[tuple[int, Note]]:
        """The rows to keep, with causes that are kept; remembers the others in the open transaction."""
        rows = sorted(rows, key=lambda row: row[1].id)
        self._floor = min(self._floor, rows[0][1].id)
        kept: list[tuple[int, Note]] = []
        gone: list[tuple[int, int]] = []
        known, floor = self._known, self._floor
        for at_ms, note in rows:
            cause = note.cause
            cause = known.get(cause, cause) if cause >= floor else self._nearest(connection, cause)
            if note.kind:
                kept.append((at_ms, self._rewritten(connection, note, cause)))
            else:
                known[note.id] = cause
                gone.append((note.id, cause))
        connection.executemany(_INSERT, gone)
        if len(self._known) > _KNOWN:
            self.forget()
        return kept

    def forget(self) -> None:
        """The database alone knows: it was rolled back, or is another one."""
        self._known.clear()
        self._older.clear()
        self._floor = _NOWHERE

    def _nearest(self, connection: sqlite3.Connection, row: int) -> int:
        """The row itself, or the kept one before it."""
        if row >= self._floor or not row:
            return self._known.get(row, row)
        found = self._older.get(row)
        if found is None:
            stored = connection.execute(_SELECT, (row,)).fetchone()
            found = row if stored is None else int(stored[0])
            if len(self._older) > _OLDER:
                self._older.clear()
            self._older[row] = found
        return found

    def _rewritten(self, connection: sqlite3.Connection, note: Note, cause: int) -> Note:
        details = note.details
        for name in _NAMING_ROWS:
            value = details.get(name)
            if type(value) is int:
                details = {**details, name: self._nearest(connection, value)}
            elif type(value) is list and name == "causes":
                details = {**details, name: [self._nearest(connection, each) for each in value]}
        if cause == note.cause and details is note.details:
            return note
        return Note(note.id, note.kind, note.arn, note.subject, cause, details)

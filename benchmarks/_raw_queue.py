"""The reference for everything that moves messages: a queue in raw SQLite, and nothing around it.

One table with the two indexes that a queue needs, and its own statements: insert, select what is visible,
hide under a new receipt handle, delete by that handle. Ten messages a commit. No rules, no trace, no functions:
what no simulator on SQLite can exceed.
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

BODY = "x" * 256
_BATCH = 10

_SCHEMA = """
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, visible_ms INTEGER NOT NULL, receive_count INTEGER NOT NULL, receipt TEXT
) STRICT;
CREATE INDEX messages_by_visibility ON messages (queue, visible_ms);
CREATE INDEX messages_by_receipt ON messages (receipt);
"""
_SEND = "INSERT INTO messages (queue, message_id, body, sent_ms, visible_ms, receive_count) VALUES ('q', ?, ?, ?, ?, 0)"
_RECEIVE = (
    "SELECT seq, message_id, body, receive_count FROM messages WHERE queue = 'q' AND visible_ms <= ?"
    " ORDER BY visible_ms, seq LIMIT 10"
)
_HIDE = "UPDATE messages SET visible_ms = ?, receive_count = ?, receipt = ? WHERE seq = ?"
_DELETE = "DELETE FROM messages WHERE receipt = ?"


def cycle(connection: sqlite3.Connection, count: int) -> int:
    """Send, receive and delete `count` messages, ten a commit; returns how many."""
    execute = connection.execute
    number = 0
    while number < count:
        execute("BEGIN")
        for _ in range(_BATCH):
            number += 1
            execute(_SEND, (f"{number:032x}", BODY, number, number))
        execute("COMMIT")
        execute("BEGIN")
        rows = execute(_RECEIVE, (number,)).fetchall()
        receipts = [f"{row[0]:016x}{row[3]:016x}" for row in rows]
        for row, receipt in zip(rows, receipts, strict=True):
            execute(_HIDE, (number + 30_000, row[3] + 1, receipt, row[0]))
        execute("COMMIT")
        execute("BEGIN")
        for receipt in receipts:
            execute(_DELETE, (receipt,))
        execute("COMMIT")
    return number


def in_memory(count: int) -> int:
    """`cycle` on a database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.executescript(_SCHEMA)
        return cycle(connection, count)
    finally:
        connection.close()


class OnFile:
    """A raw queue on a WAL file in `folder`, without checkpoints; `synchronous` is `normal` or `full`."""

    def __init__(self, folder: Path, synchronous: str) -> None:
        path = folder / f"raw-{synchronous}-{uuid.uuid4().hex}.db"
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "wal_autocheckpoint = 0"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def cycle(self, count: int) -> int:
        """Send, receive and delete `count` messages, ten a commit."""
        done = cycle(self._connection, count)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return done

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

"""What a live state file forgets: trace rows and services' records of the past (such as log lines) that are
too old, and texts that nothing refers to any more.

A text is kept while a service's row, an entry of the agenda, a kept failed step or a trace row names its
digest. Messages, objects and resources are never touched.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..kernel.effects import Statement

_DIGEST = re.compile(r"\b[0-9a-f]{32}\b")
_COMMANDS = "SELECT command FROM agenda UNION ALL SELECT command FROM failed_steps"
_OF_TRACE = (
    "SELECT substr(value, 1, 32) FROM trace, json_each(trace.details)"
    " WHERE json_each.type = 'text' AND (key = 'payload' OR key LIKE '%!_payload' ESCAPE '!')"
)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many trace rows, payloads and rows of services were deleted."""

    rows: int
    payloads: int
    records: int = 0


def trim(
    connection: sqlite3.Connection,
    *,
    before_ms: int,
    payload_columns: Sequence[tuple[str, str]],
    trims: Sequence[Statement] = (),
) -> Trimmed:
    """Delete what is older than `before_ms`, and the payloads that nothing names then, all or nothing.

    `payload_columns` are the (table, column) pairs of all services that hold digests, `trims` the statements
    with which services forget: see `kernel.service.Service`. Runs in a transaction of its own, between
    batches; call `reader.forget_all()` after it. Payloads are looked at only when rows went, since until then
    their rows name them. Raises sqlite3.Error; nothing has changed then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        rows = connection.execute("DELETE FROM trace WHERE at_ms < ?", (before_ms,)).rowcount
        connection.execute("DELETE FROM trace_left_out WHERE id < (SELECT coalesce(min(id), 1 << 62) FROM trace)")
        records = sum(connection.execute(statement.sql, (before_ms,)).rowcount for statement in trims)
        payloads = _forget_payloads(connection, payload_columns) if rows or records else 0
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Trimmed(rows, payloads, records)


def _forget_payloads(connection: sqlite3.Connection, payload_columns: Sequence[tuple[str, str]]) -> int:
    waiting: set[str] = set()
    for (command,) in connection.execute(_COMMANDS):
        waiting.update(_DIGEST.findall(command))
    # A template's texts are named by its digest and what fills it: see kernel.effects.filled.
    sources = [
        f"SELECT substr({column}, 1, 32) FROM {table} WHERE {column} IS NOT NULL" for table, column in payload_columns
    ]
    kept = " UNION ALL ".join([*sources, _OF_TRACE, "SELECT value FROM json_each(?)"])
    deleted = connection.execute(f"DELETE FROM payloads WHERE digest NOT IN ({kept})", (json.dumps(sorted(waiting)),))
    return deleted.rowcount

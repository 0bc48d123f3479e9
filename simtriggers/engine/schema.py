"""The engine's own tables, and migrations for everybody's. docs/reference/state-file.md describes them.

Each component (the engine, and each service by name) has a list of SQL scripts; script number n brings
its tables from version n - 1 to n. All pending scripts of a start run in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ..errors import StateError
from ..kernel.service import Service

ENGINE = (
    """
    -- One row: where the world stands. Updated by every commit.
    CREATE TABLE engine (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        now_ms INTEGER NOT NULL,          -- simulated time of the last batch
        ahead_ms INTEGER NOT NULL,        -- how far simulated time was ahead of the machine's then
        next_seq INTEGER NOT NULL,        -- next agenda sequence number
        next_row INTEGER NOT NULL,        -- next trace row id
        incarnation INTEGER NOT NULL,     -- counts the starts
        ids TEXT NOT NULL                 -- positions of the id streams (snapshots of virtual runs)
    ) STRICT;
    INSERT INTO engine VALUES (1, 0, 0, 1, 1, 0, '{}');

    -- What is going to happen, in order of (at_ms, priority, seq). Commands are JSON with their type.
    CREATE TABLE agenda (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        arn TEXT NOT NULL,
        command TEXT NOT NULL,
        cause INTEGER NOT NULL,           -- trace row
        reply_to TEXT NOT NULL,           -- JSON; null when nobody waits
        request TEXT,
        timer_key TEXT,
        park_key TEXT,                    -- set while the entry waits for something to appear
        deadline_ms INTEGER,
        order_key TEXT,
        background INTEGER NOT NULL
    ) STRICT;

    -- Texts (events, message bodies, responses), each stored once.
    CREATE TABLE payloads (
        digest TEXT PRIMARY KEY,          -- blake2b, 16 bytes, hexadecimal
        body TEXT NOT NULL
    ) STRICT;                             -- with row ids: long texts are appended, not sorted in

    -- Everything that exists: queues, buckets, functions, mappings, rules. Settings are JSON.
    CREATE TABLE resources (
        arn TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        config TEXT NOT NULL,
        revision INTEGER NOT NULL,
        declared_by TEXT NOT NULL,        -- 'project', or 'sdk'
        wired INTEGER NOT NULL,           -- 0: no longer declared, its data stays
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX resources_by_kind ON resources (kind, arn);

    -- What happened, and why: cause is the id of the row that led to this one, 0 for none.
    CREATE TABLE trace (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        arn TEXT NOT NULL,
        subject TEXT NOT NULL,
        cause INTEGER NOT NULL,
        details TEXT NOT NULL             -- JSON
    ) STRICT;
    CREATE INDEX trace_by_subject ON trace (subject);  -- and by id: an index ends with the row's own id
    CREATE INDEX trace_by_cause ON trace (cause);

    -- Entries that could not be applied, kept for a person to look at; never tried again by themselves.
    CREATE TABLE failed_steps (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        arn TEXT NOT NULL,
        command TEXT NOT NULL,
        error TEXT NOT NULL
    ) STRICT;
    """,
    """
    -- Rows that a trace of volume `events` left out, for rows that name them as their cause.
    CREATE TABLE trace_left_out (
        id INTEGER PRIMARY KEY,
        cause INTEGER NOT NULL            -- the nearest row before it that was kept
    ) STRICT;
    """,
    """
    -- Only `why` and its like look rows up by these: they make an index of their own (explain/book.py). Kept up
    -- with each row, the two took a fifth of the time of a batch.
    DROP INDEX trace_by_subject;
    DROP INDEX trace_by_cause;
    """,
)

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"


def migrate(connection: sqlite3.Connection, services: Sequence[Service]) -> None:
    """Bring every component's tables up to date, all or nothing.

    Raises StateError when the file was written by a newer version.
    """
    components = [("engine", ENGINE), *((service.name, service.migrations) for service in services)]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_VERSIONS)
        have = dict(connection.execute("SELECT component, version FROM schema_versions ORDER BY component"))
        for component, scripts in components:
            _migrate_component(connection, component, list(scripts), have.get(component, 0))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate_component(connection: sqlite3.Connection, component: str, scripts: list[str], have: int) -> None:
    if have > len(scripts):
        raise StateError(
            f"the state was written by a newer simtriggers: its {component} tables have version {have},"
            f" this one knows {len(scripts)}\n  fix: upgrade simtriggers, or start with another --state file"
        )
    for script in scripts[have:]:
        for statement in split(script):
            connection.execute(statement)
    if have != len(scripts):
        connection.execute("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)", (component, len(scripts)))


def split(script: str) -> list[str]:
    """The statements of a script, by SQLite's own reading of where each one ends."""
    found: list[str] = []
    start = 0
    for end, letter in enumerate(script):
        if letter == ";" and sqlite3.complete_statement(script[start : end + 1]):
            found.append(script[start : end + 1].strip())
            start = end + 1
    rest = [line for line in script[start:].splitlines() if line.strip() and not line.strip().startswith("--")]
    assert not rest, f"a script ends without a semicolon: {rest[0].strip()}"
    return found

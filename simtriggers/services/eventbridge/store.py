"""Tables and statements of EventBridge. Settings are in `resources`; here is what archives, replays, connections and
requests remember."""

from __future__ import annotations

from typing import NamedTuple

from ...kernel.effects import Statement
from ...kernel.service import Invariant

MIGRATIONS = (
    """
    -- One row: the incarnation that runs now. Requests of an older one count as unknown.
    CREATE TABLE events_state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        incarnation INTEGER NOT NULL
    ) STRICT;
    INSERT INTO events_state (id, incarnation) VALUES (1, 0);

    -- Events in archives.
    CREATE TABLE events_archived (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        archive TEXT NOT NULL,                  -- ARN
        event_ms INTEGER NOT NULL,              -- the event's own time, by which replays choose and order
        stored_ms INTEGER NOT NULL,             -- when it came, from which the retention counts
        event_id TEXT NOT NULL,
        payload TEXT NOT NULL,                  -- digest of the event
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX events_archived_by_time ON events_archived (archive, event_ms, seq);
    CREATE INDEX events_archived_by_age ON events_archived (archive, stored_ms);

    -- Replays, those that have ended too.
    CREATE TABLE events_replays (
        replay TEXT PRIMARY KEY,                -- ARN
        archive TEXT NOT NULL,                  -- ARN
        bus TEXT NOT NULL,                      -- ARN
        state TEXT NOT NULL,                    -- STARTING, RUNNING, CANCELLING, COMPLETED, CANCELLED, FAILED
        reason TEXT,
        description TEXT,
        filter_arns TEXT NOT NULL,              -- JSON list of rules; empty: all
        from_ms INTEGER NOT NULL,               -- window of event times
        until_ms INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,              -- latest archived event when it started
        began_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        last_event_ms INTEGER,                  -- time of the latest event that was replayed
        events INTEGER NOT NULL                 -- how many were
    ) STRICT, WITHOUT ROWID;

    -- OAuth tokens of connections, and how requests to their destinations are paced.
    CREATE TABLE events_tokens (
        connection TEXT PRIMARY KEY,            -- ARN
        token TEXT,                             -- NULL: none, or one that was refused
        expires_ms INTEGER,
        asked INTEGER NOT NULL                  -- 1: a request for one is under way
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events_paces (
        destination TEXT PRIMARY KEY,           -- ARN
        next_us INTEGER NOT NULL                -- the next request goes not before this, in microseconds
    ) STRICT, WITHOUT ROWID;

    -- Requests to API destinations that have not ended.
    CREATE TABLE events_requests (
        request_id TEXT PRIMARY KEY,
        destination TEXT NOT NULL,              -- ARN
        connection TEXT NOT NULL,               -- ARN
        event_id TEXT NOT NULL,
        payload TEXT NOT NULL,                  -- digest of the body
        delivery TEXT NOT NULL,                 -- JSON of the delivery: policy, dead-letter queue, context
        attempt INTEGER NOT NULL,               -- of the latest request, from 1
        first_ms INTEGER NOT NULL,
        state TEXT NOT NULL,                    -- waiting for its time, paced by the rate, authorizing, sent
        incarnation INTEGER NOT NULL,           -- of the process that sent it
        cause INTEGER NOT NULL                  -- latest trace row about it
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX events_requests_by_state ON events_requests (state, incarnation);
    """,
)
PAYLOAD_COLUMNS = (("events_archived", "payload"), ("events_requests", "payload"))


class ArchivedRow(NamedTuple):
    """An archived event."""

    seq: int
    event_ms: int
    event_id: str
    payload: str


class ReplayRow(NamedTuple):
    """A replay."""

    replay: str
    archive: str
    bus: str
    state: str
    reason: str | None
    description: str | None
    filter_arns: str
    from_ms: int
    until_ms: int
    last_seq: int
    began_ms: int
    ended_ms: int | None
    last_event_ms: int | None
    events: int


class RequestRow(NamedTuple):
    """A request to an API destination that has not ended."""

    request_id: str
    destination: str
    connection: str
    event_id: str
    payload: str
    delivery: str
    attempt: int
    first_ms: int
    state: str
    incarnation: int
    cause: int


INCARNATION = Statement("events.select_incarnation", "SELECT incarnation FROM events_state ORDER BY id")
SET_INCARNATION = Statement("events.set_incarnation", "UPDATE events_state SET incarnation = ? WHERE id = 1")
DECLARED_BY = Statement("events.select_declared_by", "SELECT declared_by FROM resources WHERE arn = ? ORDER BY arn")

# --- archives -----------------------------------------------------------------------------------

ARCHIVE = Statement(
    "events.insert_archived",
    "INSERT INTO events_archived (archive, event_ms, stored_ms, event_id, payload, bytes) VALUES (?, ?, ?, ?, ?, ?)",
)
TRIM_ARCHIVE = Statement("events.trim_archive", "DELETE FROM events_archived WHERE archive = ? AND stored_ms < ?")
FORGET_ARCHIVE = Statement("events.delete_archived", "DELETE FROM events_archived WHERE archive = ?")
ARCHIVE_COUNTS = Statement(
    "events.count_archived",
    "SELECT count(*), coalesce(sum(bytes), 0) FROM events_archived WHERE archive = ? AND stored_ms >= ? ORDER BY 1",
)
LAST_ARCHIVED = Statement("events.last_archived", "SELECT coalesce(max(seq), 0) FROM events_archived ORDER BY 1")
NEXT_TIME = Statement(
    "events.next_archived_time",
    "SELECT min(event_ms) FROM events_archived"
    " WHERE archive = ? AND event_ms >= ? AND event_ms <= ? AND seq <= ? AND stored_ms >= ? ORDER BY 1",
)
SLICE = Statement(
    "events.select_archived",
    "SELECT seq, event_ms, event_id, payload FROM events_archived"
    " WHERE archive = ? AND event_ms >= ? AND event_ms < ? AND event_ms <= ? AND seq > ? AND seq <= ?"
    " AND stored_ms >= ? ORDER BY seq LIMIT ?",
)

# --- replays ------------------------------------------------------------------------------------

_REPLAY = ", ".join(ReplayRow._fields)
REPLAY = Statement("events.select_replay", f"SELECT {_REPLAY} FROM events_replays WHERE replay = ? ORDER BY replay")
REPLAYS = Statement("events.select_replays", f"SELECT {_REPLAY} FROM events_replays ORDER BY replay")
ACTIVE_REPLAYS = Statement(
    "events.count_active_replays",
    "SELECT count(*) FROM events_replays WHERE state IN ('STARTING', 'RUNNING', 'CANCELLING') ORDER BY 1",
)
PUT_REPLAY = Statement(
    "events.put_replay",
    f"INSERT OR REPLACE INTO events_replays ({_REPLAY}) VALUES ({', '.join('?' * len(ReplayRow._fields))})",
)

# --- requests to API destinations ---------------------------------------------------------------

TOKEN = Statement(
    "events.select_token", "SELECT token, expires_ms, asked FROM events_tokens WHERE connection = ? ORDER BY connection"
)
PUT_TOKEN = Statement(
    "events.put_token",
    "INSERT OR REPLACE INTO events_tokens (connection, token, expires_ms, asked) VALUES (?, ?, ?, ?)",
)
FORGET_TOKEN = Statement("events.delete_token", "DELETE FROM events_tokens WHERE connection = ?")
NOTHING_ASKED = Statement("events.forget_asked", "UPDATE events_tokens SET asked = 0 WHERE asked = 1")
PACE = Statement("events.select_pace", "SELECT next_us FROM events_paces WHERE destination = ? ORDER BY destination")
PUT_PACE = Statement("events.put_pace", "INSERT OR REPLACE INTO events_paces (destination, next_us) VALUES (?, ?)")
FORGET_PACE = Statement("events.delete_pace", "DELETE FROM events_paces WHERE destination = ?")

_REQUEST = ", ".join(RequestRow._fields)
REQUEST = Statement("events.select_request", f"SELECT {_REQUEST} FROM events_requests WHERE request_id = ? ORDER BY 1")
AUTHORIZING = Statement(
    "events.select_authorizing",
    f"SELECT {_REQUEST} FROM events_requests WHERE connection = ? AND state = 'authorizing'"
    " ORDER BY first_ms, request_id",
)
OLDER_REQUESTS = Statement(
    "events.select_older_requests",
    f"SELECT {_REQUEST} FROM events_requests WHERE state IN ('authorizing', 'sent') AND incarnation < ?"
    " ORDER BY first_ms, request_id",
)
PUT_REQUEST = Statement(
    "events.put_request",
    f"INSERT OR REPLACE INTO events_requests ({_REQUEST}) VALUES ({', '.join('?' * len(RequestRow._fields))})",
)
DELETE_REQUEST = Statement("events.delete_request", "DELETE FROM events_requests WHERE request_id = ?")

# --- what must always hold ----------------------------------------------------------------------

INVARIANTS = (
    Invariant(
        "every archived event belongs to an archive that is there",
        "SELECT a.archive FROM events_archived AS a"
        " LEFT JOIN resources AS r ON r.arn = a.archive AND r.kind = 'archive' WHERE r.arn IS NULL ORDER BY a.seq",
    ),
    Invariant(
        "every archived event and every request has its text",
        "SELECT q.payload FROM (SELECT payload FROM events_archived UNION ALL SELECT payload FROM events_requests) AS q"
        " LEFT JOIN payloads AS p ON p.digest = q.payload WHERE p.digest IS NULL ORDER BY q.payload",
    ),
    Invariant(
        "a replay that is over says when it ended, and no other does",
        "SELECT replay FROM events_replays"
        " WHERE (state IN ('COMPLETED', 'CANCELLED', 'FAILED')) <> (ended_ms IS NOT NULL) ORDER BY replay",
    ),
)

"""The tables of the queues, and the statements of standard queues; fifo_store.py has those of FIFO queues.

Causes: a message's row keeps `cause`, the latest trace row about it. A MessageReceived row has that as its
own cause and takes its place, and so has a move to a dead-letter queue. So the rows of one message form a
chain, sent <- received <- received <- moved <- received ..., and whoever starts from any of them walks back
through every receive to the sender.

Order: visible messages are taken by (visible_ms, seq). Messages that were never received come in the order
in which they were sent (or their delays ended); one that comes back takes its place among them by the time
of its return. That is one walk along an index, however many messages wait. A standard queue promises no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...kernel.effects import SUBSTITUTE, Statement
from ...kernel.service import Invariant, Reader, Row

MIGRATIONS = (
    """
    -- One row per message that is in a queue: visible, delayed or in flight. Deleted rows are gone.
    CREATE TABLE sqs_messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of sending; never reused, receipt handles hold it
        queue TEXT NOT NULL,                    -- ARN
        message_id TEXT NOT NULL,
        payload TEXT NOT NULL,                  -- digest of the body: payloads.digest
        size INTEGER NOT NULL,                  -- bytes of body and message attributes
        attributes TEXT,                        -- JSON [[name, type, value], ...] by name; NULL: none
        trace_header TEXT,                      -- AWSTraceHeader
        md5_of_body TEXT NOT NULL,
        md5_of_attributes TEXT,
        sender_id TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,               -- when first sent; a move to a dead-letter queue keeps it
        visible_ms INTEGER NOT NULL,            -- hidden before this time
        receive_count INTEGER NOT NULL,         -- over all queues it was in
        receives_before INTEGER NOT NULL,       -- of these, in the queues it was moved from
        first_received_ms INTEGER,              -- over all queues
        received_ms INTEGER,                    -- latest receive in this queue; NULL: none yet
        dead_letter_source TEXT,                -- ARN of the queue it was moved from
        cause INTEGER NOT NULL                  -- latest trace row about it
    ) STRICT;
    CREATE INDEX sqs_messages_by_visibility ON sqs_messages (queue, visible_ms);

    -- What a queue has to remember beside its settings and messages.
    CREATE TABLE sqs_queues (
        queue TEXT PRIMARY KEY,                 -- ARN
        sweep_ms INTEGER,                       -- when its retention timer is due; NULL: not set
        purged_ms INTEGER                       -- latest PurgeQueue
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- FIFO queues and fair queues. Of a FIFO group only the first message, its head, decides whether the group
    -- is ready: a receive looks at heads, and at nothing of a group whose head is hidden.
    ALTER TABLE sqs_messages ADD COLUMN group_id TEXT;          -- MessageGroupId; a tenant on a standard queue
    ALTER TABLE sqs_messages ADD COLUMN deduplication_id TEXT;  -- MessageDeduplicationId; FIFO only
    ALTER TABLE sqs_messages ADD COLUMN sequence INTEGER;       -- number in the queue from 1; FIFO only
    ALTER TABLE sqs_messages ADD COLUMN head INTEGER;           -- 1: the first of its group; FIFO only
    CREATE INDEX sqs_messages_heads ON sqs_messages (queue, visible_ms) WHERE head = 1;
    CREATE INDEX sqs_messages_by_group ON sqs_messages (queue, group_id) WHERE group_id IS NOT NULL;
    ALTER TABLE sqs_queues ADD COLUMN last_sequence INTEGER;    -- of the latest FIFO message; NULL: none yet

    -- What was sent to a FIFO queue in the last 5 minutes, whatever has become of it.
    CREATE TABLE sqs_deduplication (
        queue TEXT NOT NULL,                    -- ARN
        deduplication_id TEXT NOT NULL,
        scope TEXT NOT NULL,                    -- the group; empty: the whole queue
        until_ms INTEGER NOT NULL,              -- 5 minutes after the first send
        message_id TEXT NOT NULL,               -- of the first send
        sequence INTEGER NOT NULL,
        cause INTEGER NOT NULL,                 -- trace row of the first send
        PRIMARY KEY (queue, deduplication_id, scope)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sqs_deduplication_by_time ON sqs_deduplication (queue, until_ms);

    -- Receives with a ReceiveRequestAttemptId in the last 5 minutes.
    CREATE TABLE sqs_attempts (
        queue TEXT NOT NULL,                    -- ARN
        attempt_id TEXT NOT NULL,
        until_ms INTEGER NOT NULL,              -- 5 minutes after the receive
        received TEXT NOT NULL,                 -- JSON [[seq, receipt handle, visible_ms], ...]
        PRIMARY KEY (queue, attempt_id)
    ) STRICT, WITHOUT ROWID;

    -- Tasks that move dead letters back, running and ended.
    CREATE TABLE sqs_move_tasks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,                   -- ARN of the dead-letter queue
        destination TEXT,                       -- ARN; NULL: each message's own source
        per_second INTEGER,                     -- NULL: as fast as AWS does at most
        status TEXT NOT NULL,                   -- RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED
        moved INTEGER NOT NULL,
        to_move INTEGER NOT NULL,               -- how many there were at the start
        last_seq INTEGER NOT NULL,              -- later messages are not moved
        started_ms INTEGER NOT NULL,
        failure_reason TEXT,
        cause INTEGER NOT NULL                  -- latest trace row about it
    ) STRICT;
    CREATE INDEX sqs_move_tasks_by_source ON sqs_move_tasks (source);

    -- Queues deleted lately: their names are taken for a while.
    CREATE TABLE sqs_deleted (
        queue TEXT PRIMARY KEY,                 -- ARN
        deleted_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- What a topic sends to many queues is stored once, as a template; `payload` is the template's digest then.
    ALTER TABLE sqs_messages ADD COLUMN filling TEXT;           -- what fills it; NULL: no template
    """,
)
PAYLOAD_COLUMNS = (("sqs_messages", "payload"),)


class Candidate(NamedTuple):
    """A message that could be received. `span` is how many rows the whole table can have at most: below
    the in-flight limit, nothing needs to be counted."""

    seq: int
    message_id: str
    body: str
    size: int
    attributes: str | None
    trace_header: str | None
    md5_of_body: str
    md5_of_attributes: str | None
    sender_id: str
    sent_ms: int
    visible_ms: int
    receive_count: int
    receives_before: int
    first_received_ms: int | None
    dead_letter_source: str | None
    cause: int
    span: int
    group_id: str | None = None
    deduplication_id: str | None = None
    sequence: int | None = None


class Found(NamedTuple):
    """The message that a receipt handle means."""

    seq: int
    queue: str
    message_id: str
    receive_count: int
    received_ms: int | None
    cause: int
    visible_ms: int
    group_id: str | None


class Leaving(NamedTuple):
    """A message that a queue is about to drop."""

    seq: int
    message_id: str
    sent_ms: int
    cause: int
    group_id: str | None


class Lying(NamedTuple):
    """A message as PeekMessages shows it."""

    message_id: str
    body: str
    attributes: str | None
    sent_ms: int
    visible_ms: int
    receive_count: int
    received_ms: int | None
    dead_letter_source: str | None
    cause: int
    group_id: str | None
    deduplication_id: str | None


# --- reads --------------------------------------------------------------------------------------

_BODY = f"CASE WHEN m.filling IS NULL THEN p.body ELSE replace(p.body, char({ord(SUBSTITUTE)}), m.filling) END"
"""The body of a message; of one that fills a template see kernel.effects.filled."""

CANDIDATES = (
    "SELECT m.seq, m.message_id, CASE WHEN m.filling IS NULL THEN m.payload ELSE m.payload || '~' || m.filling END,"
    " m.size, m.attributes, m.trace_header, m.md5_of_body,"
    " m.md5_of_attributes, m.sender_id, m.sent_ms, m.visible_ms, m.receive_count, m.receives_before,"
    " m.first_received_ms, m.dead_letter_source, m.cause,"
    " (SELECT max(seq) FROM sqs_messages) - (SELECT min(seq) FROM sqs_messages) + 1,"
    " m.group_id, m.deduplication_id, m.sequence"
    " FROM sqs_messages AS m"
)
"""The columns of Candidate with the body's digest in place of the body; a WHERE follows."""


def candidates(read: Reader, rows: Iterable[Row]) -> list[Candidate]:
    """What rows of CANDIDATES stand for. Bodies are read one by one: those of late are still in memory."""
    payload = read.payload
    return [Candidate(row[0], row[1], payload(row[2]), *row[3:]) for row in rows]


VISIBLE = Statement(
    "sqs.select_visible",
    CANDIDATES + " WHERE m.queue = ? AND (m.visible_ms, m.seq) > (?, ?) AND m.visible_ms <= ? AND m.sent_ms > ?"
    " ORDER BY m.visible_ms, m.seq LIMIT ?",
)
"""Queue, (visible_ms, seq) to go on after, now, the end of retention for what was sent then, how many."""

NEXT_VISIBLE = Statement(
    "sqs.select_next_visible",
    "SELECT visible_ms FROM sqs_messages WHERE queue = ? AND visible_ms > ? ORDER BY visible_ms, seq LIMIT 1",
)
IN_FLIGHT = Statement(
    "sqs.count_in_flight",
    "SELECT count(*) FROM sqs_messages WHERE queue = ? AND visible_ms > ? AND received_ms IS NOT NULL ORDER BY 1",
)
BY_SEQ = Statement(
    "sqs.select_by_seq",
    "SELECT seq, queue, message_id, receive_count, received_ms, cause, visible_ms, group_id FROM sqs_messages"
    " WHERE seq = ? ORDER BY seq",
)
BY_SEQS = Statement(
    "sqs.select_by_seqs",
    "SELECT seq, queue, message_id, receive_count, received_ms, cause, visible_ms, group_id FROM sqs_messages"
    " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
)
STATE = Statement(
    "sqs.select_state",
    "SELECT sweep_ms, purged_ms, last_sequence FROM sqs_queues WHERE queue = ? ORDER BY queue",
    kept="sqs.state",
)
COUNTS = Statement(
    "sqs.count_messages",
    "SELECT total(visible_ms <= ?1), total(visible_ms > ?1 AND received_ms IS NOT NULL),"
    " total(visible_ms > ?1 AND received_ms IS NULL)"
    " FROM sqs_messages WHERE queue = ?2 AND sent_ms > ?3 ORDER BY 1",
)
"""Now, queue, end of retention: how many are visible, in flight and delayed."""

# `+queue` walks the table in order of seq, which is order of sending: the oldest messages come first and
# the walk ends early, where the index on queue would have to be sorted as a whole.
OLDEST = Statement(
    "sqs.select_oldest",
    "SELECT seq, message_id, sent_ms, cause, group_id FROM sqs_messages WHERE +queue = ? ORDER BY seq LIMIT ?",
)
ALL_OF_QUEUE = Statement(
    "sqs.select_all", "SELECT seq, message_id, sent_ms, cause, group_id FROM sqs_messages WHERE queue = ? ORDER BY seq"
)
LYING = Statement(
    "sqs.select_lying",
    f"SELECT m.message_id, {_BODY}, m.attributes, m.sent_ms, m.visible_ms, m.receive_count, m.received_ms,"
    " m.dead_letter_source, m.cause, m.group_id, m.deduplication_id"
    " FROM sqs_messages AS m CROSS JOIN payloads AS p ON p.digest = m.payload"
    " WHERE m.queue = ? AND m.sent_ms > ? ORDER BY m.seq LIMIT ?",
)
UPDATED_MS = Statement("sqs.select_updated_ms", "SELECT updated_ms FROM resources WHERE arn = ? ORDER BY arn")
DECLARED_BY = Statement("sqs.select_declared_by", "SELECT declared_by FROM resources WHERE arn = ? ORDER BY arn")

# --- writes -------------------------------------------------------------------------------------

CONTENT = "payload, filling, size, attributes, trace_header, md5_of_body, md5_of_attributes, sender_id"
"""The columns that stay the same wherever a message goes."""
INTO = (
    f"INSERT INTO sqs_messages (queue, message_id, {CONTENT}, sent_ms, visible_ms, receive_count, receives_before,"
    " cause, group_id"
)
"""The beginning of what adds a message; a FIFO queue has more columns."""
INSERT = Statement("sqs.insert_message", INTO + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)")
INSERT_PLAIN = Statement(
    "sqs.insert_plain_message",
    "INSERT INTO sqs_messages (queue, message_id, payload, size, md5_of_body, sender_id, sent_ms, visible_ms,"
    " receive_count, receives_before, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
)
"""A message with neither attributes nor a group, as most are: each NULL that is bound costs a third of a µs."""
HIDE = Statement(
    "sqs.hide_message",
    "UPDATE sqs_messages SET visible_ms = ?, receive_count = ?, first_received_ms = ?, received_ms = ?,"
    " cause = ? WHERE seq = ?",
)
MOVE = Statement(
    "sqs.move_message",
    "UPDATE sqs_messages SET queue = ?, visible_ms = ?, receives_before = receive_count, received_ms = NULL,"
    " dead_letter_source = ?, cause = ? WHERE seq = ?",
)
CHANGE_VISIBILITY = Statement(
    "sqs.change_visibility", "UPDATE sqs_messages SET visible_ms = ?, cause = ? WHERE seq = ?"
)
DELETE = Statement("sqs.delete_message", "DELETE FROM sqs_messages WHERE seq = ?")
DELETE_ALL = Statement("sqs.delete_all", "DELETE FROM sqs_messages WHERE queue = ?")
SET_SWEEP = Statement(
    "sqs.set_sweep",
    "INSERT INTO sqs_queues (queue, sweep_ms) VALUES (?, ?)"
    " ON CONFLICT (queue) DO UPDATE SET sweep_ms = excluded.sweep_ms",
    kept="sqs.state",
)
SET_PURGED = Statement(
    "sqs.set_purged",
    "INSERT INTO sqs_queues (queue, purged_ms) VALUES (?, ?)"
    " ON CONFLICT (queue) DO UPDATE SET purged_ms = excluded.purged_ms",
    kept="sqs.state",
)
FORGET_STATE = Statement("sqs.forget_state", "DELETE FROM sqs_queues WHERE queue = ?", kept="sqs.state")

# --- what must always hold ----------------------------------------------------------------------

INVARIANTS = (
    Invariant(
        "every message is in a queue that exists, and its body is stored",
        "SELECT m.seq, m.queue, m.payload FROM sqs_messages AS m"
        " LEFT JOIN resources AS r ON r.arn = m.queue AND r.kind = 'queue'"
        " LEFT JOIN payloads AS p ON p.digest = m.payload"
        " WHERE r.arn IS NULL OR p.digest IS NULL ORDER BY m.seq",
    ),
    Invariant(
        "a message is received in a queue exactly when it was received there more than zero times",
        "SELECT seq, receive_count, receives_before, received_ms FROM sqs_messages WHERE receives_before < 0"
        " OR receive_count < receives_before"
        " OR (receive_count > receives_before) <> (received_ms IS NOT NULL)"
        " OR (receive_count > 0) <> (first_received_ms IS NOT NULL) ORDER BY seq",
    ),
    Invariant(
        "no message is hidden for longer than 12 hours after a receive, or 15 minutes after it was sent",
        "SELECT seq, sent_ms, received_ms, visible_ms FROM sqs_messages"
        " WHERE visible_ms > received_ms + 43200000"
        " OR visible_ms > sent_ms + 900000 AND received_ms IS NULL AND dead_letter_source IS NULL"
        " ORDER BY seq",
    ),
    Invariant(
        "a queue with messages has a retention timer set",
        "SELECT DISTINCT m.queue FROM sqs_messages AS m LEFT JOIN sqs_queues AS q ON q.queue = m.queue"
        " WHERE q.sweep_ms IS NULL ORDER BY m.queue",
    ),
    Invariant(
        "the head of a FIFO group is its first message, and no other is",
        "SELECT m.queue, m.group_id, m.seq FROM sqs_messages AS m WHERE m.sequence IS NOT NULL AND m.head <> NOT EXISTS"
        " (SELECT 1 FROM sqs_messages AS o WHERE o.queue = m.queue AND o.group_id = m.group_id"
        " AND o.sequence IS NOT NULL AND o.seq < m.seq) ORDER BY m.seq",
    ),
    Invariant(
        "a FIFO message has a group, a deduplication id and a number, and numbers grow with the order of sending",
        "SELECT seq, queue, sequence FROM sqs_messages WHERE (sequence IS NULL) <> (deduplication_id IS NULL)"
        " OR (sequence IS NULL) <> (head IS NULL) OR (sequence IS NOT NULL AND group_id IS NULL)"
        " UNION ALL SELECT q.queue, q.last_sequence, m.sequence FROM sqs_queues AS q JOIN sqs_messages AS m"
        " ON m.queue = q.queue WHERE m.sequence > q.last_sequence ORDER BY 1, 2, 3",
    ),
    Invariant(
        "at most one move task of a queue is active",
        "SELECT source, count(*) FROM sqs_move_tasks WHERE status IN ('RUNNING', 'CANCELLING')"
        " GROUP BY source HAVING count(*) > 1 ORDER BY source",
    ),
    Invariant(
        "a message is in one place: no two rows have the same message id",
        "SELECT message_id, count(*) FROM sqs_messages GROUP BY message_id HAVING count(*) > 1 ORDER BY message_id",
    ),
)

Parameters = tuple[Any, ...]

"""Statements of what FIFO and fair queues, move tasks and deleted names need; the tables are in store.py.

Order: a FIFO group is taken in the order of `seq`. Of each group the first message, its head, is marked, and an
index holds the heads by the time at which they are visible. A group is ready exactly when its head is visible: of
10,000 groups that are locked or delayed a receive reads nothing. Whatever deletes or moves a message runs PROMOTE
for its group afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

from ...kernel.effects import Statement
from .store import CANDIDATES, CONTENT, INTO

# --- groups -------------------------------------------------------------------------------------

READY_HEADS = Statement(
    "sqs.select_ready_heads",
    "SELECT group_id, visible_ms, seq FROM sqs_messages WHERE queue = ? AND head = 1"
    " AND (visible_ms, seq) > (?, ?) AND visible_ms <= ? ORDER BY visible_ms, seq LIMIT ?",
)
"""Queue, (visible_ms, seq) to go on after, now, how many."""
NEXT_HEAD = Statement(
    "sqs.select_next_head",
    "SELECT visible_ms FROM sqs_messages WHERE queue = ? AND head = 1 AND visible_ms > ?"
    " ORDER BY visible_ms, seq LIMIT 1",
)
OF_GROUP = Statement(
    "sqs.select_of_group",
    CANDIDATES + " WHERE m.queue = ? AND m.group_id = ? AND m.seq > ? AND m.sent_ms > ? ORDER BY m.seq LIMIT ?",
)
"""Queue, group, seq to go on after, the end of retention for what was sent then, how many."""
_IS_HEAD = "NOT EXISTS (SELECT 1 FROM sqs_messages AS o WHERE o.queue = {queue} AND o.group_id = {group})"
_INTO_FIFO = INTO + ", deduplication_id, sequence, head"
INSERT_FIFO = Statement(
    "sqs.insert_fifo_message",
    _INTO_FIFO
    + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0, ?13, ?14, ?15, ?16, "
    + _IS_HEAD.format(queue="?1", group="?14")
    + ")",
)
PROMOTE = Statement(
    "sqs.promote_head",
    "UPDATE sqs_messages SET head = 1 WHERE head = 0 AND seq = (SELECT seq FROM sqs_messages"
    " WHERE queue = ? AND group_id = ? ORDER BY seq LIMIT 1)",
)
"""Queue and group: its first message becomes the head."""
MOVE_FIFO = Statement(
    "sqs.move_fifo_message",
    _INTO_FIFO
    + f", first_received_ms, dead_letter_source) SELECT ?1, message_id, {CONTENT}, ?2, ?2, receive_count,"
    + " receive_count, ?4, group_id, message_id, ?5, "
    + _IS_HEAD.format(queue="?1", group="m.group_id")
    + ", first_received_ms, ?3 FROM sqs_messages AS m WHERE m.seq = ?6",
)
"""A copy of message ?6 in the dead-letter queue ?1: a new row, since its clock and its order start anew."""
SET_SEQUENCE = Statement(
    "sqs.set_sequence",
    "INSERT INTO sqs_queues (queue, last_sequence) VALUES (?, ?)"
    " ON CONFLICT (queue) DO UPDATE SET last_sequence = excluded.last_sequence",
    kept="sqs.state",
)
SET_DELAY = Statement(
    "sqs.set_delay",
    "UPDATE sqs_messages SET visible_ms = sent_ms + ? WHERE queue = ? AND sequence IS NOT NULL"
    " AND received_ms IS NULL AND dead_letter_source IS NULL",
)

# --- deduplication ------------------------------------------------------------------------------


class Seen(NamedTuple):
    """The first send with a deduplication id."""

    message_id: str
    sequence: int
    cause: int


SEEN = Statement(
    "sqs.select_seen",
    "SELECT message_id, sequence, cause FROM sqs_deduplication WHERE queue = ? AND deduplication_id = ?"
    " AND scope IN ('', ?) AND until_ms > ? ORDER BY scope LIMIT 1",
)
"""Queue, id, group, now: an id keeps the scope under which it was sent, also when the queue's changes."""
REMEMBER = Statement(
    "sqs.remember_send",
    "INSERT INTO sqs_deduplication (queue, deduplication_id, scope, until_ms, message_id, sequence, cause)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)",
)
FORGET_OLD_SENDS = Statement("sqs.forget_old_sends", "DELETE FROM sqs_deduplication WHERE queue = ? AND until_ms <= ?")
FORGET_SENDS = Statement("sqs.forget_sends", "DELETE FROM sqs_deduplication WHERE queue = ?")

# --- repeated receives --------------------------------------------------------------------------

ATTEMPT = Statement(
    "sqs.select_attempt",
    "SELECT received, until_ms FROM sqs_attempts WHERE queue = ? AND attempt_id = ? AND until_ms > ? ORDER BY queue",
)
RECEIVED = Statement(
    "sqs.select_received",
    CANDIDATES + " WHERE m.seq IN (SELECT value FROM json_each(?)) AND m.queue = ? ORDER BY m.seq",
)
SET_ATTEMPT = Statement(
    "sqs.set_attempt",
    "INSERT OR REPLACE INTO sqs_attempts (queue, attempt_id, until_ms, received) VALUES (?, ?, ?, ?)",
)
FORGET_OLD_ATTEMPTS = Statement("sqs.forget_old_attempts", "DELETE FROM sqs_attempts WHERE queue = ? AND until_ms <= ?")
FORGET_ATTEMPTS = Statement("sqs.forget_attempts", "DELETE FROM sqs_attempts WHERE queue = ?")

# --- tenants of a standard queue ----------------------------------------------------------------

IN_FLIGHT_BY_TENANT = Statement(
    "sqs.select_in_flight_by_tenant",
    "SELECT group_id, count(*), sum(?1 - received_ms) FROM sqs_messages WHERE queue = ?2 AND visible_ms > ?1"
    " AND received_ms IS NOT NULL GROUP BY group_id ORDER BY group_id",
)
"""Now and queue: how many messages of each tenant are in flight, and for how long altogether."""
LATEST_OF_TENANT = Statement(
    "sqs.select_latest_of_tenant",
    "SELECT sent_ms FROM sqs_messages WHERE queue = ? AND group_id = ? ORDER BY seq DESC LIMIT 1",
)
QUIET_TENANTS = Statement(
    "sqs.select_quiet_tenants",
    "WITH RECURSIVE tenants (name) AS ("
    "SELECT (SELECT group_id FROM sqs_messages WHERE queue = ?1 AND group_id IS NOT NULL ORDER BY group_id LIMIT 1)"
    " UNION ALL SELECT (SELECT group_id FROM sqs_messages WHERE queue = ?1 AND group_id > tenants.name"
    " ORDER BY group_id LIMIT 1) FROM tenants WHERE tenants.name IS NOT NULL),"
    " firsts (name, first_ms) AS (SELECT name, (SELECT visible_ms FROM sqs_messages"
    " WHERE queue = ?1 AND group_id = name AND visible_ms <= ?2 ORDER BY seq LIMIT 1)"
    " FROM tenants WHERE name IS NOT NULL AND name NOT IN (SELECT value FROM json_each(?3)))"
    " SELECT name FROM firsts WHERE first_ms IS NOT NULL ORDER BY first_ms, name LIMIT ?4",
)
"""Queue, now, the noisy tenants, how many: a step along the index for each tenant, however long its backlog."""
UNGROUPED = Statement(
    "sqs.count_ungrouped",
    "SELECT (SELECT count(*) FROM sqs_messages WHERE queue = ?1)"
    " - (SELECT count(*) FROM sqs_messages WHERE queue = ?1 AND group_id IS NOT NULL) ORDER BY 1",
)
VISIBLE_UNGROUPED = Statement(
    "sqs.select_visible_ungrouped",
    CANDIDATES + " WHERE m.queue = ? AND (m.visible_ms, m.seq) > (?, ?) AND m.visible_ms <= ? AND m.sent_ms > ?"
    " AND m.group_id IS NULL ORDER BY m.visible_ms, m.seq LIMIT ?",
)
VISIBLE_OF_TENANT = Statement(
    "sqs.select_visible_of_tenant",
    CANDIDATES + " WHERE m.queue = ?1 AND m.seq > ?3 AND m.visible_ms <= ?4 AND m.sent_ms > ?5 AND m.group_id = ?6"
    " ORDER BY m.seq LIMIT ?7",
)
"""Queue, (visible_ms, seq) to go on after, of which seq counts, now, the end of retention, tenant, how many."""

# --- move tasks ---------------------------------------------------------------------------------


class TaskRow(NamedTuple):
    """A move task as it is stored."""

    id: int
    task_id: str
    source: str
    destination: str | None
    per_second: int | None
    status: str
    moved: int
    to_move: int
    last_seq: int
    started_ms: int
    failure_reason: str | None
    cause: int


_TASK = (
    "SELECT id, task_id, source, destination, per_second, status, moved, to_move, last_seq, started_ms,"
    " failure_reason, cause FROM sqs_move_tasks"
)
TASK = Statement("sqs.select_move_task", _TASK + " WHERE source = ? AND task_id = ? ORDER BY id")
TASKS = Statement("sqs.select_move_tasks", _TASK + " WHERE source = ? ORDER BY id DESC LIMIT ?")
ACTIVE_TASKS = Statement(
    "sqs.select_active_move_tasks",
    "SELECT source FROM sqs_move_tasks WHERE status IN ('RUNNING', 'CANCELLING') ORDER BY id",
)
LATEST_SEQ = Statement("sqs.select_latest_seq", "SELECT max(seq) FROM sqs_messages ORDER BY 1")
INSERT_TASK = Statement(
    "sqs.insert_move_task",
    "INSERT INTO sqs_move_tasks (task_id, source, destination, per_second, status, moved, to_move, last_seq,"
    " started_ms, cause) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
)
UPDATE_TASK = Statement(
    "sqs.update_move_task",
    "UPDATE sqs_move_tasks SET status = ?, moved = ?, failure_reason = ?, cause = ? WHERE task_id = ?",
)
FORGET_TASKS = Statement("sqs.forget_move_tasks", "DELETE FROM sqs_move_tasks WHERE source = ?")
REDRIVE = Statement(
    "sqs.redrive_message",
    _INTO_FIFO
    + f") SELECT ?1, ?2, {CONTENT}, ?3, ?4, 0, 0, ?5, group_id, deduplication_id, ?6, CASE WHEN ?6 IS NOT NULL THEN "
    + _IS_HEAD.format(queue="?1", group="m.group_id")
    + " END FROM sqs_messages AS m WHERE m.seq = ?7",
)
"""Message ?7 as a new one in queue ?1."""

DIGESTS = Statement(
    "sqs.select_digests",
    "SELECT seq, payload || coalesce('~' || filling, '') FROM sqs_messages"
    " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
)
"""What the rows of messages say of their bodies: see kernel.effects.filled."""

# --- deleted queues -----------------------------------------------------------------------------

DELETED = Statement("sqs.select_deleted", "SELECT deleted_ms FROM sqs_deleted WHERE queue = ? ORDER BY queue")
SET_DELETED = Statement("sqs.set_deleted", "INSERT OR REPLACE INTO sqs_deleted (queue, deleted_ms) VALUES (?, ?)")
FORGET_DELETED = Statement("sqs.forget_deleted", "DELETE FROM sqs_deleted WHERE queue = ?")

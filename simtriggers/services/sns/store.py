"""Tables and statements of SNS. Settings are in `resources`; here is what topics and subscriptions remember."""

from __future__ import annotations

from typing import NamedTuple

from ...kernel.effects import Statement
from ...kernel.service import Invariant

MIGRATIONS = (
    """
    -- One row: the incarnation that runs now. Requests of an older one count as unknown.
    CREATE TABLE sns_state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        incarnation INTEGER NOT NULL
    ) STRICT;
    INSERT INTO sns_state (id, incarnation) VALUES (1, 0);

    -- What a topic counts.
    CREATE TABLE sns_topics (
        topic TEXT PRIMARY KEY,                 -- ARN
        published INTEGER NOT NULL,             -- messages of a FIFO topic; makes their sequence numbers
        deleted INTEGER NOT NULL                -- subscriptions that were ended
    ) STRICT, WITHOUT ROWID;

    -- The state of each subscription; its settings are in resources.
    CREATE TABLE sns_subscriptions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order in which they were made, and are served
        arn TEXT NOT NULL UNIQUE,
        topic TEXT NOT NULL,                    -- ARN
        protocol TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        pending INTEGER NOT NULL,               -- 1: its endpoint has not confirmed it yet
        authenticated INTEGER NOT NULL,         -- ConfirmationWasAuthenticated
        filtered INTEGER NOT NULL,              -- 1: it has a filter policy
        next_send_ms INTEGER NOT NULL,          -- a throttled endpoint gets its next request not before this
        replay_status TEXT                      -- Pending, In progress, Completed; NULL: no replay
    ) STRICT;
    CREATE INDEX sns_subscriptions_by_topic ON sns_subscriptions (topic, pending);

    -- Tokens that were sent to endpoints; `config` brings an ended subscription back.
    CREATE TABLE sns_tokens (
        token TEXT PRIMARY KEY,
        topic TEXT NOT NULL,
        subscription TEXT NOT NULL,             -- ARN
        config TEXT NOT NULL,                   -- JSON
        expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sns_tokens_by_subscription ON sns_tokens (subscription);

    -- Deduplication of FIFO topics: what was published in the last five minutes.
    CREATE TABLE sns_deduplication (
        topic TEXT NOT NULL,
        scope TEXT NOT NULL,                    -- message group, or empty for the whole topic
        deduplication_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        sequence_number TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (topic, scope, deduplication_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sns_deduplication_by_age ON sns_deduplication (topic, until_ms);

    -- Requests to HTTP endpoints that have not ended.
    CREATE TABLE sns_requests (
        request_id TEXT PRIMARY KEY,
        subscription TEXT NOT NULL,             -- ARN
        topic TEXT NOT NULL,                    -- ARN
        url TEXT NOT NULL,
        kind TEXT NOT NULL,                     -- Notification, SubscriptionConfirmation, UnsubscribeConfirmation
        message_id TEXT NOT NULL,
        payload TEXT NOT NULL,                  -- digest of the body
        attributes TEXT,                        -- JSON [[name, type, value], ...] for a dead letter; raw only
        raw INTEGER NOT NULL,
        attempt INTEGER NOT NULL,               -- of the latest request, from 1
        first_ms INTEGER NOT NULL,
        sent INTEGER NOT NULL,                  -- 1: under way, 0: waiting for its time
        incarnation INTEGER NOT NULL,           -- of the process that sent it
        cause INTEGER NOT NULL                  -- latest trace row about it
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sns_requests_by_sent ON sns_requests (sent, incarnation);

    -- Messages of FIFO topics with an archive policy.
    CREATE TABLE sns_archive (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        published_ms INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        sequence_number TEXT NOT NULL,
        payload TEXT NOT NULL,                  -- digest of the message
        entry TEXT NOT NULL                     -- JSON of what was published, without the message
    ) STRICT;
    CREATE INDEX sns_archive_by_time ON sns_archive (topic, published_ms);
    """,
)
PAYLOAD_COLUMNS = (("sns_requests", "payload"), ("sns_archive", "payload"))


class SubscriptionRow(NamedTuple):
    """The state of a subscription."""

    arn: str
    topic: str
    protocol: str
    endpoint: str
    pending: int
    authenticated: int
    next_send_ms: int
    replay_status: str | None


class ListedRow(NamedTuple):
    """A subscription as lists show it."""

    seq: int
    arn: str
    topic: str
    protocol: str
    endpoint: str
    pending: int


class RequestRow(NamedTuple):
    """A request to an HTTP endpoint that has not ended."""

    request_id: str
    subscription: str
    topic: str
    url: str
    kind: str
    message_id: str
    payload: str
    attributes: str | None
    raw: int
    attempt: int
    first_ms: int
    sent: int
    incarnation: int
    cause: int


class ArchivedRow(NamedTuple):
    """An archived message."""

    seq: int
    published_ms: int
    message_id: str
    sequence_number: str
    payload: str
    entry: str


# --- state and topics ---------------------------------------------------------------------------

INCARNATION = Statement("sns.select_incarnation", "SELECT incarnation FROM sns_state ORDER BY id")
SET_INCARNATION = Statement("sns.set_incarnation", "UPDATE sns_state SET incarnation = ? WHERE id = 1")
DECLARED_BY = Statement("sns.select_declared_by", "SELECT declared_by FROM resources WHERE arn = ? ORDER BY arn")
TOPIC_ROW = Statement("sns.select_topic", "SELECT published, deleted FROM sns_topics WHERE topic = ? ORDER BY topic")
ADD_TOPIC = Statement(
    "sns.insert_topic", "INSERT OR IGNORE INTO sns_topics (topic, published, deleted) VALUES (?, 0, 0)"
)
COUNT_PUBLISHED = Statement("sns.count_published", "UPDATE sns_topics SET published = ? WHERE topic = ?")
COUNT_DELETED = Statement("sns.count_deleted", "UPDATE sns_topics SET deleted = deleted + 1 WHERE topic = ?")
FORGET_TOPIC = Statement("sns.delete_topic", "DELETE FROM sns_topics WHERE topic = ?")

# --- subscriptions ------------------------------------------------------------------------------

_STATE = "arn, topic, protocol, endpoint, pending, authenticated, next_send_ms, replay_status"
SUBSCRIPTION_ROW = Statement(
    "sns.select_subscription", f"SELECT {_STATE} FROM sns_subscriptions WHERE arn = ? ORDER BY arn"
)
CONFIRMED = Statement(
    "sns.select_confirmed",
    "SELECT arn, next_send_ms, replay_status FROM sns_subscriptions WHERE topic = ? AND pending = 0 ORDER BY seq",
)
ARNS_OF_TOPIC = Statement("sns.select_arns_of_topic", "SELECT arn FROM sns_subscriptions WHERE topic = ? ORDER BY seq")
_LISTED = f"SELECT {', '.join(ListedRow._fields)} FROM sns_subscriptions"
OF_TOPIC = Statement("sns.select_of_topic", _LISTED + " WHERE topic = ? AND seq > ? ORDER BY seq LIMIT ?")
ALL_SUBSCRIPTIONS = Statement("sns.select_subscriptions", _LISTED + " WHERE seq > ? ORDER BY seq LIMIT ?")
COUNTS = Statement(
    "sns.count_subscriptions",
    "SELECT count(*), coalesce(sum(pending), 0), coalesce(sum(filtered), 0) FROM sns_subscriptions"
    " WHERE topic = ? ORDER BY 1",
)
COUNT_FILTERED = Statement("sns.count_filtered", "SELECT count(*) FROM sns_subscriptions WHERE filtered = 1 ORDER BY 1")
NOT_FOR_LARGE = Statement(
    "sns.count_not_for_large",
    "SELECT count(*) FROM sns_subscriptions"
    " WHERE topic = ? AND protocol NOT IN ('sqs', 'lambda', 'firehose') ORDER BY 1",
)
"""Subscriptions that a topic with messages over 256 KB cannot have."""
PUT_SUBSCRIPTION = Statement(
    "sns.put_subscription",
    "INSERT INTO sns_subscriptions (arn, topic, protocol, endpoint, pending, authenticated, filtered, next_send_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (arn) DO UPDATE SET filtered = excluded.filtered",
)
CONFIRM = Statement(
    "sns.confirm_subscription", "UPDATE sns_subscriptions SET pending = 0, authenticated = ? WHERE arn = ?"
)
SET_NEXT_SEND = Statement("sns.set_next_send", "UPDATE sns_subscriptions SET next_send_ms = ? WHERE arn = ?")
SET_REPLAY = Statement("sns.set_replay_status", "UPDATE sns_subscriptions SET replay_status = ? WHERE arn = ?")
REMOVE_SUBSCRIPTION = Statement("sns.delete_subscription", "DELETE FROM sns_subscriptions WHERE arn = ?")

# --- tokens -------------------------------------------------------------------------------------

TOKEN = Statement(
    "sns.select_token",
    "SELECT subscription, config, expires_ms FROM sns_tokens WHERE token = ? AND topic = ? ORDER BY token",
)
TOKEN_OF = Statement(
    "sns.select_token_of", "SELECT token FROM sns_tokens WHERE subscription = ? ORDER BY expires_ms DESC, token LIMIT 1"
)
PUT_TOKEN = Statement(
    "sns.insert_token",
    "INSERT INTO sns_tokens (token, topic, subscription, config, expires_ms) VALUES (?, ?, ?, ?, ?)",
)
FORGET_TOKENS = Statement("sns.delete_tokens", "DELETE FROM sns_tokens WHERE topic = ? AND expires_ms <= ?")
FORGET_TOKENS_OF = Statement("sns.delete_tokens_of", "DELETE FROM sns_tokens WHERE topic = ?")

# --- deduplication ------------------------------------------------------------------------------

DUPLICATE = Statement(
    "sns.select_duplicate",
    "SELECT scope, message_id, sequence_number FROM sns_deduplication"
    " WHERE topic = ? AND scope IN ('', ?) AND deduplication_id = ? AND until_ms > ? ORDER BY scope LIMIT 1",
)
REMEMBER = Statement(
    "sns.insert_deduplication",
    "INSERT OR REPLACE INTO sns_deduplication (topic, scope, deduplication_id, message_id, sequence_number, until_ms)"
    " VALUES (?, ?, ?, ?, ?, ?)",
)
FORGET_DUPLICATES = Statement(
    "sns.delete_deduplication", "DELETE FROM sns_deduplication WHERE topic = ? AND until_ms <= ?"
)

# --- requests -----------------------------------------------------------------------------------

_REQUEST = ", ".join(RequestRow._fields)
REQUEST = Statement("sns.select_request", f"SELECT {_REQUEST} FROM sns_requests WHERE request_id = ? ORDER BY 1")
OLDER_REQUESTS = Statement(
    "sns.select_older_requests",
    f"SELECT {_REQUEST} FROM sns_requests WHERE sent = 1 AND incarnation < ? ORDER BY first_ms, request_id",
)
ADD_REQUEST = Statement(
    "sns.insert_request", f"INSERT INTO sns_requests ({_REQUEST}) VALUES ({', '.join('?' * len(RequestRow._fields))})"
)
UPDATE_REQUEST = Statement(
    "sns.update_request",
    "UPDATE sns_requests SET attempt = ?, sent = ?, incarnation = ?, cause = ? WHERE request_id = ?",
)
DELETE_REQUEST = Statement("sns.delete_request", "DELETE FROM sns_requests WHERE request_id = ?")

# --- archive ------------------------------------------------------------------------------------

ARCHIVE = Statement(
    "sns.insert_archived",
    "INSERT INTO sns_archive (topic, published_ms, message_id, sequence_number, payload, entry)"
    " VALUES (?, ?, ?, ?, ?, ?)",
)
ARCHIVED = Statement(
    "sns.select_archived",
    f"SELECT {', '.join(ArchivedRow._fields)} FROM sns_archive"
    " WHERE topic = ? AND seq > ? AND seq <= ? AND published_ms >= ? AND published_ms <= ? ORDER BY seq LIMIT ?",
)
LAST_ARCHIVED = Statement("sns.last_archived", "SELECT max(seq) FROM sns_archive WHERE topic = ? ORDER BY 1")
FIRST_ARCHIVED = Statement("sns.first_archived", "SELECT min(published_ms) FROM sns_archive WHERE topic = ? ORDER BY 1")
TRIM_ARCHIVE = Statement("sns.trim_archive", "DELETE FROM sns_archive WHERE topic = ? AND published_ms < ?")
FORGET_ARCHIVE = Statement("sns.delete_archive", "DELETE FROM sns_archive WHERE topic = ?")

# --- what must always hold ----------------------------------------------------------------------

INVARIANTS = (
    Invariant(
        "every subscription has its settings, and its topic exists",
        "SELECT s.arn FROM sns_subscriptions AS s"
        " LEFT JOIN resources AS r ON r.arn = s.arn AND r.kind = 'subscription'"
        " LEFT JOIN resources AS t ON t.arn = s.topic AND t.kind = 'topic'"
        " WHERE r.arn IS NULL OR t.arn IS NULL ORDER BY s.seq",
    ),
    Invariant(
        "every subscription's settings have a state, and every topic its counts",
        "SELECT r.arn FROM resources AS r LEFT JOIN sns_subscriptions AS s ON s.arn = r.arn"
        " LEFT JOIN sns_topics AS t ON t.topic = r.arn WHERE r.service = 'sns'"
        " AND (r.kind = 'subscription' AND s.arn IS NULL OR r.kind = 'topic' AND t.topic IS NULL) ORDER BY r.arn",
    ),
    Invariant(
        "the body of every request and archived message is stored",
        "SELECT q.payload FROM (SELECT payload FROM sns_requests UNION ALL SELECT payload FROM sns_archive) AS q"
        " LEFT JOIN payloads AS p ON p.digest = substr(q.payload, 1, 32) WHERE p.digest IS NULL ORDER BY q.payload",
    ),
    Invariant(
        "only FIFO topics remember deduplication ids, each for at most five minutes",
        "SELECT d.topic, d.deduplication_id FROM sns_deduplication AS d WHERE d.topic NOT LIKE '%.fifo'"
        " ORDER BY d.topic, d.deduplication_id",
    ),
)

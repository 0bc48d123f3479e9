"""Tables and statements of functions, their invocations and environments, and event source mappings.

Rows live only as long as something is under way; what has ended is in the trace.
"""

from __future__ import annotations

from ...aws.contracts import PutResource
from ...kernel import resources
from ...kernel.effects import Statement, Write
from ...kernel.service import Invariant

MIGRATION_1 = """
-- One row: the incarnation that runs now, and the sum of all reserved concurrency.
CREATE TABLE lambda_account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation INTEGER NOT NULL,
    reserved_total INTEGER NOT NULL
) STRICT;
INSERT INTO lambda_account (id, incarnation, reserved_total) VALUES (1, 0, 0);

-- Invocations that have not ended. `kind` is sync or async; `state` is queued, running or waiting_retry.
-- `attempts` are runs that count as attempts, `runs` all of them. `cause` is the trace row of the last
-- thing that happened to it; `response` and `failure` are the last error document and its message.
CREATE TABLE lambda_invocations (
    request_id TEXT PRIMARY KEY,
    function_arn TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    payload TEXT NOT NULL,
    reply_to TEXT,
    client_context TEXT,
    accepted_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    throttles INTEGER NOT NULL,
    environment_id TEXT,
    incarnation INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    response TEXT,
    failure TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lambda_invocations_by_function ON lambda_invocations (function_arn, request_id);

-- Execution environments. `pool` is what a busy one counts against: the function's ARN when it has
-- reserved concurrency, else empty. `cold` is 1 when its module is to be loaded at the next start.
CREATE TABLE lambda_environments (
    environment_id TEXT PRIMARY KEY,
    function_arn TEXT NOT NULL,
    pool TEXT NOT NULL,
    revision INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('idle', 'busy')),
    cold INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    last_used_ms INTEGER NOT NULL,
    log_stream TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lambda_environments_busy ON lambda_environments (pool) WHERE state = 'busy';
CREATE INDEX lambda_environments_idle ON lambda_environments (function_arn, revision, last_used_ms)
    WHERE state = 'idle';

-- How many outcomes of a stub were used.
CREATE TABLE lambda_stubs (
    function_arn TEXT PRIMARY KEY,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a mapping is doing. `polling` is 1 while a poll is out (also of a mapping that was disabled or
-- removed since); `window_end_ms` is when the batching window of the collected records is over.
CREATE TABLE lambda_mappings (
    mapping_arn TEXT PRIMARY KEY,
    polling INTEGER NOT NULL,
    window_end_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Records that a mapping has claimed and not yet put into a batch, in order of `seq`.
CREATE TABLE lambda_collected (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mapping_arn TEXT NOT NULL,
    record_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    json TEXT NOT NULL,
    cause INTEGER NOT NULL,
    claimed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX lambda_collected_by_mapping ON lambda_collected (mapping_arn, seq);

-- Batches in flight: invoked, or throttled and waiting. `batch_id` is the trace row of BatchStarted;
-- `records` is a JSON list of [id, receipt]; `claimed_ms` is when the first of them was received.
CREATE TABLE lambda_batches (
    batch_id INTEGER PRIMARY KEY,
    mapping_arn TEXT NOT NULL,
    payload TEXT NOT NULL,
    records TEXT NOT NULL,
    claimed_ms INTEGER NOT NULL,
    throttles INTEGER NOT NULL
) STRICT;
CREATE INDEX lambda_batches_by_mapping ON lambda_batches (mapping_arn, batch_id);
"""

MIGRATION_2 = """
-- How many batches a mapping may have in flight as of `growing_ms` (NULL: as many as at the start); since then a
-- backlog lasts and the number grows with time. NULL: it does not grow.
ALTER TABLE lambda_mappings ADD COLUMN allowed INTEGER;
ALTER TABLE lambda_mappings ADD COLUMN growing_ms INTEGER;
"""

MIGRATION_3 = """
-- The idle environment that was used last is then the first entry, and nothing has to be sorted.
DROP INDEX lambda_environments_idle;
CREATE INDEX lambda_environments_idle ON lambda_environments (function_arn, revision, last_used_ms DESC)
    WHERE state = 'idle';
-- Asked for when a function is removed, and kept up with every invocation.
DROP INDEX lambda_invocations_by_function;
"""


def put_resource(arn: str, command: PutResource, now_ms: int) -> Write:
    """The write of a function's or a mapping's row; the decision that holds it names the ARN in `touched`."""
    return resources.put(
        arn,
        service="lambda",
        kind=command.kind,
        name=command.name,
        config=command.config,
        declared_by=command.declared_by,
        now_ms=now_ms,
    )


# --- account ------------------------------------------------------------------------------------

SELECT_RESERVED_TOTAL = Statement(
    "lambda.select_reserved_total", "SELECT reserved_total FROM lambda_account ORDER BY id"
)
ADD_RESERVED = Statement(
    "lambda.add_reserved", "UPDATE lambda_account SET reserved_total = reserved_total + ? WHERE id = 1"
)
SET_INCARNATION = Statement("lambda.set_incarnation", "UPDATE lambda_account SET incarnation = ? WHERE id = 1")

# --- invocations --------------------------------------------------------------------------------

_COLUMNS = (
    "i.request_id, i.function_arn, i.kind, i.state, i.payload, i.reply_to, i.client_context, i.accepted_ms,"
    " i.attempts, i.runs, i.throttles, i.environment_id, i.incarnation,"
    " i.started_ms, i.cause, i.response, i.failure"
)
SELECT_INVOCATION = Statement(
    "lambda.select_invocation",
    f"SELECT {_COLUMNS} FROM lambda_invocations i WHERE request_id = ? ORDER BY request_id",
)
SELECT_RUNNING = Statement(
    "lambda.select_running",
    f"SELECT {_COLUMNS}, e.log_stream FROM lambda_invocations i LEFT JOIN lambda_environments e"
    " ON e.environment_id = i.environment_id WHERE i.request_id = ? ORDER BY i.request_id",
)
SELECT_OF_FUNCTION = Statement(
    "lambda.select_invocations_of_function",
    f"SELECT {_COLUMNS} FROM lambda_invocations i WHERE function_arn = ? ORDER BY accepted_ms, request_id",
)
SELECT_OLDER = Statement(
    "lambda.select_older_incarnations",
    f"SELECT {_COLUMNS} FROM lambda_invocations i WHERE state = 'running' AND incarnation < ?"
    " ORDER BY started_ms, request_id",
)
INSERT_INVOCATION = Statement(
    "lambda.insert_invocation",
    "INSERT INTO lambda_invocations (request_id, function_arn, kind, state, payload, reply_to,"
    " client_context, accepted_ms, attempts, runs, throttles, environment_id, incarnation, started_ms, cause,"
    " response, failure)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
UPDATE_INVOCATION = Statement(
    "lambda.update_invocation",
    "UPDATE lambda_invocations SET state = ?, attempts = ?, runs = ?, throttles = ?, environment_id = ?,"
    " incarnation = ?, started_ms = ?, cause = ?, response = ?, failure = ? WHERE request_id = ?",
)
DELETE_INVOCATION = Statement("lambda.delete_invocation", "DELETE FROM lambda_invocations WHERE request_id = ?")
DELETE_OF_FUNCTION = Statement(
    "lambda.delete_invocations_of_function", "DELETE FROM lambda_invocations WHERE function_arn = ?"
)

# --- environments -------------------------------------------------------------------------------

SELECT_SLOT = Statement(
    "lambda.select_slot",
    "SELECT a.incarnation, a.reserved_total,"
    " (SELECT count(*) FROM lambda_environments WHERE pool = ? AND state = 'busy'),"
    " e.environment_id, e.cold, e.log_stream FROM lambda_account a LEFT JOIN lambda_environments e"
    " ON e.environment_id = (SELECT environment_id FROM lambda_environments"
    " WHERE function_arn = ? AND revision = ? AND state = 'idle' AND last_used_ms >= ?"
    " ORDER BY last_used_ms DESC, environment_id LIMIT 1) ORDER BY a.id",
)
INSERT_ENVIRONMENT = Statement(
    "lambda.insert_environment",
    "INSERT INTO lambda_environments (environment_id, function_arn, pool, revision, incarnation, state, cold,"
    " created_ms, last_used_ms, log_stream) VALUES (?, ?, ?, ?, ?, 'busy', 0, ?, ?, ?)",
)
TAKE_ENVIRONMENT = Statement(
    "lambda.take_environment",
    "UPDATE lambda_environments SET state = 'busy', cold = 0, pool = ? WHERE environment_id = ?",
)
RELEASE_ENVIRONMENT = Statement(
    "lambda.release_environment",
    "UPDATE lambda_environments SET state = 'idle', cold = ?, last_used_ms = ? WHERE environment_id = ?",
)
DELETE_ENVIRONMENT = Statement("lambda.delete_environment", "DELETE FROM lambda_environments WHERE environment_id = ?")
RETIRE_ENVIRONMENTS = Statement(
    "lambda.retire_environments",
    "DELETE FROM lambda_environments WHERE function_arn = ? AND state = 'idle' AND (revision <> ? OR last_used_ms < ?)",
)
DELETE_ENVIRONMENTS_OF_FUNCTION = Statement(
    "lambda.delete_environments_of_function", "DELETE FROM lambda_environments WHERE function_arn = ?"
)
DELETE_OLDER_ENVIRONMENTS = Statement(
    "lambda.delete_older_environments", "DELETE FROM lambda_environments WHERE incarnation < ?"
)
SELECT_STUB = Statement(
    "lambda.select_stub", "SELECT used FROM lambda_stubs WHERE function_arn = ? ORDER BY function_arn"
)
COUNT_STUB = Statement(
    "lambda.count_stub",
    "INSERT INTO lambda_stubs (function_arn, used) VALUES (?, 1)"
    " ON CONFLICT (function_arn) DO UPDATE SET used = used + 1",
)

# --- mappings -----------------------------------------------------------------------------------

SELECT_MAPPING = Statement(
    "lambda.select_mapping",
    "SELECT m.polling, m.window_end_ms, m.allowed, m.growing_ms,"
    " (SELECT count(*) FROM lambda_batches b WHERE b.mapping_arn = m.mapping_arn),"
    " EXISTS (SELECT 1 FROM lambda_collected c WHERE c.mapping_arn = m.mapping_arn)"
    " FROM lambda_mappings m WHERE m.mapping_arn = ? ORDER BY m.mapping_arn",
)
PUT_MAPPING = Statement(
    "lambda.put_mapping",
    "INSERT INTO lambda_mappings (mapping_arn, polling, window_end_ms, allowed, growing_ms) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (mapping_arn) DO UPDATE SET polling = excluded.polling,"
    " window_end_ms = excluded.window_end_ms, allowed = excluded.allowed, growing_ms = excluded.growing_ms",
)
SELECT_UPDATED_MS = Statement("lambda.select_updated_ms", "SELECT updated_ms FROM resources WHERE arn = ? ORDER BY arn")
SELECT_COLLECTED = Statement(
    "lambda.select_collected",
    "SELECT record_id, receipt, json, cause, claimed_ms, seq FROM lambda_collected WHERE mapping_arn = ? ORDER BY seq",
)
INSERT_COLLECTED = Statement(
    "lambda.insert_collected",
    "INSERT INTO lambda_collected (mapping_arn, record_id, receipt, json, cause, claimed_ms) VALUES (?, ?, ?, ?, ?, ?)",
)
DELETE_COLLECTED = Statement(
    "lambda.delete_collected", "DELETE FROM lambda_collected WHERE mapping_arn = ? AND seq <= ?"
)
FORGET_COLLECTED = Statement("lambda.forget_collected", "DELETE FROM lambda_collected WHERE mapping_arn = ?")
SELECT_BATCH = Statement(
    "lambda.select_batch",
    "SELECT batch_id, payload, records, claimed_ms, throttles FROM lambda_batches WHERE batch_id = ? ORDER BY batch_id",
)
INSERT_BATCH = Statement(
    "lambda.insert_batch",
    "INSERT INTO lambda_batches (batch_id, mapping_arn, payload, records, claimed_ms, throttles)"
    " VALUES (?, ?, ?, ?, ?, 0)",
)
COUNT_THROTTLE = Statement(
    "lambda.count_throttle", "UPDATE lambda_batches SET throttles = throttles + 1 WHERE batch_id = ?"
)
DELETE_BATCH = Statement("lambda.delete_batch", "DELETE FROM lambda_batches WHERE batch_id = ?")

INVARIANTS = (
    Invariant(
        "a running invocation has a busy environment of its own",
        "SELECT i.request_id, i.environment_id FROM lambda_invocations i LEFT JOIN lambda_environments e"
        " ON e.environment_id = i.environment_id AND e.state = 'busy' AND e.function_arn = i.function_arn"
        " WHERE i.state = 'running' AND e.environment_id IS NULL ORDER BY i.request_id",
    ),
    Invariant(
        "a busy environment runs exactly one invocation",
        "SELECT e.environment_id, count(i.request_id) FROM lambda_environments e"
        " LEFT JOIN lambda_invocations i ON i.environment_id = e.environment_id AND i.state = 'running'"
        " WHERE e.state = 'busy' GROUP BY e.environment_id HAVING count(i.request_id) <> 1 ORDER BY e.environment_id",
    ),
    Invariant(
        "a collected record belongs to a mapping that has a state",
        "SELECT c.seq FROM lambda_collected c LEFT JOIN lambda_mappings m USING (mapping_arn)"
        " WHERE m.mapping_arn IS NULL ORDER BY c.seq",
    ),
)

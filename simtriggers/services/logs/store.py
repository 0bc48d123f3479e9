"""The table of log lines and its statements. A log group exists as soon as it has a line."""

from __future__ import annotations

from ...kernel.effects import Statement

MIGRATION_1 = """
-- One line of a log, in the order in which lines were written. `log_group` is /aws/lambda/NAME, `stream`
-- the execution environment's stream, `request_id` the invocation that wrote it.
CREATE TABLE log_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    log_group TEXT NOT NULL,
    stream TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX log_events_by_group ON log_events (log_group, seq);
CREATE INDEX log_events_by_request ON log_events (request_id, seq);
CREATE INDEX log_events_by_time ON log_events (at_ms);
"""

LOOKUP_INDEXES = ("log_events_by_group", "log_events_by_request", "log_events_by_time")

INSERT = Statement(
    "logs.put_log_events",
    "INSERT INTO log_events (log_group, stream, at_ms, request_id, message) VALUES (?, ?, ?, ?, ?)",
)
OF_GROUP = Statement(
    "logs.get_log_events",
    "SELECT stream, at_ms, request_id, message FROM (SELECT seq, stream, at_ms, request_id, message"
    " FROM log_events WHERE log_group = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq",
)
OF_REQUEST = Statement(
    "logs.get_log_events_of_request",
    "SELECT stream, at_ms, request_id, message FROM (SELECT seq, stream, at_ms, request_id, message"
    " FROM log_events WHERE log_group = ? AND request_id = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq",
)
TRIM = Statement("logs.trim_log_events", "DELETE FROM log_events WHERE at_ms < ?")
"""Retention: forgets the lines written before a time in milliseconds (the trace's retention)."""

"""The trace: rows pending until their batch is committed, and the bytes of a trace file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import pytest

from simtriggers.engine.database import open_memory
from simtriggers.engine.schema import migrate
from simtriggers.kernel.effects import Note
from simtriggers.kernel.trace import Trace, TraceRow, jsonl, select


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = open_memory()
    migrate(opened, [])
    yield opened
    opened.close()


NOTES = [
    Note(1, "MessageSent", "arn:q", "m-1", 0, {"payload": "d1", "size": 5}),
    Note(2, "MessageReceived", "arn:q", "m-1", 1, {"é": [1, {"x": None}]}),
]
ROWS = [
    TraceRow(1, 7, "MessageSent", "arn:q", "m-1", 0, {"payload": "d1", "size": 5}),
    TraceRow(2, 7, "MessageReceived", "arn:q", "m-1", 1, {"é": [1, {"x": None}]}),
]


def test_rows_are_written_at_the_flush_and_shown_when_published(connection: sqlite3.Connection) -> None:
    trace = Trace()
    seen: list[TraceRow] = []
    trace.subscribe(seen.append)
    trace.append(7, NOTES)
    assert (len(trace), seen, list(select(connection))) == (2, [], [])
    rows = trace.flush(connection)
    assert (len(trace), seen, list(select(connection))) == (0, [], ROWS)
    trace.publish(rows)
    assert seen == ROWS
    nothing = trace.flush(connection)
    trace.append(8, NOTES[:1])
    assert nothing == []


def test_rows_of_a_transaction_that_was_rolled_back_are_put_back(connection: sqlite3.Connection) -> None:
    trace = Trace()
    trace.append(7, NOTES)
    rows = trace.pending()
    connection.execute("BEGIN")
    trace.flush(connection)
    connection.execute("ROLLBACK")
    trace.put_back(rows)
    trace.flush(connection)
    assert list(select(connection)) == ROWS


def test_discarded_rows_are_never_written(connection: sqlite3.Connection) -> None:
    trace = Trace()
    trace.append(7, NOTES)
    trace.discard()
    assert trace.flush(connection) == []
    assert list(select(connection)) == []


def test_select_takes_a_condition(connection: sqlite3.Connection) -> None:
    trace = Trace()
    trace.append(7, NOTES)
    trace.flush(connection)
    assert list(select(connection, "kind = ?", ("MessageReceived",))) == ROWS[1:]


def test_a_trace_that_is_off_keeps_nothing(connection: sqlite3.Connection) -> None:
    trace = Trace("off")
    trace.append(7, NOTES)
    assert trace.flush(connection) == []


def test_a_payload_is_in_full_where_it_first_appears_and_a_digest_after_that() -> None:
    rows = [
        TraceRow(1, 0, "A", "", "", 0, {"payload": "d1", "response_payload": "d2"}),
        TraceRow(2, 0, "B", "", "", 1, {"payload": "d1", "other": "d1", "payload_size": "d2"}),
        TraceRow(3, 0, "C", "", "", 1, {"payload": "gone", "error_payload": None}),
        TraceRow(4, 0, "D", "", "", 1, {"payload": "d2"}),
    ]
    lines = [json.loads(line) for line in jsonl(rows, {"d1": "one", "d2": "two"}.get)]
    assert [line["details"] for line in lines] == [
        {"payload": {"digest": "d1", "text": "one"}, "response_payload": {"digest": "d2", "text": "two"}},
        {"payload": "d1", "other": "d1", "payload_size": "d2"},
        {"payload": "gone", "error_payload": None},
        {"payload": "d2"},
    ]
    assert rows[0].details == {"payload": "d1", "response_payload": "d2"}


def test_the_bytes_of_a_line() -> None:
    assert list(jsonl([ROWS[1]], lambda digest: None)) == [
        '{"id":2,"at":"1970-01-01T00:00:00.007Z","kind":"MessageReceived","arn":"arn:q","subject":"m-1",'
        '"cause":1,"details":{"é":[1,{"x":null}]}}\n'
    ]

"""Rows that are left out: those that stay name the nearest one before them that stays too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.engine.database import open_memory
from simtriggers.engine.retention import trim
from simtriggers.engine.schema import migrate
from simtriggers.kernel import left_out
from simtriggers.kernel.effects import Note
from simtriggers.kernel.trace import Trace, select


class Poll:
    """A command."""


class Receive:
    """Another one."""


KINDS = {"Matched": (), "Received": (Poll,)}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = open_memory()
    migrate(opened, [])
    yield opened
    opened.close()


def note(row: int, kind: str, cause: int, **details: object) -> Note:
    return Note(row, kind, "arn:x", f"s{row}", cause, dict(details))


def kept(connection: sqlite3.Connection) -> list[tuple[int, str, int]]:
    return [(row.id, row.kind, row.cause) for row in select(connection)]


def test_causes_lead_over_what_is_left_out(connection: sqlite3.Connection) -> None:
    trace = Trace("events", KINDS)
    trace.append(1, [note(1, "Put", 0), note(2, "Matched", 1), note(3, "Matched", 2), note(4, "Sent", 3)])
    trace.append(2, [note(5, "Received", 4)], Receive)
    trace.append(3, [note(6, "Received", 5), note(7, "Received", 4)], Poll)
    trace.append(4, [note(8, "Started", 6, causes=[6, 7, 4], by=2, first=7, function="f")])
    trace.append(5, [note(9, "Missed", 8, first="2026", by="x", count=6)])
    shown = trace.flush(connection)
    assert kept(connection) == [(1, "Put", 0), (4, "Sent", 1), (5, "Received", 4), (8, "Started", 5), (9, "Missed", 8)]
    assert [row.id for _, row in shown] == [1, 4, 5, 8, 9]
    started, missed = [row.details for row in select(connection, "id > 7")]
    assert started == {"causes": [5, 4, 4], "by": 1, "first": 4, "function": "f"}
    assert missed == {"first": "2026", "by": "x", "count": 6}
    assert dict(connection.execute("SELECT id, cause FROM trace_left_out ORDER BY id")) == {2: 1, 3: 1, 6: 5, 7: 4}


@pytest.mark.parametrize("volume", ["events", "full"])
def test_a_later_process_finds_what_an_earlier_one_left_out(connection: sqlite3.Connection, volume: str) -> None:
    """Also when the volume was changed meanwhile: a message keeps the cause that it was given."""
    first = Trace("events", KINDS)
    first.append(1, [note(1, "Put", 0), note(2, "Matched", 1), note(3, "Matched", 2)])
    first.flush(connection)
    later = Trace(volume, KINDS)
    later.go_on(connection)
    later.append(2, [note(4, "Sent", 3), note(5, "Matched", 3), note(6, "Sent", 5, by=2)])
    later.flush(connection)
    last = 1 if volume == "events" else 5
    assert kept(connection)[-1] == (6, "Sent", last)
    assert kept(connection)[1] == (4, "Sent", 1)
    assert [row.details for row in select(connection, "id = 6")] == [{"by": 1}]


def test_a_full_trace_of_a_new_world_looks_nothing_up(connection: sqlite3.Connection) -> None:
    trace = Trace("full", KINDS)
    trace.go_on(connection)
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    trace.append(1, [note(1, "Put", 0), note(2, "Matched", 1)])
    trace.flush(connection)
    assert [text.split(" ")[0] for text in asked] == ["INSERT", "INSERT"]
    assert len(kept(connection)) == 2


def test_rows_that_were_rolled_back_are_forgotten(connection: sqlite3.Connection) -> None:
    """Their numbers are given again, to other rows."""
    trace = Trace("events", KINDS)
    trace.append(1, [note(1, "Put", 0)])
    trace.flush(connection)
    connection.execute("BEGIN")
    trace.append(2, [note(2, "Matched", 1), note(3, "Put", 0)])
    trace.flush(connection)
    connection.execute("ROLLBACK")
    trace.discard()
    trace.append(3, [note(2, "Put", 0), note(3, "Sent", 2)])
    trace.flush(connection)
    assert kept(connection) == [(1, "Put", 0), (2, "Put", 0), (3, "Sent", 2)]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(1, 9),
    st.sampled_from([0, 3, 50_000]),
)
def test_every_kept_row_has_the_nearest_kept_cause(story: list[tuple[bool, int]], every: int, known: int) -> None:
    """However rows are flushed, and however little is remembered in memory."""
    limits = left_out._KNOWN, left_out._OLDER
    left_out._KNOWN, left_out._OLDER = known, known
    connection = open_memory()
    try:
        migrate(connection, [])
        trace = Trace("events", KINDS)
        parents = {0: 0}
        stays = {0: True}
        for row, (is_kept, back) in enumerate(story, start=1):
            parents[row], stays[row] = max(0, row - 1 - back), is_kept
            trace.append(row, [note(row, "Put" if is_kept else "Matched", parents[row])])
            if row % every == 0:
                trace.flush(connection)
        trace.flush(connection)

        def nearest(row: int) -> int:
            return row if stays[row] else nearest(parents[row])

        expected = [(row, "Put", nearest(parents[row])) for row in parents if row and stays[row]]
        assert kept(connection) == expected
    finally:
        left_out._KNOWN, left_out._OLDER = limits
        connection.close()


def test_what_is_left_out_is_forgotten_with_the_rows_around_it(connection: sqlite3.Connection) -> None:
    trace = Trace("events", KINDS)
    for at_ms in (10, 20):
        trace.append(at_ms, [note(at_ms, "Put", 0), note(at_ms + 1, "Matched", at_ms)])
    trace.flush(connection)
    trim(connection, before_ms=15, payload_columns=[])
    assert kept(connection) == [(20, "Put", 0)]
    assert connection.execute("SELECT id FROM trace_left_out ORDER BY id").fetchall() == [(21,)]
    trim(connection, before_ms=25, payload_columns=[])
    assert connection.execute("SELECT id FROM trace_left_out ORDER BY id").fetchall() == []

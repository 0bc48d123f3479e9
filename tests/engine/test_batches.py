"""Live batches: one transaction, replies after the commit, the agenda by difference, failures put aside."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.contracts import PutResource
from simtriggers.engine import agenda_store, batches
from simtriggers.engine.batches import Outcome, Submitted
from simtriggers.errors import StateError
from simtriggers.kernel.agenda import Agenda, Entry
from simtriggers.kernel.codec import encode
from tests.support import LiveWorld, dump, kinds, trace_rows
from tests.toys import (
    START_MS,
    Add,
    Fail,
    Forget,
    Letters,
    Post,
    Relay,
    Remind,
    Send,
    Take,
    Work,
    counter_arn,
    ended,
    mailbox_arn,
)

A, B, C, D = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c"), counter_arn("d")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="simtriggers")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def world(path: Path) -> Iterator[LiveWorld]:
    opened = LiveWorld(path)
    yield opened
    opened.close()


def calling(world: LiveWorld, arn: str, item: Any) -> Submitted:
    """A command whose reply is awaited."""
    return Submitted(arn, item, 0, world.engine.new_caller())


def shown(entry: Entry) -> tuple[Any, ...]:
    """An entry as a value."""
    return (
        entry.seq,
        entry.at_ms,
        entry.priority,
        entry.arn,
        encode(entry.command),
        entry.cause,
        entry.reply_to,
        entry.request,
        entry.timer_key,
        entry.park_key,
        entry.deadline_ms,
        entry.order_key,
        entry.background,
    )


def stored(world: LiveWorld) -> list[tuple[Any, ...]]:
    """The entries that another process would read from the file."""
    agenda = Agenda()
    agenda_store.load(world.connection, agenda, drop_callers=False)
    return [shown(entry) for entry in agenda.entries()]


def in_memory(world: LiveWorld) -> list[tuple[Any, ...]]:
    return [shown(entry) for entry in world.engine.agenda.entries()]


# --- one batch ----------------------------------------------------------------------------------------


def test_a_batch_steps_all_that_waits_and_all_that_is_due_and_commits_once(world: LiveWorld, path: Path) -> None:
    world.batch((C, Remind("k", START_MS + 10)))
    world.now_ms += 10
    reader = sqlite3.connect(path)
    version = reader.execute("PRAGMA data_version").fetchone()
    outcome = world.batch(calling(world, C, Relay(A, Post("x"))), calling(world, A, Take(START_MS + 99)), (C, Add()))
    assert outcome.replies == [(1, 1), (2, Letters(("x",)))]
    assert not outcome.more
    assert reader.execute("PRAGMA data_version").fetchone() != version
    assert [note.kind for _, note in outcome.rows] == kinds(world.engine)
    assert reader.execute("SELECT n FROM counters").fetchone() == (2,)
    reader.close()


def test_replies_and_invocations_leave_after_the_commit_only(world: LiveWorld, path: Path) -> None:
    reader = sqlite3.connect(path)
    before = reader.execute("SELECT count(*) FROM letters").fetchone()
    outcome = world.batch(calling(world, A, Post("x")), (C, Work()))
    assert (before, reader.execute("SELECT count(*) FROM letters").fetchone()) == ((0,), (1,))
    assert outcome.replies == [(1, 1)]
    assert [begun.function_arn for begun in outcome.invokes] == [C]
    assert world.batch() == Outcome()
    assert (world.engine.replies, world.engine.invokes) == ([], [])
    reader.close()


def test_nothing_leaves_when_the_commit_fails(world: LiveWorld, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    item = calling(world, A, Post("x"))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        world.batch(item, (C, Work()))
    assert (world.engine.replies, world.engine.invokes, len(world.engine.trace)) == ([], [], 0)
    assert in_memory(world) == stored(world) == []
    other.execute("ROLLBACK")
    assert world.batch(item).replies == [(1, 1)]
    other.close()


def test_a_full_disk_refuses_the_batch_and_it_can_be_given_again(world: LiveWorld) -> None:
    world.batch((C, Add()))
    pages = world.connection.execute("PRAGMA page_count").fetchone()[0]
    world.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    big = calling(world, A, Post("x" * 60_000))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        world.batch((C, Add(10)), big)
    assert dump(world.connection, "counters") == [(C, 1)]
    assert world.ask(C, Add()) == 2
    world.connection.execute("PRAGMA max_page_count = 100000")
    assert world.batch((C, Add(10)), big).replies == [(1, 1)]
    assert dump(world.connection, "counters") == [(C, 12)]


def test_a_batch_is_bounded_by_time_and_goes_on_where_it_stopped(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BUDGET_S", -1.0)
    outcome = world.batch(*[(C, Add()) for _ in range(40)])
    assert (outcome.more, len(outcome.rows), len(outcome.back)) == (True, 15, 25)
    assert in_memory(world) == stored(world) == []
    found: list[int] = []
    while outcome.back:
        outcome = world.batch(*outcome.back)
        found.append(len(outcome.rows))
    assert found == [15, 10]
    assert dump(world.connection, "counters") == [(C, 40)]


def test_time_is_one_for_a_batch_and_never_goes_back(world: LiveWorld, path: Path) -> None:
    world.batch((C, Add()))
    world.now_ms -= 60_000
    world.batch((C, Add()), (C, Add()))
    world.now_ms += 60_007
    world.batch((C, Add()))
    assert [row.at_ms - START_MS for row in trace_rows(world.engine)] == [0, 0, 0, 7]
    assert agenda_store.read_engine_row(world.connection).now_ms == START_MS + 7
    world.runner.run([], START_MS, ahead_ms=99)
    assert agenda_store.read_engine_row(world.connection).ahead_ms == 99


# --- what fails ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["constraint", "statement", "note", "view_sql", "unparked"])
def test_a_step_that_cannot_be_applied_is_put_aside_and_the_others_are_done(world: LiveWorld, place: str) -> None:
    world.batch((C, Add(1)), (A, Post("before")))
    bad = calling(world, C, Fail(place))
    items = [calling(world, C, Add(1)), bad, calling(world, C, Add(1)), calling(world, A, Take(0))]
    outcome = world.batch(*items)
    replies = dict(outcome.replies)
    while outcome.more:
        outcome = world.batch()
        replies.update(outcome.replies)
    assert bad.reply_to is not None
    refused = replies.pop(bad.reply_to.number)  # type: ignore[union-attr]
    assert refused.code == "InternalFailure"
    assert list(replies.values()) == [2, 3, Letters(("before",))]
    assert dump(world.connection, "counters") == [(C, 3)]
    (kept,) = world.connection.execute("SELECT at_ms, arn, command FROM failed_steps ORDER BY id").fetchall()
    assert kept == (START_MS, C, encode(bad.command))
    assert kinds(world.engine) == ["Counted", "LetterPosted", "Counted", "StepFailed", "Counted", "LetterTaken"]
    assert [row.id for row in trace_rows(world.engine)] == sorted({row.id for row in trace_rows(world.engine)})
    assert in_memory(world) == stored(world) == []


def test_a_command_that_cannot_be_stored_is_put_aside_too(world: LiveWorld) -> None:
    """Its text is no Unicode that a database holds; found only when the others are run one by one."""
    items = [(C, Remind("\ud800", START_MS + 99)), (C, Add(1)), (C, Add(1))]
    first, bad, last = [calling(world, *item) for item in (items[1], items[0], items[2])]
    world.batch((C, Add(1)))
    outcome = world.batch(first, bad, last)
    replies = dict(outcome.replies)
    while outcome.more:
        outcome = world.batch()
        replies.update(outcome.replies)
    assert [getattr(replies[key], "code", replies[key]) for key in sorted(replies)] == [2, "InternalFailure", 3]
    assert len(dump(world.connection, "failed_steps")) == 1
    assert dump(world.connection, "counters") == [(C, 3)]
    assert in_memory(world) == stored(world) == []


def test_commands_that_were_taken_are_not_done_twice_when_the_database_refuses_midway(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, some entries are committed before the disk is full: those have been taken."""
    real = agenda_store.save_changes
    calls: list[int] = []

    def failing(connection: sqlite3.Connection, agenda: Agenda) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise _full()
        real(connection, agenda)

    monkeypatch.setattr(agenda_store, "save_changes", failing)
    items = [calling(world, C, Add(1)), (C, Fail("constraint")), calling(world, C, Add(1))]
    inbox = [item if isinstance(item, Submitted) else Submitted(*item) for item in items]
    replies: list[Any] = []
    for _ in range(6):  # the driver: what is refused is given again
        try:
            outcome = world.runner.run(inbox, world.now_ms)
        except sqlite3.OperationalError:
            continue
        inbox = []
        replies += outcome.replies
    assert [(number, getattr(reply, "code", reply)) for number, reply in replies] == [(1, 1), (2, 2)]
    assert dump(world.connection, "counters") == [(C, 2)]
    assert len(dump(world.connection, "failed_steps")) == 1


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    error.sqlite_errorname = "SQLITE_FULL"
    return error


# --- the agenda on the disk -----------------------------------------------------------------------------

_COMMANDS = st.one_of(
    st.builds(lambda: (C, Add())),
    st.builds(lambda key, at: (C, Remind(key, START_MS + at)), st.sampled_from("kl"), st.integers(0, 30)),
    st.builds(lambda key: (C, Forget(key)), st.sampled_from("kl")),
    st.builds(lambda: (A, Post("x"))),
    st.builds(lambda at: (C, Relay(A, Take(at))), st.none() | st.integers(START_MS, START_MS + 30)),
    st.builds(lambda body: (C, Send(B, body)), st.sampled_from("mn")),
    st.builds(lambda: (B, PutResource("mailbox", "b", {"accepts": "busy"}))),
    st.builds(lambda: (C, Fail("constraint"))),
    st.builds(lambda: (C, Fail("decide"))),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 10), st.lists(_COMMANDS, max_size=4)), max_size=8))
def test_the_file_holds_what_the_heap_holds(tmp_path_factory: pytest.TempPathFactory, story: list[Any]) -> None:
    world = LiveWorld(tmp_path_factory.mktemp("w") / "state.db")
    for passed_ms, items in story:
        world.now_ms += passed_ms
        world.batch(*items)
        assert in_memory(world) == stored(world)
        row = agenda_store.read_engine_row(world.connection)
        assert (row.next_seq, row.next_row) == (world.engine.agenda.next_seq, world.engine.ids.next_row)
    foreground = world.engine.agenda.foreground
    parked = world.engine.agenda.parked()
    again = Agenda()
    agenda_store.load(world.connection, again, drop_callers=False)
    assert (again.foreground, again.parked()) == (foreground, parked)
    world.close()


def test_most_entries_never_touch_the_disk(world: LiveWorld) -> None:
    statements: list[str] = []
    world.connection.set_trace_callback(statements.append)
    world.batch(*[(C, Relay(A, Post("x"))) for _ in range(5)])
    assert [text for text in statements if "agenda" in text] == []
    world.batch((C, Remind("k", START_MS + 5)))
    assert len([text for text in statements if text.startswith("INSERT INTO agenda")]) == 1


def test_a_rollback_makes_memory_what_the_database_is(world: LiveWorld) -> None:
    world.batch((A, PutResource("mailbox", "a", {"accepts": "open"})), (C, Remind("k", START_MS + 500)))
    world.batch((C, Relay(B, Take(None))))
    before, ids = in_memory(world), world.engine.ids.next_row
    world.runner._begin()
    for item in (PutResource("mailbox", "a", {"accepts": "never"}), Post("x")):
        world.engine.step(Entry(world.now_ms, 1, A, item, 0))
    world.engine.step(Entry(world.now_ms, 1, C, Forget("k"), 0))
    assert world.engine.reader.resource(A).config == "never"  # type: ignore[union-attr]
    world.runner._roll_back()
    assert in_memory(world) == stored(world) == before
    assert world.engine.ids.next_row == ids
    assert world.engine.reader.resource(A).config == "open"  # type: ignore[union-attr]
    world.batch((A, Post("x")))
    assert dump(world.connection, "payloads")[0][1] == "x"


def test_what_another_process_writes_is_seen(world: LiveWorld, path: Path) -> None:
    world.batch((A, PutResource("mailbox", "a", {"accepts": "open"})))
    assert world.ask(C, Send(A, "x")) > 0
    world.batch()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("""UPDATE resources SET config = '{"accepts":"never"}' """)
    other.close()
    world.batch((C, Send(A, "y")))
    assert kinds(world.engine)[-3:] == ["Sent", "DeliveryFailed", "DeliveryDropped"]


# --- starts -------------------------------------------------------------------------------------------


def test_the_next_start_goes_on_where_this_one_ended(path: Path) -> None:
    first = LiveWorld(path)
    first.batch((C, Remind("k", START_MS + 500)), (A, Post("x")), (C, Send(B, "y")))
    first.close()
    second = LiveWorld(path)
    assert second.engine.now_ms == START_MS
    assert second.ask(A, Take(0)) == Letters(("x",))
    second.now_ms = START_MS + 7000
    second.batch()
    rows = trace_rows(second.engine)
    assert [row.kind for row in rows][-1] == "Rang"
    assert [row.id for row in rows] == list(range(1, len(rows) + 1))
    second.close()


def test_callers_of_an_older_process_are_dropped_and_what_they_asked_still_happens(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = LiveWorld(path)
    monkeypatch.setattr(batches, "BUDGET_S", -1.0)
    first.batch(calling(first, A, Take(None)), (C, Relay(A, Take(None))))
    for _ in range(20):
        first.engine.submit(C, Add(1), reply_to=first.engine.new_caller())
    assert first.batch().more
    first.close()
    monkeypatch.undo()
    second = LiveWorld(path)
    assert second.engine.agenda.parked() == {f"letters/{A}": 1}
    assert in_memory(second) == stored(second)
    with pytest.raises(sqlite3.OperationalError):
        _fail_once(second, monkeypatch)
    newcomer = second.engine.new_caller()
    outcome = second.batch()
    assert outcome.replies == [], f"caller {newcomer.number} of this process asked nothing"
    assert dump(second.connection, "counters") == [(C, 20)]
    second.close()


def _fail_once(world: LiveWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that the database refuses: memory is read from the file again."""
    with monkeypatch.context() as patched:

        def full(*_: Any) -> None:
            raise _full()

        patched.setattr(agenda_store, "save_changes", full)
        world.batch()


def test_what_was_done_before_the_first_batch_is_committed_with_it_or_kept(path: Path) -> None:
    world = LiveWorld(path)
    world.engine.root_cause = world.engine.note("Started", "run", 0, {"incarnation": 1})
    world.batch((C, Work()))
    world.close()
    again = LiveWorld(path)
    again.engine.root_cause = again.engine.note("Started", "run", 0, {"incarnation": 2})
    again.engine.restarted(2, lambda name: f"arn:aws:{name}:us-east-1:123456789012:*")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        again.batch()
    other.close()
    seen = again.batch().rows
    assert kinds(again.engine) == ["Started", "WorkStarted", "Started", "Interrupted"]
    assert [note.kind for _, note in seen] == ["Started", "Interrupted"]
    again.close()


def test_an_end_of_an_older_incarnation_is_stale(path: Path) -> None:
    world = LiveWorld(path)
    (begun,) = world.batch((C, Work())).invokes
    world.batch((C, ended(begun)))
    world.batch((C, ended(begun)))
    assert kinds(world.engine) == ["WorkStarted", "WorkEnded", "StaleResult"]
    world.close()


def test_live_ids_do_not_come_again_after_a_restart(path: Path) -> None:
    taken = set()
    for _ in range(3):
        world = LiveWorld(path)
        world.batch((C, Work()), (C, Work()))
        taken |= {row.subject for row in trace_rows(world.engine)}
        row = agenda_store.read_engine_row(world.connection)
        assert row.incarnation == world.incarnation
        world.close()
    assert len(taken) == 6


def test_an_entry_that_this_version_does_not_know_is_a_clear_error(path: Path) -> None:
    world = LiveWorld(path)
    world.batch((C, Remind("k", START_MS + 500)))
    world.connection.execute("""UPDATE agenda SET command = '{"$type":"of.Tomorrow"}' """)
    world.close()
    with pytest.raises(StateError, match=r"of\.Tomorrow"):
        LiveWorld(path)

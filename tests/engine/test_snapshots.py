"""Snapshot, restore and fork: the world goes on from there, byte for byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.contracts import PutResource
from simtriggers.engine import snapshots
from simtriggers.engine.again import NotRepeatable
from simtriggers.engine.faults import FaultPlan, HandlerFault, TargetFault
from simtriggers.engine.snapshots import NotQuiet
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.errors import Deadlock
from simtriggers.kernel.effects import payload
from tests.support import ToyRuntime, dump, kinds, trace_rows, trace_text, virtual
from tests.toys import (
    START_MS,
    Add,
    Letters,
    Post,
    Relay,
    Remind,
    Send,
    Take,
    Work,
    counter_arn,
    mailbox_arn,
    service_arn,
)

A, B, C = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c")
TABLES = ("letters", "counters", "asks", "payloads", "resources")


def begin(engine: VirtualEngine) -> None:
    """A world with letters, a parked poll of another resource, timers, and deliveries that wait."""
    engine.faults = FaultPlan(
        handlers=(HandlerFault(C, ("timeout",), first=9),),
        targets=(TargetFault(B, "down", until_ms=START_MS + 2500),),
    )
    engine.ask(A, Post("x"))
    engine.submit(C, Relay(mailbox_arn("empty"), Take(START_MS + 4000)))
    engine.ask(C, Remind("k", START_MS + 1500, 1000))
    engine.ask(C, Send(B, "y"))
    engine.ask(C, Work())
    engine.run_until(START_MS + 700)


def go_on(engine: VirtualEngine) -> str:
    """The rest of the story, as text; it ends six seconds after the start."""
    engine.submit(C, Work())
    engine.ask(C, Relay(A, Take(START_MS + 900)))
    engine.run_until(START_MS + 3000)
    engine.restart(service_arn)
    engine.ask(mailbox_arn("empty"), Post("z"))
    engine.run_until(START_MS + 6000)
    return trace_text(engine) + repr([dump(engine.connection, table) for table in TABLES]) + repr(engine.pending())


@pytest.mark.parametrize("ties", [None, 3])
def test_restore_and_fork_continue_byte_for_byte(ties: int | None) -> None:
    engine = virtual(shuffle_ties=ties)
    begin(engine)
    snapshot = snapshots.take(engine)
    expected = go_on(engine)
    assert "Interrupted" not in expected or "WorkEnded" in expected
    snapshots.restore(engine, snapshot)
    assert engine.now_ms == engine.clock.now_ms() == START_MS + 700
    assert go_on(engine) == expected
    fork = virtual(shuffle_ties=ties)
    fork.ask(C, Add(99, "the fork had another life"))
    snapshots.restore(fork, snapshot)
    assert go_on(fork) == expected


def test_forks_share_nothing() -> None:
    engine = virtual()
    begin(engine)
    snapshot = snapshots.take(engine)
    fork = virtual()
    snapshots.restore(fork, snapshot)
    assert fork.ask(C, Add()) == 1
    assert engine.ask(C, Add(5)) == 5
    assert fork.faults.struck == engine.faults.struck == {0: 1}
    fork.ask(C, Work())
    assert (fork.faults.struck, engine.faults.struck) == ({0: 2}, {0: 1})


def test_a_snapshot_changes_nothing_in_the_world_it_is_of() -> None:
    plain = virtual()
    begin(plain)
    watched = virtual()
    begin(watched)
    snapshots.take(watched)
    snapshots.take(watched)
    assert go_on(watched) == go_on(plain)


@settings(max_examples=15)
@given(st.lists(st.sampled_from([Add(), Post("p"), Take(0), Work(), Remind("k", START_MS + 3000)]), max_size=8))
def test_what_was_known_is_forgotten_by_a_restore(commands: list[object]) -> None:
    """Caches, ids, callers: a world that was used and restored is as one that was not."""
    engine = virtual()
    engine.ask(A, Post("first"))
    snapshot = snapshots.take(engine)
    for command in commands:
        engine.submit(A if isinstance(command, Post | Take) else C, command)
    engine.run_until(START_MS + 50)
    snapshots.restore(engine, snapshot)
    fresh = virtual()
    snapshots.restore(fresh, snapshot)
    assert go_on(engine) == go_on(fresh)


def test_settings_are_those_of_the_snapshot_again() -> None:
    engine = virtual()
    engine.ask(A, PutResource("mailbox", "a", {"accepts": "open"}))
    snapshot = snapshots.take(engine)
    engine.ask(A, PutResource("mailbox", "a", {"accepts": "never"}))
    engine.ask(C, Send(A, "refused"))
    engine.run_until_idle()
    snapshots.restore(engine, snapshot)
    engine.ask(C, Send(A, "taken"))
    engine.run_until_idle()
    assert engine.ask(A, Take(0)) == Letters(("taken",))


def test_one_snapshot_can_be_restored_again_and_again() -> None:
    engine = virtual()
    begin(engine)
    snapshot = snapshots.take(engine)
    stories = []
    for _ in range(3):
        snapshots.restore(engine, snapshot)
        stories.append(go_on(engine))
        assert engine.faults.struck == {0: 2}
    assert len(set(stories)) == 1


def test_those_who_waited_are_gone_in_the_restored_world() -> None:
    engine = virtual()
    answers: list[object] = []
    engine.request(A, Take(None), 0, answers.append)
    engine.run_until(START_MS)
    snapshot = snapshots.take(engine)
    snapshots.restore(engine, snapshot)
    engine.ask(A, Post("x"))
    engine.run_until_idle()
    assert answers == []
    assert engine.ask(A, Take(0)) == Letters(("x",))


def busy(engine: VirtualEngine) -> None:
    """A world with all kinds of acts behind it, in the middle of a handler's work."""
    engine.begin({"seed": 1}, service_arn)
    engine.set_faults(FaultPlan(targets=(TargetFault(B, "down", until_ms=START_MS + 2500),)))
    engine.keep([payload("kept")])
    engine.ask(A, Post("x"))
    engine.ask(C, Work())
    engine.advance(100)
    with pytest.raises(Deadlock):
        engine.ask(C, Relay(mailbox_arn("nobody"), Take(None)))
    engine.restart(service_arn)
    engine.ask(C, Send(B, "y"))
    engine.run_until_idle(max_steps=2)
    engine.run_until(engine.now_ms + 100)
    for _ in range(3):
        engine.submit(C, Work())
    engine.advance(20)
    assert not snapshots.is_quiet(engine)


@pytest.mark.parametrize("ties", [None, 3])
@pytest.mark.parametrize("forgetful", [True, False])
def test_a_world_in_the_middle_of_a_handlers_work_goes_on_byte_for_byte(ties: int | None, forgetful: bool) -> None:
    """`forgetful`: whether the snapshot that was taken between is where the past is done again from."""
    engine = virtual(shuffle_ties=ties)
    runtime = engine.runtime
    assert isinstance(runtime, ToyRuntime)
    runtime.forgetful = forgetful
    busy(engine)
    engine.run_until_idle()
    snapshots.take(engine)
    assert (engine.acts == []) is forgetful
    engine.submit(C, Work())
    engine.advance(20)
    assert len(runtime.busy()) == 1
    snapshot = snapshots.take(engine)
    so_far, pending, callers = trace_text(engine), engine.pending(), engine.next_caller
    fork = virtual(shuffle_ties=ties)
    fork.ask(C, Add(99, "the fork had another life"))
    snapshots.restore(fork, snapshot)
    assert (trace_text(fork), fork.pending(), fork.next_caller) == (so_far, pending, callers)
    assert isinstance(fork.runtime, ToyRuntime)
    assert fork.runtime.busy() == runtime.busy()
    expected = go_on(engine)
    assert go_on(fork) == expected
    for _ in range(2):
        snapshots.restore(engine, snapshot)
        assert go_on(engine) == expected


def test_a_fork_of_a_fork_in_the_middle() -> None:
    engine = virtual()
    busy(engine)
    first = virtual()
    snapshots.restore(first, snapshots.take(engine))
    first.advance(5)
    second = virtual()
    snapshots.restore(second, snapshots.take(first))
    engine.advance(5)
    assert go_on(second) == go_on(first) == go_on(engine)


def test_a_world_that_cannot_be_done_again_has_no_snapshot_in_the_middle() -> None:
    engine = virtual()
    assert isinstance(engine.runtime, ToyRuntime)
    engine.runtime.unrepeatable_because = "it ran in a process"
    engine.submit(C, Work())
    engine.run_until(START_MS + 10)
    with pytest.raises(
        NotQuiet, match=r"no snapshot while handlers run \(the handler of .*\): it ran in a process\n  fix:"
    ):
        snapshots.take(engine)
    engine.run_until(START_MS + 50)
    assert snapshots.is_quiet(engine)
    assert len(snapshots.take(engine).image) > 1000


def spoil_row(engine: VirtualEngine) -> None:
    engine.flush()
    engine.connection.execute("UPDATE trace SET subject = 'other' WHERE id = 2")


def spoil_table(engine: VirtualEngine) -> None:
    engine.connection.execute("UPDATE letters SET cause = 99")


def spoil_waits(engine: VirtualEngine) -> None:
    engine.resume_at(engine.now_ms + 800, lambda: None)
    engine.agenda.next_seq -= 1


def one_row_more(engine: VirtualEngine) -> None:
    engine.note("Odd", "one", 0, {})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_row, r"done again, trace row #2 is not the same\n  then: .* other, .*\n  now: 2026-.* LetterPosted of "),
        (one_row_more, r"trace row #\d+ is not the same\n  then: .*Odd of the run.*\n  now: nothing\n"),
        (spoil_table, "done again, the table letters is not the same"),
        (spoil_waits, "done again, handlers wait for other times"),
    ],
)
def test_what_does_not_come_out_the_same_is_an_error(spoil: Callable[[VirtualEngine], None], message: str) -> None:
    engine = virtual()
    busy(engine)
    spoil(engine)
    snapshot = snapshots.take(engine)
    with pytest.raises(NotRepeatable, match=message):
        snapshots.restore(virtual(), snapshot)


def test_a_restore_abandons_running_handlers() -> None:
    engine = virtual()
    snapshot = snapshots.take(engine)
    engine.submit(C, Work())
    engine.run_until(START_MS + 10)
    snapshots.restore(engine, snapshot)
    assert isinstance(engine.runtime, ToyRuntime)
    assert engine.runtime.busy() == []
    engine.run_until_idle()
    assert kinds(engine) == []


def test_the_image_is_an_ordinary_database() -> None:
    engine = virtual()
    begin(engine)
    opened = sqlite3.connect(":memory:")
    opened.deserialize(snapshots.take(engine).image)
    assert opened.execute("SELECT now_ms FROM engine").fetchone() == (START_MS + 700,)
    assert opened.execute("SELECT count(*) FROM trace").fetchone() == (len(trace_rows(engine)),)
    stored = opened.execute("SELECT seq, at_ms FROM agenda ORDER BY at_ms, priority, seq").fetchall()
    assert stored == [(entry.seq, entry.at_ms) for entry in engine.agenda.entries()]
    opened.close()


def test_the_cause_of_what_has_none_is_kept() -> None:
    engine = virtual()
    engine.root_cause = engine.note("Started", "run", 0, {})
    fork = virtual()
    snapshots.restore(fork, snapshots.take(engine))
    assert fork.root_cause == 1

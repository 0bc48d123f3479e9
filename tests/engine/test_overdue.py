"""What was due while the process was down or the machine slept: run at once, skipped with a row, or done once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import PutResource
from simtriggers.engine import batches
from simtriggers.engine.batches import BatchRunner
from simtriggers.engine.overdue import TOLERANCE_MS, Lateness
from simtriggers.kernel.agenda import ORDINARY, Entry
from simtriggers.kernel.codec import Overdue, overdue_of
from simtriggers.kernel.effects import Caller
from simtriggers.registry import SERVICES
from tests.support import LiveWorld, dump, trace_rows
from tests.toys import START_MS, Fail, Plan, Relay, Remind, Send, Take, Tidy, counter_arn, mailbox_arn

A, B, C, D = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c"), counter_arn("d")
HOURS_MS = 10 * 3_600_000


def restart(world: LiveWorld, path: Path) -> LiveWorld:
    """The process ends, and starts ten hours later."""
    now_ms = world.now_ms
    world.close()
    again = LiveWorld(path)
    again.now_ms = now_ms + HOURS_MS
    return again


def sleep(world: LiveWorld, path: Path) -> LiveWorld:
    """The machine sleeps for ten hours; the process is there all the time."""
    world.now_ms += HOURS_MS
    return world


def rows(world: LiveWorld, *kinds: str) -> list[tuple[str, str, int]]:
    """(kind, subject, ms since the start) of rows of these kinds."""
    return [(row.kind, row.subject, row.at_ms - START_MS) for row in trace_rows(world.engine) if row.kind in kinds]


def settle(world: LiveWorld) -> None:
    while world.batch().more:
        pass


@pytest.fixture(params=[restart, sleep])
def late(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[tuple[str, Any]]], LiveWorld]:
    """Gives commands to a world, lets ten hours pass in which nothing is stepped, and steps all that is due then."""

    def story(commands: list[tuple[str, Any]]) -> LiveWorld:
        world = LiveWorld(tmp_path / "state.db")
        world.batch(*commands)
        settle(world)
        world = request.param(world, tmp_path / "state.db")
        settle(world)
        return world

    return story


def test_retries_and_ends_of_waits_are_run_at_once_each_of_them(late: Callable[..., LiveWorld]) -> None:
    busy = PutResource("mailbox", "b", {"accepts": "busy"})
    letters = [(C, Send(B, name)) for name in "xyz"]
    world = late([(B, busy), *letters, (C, Relay(A, Take(START_MS + 5000)))])
    assert rows(world, "DeliveryFailed")[3:] == [("DeliveryFailed", name, HOURS_MS) for name in "xyz"]
    assert [kind for kind, _, at_ms in rows(world, "Answered") if at_ms == HOURS_MS] == ["Answered"]
    world.close()


def test_turns_of_a_recurring_timer_are_skipped_with_one_row_and_keep_their_phase(
    late: Callable[..., LiveWorld],
) -> None:
    world = late([(C, Remind("k", START_MS + 700, 1000))])
    assert rows(world, "Rang", "Missed") == [("Missed", "k", HOURS_MS)]
    world.now_ms += 700
    settle(world)
    assert rows(world, "Rang", "Missed")[1:] == [("Rang", "k", HOURS_MS + 700)]
    world.close()


def test_upkeep_that_was_due_several_times_is_done_once(late: Callable[..., LiveWorld]) -> None:
    plans = [(C, Plan(f"k{n}", START_MS + 1000 + n, "cellar")) for n in range(9)]
    others = [(C, Plan("attic", START_MS + 2000, "attic")), (D, Plan("cellar", START_MS + 3000, "cellar"))]
    world = late([*plans, *others])
    assert rows(world, "Tidied") == [("Tidied", place, HOURS_MS) for place in ("cellar", "attic", "cellar")]
    assert dump(world.connection, "counters") == [(C, 2), (D, 1)]
    assert dump(world.connection, "agenda") == []
    world.close()


def test_upkeep_is_one_over_many_batches_too(late: Callable[..., LiveWorld], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BUDGET_S", -1.0)
    world = late([(C, Plan(f"k{n}", START_MS + 1000 + n, "cellar")) for n in range(50)])
    assert len(rows(world, "Tidied")) == 1
    world.close()


def test_upkeep_that_is_due_again_later_is_done_again(tmp_path: Path) -> None:
    world = LiveWorld(tmp_path / "state.db")
    world.batch((C, Plan("a", START_MS + 1000, "cellar")), (C, Plan("b", START_MS + 1500, "cellar")))
    world.batch((C, Plan("c", START_MS + 9000, "cellar")), (C, Plan("d", START_MS + 9500, "cellar")))
    for at_ms in (5000, 10_000):
        world.now_ms = START_MS + at_ms
        settle(world)
    assert [at_ms for _, _, at_ms in rows(world, "Tidied")] == [5000, 10_000]
    world.close()


def test_upkeep_that_was_rolled_back_is_done(tmp_path: Path) -> None:
    """The batch fails after it: what was coalesced with it must not be lost with it."""
    world = LiveWorld(tmp_path / "state.db")
    world.batch((C, Plan("a", START_MS + 1000, "cellar")), (C, Plan("b", START_MS + 1500, "cellar")))
    world.now_ms += 5000
    outcome = world.batch((C, Fail("constraint")))
    while outcome.more:
        outcome = world.batch()
    assert [kind for kind, _, _ in rows(world, "Tidied", "StepFailed")] == ["Tidied", "StepFailed"]
    assert dump(world.connection, "agenda") == []
    world.close()


# --- the rule -----------------------------------------------------------------------------------


def entry(command: object, due_ms: int, *, caller: bool = False) -> Entry:
    return Entry(due_ms, ORDINARY, C, command, 0, Caller(1) if caller else None)


@pytest.mark.parametrize(
    ("late_ms", "missed"), [(1, False), (TOLERANCE_MS, False), (TOLERANCE_MS + 1, True), (HOURS_MS, True)]
)
def test_a_turn_is_missed_when_it_is_later_than_the_tolerance(late_ms: int, missed: bool) -> None:
    turn = entry(Remind("k", 0), START_MS)
    assert Lateness().admits(turn, now_ms=START_MS + late_ms, next_seq=9, seq=1)
    assert turn.missed is missed


def test_whoever_waits_for_an_answer_gets_it() -> None:
    lateness = Lateness()
    for seq in (1, 2):
        assert lateness.admits(entry(Tidy("x"), START_MS, caller=True), now_ms=START_MS + 5, next_seq=9, seq=seq)


def test_what_was_put_on_the_agenda_after_its_like_was_stepped_is_stepped() -> None:
    lateness = Lateness()
    taken = [
        lateness.admits(entry(Tidy("x"), START_MS), now_ms=START_MS + now_ms, next_seq=next_seq, seq=seq)
        for now_ms, next_seq, seq in [(5, 9, 1), (6, 9, 8), (7, 10, 9), (8, 11, 2)]
    ]
    assert taken == [True, False, True, False]


def test_the_tolerance_is_of_real_time(tmp_path: Path) -> None:
    """At sixty times the speed, a hiccup of ten real seconds is ten minutes: no turn is missed for it."""
    world = LiveWorld(tmp_path / "state.db")
    world.runner = BatchRunner(world.engine, incarnation=world.incarnation, tolerance_ms=60 * TOLERANCE_MS)
    world.batch((C, Remind("k", START_MS + 1000)))
    world.now_ms += 600_000
    settle(world)
    assert rows(world, "Rang", "Missed") == [("Rang", "k", 600_000)]
    world.close()


def test_every_command_that_is_skipped_says_what_becomes_of_a_missed_turn() -> None:
    rules = {command: rule for service in SERVICES for command, rule in service.rules.items()}
    skipped = {command for command in rules if overdue_of(command) is Overdue.SKIP}
    assert skipped == {command for command, rule in rules.items() if rule.missed is not None} != set()

"""Virtual time: what a run takes, when it stops, what holds it, restarts, ties and repeatability."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.engine.engine import Engine
from simtriggers.engine.virtual import DAY_MS, Idle, VirtualEngine
from simtriggers.errors import Deadlock, RunLimit
from simtriggers.kernel.agenda import REPLY, Entry
from simtriggers.kernel.clock import iso_ms
from tests.support import ToyRuntime, kinds, trace_rows, trace_text, virtual
from tests.toys import (
    START_MS,
    Add,
    Fail,
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
    service_arn,
)

A, C, D = mailbox_arn("a"), counter_arn("c"), counter_arn("d")


def rang(engine: Engine) -> list[tuple[str, int]]:
    """Which timers rang, and when after the start."""
    return [(row.subject, row.at_ms - START_MS) for row in trace_rows(engine) if row.kind == "Rang"]


# --- how far a run goes -----------------------------------------------------------------------------


def test_run_until_takes_what_is_due_then_and_leaves_the_rest() -> None:
    engine = virtual()
    for at_ms in (10, 20, 21):
        engine.ask(C, Remind(f"{at_ms}", START_MS + at_ms))
    engine.run_until(START_MS + 20)
    assert (rang(engine), engine.now_ms) == ([("10", 10), ("20", 20)], START_MS + 20)
    engine.run_until(START_MS)
    assert engine.now_ms == START_MS + 20
    engine.advance(500)
    assert (rang(engine)[2:], engine.now_ms) == ([("21", 21)], START_MS + 520)


def test_idle_when_only_background_work_and_polls_for_ever_are_left() -> None:
    engine = virtual()
    engine.request(A, Take(None), 0, lambda reply: None)
    engine.ask(C, Remind("minutely", START_MS + 60_000, 60_000, background=True))
    engine.ask(C, Remind("once", START_MS + 90_000))
    assert engine.run_until_idle() == Idle(
        "idle",
        START_MS + 90_000,
        (f"{iso_ms(START_MS + 120_000)} tests.Ring on {C}", f"tests.Take on {A} waits for something to arrive"),
    )
    assert rang(engine) == [("minutely", 60_000), ("once", 90_000)]


def test_work_beyond_the_horizon_stops_a_run_at_once_whatever_recurs_until_then() -> None:
    engine = virtual()
    engine.ask(C, Remind("minutely", START_MS + 60_000, 60_000, background=True))
    engine.ask(C, Remind("far", START_MS + DAY_MS + 1))
    idle = engine.run_until_idle()
    assert (idle.reason, idle.now_ms, len(idle.pending)) == ("horizon", START_MS, 2)
    assert rang(engine) == []
    assert engine.run_until_idle(horizon_ms=DAY_MS + 1).reason == "idle"
    assert rang(engine)[-1] == ("far", DAY_MS + 1)


def test_the_horizon_counts_from_the_last_act_of_the_outside_world() -> None:
    engine = virtual()
    engine.ask(C, Remind("for ever", START_MS + 1000, 1000))
    assert engine.run_until_idle(horizon_ms=5000).now_ms == START_MS + 5000
    assert engine.run_until_idle(horizon_ms=5000).now_ms == START_MS + 5000
    engine.ask(C, Add())
    assert engine.run_until_idle(horizon_ms=5000).now_ms == START_MS + 10_000
    assert len(rang(engine)) == 10


def test_a_run_stops_after_so_many_steps() -> None:
    engine = virtual()
    engine.ask(C, Remind("for ever", START_MS + 1000, 1000))
    idle = engine.run_until_idle(max_steps=3)
    assert (idle.reason, len(rang(engine))) == ("limit", 3)


def test_a_hidden_handler_is_pending_in_words() -> None:
    engine = virtual()
    engine.submit(C, Work())
    engine.run_until(START_MS)
    assert engine.pending() == (f"{iso_ms(START_MS + 50)} a handler",)


# --- what can never proceed ---------------------------------------------------------------------------


def test_a_deadlock_names_what_is_awaited() -> None:
    engine = virtual(duration_ms=None)
    engine.request(A, Take(None), 0, lambda reply: None)
    with pytest.raises(Deadlock) as caught:
        engine.ask(C, Work())
    request = trace_rows(engine)[0].subject
    assert str(caught.value) == (
        f"the run can never proceed: the reply to tests.Work on {C} is being waited for and nothing is left on the"
        " agenda that could bring it\n"
        f"  also waiting: the handler of {request}; 1 waiting on letters/{A}"
    )


def test_recurring_work_alone_does_not_keep_a_request_waiting_for_ever() -> None:
    engine = virtual(duration_ms=None)
    engine.ask(C, Remind("minutely", START_MS + 60_000, 60_000, background=True))
    with pytest.raises(Deadlock, match=r"the reply to tests\.Work"):
        engine.ask(C, Work())
    assert len(rang(engine)) == 24 * 60


def test_recurring_work_may_bring_the_reply() -> None:
    engine = virtual()
    engine.ask(C, Remind("hourly", START_MS + 3_600_000, 3_600_000, background=True))
    engine.resume_at(START_MS + 7_200_000, lambda: engine.submit(A, Post("x")))
    assert engine.ask(A, Take(None)) == Letters(("x",))


def test_who_asked_in_vain_is_no_longer_served() -> None:
    engine = virtual()
    with pytest.raises(Deadlock):
        engine.ask(A, Take(None))
    engine.ask(A, Post("x"))
    engine.run_until_idle()
    assert engine.ask(A, Take(0)) == Letters(("x",))


def test_a_cycle_at_one_millisecond_is_named() -> None:
    engine = virtual()
    engine.same_ms_limit = 1000
    engine.submit(C, Fail("spin"))
    engine.submit(C, Add())
    with pytest.raises(RunLimit) as caught:
        engine.run_until_idle()
    assert str(caught.value) == (
        "1,000 steps at the same millisecond 2026-01-15T12:00:00.000Z: something triggers itself\n"
        f"  the last steps were: tests.Fail on {C} (64x)"
    )


def test_a_million_is_the_limit_and_what_the_outside_world_does_is_no_cycle() -> None:
    engine = virtual()
    assert engine.same_ms_limit == 1_000_000
    engine.same_ms_limit = 100
    for number in range(300):
        engine.ask(C, Add())
        assert number < 299 or engine.ask(C, Add()) == 301
    for _ in range(90):
        engine.submit(C, Add())
    engine.run_until_idle()
    engine.advance(1)
    for _ in range(90):
        engine.submit(C, Add())
    engine.run_until_idle()


def test_steps_are_counted_for_each_millisecond_alone() -> None:
    engine = virtual()
    engine.same_ms_limit = 20
    for number in range(60):
        engine.ask(C, Remind(f"{number}", START_MS + 10 + number // 15))
    engine.run_until_idle()
    assert len(rang(engine)) == 60


# --- holds --------------------------------------------------------------------------------------------


def test_time_does_not_move_while_it_is_held_but_what_is_due_is_done() -> None:
    engine = virtual()
    seen: list[tuple[int, list[str]]] = []

    def wait() -> None:
        seen.append((engine.now_ms - START_MS, kinds(engine)))
        if len(seen) == 2:
            engine.submit(A, Post("from the real world"))
            engine.holds.release("a subprocess")

    engine.wait_with(wait)
    engine.ask(C, Remind("k", START_MS + 1000))
    engine.holds.take("a subprocess")
    engine.submit(C, Add())
    engine.run_until(START_MS + 5000)
    assert seen == [(0, ["Counted"]), (0, ["Counted"])]
    assert kinds(engine) == ["Counted", "LetterPosted", "Rang"]
    assert [row.at_ms - START_MS for row in trace_rows(engine)] == [0, 0, 1000]


def test_idle_waits_for_holds_and_a_hold_that_nobody_waits_for_is_named() -> None:
    engine = virtual()
    engine.holds.take("a subprocess")
    with pytest.raises(AssertionError, match=r"time is held by \['a subprocess'\] and nobody waits"):
        engine.run_until_idle()
    engine.wait_with(lambda: engine.holds.release("a subprocess"))
    assert engine.run_until_idle().reason == "idle"


# --- restarts -----------------------------------------------------------------------------------------


def test_a_restart_interrupts_handlers_and_drops_those_who_waited() -> None:
    engine = virtual()
    answers: list[object] = []
    engine.request(C, Work(), 0, answers.append)
    engine.request(A, Take(None), 0, answers.append)
    engine.request(C, Relay(A, Take(None)), 0, answers.append)
    engine.ask(C, Remind("k", START_MS + 5000))
    engine.run_until(START_MS + 20)
    engine.submit(C, Add(1, "submitted before, taken after"))
    engine.restart(service_arn)
    engine.run_until_idle()
    assert kinds(engine) == [
        "WorkStarted",
        "Asked",
        "Restarted",
        "Interrupted",
        "Interrupted",
        "Counted",
        "Rang",
    ]
    rows = trace_rows(engine)
    assert (rows[2].details, engine.incarnation) == ({"incarnation": 2}, 2)
    assert {row.cause for row in rows[3:5]} == {rows[2].id}
    assert answers == []
    assert [entry.reply_to for entry in engine.agenda.entries()] != []
    assert engine.agenda.parked() == {f"letters/{A}": 1}, "the poll of another resource stays"


def test_a_restart_is_settled_before_anything_that_was_due() -> None:
    engine = virtual(duration_ms=None)
    engine.submit(C, Work())
    engine.run_until(START_MS)
    engine.submit(C, Add())
    engine.agenda.push(Entry(START_MS - 1, REPLY, C, Add(1, "overdue"), 0))
    engine.restart(service_arn)
    engine.run_until_idle()
    assert kinds(engine) == ["WorkStarted", "Restarted", "Interrupted", "Counted", "Counted"]


def test_what_a_handler_of_an_older_incarnation_still_says_is_stale() -> None:
    engine = virtual()
    engine.submit(C, Work())
    engine.run_until(START_MS)
    assert isinstance(engine.runtime, ToyRuntime)
    begun = engine.runtime.started[0]
    engine.restart(service_arn)
    engine.run_until(START_MS + 1)
    engine.ended(begun, ended(begun))
    engine.run_until_idle()
    assert kinds(engine)[-2:] == ["Interrupted", "StaleResult"]


# --- repeatability --------------------------------------------------------------------------------------


def scene(engine: VirtualEngine) -> None:
    """Many things at few milliseconds: polls, posts, relays, handlers, deliveries, timers."""
    boxes = [mailbox_arn(name) for name in "ab"]
    for number in range(6):
        engine.submit(C, Relay(boxes[number % 2], Take(START_MS + 300)))
        engine.submit(D, Work())
        engine.submit(D, Send(boxes[number % 2], f"sent {number}", order_key="group"))
        engine.submit(C, Remind(f"{number % 3}", START_MS + 50 * number))
    engine.run_until(START_MS + 100)
    for number in range(6):
        engine.submit(boxes[number % 2], Post(f"posted {number}"))
    engine.run_until_idle()


def text(**options: int) -> str:
    engine = virtual(**options)
    scene(engine)
    return trace_text(engine)


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    first = text(seed=1)
    assert len(first.splitlines()) > 40
    assert text(seed=1) == first
    assert text(seed=2) != first


def test_shuffled_ties_are_repeatable_and_explore_other_orders() -> None:
    plain = text(seed=1)
    assert text(seed=1, shuffle_ties=7) == text(seed=1, shuffle_ties=7)
    assert len({plain, *(text(seed=1, shuffle_ties=ties) for ties in range(6))}) == 7


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_shuffling_keeps_promised_orders_and_cause_before_effect(ties: int) -> None:
    engine = virtual(shuffle_ties=ties)
    scene(engine)
    rows = trace_rows(engine)
    assert all(row.cause < row.id for row in rows)
    times = [row.at_ms for row in rows]
    assert times == sorted(times)
    by_sent = {row.id: row.subject for row in rows if row.kind == "Sent"}
    sent = list(by_sent.values())
    delivered = [by_sent[row.cause] for row in rows if row.kind == "LetterDelivered"]
    assert delivered == sent, "one order key"


def test_time_is_that_of_the_entry_taken_and_never_goes_back() -> None:
    engine = virtual()
    engine.agenda.push(Entry(START_MS - 5, 1, C, Add(), 0))
    engine.agenda.push(Entry(START_MS + 5, 1, C, Add(), 0))
    engine.run_until_idle()
    assert [row.at_ms - START_MS for row in trace_rows(engine)] == [0, 5]
    assert engine.clock.now_ms() == engine.reader.now_ms == engine.now_ms == START_MS + 5


def test_a_handler_goes_on_at_its_time_and_in_order_of_asking() -> None:
    engine = virtual()
    seen: list[tuple[int, str]] = []

    def later(name: str) -> Callable[[], None]:
        return lambda: seen.append((engine.now_ms - START_MS, name))

    engine.resume_at(START_MS + 7, later("b"))
    engine.resume_at(START_MS + 3, later("a"))
    engine.resume_at(START_MS + 7, later("c"))
    engine.resume_at(START_MS - 7, later("past"))
    engine.run_until_idle()
    assert seen == [(0, "past"), (3, "a"), (7, "b"), (7, "c")]


def test_seeds_of_handlers_come_from_the_run_and_the_stream() -> None:
    made = {virtual(seed=seed).seed(stream) for seed in (1, 2) for stream in ("a", "b")}
    assert len(made) == 4
    assert {len(one) for one in made} == {32}


def test_rows_are_written_in_bulk_and_the_database_holds_all_after_a_flush() -> None:
    engine = virtual()
    engine.ask(C, Add())
    assert engine.connection.execute("SELECT count(*) FROM trace").fetchone() == (0,)
    engine.flush()
    assert engine.connection.execute("SELECT count(*) FROM trace").fetchone() == (1,)

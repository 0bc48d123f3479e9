"""One step: replies, return addresses, parking, timers, what fails, checkers, and the reader."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.contracts import PutResource, RemoveResource
from simtriggers.engine.checkers import of_services, sql_invariants, time_never_goes_back, violations
from simtriggers.engine.engine import StepFailed
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.errors import InvariantBroken
from simtriggers.kernel.agenda import ORDINARY, REPLY, Entry
from simtriggers.kernel.codec import Overdue, command
from simtriggers.kernel.effects import Decision, Refused, ReplyTo, RetryPolicy
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Invariant, Reader, Rule, Service
from tests.support import LiveWorld, Rows, dump, kinds, trace_rows, virtual
from tests.toys import (
    COUNTER,
    MAILBOX,
    START_MS,
    TOYS,
    Add,
    Fail,
    Letters,
    Post,
    Relay,
    Remind,
    Send,
    Take,
    counter_arn,
    mailbox_arn,
)

A, B, C = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c")


def letters(engine: VirtualEngine, arn: str = A) -> list[str]:
    """What lies in a mailbox."""
    return [
        body
        for (body,) in engine.connection.execute(
            "SELECT body FROM letters JOIN payloads ON digest = payload WHERE mailbox = ? ORDER BY id", (arn,)
        )
    ]


# --- replies and return addresses -------------------------------------------------------------------


def test_a_step_sees_what_the_one_before_it_wrote() -> None:
    engine = virtual()
    assert [engine.ask(C, Add(2)) for _ in range(3)] == [2, 4, 6]
    assert engine.now_ms == START_MS


def test_a_call_is_answered_in_the_same_millisecond_before_ordinary_commands() -> None:
    engine = virtual()
    engine.submit(C, Relay(A, Post("x")))
    engine.submit(C, Add(1, "submitted after the relay"))
    engine.submit(C, Add(1, "submitted last"))
    engine.run_until_idle()
    assert kinds(engine) == ["Asked", "Counted", "Counted", "LetterPosted", "Answered"]
    engine.submit(C, Relay(A, Post("y")))
    engine.agenda.push(Entry(engine.now_ms, REPLY, C, Add(1, "a reply first"), 0))
    engine.run_until_idle()
    assert kinds(engine)[5:] == ["Counted", "Asked", "LetterPosted", "Answered"]
    assert engine.now_ms == START_MS


def test_the_reply_of_a_call_overtakes_ordinary_commands_that_wait() -> None:
    engine = virtual()
    engine.submit(C, Relay(A, Post("x")))
    engine._take(START_MS)
    engine.submit(C, Add(1, "while the call is on its way"))
    engine.run_until_idle()
    assert kinds(engine) == ["Asked", "LetterPosted", "Answered", "Counted"]


def test_a_reply_that_is_later_comes_from_a_later_step() -> None:
    engine = virtual()
    assert engine.ask(C, Relay(A, Post("x"))) == 1
    assert engine.ask(C, Relay(A, Take(0))) == Letters(("x",))
    assert dump(engine.connection, "asks") == []


def test_a_parked_poll_is_answered_by_what_arrives_and_by_its_deadline() -> None:
    engine = virtual()
    engine.submit(C, Remind("tick", START_MS + 400))
    assert engine.ask(A, Take(START_MS + 1000)) == Letters(())
    assert engine.now_ms == START_MS + 1000
    got: list[Any] = []
    engine.request(A, Take(None), 0, got.append)
    engine.run_until(START_MS + 5000)
    assert got == []
    engine.ask(A, Post("x"))
    engine.run_until_idle()
    assert got == [Letters(("x",))]
    assert engine.now_ms == START_MS + 5000


def test_one_letter_wakes_one_poll_and_those_that_wait_longest_come_first() -> None:
    engine = virtual()
    got: list[tuple[str, Any]] = []
    for name in ("one", "two", "three"):
        engine.request(A, Take(None), 0, lambda reply, name=name: got.append((name, reply)))
    engine.run_until_idle()
    engine.submit(A, Post("x"))
    engine.submit(A, Post("y"))
    engine.run_until_idle()
    assert got == [("one", Letters(("x",))), ("two", Letters(("y",)))]
    assert engine.agenda.parked() == {f"letters/{A}": 1}


def test_woken_polls_run_last_in_their_millisecond() -> None:
    engine = virtual()
    engine.request(A, Take(None), 0, lambda reply: None)
    engine.run_until_idle()
    engine.submit(A, Post("x"))
    for _ in range(3):
        engine.submit(C, Relay(C, Add(1)))
    engine.run_until_idle()
    assert kinds(engine)[-1] == "LetterTaken"
    assert engine.now_ms == START_MS


def test_a_caller_that_went_away_consumes_nothing_and_the_next_in_line_is_served() -> None:
    engine = virtual()
    got: list[str] = []
    for name in ("gone", "here"):
        engine.request(A, Take(None), 0, lambda reply, name=name: got.append(name))
    engine.run_until_idle()
    engine.callers.discard(1)
    engine.ask(A, Post("x"))
    engine.run_until_idle()
    assert got == ["here"]
    assert letters(engine) == []


def test_a_command_of_a_caller_that_went_away_is_not_carried_out() -> None:
    engine = virtual()
    engine.request(A, Post("x"), 0, lambda reply: None)
    engine.callers.clear()
    engine.run_until_idle()
    assert letters(engine) == []
    assert kinds(engine) == []


def test_the_cause_rides_along() -> None:
    engine = virtual()
    engine.submit(C, Relay(A, Post("x")), cause=engine.note("Given", "test", 0, {}))
    engine.run_until_idle()
    assert [(row.kind, row.cause) for row in trace_rows(engine)] == [
        ("Given", 0),
        ("Asked", 1),
        ("LetterPosted", 2),
        ("Answered", 3),
    ]


def test_a_refusal_is_an_answer_like_any_other() -> None:
    engine = virtual()
    nowhere = "arn:aws:nothing:us-east-1:123456789012:x"
    refused = Refused("ResourceNotFoundException", "No service here has such an ARN.", 404)
    assert engine.ask(nowhere, Add()) == refused
    assert engine.ask("no arn at all", Add()) == refused
    assert engine.ask(C, Relay(nowhere, Add())) == refused
    assert engine.ask(A, Add()) == Refused("UnsupportedOperation", "mailbox has no operation tests.Add")


def test_an_answer_for_which_the_asking_service_has_no_rule_is_a_defect() -> None:
    engine = virtual()
    engine.agenda.push(Entry(START_MS, REPLY, C, None, 0, request="r"))
    with pytest.raises(StepFailed, match="counter has no rule for the answer NoneType"):
        engine.run_until_idle()


def test_a_reply_that_says_parked_without_a_park_is_a_defect() -> None:
    with pytest.raises(StepFailed, match=r"tests\.Fail on arn:.*:c: .*nothing is parked"):
        virtual().ask(C, Fail("unparked"))


# --- timers -------------------------------------------------------------------------------------


def test_a_timer_rings_at_its_time_and_a_later_one_of_its_key_replaces_it() -> None:
    engine = virtual()
    engine.ask(C, Remind("k", START_MS + 5000))
    engine.ask(C, Remind("k", START_MS + 9000))
    engine.ask(C, Remind("past", START_MS - 5000))
    assert engine.run_until_idle().now_ms == START_MS + 9000
    rang = [(row.subject, row.at_ms - START_MS) for row in trace_rows(engine)]
    assert rang == [("past", 0), ("k", 9000)]


def test_a_time_in_the_past_is_now_and_overtakes_nothing() -> None:
    engine = virtual()
    engine.submit(C, Remind("past", START_MS - 5000))
    engine.submit(A, Take(START_MS - 5000))
    engine.submit(C, Add(1, "submitted before the timer was set"))
    engine.run_until_idle()
    assert kinds(engine) == ["Counted", "Rang"]


TWICE = RetryPolicy("toy", maximum_retries=2, maximum_age_ms=3_600_000, base_ms=1000)

# --- failing steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["view", "decide", "view_sql"])
def test_a_failing_rule_ends_a_virtual_run_and_has_changed_nothing(place: str) -> None:
    engine = virtual()
    engine.ask(C, Add(5))
    before = dump(engine.connection, "counters")
    with pytest.raises(StepFailed, match=rf"^tests\.Fail on {C}: ") as caught:
        engine.ask(C, Fail(place))
    assert caught.value.__cause__ is not None
    assert dump(engine.connection, "counters") == before
    assert kinds(engine) == ["Counted"]


@pytest.mark.parametrize("place", ["constraint", "statement"])
def test_a_write_that_fails_names_its_step(place: str) -> None:
    with pytest.raises(StepFailed, match=rf"^tests\.Fail on {C}: "):
        virtual().ask(C, Fail(place))


# --- checkers -------------------------------------------------------------------------------------


def test_a_broken_invariant_names_the_step_and_the_rows() -> None:
    engine = virtual()
    few = Invariant("at most three are counted", "SELECT counter, n FROM counters WHERE n > 3 ORDER BY counter")
    engine.checkers = [time_never_goes_back(), sql_invariants([few, *of_services(engine)])]
    engine.ask(C, Add(3))
    with pytest.raises(InvariantBroken) as caught:
        engine.ask(C, Add(1))
    assert str(caught.value) == f"after tests.Add on {C}:\n  at most three are counted: ('{C}', 4)"
    assert violations(engine, [few]) == [f"at most three are counted: ('{C}', 4)"]


def test_the_invariants_of_services_are_found_and_can_be_looked_at_now_and_then() -> None:
    engine = virtual()
    assert [invariant.name for invariant in of_services(engine)] == ["a letter has a text"]
    engine.checkers = [sql_invariants(of_services(engine), every=3)]
    engine.ask(A, Post("x"))
    engine.connection.execute("DELETE FROM payloads")
    engine.ask(C, Add(1))
    with pytest.raises(InvariantBroken, match="a letter has a text"):
        engine.ask(C, Add(1))


def test_time_that_goes_back_is_seen() -> None:
    engine = virtual()
    check = time_never_goes_back()
    entry = Entry(0, ORDINARY, C, Add(), 0)
    assert check(engine, entry) == []
    engine.now_ms -= 1
    assert check(engine, entry) == [f"time went back from {START_MS} to {START_MS - 1}"]


# --- what is read through ---------------------------------------------------------------------------


def test_parsed_settings_are_kept_until_their_row_is_touched() -> None:
    rows = Rows(*TOYS)
    assert rows.reader.resource(A) is None
    rows.step(A, PutResource("mailbox", "a", {"accepts": "open"}))
    first = rows.reader.resource(A)
    assert first is not None and (first.config, first.revision, first.wired) == ("open", 1, True)
    assert rows.reader.resource(A) is first
    assert rows.reader.resources("mailbox") == [first]
    rows.step(A, PutResource("mailbox", "a", {"accepts": "fifo"}))
    second = rows.reader.resource(A)
    assert second is not None and (second.config, second.revision) == ("fifo", 2)
    assert rows.reader.resources("mailbox") == [second]
    described = rows.reader.describe(A)
    assert described is not None and described.fifo
    rows.step(A, RemoveResource())
    assert (rows.reader.resource(A), rows.reader.resources("mailbox"), rows.reader.describe(A)) == (None, [], None)
    assert rows.reader.describe(C) is None


def test_resources_of_a_kind_come_by_arn_and_are_parsed_once() -> None:
    parsed: list[str] = []

    def parse(config: dict[str, Any]) -> str:
        parsed.append(config["accepts"])
        return str(config["accepts"])

    rows = Rows(replace(MAILBOX, parsers={"mailbox": parse}), COUNTER)
    for name in "bac":
        rows.step(mailbox_arn(name), PutResource("mailbox", name, {"accepts": name}))
    for _ in range(3):
        assert [found.name for found in rows.reader.resources("mailbox")] == ["a", "b", "c"]
    assert parsed == ["a", "b", "c"]
    rows.reader.resources("mailbox").clear()
    assert len(rows.reader.resources("mailbox")) == 3


def test_payloads_are_read_by_digest() -> None:
    rows = Rows(*TOYS)
    rows.step(A, Post("x" * 100_000))
    digest = rows.table("payloads")[0][0]
    assert rows.reader.payload(digest) == "x" * 100_000
    with pytest.raises(LookupError, match="no payload nothing"):
        rows.reader.payload("nothing")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["p1", "p2", "long"]), max_size=20))
def test_a_payload_is_stored_once_however_often_it_comes(names: list[str]) -> None:
    engine = virtual()
    texts = {"p1": "one", "p2": "two", "long": "x" * 70_000}
    for name in names:
        engine.ask(A, Post(texts[name]))
    assert letters(engine) == [texts[name] for name in names]
    assert len(dump(engine.connection, "payloads")) == len(set(names))


# --- live -----------------------------------------------------------------------------------------


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.CRITICAL, logger="simtriggers")
    return caplog


@command(Overdue.RUN)
class Broken:
    """A delivery's target whose rule fails, once."""


def _broken_once() -> Service:
    failures = [ZeroDivisionError("once")]

    def view(read: Reader, entry: Entry) -> int:
        if failures:
            raise failures.pop()
        return 1

    def decide(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
        return Decision(reply=view)

    from simtriggers.aws.contracts import Delivery

    return Service("broken", {Delivery: Rule(view, decide)})


def test_live_a_delivery_whose_target_fails_inside_is_tried_again(tmp_path: Any, quiet: Any) -> None:
    world = LiveWorld(tmp_path / "state.db", [*TOYS, _broken_once()])
    target = "arn:aws:broken:us-east-1:123456789012:x"
    world.ask(C, Send(target, "x", TWICE))
    world.batch()
    assert kinds(world.engine) == ["Sent", "StepFailed", "DeliveryFailed"]
    assert [entry.arn for entry in world.engine.agenda.entries()] == [target]
    world.now_ms += 1000
    world.batch()
    assert len(world.engine.agenda) == 0
    assert kinds(world.engine)[3:] == []
    world.close()


@pytest.mark.parametrize("place", ["view", "decide"])
def test_live_a_failing_rule_is_a_row_and_an_internal_error(tmp_path: Any, quiet: Any, place: str) -> None:
    world = LiveWorld(tmp_path / "state.db")
    reply = world.ask(C, Fail(place))
    assert (reply.code, reply.status) == ("InternalFailure", 500)
    assert world.ask(C, Add(1)) == 1
    assert [(row.kind, row.details) for row in trace_rows(world.engine)] == [
        ("StepFailed", {"command": "tests.Fail", "error": f"ZeroDivisionError: in {place}"}),
        ("Counted", {"total": 1}),
    ]
    world.close()


def test_answers_to_one_address_keep_their_order_when_ties_are_shuffled() -> None:
    firsts = set()
    for seed in range(12):
        engine = virtual(shuffle_ties=seed)
        for number in range(4):
            engine.answer(ReplyTo(C, f"{number}"), number, 0)
            engine.answer(ReplyTo(counter_arn("d"), f"{number}"), number, 0)
        order = []
        while (entry := engine.agenda.pop()) is not None:
            order.append((entry.arn, entry.request))
        for arn in (C, counter_arn("d")):
            assert [request for held, request in order if held == arn] == ["0", "1", "2", "3"]
        firsts.add(order[0][0])
    assert len(firsts) == 2

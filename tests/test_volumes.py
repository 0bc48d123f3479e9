"""How much a trace keeps: with `events` the bookkeeping is left out, and no chain of causes is cut by it."""

from __future__ import annotations

import pytest

from simtriggers.errors import UserError
from simtriggers.explain import MemoryBook, is_first_cause, origin, why
from simtriggers.explain.why_not import why_not
from simtriggers.explain.world import World
from simtriggers.kernel.service import bookkeeping_of
from simtriggers.kernel.trace import TraceRow
from simtriggers.registry import SERVICES
from simtriggers.scenario import expect
from simtriggers.services.sqs.commands import SendEntry
from simtriggers.simulation import Simulation
from tests.simulated import world

BOOKKEEPING = bookkeeping_of(SERVICES)
PROJECT = """
buckets:
  seen: {eventbridge: true}
  store: {notifications: [{queue: work, prefix: in/}]}
  told: {notifications: [{topic: news}]}
queues:
  work: {visibility_timeout: 30s, redrive_policy: {dead_letter_target: dead, max_receive_count: 2}}
  dead: {}
  results: {}
  ring: {visibility_timeout: 10s, redrive_policy: {dead_letter_target: dead, max_receive_count: 3}}
  picky: {visibility_timeout: 30s}
topics:
  news: {subscriptions: [{queue: results}, {queue: picky, filter_policy: {kind: [never]}}]}
functions:
  told: {handler: app.echo, triggers: [{event_bridge_rule: {source: [aws.s3]}}, {event_bridge_rule: {source: ["no"]}}]}
  echo: {handler: app.echo, triggers: [{sqs: work}, {schedule: "rate(10 minutes)", rate_starts: at_once}]}
  chosen: {handler: app.echo, triggers: [{sqs: picky, filter_criteria: [{body: {want: [1]}}]}]}
  broken:
    handler: app.chain
    triggers: [{sqs: ring, batch_size: 2}]
    event_invoke_config: {on_failure: {queue: results}}
  sleeper: {handler: app.sleeper, timeout: 15m}
"""


def story(sim: Simulation) -> None:
    for number in range(3):
        sim.bucket("store").put(f"in/{number}", "x")
    sim.bucket("store").put("out/1", "x")
    sim.bucket("told").put("1", "x")
    sim.bucket("seen").put("1", "x")
    sim.queue("picky").send_batch([SendEntry("a", '{"want": 1}'), SendEntry("b", '{"want": 2}')])
    sim.queue("ring").send("fails for ever")
    sim.invoke("broken", {"depth": 0}, invocation_type="Event")
    sim.invoke("sleeper", {"seconds": 3, "name": "x"}, invocation_type="Event")
    (message,) = sim.queue("dead").receive() or [None]
    assert message is None
    sim.advance("1s")
    sim.restart()
    sim.advance("1h")
    (mine, *_) = sim.queue("results").receive(10)
    sim.queue("results").delete(mine)
    sim.run_until_idle()


def rows_of(volume: str, *, ties: int | None = None) -> tuple[list[TraceRow], Simulation]:
    with world(PROJECT, trace=volume, shuffle_ties=ties) as sim:
        story(sim)
        return sim.trace, sim


def without_bookkeeping(rows: list[TraceRow], kept: set[int]) -> list[TraceRow]:
    """What a trace of events must hold, by the rows of a full one."""
    cause_of = {row.id: row.cause for row in rows}

    def nearest(row: int) -> int:
        while row and row not in kept:
            row = cause_of[row]
        return row

    found = []
    for row in rows:
        if row.id in kept:
            details = {
                name: nearest(value)
                if name in ("by", "first") and type(value) is int
                else [nearest(each) for each in value]
                if name == "causes"
                else value
                for name, value in row.details.items()
            }
            found.append(TraceRow(row.id, row.at_ms, row.kind, row.arn, row.subject, nearest(row.cause), details))
    return found


@pytest.mark.parametrize("ties", [None, 5])
def test_a_trace_of_events_is_a_full_one_without_its_bookkeeping(ties: int | None) -> None:
    full, _ = rows_of("full", ties=ties)
    events, _ = rows_of("events", ties=ties)
    kept = {row.id for row in events}
    assert events[0].details.pop("trace") == "events"
    assert events == without_bookkeeping(full, kept)
    gone = [row for row in full if row.id not in kept]
    assert {row.kind for row in gone} == set(BOOKKEEPING) - {"MappingScaled"}, "there is no backlog in this story"
    whole = {kind for kind, commands in BOOKKEEPING.items() if not commands}
    assert whole.isdisjoint(row.kind for row in events)
    assert {row.kind for row in full} - {row.kind for row in events} == whole - {"MappingScaled"}
    assert len(gone) > len(full) / 5


def test_what_a_client_receives_and_deletes_is_an_event_and_what_a_mapping_does_is_not() -> None:
    events, _ = rows_of("events")
    for kind, count in (("MessageReceived", 3), ("MessageDeleted", 1)):
        assert [row.arn.rpartition(":")[2] for row in events if row.kind == kind] == ["results"] * count


def test_why_leads_from_every_row_to_an_act() -> None:
    events, sim = rows_of("events")
    book = MemoryBook(events, {})
    for row in events:
        first, kind = origin(book, row)
        assert kind in ("act", "start"), row
        assert is_first_cause(first), first
    message = next(row.subject for row in events if row.kind == "MessageSent" and row.arn.endswith(":work"))
    kinds = [step.row.kind for step in why(book, message).steps]
    for kind in ("ObjectCreated", "MessageSent", "BatchStarted", "InvocationStarted", "BatchSucceeded"):
        assert kind in kinds
    assert sim.engine.trace.volume == "events"


def test_each_message_of_a_batch_finds_its_batch() -> None:
    with world(PROJECT, trace="events") as sim:
        sent = [sim.queue("work").send("{}") for _ in range(5)]
        sim.run_until_idle()
        book = MemoryBook(sim.trace, {})
        for each in sent:
            assert "BatchStarted" in [step.row.kind for step in why(book, each.message_id).steps]


def test_why_not_says_that_it_cannot_know() -> None:
    with world(PROJECT, trace="events") as sim:
        for key in ("in/1", "out/1"):
            sim.bucket("store").put(key, "x")
        sim.run_until_idle()
        known = World.running(sim.engine)
        assert why_not(known, "work", "in/1").triggered
        with pytest.raises(UserError, match=r"the trace keeps events alone .*, and not what was decided about #"):
            why_not(known, "work", "out/1")
        assert "prefix" in why_not(known, "work", "store").render()


def test_a_fork_goes_on_with_the_same_volume() -> None:
    with world(PROJECT, trace="events") as sim:
        sim.bucket("store").put("in/1", "x")
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("1s")
        with sim.fork() as fork:
            for each in (sim, fork):
                each.advance("5m")
            assert fork.trace == sim.trace
            assert fork.engine.trace.volume == "events"


def test_an_expectation_that_reads_what_is_left_out_is_refused() -> None:
    with world(PROJECT, trace="events") as sim:
        for wanted, why_not in [
            ("nothing_lost", "nothing_lost reads rows that a trace of events leaves out"),
            ({"trace": {"kind": "LogLines"}}, "trace reads LogLines rows, which a trace of events leaves out"),
            (
                {"order": [{"kind": "MessageSent"}, {"kind": "MessageReceived"}]},
                "order reads MessageReceived rows, which a trace of events leaves out",
            ),
        ]:
            with pytest.raises(UserError) as caught:
                expect.check(sim, wanted)  # type: ignore[arg-type]
            assert str(caught.value) == (
                f'expect: {why_not}\n  fix: give the simulation trace="full", or leave the expectation out'
            )
        sim.queue("results").send("x")
        assert expect.check(sim, {"trace": {"kind": "MessageSent"}}) == []
        sim.run_until_idle()
        assert expect.check(sim, "nothing_stuck") == []


def test_a_volume_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match=r"trace: 'event' is no volume of a trace\n  fix: did you mean 'events'\?"):
        world(PROJECT, trace="event")

"""Whatever the outside world does, and whatever goes wrong: nothing is lost, nothing is stuck, every row has a
cause, and a second run is the same, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simtriggers.engine.faults import FaultPlan, HandlerFault, TargetFault
from simtriggers.explain import MemoryBook, origin
from simtriggers.scenario import conservation
from simtriggers.simulation import Simulation
from tests.simulated import trace_text, world

HANDLERS = Path(__file__).parents[1] / "fixtures" / "handlers" / "conservation"
TEXT = """
buckets: {uploads: {notifications: [{queue: inbox, prefix: q/}]}}
queues:
  inbox: {visibility_timeout: 90s, redrive_policy: {dead_letter_target: dead, max_receive_count: 3}}
  dead: {}
  results: {}
  failed: {}
functions:
  consume:
    handler: app.consume
    timeout: 15s
    duration: 40ms
    reserved_concurrent_executions: 2
    triggers: [{sqs: inbox, batch_size: 3, function_response_types: [ReportBatchItemFailures]}]
  store:
    handler: app.store
    timeout: 10s
    event_invoke_config: {on_failure: {queue: failed}, on_success: {queue: results}}
    triggers: [{s3: uploads, prefix: f/}, {schedule: "rate(20 minutes)"}]
"""
ACTS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(["ok", "slow", "bad", "raise"])),
    st.tuples(st.just("put"), st.sampled_from(["q/a", "f/a", "f/bad", "none"])),
    st.tuples(st.just("invoke"), st.sampled_from(["ok", "slow", "bad"])),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 1, 5, 31, 95, 700])),
    st.tuples(st.just("restart"), st.just("")),
)
PLANS = st.sampled_from(["none", "fails", "times out", "down", "slow"])


def _plan(name: str, sim: Simulation) -> FaultPlan:
    consume, inbox = sim.names.function("consume"), sim.names.queue("inbox")
    handlers = {
        "fails": HandlerFault(consume, ("error", "Boom", "declared"), 2),
        "times out": HandlerFault(consume, ("timeout",), 2),
        "slow": HandlerFault(consume, ("slow", "9000"), 3),
    }
    target = TargetFault(inbox, "down", until_ms=sim.start_ms + 120_000)
    return FaultPlan((handlers[name],) if name in handlers else (), (target,) if name == "down" else ())


def _do(sim: Simulation, act: str, what: Any) -> None:
    if act == "send":
        sim.queue("inbox").send(what)
    elif act == "put":
        sim.bucket("uploads").put(what, "x")
    elif act == "invoke":
        sim.invoke("store", {"do": what}, invocation_type="Event")
    elif act == "advance":
        sim.advance(what)
    else:
        sim.restart()


def _run(acts: list[tuple[str, Any]], plan: str, seed: int, shuffle: int | None) -> tuple[Simulation, str]:
    with world(TEXT, folder=HANDLERS, seed=seed, shuffle_ties=shuffle) as sim:
        sim.set_faults(_plan(plan, sim))
        for act, what in acts:
            _do(sim, act, what)
        sim.run_until_idle("12h")
        return sim, trace_text(sim)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    acts=st.lists(ACTS, max_size=14),
    plan=PLANS,
    seed=st.integers(0, 3),
    shuffle=st.one_of(st.none(), st.integers(0, 50)),
)
def test_nothing_is_lost_or_stuck(acts: list[tuple[str, Any]], plan: str, seed: int, shuffle: int | None) -> None:
    sim, text = _run(acts, plan, seed, shuffle)
    rows = sim.trace
    assert [text for _, text in conservation.lost(sim, rows)] == []
    assert [text for _, text in conservation.stuck(sim, rows)] == []
    book = MemoryBook(rows, sim.payload)
    assert [row for row in rows if origin(book, row)[1] not in ("act", "start")] == []
    assert _run(acts, plan, seed, shuffle)[1] == text

"""Worlds in the middle of a handler's work: forked, kept and taken up again, exactly as they were."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from simtriggers.engine import virtual
from simtriggers.engine.again import NotRepeatable
from simtriggers.engine.faults import FaultPlan, HandlerFault
from simtriggers.engine.snapshots import NotQuiet
from simtriggers.errors import AwsFault, RunLimit
from simtriggers.runtimes.http import HttpStub, StubbedResponse
from simtriggers.simulation import Simulation
from tests.simulated import kinds, trace_text, world


def begin(sim: Simulation) -> None:
    """Overlapping handlers that sleep, poll, invoke each other, draw chance and keep globals."""
    sim.set_faults(FaultPlan((HandlerFault(sim.names.function("count"), ("error", "Boom", "no luck"), 1),)))
    sim.invoke("count")
    assert sim.invoke("count").payload == 1
    sim.snapshot()  # quiet, and no place to go on from: the count is in no snapshot
    with pytest.raises(AwsFault):
        sim.queue("work").send("")
    sim.bucket("store").put("raw", b"\x00\xff")
    for name, event in [
        ("works", {}),
        ("chain", {"depth": 3}),
        ("sleeper", {"seconds": 60, "name": "one minute"}),
        ("count", {}),
    ]:
        sim.invoke(name, event, invocation_type="Event")


def go_on(sim: Simulation) -> str:
    """The same for every world: the rest of the story."""
    assert sim.invoke("count").payload == 3, "it kept its globals"
    sim.bucket("store").put("k", "v")
    sim.advance("1m")
    sim.restart()
    sim.run_until_idle()
    return trace_text(sim)


@pytest.mark.parametrize("ties", [None, 7])
@pytest.mark.parametrize("at", ["500ms", "1s", "4s", "5s", "20s", "59s"])
def test_a_fork_in_the_middle_is_the_same_world(at: str, ties: int | None) -> None:
    with world(shuffle_ties=ties) as sim:
        begin(sim)
        sim.advance(at)
        so_far, pending, now, running = trace_text(sim), sim.engine.pending(), sim.now, sim.runtimes.busy()
        assert running
        with sim.fork() as fork:
            assert (trace_text(fork), fork.engine.pending(), fork.now) == (so_far, pending, now)
            assert fork.runtimes.busy() == running
            forked = go_on(fork)
        assert (trace_text(sim), sim.engine.pending(), sim.now) == (so_far, pending, now)
        assert go_on(sim) == forked
        assert forked.startswith(so_far)
        assert "one minute" in forked


def test_the_watchdog_stays_with_the_world_that_goes_on(tmp_path: Path) -> None:
    """Both share one signal: the end of the fork must not leave a handler of the other to compute for ever."""
    with world(handlers(tmp_path, "    while True: pass\n"), folder=tmp_path) as sim:
        sim.fork().close()
        assert callable(signal.getsignal(signal.SIGALRM))
        sim.runtimes.inline.watchdog.limit_s = 0.2
        with pytest.raises(RunLimit, match="function 'f' has computed for"):
            sim.invoke("f")


def test_both_go_on_independently() -> None:
    with world() as sim:
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("30s")
        with sim.fork() as fork:
            fork.restart()
            sim.advance("30s")
            fork.advance("30s")
            assert [len(each.queue("results").messages()) for each in (sim, fork)] == [1, 0]
            fork.run_until_idle()
            assert len(fork.queue("results").messages()) == 1
            assert "InvocationInterrupted" in trace_text(fork)
            assert "InvocationInterrupted" not in trace_text(sim)


def test_a_snapshot_in_the_middle_can_be_taken_up_again_and_again() -> None:
    with world() as sim:
        begin(sim)
        sim.advance("10s")
        image, so_far = sim.snapshot(), trace_text(sim)
        stories = [go_on(sim)]
        for _ in range(2):
            sim.restore(image)
            assert trace_text(sim) == so_far
            stories.append(go_on(sim))
        assert len(set(stories)) == 1


def test_a_world_that_was_restored_is_forked_in_the_middle_from_there() -> None:
    with world() as sim:
        assert sim.invoke("count").payload == 1
        quiet = sim.snapshot()
        sim.advance("1h")
        sim.restore(quiet)
        assert sim.invoke("count").payload == 1, "an environment of a restored world is a new one"
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("1s")
        with sim.fork() as fork, fork.fork() as again:
            assert trace_text(again) == trace_text(fork) == trace_text(sim)
            assert [each.invoke("count").payload for each in (sim, fork, again)] == [2, 2, 2]
            assert trace_text(again) == trace_text(fork) == trace_text(sim)


def test_without_a_trace_as_well() -> None:
    with world(trace="off") as sim:
        begin(sim)
        sim.advance("10s")
        with sim.fork() as fork:
            for each in (sim, fork):
                each.run_until_idle()
            shown = [[m.message_id for m in each.queue("results").messages()] for each in (sim, fork)]
            assert shown[0] == shown[1]
            assert (fork.now, len(shown[0])) == (sim.now, 1)


def test_the_past_is_short_when_no_handlers_memory_depends_on_it() -> None:
    """Stubs keep nothing: what came before a quiet snapshot is not done again."""
    text = "queues: {work: {}}\nfunctions: {slow: {runtime: stub, duration: 1m, timeout: 2m, stub: [{returns: 1}]}}\n"
    with world(text) as sim:
        for _ in range(10):
            sim.queue("work").send("x")
        assert len(sim.engine.acts) > 10
        sim.fork().close()
        assert sim.engine.acts == []
        sim.invoke("slow", invocation_type="Event")
        sim.advance("30s")
        with sim.fork() as fork:
            assert len(fork.engine.acts) < 5
            sim.run_until_idle()
            fork.run_until_idle()
            assert trace_text(fork) == trace_text(sim)


# --- HTTP targets -------------------------------------------------------------------------------

TOPIC = """
topics: {news: {subscriptions: [{endpoint: "https://a.example/hook"}]}}
functions: {sleeper: {handler: app.sleeper, timeout: 15m}}
queues: {results: {}}
"""


@pytest.mark.parametrize("busy", [False, True])
def test_stubs_of_http_targets_go_on_where_they_were(busy: bool) -> None:
    answers = tuple(StubbedResponse(status) for status in (200, 500, 503, 200))
    with world(TOPIC, endpoints=[HttpStub("https://a.example", answers)]) as sim:
        sim.run_until_idle()
        if busy:
            sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
            sim.advance("1s")
        (stub,) = sim.runtimes.http.stubs
        received = list(stub.received)
        assert len(received) == 1
        with sim.fork() as fork:
            (forked,) = fork.runtimes.http.stubs
            assert forked.received == received
            assert forked.received is not stub.received
            quiet = sim.snapshot()
            sim.run_until_idle()
            stub.received.append(received[0])
            sim.restore(quiet)
            assert stub.received == received


@pytest.mark.parametrize("quiet_first", [False, True])
def test_a_world_to_which_too_much_was_done(monkeypatch: pytest.MonkeyPatch, quiet_first: bool) -> None:
    monkeypatch.setattr(virtual, "MOST_ACTS", 30)
    with world() as sim:
        for _ in range(40):
            sim.queue("work").send("x")
        if quiet_first:
            sim.snapshot()
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("1s")
        if quiet_first:
            sim.fork().close()
        else:
            with pytest.raises(
                NotQuiet, match=r"more than .* things were done to this world since .*\n  fix: let them"
            ):
                sim.fork()


# --- what cannot be ------------------------------------------------------------------------------


def handlers(folder: Path, body: str) -> str:
    (folder / "app.py").write_text(f"import time\nSEEN = []\ndef handler(event, context):\n{body}")
    return "functions: {f: {handler: app.handler, timeout: 5m}}\n"


def test_a_handler_that_does_something_else_the_second_time(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("")
    body = (
        f"    with open({str(notes)!r}, 'a+') as file:\n        file.write('x')\n        file.seek(0)\n"
        "        print(len(file.read()))\n    time.sleep(60)\n"
    )
    with world(handlers(tmp_path, body), folder=tmp_path) as sim:
        sim.invoke("f")
        sim.invoke("f", invocation_type="Event")
        sim.advance("1s")
        with pytest.raises(NotRepeatable) as caught:
            sim.fork()
        text = str(caught.value)
        assert "trace row #" in text and "is not the same\n  then: 2026-01-15T12:01:00" in text
        assert "'lines': ['1']" in text and "'lines': ['3']" in text
        assert "fix: take the snapshot while no handler runs, or make the handler repeatable" in text
        assert sim.run_until_idle().reason == "idle", "this world goes on as it was"


def test_what_ran_in_a_process_is_not_run_again(tmp_path: Path) -> None:
    text = handlers(tmp_path, "    time.sleep(event['s'])\n").replace(
        "{f: {", "{p: {handler: app.handler, runtime: process}, f: {"
    )
    with world(text, folder=tmp_path) as sim:
        sim.invoke("p", {"s": 0})
        sim.fork().close()
        for name, seconds in (("p", 0), ("f", 0), ("f", 60)):
            sim.invoke(name, {"s": seconds}, invocation_type="Event")
        sim.advance("1s")
        with pytest.raises(NotQuiet, match=r"no snapshot while handlers run \(f [0-9a-f-]+\): p ran in a process"):
            sim.fork()
        sim.run_until_idle()
        sim.restore(sim.snapshot())
        sim.invoke("f", {"s": 60}, invocation_type="Event")
        sim.advance("1s")
        sim.fork().close()


def test_a_handler_that_waits_for_a_reply_from_another_world_is_not_answered() -> None:
    """Both worlds hold an invocation of the same id: each handler reaches its own."""
    with world() as sim:
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("30s")
        with sim.fork() as fork:
            fork.run_until_idle()
            assert len(kinds(fork, "MessageSent")) == 1
            assert kinds(sim, "MessageSent") == []

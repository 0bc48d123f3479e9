"""The Python API: what handlers see, worlds that are restored, forked and restarted, and the trace."""

from __future__ import annotations

import gc
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from simtriggers.engine.faults import FaultPlan, HandlerFault, TargetFault
from simtriggers.errors import UserError
from simtriggers.explain import MemoryBook, is_first_cause, origin
from simtriggers.simulation import Simulation
from tests.simulated import ALL, HANDLERS, QUEUE, START_S, kinds, trace_text, world

# --- surroundings -------------------------------------------------------------------------------


def test_handlers_see_their_variables_virtual_time_and_no_real_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "MY_TOKEN"):
        monkeypatch.setenv(name, "REAL")
    (tmp_path / "app.py").write_text((HANDLERS / "app.py").read_text(), encoding="utf-8")
    (tmp_path / ".env").write_text("# shared\nCOLOUR=blue\nexport SHARED='one two' # why\nURL=http://x/#a\n")
    (tmp_path / "more.env").write_text("COLOUR=green\nEXTRA=1 # comment\n\n")
    text = ALL.replace("timeout: 10s\n", "timeout: 10s\n    env_file: more.env\n")
    with world(text, folder=tmp_path) as sim:
        sim.advance("90m")
        seen = sim.invoke("surroundings").payload
    variables = seen["variables"]
    assert seen["now"] == START_S + 5400
    assert 9_990 <= seen["remaining_ms"] <= 10_000
    assert {name: variables.get(name) for name in ("STAGE", "COLOUR", "SHARED", "URL", "EXTRA")} == {
        "STAGE": "test",
        "COLOUR": "red",
        "SHARED": "one two",
        "URL": "http://x/#a",
        "EXTRA": "1",
    }
    assert "REAL" not in variables.values()
    assert variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "surroundings"


def test_a_mistake_in_an_env_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def f(e, c): ...\n")
    text = "functions: {f: {handler: app.f, env_file: my.env}}\n"
    with pytest.raises(UserError, match=r"there is no env_file 'my\.env'"):
        world(text, folder=tmp_path)
    (tmp_path / "my.env").write_text("GOOD=1\nnot a variable\n")
    with pytest.raises(UserError, match=r"my\.env:2: 'not a variable' is not a variable\n  fix: write NAME=value"):
        world(text, folder=tmp_path)
    (tmp_path / "my.env").write_text("AWS_ACCESS_KEY_ID=REAL\n")
    with pytest.raises(UserError, match=r"functions\.f: environment variable AWS_ACCESS_KEY_ID is reserved"):
        world(text, folder=tmp_path)


def test_a_warm_environment_keeps_its_globals_and_a_new_one_does_not() -> None:
    with world() as sim:
        assert [sim.invoke("count").payload for _ in range(3)] == [1, 2, 3]
        sim.restart()
        assert sim.invoke("count").payload == 1


@pytest.mark.slow
def test_a_subprocess_runs_under_a_hold_and_time_is_as_modelled() -> None:
    text = (
        "functions:\n  echo: {handler: plain.echo, runtime: process, duration: 40ms}\n"
        "  other: {handler: plain.echo, runtime: process, duration: 90ms}\n"
    )
    with world(text) as sim:
        sim.invoke("other", invocation_type="Event")
        answer = sim.invoke("echo", {"a": 1})
        assert answer.payload == {"event": {"a": 1}}
        assert sim.elapsed_ms == 40
        assert sim.run_until_idle().reason == "idle"
        assert sim.elapsed_ms == 90


# --- worlds -------------------------------------------------------------------------------------


def _go_on(sim: Simulation) -> str:
    sim.queue("work").send("more")
    sim.invoke("count", invocation_type="Event")
    (message, *_) = sim.queue("work").receive(10)
    sim.queue("work").delete(message)
    sim.bucket("store").put("k", "v")
    sim.advance("5m")
    sim.run_until_idle()
    return trace_text(sim)


def test_restored_and_forked_worlds_go_on_alike() -> None:
    with world() as sim:
        sim.queue("work").send("before")
        sim.invoke("count")
        sim.advance("1m")
        image = sim.snapshot()
        before = trace_text(sim)
        with sim.fork() as fork:
            assert trace_text(fork) == before
            forked = _go_on(fork)
        assert trace_text(sim) == before, "what a fork does leaves this world alone"
        sim.restore(image)
        first = _go_on(sim)
        sim.restore(image)
        assert trace_text(sim) == before
        assert sim.now == "2026-01-15T12:01:00.020Z"
        second = _go_on(sim)
        assert first == second == forked
        assert first.startswith(before)
        assert len(first) > len(before)


def test_a_fork_keeps_the_options_of_its_world() -> None:
    with world(trace="off") as sim, sim.fork() as fork:
        fork.queue("work").send("x")
        assert fork.trace == []
        assert len(fork.engine.checkers) == len(sim.engine.checkers) == 2


def test_a_restart_ends_what_runs_and_loses_nothing() -> None:
    with world() as sim:
        sim.queue("work").send("stays")
        sim.invoke("sleeper", {"seconds": 60, "name": "x"}, invocation_type="Event")
        sim.advance("30s")
        sim.restart()
        sim.run_until_idle()
        assert [row.kind for row in sim.trace if row.kind.startswith("Invocation")] == [
            "InvocationStarted",
            "InvocationInterrupted",
            "InvocationStarted",
            "InvocationSucceeded",
        ]
        assert len(sim.queue("results").messages()) == 1
        assert len(sim.queue("work").messages()) == 1


def test_faults_strike_when_they_are_set() -> None:
    text = "queues: {inbox: {}}\nbuckets: {uploads: {notifications: [{queue: inbox}]}}\n" + (
        "functions: {echo: {handler: app.echo}}\n"
    )
    with world(text) as sim:
        names = sim.names
        until_ms = sim.start_ms + 60_000
        sim.set_faults(
            FaultPlan(
                (HandlerFault(names.function("echo"), ("error", "Boom", "no luck"), 1),),
                (TargetFault(names.queue("inbox"), "down", until_ms=until_ms),),
            )
        )
        failed = sim.invoke("echo")
        assert (failed.function_error, failed.payload["errorType"]) == ("Unhandled", "Boom")
        assert sim.invoke("echo").function_error is None
        sim.bucket("uploads").put("a", "b")
        sim.run_until_idle()
        (sent,) = kinds(sim, "MessageSent")
        assert sent.at_ms >= until_ms
        sim.set_faults(FaultPlan())
        sim.bucket("uploads").put("a", "b")
        sim.run_until_idle()
        assert len(kinds(sim, "MessageSent")) == 2


# --- the trace ----------------------------------------------------------------------------------


def test_every_row_has_a_first_cause_that_is_one() -> None:
    text = ALL.replace(
        "echo: {handler: app.echo}",
        "echo: {handler: app.echo, triggers: ["
        '{schedule: "rate(10 minutes)", rate_starts: at_once}, {s3: store}, {sqs: work}]}',
    )
    with world(text) as sim:
        sim.bucket("store").put("a.txt", "x")
        sim.queue("work").send("m")
        sim.invoke("chain", {"depth": 2})
        sim.invoke("sleeper", {"seconds": 3, "name": "x"}, invocation_type="Event")
        sim.advance("1s")
        sim.restart()
        sim.advance("1h")
        sim.bucket("store").delete("a.txt")
        sim.run_until_idle()
        rows = sim.trace
        book = MemoryBook(rows, sim.payload)
        assert len(rows) > 60
        for row in rows:
            first, kind = origin(book, row)
            assert kind in ("act", "start"), row
            assert is_first_cause(first), first
        assert [row.id for row in rows] == list(range(1, len(rows) + 1))
        assert all(row.cause < row.id for row in rows)
        assert [row.at_ms for row in rows] == sorted(row.at_ms for row in rows)


def test_the_trace_shows_each_payload_once() -> None:
    with world() as sim:
        sim.queue("work").send("twice the same text")
        sim.queue("work").send("twice the same text")
        lines = [json.loads(line) for line in sim.trace_lines()]
        payloads = [line["details"]["payload"] for line in lines if line["kind"] == "MessageSent"]
        assert payloads == [{"digest": payloads[1], "text": "twice the same text"}, payloads[1]]


def test_seeds_differ_and_repeat() -> None:
    def ids(seed: int) -> list[str]:
        with world(QUEUE, seed=seed) as sim:
            return [sim.queue("work").send("x").message_id for _ in range(3)]

    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(2))


# --- what is given back -------------------------------------------------------------------------


def test_a_simulation_that_cannot_be_made_gives_back_what_it_took(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(UserError, match="is not a bucket name"):
        world("buckets: {up: {}}\n", folder=tmp_path)
    assert signal.getsignal(signal.SIGALRM) is before
    with world(QUEUE):
        pass
    assert signal.getsignal(signal.SIGALRM) is before


def test_the_trace_is_read_after_the_end_and_the_database_goes_with_the_simulation() -> None:
    with world(QUEUE) as sim:
        sim.queue("work").send("x")
    assert [row.kind for row in sim.trace][-1] == "MessageSent"
    connection = sim.engine.connection
    del sim
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")

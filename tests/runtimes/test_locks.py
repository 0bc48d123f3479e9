"""Locks in handlers: Python's own rules, and no hang when one is held while its handler waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simtriggers.runtimes.locks import HandlerLock, HandlerRLock
from simtriggers.simulation import Simulation
from tests.simulated import kinds, world

PROJECT = """
functions:
  one: {handler: locking.holds, timeout: 1m}
  two: {handler: locking.holds, timeout: 1m}
  run: {handler: locking.run, timeout: 10s}
"""
CODE = '''
import collections, pickle, queue, threading, time
from concurrent.futures import ThreadPoolExecutor


def shared(kind):
    """One lock for all environments, as a library that is imported once has it."""
    return vars(collections).setdefault(f"simtriggers_test_{kind}", getattr(threading, kind)())


def holds(event, context):
    lock = shared(event["kind"])
    if not lock.acquire(event.get("blocking", True), event.get("timeout", -1)):
        return "busy"
    time.sleep(event["seconds"])
    lock.release()
    return "done"


def run(event, context):
    return eval(compile(event["code"], "code", "exec"), namespace := dict(globals())) or namespace["found"]
'''


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulation]:
    (tmp_path / "locking.py").write_text(CODE)
    with world(PROJECT, folder=tmp_path) as simulation:
        yield simulation
    import collections

    for kind in ("Lock", "RLock"):
        vars(collections).pop(f"simtriggers_test_{kind}", None)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_lock_held_across_a_wait_is_named_to_whoever_wants_it(sim: Simulation, kind: str) -> None:
    sim.invoke("one", {"kind": kind, "seconds": 20}, invocation_type="Event")
    sim.advance("5s")
    answer = sim.invoke("two", {"kind": kind, "seconds": 0})
    assert answer.payload["errorType"] == "NotPossibleInline"
    assert answer.payload["errorMessage"] == (
        "simtriggers: function 'two' waits for a lock that function 'one' holds while it sleeps or calls AWS;"
        " in virtual time both run in one thread; use `runtime: process` for these functions"
    )
    assert sim.elapsed_ms < 6000
    sim.run_until_idle()
    assert len(kinds(sim, "InvocationSucceeded")) == 1
    assert sim.invoke("two", {"kind": kind, "seconds": 0}).payload == "done"


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_who_does_not_want_to_wait_is_told(sim: Simulation, kind: str) -> None:
    sim.invoke("one", {"kind": kind, "seconds": 20}, invocation_type="Event")
    sim.advance("5s")
    assert sim.invoke("two", {"kind": kind, "seconds": 0, "blocking": False}).payload == "busy"


def test_who_waits_for_itself_runs_out_of_time(sim: Simulation) -> None:
    answer = sim.invoke("run", {"code": "lock = threading.Lock(); lock.acquire(); lock.acquire(); found = 1"})
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert sim.elapsed_ms == 10_000
    code = "lock = threading.Lock(); lock.acquire(); found = [lock.acquire(timeout=2), time.sleep(1), lock.locked()]"
    assert sim.invoke("run", {"code": code}).payload == [False, None, True]
    assert sim.elapsed_ms == 13_001


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("lock = threading.RLock(); found = [lock.acquire(), lock.acquire(), lock.release(), lock.release()]", [1, 1]),
        ("with threading.Lock() as got: found = got", True),
        ("box = queue.Queue(); box.put(3); found = [box.get(timeout=1), box.qsize()]", [3, 0]),
        ("event = threading.Event(); event.set(); found = event.wait(1)", True),
        ("with ThreadPoolExecutor(2) as pool: found = list(pool.map(abs, [-1, 2]))", [1, 2]),
        ("found = type(threading.Lock()).__name__ + type(threading.RLock()).__name__", "HandlerLockHandlerRLock"),
    ],
)
def test_what_handlers_do_with_locks(sim: Simulation, code: str, found: Any) -> None:
    answer = sim.invoke("run", {"code": code})
    assert answer.function_error is None, answer.payload
    shown = answer.payload
    assert [bool(item) for item in shown[:2]] == [True, True] if code.startswith("lock = ") else shown == found


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("threading.Lock().release()", "RuntimeError"),
        ("threading.RLock().release()", "RuntimeError"),
        ("pickle.dumps(threading.Lock())", "TypeError"),
    ],
)
def test_what_python_refuses(sim: Simulation, code: str, error: str) -> None:
    assert sim.invoke("run", {"code": f"found = {code}"}).payload["errorType"] == error


def test_a_thread_of_the_handlers_waits_for_its_lock(sim: Simulation) -> None:
    code = """
lock, found = threading.Lock(), []
def work():
    with lock:
        found.append("thread")
with lock:
    worker = threading.Thread(target=work)
    worker.start()
    found.append("handler")
worker.join()
"""
    assert sim.invoke("run", {"code": code}).payload == ["handler", "thread"]


def test_outside_of_handlers_locks_are_pythons(sim: Simulation) -> None:
    for made in (threading.Lock(), threading.RLock()):
        assert not isinstance(made, HandlerLock | HandlerRLock)

"""Clocks, waiting and chance inside handlers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import uuid
from datetime import datetime
from typing import Any

import pytest

from simtriggers.errors import RunLimit
from simtriggers.runtimes.inline import InlineRuntime
from tests.runtimes.support import START_MS, FakeHub, start_of, texts


def _run(handler: str, hub: FakeHub | None = None, **changes: Any) -> tuple[Any, Any]:
    hub = hub or FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start_of("clocks", handler, **{"timeout_ms": 900_000, **changes}))
    hub.run()
    runtime.aclose()
    [(at_ms, _, ended)] = hub.ends
    assert ended.status == "ok", ended
    return json.loads(ended.payload_text or ""), (at_ms, ended)


def test_three_overlapping_handlers_end_in_the_order_of_their_sleeps() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    began = time.perf_counter()
    for name, seconds in (("long", 300), ("short", 2), ("middle", 100)):
        runtime.start(
            start_of(
                "clocks",
                "app.naps",
                invocation_id=name,
                environment_id=name,
                event=json.dumps({"s": seconds}),
                timeout_ms=900_000,
                duration_ms=5,
            )
        )
    assert hub.ends == []
    hub.run()
    assert [(at_ms - START_MS, name) for at_ms, name, _ in hub.ends] == [
        (2_005, "short"),
        (100_005, "middle"),
        (300_005, "long"),
    ]
    long = hub.ends[2][2]
    assert json.loads(long.payload_text or "") == {
        "slept": 300.0,
        "monotonic": 300.0,
        "perf_counter_ns": 300_000_000_000,
        "left_ms": 600_000,
        "today": "2026-01-15",
        "hour": 12,
    }
    assert long.logs == (
        (START_MS, "asleep 2026-01-15T12:00:00+00:00\n"),
        (START_MS + 300_000, "awake 2026-01-15T12:05:00\n"),
    )
    assert (long.duration_us, long.max_memory_mb, long.keep) == (300_005_000, 64, True)
    assert time.perf_counter() - began < 200


def test_fractions_of_a_millisecond_add_up() -> None:
    answer, (at_ms, ended) = _run("app.naps", event='{"s": 0.0104}', duration_ms=2)
    assert answer["slept"] == 0.0104
    assert (at_ms - START_MS, ended.duration_us) == (13, 12_400)


def test_asyncio_waits_in_virtual_time() -> None:
    answer, (at_ms, _) = _run("app.gathers")
    assert answer == [["a", 300.0], ["b", 0.5], ["timed out", 7]]
    assert START_MS + 309_001 <= at_ms <= START_MS + 309_002


def test_a_loop_made_by_hand() -> None:
    answer, _ = _run("app.old_loop")
    assert answer == pytest.approx(START_MS / 1000 + 60, abs=0.001)


def test_sleep_refuses_what_python_refuses() -> None:
    answer, _ = _run("app.bad_sleeps")
    assert answer == [
        "ValueError: sleep length must be non-negative",
        "ValueError: Invalid value NaN (not a number)",
        "OverflowError: timestamp out of range for platform time_t",
        "TypeError: 'str' object cannot be interpreted as an integer",
        "TypeError: 'NoneType' object cannot be interpreted as an integer",
    ]


def test_chance_is_seeded_in_handlers_alone() -> None:
    random.seed(99)
    expected = random.random()
    random.seed(99)
    first, _ = _run("app.draws")
    outside = random.random(), str(uuid.uuid4()), os.urandom(8)
    second, _ = _run("app.draws")
    other, _ = _run("app.draws", FakeHub(seed=2))
    assert first == second
    assert outside[0] == expected
    assert str(uuid.uuid4()) not in (outside[1], first["uuid4"])
    assert os.urandom(8) != outside[2]
    same = {name for name in first if first[name] == other[name]}
    assert same == {"seeded"}
    assert first["seeded"] == random.Random(5).random()
    assert uuid.UUID(first["uuid4"]).version == 4
    ticks = uuid.UUID(first["uuid1"]).time
    assert ticks // 10_000 - 12_219_292_800_000 == START_MS


def test_a_second_invocation_draws_other_lots() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    for cold in (True, False):
        runtime.start(start_of("clocks", "app.draws", cold=cold))
        hub.run()
    first, second = (json.loads(ended.payload_text or "") for _, _, ended in hub.ends)
    assert first["uuid4"] != second["uuid4"]
    assert first["secret"] != second["secret"]


def test_real_time_is_back_outside() -> None:
    before = time.time()
    _run("app.naps", event='{"s": 300}')
    assert abs(time.time() - before) < 200
    assert abs(datetime.now().timestamp() - before) < 200
    began = time.perf_counter()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(asyncio.Event().wait(), 0.002))
    assert time.perf_counter() - began >= 0.002


# --- the end of handlers ------------------------------------------------------------------------


def _timeout_of(handler: str) -> tuple[FakeHub, InlineRuntime, Any]:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start_of("clocks", handler, timeout_ms=3000, init_duration_ms=100))
    hub.run()
    [(at_ms, _, ended)] = hub.ends
    assert at_ms == START_MS + 3100
    assert (ended.status, ended.keep, ended.duration_us, ended.init_duration_us) == (
        "timeout",
        False,
        3_000_000,
        100_000,
    )
    assert ended.payload_text == (
        '{"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: req-1 Error: Task timed out after 3.00 seconds"}'
    )
    return hub, runtime, ended


def test_timeout_of_a_handler_that_catches_everything() -> None:
    _, runtime, ended = _timeout_of("app.survives_everything")
    assert texts(ended) == []
    assert runtime.busy() == []


def test_timeout_unwinds_and_nothing_of_it_is_logged() -> None:
    _, _, ended = _timeout_of("app.cleans_up")
    assert texts(ended) == []
    assert "CLEANED" not in os.environ


def test_modelled_duration_beyond_the_timeout() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    for duration_ms in (3000, 3001):
        runtime.start(start_of("clocks", "app.bad_sleeps", timeout_ms=3000, duration_ms=duration_ms))
        hub.run()
    assert [ended.status for _, _, ended in hub.ends] == ["ok", "timeout"]
    assert [at_ms - START_MS for at_ms, _, _ in hub.ends] == [3000, 6000]


def test_measured_duration_is_at_least_a_millisecond() -> None:
    _, (at_ms, ended) = _run("app.bad_sleeps", duration_ms=-1, init_duration_ms=-1)
    assert 1000 <= ended.duration_us < 1_000_000
    assert 1 < ended.init_duration_us < 5_000_000
    assert at_ms > START_MS + 1


def test_slow_fault_adds_time() -> None:
    _, (at_ms, ended) = _run("app.bad_sleeps", fault=("slow", "250"))
    assert (at_ms - START_MS, ended.duration_us) == (251, 251_000)


def test_initialisation_beyond_its_limit_runs_again_in_the_invocation(tmp_path: Any) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nbegan = time.time()\ntime.sleep(12)\n"
        "def handler(event, context):\n    return [began, time.time()]\n"
    )
    for timeout_ms, status, at_ms in ((20_000, "ok", 22_001), (11_000, "timeout", 21_000)):
        hub = FakeHub()
        runtime = InlineRuntime(hub)
        runtime.start(start_of(tmp_path, "slow.handler", timeout_ms=timeout_ms))
        hub.run()
        [(ended_ms, _, ended)] = hub.ends
        assert (ended_ms - START_MS, ended.status, ended.init_duration_us) == (at_ms, status, 10_000_000)
        if status == "ok":
            began_s = START_MS // 1000 + 10
            assert json.loads(ended.payload_text or "") == [began_s, began_s + 12]
            assert ended.duration_us == 12_001_000


@pytest.mark.parametrize("handler", ["computes", "computes_and_catches"])
def test_watchdog_stops_a_runaway_and_the_run(handler: str) -> None:
    runtime = InlineRuntime(FakeHub(), watchdog_s=0.05)
    with pytest.raises(RunLimit, match=r"function 'work' has computed for 0\.05 s .*\n.*runtime: process"):
        runtime.start(start_of("clocks", f"app.{handler}"))
    runtime.aclose()


def test_a_thread_that_sleeps_is_named() -> None:
    answer, _ = _run("app.uses_thread")
    assert len(answer) == 1
    assert "function 'work' calls time.sleep in a thread" in answer[0]
    assert "runtime: process" in answer[0]


def test_os_exit_ends_the_invocation_and_not_simtriggers() -> None:
    hub = FakeHub()
    InlineRuntime(hub).start(start_of("clocks", "app.ends_process"))
    hub.run()
    [(_, _, ended)] = hub.ends
    assert (ended.status, ended.keep) == ("exit", False)
    assert "exit status 4" in str(ended.payload_text)

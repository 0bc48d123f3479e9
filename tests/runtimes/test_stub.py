"""Outcomes of stubs and of injected faults."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended
from simtriggers.runtimes.inline import InlineRuntime
from simtriggers.runtimes.process import ProcessRuntime
from simtriggers.runtimes.stub import planned
from tests.runtimes.support import START_MS, FakeHub, start_of

TIMED_OUT = (
    '{"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: req-1 Error: Task timed out after 3.00 seconds"}'
)
EXITED = (
    '{"errorType": "Runtime.ExitError", '
    '"errorMessage": "RequestId: req-1 Error: Runtime exited with error: exit status 3"}'
)
RAISED = '{"errorMessage": "größer", "errorType": "PaymentError", "requestId": "req-1", "stackTrace": []}'
RAISED_LOG = "[ERROR] PaymentError: größer\nTraceback (most recent call last):"

CASES: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"stub": ("returns", '{"a": 1}')}, ("ok", '{"a": 1}', 20_000, True, ())),
    ({"stub": ("raises", "PaymentError", "größer")}, ("error", RAISED, 20_000, True, (RAISED_LOG,))),
    ({"fault": ("error", "PaymentError", "größer")}, ("error", RAISED, 20_000, True, (RAISED_LOG,))),
    ({"stub": ("times_out",)}, ("timeout", TIMED_OUT, 3_000_000, False, ())),
    ({"fault": ("timeout",)}, ("timeout", TIMED_OUT, 3_000_000, False, ())),
    ({"stub": ("exits", "3")}, ("exit", EXITED, 20_000, False, ())),
    ({"fault": ("exit", "3"), "stub": ("returns", "1")}, ("exit", EXITED, 20_000, False, ())),
    ({"fault": ("slow", "50"), "stub": ("returns", "1")}, ("ok", "1", 70_000, True, ())),
    ({"fault": ("slow", "2981"), "stub": ("returns", "1")}, ("timeout", TIMED_OUT, 3_000_000, False, ())),
    ({"fault": ("slow", "2980"), "stub": ("returns", "1")}, ("ok", "1", 3_000_000, True, ())),
]


@pytest.mark.parametrize("changes,expected", CASES, ids=[str(changes) for changes, _ in CASES])
def test_virtual(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start_of("errors", "app.nothing", duration_ms=20, init_duration_ms=300, **changes))
    hub.run()
    [(at_ms, _, ended)] = hub.ends
    status, payload, duration_us, keep, logs = expected
    assert (ended.status, ended.payload_text, ended.duration_us, ended.keep) == (status, payload, duration_us, keep)
    assert tuple(text for _, text in ended.logs) == logs
    assert (at_ms - START_MS) * 1000 == duration_us + 300_000
    assert (ended.init_duration_us, ended.max_memory_mb) == (300_000, 64)


def test_nothing_is_planned_for_a_handler() -> None:
    assert planned(start_of("errors", "app.echo")) is None
    assert planned(start_of("errors", "app.echo", fault=("slow", "5"))) is None


def test_live_a_fault_takes_its_time_and_no_process() -> None:
    async def run() -> tuple[Ended, Ended, float]:
        runtime = ProcessRuntime(lambda: START_MS)
        began = time.monotonic()
        fault = start_of("errors", "app.echo", fault=("error", "E", "m"), duration_ms=50)
        failed = await runtime.run(fault)
        took = time.monotonic() - began
        slow = await runtime.run(start_of("errors", "app.echo", fault=("slow", "60"), cold=False))
        await runtime.aclose()
        return failed, slow, took

    failed, slow, took = asyncio.run(run())
    assert (failed.status, failed.duration_us, failed.keep) == ("error", 50_000, True)
    assert json.loads(failed.payload_text or "")["errorType"] == "E"
    assert took >= 0.05
    assert slow.status == "ok" and slow.duration_us >= 60_000

"""What a subprocess reports, with the times and memory that the project models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended, Start
from simtriggers.runtimes.virtual import as_modelled
from tests.runtimes.support import start_of
from tests.simulated import kinds, world

MODELLED: dict[str, Any] = {"duration_ms": 40, "init_duration_ms": 250, "timeout_ms": 3000}
MEASURED: dict[str, Any] = {"duration_ms": -1, "init_duration_ms": -1, "timeout_ms": 3000}
OK = ("ok", 1234, 56_000, 81)
TIMEOUT = ("timeout", 3_000_000, 56_000, 81)

CASES = [
    ("a modelled run", MODELLED, OK, ("ok", 40_000, 250_000, 64)),
    ("a warm one has no initialisation", {**MODELLED, "cold": False}, OK, ("ok", 40_000, 0, 64)),
    ("a measured run", MEASURED, OK, ("ok", 1234, 56_000, 81)),
    ("a timeout takes all of its time", MODELLED, TIMEOUT, ("timeout", 3_000_000, 250_000, 64)),
    ("modelled beyond the timeout", {**MODELLED, "duration_ms": 3001}, OK, ("timeout", 3_000_000, 250_000, 64)),
    ("a slow fault", {**MODELLED, "fault": ("slow", "700")}, OK, ("ok", 740_000, 250_000, 64)),
    ("a slow fault, measured", {**MEASURED, "fault": ("slow", "700")}, OK, ("ok", 701_234, 56_000, 81)),
    ("too slow", {**MODELLED, "fault": ("slow", "2961")}, OK, ("timeout", 3_000_000, 250_000, 64)),
]


@pytest.mark.parametrize("name, changes, real, expected", CASES, ids=[case[0] for case in CASES])
def test_as_modelled(name: str, changes: dict[str, Any], real: Any, expected: Any) -> None:
    start: Start = start_of("errors", "app.nothing", **{"cold": True, **changes})
    status, duration_us, init_us, memory_mb = real
    ended = Ended("req-1", 1, 1, status, "1", ((5, "hello\n"),), duration_us, init_us, memory_mb, status == "ok")
    found = as_modelled(start, ended)
    assert (found.status, found.duration_us, found.init_duration_us, found.max_memory_mb) == expected
    assert (found.logs, found.keep) == (ended.logs, expected[0] == "ok")
    if status == "ok" and expected[0] == "timeout":
        assert json.loads(found.payload_text or "")["errorType"] == "Sandbox.Timedout"
    else:
        assert found.payload_text == "1"


@pytest.mark.slow
def test_a_subprocess_that_never_returns_takes_its_timeout(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def forever(event, context):\n    while True:\n        pass\n")
    text = "functions: {forever: {handler: app.forever, runtime: process, timeout: 1s, init_duration: 100ms}}\n"
    with world(text, folder=tmp_path) as sim:
        assert sim.invoke("forever").payload["errorType"] == "Sandbox.Timedout"
        assert sim.elapsed_ms == 1100
        (failed,) = kinds(sim, "InvocationFailed")
        assert (failed.details["duration_ms"], failed.details["max_memory_mb"]) == (1000.0, 64)

"""Under a debugger no timeout fires and no time passes: a person looks at a handler for as long as it takes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended
from simtriggers.errors import RunLimit
from simtriggers.runtimes.active import debugged
from simtriggers.runtimes.inline import InlineRuntime
from simtriggers.runtimes.thread import ThreadRuntime
from tests.runtimes.support import START_MS, FakeHub, start_of

LOOKED_AT = """
import time

def handler(event, context):
    end = time.process_time() + event["s"]
    while time.process_time() < end:
        pass
    return "looked at"
"""


def _trace(*_: Any) -> None:
    """What a debugger leaves in `sys.settrace`."""


class CoverageTracer:
    """What a measurement of coverage leaves there."""

    __module__ = "coverage.tracer"

    def __call__(self, *_: Any) -> None: ...


@pytest.fixture
def debugger() -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(_trace)
    yield
    sys.settrace(before)


@pytest.fixture
def no_debugger() -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(before)


def _inline(folder: Path) -> tuple[FakeHub, Ended]:
    (folder / "looking.py").write_text(LOOKED_AT)
    hub = FakeHub()
    runtime = InlineRuntime(hub, watchdog_s=0.1)
    try:
        runtime.start(start_of(folder, "looking.handler", event='{"s": 0.5}', duration_ms=-1))
        hub.run()
    finally:
        runtime.aclose()
    ((_, _, ended),) = hub.ends
    return hub, ended


def test_in_virtual_time_a_look_takes_a_millisecond(tmp_path: Path, debugger: None) -> None:
    hub, ended = _inline(tmp_path)
    assert (ended.status, json.loads(ended.payload_text or ""), ended.duration_us) == ("ok", "looked at", 1000)
    assert hub.at_ms == START_MS + 1


def test_without_one_the_watchdog_ends_it(tmp_path: Path, no_debugger: None) -> None:
    with pytest.raises(RunLimit, match="function 'work' has computed for"):
        _inline(tmp_path)


@pytest.mark.live
@pytest.mark.parametrize("looking", [True, False])
def test_in_a_thread_the_timeout_waits_for_whoever_looks(
    tmp_path: Path, looking: bool, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("debugger" if looking else "no_debugger")
    (tmp_path / "looking.py").write_text(LOOKED_AT)

    async def run() -> Ended:
        runtime = ThreadRuntime(lambda: START_MS)
        try:
            return await runtime.run(start_of(tmp_path, "looking.handler", event='{"s": 1.5}', timeout_ms=300))
        finally:
            await runtime.aclose()

    assert asyncio.run(run()).status == ("ok" if looking else "timeout")


def test_who_counts_as_a_debugger(no_debugger: None) -> None:
    assert not debugged()
    for tracer, expected in ((_trace, True), (CoverageTracer(), False)):
        sys.settrace(tracer)
        try:
            found = debugged()
        finally:
            sys.settrace(None)
        assert found is expected

"""Handlers in worker threads of simtriggers' own process."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended
from simtriggers.runtimes.thread import ThreadRuntime
from tests.runtimes import support
from tests.runtimes.support import START_MS, texts

pytestmark = pytest.mark.live
FOLDER = "worlds/one"
start_of = functools.partial(support.start_of, timeout_ms=60_000)


def _with(body: Callable[[ThreadRuntime], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        runtime = ThreadRuntime(lambda: START_MS, **settings)
        try:
            await body(runtime)
        finally:
            await runtime.aclose()

    before = (sys.stdout, sys.stderr, dict(os.environ), tuple(logging.root.handlers), sys.breakpointhook)
    path = [*sys.path]
    asyncio.run(run())
    sys.path[:] = path
    sys.modules.pop("threads", None)
    assert (sys.stdout, sys.stderr, dict(os.environ), tuple(logging.root.handlers), sys.breakpointhook) == before


def _answer(ended: Ended) -> Any:
    assert ended.status == "ok", ended
    return json.loads(ended.payload_text or "")


def test_two_threads_keep_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "x")

    async def body(runtime: ThreadRuntime) -> None:
        starts = [
            start_of(FOLDER, "threads.shows", environment_id=name, event=json.dumps({"name": name})) for name in "ab"
        ]
        first, second = await asyncio.gather(*(runtime.run(start) for start in starts))
        assert _answer(first) == [1, "a", None, "a"]
        assert _answer(second) == [1, "b", None, "b"]
        assert texts(first)[0].startswith("simtriggers: function 'work' runs in a thread")
        assert texts(first)[1:2] == ["hello a\n"]
        assert texts(second)[0] == "hello b\n"
        assert texts(second)[1].startswith("[WARNING]\t") and texts(second)[1].endswith("Z\treq-1\tcareful\n")
        again = await runtime.run(
            start_of(FOLDER, "threads.shows", environment_id="a", cold=False, event='{"name": "a"}')
        )
        assert _answer(again)[0] == 2

    _with(body)


def test_ends() -> None:
    async def body(runtime: ThreadRuntime) -> None:
        ends = {
            name: await runtime.run(start_of(FOLDER, f"threads.{name}", environment_id=name))
            for name in ("raises", "exits", "missing")
        }
        assert {name: (ended.status, ended.keep) for name, ended in ends.items()} == {
            "raises": ("error", True),
            "exits": ("exit", False),
            "missing": ("error", False),
        }
        assert json.loads(ends["raises"].payload_text or "")["stackTrace"] == [
            '  File "/var/task/threads.py", line 25, in raises\n    raise KeyError("k")\n'
        ]
        assert "Runtime.HandlerNotFound" in str(ends["missing"].payload_text)

    _with(body)


def test_what_a_handler_does_after_its_timeout_is_not_recorded() -> None:
    streamed: list[str] = []

    async def body(runtime: ThreadRuntime) -> None:
        for timeout_s in (0.2, 2, 20):
            event = json.dumps({"s": 2 * timeout_s})
            start = start_of(FOLDER, "threads.sleeps", event=event, timeout_ms=int(timeout_s * 1000))
            ended = await runtime.run(start)
            assert (ended.status, ended.keep) == ("timeout", False)
            if "before\n" in texts(ended):
                break  # else the machine was too busy for it to come so far
        await asyncio.sleep(1.2 * timeout_s)
        assert texts(ended)[-1] == streamed[-1] == "before\n"

    _with(body, on_log=lambda start, at_ms, text: streamed.append(text))


def test_boto3_fails_at_once_and_says_so() -> None:
    async def body(runtime: ThreadRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, "threads.calls_aws", timeout_ms=20_000))
        assert "NotConnected" in str(ended.payload_text)

    _with(body)


def test_breakpoint_talks_to_the_terminal_and_stops_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout_s = 0.0

    class Typist(io.StringIO):
        def readline(self, size: int = -1, /) -> str:
            import time

            time.sleep(0.8 * timeout_s)
            return super().readline()

    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)

    async def body(runtime: ThreadRuntime) -> None:
        nonlocal timeout_s
        for timeout_s in (0.4, 4, 40):
            monkeypatch.setattr(sys, "stdin", Typist("answer = 42\ncontinue\n"))
            ended = await runtime.run(start_of(FOLDER, "threads.breaks", timeout_ms=int(timeout_s * 1000)))
            if terminal.getvalue():
                break  # else the machine was too busy for it to come so far
        assert _answer(ended) == 42

    _with(body)
    assert "(Pdb)" in terminal.getvalue()

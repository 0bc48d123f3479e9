"""The runtimes of a live world: subprocesses by default, threads for `inline`, stubs."""

from __future__ import annotations

import os
from collections.abc import Callable

import anyio

from ..aws.contracts import Ended, HttpEnded, HttpRequest, Start, Work
from .http import LiveHttp
from .process import ProcessRuntime
from .thread import ThreadRuntime

PROCESSES = max(16, 8 * (os.cpu_count() or 1))
"""How many handlers run at once in processes, and how many processes are kept warm. More wait for a place: a
burst of files must not start a thousand interpreters on one machine."""


class LiveRuntimes:
    """The `live.driver.LiveRuntime` that picks by the function's runtime.

    `on_log(function, text)` is called with each line as a handler writes it.
    """

    def __init__(self, now_ms: Callable[[], int], *, on_log: Callable[[str, str], None]) -> None:
        def told(start: Start, at_ms: int, text: str) -> None:
            on_log(start.function_name, text)

        self._processes = ProcessRuntime(now_ms, on_log=told)
        self._places = anyio.Semaphore(PROCESSES)
        self._idle: dict[str, None] = {}
        self._http = LiveHttp()
        self._threads = ThreadRuntime(now_ms, on_log=told)

    async def run(self, start: Work) -> Ended | HttpEnded:
        """Run one attempt, or one request, to its end."""
        if isinstance(start, HttpRequest):
            return await self._http.run(start)
        if start.code.runtime == "inline":
            return await self._threads.run(start)
        async with self._places:
            self._idle.pop(start.environment_id, None)
            ended = await self._processes.run(start)
        if ended.keep:
            self._idle[start.environment_id] = None
        while len(self._idle) > PROCESSES:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            await self._processes.close(oldest)
        return ended

    async def retire_all(self) -> None:
        """End idle processes now and busy ones when they are done: the code may have changed."""
        await self._processes.retire_all()

    async def aclose(self) -> None:
        """Let running handlers finish within a grace time, then end their processes."""
        await self._processes.aclose()
        await self._threads.aclose()

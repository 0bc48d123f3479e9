"""The runtimes of a live world: subprocesses by default, threads for `inline`, stubs."""

from __future__ import annotations

from collections.abc import Callable

from ..aws.contracts import Ended, HttpEnded, HttpRequest, Start, Work
from .http import LiveHttp
from .process import ProcessRuntime
from .thread import ThreadRuntime


class LiveRuntimes:
    """The `live.driver.LiveRuntime` that picks by the function's runtime.

    `on_log(function, text)` is called with each line as a handler writes it.
    """

    def __init__(self, now_ms: Callable[[], int], *, on_log: Callable[[str, str], None]) -> None:
        def told(start: Start, at_ms: int, text: str) -> None:
            on_log(start.function_name, text)

        self._processes = ProcessRuntime(now_ms, on_log=told)
        self._http = LiveHttp()
        self._threads = ThreadRuntime(now_ms, on_log=told)

    async def run(self, start: Work) -> Ended | HttpEnded:
        """Run one attempt, or one request, to its end."""
        if isinstance(start, HttpRequest):
            return await self._http.run(start)
        if start.code.runtime == "inline":
            return await self._threads.run(start)
        return await self._processes.run(start)

    async def retire_all(self) -> None:
        """End idle processes now and busy ones when they are done: the code may have changed."""
        await self._processes.retire_all()

    async def aclose(self) -> None:
        """Let running handlers finish within a grace time, then end their processes."""
        await self._processes.aclose()
        await self._threads.aclose()

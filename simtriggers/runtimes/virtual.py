"""The runtimes of a virtual world: greenlets by default, stubs, and subprocesses under a hold.

A subprocess works in real time: while one runs, virtual time is held, and its end is put on the agenda at
the modelled (or measured) duration after its start.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace
from queue import SimpleQueue

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..aws.contracts import Ended, HttpRequest, Start, Work
from ..engine.virtual import VirtualEngine
from .http import VirtualHttp
from .hub import VirtualHub
from .inline import InlineRuntime
from .process import ProcessRuntime
from .stub import planned


class VirtualRuntimes:
    """The `engine.virtual.Runtime` of one engine."""

    def __init__(self, engine: VirtualEngine, *, shared_modules: bool = False) -> None:
        self.shared_modules = shared_modules
        self._hub = VirtualHub(engine)
        self.inline = InlineRuntime(self._hub, shared=shared_modules)
        self.http = VirtualHttp(engine)
        self._engine = engine
        self._processes: _Processes | None = None

    def start(self, start: Work) -> None:
        """Begin an attempt or a request."""
        if isinstance(start, HttpRequest):
            self.http.start(start)
        elif start.code.runtime == "process" and planned(start) is None:
            if self._processes is None:
                self._processes = _Processes(self._engine)
            self._processes.start(start)
        else:
            self.inline.start(start)

    def abandon(self) -> None:
        """Everything that runs is gone without a report."""
        self.inline.abandon()
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def forget_all(self) -> None:
        """No environment is left: the world was replaced by another."""
        self.abandon()
        self._hub.world = self._engine.ids.next_row
        self.inline.forget_streams()

    def busy(self) -> list[str]:
        """What is running, in words."""
        return [*self.inline.busy(), *(self._processes.busy() if self._processes is not None else [])]

    def close(self) -> None:
        """End everything and give back what was patched."""
        self.abandon()
        self.inline.aclose()


class _Processes:
    """A process runtime on an event loop in a thread of its own."""

    def __init__(self, engine: VirtualEngine) -> None:
        self._engine = engine
        self._context: AbstractContextManager[BlockingPortal] = start_blocking_portal()
        self._portal = self._context.__enter__()
        self._runtime: ProcessRuntime = self._portal.call(lambda: ProcessRuntime(lambda: engine.now_ms))
        self._ended: SimpleQueue[tuple[Start, Future[Ended]]] = SimpleQueue()
        self._running: dict[str, str] = {}
        engine.wait_with(self._wait)

    def start(self, start: Start) -> None:
        name = f"{start.function_name} {start.request_id} in a process"
        self._running[f"{start.invocation_id}/{start.attempt}"] = name
        self._engine.holds.take(name)
        future = self._portal.start_task_soon(self._runtime.run, start)
        future.add_done_callback(lambda done: self._ended.put((start, done)))

    def _wait(self) -> None:
        start, future = self._ended.get()
        self._engine.holds.release(self._running.pop(f"{start.invocation_id}/{start.attempt}"))
        ended = future.result()
        if start.duration_ms >= 0:
            ended = replace(ended, duration_us=max(1, start.duration_ms) * 1000, init_duration_us=0)
        took_ms = max(1, -(-(ended.duration_us + ended.init_duration_us) // 1000))
        self._engine.resume_at(self._engine.now_ms + took_ms, lambda: self._engine.ended(start, ended))

    def busy(self) -> list[str]:
        return list(self._running.values())

    def close(self) -> None:
        for name in self._running.values():
            self._engine.holds.release(name)
        self._running.clear()
        self._portal.call(self._runtime.aclose)
        self._context.__exit__(None, None, None)

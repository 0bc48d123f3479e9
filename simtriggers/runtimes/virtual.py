"""The runtimes of a virtual world: greenlets by default, stubs, and subprocesses under a hold.

A subprocess works in real time: while one runs, virtual time is held, and its end is put on the agenda at
the modelled (or measured) duration after its start. What the project models does not depend on the machine.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import zip_longest
from queue import SimpleQueue

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..aws.contracts import Ended, HttpRequest, Start, Work
from ..engine.virtual import RuntimeState, VirtualEngine
from .http import HttpStub, VirtualHttp
from .hub import VirtualHub
from .inline import InlineRuntime
from .process import ProcessRuntime
from .stub import MODELLED_MEMORY_MB, planned, slow_us, timed_out


class VirtualRuntimes:
    """The `engine.virtual.Runtime` of one engine."""

    def __init__(self, engine: VirtualEngine, *, shared_modules: bool = False) -> None:
        self.shared_modules = shared_modules
        self._in_processes: set[str] = set()
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
            self._in_processes.add(start.function_name)
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

    def state(self) -> RuntimeState:
        """What belongs to a snapshot."""
        return RuntimeState(self._hub.world, tuple(tuple(stub.received) for stub in self.http.stubs))

    def restored(self, state: RuntimeState) -> None:
        """No environment is left: the world was replaced by another."""
        self.abandon()
        self._hub.world = state.world
        self._in_processes.clear()
        self.inline.forget_streams()
        for stub, received in zip_longest(self.http.stubs, state.received, fillvalue=()):
            if isinstance(stub, HttpStub):
                stub.received[:] = received

    def pristine(self) -> bool:
        """Whether no module of a handler was imported and no chance of one drawn."""
        return self.inline.pristine()

    def forget_past(self) -> None:
        """What has run until now is never done again."""
        self._in_processes.clear()

    def unrepeatable(self) -> str:
        """Functions that have run in subprocesses: what those do is not this process's to do again."""
        if not self._in_processes:
            return ""
        names = ", ".join(sorted(self._in_processes))
        return f"{names} ran in a process since the last quiet point, and cannot be run again"

    def busy(self) -> list[str]:
        """What is running, in words."""
        return [*self.inline.busy(), *(self._processes.busy() if self._processes is not None else [])]

    def close(self) -> None:
        """End everything and give back what was patched."""
        self.abandon()
        self.inline.aclose()


def as_modelled(start: Start, ended: Ended) -> Ended:
    """What a subprocess reported, with the times and memory that the project models in place of the real ones,
    and the time that the fault plan adds. It times out when that takes too long."""
    init_us, duration_us, memory_mb = ended.init_duration_us, ended.duration_us, ended.max_memory_mb
    if start.init_duration_ms >= 0:
        init_us = start.init_duration_ms * 1000 if start.cold else 0
    if start.duration_ms >= 0:
        duration_us = max(1, start.duration_ms) * 1000
        memory_mb = min(MODELLED_MEMORY_MB, start.memory_mb)
    duration_us += slow_us(start)
    limit_us = start.timeout_ms * 1000
    if ended.status == "timeout":
        duration_us = limit_us
    elif duration_us > limit_us:
        over = timed_out(start, init_us).ended(start, ended.logs)
        return replace(over, max_memory_mb=memory_mb)
    return replace(ended, duration_us=duration_us, init_duration_us=init_us, max_memory_mb=memory_mb)


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
        # The time that a fault adds is virtual, so that nobody waits for it.
        bare = replace(start, fault=None) if slow_us(start) else start
        future = self._portal.start_task_soon(self._runtime.run, bare)
        future.add_done_callback(lambda done: self._ended.put((start, done)))

    def _wait(self) -> None:
        start, future = self._ended.get()
        self._engine.holds.release(self._running.pop(f"{start.invocation_id}/{start.attempt}"))
        ended = as_modelled(start, future.result())
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

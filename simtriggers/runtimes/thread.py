"""The live runtime for breakpoints: handlers in worker threads of simtriggers' own process.

Isolates what threads allow: `os.environ`, standard output, the log, the module instance of an environment. It
says once, in the function's log, what it cannot: the folder, `sys.path`, later imports, and an end by force.
"""

from __future__ import annotations

import io
import logging
import math
import os
import pdb
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread

from ..aws.contracts import Ended, Start
from .active import debugged
from .attempt import AttemptLog, OnLog, without_handler
from .bootstrap import lambda_runtime
from .bootstrap.lambda_runtime import LambdaContext, LogHandler, Names, error_document, error_log
from .capture import Capture
from .module_view import CodeFolder
from .stub import Outcome, context_row, exited, slow_us, timed_out
from .surroundings import SANDBOX_HOME, variables
from .virtual_time import popen_init

_environ: Any = os.environ
_call: ContextVar[Call | None] = ContextVar("simtriggers_call", default=None)
_folder_of = lru_cache(maxsize=256)(CodeFolder)
_importing = threading.Lock()


class Call:
    """One attempt in its thread. `dead`: it has timed out, and what it still does is not recorded."""

    def __init__(self, start: Start, emit: Callable[[str], None]) -> None:
        self.start = start
        self.dead = False
        self.scope: anyio.CancelScope | None = None
        self._emit = emit
        encode = _environ.encodekey, _environ.encodevalue
        wanted = variables(start, home=SANDBOX_HOME)
        self.variables = {encode[0](name): encode[1](text) for name, text in wanted.items()}
        self.output = Capture(self.write)

    def write(self, text: str) -> None:
        """One line or log event."""
        if not self.dead:
            self._emit(text)


class _Variables(MutableMapping[Any, Any]):
    """What lies behind `os.environ`: the variables of the call in whose thread one asks."""

    def __init__(self, outside: MutableMapping[Any, Any]) -> None:
        self.outside = outside

    def _now(self) -> MutableMapping[Any, Any]:
        call = _call.get()
        return self.outside if call is None else call.variables

    def __getitem__(self, key: Any) -> Any:
        return self._now()[key]

    def __setitem__(self, key: Any, text: Any) -> None:
        self._now()[key] = text

    def __delitem__(self, key: Any) -> None:
        del self._now()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


class _Stream(io.TextIOBase):
    """Standard output or error: of the call in whose thread one writes."""

    def __init__(self, outside: Any) -> None:
        super().__init__()
        self.outside = outside

    def _now(self) -> Any:
        call = _call.get()
        return self.outside if call is None else call.output

    def write(self, text: str, /) -> int:
        written: int = self._now().write(text)
        return written

    def flush(self) -> None:
        self._now().flush()

    def isatty(self) -> bool:
        return bool(self._now().isatty())

    def fileno(self) -> int:
        return int(self._now().fileno())

    @property
    def buffer(self) -> Any:
        """The stream of bytes below."""
        return self._now().buffer


class _Patches:
    """What is put in place while a ThreadRuntime is open."""

    def __init__(self) -> None:
        self._outside = (_environ._data, sys.stdout, sys.stderr, subprocess.Popen.__init__)
        _environ._data = _Variables(_environ._data)
        sys.stdout, sys.stderr = _Stream(sys.stdout), _Stream(sys.stderr)
        init = popen_init(subprocess.Popen.__init__, lambda: _call.get() is not None)
        subprocess.Popen.__init__ = init  # type: ignore[method-assign]
        self._handler = LogHandler(_write_log, _request_id)
        self._handler.addFilter(lambda record: _call.get() is not None)
        logging.getLogger().addHandler(self._handler)
        _guard()
        self._hook = sys.breakpointhook
        sys.breakpointhook = self._breakpoint

    def _breakpoint(self, *args: Any, **named: Any) -> Any:
        """`breakpoint()`: pdb talks to the terminal, not to the log, and the timeout does not fire."""
        call = _call.get()
        if call is None or os.environ.get("PYTHONBREAKPOINT"):
            return self._hook(*args, **named)
        scope = call.scope
        if scope is not None:
            anyio.from_thread.run_sync(setattr, scope, "deadline", math.inf)
        return pdb.Pdb(stdin=sys.stdin, stdout=self._outside[1]).set_trace(sys._getframe(1))

    def undo(self) -> None:
        """Take it off again."""
        logging.getLogger().removeHandler(self._handler)
        sys.breakpointhook = self._hook
        _environ._data, sys.stdout, sys.stderr, init = self._outside
        subprocess.Popen.__init__ = init  # type: ignore[method-assign]


@cache
def _guard() -> None:
    lambda_runtime.guard_botocore(lambda: _call.get() is not None)


def _write_log(text: str) -> None:
    call = _call.get()
    if call is not None:
        call.write(text)


def _request_id() -> str:
    call = _call.get()
    return "" if call is None else call.start.request_id


class ThreadRuntime:
    """Runs handlers in threads. `now_ms` is simulated time, for the log; a handler's own time is real."""

    def __init__(self, now_ms: Callable[[], int], *, on_log: OnLog | None = None) -> None:
        self._now_ms = now_ms
        self._on_log = on_log
        self._patches: _Patches | None = None
        self._functions: dict[str, Callable[[Any, Any], Any]] = {}
        self._told: set[str] = set()
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, start: Start) -> Ended:
        """Run one attempt to its end, or to its timeout: then its thread is left to itself."""
        log = AttemptLog(start, self._now_ms, self._on_log)
        outcome = await without_handler(start)
        if outcome is not None:
            if outcome.log:
                log(outcome.log)
            return outcome.ended(start, tuple(log.lines))
        if self._patches is None:
            self._patches = _Patches()
            self._limiter = anyio.CapacityLimiter(1000)
        call = Call(start, log)
        self._tell(call)
        outcome = await self._in_thread(call)
        if not outcome.keep:
            self._functions.pop(start.environment_id, None)
        return outcome.ended(start, tuple(log.lines))

    async def _in_thread(self, call: Call) -> Outcome:
        start = call.start
        limit_s = None if debugged() else start.timeout_ms / 1000
        found: list[Outcome] = []
        with anyio.move_on_after(limit_s) as call.scope:
            result = await anyio.to_thread.run_sync(self._work, call, abandon_on_cancel=True, limiter=self._limiter)
            await anyio.sleep(slow_us(start) / 1e6)
            found.append(result)
        call.dead = True
        return found[0] if found else timed_out(start, 0)

    def _tell(self, call: Call) -> None:
        if call.start.function_name not in self._told:
            self._told.add(call.start.function_name)
            call.write(
                f"simtriggers: function {call.start.function_name!r} runs in a thread of the simulator (runtime: "
                "inline). It shares its working folder, sys.path, os.system and later imports with the others, and "
                "a timeout is reported but does not stop it; use `runtime: process` where that matters.\n"
            )

    # --- in the thread --------------------------------------------------------------------------

    def _work(self, call: Call) -> Outcome:
        _call.set(call)
        start = call.start
        names = Names(start.code.code_uri)
        began, init_us = time.perf_counter_ns(), 0
        try:
            if start.cold or start.environment_id not in self._functions:
                try:
                    function = _import(start, names)
                except Exception as error:
                    document = error_document(error, names, "")
                    call.write(error_log(document))
                    init_us = _since(began)
                    return Outcome("error", lambda_runtime.marshal(document), 0, init_us, usable=False)
                self._functions[start.environment_id] = function
                init_us = _since(began)
                began = time.perf_counter_ns()
            deadline_ms = time.time_ns() // 1_000_000 + start.timeout_ms
            status, payload = lambda_runtime.attempt(
                self._functions[start.environment_id],
                start.event,
                lambda: LambdaContext(context_row(start, deadline_ms), lambda: time.time_ns() // 1_000_000, call.write),
                names=names,
                request_id=start.request_id,
                write=call.write,
            )
            return Outcome(status, payload, _since(began) + slow_us(start), init_us)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
            return exited(start, code & 0xFF, _since(began), init_us)
        finally:
            call.output.finish()

    async def aclose(self) -> None:
        """Put back what was replaced. Handlers that still run are left to themselves."""
        if self._patches is not None:
            self._patches.undo()
            self._patches = None
        self._functions.clear()


def _since(began_ns: int) -> int:
    return (time.perf_counter_ns() - began_ns) // 1000


def _import(start: Start, names: Names) -> Callable[[Any, Any], Any]:
    """A fresh instance of the handler's module, and of all others of its folder."""
    module, function = lambda_runtime.split_handler(start.code.handler)
    with _importing:
        for name in _folder_of(start.code.code_uri).own(sys.modules):
            del sys.modules[name]
        sys.path[:] = [start.code.code_uri, *(path for path in sys.path if path != start.code.code_uri)]
        return lambda_runtime.handler_of(lambda_runtime.import_handler_module(module, names), module, function)

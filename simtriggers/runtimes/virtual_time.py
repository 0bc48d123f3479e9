"""Virtual time inside handlers: `time`, `datetime`, `asyncio` follow the handler's clock.

`time.time`, `datetime.now` and their like go through time-machine, switched on only while a handler runs;
`sleep`, `monotonic` and `perf_counter` are wrappers that act inside a handler only; `asyncio` gets event
loops whose waiting is virtual. Installed once per process, before handlers are imported.
"""

from __future__ import annotations

import asyncio
import functools
import math
import os
import selectors
import subprocess
import threading
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import _time_machine  # type: ignore[import-not-found]
import time_machine

from . import active, chance, locks
from .bootstrap.lambda_runtime import guard_botocore

_real_sleep = time.sleep
_real_exit = os._exit
_LONGEST_S = 9.2e9
_MONOTONIC_START_US = 1_577_836_800_000_000
"""2020-01-01: where `monotonic` counts from inside handlers."""


class Traveller:
    """The one time-machine traveller of the process.

    Goes on and off time-machine's own stack, as its `travel` does at a fiftieth of the cost, so that
    code outside handlers sees real time, or the time of a `time_machine.travel` of its own.
    """

    def __init__(self) -> None:
        self._traveller = time_machine.Traveller(0, None, False)
        self.move_to_us(0)

    def move_to_us(self, at_us: int) -> None:
        """Show this time, in microseconds since 1970."""
        self._traveller._destination_timestamp_ns = at_us * 1000

    def enter(self) -> None:
        """From now on time is this traveller's."""
        if not time_machine.traveller_stack:
            _time_machine.patch()
        time_machine.traveller_stack.append(self._traveller)

    def leave(self) -> None:
        """Back to where it was."""
        time_machine.traveller_stack.remove(self._traveller)
        if not time_machine.traveller_stack:
            _time_machine.unpatch()


def _sleep(seconds: Any, /) -> None:
    handler = active.active()
    if handler is None:
        active.refuse_in_thread("time.sleep")
        _real_sleep(seconds)
        return
    length = seconds if isinstance(seconds, (int, float)) else getattr(seconds, "__index__", lambda: None)()
    if length is None or not 0 <= length <= _LONGEST_S:
        _real_sleep(seconds)  # raises what Python raises for it
        return
    handler.sleep_us(math.ceil(length * 1_000_000))


def _counting(real: Callable[[], Any], of_us: Callable[[int], Any]) -> Callable[[], Any]:
    @functools.wraps(real)
    def now() -> Any:
        handler = active.active()
        return real() if handler is None else of_us(handler.now_us() - _MONOTONIC_START_US)

    return now


_REPLACED: dict[Any, Any] = {}


def _replace(module: ModuleType, name: str, new: Any) -> None:
    _REPLACED[getattr(module, name)] = new
    setattr(module, name, new)


def adopt(module: ModuleType) -> None:
    """Give a module that was imported before `install` the wrappers for what it had imported by name."""
    for name, item in list(vars(module).items()):
        try:
            new = _REPLACED.get(item)
        except TypeError:
            continue
        if new is not None:
            setattr(module, name, new)


# --- asyncio ------------------------------------------------------------------------------------


class VirtualSelector(selectors.DefaultSelector):
    """Waits in virtual time inside a handler. With nothing scheduled it really waits, for a thread or a
    process that will wake the loop."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, after up to `timeout` seconds."""
        handler = active.active()
        if handler is None or timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            handler.sleep_us(max(1, math.ceil(timeout * 1_000_000)))
            ready = super().select(0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of a handler. What it hands to executors runs at once, in the handler itself."""

    def __init__(self) -> None:
        super().__init__(VirtualSelector())
        self._clock_resolution = 1e-6

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Any,
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        """Call `func` here and now: threads would escape virtual time, and the order of the run."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def new_policy() -> Any:
    """An event loop policy of one environment, which makes virtual loops."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        base: Any = asyncio.DefaultEventLoopPolicy

    class VirtualPolicy(base):  # type: ignore[misc]
        """Makes virtual loops."""

        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return VirtualLoop()

    return VirtualPolicy()


# --- installation -------------------------------------------------------------------------------


def _exit(status: int) -> Any:
    handler = active.active()
    if handler is None:
        _real_exit(status)
    else:
        handler.exit(status)


def popen_init(real: Callable[..., None], inside: Callable[[], bool]) -> Callable[..., None]:
    """`Popen.__init__` that hands on the variables of the handler, where `inside()` is one."""

    @functools.wraps(real)
    def init(self: Any, args: Any, *rest: Any, **named: Any) -> None:
        # Without `env` a child would get the variables of the machine.
        if inside() and len(rest) < 10 and named.get("env") is None:
            named["env"] = dict(os.environ)
        real(self, args, *rest, **named)

    return init


_installed = False


def install() -> None:
    """Put everything in place, once per process, before handlers are imported."""
    global _installed
    if _installed:
        return
    _installed = True
    sleep = functools.wraps(_real_sleep)(_sleep)
    _replace(time, "sleep", sleep)
    for name in ("monotonic", "perf_counter"):
        _replace(time, name, _counting(getattr(time, name), lambda us: us / 1e6))
        _replace(time, f"{name}_ns", _counting(getattr(time, f"{name}_ns"), lambda us: us * 1000))
    _replace(os, "_exit", _exit)
    threading.Thread.start = active.start_thread(threading.Thread.start)  # type: ignore[method-assign,assignment]
    init = popen_init(subprocess.Popen.__init__, lambda: active.active() is not None)
    subprocess.Popen.__init__ = init  # type: ignore[method-assign]
    chance.install(_replace)
    locks.install(_replace)
    guard_botocore(active.refuses_network)

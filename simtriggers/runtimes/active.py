"""Which handler runs now, if any, in this thread. The one global of the virtual runtimes.

The patched functions of `chance` and `virtual_time` ask here; outside a handler they do what they always did.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]


class HandlerKilled(BaseException):
    """Raised in a handler that has been ended, at every further sleep or call of it."""


class NotPossibleInline(RuntimeError):
    """Something that a handler in the engine's own process cannot do; the message says what to use."""


class Handler(Protocol):
    """What the patched functions need of the handler that runs."""

    function_name: str
    greenlet: greenlet

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""

    def sleep_us(self, us: int) -> None:
        """Let virtual time pass."""

    def take(self, size: int) -> bytes:
        """Seeded bytes."""

    def generator(self) -> object:
        """The environment's own `random.Random`."""

    def exit(self, status: int) -> None:
        """End as `os._exit` would."""


_running: list[Handler] = []
_threads: dict[int, str] = {}


def debugged() -> bool:
    """Whether a debugger is attached: then no timeout fires. A coverage measurement is no debugger."""
    trace = sys.gettrace()
    if trace is not None:
        return not (getattr(trace, "__module__", None) or type(trace).__module__).startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def enter(handler: Handler) -> None:
    """The handler runs from now on."""
    _running.append(handler)


def leave() -> None:
    """It waits, or has ended."""
    _running.clear()


# In a process that a handler forks, everything is real again.
os.register_at_fork(after_in_child=_running.clear)


def active() -> Handler | None:
    """The handler whose greenlet this is, or a descendant of it; None anywhere else, in its threads too."""
    if _running:
        handler = _running[0]
        here: greenlet | None = getcurrent()
        while here is not None:
            if here is handler.greenlet:
                return handler
            here = here.parent
    return None


def refuses_network() -> bool:
    """Whether a request to AWS comes from a handler or from a thread that a handler started."""
    return active() is not None or threading.get_ident() in _threads


def refuse_in_thread(what: str) -> None:
    """Raise NotPossibleInline when a thread that a handler started does what only its own may do."""
    name = _threads.get(threading.get_ident()) if _threads else None
    if name is not None:
        raise NotPossibleInline(
            f"simtriggers: function {name!r} calls {what} in a thread of its own, where virtual time does not "
            f"reach; use `runtime: process` for this function"
        )


def start_thread(real_start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """`Thread.start` that remembers threads of handlers."""

    def start(self: threading.Thread) -> None:
        handler = active()
        if handler is not None or threading.get_ident() in _threads:
            name = handler.function_name if handler is not None else _threads[threading.get_ident()]
            real_run = self.run

            def run() -> None:
                _threads[threading.get_ident()] = name
                try:
                    real_run()
                finally:
                    del _threads[threading.get_ident()]

            self.run = run  # type: ignore[method-assign]
        real_start(self)

    start.__doc__ = real_start.__doc__
    return start

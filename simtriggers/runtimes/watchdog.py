"""Stops a handler that computes for ever in the engine's own process: SIGALRM, of real time.

A greenlet cannot be ended from outside. Where the signal cannot be had (outside the main thread, on Windows,
or when a test's own timeout has taken it) there is no watchdog. Several worlds share the signal; the last one
that ends gives it back.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # getsignal without 5 µs of search for an enum
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .active import debugged

_AGAIN_S = 1.0
_ring: list[Callable[[], None]] = []
_watching: weakref.WeakSet[Watchdog] = weakref.WeakSet()
_earlier: list[Any] = []


def _on_alarm(signum: int, frame: Any) -> None:
    for call in _ring:
        call()


class Watchdog:
    """Calls `bark`, in the main thread, when `armed` was not followed by `disarm` within `limit_s`; then
    again every second."""

    def __init__(self, limit_s: float, bark: Callable[[], None]) -> None:
        self.limit_s = limit_s
        self._taken = False
        self._ours = False
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
            return
        earlier = signal.getsignal(signal.SIGALRM)
        if earlier in (signal.SIG_DFL, signal.SIG_IGN, _on_alarm):
            if earlier is not _on_alarm:
                signal.signal(signal.SIGALRM, _on_alarm)
                _earlier[:] = [earlier]
            self._taken = True
            _watching.add(self)
            _ring[:] = [bark]

    def look(self) -> None:
        """See whether the signal is still ours; under a debugger it is left alone."""
        self._ours = self._taken and not debugged() and _signal.getsignal(signal.SIGALRM) is _on_alarm

    def arm(self) -> None:
        """A handler runs from now on."""
        if self._ours:
            signal.setitimer(signal.ITIMER_REAL, self.limit_s, _AGAIN_S)

    def disarm(self) -> None:
        """It waits, or has ended."""
        if self._ours:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def release(self) -> None:
        """Give the signal back, unless another world has it too."""
        if self._taken:
            _watching.discard(self)
            if not _watching and signal.getsignal(signal.SIGALRM) is _on_alarm:
                signal.signal(signal.SIGALRM, _earlier[0])
        self._taken = self._ours = False

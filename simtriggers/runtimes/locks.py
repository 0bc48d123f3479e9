"""Locks that handlers make: one that is held while its handler waits is detected, instead of a hang.

All handlers run in one thread. A plain lock would stop that thread for ever when another handler wants it, and a
re-entrant one would let the other in. Locks that are made outside of handlers are Python's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .active import Handler, NotPossibleInline, active

_real_lock = threading.Lock
_real_rlock = threading.RLock
_FOR_EVER_US = 1 << 53


class _Held:
    """What both kinds share: who holds the lock, if a handler does."""

    _real: Any

    def __init__(self) -> None:
        self._holder: Handler | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As a lock of Python's; raises NotPossibleInline when another handler has it and waits."""
        here = active()
        if here is not None and self._free_for(here):
            taken = bool(self._real.acquire(False))
        elif here is None or self._holder is None:
            taken = bool(self._real.acquire(blocking, timeout))
        elif not blocking:
            return False
        else:
            self._refuse(here, timeout)
            return False
        if not taken and blocking and here is not None:
            taken = bool(self._real.acquire(True, timeout))  # one of its own threads has it
        if taken:
            self._holder = here
        return taken

    def _free_for(self, here: Handler) -> bool:
        raise NotImplementedError

    def _refuse(self, here: Handler, timeout: float) -> None:
        """A handler that waits for itself runs out of time; one that waits for another cannot go on here."""
        if self._holder is here:
            here.sleep_us(_FOR_EVER_US if timeout < 0 else int(timeout * 1_000_000))
            return
        assert self._holder is not None
        raise NotPossibleInline(
            f"simtriggers: function {here.function_name!r} waits for a lock that function"
            f" {self._holder.function_name!r} holds while it sleeps or calls AWS; in virtual time both run in one"
            " thread; use `runtime: process` for these functions"
        )

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back."""
        raise NotImplementedError

    def __reduce__(self) -> str:
        raise TypeError(f"cannot pickle {type(self._real).__name__!r} object")

    def _at_fork_reinit(self) -> None:
        self._holder = None
        self._real._at_fork_reinit()


class HandlerLock(_Held):
    """`threading.Lock` of a handler."""

    def __init__(self) -> None:
        super().__init__()
        self._real = _real_lock()

    def _free_for(self, here: Handler) -> bool:
        return self._holder is None

    def release(self) -> None:
        """Give it back. Raises RuntimeError when nobody has it."""
        self._real.release()
        self._holder = None

    def locked(self) -> bool:
        """Whether somebody has it."""
        return bool(self._real.locked())


class HandlerRLock(_Held):
    """`threading.RLock` of a handler: re-entrant for the handler, and not for its whole thread."""

    def __init__(self) -> None:
        super().__init__()
        self._real = _real_rlock()
        self._depth = 0

    def _free_for(self, here: Handler) -> bool:
        return self._holder is None or self._holder is here

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As HandlerLock's; the holder may take it again."""
        taken = super().acquire(blocking, timeout)
        if taken:
            self._depth += 1
        return taken

    def release(self) -> None:
        """Give it back once. Raises RuntimeError when it is somebody else's."""
        self._real.release()
        self._depth -= 1
        if not self._depth:
            self._holder = None

    # What threading.Condition asks of a re-entrant lock.

    def _release_save(self) -> tuple[Any, int, Handler | None]:
        saved = (self._real._release_save(), self._depth, self._holder)
        self._depth, self._holder = 0, None
        return saved

    def _acquire_restore(self, saved: tuple[Any, int, Handler | None]) -> None:
        real, self._depth, self._holder = saved
        self._real._acquire_restore(real)

    def _is_owned(self) -> bool:
        return bool(self._real._is_owned()) and self._holder is active()


def install(replace: Callable[[ModuleType, str, Any], None]) -> None:
    """Put the factories in place, through `replace(module, name, new)`, once per process."""

    def lock() -> Any:
        return _real_lock() if active() is None else HandlerLock()

    def rlock() -> Any:
        return _real_rlock() if active() is None else HandlerRLock()

    lock.__doc__, rlock.__doc__ = _real_lock.__doc__, _real_rlock.__doc__
    replace(threading, "Lock", lock)
    replace(threading, "RLock", rlock)

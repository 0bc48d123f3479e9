"""What time it is, and who keeps it from moving.

Time is an int of milliseconds since 1970-01-01T00:00:00Z. A virtual clock is set by the engine to the
time of the entry it takes; a wall clock follows the machine's, shifted by `advance` and scaled by
`--speed`. Neither ever goes back. A *hold* is a named reason for which virtual time must not jump, such
as a subprocess at work; a stuck run prints who holds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache


class VirtualClock:
    """A clock that stands still until it is set. `start_ms` is the first time it shows."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        """The time of the entry that was taken last."""
        return self._now_ms

    def set(self, at_ms: int) -> int:
        """Move forward to `at_ms`, if that is later; returns the time it then is."""
        if at_ms > self._now_ms:
            self._now_ms = at_ms
        return self._now_ms


def _machine_ms() -> int:
    return time.time_ns() // 1_000_000


class WallClock:
    """The machine's time, times `speed`, plus what `advance` skipped; never earlier than `floor_ms`.

    A machine clock that jumps back holds this one still until it has caught up. `machine_ms` reads the
    machine's time in milliseconds.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        offset_ms: int = 0,
        floor_ms: int = 0,
        machine_ms: Callable[[], int] = _machine_ms,
    ) -> None:
        assert speed > 0
        self._machine_ms = machine_ms
        self.speed = speed
        self.offset_ms = offset_ms
        self._floor_ms = floor_ms
        self._base_ms = self._machine_ms()

    def now_ms(self) -> int:
        """The simulated time."""
        passed = self._machine_ms() - self._base_ms
        shown = self._base_ms + int(passed * self.speed) + self.offset_ms
        if shown < self._floor_ms:
            return self._floor_ms
        self._floor_ms = shown
        return shown

    def ahead_ms(self) -> int:
        """How far the simulated time is ahead of the machine's."""
        return self.now_ms() - self._machine_ms()

    def advance(self, by_ms: int) -> None:
        """Skip ahead by `by_ms` of simulated time."""
        self._floor_ms = self.now_ms() + by_ms  # shows at once, also while the machine's clock is behind
        self.offset_ms += by_ms

    def seconds_until(self, at_ms: int) -> float:
        """Real seconds to wait until the simulated time is `at_ms`; 0 when it has passed."""
        return max(0.0, (at_ms - self.now_ms()) / 1000 / self.speed)


class Holds:
    """Counted, named reasons for which virtual time must not move."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold time for the length of a `with` block; `name` says who and why."""
        self.take(name)
        try:
            yield
        finally:
            self.release(name)

    def take(self, name: str) -> None:
        """Add a hold; each must be released once."""
        self._names[name] = self._names.get(name, 0) + 1

    def release(self, name: str) -> None:
        """End a hold that `take` added."""
        count = self._names.get(name, 0)
        assert count > 0, f"hold {name!r} is released but was not taken; held: {self.names()}"
        if count == 1:
            del self._names[name]
        else:
            self._names[name] = count - 1

    def names(self) -> list[str]:
        """Who holds time, sorted."""
        return sorted(self._names)


def iso_ms(at_ms: int) -> str:
    """`2026-01-15T12:34:00.000Z`."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{_seconds(seconds)}.{ms:03d}Z"


def iso_s(at_ms: int) -> str:
    """`2026-01-15T12:34:00Z`: whole seconds, cut and not rounded."""
    return _seconds(at_ms // 1000) + "Z"


@lru_cache(maxsize=256)
def _seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]  # strftime takes four times as long


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO-8601 time with a zone. Raises ValueError for a naive or malformed one."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write {text}Z for UTC")
    return round(at.timestamp() * 1000)

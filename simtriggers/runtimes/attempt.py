"""What the live runtimes have in common: the log of an attempt, and attempts that no handler runs for."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from ..aws.contracts import Start
from .stub import Outcome, planned

OnLog = Callable[[Start, int, str], None]
"""Told of each line as it is written: whose, when (milliseconds of simulated time), its text."""


class AttemptLog:
    """The lines of one attempt; call it with each. `lines` are (milliseconds of simulated time, text)."""

    def __init__(self, start: Start, now_ms: Callable[[], int], on_log: OnLog | None) -> None:
        self._start = start
        self._now_ms = now_ms
        self._on_log = on_log
        self.lines: list[tuple[int, str]] = []

    def __call__(self, text: str) -> None:
        """One line or log event."""
        at_ms = self._now_ms()
        self.lines.append((at_ms, text))
        if self._on_log is not None:
            self._on_log(self._start, at_ms, text)


async def without_handler(start: Start) -> Outcome | None:
    """The end of a stub's attempt, or of one that a fault has, after the time that it takes; None when the handler
    must run."""
    outcome = planned(start)
    if outcome is not None:
        await anyio.sleep((outcome.duration_us + outcome.init_duration_us) / 1e6)
    return outcome

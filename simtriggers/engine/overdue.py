"""What becomes of an entry that is taken later than it was due: the process was down, or the machine slept.

The one rule for all services; a command's class says which of the three it is (`kernel.codec.Overdue`). RUN: at
once. SKIP: later than a tolerance it counts as missed, and is given to the `missed` part of its rule. COALESCE:
entries that ask the same thing of the same resource are one. In virtual time nothing is ever late.
"""

from __future__ import annotations

from ..kernel.agenda import Entry
from ..kernel.codec import Overdue, encode, overdue_of

TOLERANCE_MS = 60_000
"""How late a turn of a schedule may be, in real milliseconds: rules on AWS fire within their minute."""


class Lateness:
    """Judges late entries of one live world. `tolerance_ms` is in simulated milliseconds."""

    def __init__(self, tolerance_ms: int = TOLERANCE_MS) -> None:
        self.tolerance_ms = tolerance_ms
        self._done: dict[tuple[str, str], int] = {}

    def admits(self, entry: Entry, *, now_ms: int, next_seq: int, seq: int) -> bool:
        """Whether an entry that was due before `now_ms` is stepped; marks one that counts as missed.

        `seq` is the number that it had on the agenda, `next_seq` the one that is given next.
        """
        policy = overdue_of(type(entry.command))
        if policy is Overdue.SKIP:
            entry.missed = now_ms - entry.at_ms > self.tolerance_ms
        elif policy is Overdue.COALESCE and entry.reply_to is None:
            key = entry.arn, encode(entry.command)
            if seq < self._done.get(key, 0):
                return False  # it was on the agenda when its like was stepped, at a time when both were due
            self._done[key] = next_seq
        return True

    def forget(self) -> None:
        """Nothing that is due is left, or what was stepped has been rolled back."""
        self._done.clear()

"""When a schedule of EventBridge Scheduler has its turns: an expression between a start and an end date.

Source: EventBridge Scheduler API Reference, CreateSchedule (StartDate, EndDate); User Guide, "Schedule types".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from . import Rate, Schedule, fires, next_fire_ms
from .zoned import At


@dataclass(frozen=True, slots=True)
class Timetable:
    """An expression with its dates, in milliseconds (None: none). One-time schedules ignore both dates."""

    schedule: Schedule
    start_ms: int | None = None
    end_ms: int | None = None

    @property
    def once(self) -> bool:
        """Whether it is a one-time schedule."""
        return isinstance(self.schedule, At)

    def first_ms(self, created_ms: int) -> int | None:
        """The first turn of a schedule that is made (or given this timetable) at `created_ms`; None: never.

        A rate counts from its start date, or has its first turn at once. Of what would have been due before
        the creation nothing is made up for. Unverified: a start date that is over still sets the phase of a
        rate; `at(...)` in the past never fires.
        """
        if isinstance(self.schedule, At):
            at_ms = self.schedule.at_ms
            return at_ms if at_ms is not None and at_ms >= created_ms else None
        if isinstance(self.schedule, Rate):
            phase_ms = created_ms if self.start_ms is None else self.start_ms
            if phase_ms >= created_ms:
                return self._within(phase_ms)
            return self._within(next_fire_ms(self.schedule, created_ms - 1, phase_ms=phase_ms))
        after_ms = created_ms if self.start_ms is None else max(created_ms, self.start_ms - 1)
        return self._within(next_fire_ms(self.schedule, after_ms))

    def next_ms(self, after_ms: int, *, phase_ms: int) -> int | None:
        """The first turn strictly after `after_ms`; `phase_ms` is any turn that there was."""
        return self._within(next_fire_ms(self.schedule, after_ms, phase_ms=phase_ms))

    def turns_between(self, first_ms: int, until_ms: int) -> tuple[int, int]:
        """How many turns there are from the turn `first_ms` up to and with `until_ms`, and the last of them."""
        count, last_ms = 1, first_ms
        for at_ms in self._later(first_ms, until_ms):
            count, last_ms = count + 1, at_ms
        return count, last_ms

    def _later(self, first_ms: int, until_ms: int) -> Iterator[int]:
        found = fires(self.schedule, first_ms, phase_ms=first_ms)
        return takewhile(lambda at_ms: at_ms <= until_ms and self._within(at_ms) is not None, found)

    def _within(self, at_ms: int | None) -> int | None:
        if at_ms is None or self.end_ms is None or at_ms < self.end_ms:
            return at_ms
        return None

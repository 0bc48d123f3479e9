"""What EventBridge Scheduler adds to the expressions of rules: `at(...)`, and cron in a time zone.

Cron steps over wall times, and each is looked up in its zone: one that daylight saving time skips is passed
over, one that comes twice counts the first time. Not done by croniter, which fires after a gap, and twice in a
repeated hour. Source: EventBridge Scheduler User Guide, "Schedule types", Daylight savings time.
Unverified: the page speaks of single times; `*` and steps, and `at(...)`, are taken the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from .cron import Cron, cron_fires, next_cron_ms
from .error import ScheduleError, refuse
from .zones import Zone

_AT = re.compile(r"at\(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\)")
_WRITE = "write at(yyyy-mm-ddThh:mm:ss), such as at(2026-01-15T12:34:00)"
_EPOCH = datetime(1970, 1, 1)
_YEARS = range(1970, 2200)


@dataclass(frozen=True, slots=True)
class At:
    """A one-time schedule. `at_ms` is its moment, None when its zone skips that wall time."""

    text: str
    zone: Zone | None
    at_ms: int | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class ZonedCron:
    """A cron expression of which the fields are wall times of a zone."""

    cron: Cron
    zone: Zone

    @property
    def text(self) -> str:
        """The expression."""
        return self.cron.text


def parse_at(text: str, zone: Zone | None) -> At:
    """Read `at(yyyy-mm-ddThh:mm:ss)`, in UTC when `zone` is None. Raises ScheduleError."""
    found = _AT.fullmatch(text)
    if found is None:
        raise _explain(text)
    try:
        when = datetime.fromisoformat(found[1])
    except ValueError:
        raise refuse(f"{found[1]!r} is no date and time", column=len("at(") + 1, fix=_WRITE) from None
    if when.year not in _YEARS:
        what = f"The year {when.year} is outside {_YEARS[0]}-{_YEARS[-1]}"
        raise refuse(what, column=len("at(") + 1, fix=_WRITE)
    wall_ms = round((when - _EPOCH).total_seconds()) * 1000
    return At(text, zone, wall_ms if zone is None else zone.first_ms(wall_ms))


def _explain(text: str) -> ScheduleError:
    inside = text.removeprefix("at(")[:-1]
    column = len("at(") + 1
    if re.search(r"T[0-9:.]+(Z|[+-][0-9:]+)$", inside):
        what = f"{inside!r} has a time zone"
        return refuse(what, column=column, fix=f"{_WRITE}; the time zone is a setting of its own")
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", inside):
        return refuse(f"{inside!r} has no time", column=column, fix=f"write at({inside}T00:00:00)")
    return refuse(f"{inside!r} is no date and time", column=column, fix=_WRITE)


def at_fires(at: At, after_ms: int) -> Iterator[int]:
    """Its moment, if that is later than `after_ms`."""
    if at.at_ms is not None and at.at_ms > after_ms:
        yield at.at_ms


def next_zoned_ms(schedule: ZonedCron, after_ms: int) -> int | None:
    """The first fire strictly after `after_ms`, or None: without the preparations that pay for many fires."""
    cron, first_ms = schedule.cron, schedule.zone.first_ms
    wall_ms = next_cron_ms(cron, schedule.zone.wall_ms(after_ms))
    while wall_ms is not None:
        at_ms = first_ms(wall_ms)
        if at_ms is not None and at_ms > after_ms:
            return at_ms
        wall_ms = next_cron_ms(cron, wall_ms)
    return None


def zoned_fires(schedule: ZonedCron, after_ms: int) -> Iterator[int]:
    """All fires strictly after `after_ms`, in order."""
    first_ms = schedule.zone.first_ms
    # A fire of an hour that is coming for the second time lies in the past.
    for wall_ms in cron_fires(schedule.cron, schedule.zone.wall_ms(after_ms)):
        at_ms = first_ms(wall_ms)
        if at_ms is not None and at_ms > after_ms:
            yield at_ms

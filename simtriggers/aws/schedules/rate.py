"""`rate(N unit)`: a fire every N minutes, hours or days of 24 hours, counted from where it started.

A day is 24 hours also where clocks change. Source: Amazon EventBridge User Guide, "Rate expressions reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .days import LAST_MS
from .error import ScheduleError, refuse

_UNIT_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_RATE = re.compile(r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)")


@dataclass(frozen=True, slots=True)
class Rate:
    """A parsed rate. `text` is the whole expression; `interval_ms` is a whole number of minutes."""

    text: str
    interval_ms: int


def parse_rate(text: str, *, any_number: bool = False) -> Rate:
    """Read `rate(N unit)`: one space, lower case, the unit singular exactly when N is 1.

    With `any_number`, as EventBridge Scheduler has it, either form of the unit goes with every N.
    Raises ScheduleError. Unverified: Scheduler's pages write `rate(1 days)` and name both forms, and no
    recording shows one refused.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise _explain(text)
    number, unit, plural = int(found[1]), found[2], found[3]
    if bool(plural) == (number == 1) and not any_number:
        right = unit if number == 1 else unit + "s"
        what = f"The unit of {number} is {right!r}, not {unit + plural!r}"
        raise refuse(what, column=found.start(2) + 1, fix=f"write rate({number} {right})")
    return Rate(text, number * _UNIT_MS[unit])


def _explain(text: str) -> ScheduleError:
    """Why a text that begins with `rate(` and ends with `)` is no rate."""
    inside = text.removeprefix("rate(")[:-1]
    column = len("rate(") + 1
    fix = "write rate(N unit), such as rate(1 minute), rate(5 minutes), rate(1 hour) or rate(7 days)"
    words = inside.split()
    if " ".join(words) != inside:
        return refuse("It has white space other than one space between number and unit", column=column, fix=fix)
    if len(words) != 2:
        return refuse(f"{inside!r} is not a number and a unit", column=column, fix=fix)
    number, unit = words
    if not re.fullmatch("[1-9][0-9]*", number):
        return refuse(f"{number!r} is not a positive whole number", column=column, fix=fix)
    if len(number) > 9:
        return refuse(f"{number!r} is more than 999999999", column=column, fix="write a smaller number")
    what = f"{unit!r} is not a unit: minute, minutes, hour, hours, day, days"
    return refuse(what, column=column + len(number) + 1, fix=fix)


def next_rate_ms(rate: Rate, after_ms: int, *, phase_ms: int) -> int | None:
    """The first `phase_ms` + k × interval strictly after `after_ms`, k any whole number; None past 2199."""
    interval_ms = rate.interval_ms
    at_ms = phase_ms + ((after_ms - phase_ms) // interval_ms + 1) * interval_ms
    return at_ms if at_ms <= LAST_MS else None


def rate_fires(rate: Rate, after_ms: int, *, phase_ms: int) -> Iterator[int]:
    """All fires strictly after `after_ms`, in order."""
    first_ms = next_rate_ms(rate, after_ms, phase_ms=phase_ms)
    return iter(() if first_ms is None else range(first_ms, LAST_MS + 1, rate.interval_ms))

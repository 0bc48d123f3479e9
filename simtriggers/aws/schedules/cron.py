"""`cron(minutes hours day-of-month month day-of-week year)`: AWS's grammar, read into sets of numbers.

| field | values | besides lists, ranges and steps |
| --- | --- | --- |
| minutes | 0-59 | |
| hours | 0-23 | |
| day-of-month | 1-31 | `?`, `L`, `L-n`, `nW`, `LW` |
| month | 1-12 or JAN-DEC | |
| day-of-week | 1-7 or SUN-SAT, 1 is Sunday | `?`, `L` (Saturday), `dL`, `d#k` |
| year | 1970-2199 | |

Source: Amazon EventBridge User Guide, "Cron expressions reference". Unverified, for the page is silent:
descending ranges run past the field's end (22-2 is 22, 23, 0, 1, 2), but not those of years; names may be in
lower case; there may be several spaces between two fields; `L-n`, `LW`, a lone `L` in day-of-week and steps
in day-of-week are taken as Quartz takes them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from .days import DayRule, DaySteps
from .error import ScheduleError, refuse

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NAMES = "minutes hours day-of-month month day-of-week year"
_PART = re.compile(r"(?:(\*)|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]+))?")
_MINUTE_MS = 60_000
_DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of the grammar: its bounds, and the names of its values from `low` on.

    A step may be as large as `largest_step`.
    """

    name: str
    low: int
    high: int
    largest_step: int
    names: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{named}"


_MINUTES = _Field("minutes", 0, 59, 59)
_HOURS = _Field("hours", 0, 23, 23)
_DATES = _Field("day-of-month", 1, 31, 31)
_MONTH = _Field("month", 1, 12, 12, _MONTHS)
_WEEKDAY = _Field("day-of-week", 1, 7, 7, _WEEKDAYS)
_YEAR = _Field("year", 1970, 2199, 229)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron expression; two are equal when their texts are.

    `times` are the minutes of a day on which it fires, ascending; `days` steps from day to day.
    """

    text: str
    times: tuple[int, ...] = field(compare=False, repr=False)
    days: DaySteps = field(compare=False, repr=False)


def parse_cron(text: str) -> Cron:
    """Read `cron(...)`. Raises ScheduleError that names the field, its column and what to write."""
    offset = len("cron(")
    inside = text[offset:-1]
    found = [(match[0], offset + match.start() + 1) for match in re.finditer("[^ ]+", inside)]
    if len(found) != 6:
        what = f"It has {len(found)} fields and needs 6: {_NAMES}"
        fix = "write for example cron(0 10 * * ? *): AWS's cron ends with the year, and one day field is ?"
        raise refuse(what, column=offset + 1, fix=fix)
    if inside != inside.strip():
        column = offset + 1 if inside[0] == " " else len(text) - 1
        raise refuse("It has white space inside the parentheses", column=column, fix=f"write cron({inside.strip()})")
    minutes, hours, dates, month, weekday, year = found
    minute_set = _numbers(_MINUTES, *minutes)
    times = tuple(hour * 60 + minute for hour in _numbers(_HOURS, *hours) for minute in minute_set)
    rule = _day_rule([part for part, _ in found], dates, weekday)
    return Cron(text, times, DaySteps(rule, _numbers(_MONTH, *month), _numbers(_YEAR, *year)))


# --- plain fields -------------------------------------------------------------------------------


def _numbers(spec: _Field, text: str, column: int) -> tuple[int, ...]:
    """The numbers of a field of lists, ranges and steps, ascending."""
    parts = text.split(",")
    numbers: set[int] = set()
    for part in parts:
        if part == "*" and len(parts) > 1:
            what = f"* in {spec.name} already means every value, yet stands in a list"
            raise refuse(what, column=column, fix="write * alone, or take it out of the list")
        numbers.update(_part(spec, part, column))
        column += len(part) + 1
    return tuple(sorted(numbers))


def _part(spec: _Field, part: str, column: int) -> list[int]:
    found = _PART.fullmatch(part)
    if found is None:
        raise _not_a_value(spec, part, column)
    step = 1
    if found[4] is not None:
        step = int(found[4])
        if not 1 <= step <= spec.largest_step:
            what = f"The step {found[4]} of {spec.name} is outside 1-{spec.largest_step}"
            raise refuse(what, column=column + found.start(4), fix=f"write a step of 1-{spec.largest_step}")
    if found[1]:
        return list(range(spec.low, spec.high + 1, step))
    first = _value(spec, found[2], column)
    if found[3] is None:
        return list(range(first, spec.high + 1, step)) if found[4] is not None else [first]
    last = _value(spec, found[3], column + found.start(3))
    if first <= last:
        return list(range(first, last + 1, step))
    if spec is _YEAR:
        what = f"The years {part} run backwards"
        raise refuse(what, column=column, fix=f"write the earlier year first: {found[3]}-{found[2]}")
    return [*range(first, spec.high + 1), *range(spec.low, last + 1)][::step]


def _value(spec: _Field, text: str, column: int) -> int:
    if text.isdecimal():
        number = int(text)
        if spec.low <= number <= spec.high:
            return number
        count = " (AWS counts from 1 = SUN to 7 = SAT)" if spec is _WEEKDAY else ""
        what = f"{text} in {spec.name} is outside {spec.low}-{spec.high}{count}"
        raise refuse(what, column=column, fix=f"write {spec.values}")
    if text.upper() in spec.names:
        return spec.names.index(text.upper()) + spec.low
    raise _not_a_value(spec, text, column)


def _not_a_value(spec: _Field, part: str, column: int) -> ScheduleError:
    if not part:
        return refuse(f"A value is missing in {spec.name}", column=column, fix="remove the extra comma")
    if part == "?":
        return refuse(f"? is not for {spec.name}", column=column, fix="write *; only a day field can be ?")
    what = f"{part!r} in {spec.name} is not a value, range or step"
    return refuse(what, column=column, fix=f"write {spec.values}, as a, a-b, a/n, a-b/n or */n, or a list of these")


# --- the two day fields -------------------------------------------------------------------------


def _day_rule(parts: list[str], dates: tuple[str, int], weekday: tuple[str, int]) -> DayRule:
    """The rule of whichever day field is not `?`; exactly one must be."""
    if dates[0] == "?" and weekday[0] == "?":
        what = "Day-of-month and day-of-week are both ?, and exactly one of them must be"
        right = [*parts[:2], "*", *parts[3:]]
        raise refuse(what, column=weekday[1], fix=f"write cron({' '.join(right)})")
    if dates[0] != "?" and weekday[0] != "?":
        what = "Day-of-month and day-of-week are both set, and exactly one of them must be ?"
        # The field that says nothing is the one to become `?`.
        place = 2 if dates[0] == "*" and weekday[0] != "*" else 4
        right = [*parts[:place], "?", *parts[place + 1 :]]
        raise refuse(what, column=weekday[1], fix=f"write cron({' '.join(right)})")
    return _date_rule(*dates) if weekday[0] == "?" else _weekday_rule(*weekday)


def _date_rule(text: str, column: int) -> DayRule:
    if text == "LW":
        return DayRule("last_weekday")
    if before := re.fullmatch(r"L(?:-([0-9]+))?", text):
        days = int(before[1] or 0)
        if before[1] and not 1 <= days <= 30:
            what = f"{text} in day-of-month counts {before[1]} days back, outside 1-30"
            raise refuse(what, column=column + 2, fix="write L-1 to L-30")
        return DayRule("before_last", (days,))
    if near := re.fullmatch(r"([0-9]+)W", text):
        return DayRule("nearest_weekday", (_value(_DATES, near[1], column),))
    if re.search("[LW]", text):
        raise _special(_DATES, text, column, "L, L-3, 15W or LW")
    return DayRule("dates", _numbers(_DATES, text, column))


def _weekday_rule(text: str, column: int) -> DayRule:
    if text == "L":
        return DayRule("weekdays", (6,))
    if last := re.fullmatch("([0-9]+|[A-Za-z]{3})L", text):
        return DayRule("last_of_weekday", (_value(_WEEKDAY, last[1], column) - 1,))
    if nth := re.fullmatch("([0-9]+|[A-Za-z]{3})#([0-9]+)", text):
        weekday, turn = _value(_WEEKDAY, nth[1], column) - 1, int(nth[2])
        if not 1 <= turn <= 5:
            what = f"{text} in day-of-week asks for turn {nth[2]} of a month, outside 1-5"
            raise refuse(what, column=column + nth.start(2), fix="write #1 to #5")
        return DayRule("nth", (weekday, turn))
    if "#" in text or re.search(r"(^|,|[0-9])L|[A-Za-z]{3}L", text):
        raise _special(_WEEKDAY, text, column, "L, 6L, FRIL, 3#2 or TUE#2")
    return DayRule("weekdays", tuple(number - 1 for number in _numbers(_WEEKDAY, text, column)))


def _special(spec: _Field, text: str, column: int, forms: str) -> ScheduleError:
    place = re.search("[LW#]", text)
    assert place is not None
    what = f"{text!r} in {spec.name}: L, W and # cannot be part of a list, range or step here"
    return refuse(what, column=column + place.start(), fix=f"write {forms} alone, in a rule of its own")


# --- stepping -----------------------------------------------------------------------------------


def next_cron_ms(cron: Cron, after_ms: int) -> int | None:
    """The first fire strictly after `after_ms`, a whole minute; None when there is none until 2199."""
    day, minute = divmod(max(after_ms // _MINUTE_MS + 1, 0), _DAY_MINUTES)
    found = cron.days.first(day)
    if found == day:
        place = bisect_left(cron.times, minute)
        if place < len(cron.times):
            return (day * _DAY_MINUTES + cron.times[place]) * _MINUTE_MS
        found = cron.days.first(day + 1)
    return None if found is None else (found * _DAY_MINUTES + cron.times[0]) * _MINUTE_MS


def cron_fires(cron: Cron, after_ms: int) -> Iterator[int]:
    """All fires strictly after `after_ms`, in order."""
    first_ms = next_cron_ms(cron, after_ms)
    if first_ms is None:
        return
    times = [minute * _MINUTE_MS for minute in cron.times]
    day: int | None
    day, minute = divmod(first_ms // _MINUTE_MS, _DAY_MINUTES)
    place = bisect_left(cron.times, minute)
    while day is not None:
        start_ms = day * _DAY_MINUTES * _MINUTE_MS
        for at_ms in times[place:]:
            yield start_ms + at_ms
        place = 0
        day = cron.days.first(day + 1)

"""Schedule expressions, `rate(...)`, `cron(...)` and `at(...)`, read once and then stepped.

Times are ints of milliseconds since 1970 in UTC. Pure: nothing here asks what time it is. There are two
grammars: that of EventBridge rules, and that of EventBridge Scheduler, which has `at(...)`, time zones, and a
looser `rate` besides.

    >>> schedule = parse_schedule("cron(0 2 ? * MON-FRI *)")
    >>> next_fire_ms(schedule, 1768480440000)  # Thursday 2026-01-15T12:34Z -> Friday 02:00
    1768528800000

Source: Amazon EventBridge User Guide, "Setting a schedule pattern for scheduled rules (legacy)"; EventBridge
Scheduler User Guide, "Schedule types".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Literal

from .cron import Cron, cron_fires, next_cron_ms, parse_cron
from .crontab import from_crontab
from .days import LAST_MS
from .error import ScheduleError, as_scheduler_says, refuse
from .rate import Rate, next_rate_ms, parse_rate, rate_fires
from .zoned import At, ZonedCron, at_fires, next_zoned_ms, parse_at, zoned_fires
from .zones import UTC_NAMES, Zone, zone

__all__ = [
    "At",
    "Cron",
    "Rate",
    "Schedule",
    "ScheduleError",
    "Zone",
    "ZonedCron",
    "fires",
    "first_fire_ms",
    "next_fire_ms",
    "parse_schedule",
    "turns_between",
    "zone_or_utc",
]

Schedule = Rate | Cron | At | ZonedCron

_MAXIMUM_CHARACTERS = 256
_WRITE = "write rate(5 minutes) or cron(0 10 * * ? *)"


def parse_schedule(text: str, *, kind: Literal["rule", "scheduler"] = "rule", timezone: str = "UTC") -> Schedule:
    """Read an expression. `kind` is whose grammar it is; a `timezone` is for `scheduler` alone.

    Raises ScheduleError with AWS's message, what is wrong, its column, and what to write instead; LookupError
    for a time zone that there is not, with what to write instead.
    Source: EventBridge API Reference, PutRule, and EventBridge Scheduler API Reference, CreateSchedule
    (ScheduleExpression: at most 256 characters).
    """
    if kind == "rule":
        assert timezone in UTC_NAMES, "rules are in UTC"
        return _read(text, "rule", None)
    place = zone_or_utc(timezone)
    try:
        return _read(text, kind, place)
    except ScheduleError as error:
        raise as_scheduler_says(error, text) from None


def zone_or_utc(timezone: str) -> Zone | None:
    """The time zone of a name, None for UTC. Raises LookupError with what to write instead."""
    return None if timezone in UTC_NAMES else zone(timezone)


def _read(text: str, kind: Literal["rule", "scheduler"], place: Zone | None) -> Schedule:
    if len(text) > _MAXIMUM_CHARACTERS:
        what = f"It has {len(text)} characters, more than {_MAXIMUM_CHARACTERS}"
        raise refuse(what, column=_MAXIMUM_CHARACTERS + 1, fix="write a shorter one, or several rules")
    if text != text.strip():
        column = 1 if text[0].isspace() else len(text.rstrip()) + 1
        raise refuse("It has white space around it", column=column, fix=f"write {text.strip()}")
    if text.endswith(")"):
        if text.startswith("rate("):
            return parse_rate(text, any_number=kind == "scheduler")
        if text.startswith("cron("):
            cron = _cron(text)
            return cron if place is None else ZonedCron(cron, place)
        if text.startswith("at(") and kind == "scheduler":
            return parse_at(text, place)
    raise _not_a_schedule(text, kind)


def _not_a_schedule(text: str, kind: Literal["rule", "scheduler"]) -> ScheduleError:
    word = text.partition("(")[0]
    if word == "at" and kind == "rule":
        what = "at() belongs to EventBridge Scheduler, and this is a rule's schedule"
        return refuse(what, column=1, fix=f"{_WRITE}, or give the schedule to EventBridge Scheduler (schedule_v2)")
    if word.lower() in ("rate", "cron", "at") and "(" in text:
        if word != word.lower():
            return refuse(f"{word!r} is not in lower case", column=1, fix=f"write {word.lower()}(")
        end = text.rfind(")")
        if end < 0:
            return refuse("The closing ) is missing", column=len(text) + 1, fix=f"write {text})")
        return refuse("Something follows the closing )", column=end + 2, fix=f"write {text[: end + 1]}")
    if len(text.split()) == 6:
        return refuse(f"{text!r} is not in cron( )", column=1, fix=f"write cron({text})")
    meant = _meant_by_crontab(text)
    if meant is not None:
        return refuse(f"{text!r} is a crontab's line, not cron(...)", column=1, fix=f"write {meant}")
    known = "neither rate(...) nor cron(...)" if kind == "rule" else "none of rate(...), cron(...) and at(...)"
    return refuse(f"{text!r} is {known}", column=1, fix=_WRITE)


def _cron(text: str) -> Cron:
    try:
        return parse_cron(text)
    except ScheduleError as error:
        meant = _meant_by_crontab(text[len("cron(") : -1])
        if meant is None:
            raise
        fix = f"write {meant}: AWS's cron ends with the year, and one day field is ?"
        raise ScheduleError(error.message, error.column, fix) from None


def _meant_by_crontab(text: str) -> str | None:
    """AWS's expression for a crontab's line, when there is one."""
    meant = from_crontab(text)
    try:
        return meant if meant is not None and parse_cron(meant) else None
    except ScheduleError:
        return None


def first_fire_ms(schedule: Schedule, created_ms: int, *, at_once: bool = False) -> int | None:
    """When a rule created (or given this schedule) at `created_ms` fires first; None: never.

    A rate counts from the creation of its rule: the first event comes after one interval, or `at_once`. A
    cron expression fires at its first minute after the creation.
    Unverified: the documentation says that counting "starts when you create the scheduled event rule"; a
    report from the field saw a first event 43 s after it. Hence a setting.
    """
    if isinstance(schedule, Rate):
        return created_ms if at_once else next_fire_ms(schedule, created_ms)
    return next_fire_ms(schedule, created_ms)


def next_fire_ms(schedule: Schedule, after_ms: int, *, phase_ms: int | None = None) -> int | None:
    """The first fire strictly after `after_ms`, or None when there is none until the end of 2199.

    A rate counts from `phase_ms`, any one of its fires (None: `after_ms` is one). The others have no phase.
    """
    if isinstance(schedule, Rate):
        return next_rate_ms(schedule, after_ms, phase_ms=after_ms if phase_ms is None else phase_ms)
    if isinstance(schedule, Cron):
        return next_cron_ms(schedule, after_ms)
    if isinstance(schedule, ZonedCron):
        return next_zoned_ms(schedule, after_ms)
    return next(at_fires(schedule, after_ms), None)


def fires(schedule: Schedule, after_ms: int, *, phase_ms: int | None = None) -> Iterator[int]:
    """All fires strictly after `after_ms`, in order; ends with the year 2199."""
    if isinstance(schedule, Rate):
        return rate_fires(schedule, after_ms, phase_ms=after_ms if phase_ms is None else phase_ms)
    if isinstance(schedule, Cron):
        return cron_fires(schedule, after_ms)
    return at_fires(schedule, after_ms) if isinstance(schedule, At) else zoned_fires(schedule, after_ms)


def turns_between(schedule: Schedule, first_ms: int, until_ms: int) -> tuple[int, int]:
    """How many fires there are from the fire `first_ms` up to and with `until_ms`, and the last of them."""
    assert first_ms <= until_ms
    until_ms = min(until_ms, LAST_MS)
    if isinstance(schedule, Rate):
        steps = (until_ms - first_ms) // schedule.interval_ms
        return steps + 1, first_ms + steps * schedule.interval_ms
    count, last_ms = 1, first_ms
    for at_ms in takewhile(lambda at_ms: at_ms <= until_ms, fires(schedule, first_ms)):
        count, last_ms = count + 1, at_ms
    return count, last_ms

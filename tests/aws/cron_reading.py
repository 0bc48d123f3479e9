"""AWS's cron read the slow way: does this minute match? Written from the grammar's tables for the tests, and shares
nothing with the package. Also expressions at random, as people and machines may write them."""

from __future__ import annotations

import random
from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
LAST = datetime(2199, 12, 31, 23, 59)


class Reading:
    """An expression that is known to be right; `matches` tells of a minute whether it fires then."""

    def __init__(self, expression: str) -> None:
        minute, hour, self.dates, month, self.weekdays, year = expression.removeprefix("cron(").rstrip(")").split()
        self.minutes = self._values(minute, 0, 59, [])
        self.hours = self._values(hour, 0, 23, [])
        self.months = self._values(month, 1, 12, MONTHS)
        self.years = self._values(year, 1970, 2199, [])

    @staticmethod
    def _values(field: str, low: int, high: int, names: list[str]) -> set[int]:
        def number(text: str) -> int:
            return names.index(text) + low if text in names else int(text)

        found: set[int] = set()
        for part in field.split(","):
            span, _, step = part.partition("/")
            first, _, last = span.partition("-")
            if span == "*":
                run = list(range(low, high + 1))
            elif last:
                begin, end = number(first), number(last)
                run = list(range(begin, end + 1)) if begin <= end else [*range(begin, high + 1), *range(low, end + 1)]
            else:
                run = list(range(number(first), high + 1)) if step else [number(first)]
            found.update(run[:: int(step or 1)])
        return found

    def matches(self, at: datetime) -> bool:
        """Whether it fires in that minute."""
        return at.minute in self.minutes and at.hour in self.hours and self.day_matches(at)

    def day_matches(self, at: datetime) -> bool:
        """Whether it fires on that day at all."""
        if at.year not in self.years or at.month not in self.months:
            return False
        if self.weekdays == "?":
            return at.day in self._dates(at.year, at.month)
        return at.day in self._weekdays(at.year, at.month)

    def _dates(self, year: int, month: int) -> set[int]:
        last = monthrange(year, month)[1]
        field = self.dates
        if field == "LW":
            return {self._nearest(year, month, last)}
        if field.endswith("W"):
            day = int(field[:-1])
            return {self._nearest(year, month, day)} if day <= last else set()
        if field.startswith("L"):
            return {last - int(field[2:] or 0)}
        return self._values(field, 1, 31, [])

    @staticmethod
    def _nearest(year: int, month: int, day: int) -> int:
        last = monthrange(year, month)[1]
        near = [day, day - 1, day + 1, day - 2, day + 2]
        return next(each for each in near if 1 <= each <= last and datetime(year, month, each).weekday() < 5)

    def _weekdays(self, year: int, month: int) -> set[int]:
        last = monthrange(year, month)[1]
        field = "SAT" if self.weekdays == "L" else self.weekdays
        of = {day: (datetime(year, month, day).weekday() + 1) % 7 + 1 for day in range(1, last + 1)}
        if field.endswith("L"):
            [wanted] = self._values(field[:-1], 1, 7, WEEKDAYS)
            return {max(day for day, weekday in of.items() if weekday == wanted)}
        name, hash_, turn = field.partition("#")
        wanted_all = self._values(name, 1, 7, WEEKDAYS)
        days = [day for day, weekday in of.items() if weekday in wanted_all]
        return set(days[int(turn) - 1 : int(turn)]) if hash_ else set(days)


def fires(expression: str, after: datetime, *, until: datetime, most: int) -> Iterator[datetime]:
    """The fires after a moment, minute by minute; days and hours without any are passed over as a whole."""
    reading = Reading(expression)
    at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while at <= min(until, LAST) and most:
        if at.hour == at.minute == 0 and not reading.day_matches(at):
            at += timedelta(days=1)
        elif at.minute == 0 and at.hour not in reading.hours:
            at += timedelta(hours=1)
        else:
            if reading.matches(at):
                most -= 1
                yield at
            at += timedelta(minutes=1)


# --- expressions at random ----------------------------------------------------------------------


def some_expression(rng: random.Random, near: int) -> str:
    """An expression that AWS takes, with years around `near`."""
    dates, weekdays = _some_days(rng)
    year = rng.choice(("*",) * 6 + (f"{near}-{near + 3}", f"{near}/2", f"{near + 1}", f"{near},{near + 2}"))
    parts = [_some_field(rng, 0, 59, []), _some_field(rng, 0, 23, []), dates, _some_field(rng, 1, 12, MONTHS), weekdays]
    return f"cron({' '.join([*parts, year])})"


def _some_days(rng: random.Random) -> tuple[str, str]:
    day, weekday = rng.choice((1, 2, 15, 28, 29, 30, 31, rng.randint(3, 27))), rng.randint(1, 7)
    named = rng.choice((str(weekday), WEEKDAYS[weekday - 1]))
    return rng.choice(
        (
            (_some_field(rng, 1, 31, []), "?"),
            (_some_field(rng, 1, 31, []), "?"),
            ("?", _some_field(rng, 1, 7, WEEKDAYS)),
            ("?", _some_field(rng, 1, 7, WEEKDAYS)),
            ("L", "?"),
            (f"L-{rng.randint(1, 30)}", "?"),
            (f"{day}W", "?"),
            ("LW", "?"),
            ("?", "L"),
            ("?", f"{named}L"),
            ("?", f"{named}#{rng.randint(1, 5)}"),
        )
    )


def _some_field(rng: random.Random, low: int, high: int, names: list[str]) -> str:
    if rng.random() < 0.35:
        return "*"
    return ",".join(_some_part(rng, low, high, names) for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 2, 3))))


def _some_part(rng: random.Random, low: int, high: int, names: list[str]) -> str:
    first, last = (rng.randint(low, high) for _ in range(2))
    a, b = (rng.choice((str(at), names[at - low])) if names else str(at) for at in (first, last))
    step = rng.randint(1, max(1, high - low))
    return rng.choice((a, a, f"{a}-{b}", f"{a}-{a}", f"{a}-{b}/{step}", f"{a}/{step}", f"*/{step}"))

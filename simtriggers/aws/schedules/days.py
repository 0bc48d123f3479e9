"""The days on which a cron expression fires: which days of a month, and stepping from day to day.

croniter steps what it can express; the forms it lacks (`L-3`, `nW`, `LW`) and the years after 2099 are
stepped here. Its known traps cannot be met: it is given nothing but `*`, sorted lists of plain numbers, `L`,
`Ld` and `d#k`, with Sunday as 0. It is imported when the first cron expression is stepped, for it is slow to
import.

Days are ints since 1970-01-01.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from croniter import croniter

FIRST_YEAR, LAST_YEAR = 1970, 2199
LAST_MS = 7_258_118_340_000
"""2199-12-31T23:59Z, the last minute that a schedule can name."""

_EPOCH = date(1970, 1, 1).toordinal()
_CRONITER_LAST_YEAR = 2099
_CRONITER_END = date(_CRONITER_LAST_YEAR + 1, 1, 1).toordinal() - _EPOCH
_END = date(LAST_YEAR + 1, 1, 1).toordinal() - _EPOCH
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class DayRule:
    """Which days of a month count.

    | form | numbers | AWS writes |
    | --- | --- | --- |
    | dates | days of the month | `1,15`, `*` |
    | before_last | (n,): n days before the last day | `L` (0), `L-3` |
    | nearest_weekday | (n,): Monday to Friday nearest to day n, in the same month | `15W` |
    | last_weekday | (): the last Monday to Friday | `LW` |
    | weekdays | 0 = Sunday to 6 | `MON-FRI`, `*` |
    | nth | (weekday, k): the k-th of the month | `3#2` |
    | last_of_weekday | (weekday,) | `6L` |
    """

    form: Literal["dates", "before_last", "nearest_weekday", "last_weekday", "weekdays", "nth", "last_of_weekday"]
    numbers: tuple[int, ...] = ()


def days_of_month(rule: DayRule, year: int, month: int) -> list[int]:
    """The days of that month for which the rule holds, ascending.

    Unverified: `nW` in a month without day n gives no day; `L-n` in a month of n days or fewer, neither.
    """
    first, length = monthrange(year, month)
    sunday_based = (first + 1) % 7
    if rule.form == "dates":
        return [day for day in rule.numbers if day <= length]
    if rule.form == "before_last":
        return [day for day in (length - rule.numbers[0],) if day >= 1]
    if rule.form == "nearest_weekday":
        return [_nearest(rule.numbers[0], length, sunday_based)] if rule.numbers[0] <= length else []
    if rule.form == "last_weekday":
        return [_nearest(length, length, sunday_based)]
    if rule.form == "weekdays":
        return [day for day in range(1, length + 1) if (sunday_based + day - 1) % 7 in rule.numbers]
    of_weekday = list(range((rule.numbers[0] - sunday_based) % 7 + 1, length + 1, 7))
    if rule.form == "last_of_weekday":
        return of_weekday[-1:]
    return of_weekday[rule.numbers[1] - 1 : rule.numbers[1]]


def _nearest(day: int, length: int, sunday_based: int) -> int:
    """The day from Monday to Friday nearest to `day`, without leaving the month."""
    weekday = (sunday_based + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


class DaySteps:
    """Steps from day to day. Remembers its last answer, since a schedule asks about one day many times."""

    __slots__ = ("_asked", "_croniter", "_found", "months", "rule", "years")

    def __init__(self, rule: DayRule, months: tuple[int, ...], years: tuple[int, ...]) -> None:
        self.rule = rule
        self.months = months
        self.years = years
        self._asked = 1
        self._found: int | None = 0
        self._croniter: croniter | None = None

    def first(self, day: int) -> int | None:
        """The first day from `day` on (with it) on which there are fires, or None until the end of 2199."""
        if self._asked <= day and (self._found is None or day <= self._found):
            return self._found
        found = self._find(max(day, 0))
        self._asked, self._found = day, found
        return found

    def _find(self, day: int) -> int | None:
        if day < _CRONITER_END and self.years[0] <= _CRONITER_LAST_YEAR and self._expressible():
            found = self._by_croniter(day)
            if found is not None:
                return found
            day = _CRONITER_END
        return self._by_month(day)

    def _expressible(self) -> bool:
        if self.rule.form == "before_last":
            return self.rule.numbers == (0,)
        return self.rule.form not in ("nearest_weekday", "last_weekday")

    def _by_croniter(self, day: int) -> int | None:
        """The answer up to 2099; None when there is none."""
        from croniter import CroniterBadDateError, croniter

        if self._croniter is None:
            span = _CRONITER_LAST_YEAR - FIRST_YEAR + 1
            self._croniter = croniter(self.croniter_expression(), 0.0, max_years_between_matches=span)
        try:
            found = int(self._croniter.get_next(float, start_time=float(day * _DAY_S - 1))) // _DAY_S
        except CroniterBadDateError:
            return None
        return found if found < _CRONITER_END else None

    def croniter_expression(self) -> str:
        """These days at midnight in croniter's seven fields: minute hour day month weekday second year."""
        form, numbers = self.rule.form, self.rule.numbers
        dates = weekdays = "*"
        if form == "dates":
            dates = _listed(numbers, 31)
        elif form == "before_last":
            dates = "L"
        elif form == "weekdays":
            weekdays = _listed(numbers, 7)
        elif form == "nth":
            weekdays = f"{numbers[0]}#{numbers[1]}"
        else:
            weekdays = f"L{numbers[0]}"
        known = tuple(year for year in self.years if year <= _CRONITER_LAST_YEAR)
        years = _listed(known, _CRONITER_LAST_YEAR - FIRST_YEAR + 1)
        return f"0 0 {dates} {_listed(self.months, 12)} {weekdays} 0 {years}"

    def _by_month(self, day: int) -> int | None:
        """The same answer without croniter, for every form and year."""
        if day >= _END:
            return None
        start = date.fromordinal(day + _EPOCH)
        for year in self.years[bisect_left(self.years, start.year) :]:
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                lowest = start.day if (year, month) == (start.year, start.month) else 1
                for found in days_of_month(self.rule, year, month):
                    if found >= lowest:
                        return date(year, month, found).toordinal() - _EPOCH
        return None


def _listed(numbers: tuple[int, ...], all_of_them: int) -> str:
    return "*" if len(numbers) == all_of_them else ",".join(map(str, numbers))

"""Schedule expressions: worked cases, refusals, and a brute-force evaluator that shares no code."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.schedules import (
    Cron,
    Rate,
    ScheduleError,
    fires,
    first_fire_ms,
    next_fire_ms,
    parse_schedule,
    turns_between,
)
from simtriggers.kernel.clock import iso_s, parse_iso

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "schedules"
START = "2026-01-15T12:34:00Z"


def cases(name: str) -> list[Any]:
    rows = YAML(typ="safe").load(CASES / f"{name}.yaml")
    return [pytest.param(row, id=f"{row['name']}-{row['why']}") for row in rows]


def ms(at: str | datetime) -> int:
    return parse_iso(at) if isinstance(at, str) else round(at.replace(tzinfo=UTC).timestamp() * 1000)


# --- tables -------------------------------------------------------------------------------------


def test_all_worked_cases_are_there() -> None:
    assert len(cases("cron")) == 48


@pytest.mark.parametrize("row", cases("cron") + cases("cron_more"))
def test_cron(row: dict[str, Any]) -> None:
    after_ms = ms(row.get("after", START))
    schedule = parse_schedule(row["name"])
    assert [iso_s(at_ms) for at_ms in islice(fires(schedule, after_ms), 3)] == row["next"]
    stepped = [next_fire_ms(schedule, after_ms)]
    while stepped[-1] is not None and len(stepped) < 3:
        stepped.append(next_fire_ms(schedule, stepped[-1]))
    assert [iso_s(at_ms) for at_ms in stepped if at_ms is not None] == row["next"]


@pytest.mark.parametrize("row", cases("rate"))
def test_rate(row: dict[str, Any]) -> None:
    phase_ms = ms(row["phase"]) if "phase" in row else None
    found = fires(parse_schedule(row["name"]), ms(row["after"]), phase_ms=phase_ms)
    assert [iso_s(at_ms) for at_ms in islice(found, 3)] == row["next"]


@pytest.mark.parametrize("row", cases("refused"))
def test_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(row["name"])
    error = caught.value
    assert error.message.startswith(f"Parameter ScheduleExpression is not valid. {row['problem']}")
    assert error.fix.startswith(row["fix"])
    assert error.column == row["column"]
    assert "; " not in error.message
    assert str(error) == f"{error.message} (column {error.column}); {error.fix}"


def test_an_expression_longer_than_putrule_takes() -> None:
    text = f"cron({'0,' * 122}0 0 * * ? *)"
    assert len(text) == 261
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert (caught.value.column, "261 characters" in caught.value.message) == (257, True)


def test_values() -> None:
    assert parse_schedule("rate(2 hours)") == Rate("rate(2 hours)", 7_200_000)
    assert parse_schedule("rate(7 days)") == Rate("rate(7 days)", 604_800_000)
    schedule = parse_schedule("cron(0,30 1-2 * * ? *)")
    assert isinstance(schedule, Cron)
    assert schedule.times == (60, 90, 120, 150)
    assert schedule == parse_schedule("cron(0,30 1-2 * * ? *)")
    assert schedule != parse_schedule("cron(0,30 1,2 * * ? *)")


def test_a_rate_fires_when_it_is_created_and_a_cron_does_not() -> None:
    created_ms = ms("2026-01-15T12:34:56.789Z")
    assert first_fire_ms(parse_schedule("rate(1 day)"), created_ms, at_once=True) == created_ms
    assert first_fire_ms(parse_schedule("rate(1 day)"), created_ms) == created_ms + 86_400_000
    assert first_fire_ms(parse_schedule("cron(* * * * ? *)"), created_ms) == ms("2026-01-15T12:35:00Z")
    assert first_fire_ms(parse_schedule("cron(34 12 * * ? *)"), ms(START)) == ms("2026-01-16T12:34:00Z")
    assert first_fire_ms(parse_schedule("cron(0 0 1 1 ? 2022)"), created_ms) is None


# --- brute force --------------------------------------------------------------------------------

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
Holds = Callable[[date], bool]


def some_field(rng: random.Random, low: int, high: int, *, step: int, names: list[str]) -> tuple[str, set[int]]:
    """A field's text together with what it means, made side by side and not parsed."""
    if rng.random() < 0.3:
        return "*", set(range(low, high + 1))
    size = high - low + 1
    texts, meant = [], set()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        first, last = rng.randint(low, high), rng.randint(low, high)
        by = rng.randint(1, step)
        a, b = (rng.choice((str(at), names[at - low])) if names else str(at) for at in (first, last))
        around = (last - first) % size
        text, count, stride = rng.choice(
            (
                (a, 0, 1),
                (f"{a}-{b}", around, 1),
                (f"{a}-{a}", 0, 1),
                (f"{a}-{b}/{by}", around, by),
                (f"{a}/{by}", high - first, by),
                (f"*/{by}", -1, by),
            )
        )
        if count < 0:
            first, count = low, size - 1
        texts.append(text)
        meant |= {low + (first - low + along) % size for along in range(0, count + 1, stride)}
    return ",".join(texts), meant


def some_years(rng: random.Random, near: int) -> tuple[str, set[int]]:
    first = min(max(near + rng.randint(-2, 3), 1970), 2199)
    last = min(first + rng.randint(0, 9), 2199)
    by = rng.randint(1, 4)
    return rng.choice(
        (
            ("*", set(range(1970, 2200))),
            ("*", set(range(1970, 2200))),
            (str(first), {first}),
            (f"{first}-{last}/{by}", set(range(first, last + 1, by))),
            (f"{first}/{by}", set(range(first, 2200, by))),
            (f"{first},{last}", {first, last}),
        )
    )


def ends_month_after(day: date, days: int) -> bool:
    return (day + timedelta(days)).month == day.month != (day + timedelta(days + 1)).month


def nearest_weekday(day: date, wanted: int) -> bool:
    length = monthrange(day.year, day.month)[1]
    weekdays = [at for at in range(1, length + 1) if date(day.year, day.month, at).weekday() < 5]
    return wanted <= length and day.day == min(weekdays, key=lambda at: abs(at - wanted))


def aws_weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def some_days(rng: random.Random) -> tuple[str, str, Holds]:
    """Texts of day-of-month and day-of-week, and the days they mean."""
    n = rng.choice((1, 2, rng.randint(3, 27), 28, 29, 30, 31))
    weekday, turn, before = rng.randint(1, 7), rng.randint(1, 5), rng.randint(1, 30)
    named = rng.choice((str(weekday), WEEKDAYS[weekday - 1]))
    dates, meant_dates = some_field(rng, 1, 31, step=31, names=[])
    weekdays, meant_weekdays = some_field(rng, 1, 7, step=7, names=WEEKDAYS)
    return rng.choice(
        (
            (dates, "?", lambda day: day.day in meant_dates),
            ("?", weekdays, lambda day: aws_weekday(day) in meant_weekdays),
            ("L", "?", lambda day: ends_month_after(day, 0)),
            (f"L-{before}", "?", lambda day: ends_month_after(day, before)),
            (f"{n}W", "?", lambda day: nearest_weekday(day, n)),
            ("LW", "?", lambda day: nearest_weekday(day, monthrange(day.year, day.month)[1])),
            ("?", "L", lambda day: aws_weekday(day) == 7),
            (
                "?",
                f"{named}L",
                lambda day: aws_weekday(day) == weekday and (day + timedelta(7)).month != day.month,
            ),
            (
                "?",
                f"{named}#{turn}",
                lambda day: aws_weekday(day) == weekday and (day.day - 1) // 7 == turn - 1,
            ),
        )
    )


def midnight_ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400_000


@pytest.mark.parametrize("seed", range(150))
def test_against_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    year = rng.choice((rng.randint(1970, 2199), rng.randint(2020, 2030), 1970, 2096, 2099, 2196))
    start = datetime(year, 1, 1) + timedelta(minutes=rng.randrange(365 * 1440))
    minutes, meant_minutes = some_field(rng, 0, 59, step=59, names=[])
    hours, meant_hours = some_field(rng, 0, 23, step=23, names=[])
    months, meant_months = some_field(rng, 1, 12, step=12, names=MONTHS)
    years, meant_years = some_years(rng, start.year)
    dates, weekdays, holds = some_days(rng)
    text = f"cron({minutes} {hours} {dates} {months} {weekdays} {years})"

    window = [
        start.date() + timedelta(days)
        for days in range(1200)
        if year < 2196 or start + timedelta(days) < datetime(2200, 1, 1)
    ]
    expected = list(
        islice(
            (
                at_ms
                for day in window
                if day.year in meant_years and day.month in meant_months and holds(day)
                for hour in sorted(meant_hours)
                for minute in sorted(meant_minutes)
                if (at_ms := midnight_ms(day) + (hour * 60 + minute) * 60_000) > ms(start)
            ),
            300,
        )
    )
    until_ms = midnight_ms(window[-1]) + 86_399_999
    schedule = parse_schedule(text)
    found = list(islice(takewhile(lambda at_ms: at_ms <= until_ms, fires(schedule, ms(start))), 300))
    assert found == expected, text

    for earlier, later in pairwise(expected[:20]):
        assert next_fire_ms(schedule, later - 1) == later == next_fire_ms(schedule, earlier), text


# --- properties ---------------------------------------------------------------------------------

EXPRESSIONS = [row.values[0]["name"] for row in cases("cron") + cases("rate")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.integers(0, 7_258_118_400_000))
def test_the_next_fire_is_the_same_from_anywhere_before_it(expression: str, after_ms: int) -> None:
    schedule = parse_schedule(expression)
    phase_ms = 1_768_480_440_123
    found = next_fire_ms(schedule, after_ms, phase_ms=phase_ms)
    if found is None:
        assert list(fires(schedule, after_ms, phase_ms=phase_ms)) == []
        return
    assert found > after_ms
    assert next_fire_ms(schedule, found - 1, phase_ms=phase_ms) == found
    assert next_fire_ms(schedule, (after_ms + found - 1) // 2, phase_ms=phase_ms) == found
    assert next(fires(schedule, after_ms, phase_ms=phase_ms)) == found
    if isinstance(schedule, Cron):
        assert found % 60_000 == 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.integers(0, 4_000_000_000_000), st.integers(0, 400_000))
def test_counting_turns_is_stepping_through_them(expression: str, after_ms: int, span_s: int) -> None:
    schedule = parse_schedule(expression)
    first_ms = next_fire_ms(schedule, after_ms)
    if first_ms is None:
        return
    until_ms = first_ms + span_s * 1000
    later = list(takewhile(lambda at_ms: at_ms <= until_ms, fires(schedule, first_ms)))
    assert turns_between(schedule, first_ms, until_ms) == (1 + len(later), [first_ms, *later][-1])


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"(rate|cron)\([ 0-9A-Z*?/,#LW-]{0,40}\)", fullmatch=True)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except ScheduleError as error:
        column = error.column
    else:
        column = 1
        assert schedule.text == text
        next_fire_ms(schedule, ms(START))
    assert 1 <= column <= len(text) + 1


# --- costs and surroundings ---------------------------------------------------------------------


def test_a_year_of_minutes_costs_less_than_croniter_alone() -> None:
    """Ten times the fires in the processor's time that croniter takes for its own."""
    from croniter import croniter

    count = 5_000
    theirs = croniter("* * * * *", ms(START) / 1000)
    began = time.process_time()
    expected = [round(theirs.get_next(float) * 1000) for _ in range(count)]
    croniter_s = time.process_time() - began

    schedule = parse_schedule("cron(* * * * ? *)")
    began = time.process_time()
    found = list(islice(fires(schedule, ms(START)), count * 10))
    ours_s = time.process_time() - began
    assert found[:count] == expected
    assert ours_s < croniter_s


def test_neither_time_zone_nor_import_order_matters() -> None:
    code = (
        "import sys; from simtriggers.aws.schedules import parse_schedule, next_fire_ms;"
        " schedule = parse_schedule('cron(0 8 ? * MON *)'); early = 'croniter' in sys.modules;"
        " print(early, next_fire_ms(schedule, 1768480440000))"
    )
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TZ": zone},
            cwd=CASES.parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"False {ms('2026-01-19T08:00:00Z')}\n"

"""EventBridge Scheduler's expressions: time zones, `at`, its own refusals, and its dates."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.schedules import At, ScheduleError, ZonedCron, fires, next_fire_ms, parse_schedule, turns_between
from simtriggers.aws.schedules.timetable import Timetable
from simtriggers.aws.schedules.zones import zone, zone_names
from simtriggers.kernel.clock import iso_s, parse_iso
from tests.aws.cron_reading import Reading

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "schedules"
EPOCH = datetime(1970, 1, 1)
SHIFTS = {
    "America/New_York": ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"],
    "Europe/Berlin": ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"],
    "Australia/Lord_Howe": ["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"],
    "Pacific/Apia": ["2011-12-30T10:00:00Z"],
    "America/St_Johns": ["2006-04-02T03:31:00Z", "2006-10-29T02:31:00Z"],
}
"""When clocks change; St. John's did it at a minute past midnight."""


def cases(name: str) -> list[Any]:
    rows = YAML(typ="safe").load(CASES / f"{name}.yaml")
    return [pytest.param(row, id=f"{row.get('zone', '')} {row['name']}-{row['why']}") for row in rows]


def parse(text: str, zone_name: str = "UTC") -> Any:
    return parse_schedule(text, kind="scheduler", timezone=zone_name)


@pytest.mark.parametrize("row", cases("zones"))
def test_worked_out_by_hand(row: dict[str, Any]) -> None:
    schedule, after_ms = parse(row["name"], row["zone"]), parse_iso(row["after"])
    wanted = row["next"]
    assert [iso_s(at_ms) for at_ms in islice(fires(schedule, after_ms), max(1, len(wanted)))] == wanted
    stepped = next_fire_ms(schedule, after_ms)
    for each in wanted:
        assert stepped == parse_iso(each)
        stepped = next_fire_ms(schedule, stepped)


@pytest.mark.parametrize("row", cases("refused_by_scheduler"))
def test_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(row["name"])
    error = caught.value
    assert error.message.startswith(f"Invalid Schedule Expression {row['name']}. {row['problem']}")
    assert error.fix.startswith(row["fix"])
    assert 1 <= error.column <= len(row["name"]) + 1


def minute_by_minute(expression: str, zone_name: str, start: datetime, days: int) -> list[datetime]:
    """A clock on a wall is looked at every minute; what it shows for the first time may fire."""
    reading, place = Reading(expression), ZoneInfo(zone_name)
    shown: set[datetime] = set()
    found = []
    for count in range(-1440, days * 1440):
        at = start + timedelta(minutes=count)
        wall = at.astimezone(place).replace(tzinfo=None)
        if wall not in shown and count >= 0 and reading.day_matches(wall) and reading.matches(wall):
            found.append(at)
        shown.add(wall)
    return found


@pytest.mark.parametrize("zone_name", SHIFTS)
def test_against_a_clock_on_the_wall(zone_name: str) -> None:
    for number, shift in enumerate(SHIFTS[zone_name]):
        start = datetime.fromtimestamp(parse_iso(shift) / 1000, UTC) - timedelta(hours=30)
        for seed in range(5):
            rng = random.Random(100 * number + seed)
            minute = rng.choice(("*", "0/15", "30", "0", "*/7", "15,45", "59"))
            hour = rng.choice(("*", "0-3", "1", "2", "3", "0/2", "22-2", "0", "23"))
            expression = f"cron({minute} {hour} {rng.choice(('* * ?', '? * SAT,SUN', 'L * ?', '? * MON-FRI'))} *)"
            expected = [round(at.timestamp() * 1000) for at in minute_by_minute(expression, zone_name, start, 4)]
            schedule = parse(expression, zone_name)
            after_ms, until_ms = parse_iso(start.isoformat()) - 1, parse_iso(start.isoformat()) + 4 * 86_400_000
            found = list(takewhile(lambda at_ms, end=until_ms: at_ms < end, fires(schedule, after_ms)))
            assert found == expected, f"{expression} in {zone_name} from {start}"
            # The next fire is the same wherever one asks from, in the hour that comes twice too.
            for at_ms in range(after_ms, until_ms, 37 * 60_000 + 7):
                wanted = next((each for each in expected if each > at_ms), None)
                if wanted is not None:
                    assert next_fire_ms(schedule, at_ms) == wanted, f"{expression} in {zone_name} after {iso_s(at_ms)}"


def test_values() -> None:
    assert parse("at(2026-07-01T09:00:00)") == At("at(2026-07-01T09:00:00)", None, parse_iso("2026-07-01T09:00:00Z"))
    berlin = parse("cron(0 9 * * ? *)", "Europe/Berlin")
    assert isinstance(berlin, ZonedCron)
    assert berlin == parse("cron(0 9 * * ? *)", "Europe/Berlin")
    assert berlin != parse("cron(0 9 * * ? *)", "Europe/Paris")
    assert berlin.text == "cron(0 9 * * ? *)"
    assert repr(zone("Europe/Berlin")) == "Zone('Europe/Berlin')"
    assert hash(zone("Europe/Berlin")) == hash(zone("Europe/Berlin"))


@pytest.mark.parametrize("name", ["CEST", "europe/berlin", "Europe/Berlin ", "../zones", "Mars/Olympus", ""])
def test_zones_that_there_are_not(name: str) -> None:
    with pytest.raises(LookupError, match="write an IANA name such as"):
        parse("rate(1 hour)", name)


def test_zones_come_from_the_package() -> None:
    assert {"America/New_York", "Europe/Berlin", "Pacific/Apia", "UTC", "Etc/UTC"} <= zone_names()
    assert len(zone_names()) > 400
    assert max(map(len, zone_names())) <= 50, "AWS takes 50 characters"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SHIFTS)), st.integers(0, 7_000_000_000))
def test_the_first_moment_of_a_wall_time(zone_name: str, at_s: int) -> None:
    place, at_ms = zone(zone_name), at_s * 1000
    wall_ms = place.wall_ms(at_ms)
    local = datetime.fromtimestamp(at_s, ZoneInfo(zone_name)).replace(tzinfo=None)
    assert EPOCH + timedelta(milliseconds=wall_ms) == local
    first_ms = place.first_ms(wall_ms)
    assert first_ms is not None and first_ms <= at_ms
    assert place.wall_ms(first_ms) == wall_ms


def test_turns_are_counted_in_the_zone() -> None:
    schedule = parse("cron(30 2 * * ? *)", "America/New_York")
    first_ms, until_ms = parse_iso("2026-03-07T07:30:00Z"), parse_iso("2026-03-10T12:00:00Z")
    assert turns_between(schedule, first_ms, until_ms) == (3, parse_iso("2026-03-10T06:30:00Z"))
    once = parse("at(2026-07-01T09:00:00)")
    assert turns_between(once, parse_iso("2026-07-01T09:00:00Z"), parse_iso("2027-01-01T00:00:00Z"))[0] == 1


# --- dates --------------------------------------------------------------------------------------

NOON = parse_iso("2026-01-15T12:00:00Z")


def first(text: str, **dates: str) -> str | None:
    table = Timetable(parse(text), **{f"{name}_ms": parse_iso(at) for name, at in dates.items()})
    found = table.first_ms(NOON)
    return None if found is None else iso_s(found)


@pytest.mark.parametrize(
    ("text", "dates", "expected"),
    [
        ("rate(1 hour)", {}, "2026-01-15T12:00:00Z"),
        ("rate(1 hour)", {"start": "2026-01-16T09:30:00Z"}, "2026-01-16T09:30:00Z"),
        ("rate(1 hour)", {"start": "2026-01-15T11:58:00Z"}, "2026-01-15T12:58:00Z"),
        ("rate(1 hour)", {"start": "2026-01-15T12:00:00Z"}, "2026-01-15T12:00:00Z"),
        ("rate(1 hour)", {"end": "2026-01-15T12:00:00Z"}, None),
        ("rate(1 hour)", {"end": "2026-01-15T12:00:01Z"}, "2026-01-15T12:00:00Z"),
        ("cron(0 12 * * ? *)", {}, "2026-01-16T12:00:00Z"),
        ("cron(0 12 * * ? *)", {"start": "2026-01-20T12:00:00Z"}, "2026-01-20T12:00:00Z"),
        ("cron(0 12 * * ? *)", {"start": "2026-01-20T12:00:01Z"}, "2026-01-21T12:00:00Z"),
        ("cron(0 12 * * ? *)", {"start": "2025-01-20T12:00:00Z"}, "2026-01-16T12:00:00Z"),
        ("cron(0 12 * * ? *)", {"end": "2026-01-16T12:00:00Z"}, None),
        ("at(2026-01-15T12:00:00)", {}, "2026-01-15T12:00:00Z"),
        ("at(2026-01-15T11:59:59)", {}, None),
        ("at(2026-02-01T00:00:00)", {"start": "2027-01-01T00:00:00Z"}, "2026-02-01T00:00:00Z"),
        ("at(2026-02-01T00:00:00)", {"end": "2026-01-20T00:00:00Z"}, "2026-02-01T00:00:00Z"),
    ],
)
def test_the_first_turn(text: str, dates: dict[str, str], expected: str | None) -> None:
    assert first(text, **dates) == expected


def test_turns_after_the_first() -> None:
    end_ms = parse_iso("2026-01-15T14:30:00Z")
    table = Timetable(parse("rate(1 hour)"), None, end_ms)
    assert table.next_ms(NOON, phase_ms=NOON) == NOON + 3_600_000
    assert table.next_ms(NOON + 2 * 3_600_000, phase_ms=NOON) is None
    assert table.turns_between(NOON, NOON + 86_400_000) == (3, NOON + 2 * 3_600_000)
    assert (table.once, Timetable(parse("at(2026-02-01T00:00:00)")).once) == (False, True)


MINUTE_MS, DAY_MS = 60_000, 86_400_000


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["rate(7 hours)", "rate(1 day)", "cron(15 2 * * ? *)", "cron(0/40 1-3 ? * SUN *)", "at(2026-03-08T03:10:00)"]
    ),
    st.sampled_from(["UTC", *SHIFTS]),
    st.integers(-10 * 1440, 10 * 1440),
    st.integers(0, 20 * 1440),
)
def test_a_timetable_steps_through_its_turns_and_no_others(
    text: str, name: str, start_min: int, length_min: int
) -> None:
    """One by one, they are the expression's own fires at or after the start date and before the end date."""
    created_ms = parse_iso("2026-03-05T00:00:30Z")
    start_ms = created_ms + start_min * MINUTE_MS
    end_ms = start_ms + length_min * MINUTE_MS
    table = Timetable(parse(text, name), start_ms, end_ms)
    found = []
    turn_ms = table.first_ms(created_ms)
    while turn_ms is not None and turn_ms < created_ms + 60 * DAY_MS:
        found.append(turn_ms)
        turn_ms = table.next_ms(turn_ms, phase_ms=turn_ms)
    earliest_ms = max(created_ms, start_ms)
    every = takewhile(
        lambda at_ms: at_ms < created_ms + 60 * DAY_MS, fires(table.schedule, earliest_ms - 1, phase_ms=start_ms)
    )
    if table.once:
        every = takewhile(lambda at_ms: True, fires(table.schedule, created_ms - 1))
        assert found == list(every)
    else:
        assert found == [at_ms for at_ms in every if at_ms < end_ms]
    if found:
        assert table.turns_between(found[0], found[-1]) == (len(found), found[-1])

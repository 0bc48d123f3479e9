"""Cron against a slow reading of AWS's rules, minute by minute, and against pyawscron and aws-croniter.

Two thousand seeded expressions. We and the slow reading must always agree; where a library does not, the
difference must be one that fixtures/cases/schedules/libraries.yaml has settled.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest
from aws_croniter import AwsCroniter
from pyawscron import AWSCron
from ruamel.yaml import YAML

from simtriggers.aws.schedules import fires, parse_schedule
from simtriggers.kernel.clock import iso_s
from tests.aws import cron_reading

FILE = Path(__file__).parents[2] / "fixtures" / "cases" / "schedules" / "libraries.yaml"
ROWS = YAML(typ="safe").load(FILE)
AFTER = datetime(2026, 1, 15, 12, 34)
UNTIL = AFTER + timedelta(days=400)
MOST = 4
CHUNK, CHUNKS = 100, 20
FEWEST_AGREED = {"pyawscron": 25, "aws-croniter": 50}
"""Of a hundred expressions; a comparison that agrees on little shows little."""
_NUMBERS = {
    **{name: number for number, name in enumerate(cron_reading.WEEKDAYS, 1)},
    **{name: number for number, name in enumerate(cron_reading.MONTHS, 1)},
}


def ms(at: datetime) -> int:
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)


def ours(expression: str, most: int = MOST, until: datetime = UNTIL) -> list[str]:
    found = fires(parse_schedule(expression), ms(AFTER))
    return [iso_s(at_ms) for at_ms in islice(takewhile(lambda at_ms: at_ms <= ms(until), found), most)]


def slow(expression: str, most: int = MOST, until: datetime = UNTIL) -> list[str]:
    return [iso_s(ms(at)) for at in cron_reading.fires(expression, AFTER, until=until, most=most)]


def theirs(library: str, expression: str, most: int = MOST, until: datetime = UNTIL) -> list[str] | str:
    """A library's fires, or the name of its error."""
    inner, after = expression[len("cron(") : -1], AFTER.replace(tzinfo=UTC)
    try:
        if library == "pyawscron":
            found = AWSCron.get_next_n_schedule(most, after, inner)
        else:
            found = AwsCroniter(inner).get_next(after, most)
        return [iso_s(ms(at)) for at in found if at is not None and ms(at) <= ms(until)]
    except Exception as error:
        return type(error).__name__


def features(expression: str, found: list[str]) -> set[str]:
    """What an expression has in it that not every reader of AWS's cron understands."""
    *fields, years = expression[len("cron(") : -1].split()
    _, _, dates, _, weekdays = fields
    checks = {
        "mixed list": any("," in field and re.search("[-/*A-Z]", field) for field in fields),
        "wrapped range": any(
            number(first) > number(last)
            for field in fields
            for first, last in re.findall("([0-9A-Z]+)-([0-9A-Z]+)", field)
            if first != "L"
        ),
        "LW": dates == "LW",
        "lone L": weekdays == "L",
        "weekday step": "/" in weekdays,
        "year step": "/" in years,
        "late date": re.search("29|3[01]|[-/*]", dates) is not None,
        "rare": len(found) < MOST,
    }
    return {name for name, has in checks.items() if has}


def number(text: str) -> int:
    return _NUMBERS.get(text) or int(text)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_two_thousand_expressions(chunk: int) -> None:
    settled = {library: {row["feature"] for row in ROWS if row["library"] == library} for library in FEWEST_AGREED}
    agreed: Counter[str] = Counter()
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        expression = cron_reading.some_expression(random.Random(seed), AFTER.year)
        found = ours(expression)
        assert found == slow(expression), expression
        for library in FEWEST_AGREED:
            answer = theirs(library, expression)
            if answer == found:
                agreed[library] += 1
            else:
                known = features(expression, found) & settled[library]
                assert known, f"{library} has {answer} for {expression}, we have {found}"
    assert all(agreed[library] >= least for library, least in FEWEST_AGREED.items()), agreed


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['library']}: {row['feature']}" for row in ROWS])
def test_a_disagreement_is_settled(row: dict[str, Any]) -> None:
    expression, most, until = row["example"], len(row["next"]), datetime(2031, 1, 1)
    assert ours(expression, most, until) == slow(expression, most, until) == row["next"]
    assert row["feature"] in features(expression, ours(expression))
    asked = MOST if row["feature"] == "rare" else most
    assert theirs(row["library"], expression, asked, until) == row["theirs"]


def test_the_slow_reading_reads_every_minute() -> None:
    """What it passes over it would not have found: the same expressions without the short cuts."""
    for seed in range(12):
        expression = cron_reading.some_expression(random.Random(seed), AFTER.year)
        reading = cron_reading.Reading(expression)
        until = AFTER + timedelta(days=3)
        every = [AFTER + timedelta(minutes=count) for count in range(1, 3 * 1440 + 1)]
        found = cron_reading.fires(expression, AFTER, until=until, most=10_000)
        assert list(found) == [at for at in every if reading.day_matches(at) and reading.matches(at)]

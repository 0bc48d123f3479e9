"""`simtriggers next`: the next fire times of a schedule expression.

Needs no project. One expression a call, or with `--jsonl` a stream of questions on standard input with one
answer a line. Times in and out are ISO-8601; answers are in UTC.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn, TextIO

import click

from ..aws.schedules import Schedule, ScheduleError, fires, parse_schedule
from ..errors import UserError
from ..kernel.clock import WallClock, iso_s, parse_iso

MAXIMUM_FIRES = 1_000_000
_UTC = frozenset({"UTC", "Etc/UTC"})
_KEYS = {"expression": str, "after": str, "n": int, "timezone": str}

_parse = lru_cache(maxsize=256)(parse_schedule)


def next_fires(expression: str, *, after: str | None, n: int, timezone: str = "UTC") -> list[str]:
    """The next `n` fires of a rule's schedule, such as `2026-01-16T10:00:00Z`; fewer when it ends before.

    `after` is an ISO-8601 time with a zone (None: the present); a fire at that very moment is not in the
    list. A rate is counted from there, as from one of its fires. Raises UserError.
    """
    if timezone not in _UTC:
        raise UserError(
            f"the time zone {timezone!r} is not UTC; schedules of rules are in UTC, and those of EventBridge"
            " Scheduler, which have a time zone, are not simulated yet",
            fix="leave the time zone out and write the hours in UTC",
        )
    if not 1 <= n <= MAXIMUM_FIRES:
        raise UserError(f"n is {n}, outside 1-{MAXIMUM_FIRES}", fix="ask for fewer, and go on from the last one")
    schedule = _schedule(expression)
    return [iso_s(at_ms) for at_ms in islice(fires(schedule, _after_ms(after)), n)]


def _schedule(expression: str) -> Schedule:
    try:
        return _parse(expression)
    except ScheduleError as error:
        raise UserError(f"{error.message} (column {error.column} of {expression!r})", fix=error.fix) from None


def _after_ms(after: str | None) -> int:
    if after is None:
        return WallClock().now_ms()
    fix = "write it like 2026-01-15T12:34:00Z"
    try:
        after_ms = parse_iso(after)
    except ValueError:
        raise UserError(f"{after!r} is not a time with a zone", fix=fix) from None
    if after_ms < 0:
        raise UserError(f"{after!r} is before 1970, where schedules begin", fix=fix)
    return after_ms


def answer(line: str) -> dict[str, Any]:
    """The answer to one `--jsonl` question: `{"next": [...]}` or `{"error": "..."}`.

    The question is an object with `expression` and, when wanted, `after`, `n` (default 5) and `timezone`.
    """
    try:
        question = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"the line is not JSON: {error}"}
    if not isinstance(question, dict) or "expression" not in question:
        return {"error": 'the line is not an object with "expression"'}
    for key, item in question.items():
        if key not in _KEYS:
            return {"error": f"unknown key {key!r}; known keys: {', '.join(_KEYS)}"}
        if not isinstance(item, _KEYS[key]) or isinstance(item, bool):
            kind = "a whole number" if _KEYS[key] is int else "a string"
            return {"error": f"{key} is {json.dumps(item)}, not {kind}"}
    try:
        found = next_fires(
            question["expression"],
            after=question.get("after"),
            n=question.get("n", 5),
            timezone=question.get("timezone", "UTC"),
        )
    except UserError as error:
        return {"error": _one_line(error)}
    return {"next": found}


def stream(lines: TextIO, out: TextIO) -> None:
    """Answer each line of `lines` on a line of `out` as soon as it comes; empty lines are passed over."""
    for line in lines:
        if line.strip():
            out.write(json.dumps(answer(line), ensure_ascii=False) + "\n")
            out.flush()


def _one_line(error: UserError) -> str:
    text = f"{error.problem}; {error.fix}" if error.fix else error.problem
    return " ".join(text.split())


class WrongInput(click.ClickException):
    """A message on one line, and exit code 2."""

    exit_code = 2


def _fail(message: str) -> NoReturn:
    raise WrongInput(message)


@click.command("next")
@click.argument("expression", required=False)
@click.option("--after", help="ISO-8601 time with a zone, such as 2026-01-15T12:34:00Z.  [default: now]")
@click.option("-n", "n", type=int, default=5, show_default=True, help="How many.")
@click.option("--timezone", default="UTC", show_default=True, help="Schedules of rules are in UTC.")
@click.option("--json", "as_json", is_flag=True, help='Print {"expression": ..., "next": [...]}.')
@click.option("--jsonl", "as_stream", is_flag=True, help="Answer questions from standard input, one a line.")
def command(expression: str | None, after: str | None, n: int, timezone: str, as_json: bool, as_stream: bool) -> None:
    """Print when a schedule EXPRESSION fires next, such as "cron(0 10 * * ? *)" or "rate(5 minutes)".

    A rate is counted from the time given by --after. With --jsonl each line of standard input is an object
    like {"expression": "cron(0 10 * * ? *)", "after": "2026-01-15T12:34:00Z", "n": 5}, and each line of
    output {"next": [...]} or {"error": "..."}.
    """
    if as_stream:
        if expression is not None or after is not None or as_json:
            _fail("--jsonl reads everything from standard input; leave out EXPRESSION, --after and --json")
        stream(sys.stdin, sys.stdout)
        return
    if expression is None:
        _fail('EXPRESSION is missing; write for example: simtriggers next "cron(0 10 * * ? *)"')
    try:
        found = next_fires(expression, after=after, n=n, timezone=timezone)
    except UserError as error:
        _fail(_one_line(error))
    if as_json:
        click.echo(json.dumps({"expression": expression, "next": found}))
        return
    for at in found:
        click.echo(at)
    if len(found) < n:
        click.echo("No later date: the schedule ends here.", err=True)

"""`simtriggers next`: the next fire times of a schedule expression.

Needs no project. One expression a call, or with `--jsonl` a stream of questions on standard input with one
answer a line, written as it is found: neither many questions nor long answers take memory. Times in and out
are ISO-8601; answers are in UTC.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn, TextIO

import click

from ..aws.schedules import Schedule, ScheduleError, fires, parse_schedule
from ..errors import UserError
from ..kernel.clock import WallClock, iso_s, parse_iso

MAXIMUM_FIRES = 1_000_000
MAXIMUM_LINE = 1_000_000
"""Characters of a question; AWS takes 256 for the expression, so a longer line is none."""

_KEYS = {"expression": str, "after": str, "n": int, "timezone": str}
_DEFAULT_FIRES = 5


def next_fires(expression: str, *, after: str | None, n: int, timezone: str | None = None) -> Iterator[str]:
    """The next `n` fires, such as `2026-01-16T10:00:00Z`, one by one; fewer when the schedule ends before.

    With a `timezone`, or for `at(...)`, the expression is EventBridge Scheduler's, else a rule's. `after` is an
    ISO-8601 time with a zone (None: the present); a fire at that very moment is not in the list. A rate is
    counted from there, as from one of its fires. Raises UserError, before the first fire is asked for.
    """
    if not 1 <= n <= MAXIMUM_FIRES:
        raise UserError(f"n is {n}, outside 1-{MAXIMUM_FIRES}", fix="ask for fewer, and go on from the last one")
    schedule = _schedule(expression, timezone)
    found = islice(fires(schedule, _after_ms(after)), n)
    return (iso_s(at_ms) for at_ms in found)


@lru_cache(maxsize=256)
def _schedule(expression: str, timezone: str | None) -> Schedule:
    try:
        if timezone is None and not expression.startswith("at("):
            return parse_schedule(expression)
        return parse_schedule(expression, kind="scheduler", timezone=timezone or "UTC")
    except ScheduleError as error:
        raise UserError(f"{error.message} (column {error.column} of {expression!r})", fix=error.fix) from None
    except LookupError as error:
        raise UserError(f"there is no time zone {timezone!r}", fix=str(error)) from None


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


# --- a stream of questions ----------------------------------------------------------------------


class _Wrong(Exception):
    """What is wrong with a question, as its answer says it."""


def answer(line: str) -> Iterator[str]:
    """The answer to one `--jsonl` question in pieces: `{"next": [...]}` or `{"error": "..."}`.

    The question is an object with `expression` and, when wanted, `after`, `n` (default 5) and `timezone`.
    """
    try:
        found = _asked(line)
    except _Wrong as wrong:
        # What is quoted of the question may hold half a character, which no output can.
        text = str(wrong).encode("utf-8", "backslashreplace").decode()
        yield json.dumps({"error": text}, ensure_ascii=False)
        return
    yield '{"next": ['
    separator = ""
    for at in found:
        yield f'{separator}"{at}"'
        separator = ", "
    yield "]}"


def _asked(line: str) -> Iterator[str]:
    """The fires that a question asks for. Raises _Wrong."""
    if len(line) > MAXIMUM_LINE:
        raise _Wrong(f"the line has more than {MAXIMUM_LINE} characters")
    try:
        question = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"the line is not JSON: {error}") from None
    if not isinstance(question, dict) or "expression" not in question:
        raise _Wrong('the line is not an object with "expression"')
    for key, item in question.items():
        if key not in _KEYS:
            raise _Wrong(f"unknown key {key!r}; known keys: {', '.join(_KEYS)}")
        if not isinstance(item, _KEYS[key]) or isinstance(item, bool):
            kind = "a whole number" if _KEYS[key] is int else "a string"
            raise _Wrong(f"{key} is {json.dumps(item)}, not {kind}")
    try:
        return next_fires(
            question["expression"],
            after=question.get("after"),
            n=question.get("n", _DEFAULT_FIRES),
            timezone=question.get("timezone"),
        )
    except UserError as error:
        raise _Wrong(_one_line(error)) from None


def stream(lines: TextIO, out: TextIO) -> None:
    """Answer each line of `lines` on a line of `out` as soon as it comes; empty lines are passed over."""
    while line := lines.readline(MAXIMUM_LINE + 1):
        if not line.strip():
            continue
        for piece in answer(line):
            out.write(piece)
        out.write("\n")
        out.flush()
        while len(line) > MAXIMUM_LINE and not line.endswith("\n"):  # the rest of a line that is too long
            line = lines.readline(MAXIMUM_LINE + 1)


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
@click.option("-n", "n", type=int, default=_DEFAULT_FIRES, show_default=True, help="How many.")
@click.option("--timezone", help="Its IANA name: EventBridge Scheduler's.  [default: a rule's schedule, in UTC]")
@click.option("--json", "as_json", is_flag=True, help='Print {"expression": ..., "next": [...]}.')
@click.option("--jsonl", "as_stream", is_flag=True, help="Answer questions from standard input, one a line.")
def command(
    expression: str | None, after: str | None, n: int, timezone: str | None, as_json: bool, as_stream: bool
) -> None:
    """Print when a schedule EXPRESSION fires next, such as "cron(0 10 * * ? *)" or "rate(5 minutes)".

    A rate is counted from the time given by --after. With --timezone the expression is EventBridge
    Scheduler's, and so is at(2026-01-15T12:34:00). With --jsonl each line of standard input is an object
    like {"expression": "cron(0 10 * * ? *)", "after": "2026-01-15T12:34:00Z", "n": 5}, with "timezone" if
    wanted, and each line of output {"next": [...]} or {"error": "..."}.
    """
    if as_stream:
        if expression is not None or after is not None or timezone is not None or as_json:
            _fail("--jsonl reads everything from standard input; leave out EXPRESSION and the other options")
        stream(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"), sys.stdout)
        return
    if expression is None:
        _fail('EXPRESSION is missing; write for example: simtriggers next "cron(0 10 * * ? *)"')
    try:
        found = next_fires(expression, after=after, n=n, timezone=timezone)
    except UserError as error:
        _fail(_one_line(error))
    if as_json:
        listed: dict[str, Any] = {"expression": expression, "next": list(found)}
        click.echo(json.dumps(listed))
        return
    left = n
    for at in found:
        click.echo(at)
        left -= 1
    if left:
        click.echo("No later date: the schedule ends here.", err=True)

"""`simtriggers next`: one expression, JSON, and a stream of questions."""

from __future__ import annotations

import json
from io import StringIO
from itertools import islice

import pytest
from click.testing import CliRunner, Result

from simtriggers.cli.next import MAXIMUM_LINE, answer, command, next_fires, stream
from simtriggers.errors import UserError
from simtriggers.kernel.clock import WallClock, parse_iso

AFTER = "2026-01-15T12:34:00Z"
WEEKDAYS = "cron(0 18 ? * MON-FRI *)"


def run(*args: str, lines: str | None = None) -> Result:
    return CliRunner().invoke(command, args, input=lines, catch_exceptions=False)


def test_next_fires() -> None:
    found = next_fires(WEEKDAYS, after=AFTER, n=3)
    assert list(found) == ["2026-01-15T18:00:00Z", "2026-01-16T18:00:00Z", "2026-01-19T18:00:00Z"]


def test_a_time_with_an_offset_is_taken_as_the_utc_it_is() -> None:
    found = next_fires("rate(1 hour)", after="2026-01-15T12:34:00+02:00", n=1, timezone="UTC")
    assert list(found) == ["2026-01-15T11:34:00Z"]


def test_the_present_is_the_default() -> None:
    before_ms = WallClock().now_ms()
    at_ms = parse_iso(next(next_fires("cron(* * * * ? *)", after=None, n=1)))
    assert before_ms < at_ms <= before_ms + 120_000


def test_plain_output() -> None:
    done = run(WEEKDAYS, "--after", AFTER, "-n", "2")
    assert (done.exit_code, done.stdout) == (0, "2026-01-15T18:00:00Z\n2026-01-16T18:00:00Z\n")


def test_json_output() -> None:
    done = run("rate(5 minutes)", "--after", AFTER, "-n", "2", "--json")
    assert done.exit_code == 0
    found = {"expression": "rate(5 minutes)", "next": ["2026-01-15T12:39:00Z", "2026-01-15T12:44:00Z"]}
    assert json.loads(done.stdout) == found


def test_a_time_zone_makes_it_a_schedule_of_scheduler() -> None:
    done = run("cron(30 2 * * ? *)", "--after", "2026-03-07T00:00:00Z", "-n", "2", "--timezone", "America/New_York")
    assert (done.exit_code, done.stdout) == (0, "2026-03-07T07:30:00Z\n2026-03-09T06:30:00Z\n")
    done = run("rate(1 minutes)", "--after", AFTER, "-n", "1", "--timezone", "UTC")
    assert (done.exit_code, done.stdout) == (0, "2026-01-15T12:35:00Z\n")


def test_one_time_schedules() -> None:
    done = run("at(2026-07-01T09:00:00)", "--after", AFTER)
    assert (done.exit_code, done.stdout) == (0, "2026-07-01T09:00:00Z\n")
    done = run("at(2026-07-01T09:00:00)", "--after", AFTER, "--timezone", "Europe/Berlin", "--json")
    assert json.loads(done.stdout)["next"] == ["2026-07-01T07:00:00Z"]
    done = run("at(2026-07-01T09:00:00)", "--after", "2026-07-01T09:00:00Z", "--json")
    assert json.loads(done.stdout)["next"] == []


def test_a_schedule_that_ends() -> None:
    done = run("cron(0 0 1 1 ? 2027)", "--after", AFTER)
    assert (done.exit_code, done.stdout) == (0, "2027-01-01T00:00:00Z\n")
    assert done.stderr == "No later date: the schedule ends here.\n"


@pytest.mark.parametrize(
    "args, message",
    [
        (["rate(5 minute)"], "The unit of 5 is 'minutes', not 'minute' (column 8 of 'rate(5 minute)')"),
        (["0 10 * * ? *"], "write cron(0 10 * * ? *)"),
        (["5 * * * *"], "is a crontab's line, not cron(...) (column 1 of '5 * * * *'); write cron(5 * * * ? *)"),
        ([], "EXPRESSION is missing"),
        ([WEEKDAYS, "--after", "tomorrow"], "'tomorrow' is not a time with a zone"),
        ([WEEKDAYS, "--after", "2026-01-15T12:34:00"], "write it like 2026-01-15T12:34:00Z"),
        ([WEEKDAYS, "--after", "1969-12-31T23:59:59Z"], "is before 1970"),
        ([WEEKDAYS, "-n", "0"], "n is 0, outside 1-1000000"),
        ([WEEKDAYS, "--timezone", "Europe/Berln"], "'Europe/Berln'; write an IANA name such as Europe/Berlin"),
        (["rate(1 weeks)", "--timezone", "UTC"], "Invalid Schedule Expression rate(1 weeks). 'weeks' is not a unit"),
        ([WEEKDAYS, "--jsonl"], "leave out EXPRESSION"),
    ],
)
def test_wrong_input(args: list[str], message: str) -> None:
    done = run(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_stream_of_questions() -> None:
    questions = [
        {"expression": "cron(0 10 * * ? *)", "after": AFTER, "n": 1},
        {"expression": "rate(1 day)", "after": AFTER, "timezone": "UTC"},
        {"expression": "cron(0 0 1 1 ? 2022)", "after": AFTER},
        {"expression": "cron(0 1 * * * *)", "after": AFTER},
        {"expression": 5},
        {"expression": "rate(1 day)", "n": True},
        {"expression": "rate(1 day)", "step": 2},
        {"after": AFTER},
    ]
    lines = [json.dumps(question) for question in questions]
    done = run("--jsonl", lines="\n".join([*lines, "", "{", "[" * 100_000]) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert answers[:3] == [
        {"next": ["2026-01-16T10:00:00Z"]},
        {"next": [f"2026-01-{day}T12:34:00Z" for day in (16, 17, 18, 19, 20)]},
        {"next": []},
    ]
    assert [list(answer) for answer in answers[3:]] == [["error"]] * 7
    texts = [answer["error"] for answer in answers[3:]]
    assert texts[0].startswith("Parameter ScheduleExpression is not valid. Day-of-month and day-of-week")
    assert texts[1:5] == [
        "expression is 5, not a string",
        "n is true, not a whole number",
        "unknown key 'step'; known keys: expression, after, n, timezone",
        'the line is not an object with "expression"',
    ]
    assert all(text.startswith("the line is not JSON: ") for text in texts[5:])


def test_a_stream_takes_no_memory() -> None:
    """Neither a question that never ends nor an answer of a million fires is held as a whole."""
    fires = json.dumps({"expression": "cron(* * * * ? *)", "after": AFTER, "n": 1_000_000})
    pieces = list(islice(answer(fires), 3))
    assert pieces == ['{"next": [', '"2026-01-15T12:35:00Z"', ', "2026-01-15T12:36:00Z"']
    lines = StringIO(
        "[" * (3 * MAXIMUM_LINE) + "\n" + json.dumps({"expression": "rate(1 day)", "after": AFTER, "n": 1})
    )
    out = StringIO()
    stream(lines, out)
    assert out.getvalue().splitlines() == [
        '{"error": "the line has more than 1000000 characters"}',
        '{"next": ["2026-01-16T12:34:00Z"]}',
    ]


def test_a_stream_that_is_no_text_everywhere() -> None:
    right = json.dumps({"expression": "rate(1 day)", "after": AFTER, "n": 1}).encode()
    half = b'{"expression": "\\ud800", "timezone": "UTC", "after": "2026-01-15T12:34:00Z"}'
    done = CliRunner().invoke(command, ["--jsonl"], input=b"\xff\xfe\n" + half + b"\n" + right + b"\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(answer) for answer in answers] == [["error"], ["error"], ["next"]]
    assert answers[1]["error"].startswith("Invalid Schedule Expression \\ud800.")


def test_errors_are_user_errors() -> None:
    with pytest.raises(UserError, match="is neither rate"):
        next_fires("often", after=AFTER, n=1)

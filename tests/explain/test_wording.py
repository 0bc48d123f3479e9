"""Every kind of trace row has its words, and a row reads as a line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtriggers.explain import narrate, narrated
from simtriggers.explain.causes import ACTS, STARTS
from simtriggers.explain.texts import duration, event, resource, short, size
from simtriggers.explain.wording import FORMS, TEMPLATES, detail
from simtriggers.kernel.trace import TraceRow
from tests.explain.world import played

PACKAGE = Path(__file__).parents[2] / "simtriggers"
PLACES = ("services", "engine", "live", "scenario", "simulation.py")
KIND = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+|Started|Restarted")
AT_MS = 1_768_478_400_000
QUEUE = "arn:aws:sqs:us-east-1:123456789012:ingest"


def nothing(digest: str) -> str | None:
    return {"d1": "hello\nthere"}.get(digest)


def row(kind: str, *, arn: str = QUEUE, subject: str = "s", cause: int = 9, **details: object) -> TraceRow:
    return TraceRow(14, AT_MS, kind, arn, subject, cause, details)


# --- completeness -------------------------------------------------------------------------------


def emitted() -> Iterator[tuple[str, str]]:
    """Every kind that the source gives a row, with the file that does."""
    files = [
        file
        for place in PLACES
        for file in ([PACKAGE / place] if place.endswith(".py") else (PACKAGE / place).rglob("*.py"))
    ]
    for file in files:
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for kind in _kinds(function):
                    yield kind, file.name


def _kinds(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    named = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    pairs = [
        (target.elts[0].id, node.value.elts[0])
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Tuple) and isinstance(target.elts[0], ast.Name)
    ]
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = {"Note": 1, "_note": 0, "note": 0}.get(called)
        if place is None or len(node.args) <= place:
            continue
        given = node.args[place]
        values = [given]
        if isinstance(given, ast.Name):
            values = [named[given.id]] if given.id in named else []
            values += [value for name, value in pairs if name == given.id]
        for value in values:
            for each in ast.walk(value):
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and KIND.fullmatch(each.value):
                    yield each.value


def test_every_kind_that_is_emitted_has_a_template() -> None:
    found = dict(emitted())
    assert {"MessageSent", "InvocationFailed", "BucketChanged", "BatchFailed", "ScheduleFired", "Started"} <= set(found)
    assert {kind: file for kind, file in found.items() if kind not in TEMPLATES} == {}


def test_every_template_is_of_a_kind_that_is_emitted() -> None:
    assert set(TEMPLATES) - {kind for kind, _ in emitted()} == set()
    assert (STARTS | ACTS) - set(TEMPLATES) == set()


def test_every_form_is_known() -> None:
    forms = {form for text in TEMPLATES.values() for form in re.findall(r"\{\w+:(\w+)\}", text)}
    assert forms <= set(FORMS)


def test_no_row_of_a_real_run_falls_back_to_its_plain_details() -> None:
    payload = played().payload
    plain = [each.kind for each in played().trace if re.match(r"\w+=", detail(each, payload))]
    assert plain == []


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found, line",
    [
        (
            row("MessageSent", subject="4f3c2b1a-0000-4000-8000-000000000000", payload="d1", size=11),
            "12:00:00.000  #14<-9       sqs:ingest               MessageSent           4f3c2b1a  11 bytes: hello there",
        ),
        (
            row("MessageReceived", subject="m", receive_count=2, visible_ms=AT_MS + 60_000),
            "12:00:00.000  #14<-9       sqs:ingest               MessageReceived       m  receive 2, hidden until"
            " 12:01:00.000",
        ),
        (
            row("SomethingNew", cause=0, subject="ingest", answer=42, text="x"),
            "12:00:00.000  #14          sqs:ingest               SomethingNew          answer=42 text=x",
        ),
        (
            row("MessageSent", subject="m", payload="unknown", size=1, visible_ms=AT_MS),
            "12:00:00.000  #14<-9       sqs:ingest               MessageSent           m  1 byte,"
            " visible at 12:00:00.000",
        ),
        (
            row("Started", arn="", subject="run", cause=0, incarnation=2),
            "12:00:00.000  #14          run                      Started               run number 2 of this state",
        ),
    ],
)  # fmt: skip
def test_a_row_is_a_line(found: TraceRow, line: str) -> None:
    assert narrate(found, nothing) == line


@pytest.mark.parametrize(
    "kind, details, text",
    [
        ("BatchStarted", {"records": ["a"], "source": QUEUE, "function": ""}, "1 record of sqs:ingest → run"),
        ("BatchStarted", {"records": [], "source": QUEUE, "function": ""}, "0 records of sqs:ingest → run"),
        ("QueuePurged", {"messages": 1}, "purged of 1 message"),
        ("QueuePurged", {"messages": 11}, "purged of 11 messages"),
        ("FileSkipped", {"reason": "1 word(s) of another"}, "1 word(s) of another"),
        ("NotificationMatched", {"event": "e", "target": QUEUE, "notification": "n", "not_matched": 1},
         "e → sqs:ingest (n), 1 other did not match"),
    ],
)  # fmt: skip
def test_numbers_of_things(kind: str, details: dict[str, object], text: str) -> None:
    assert detail(row(kind, **details), nothing) == text


def test_a_line_of_the_date_where_the_day_changes() -> None:
    rows = [TraceRow(14, AT_MS + hours * 3_600_000, "X", QUEUE, "s", 9, {}) for hours in (0, 11, 12, 13, 40)]
    lines = list(narrated(rows, nothing))
    assert [line[:12] for line in lines] == [
        "12:00:00.000", "23:00:00.000", "2026-01-16", "00:00:00.000", "01:00:00.000", "2026-01-17", "04:00:00.000",
    ]  # fmt: skip
    assert list(narrated(rows[2:4], nothing, day="2026-01-15")) == lines[2:5]
    assert list(narrated([], nothing)) == []


def test_the_whole_time_on_demand() -> None:
    assert narrate(row("X"), nothing, full_time=True).startswith("2026-01-15T12:00:00.000Z  #14<-9 ")


@pytest.mark.parametrize(
    "ms, text",
    [(0, "0ms"), (999, "999ms"), (1500, "1.5s"), (59_999, "59.999s"), (60_000, "1m00s"), (125_900, "2m05s"),
     (21_720_000, "6h02m"), (86_400_000, "1d00h"), (273_600_000, "3d04h"), (-1500, "-1.5s")],
)  # fmt: skip
def test_durations(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    "arn, text",
    [
        (QUEUE, "sqs:ingest"),
        ("arn:aws:s3:::uploads", "s3:uploads"),
        ("arn:aws:lambda:us-east-1:123456789012:function:parse", "lambda:parse"),
        ("arn:aws:events:us-east-1:123456789012:rule/night", "rule:night"),
        ("arn:aws:lambda:us-east-1:1:event-source-mapping:e6818a65-0000-4000-8000-000000000000", "mapping:e6818a65"),
        ("", "run"),
    ],
)
def test_names_of_resources(arn: str, text: str) -> None:
    assert resource(arn) == text


def test_short_texts() -> None:
    assert [size(1), size(1536), size(6 * 1024**2)] == ["1 byte", "1.5 KB", "6.0 MB"]
    assert short("a key with spaces.csv") == "a key with spaces.csv"
    assert event('{"Records":[]}') == ""
    assert event('{"Records":[1]}') == '{"Records":[1]}'
    assert event('{"detail-type":"x"}') == '{"detail-type":"x"}'


def test_rows_of_resources_with_usual_names_stand_below_each_other() -> None:
    rule = "arn:aws:events:us-east-1:123456789012:rule/"
    arns = ["arn:aws:s3:::uploads", QUEUE, f"{rule}nightly-schedule-1", f"{rule}{'a' * 60}"]
    lines = [narrate(row("ScheduleFired", arn=arn), nothing) for arn in arns]
    assert [line.index("ScheduleFired") for line in lines[:3]] == [52, 52, 52]
    assert f"rule:{'a' * 60} ScheduleFired" in lines[3]

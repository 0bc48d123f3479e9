"""`simtriggers why` and `simtriggers trace`: on a state file and on a trace file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simtriggers.cli import trace as trace_command
from simtriggers.explain import StateBook
from simtriggers.kernel.trace import TraceRow
from tests.cli.commands import Shell
from tests.explain.world import message, played, state_file, trace_file


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a state, and the working folder in it."""
    (tmp_path / ".simtriggers").mkdir()
    monkeypatch.chdir(tmp_path)
    return state_file(tmp_path).rename(tmp_path / ".simtriggers" / "state.db")


# --- why ----------------------------------------------------------------------------------------


def test_why_reads_the_state_of_the_project_here(shell: Shell, state: Path) -> None:
    done = shell("why", message("first"))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"why {message('first')}\n  first cause  #")
    assert "MessageMovedToDeadLetterQueue" in done.out


def test_why_finds_the_same_wherever_it_is_asked(shell: Shell, state: Path, tmp_path: Path) -> None:
    here = shell("why", "bad.csv").out
    file = trace_file(tmp_path)
    for options in (["--state", str(state)], ["--project", str(tmp_path)], ["--trace", str(file)]):
        assert shell("why", "bad.csv", *options).out == here
    assert shell("why", "bad.csv", "--project", str(tmp_path / "simtriggers.yaml")).out == here


def test_why_as_json(shell: Shell, state: Path) -> None:
    found = json.loads(shell("why", "bad.csv", "--json").out)
    assert (found["id"], found["origin"]) == ("bad.csv", "act")


def test_why_leaves_steps_out_unless_told_otherwise(shell: Shell, state: Path) -> None:
    short, whole = shell("why", "1").out, shell("why", "1", "--all").out
    assert "--all" not in whole
    assert len(whole.splitlines()) >= len(short.splitlines())


def test_its_help_says_how_much_of_an_id_is_enough(shell: Shell, state: Path) -> None:
    assert "the first four letters of one are enough" in " ".join(shell("why", "--help").out.split())
    whole = message("first")
    assert [shell("why", whole[:length]).code for length in (3, 4, 5)] == [2, 0, 0]


def test_why_of_a_wrong_id(shell: Shell, state: Path) -> None:
    done = shell("why", "bad.tsv")
    assert (done.code, done.out) == (2, "")
    assert "nothing in the trace has the id 'bad.tsv'" in done.err
    assert "the nearest: bad.csv" in done.err


def test_why_in_a_file_of_several_runs(shell: Shell, tmp_path: Path) -> None:
    file = str(trace_file(tmp_path, "a.yaml", "b.yaml"))
    done = shell("why", "bad.csv", "--trace", file)
    assert done.code == 2
    assert "a.yaml, b.yaml" in done.err
    assert shell("why", "bad.csv", "--trace", file, "--scenario", "b.yaml").code == 0
    assert "runs: a.yaml, b.yaml" in shell("why", "bad.csv", "--trace", file, "--scenario", "c").err


@pytest.mark.parametrize("command", [["why", "x"], ["trace"]])
def test_no_state(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    done = shell(*command)
    assert done.code == 2
    assert "no project has been up in this folder" in done.err
    assert shell(*command, "--state", "x.db").code == 2
    assert shell(*command, "--state", "x.db", "--trace", "y").code == 2


# --- trace --------------------------------------------------------------------------------------


def rows(shell: Shell, *options: str) -> list[dict[str, object]]:
    done = shell("trace", "--json", *options)
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def test_every_row_is_a_line(shell: Shell, state: Path) -> None:
    lines = shell("trace").out.splitlines()
    assert len(lines) == len(played().trace)
    assert lines[0].startswith("2026-01-15T12:00:00.000Z  #1           run                      Started")
    assert [row["id"] for row in rows(shell)] == [row.id for row in played().trace]


def test_filters(shell: Shell, state: Path) -> None:
    def kinds(*options: str) -> set[object]:
        return {row["kind"] for row in rows(shell, *options)}

    assert kinds("--kind", "MessageSent", "--kind", "QueueCreated") == {"MessageSent", "QueueCreated"}
    assert {row["subject"] for row in rows(shell, "--subject", message("first")[:8])} == {message("first")}
    assert kinds("--arn", "uploads") == {"BucketCreated", "ObjectCreated", "NotificationMatched"}
    assert kinds("--arn", "arn:aws:s3:::uploads") == kinds("--arn", "uploads")
    assert {row["at"] for row in rows(shell, "--since", "2026-01-16T00:00:00Z")} == {
        "2026-01-16T02:00:00.000Z",
        "2026-01-16T02:00:00.001Z",
    }
    assert rows(shell, "--since", "0.5s") == rows(shell, "--since", "2026-01-16T00:00:00Z")
    assert [row["id"] for row in rows(shell, "-n", "2")] == [row.id for row in played().trace[-2:]]
    assert rows(shell, "--kind", "MessageExpired") == []


@pytest.mark.parametrize(
    "kind, fix",
    [
        ("Nope", "leave --kind out to see all rows with their kinds"),
        ("messagesend", "did you mean 'MessageSent'?"),
        ("InvocationFail", "did you mean 'InvocationFailed'?"),
    ],
)
def test_a_kind_that_no_row_has(shell: Shell, state: Path, kind: str, fix: str) -> None:
    done = shell("trace", "--kind", "MessageSent", "--kind", kind)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"no row of a trace is of kind {kind!r}\n  fix: {fix}\n"


def test_of_a_function(shell: Shell, state: Path) -> None:
    kinds = {row["kind"] for row in rows(shell, "--function", "handle")}
    assert {"MappingEnabled", "BatchStarted", "InvocationStarted", "LogLines"} <= kinds
    assert "AsyncEventAccepted" not in kinds


def test_a_wrong_time(shell: Shell, state: Path) -> None:
    done = shell("trace", "--since", "yesterday")
    assert done.code == 2
    assert "--since 'yesterday' is no time" in done.err


def test_a_trace_file_of_several_runs(shell: Shell, tmp_path: Path) -> None:
    file = str(trace_file(tmp_path, "a.yaml", "b.yaml"))
    lines = shell("trace", "--trace", file, "--kind", "Started").out.splitlines()
    assert [line for line in lines if line.startswith("---")] == ["--- a.yaml", "--- b.yaml"]
    assert shell("trace", "--trace", file, "--follow").code == 2


def test_following_shows_what_is_added(shell: Shell, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = played().trace[-1].id
    added = [TraceRow(newest + 1, 0, "Started", "", "run", 0, {}), TraceRow(newest + 2, 0, "Other", "", "x", 0, {})]
    looks = iter([[added[0]], [added[1]]])

    def after(book: StateBook, row_id: int) -> list[TraceRow]:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(StateBook, "after", after)
    monkeypatch.setattr(trace_command, "_LOOK_EVERY_S", 0)
    done = shell("trace", "--kind", "Started", "--follow", "--json")
    assert done.code == 130
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == [1, newest + 1]

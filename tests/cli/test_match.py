"""`simtriggers match`: one question from files, text or standard input, and a stream of questions."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simtriggers.cli.group import group
from simtriggers.cli.match import answer, stream

ORDERS = '{"source": ["orders"], "detail": {"amount": [{"numeric": [">", 10]}]}}'
LARGE = '{"source": "orders", "detail": {"amount": 12}}'
SMALL = '{"source": "orders", "detail": {"amount": 5}}'


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    found = CliRunner().invoke(group, ["match", *args], input=stdin, catch_exceptions=False, standalone_mode=False)
    if isinstance(found.return_value, int):
        found.exit_code = found.return_value
    return found


@pytest.mark.parametrize(
    "args, stdin, code, shown",
    [
        ([ORDERS, LARGE], None, 0, "match\n"),
        ([ORDERS, SMALL], None, 1, "no match\n"),
        ([ORDERS, LARGE, "--explain"], None, 0, "match\n"),
        ([ORDERS, SMALL, "--explain"], None, 1, "no match\n  detail.amount: 5 is not > 10\n"),
        ([ORDERS, LARGE, "--json"], None, 0, '{"match": true}\n'),
        ([ORDERS, SMALL, "--json"], None, 1, '{"match": false}\n'),
        (
            [ORDERS, SMALL, "--json", "--explain"],
            None,
            1,
            '{"match": false, "mismatch": "detail.amount: 5 is not > 10"}\n',
        ),
        ([ORDERS, "-"], SMALL, 1, "no match\n"),
        (["-", LARGE], ORDERS, 0, "match\n"),
    ],
)
def test_one_question(args: list[str], stdin: str | None, code: int, shown: str) -> None:
    done = run(*args, stdin=stdin)
    assert (done.exit_code, done.stdout) == (code, shown)


def test_files(tmp_path: Path) -> None:
    pattern, event = tmp_path / "pattern.json", tmp_path / "event.json"
    pattern.write_text(ORDERS, encoding="utf-8")
    event.write_text(LARGE, encoding="utf-8")
    assert run(str(pattern), str(event)).stdout == "match\n"


@pytest.mark.parametrize(
    "args, stdin, message",
    [
        ([], None, "PATTERN is missing"),
        ([ORDERS], None, "EVENT is missing"),
        (["-", "-"], "{}", "PATTERN and EVENT are both -"),
        (["nowhere.json", "{}"], None, "PATTERN is 'nowhere.json': there is no such file"),
        ([".", "{}"], None, "PATTERN cannot be read"),
        (
            ['{"a": 5}', "{}"],
            None,
            'PATTERN:1:8: Event pattern is not valid. Reason: "a" must be an object or an array',
        ),
        (['{"a": [{"cidr": "x"}]}', "{}"], None, "PATTERN: Event pattern is not valid. Reason: Malformed CIDR"),
        (['{"a": [{"prefx": "x"}]}', "{}"], None, "Unrecognized match type prefx\n  fix: did you mean 'prefix'?"),
        (["-", "{}"], '{\n"a": []}', "standard input:2:8: Event pattern is not valid. Reason: Empty arrays"),
        ([ORDERS, '{"a": 1,}'], None, "EVENT:1:9: it is not JSON"),
        ([ORDERS, "-"], '{"a": NaN}', "standard input: it is not JSON: NaN is not JSON"),
        ([ORDERS, '{"a": ' * 100_000], None, "EVENT: it is not JSON"),
        ([ORDERS, "[1]"], None, "EVENT: an event is a JSON object, and this is an array"),
        ([ORDERS, "-"], "5", "standard input: an event is a JSON object, and this is a number"),
        (["--jsonl", ORDERS], "", "leave out PATTERN"),
        (["--jsonl", "--json"], "", "leave out PATTERN"),
    ],
)
def test_wrong_input(
    args: list[str],
    stdin: str | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from simtriggers.cli import run as run_main

    monkeypatch.setattr("sys.stdin", io.StringIO(stdin or ""))
    assert run_main(["match", *args]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err


def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simtriggers.cli import run as run_main

    (tmp_path / "event.json").write_bytes(b"\xff\xfe{")
    assert run_main(["match", ORDERS, str(tmp_path / "event.json")]) == 2
    assert "EVENT cannot be read" in capsys.readouterr().err


# --- a stream of questions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "question, expected",
    [
        ({"pattern": {"a": ["x"]}, "event": {"a": "x"}}, {"match": True}),
        ({"pattern": {"a": ["x"]}, "event": {"a": "y"}}, {"match": False, "mismatch": 'a: "y" is not "x"'}),
        ({"pattern": '{"a": ["x"]}', "event": {"a": "x"}}, {"match": True}),
        ({"pattern": {"a": ["x"]}}, {"error": 'the line has no "event"'}),
        ({"event": {}}, {"error": 'the line has no "pattern"'}),
        ({"pattern": {}, "event": {}, "n": 1}, {"error": "unknown key 'n'; known keys: pattern, event"}),
        ({"pattern": {"a": ["x"]}, "event": "a"}, {"error": "the event is a string, not a JSON object"}),
        ({"pattern": {"a": ["x"]}, "event": None}, {"error": "the event is null, not a JSON object"}),
        ({"pattern": {"a": ["x"]}, "event": True}, {"error": "the event is true or false, not a JSON object"}),
        ([], {"error": "the line is not an object"}),
        (
            {"pattern": '{"a": 5}', "event": {}},
            {
                "error": 'Event pattern is not valid. Reason: "a" must be an object or an array\n'
                ' at [Source: (String)"{"a": 5}"; line: 1, column: 8]'
            },
        ),
    ],
)
def test_answers(question: Any, expected: dict[str, Any]) -> None:
    assert answer(json.dumps(question), with_reason=True) == expected


@pytest.mark.parametrize(
    "line", [b"{", b"\xff", b'{"pattern": {"a": [NaN]}, "event": {}}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_a_line_that_is_no_json(line: bytes) -> None:
    assert answer(line)["error"].startswith("the line is not JSON: ")


def test_a_number_for_a_pattern() -> None:
    assert "Filter is not an object" in answer('{"pattern": 5, "event": {}}')["error"]


def test_a_stream_goes_on_behind_a_wrong_line() -> None:
    lines = f'{{"pattern": {ORDERS}, "event": {LARGE}}}\n\nx\n{{"pattern": {ORDERS}, "event": {SMALL}}}'
    done = run("--jsonl", stdin=lines)
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert (done.exit_code, first, set(second), third) == (0, {"match": True}, {"error"}, {"match": False})


def test_a_stream_gives_reasons() -> None:
    done = run("--jsonl", "--explain", stdin=f'{{"pattern": {ORDERS}, "event": {SMALL}}}\n')
    assert json.loads(done.stdout) == {"match": False, "mismatch": "detail.amount: 5 is not > 10"}


def test_a_long_stream_takes_no_more_memory_than_a_short_one() -> None:
    """Each line has a pattern of its own, so that what is kept of them must be bounded."""

    def lines(count: int) -> Iterator[bytes]:
        for number in range(count):
            yield b'{"pattern": {"a": ["%d"]}, "event": {"a": "%d"}}\n' % (number, number)

    class Out(io.StringIO):
        def write(self, text: str) -> int:
            assert text == '{"match": true}\n'
            return len(text)

    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        stream(lines(count), Out())
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak(600)
        assert peak(3_000) < peak(600) * 1.2
    finally:
        tracemalloc.stop()

"""Golden traces: `scenario.trace` beside each scenario of the repository holds every row of its run.

A change of behaviour shows as a difference here. `make golden` (SIMTRIGGERS_GOLDEN=1) writes the files anew and
still fails, saying what changed, so that nobody commits a new trace unseen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"
FILES = sorted(SCENARIOS.rglob("scenario.yaml"))
_REWRITE = "SIMTRIGGERS_GOLDEN"


def run_test_command(
    *arguments: str | Path, folder: Path = ROOT, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`simtriggers test …` in a process of its own, whose own hash seed is the command's affair."""
    kept = {name: text for name, text in os.environ.items() if name not in ("PYTHONHASHSEED", "TZ")}
    return subprocess.run(
        [sys.executable, "-m", "simtriggers", "test", *map(str, arguments)],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        check=False,
    )


def split(trace: str) -> dict[str, list[str]]:
    """The lines of each scenario in a trace file, without its header row."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in trace.splitlines():
        head = json.loads(line)
        if "scenario" in head:
            lines = found.setdefault(head["scenario"], [])
        else:
            lines.append(line)
    return found


def difference(expected: list[str], actual: list[str]) -> str:
    """The first line that differs, key by key, and how many lines there are; empty when nothing differs."""
    if expected == actual:
        return ""
    number = next(
        (index for index, (old, new) in enumerate(zip(expected, actual, strict=False)) if old != new),
        min(len(expected), len(actual)),
    )
    shown = [f"line {number + 1} differs ({len(expected)} lines before, {len(actual)} now)"]
    old = json.loads(expected[number]) if number < len(expected) else None
    new = json.loads(actual[number]) if number < len(actual) else None
    if old is None or new is None:
        shown += [f"  before: {_row(old)}", f"  now:    {_row(new)}"]
    else:
        shown.append(f"  in {_row(new)}")
        for path, before, now in _changes(old, new, ""):
            shown += [f"  {path}", f"    before: {before}", f"    now:    {now}"]
    return "\n".join(shown)


def _row(row: dict[str, Any] | None) -> str:
    return "nothing" if row is None else f"{row['id']}<-{row['cause']} {row['at']} {row['kind']} {row['subject']}"


def _changes(old: Any, new: Any, path: str) -> list[tuple[str, str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*old, *(name for name in new if name not in old)]
        absent = "(no such key)"
        found = [
            each
            for name in names
            for each in _changes(old.get(name, absent), new.get(name, absent), f"{path}.{name}".lstrip("."))
        ]
        return found or ([] if list(old) == list(new) else [(path, f"keys {list(old)}", f"keys {list(new)}")])
    return [] if old == new and type(old) is type(new) else [(path, str(old), str(new))]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The trace of every scenario, from one run of the command."""
    path = tmp_path_factory.mktemp("golden") / "all.jsonl"
    done = run_test_command("scenarios", "--trace", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return split(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_trace_is_the_one_beside_the_scenario(file: Path, traces: dict[str, list[str]]) -> None:
    golden = file.with_suffix(".trace")
    actual = traces[file.relative_to(SCENARIOS).as_posix()]
    expected = golden.read_text(encoding="utf-8").splitlines() if golden.exists() else None
    if expected == actual:
        return
    if os.environ.get(_REWRITE) == "1":
        golden.write_text("".join(f"{line}\n" for line in actual), encoding="utf-8", newline="\n")
        what = "is new" if expected is None else f"was written anew: {difference(expected, actual)}"
        pytest.fail(f"{golden.relative_to(ROOT)} {what}", pytrace=False)
    if expected is None:
        pytest.fail(f"there is no {golden.relative_to(ROOT)}; `make golden` writes it", pytrace=False)
    text = difference(expected, actual)
    pytest.fail(f"{golden.relative_to(ROOT)}: {text}\n`make golden` writes it anew, if that is meant", pytrace=False)


def test_every_golden_trace_belongs_to_a_scenario() -> None:
    assert len(FILES) >= 7
    assert {path.with_suffix(".yaml") for path in SCENARIOS.rglob("*.trace")} <= set(FILES)


def test_golden_traces_name_no_place_on_the_machine() -> None:
    for path in SCENARIOS.rglob("*.trace"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert str(Path.home()) + "/" not in text or str(Path.home()) == "/"


ROW = '{"id":3,"at":"2026-01-15T12:00:00.000Z","kind":"MessageSent","arn":"q","subject":"m","cause":1,"details":%s}'


@pytest.mark.parametrize(
    "before, now, expect",
    [
        (['{"size":1}'], ['{"size":1}'], ""),
        (
            ['{"size":1}', '{"size":2}'],
            ['{"size":1}', '{"size":3}'],
            "line 2 differs (2 lines before, 2 now)\n"
            "  in 3<-1 2026-01-15T12:00:00.000Z MessageSent m\n"
            "  details.size\n"
            "    before: 2\n"
            "    now:    3",
        ),
        (
            ['{"size":1}'],
            [],
            "line 1 differs (1 lines before, 0 now)\n"
            "  before: 3<-1 2026-01-15T12:00:00.000Z MessageSent m\n"
            "  now:    nothing",
        ),
        (
            ['{"a":1,"b":1}'],
            ['{"b":1,"a":1}'],
            "line 1 differs (1 lines before, 1 now)\n"
            "  in 3<-1 2026-01-15T12:00:00.000Z MessageSent m\n"
            "  details\n"
            "    before: keys ['a', 'b']\n"
            "    now:    keys ['b', 'a']",
        ),
        (
            ['{"size":1}'],
            ['{"size":1.0,"new":true}'],
            "line 1 differs (1 lines before, 1 now)\n"
            "  in 3<-1 2026-01-15T12:00:00.000Z MessageSent m\n"
            "  details.size\n"
            "    before: 1\n"
            "    now:    1.0\n"
            "  details.new\n"
            "    before: (no such key)\n"
            "    now:    True",
        ),
    ],
    ids=["same", "value", "missing line", "order of keys", "type and new key"],
)
def test_a_difference_reads_well(before: list[str], now: list[str], expect: str) -> None:
    assert difference([ROW % row for row in before], [ROW % row for row in now]) == expect

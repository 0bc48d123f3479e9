"""`simtriggers test`: results, reports, traces that depend on nothing but scenarios, seeds and version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from simtriggers import __version__
from tests.cli.commands import Shell

ROOT = Path(__file__).parents[2]

SETS = """
import random, uuid

def ingest(event, context):
    words = {"tea", "milk", "sugar", "lemon", "cup", "spoon"}
    print(list(words), uuid.uuid4(), random.random())
    raise ValueError(words)

def process(event, context):
    return {}

def nightly(event, context):
    return None
"""
FAILING = """
project: ../simtriggers.yaml
steps: [{send_message: {queue: orders, body: no order}}, {advance: 6h}]
expect: [{messages: {queue: orders, count: 5}}]
"""


def test_the_default_folder(shell: Shell, demo: Path) -> None:
    done = shell("test")
    assert (done.code, done.err) == (0, "")
    first, last = done.out.splitlines()
    assert first.startswith("✓ first  virtual 1d00h in ")
    assert first.endswith(", 8 invocations")
    assert last.startswith("1 passed: virtual 1d00h in ")


def test_an_expectation_that_fails(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "a_bad.yaml").write_text(FAILING)
    done = shell("test", "--seed", "3")
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("✗ a_bad  virtual 6h00m in ")
    assert lines[1].startswith("    scenarios/a_bad.yaml:4:10: ")
    assert "    to run it again: simtriggers test scenarios/a_bad.yaml --seed 3" in lines
    assert [line[0] for line in lines if line[0] in "✓✗"] == ["✗", "✓"]
    assert lines[-1].startswith("1 passed, 1 failed: ")


def test_results_as_json(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "a_bad.yaml").write_text(FAILING)
    done = shell("test", "--json")
    bad, good = json.loads(done.out)
    assert done.code == 1
    assert (bad["name"], bad["passed"], len(bad["failures"])) == ("a_bad", False, 1)
    assert good == {
        "path": "scenarios/first.yaml", "name": "first", "passed": True, "failures": [], "seed": 1,
        "virtual_ms": 86_400_000, "invocations": 8, "real_s": good["real_s"],
    }  # fmt: skip


def test_mistakes_do_not_hide_the_other_scenarios(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "a_wrong.yaml").write_text("project: ../simtriggers.yaml\nsteps: [{advnce: 1h}]\n")
    done = shell("test")
    assert done.code == 2
    assert done.out.splitlines()[0].startswith("✓ first")
    assert "1 passed, 1 mistake in files" in done.out
    assert "scenarios/a_wrong.yaml:2:" in done.err


def test_a_junit_report(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "a_bad.yaml").write_text(FAILING)
    assert shell("test", "--junit", "out.xml").code == 1
    suite = ET.parse(demo / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a_bad", "first"]
    assert [len(case) for case in suite] == [1, 0]
    [failure] = suite[0]
    message = "scenarios/a_bad.yaml:4:10: messages in orders, expected: 5, actual: 0 of 0 that lie there"
    assert (failure.get("type"), failure.get("message")) == ("expectation", message)
    assert str(failure.text).endswith("\n\nto run it again: simtriggers test scenarios/a_bad.yaml --seed 1")


def test_a_scenario_that_cannot_be_run_is_an_error_of_the_report(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "a_wrong.yaml").write_text(
        "project: ../simtriggers.yaml\nsteps: [{advnce: 1h}]\nexpect: [{queue_depth: {queue: orders}}]\n"
    )
    assert shell("test", "--junit", "out.xml").code == 2
    suite = ET.parse(demo / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "1")
    [error] = next(case for case in suite if case.get("name") == "a_wrong")
    message = "scenarios/a_wrong.yaml:2:10: steps[0] has an unknown key 'advnce' (and 1 more)"
    assert (error.tag, error.get("type"), error.get("message")) == ("error", "mistake", message)
    assert "did you mean 'advance'?" in str(error.text)


def test_what_to_do_about_errors_of_the_runtime(shell: Shell, demo: Path) -> None:
    (demo / "handlers.py").write_text(
        "import nowhere\ndef ingest(*_): ...\ndef process(*_): ...\ndef nightly(*_): ...\n"
    )
    done = shell("test", "--junit", "out.xml")
    assert done.code == 1
    [fix] = [line for line in done.out.splitlines() if line.startswith("    fix: ")]
    assert fix.startswith("    fix: ingest, process, nightly: install what is missing")
    assert fix.strip() in (demo / "out.xml").read_text()


def test_a_trace_file(shell: Shell, demo: Path) -> None:
    (demo / "scenarios" / "more").mkdir()
    (demo / "scenarios" / "more" / "b.yaml").write_text(FAILING.replace("../", "../../"))
    assert shell("test", "--trace", "t.jsonl", "--shuffle-ties", "4").code == 1
    text = (demo / "t.jsonl").read_text()
    heads = [json.loads(line) for line in text.splitlines() if line.startswith('{"scenario"')]
    head = {"seed": 1, "version": __version__, "shuffle_ties": 4}
    assert heads == [{"scenario": "first.yaml", **head}, {"scenario": "more/b.yaml", **head}]
    assert str(demo) not in text


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["missing.yaml"], "there is no scenario missing.yaml"),
        (["tests"], "there are no scenarios in tests"),
        (["--trace", "missing/t.jsonl"], "cannot write missing/t.jsonl: no such file or directory"),
        (["--junit", "missing/o.xml"], "cannot write missing/o.xml: no such file or directory"),
    ],
)
def test_wrong_paths(shell: Shell, demo: Path, arguments: list[str], problem: str) -> None:
    done = shell("test", *arguments)
    assert done.code == 2
    assert problem in done.err


def test_no_scenarios_here(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = shell("test")
    assert (done.code, done.out) == (2, "")
    assert "there is no folder scenarios/ here" in done.err
    assert "simtriggers init" in done.err


def test_a_trace_depends_on_neither_the_hash_seed_nor_the_place_nor_the_time_zone(demo: Path) -> None:
    (demo / "handlers.py").write_text(SETS)

    def trace(name: str, folder: Path, seed: int, **environment: str) -> bytes:
        file = demo / name
        command = [sys.executable, "-m", "simtriggers", "test", os.path.relpath(demo / "scenarios", folder)]
        ended = subprocess.run(
            [*command, "--seed", str(seed), "--trace", str(file)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 1, ended.stderr.decode()
        return file.read_bytes()

    one = trace("one.jsonl", demo, 1, PYTHONHASHSEED="1", TZ="UTC")
    assert one.count(b'"InvocationFailed"') == 6
    assert trace("two.jsonl", demo.parent, 1, PYTHONHASHSEED="2", TZ="Pacific/Auckland") == one
    assert trace("three.jsonl", demo, 2, PYTHONHASHSEED="random") != one

"""`simtriggers init`: what it makes works at once, and nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simtriggers.cli.init import FILES
from simtriggers.simulation import Simulation
from tests.cli.commands import WITH_PLUGIN, Shell

ROOT = Path(__file__).parents[2]


def test_what_it_makes_works_at_once(shell: Shell, tmp_path: Path) -> None:
    done = shell("init", str(tmp_path / "demo"))
    assert done.code == 0
    assert f"cd {tmp_path / 'demo'}" in done.out
    assert f"  {tmp_path / 'demo'}/uploads/\n" in done.out
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        ".gitignore", "README.md", "handlers.py", "scenarios", "simtriggers.yaml", "tests", "uploads",
    ]  # fmt: skip
    for command in (["-m", "simtriggers", "test"], ["-m", "pytest", "-q", *WITH_PLUGIN]):
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path / "demo",
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_its_help_says_is_what_it_does(shell: Shell) -> None:
    said = " ".join(shell("init", "--help").out.split())
    assert "When one of its files is there already, nothing is written." in said


def test_what_the_comments_of_its_project_say_is_what_happens(demo: Path) -> None:
    text = (demo / "simtriggers.yaml").read_text()
    assert "tried three times and ends in the queue failed" in text
    assert "fails three times ends in orders-dlq" in text
    with Simulation.load(demo) as sim:
        sim.bucket("uploads").put("empty.csv", "")
        sim.queue("orders").send("this is no order")
        sim.run_until_idle()
        assert len(sim.queue("failed").messages()) == 1
        [letter] = sim.queue("orders-dlq").messages()
        kinds = [(row.kind, row.subject) for row in sim.trace if row.kind in ("InvocationFailed", "MessageReceived")]
        assert [kind for kind, _ in kinds].count("InvocationFailed") == 3
        assert kinds.count(("MessageReceived", letter.message_id)) == 3


def test_into_the_folder_one_is_in(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = shell("init")
    assert done.code == 0
    assert "cd " not in done.out
    assert (tmp_path / "simtriggers.yaml").is_file()


def test_nothing_is_overwritten(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    done = shell("init", str(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("handlers.py, README.md are there already, and nothing was written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "handlers.py"]


def test_a_place_that_is_no_folder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = shell("init", str(tmp_path / "file"))
    assert done.code == 2
    assert "cannot write into" in done.err


def test_every_file_of_the_template_is_used() -> None:
    template = ROOT / "simtriggers" / "cli" / "template"
    there = {path.relative_to(template).as_posix() for path in template.rglob("*") if path.is_file()}
    assert there == set(FILES.values())

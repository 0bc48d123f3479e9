"""What `simtriggers up` refuses: each mistake is told with a fix, and nothing has been changed."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simtriggers.cli import run
from tests.live.running import simtriggers, up
from tests.live.test_up import APP, YAML, demo

pytestmark = pytest.mark.live


# --- mistakes -------------------------------------------------------------------------------------


class Refused:
    """Runs `up` in this process, where it must not start; gives what it says."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str) -> str:
        code = run(["up", *arguments, *([] if "--port" in arguments else ["--port", "0"])])
        said = self._capsys.readouterr()
        assert (code, "Traceback" in said.err, "is up on" in said.out) == (2, False, False), said
        return said.err


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    return Refused(tmp_path, capsys, monkeypatch)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    demo(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = simtriggers("up", "--port", str(port), folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"port {port} cannot be used: address already in use\n"
        "  fix: stop the program that uses it, or choose another: --port 0 takes a free one\n"
    )


def test_wrong_options(refused: Refused) -> None:
    assert "--speed 0 is not possible; write a number above 0" in refused("--speed", "0")
    assert "--speed nan is not possible" in refused("--speed", "nan")
    assert "--port 70000 is not a port" in refused("--port", "70000")


def test_no_project(refused: Refused) -> None:
    assert "simtriggers init" in refused()
    assert "elsewhere.yaml" in refused("elsewhere.yaml")


def test_mistakes_in_the_project_are_shown_together(tmp_path: Path, refused: Refused) -> None:
    demo(tmp_path, YAML.replace("app.parse", "app.prase").replace("sqs: orders", "sqs: oders"))
    said = refused()
    assert "simtriggers.yaml:8:" in said and "did you mean 'parse'" in said, said
    assert "simtriggers.yaml:14:" in said and "did you mean 'orders'" in said, said
    assert not (tmp_path / ".simtriggers").exists()


def test_a_handlers_file_that_is_no_python(tmp_path: Path, refused: Refused) -> None:
    demo(tmp_path, app=APP + "def late(event, context)\n")
    said = refused()
    assert said.startswith("app.py:10:25: a handler's file is no Python: expected ':'\n"), said
    assert simtriggers("validate", folder=tmp_path).stderr == said + "1 mistake in 1 file\n"
    assert not (tmp_path / ".simtriggers").exists()


@pytest.mark.parametrize("folder, what", [("app.py/uploads", "'app.py' in 'app.py/uploads'"), ("app.py", "'app.py'")])
def test_a_folder_that_is_a_file(tmp_path: Path, refused: Refused, folder: str, what: str) -> None:
    demo(tmp_path, YAML.replace("./uploads", folder))
    said = refused()
    assert said == (
        f"simtriggers.yaml:2:21: buckets.uploads.folder: {what} is a file, not a folder\n"
        "  fix: name a folder (one that is not there is made), or move the file away\n"
    )
    assert simtriggers("validate", folder=tmp_path).stderr == said + "1 mistake in 1 file\n"
    assert not (tmp_path / ".simtriggers").exists()


_KINDS = "SELECT kind, count(*) FROM trace WHERE kind <> 'Started' GROUP BY kind ORDER BY kind"


def test_a_folder_that_cannot_be_made_leaves_the_state_as_it_was(tmp_path: Path, refused: Refused) -> None:
    with up(demo(tmp_path)) as sim:
        before = sim.rows("SELECT * FROM resources ORDER BY arn")
        rows = sim.rows(_KINDS)
    name = "n" * 300
    (tmp_path / "simtriggers.yaml").write_text(
        YAML.replace("buckets:\n", f"buckets:\n  new: {{folder: {name}}}\n").replace("  plain: {}\n", "")
    )
    assert refused() == (
        f"the folder of bucket new cannot be made: {tmp_path / name}: file name too long\n"
        "  fix: make it, or correct buckets.new.folder\n"
    )
    assert sim.rows("SELECT * FROM resources ORDER BY arn") == before
    assert sim.rows(_KINDS) == rows


def test_a_state_that_is_in_use(tmp_path: Path, refused: Refused) -> None:
    with up(demo(tmp_path)) as sim:
        said = refused()
        assert f"in use by another simtriggers (process {sim.process.pid})" in said
        assert "--state" in said


def test_what_is_no_state(tmp_path: Path, refused: Refused) -> None:
    demo(tmp_path)
    (tmp_path / "other.db").write_bytes(b"this is no database, but a text that goes on for a while" * 30)
    assert "not a sound simtriggers state file" in refused("--state", "other.db")
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as theirs, theirs:
        theirs.execute("CREATE TABLE customers (name TEXT)")
    assert "the database of another program" in refused("--state", "theirs.db")
    assert "cannot be made" in refused("--state", "app.py/state.db")
    assert "cannot be opened for writing" in refused("--state", ".")

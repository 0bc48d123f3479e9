"""The command line as a whole: help, unknown commands, errors, exit codes, and how little it loads."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from simtriggers import __version__, cli
from simtriggers.cli import group
from simtriggers.errors import AwsFault, StateError, UserError, Where
from tests.cli.commands import Shell

LATER = ["sweep", "event", "check", "cost", "policy", "lint", "import", "export", "clean"]


def test_help_names_every_command_and_loads_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import simtriggers.cli as cli; cli.run(['--help']);"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('simtriggers')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2:].split()[0] in cli.COMMANDS] == [
        *cli.COMMANDS
    ]
    assert lines[-1] == "['__future__']"


@pytest.mark.parametrize("asked", [[], ["--help"], ["-h"]])
def test_the_same_help_for_everybody(shell: Shell, asked: list[str]) -> None:
    assert shell(*asked).out == cli.help_text() + "\n"


def test_the_help_of_click_is_the_same(shell: Shell) -> None:
    assert shell("--help", "plan").out.rstrip() == cli.help_text()


def test_version(shell: Shell) -> None:
    assert shell("--version").out == f"simtriggers {__version__}\n"
    assert shell("--version", "plan").out == f"simtriggers {__version__}\n"


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name not in ("up", "advance")])
def test_each_command_is_there_and_has_help(shell: Shell, name: str) -> None:
    place, _, attribute = cli.COMMANDS[name][0].partition(":")
    assert isinstance(getattr(import_module(f"simtriggers.cli.{place}"), attribute), click.Command)
    done = shell(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: simtriggers {name}")


@pytest.mark.parametrize("name", LATER)
def test_commands_of_later_versions_are_not_there(shell: Shell, name: str) -> None:
    done = shell(name)
    assert (done.code, done.out) == (2, "")
    assert f"No such command {name!r}." in done.err


def test_a_typo_in_a_command(shell: Shell) -> None:
    done = shell("validte")
    assert done.code == 2
    assert "No such command 'validte'. Did you mean validate?" in done.err


def test_wrong_options(shell: Shell) -> None:
    assert shell("test", "--sed", "1").code == 2
    assert shell("test", "--seed", "x").code == 2


@pytest.mark.parametrize(
    "error, code, text",
    [
        (UserError("wrong", where=Where("a.yaml", 3, 5), fix="right it"), 2, "a.yaml:3:5: wrong\n  fix: right it\n"),
        (StateError("another has it"), 2, "another has it\n"),
        (AwsFault("NoSuchKey", "gone"), 1, "AWS would answer: NoSuchKey: gone\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)  # fmt: skip
def test_errors_are_messages(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(group.group, "main", fail)
    done = shell("plan")
    assert (done.code, done.out, done.err) == (code, "", text)


def test_a_reader_that_has_seen_enough(demo: Path) -> None:
    """`simtriggers schema | head -1` ends quietly."""
    root = Path(cli.__file__).parents[2]
    command = f"PYTHONPATH={root} {sys.executable} -m simtriggers schema scenario | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "simtriggers", "nxt"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Did you mean next or init?" in done.stderr


def test_an_interrupt_while_a_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loading(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", loading)
    monkeypatch.setattr(sys, "argv", ["simtriggers", "plan"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, *capsys.readouterr()) == (130, "", "")

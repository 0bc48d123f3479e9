"""Runs a command line in this process and gives its exit code and what it printed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

import pytest

from simtriggers.cli import run

WITH_PLUGIN = [] if entry_points(group="pytest11", name="simtriggers") else ["-p", "simtriggers.pytest_plugin"]
"""What pytest needs for the plugin where the package is not installed."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """A place to run command lines in."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        code = run([*map(str, arguments)])
        printed = self._capsys.readouterr()
        return Done(code, printed.out, printed.err)

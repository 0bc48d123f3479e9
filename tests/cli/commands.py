"""Runs a command line in this process and gives its exit code and what it printed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from simtriggers.cli import run


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

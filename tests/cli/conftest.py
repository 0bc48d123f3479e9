"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from simtriggers.cli.init import write
from tests.cli.commands import Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project of `init`, and the working folder in it."""
    folder = tmp_path / "demo"
    write(folder)
    monkeypatch.chdir(folder)
    return folder

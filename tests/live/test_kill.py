"""A shorter form of the kill test; `python -m tests.live.kill` is the long one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.live.kill import kill_test

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_nothing_is_lost_or_stuck_when_it_is_killed(tmp_path: Path) -> None:
    result = kill_test(tmp_path / "project", rounds=4, seed=1, points=1)
    assert result.fine, result.summary()
    assert result.world.killed["after_commit"] == result.world.killed["before_invoke"] == 1
    assert result.world.killed["after_invoke"] == 1
    assert sum(result.world.killed.values()) == 7
    assert result.world.files
    assert result.world.sent

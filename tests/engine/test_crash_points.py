"""The points at which a test may kill the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simtriggers.engine.faults import CrashPoints
from tests.patience import PATIENCE_S

_SCRIPT = (
    "import os\n"
    "from simtriggers.engine.faults import CrashPoints\n"
    "points = CrashPoints(os.environ)\n"
    "for number in range(1, 5):\n"
    "    points.passed('after_commit')\n"
    "    print('commit', number, flush=True)\n"
    "    points.passed('before_invoke')\n"
    "    print('invoke', number, flush=True)\n"
)


@pytest.mark.parametrize(
    "at, last",
    [("after_commit:3", "invoke 2"), ("after_commit", None), ("before_invoke:1", "commit 1")],
)
def test_the_process_dies_the_nth_time_a_point_is_passed(at: str, last: str | None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "SIMTRIGGERS_CRASH_AT": at}
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == -signal.SIGKILL
    assert (ended.stdout.splitlines() or [None])[-1] == last


def test_without_the_variable_nothing_dies() -> None:
    points = CrashPoints({})
    for point in (*CrashPoints.POINTS, ""):
        points.passed(point)


@pytest.mark.parametrize("text", ["after_comit", "after_commit:often", "after_commit:0"])
def test_a_mistake_in_the_variable_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="SIMTRIGGERS_CRASH_AT"):
        CrashPoints({"SIMTRIGGERS_CRASH_AT": text})

"""How long `simtriggers --help` takes, against a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .report import Result, interleaved

_STARTS = 3
_ROUNDS = 7


def run() -> list[Result]:
    script = Path(sys.executable).with_name("simtriggers")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "simtriggers"]

    def starts(*arguments: str) -> int:
        for _ in range(_STARTS):
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        return _STARTS

    ours, bare = interleaved(
        lambda: starts(*command, "--help"),
        lambda: starts(sys.executable, "-c", "pass"),
        rounds=_ROUNDS,
    )
    return [
        Result(
            "start-up: simtriggers --help",
            1000 / ours,
            "ms",
            "python -c pass",
            1000 / bare,
            goal_ratio=8,
            stretch_ratio=5,
            higher_is_better=False,
        )
    ]

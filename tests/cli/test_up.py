"""`simtriggers up`: the lines of its screen."""

from __future__ import annotations

import pytest

from simtriggers.cli.up import Terminal
from simtriggers.kernel.clock import parse_iso
from simtriggers.kernel.trace import TraceRow


def test_a_line_of_the_date_where_the_day_changes(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal(verbose=False, colour=False)
    for number, at in enumerate(("15T12:00:00", "15T23:59:59", "16T00:00:00", "16T00:00:01", "18T00:00:00"), start=1):
        # A row that is not shown brings no date either.
        for kind in ("MessageReceived", "MessageDeleted"):
            screen.row(TraceRow(number, parse_iso(f"2026-01-{at}Z"), kind, "", "m", 0, {}))
    assert [line[:12] for line in capsys.readouterr().out.splitlines()] == [
        "12:00:00.000", "23:59:59.000", "2026-01-16", "00:00:00.000", "00:00:01.000", "2026-01-18", "00:00:00.000",
    ]  # fmt: skip

"""Every row of every scenario has its words, and leads back to an act of the outside world or to the start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simtriggers.explain import MemoryBook, origin, why
from simtriggers.explain.wording import detail
from simtriggers.scenario import runner

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").rglob("scenario.yaml"))


def test_there_are_scenarios() -> None:
    assert SCENARIOS


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.parent.name)
def test_every_row_can_be_explained(path: Path) -> None:
    result = runner.run(path)
    payload = result.simulation.payload
    rows = result.rows()
    book = MemoryBook(rows)
    assert {row.kind: came for row in rows for first, came in [origin(book, row)] if came not in ("act", "start")} == {}
    assert [row.kind for row in rows if re.match(r"\w+=", detail(row, payload))] == []
    for row in rows[:: max(1, len(rows) // 25)]:
        found = why(book, f"#{row.id}")
        assert row.id in {step.row.id for step in found.steps if step.role == "asked"}
        assert found.steps[0].row.id <= found.first.id <= row.id

"""The live engine: a commit that has begun is finished and answered; a log that grew long is brought into the file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from simtriggers.live import driver
from tests.live.engine_world import C, engine, go, running, total, until
from tests.patience import PATIENCE_S
from tests.toys import Add

pytestmark = pytest.mark.live


def test_a_batch_under_way_is_committed_and_answered_when_the_run_is_cancelled(tmp_path: Path) -> None:
    """Otherwise it would be committed, and the reply never sent."""

    async def main() -> None:
        live = engine(tmp_path)
        await live.open()
        answers: list[Any] = []
        begun, go_on = threading.Event(), threading.Event()
        run = live._batches.run

        def slow(*args: Any, **named: Any) -> Any:
            begun.set()
            assert go_on.wait(PATIENCE_S)
            return run(*args, **named)

        live._batches.run = slow  # type: ignore[method-assign]

        async def ask() -> None:
            answers.append(await live.submit(C, Add(7)))

        async with anyio.create_task_group() as callers, anyio.create_task_group() as tasks:
            await tasks.start(live.run)
            callers.start_soon(ask)
            await until(begun.is_set)
            tasks.cancel_scope.cancel()
            go_on.set()
        assert answers == [7]
        assert total(tmp_path) == 7

    go(main)


def test_a_log_that_grew_past_its_size_is_brought_into_the_file_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the file alone, without its log, sees what was committed before."""
    monkeypatch.setattr(driver, "_WAL_LIMIT", 0)
    monkeypatch.setattr(driver, "_IDLE_CHECKPOINT_S", 3600.0)

    async def main() -> None:
        async with running(tmp_path) as live:
            await live.submit(C, Add(3))
            assert seen(tmp_path) is None
            live._commits_since_checkpoint = 4095
            await live.submit(C, Add(4))
            await until(lambda: seen(tmp_path) == 7)

    go(main)


def seen(path: Path) -> int | None:
    """What the counter stands at in the file alone."""
    alone = path / "alone" / "state.db"
    alone.parent.mkdir(exist_ok=True)
    alone.write_bytes((path / "state.db").read_bytes())
    try:
        return total(alone.parent)
    except (sqlite3.Error, IndexError):
        return None

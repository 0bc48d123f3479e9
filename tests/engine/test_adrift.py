"""A database that cannot be read after a rollback: memory is read again as soon as it can, and nothing is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from simtriggers.engine import agenda_store
from simtriggers.engine.batches import Submitted
from simtriggers.kernel.agenda import Agenda
from tests.support import LiveWorld, dump, kinds
from tests.toys import START_MS, Add, Fail, Remind, counter_arn

C = counter_arn("c")


class Unreadable:
    """Stands for `agenda_store.load` on a disk that gives nothing back, for the first `times` calls."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._load = agenda_store.load

    def __call__(self, connection: sqlite3.Connection, agenda: Agenda, *, drop_callers: bool) -> None:
        if self.left:
            self.left -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"
            raise error
        self._load(connection, agenda, drop_callers=drop_callers)


def drive(world: LiveWorld, items: list[tuple[str, Any]]) -> int:
    """What the live driver does: what the database refuses is given again. Returns how often it refused."""
    inbox, refusals, more = [Submitted(*item) for item in items], 0, True
    while inbox or more or world.runner.adrift:
        try:
            more = world.runner.run(inbox, world.now_ms).more
        except sqlite3.Error:
            refusals += 1
        else:
            inbox = []
    return refusals


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_was_on_the_agenda_and_what_was_submitted_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    world = LiveWorld(tmp_path / "state.db")
    world.batch((C, Remind("k", START_MS + 500)), (C, Remind("later", START_MS + 90_000)), (C, Add(100)))
    world.now_ms += 1000
    unreadable = Unreadable(times)
    monkeypatch.setattr(agenda_store, "load", unreadable)
    assert drive(world, [(C, Add(10)), (C, Fail("constraint")), (C, Add(10))]) > 0
    assert unreadable.left == 0
    assert dump(world.connection, "counters") == [(C, 121)]
    assert len(dump(world.connection, "failed_steps")) == 1
    assert sorted(kinds(world.engine)) == ["Counted", "Counted", "Counted", "Rang", "StepFailed"]
    assert [entry.timer_key for entry in world.engine.agenda.entries()] == ["later"]
    world.close()


def test_a_world_adrift_says_so_until_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = LiveWorld(tmp_path / "state.db")
    world.batch((C, Remind("k", START_MS + 500)))
    monkeypatch.setattr(agenda_store, "load", Unreadable(2))
    with pytest.raises(sqlite3.OperationalError, match="cannot be read after a failed step"):
        world.batch((C, Fail("constraint")))
    assert world.runner.adrift
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        world.batch()
    assert world.runner.adrift
    world.batch()
    assert not world.runner.adrift
    assert [entry.timer_key for entry in world.engine.agenda.entries()] == ["k"]
    world.close()


def test_nothing_is_taken_twice_when_reading_fails_after_the_commands_were_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entry by entry: the first rollback is read back, the second, of the entry that fails, is not."""
    world = LiveWorld(tmp_path / "state.db")
    world.batch((C, Add(100)))
    real, calls = agenda_store.load, [0]

    def second_fails(connection: sqlite3.Connection, agenda: Agenda, *, drop_callers: bool) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise sqlite3.OperationalError("disk I/O error")
        real(connection, agenda, drop_callers=drop_callers)

    monkeypatch.setattr(agenda_store, "load", second_fails)
    assert drive(world, [(C, Add(10)), (C, Fail("constraint")), (C, Add(10))]) == 0
    assert dump(world.connection, "counters") == [(C, 120)]
    assert len(dump(world.connection, "failed_steps")) == 1
    world.close()

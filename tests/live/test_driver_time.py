"""The live engine's time: advanced, sped up, over restarts, with clocks that are set back."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from simtriggers.kernel.clock import WallClock, parse_iso
from simtriggers.live.driver import LiveEngine
from simtriggers.registry import SERVICES
from simtriggers.services.eventbridge.config import ScheduleTrigger, rule_resource
from tests.live.engine_world import HOUR_MS, NAMES, C, Handlers, go, rang, running, until
from tests.live.running import query
from tests.patience import Passed
from tests.toys import Add, Remind, Work

pytestmark = pytest.mark.live


def standing(live: LiveEngine) -> int:
    """Let the machine's clock stand still, so that times are exact; returns the time it shows."""
    now = live.clock.now_ms()
    live.clock = WallClock(machine_ms=lambda: now)
    return now


def test_advance_goes_from_entry_to_entry(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            now = standing(live)
            at = [now + 10_000, now + 20_000, now + 20_000 + HOUR_MS]
            for number, at_ms in enumerate(at):
                await live.submit(C, Remind(f"k{number}", at_ms))
            await live.submit(C, Remind("later", now + 10 * HOUR_MS))
            assert await live.advance(2 * HOUR_MS) == now + 2 * HOUR_MS
            assert live.clock.now_ms() == now + 2 * HOUR_MS
        assert rang(tmp_path) == at

    go(main)


def test_advance_waits_for_running_handlers(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = Handlers(going=False)
        async with running(tmp_path, handlers) as live, anyio.create_task_group() as tasks:
            now = standing(live)
            tasks.start_soon(live.submit, C, Work())
            await until(lambda: handlers.started)
            reached: list[int] = []

            async def advance() -> None:
                reached.append(await live.advance(HOUR_MS))

            tasks.start_soon(advance)
            await anyio.sleep(0.1)
            assert not reached
            assert live.clock.now_ms() == now
            handlers.go.set()
            await until(lambda: reached)
        rows = query(tmp_path / "state.db", "SELECT at_ms FROM trace WHERE kind = 'WorkEnded'")
        assert (rows, reached) == ([(now,)], [now + HOUR_MS])

    go(main)


def test_two_advances_add_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            now = standing(live)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(live.advance, HOUR_MS)
                tasks.start_soon(live.advance, HOUR_MS)
            assert live.clock.now_ms() == now + 2 * HOUR_MS

    go(main)


@pytest.mark.parametrize("speed", [1.0, 600.0, 0.5])
def test_time_never_goes_back_over_a_restart(tmp_path: Path, speed: float) -> None:
    async def main() -> None:
        async with running(tmp_path, speed=speed) as live:
            await live.submit(C, Add())
            await live.advance(HOUR_MS)
            await anyio.sleep(0.1)
            passed, before = Passed(), live.clock.now_ms()
        async with running(tmp_path) as live:
            assert 0 <= live.clock.now_ms() - before <= passed.ms() * max(1.0, speed)

    go(main)


def test_an_advance_that_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            now = standing(live)
            await live.advance(HOUR_MS)
            assert query(tmp_path / "state.db", "SELECT now_ms, ahead_ms FROM engine") == [(now + HOUR_MS, HOUR_MS)]

    go(main)


def test_a_clock_that_was_set_back_while_down(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            passed, now = Passed(), live.clock.now_ms()
        with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
            db.execute("UPDATE engine SET now_ms = ?, ahead_ms = 0", (now + HOUR_MS,))
        async with running(tmp_path) as live:
            assert 0 <= live.clock.now_ms() - (now + HOUR_MS) <= passed.ms()
            await live.submit(C, Remind("k", now + HOUR_MS + 10))
            await until(lambda: rang(tmp_path), "time goes on from there")

    go(main)


def test_a_clock_that_is_set_back_holds_time_still(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            machine = [live.clock.now_ms()]
            live.clock = WallClock(machine_ms=lambda: machine[0])
            machine[0] += 1000
            shown = live.clock.now_ms()
            await live.submit(C, Remind("k", shown + 20))
            machine[0] -= HOUR_MS
            await live.submit(C, Add())
            await anyio.sleep(0.1)
            assert (live.clock.now_ms(), rang(tmp_path)) == (shown, [])
            machine[0] += HOUR_MS + 20
            await until(lambda: rang(tmp_path) == [shown + 20])
        rows = query(tmp_path / "state.db", "SELECT at_ms FROM trace ORDER BY id")
        assert rows == sorted(rows)

    go(main)


def test_speed(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, speed=3600) as live:
            now, began = live.clock.now_ms(), time.monotonic()
            await live.submit(C, Remind("k", now + 1_200_000))
            await until(lambda: rang(tmp_path), "twenty minutes are a third of a second")
            assert time.monotonic() - began >= 0.33
            assert rang(tmp_path)[0] >= now + 1_200_000

    go(main)


def test_turns_of_a_schedule_missed_while_down_are_noted_and_not_made_up_for(tmp_path: Path) -> None:
    async def main() -> None:
        passed = Passed()
        trigger = ScheduleTrigger(schedule="rate(5 minutes)", rate_starts="at_once")
        arn, put = rule_resource(NAMES, "tick", 1, trigger)
        async with running(tmp_path, services=SERVICES) as live:
            assert await live.submit(arn, put) == 1
            await live.advance(1)
            started = live.clock.now_ms()
        with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
            # As if the machine had been off for 16 minutes: the turns at 5, 10 and 15 minutes are over.
            db.execute("UPDATE engine SET ahead_ms = ahead_ms + 960000")
        async with running(tmp_path, services=SERVICES) as live:
            assert await live.submit(arn, put) == 1
            await live.advance(5 * 60_000)
        rows = query(
            tmp_path / "state.db",
            "SELECT kind, json_extract(details, '$.count'),"
            " coalesce(json_extract(details, '$.scheduled'), json_extract(details, '$.first')) FROM trace"
            " WHERE kind IN ('ScheduleFired', 'ScheduleMissed') ORDER BY id",
        )
        assert [(kind, count) for kind, count, _ in rows] == [
            ("ScheduleFired", None),
            ("ScheduleMissed", 3),
            ("ScheduleFired", None),
        ]
        first, missed, again = (parse_iso(text) for _, _, text in rows)
        assert started - first <= passed.ms()
        assert (missed - first, again - first) == (300_000, 1_200_000)

    go(main)

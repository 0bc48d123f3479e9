"""Schedules of EventBridge Scheduler live: what is pending survives a stop, what was missed is shown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simtriggers.kernel.clock import iso_s, parse_iso
from simtriggers.registry import SERVICES
from simtriggers.services.scheduler.config import ScheduleConfig, schedule_resource
from tests.live.engine_world import NAMES, go, running
from tests.live.running import query

pytestmark = pytest.mark.live

MINUTE_MS = 60_000


def asleep(state: Path, minutes: int) -> None:
    """As if the machine had been off for so long."""
    with closing(sqlite3.connect(state)) as db, db:
        db.execute("UPDATE engine SET ahead_ms = ahead_ms + ?", (minutes * MINUTE_MS,))


def test_turns_missed_while_down_are_noted_and_an_open_window_is_used(tmp_path: Path) -> None:
    state = tmp_path / "state.db"

    async def main() -> None:
        async with running(tmp_path, services=SERVICES) as live:
            config = ScheduleConfig.model_validate(
                {"schedule_expression": "rate(5 minutes)", "target": {"arn": NAMES.queue("none")}}
            )
            assert await live.submit(*schedule_resource(NAMES, "tick", config)) == 1
            once = {
                "schedule_expression": f"at({iso_s(live.clock.now_ms() + MINUTE_MS)[:19]})",
                "flexible_time_window": {"maximum_window": "60m"},
                "action_after_completion": "DELETE",
                "target": {"arn": NAMES.queue("none")},
            }
            assert await live.submit(*schedule_resource(NAMES, "once", ScheduleConfig.model_validate(once))) == 1
            await live.advance(1)
        asleep(state, 16)
        async with running(tmp_path, services=SERVICES) as live:
            # The project declares the same schedule again: the phase stays.
            assert await live.submit(*schedule_resource(NAMES, "tick", config)) == 1
            await live.advance(5 * MINUTE_MS)
            await live.advance(60 * MINUTE_MS)

    go(main)
    rows = query(
        state,
        "SELECT kind, json_extract(details, '$.count'),"
        " coalesce(json_extract(details, '$.scheduled'), json_extract(details, '$.first')) FROM trace"
        " WHERE kind IN ('ScheduleFired', 'ScheduleMissed') AND arn = ? ORDER BY id LIMIT 3",
        NAMES.schedule("tick"),
    )
    first, missed, again = (parse_iso(at) for _, _, at in rows)
    assert [(kind, count) for kind, count, _ in rows] == [
        ("ScheduleFired", None),
        ("ScheduleMissed", 3),
        ("ScheduleFired", None),
    ]
    assert (missed - first, again - first) == (5 * MINUTE_MS, 20 * MINUTE_MS)
    # Its turn came while nothing was running, and its window was still open afterwards.
    kinds = query(state, "SELECT kind FROM trace WHERE arn = ? ORDER BY id", NAMES.schedule("once"))
    assert [kind for (kind,) in kinds] == [
        "ScheduleStarted",
        "ScheduleWindowOpened",
        "ScheduleEnded",
        "ScheduleFired",
        "ScheduleDeleted",
    ]

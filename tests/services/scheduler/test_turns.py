"""When schedules have their turns: dates, zones, windows, states, restarts, what comes after the last one."""

from __future__ import annotations

import pytest

from simtriggers.aws.contracts import PutResource, RemoveResource
from simtriggers.engine.overdue import Lateness
from simtriggers.kernel.codec import Overdue, overdue_of
from simtriggers.services.scheduler.commands import DeleteSchedule, GetSchedule, ScheduleFires, WindowFires
from tests.services.scheduler.world import DAY, HOUR, JOBS, MINUTE, NAMES, SCHEDULE, START, World, event


def at(*times: str) -> list[str]:
    return [f"2026-01-{time}Z" for time in times]


# --- the first turn -----------------------------------------------------------------------------


def test_a_rate_without_a_start_date_fires_at_once() -> None:
    world = World()
    assert world.create("rate(20 minutes)") == SCHEDULE
    world.advance(HOUR)
    assert world.times() == at("15T12:34:56", "15T12:54:56", "15T13:14:56", "15T13:34:56")


def test_a_rate_fires_at_its_start_date_first() -> None:
    world = World()
    world.create("rate(1 day)", start_date="2026-01-17T09:00:00Z")
    world.advance(4 * DAY)
    assert world.times() == at("17T09:00:00", "18T09:00:00", "19T09:00:00")


def test_a_start_date_that_is_over_sets_the_phase() -> None:
    world = World()
    world.create("rate(10 minutes)", start_date="2026-01-15T12:30:00Z")
    world.advance(20 * MINUTE)
    assert world.times() == at("15T12:40:00", "15T12:50:00")


def test_a_cron_fires_on_or_after_its_start_date() -> None:
    world = World()
    world.create("cron(0 9 * * ? *)", start_date="2026-01-17T09:00:00Z")
    world.create("cron(0 9 * * ? *)", start_date="2026-01-17T09:00:01Z", name="later")
    world.advance(4 * DAY)
    assert world.times() == at("17T09:00:00", "18T09:00:00", "19T09:00:00")
    assert world.times("later") == at("18T09:00:00", "19T09:00:00")


def test_nothing_fires_at_or_after_the_end_date() -> None:
    world = World()
    world.create("cron(0 9 * * ? *)", end_date="2026-01-18T09:00:00Z")
    world.create("rate(1 hour)", end_date="2026-01-15T14:34:56Z", name="hourly")
    world.advance(5 * DAY)
    assert world.times() == at("16T09:00:00", "17T09:00:00")
    assert world.times("hourly") == at("15T12:34:56", "15T13:34:56")
    assert world.kinds()[-1] == "ScheduleEnded"


def test_a_one_time_schedule_ignores_both_dates() -> None:
    world = World()
    world.create("at(2026-01-16T08:00:00)", start_date="2026-02-01T00:00:00Z", end_date="2026-01-15T13:00:00Z")
    world.advance(DAY)
    assert world.times() == at("16T08:00:00")
    assert world.kinds() == ["ScheduleStarted", "ScheduleFired", "ScheduleEnded"]


def test_a_one_time_schedule_of_the_past_is_accepted_and_never_fires() -> None:
    world = World()
    assert world.create("at(2022-12-31T23:59:59)") == SCHEDULE
    world.advance(DAY)
    assert world.kinds() == ["ScheduleEnded"]


def test_a_run_waits_for_one_time_schedules_and_not_for_recurring_ones() -> None:
    world = World()
    world.create("at(2026-01-15T18:00:00)")
    world.create("cron(0 13 * * ? *)", name="daily")
    idle = world.engine.run_until_idle()
    assert (idle.reason, world.times(), world.times("daily")) == ("idle", at("15T18:00:00"), at("15T13:00:00"))


# --- time zones ---------------------------------------------------------------------------------


def test_cron_and_at_are_in_the_time_zone() -> None:
    world = World("2026-03-06T00:00:00Z")
    world.create("cron(30 2 * * ? *)", schedule_expression_timezone="America/New_York")
    world.create("at(2026-03-08T09:00:00)", schedule_expression_timezone="Asia/Tokyo", name="once")
    world.create("rate(1 day)", schedule_expression_timezone="America/New_York", name="daily")
    world.until("2026-03-10T12:00:00Z")
    # 2026-03-08 has no 02:30 in New York.
    times = ["2026-03-06T07:30:00Z", "2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z", "2026-03-10T06:30:00Z"]
    assert world.times() == times
    assert world.times("once") == ["2026-03-08T00:00:00Z"]
    assert world.times("daily") == [f"2026-03-{day:02d}T00:00:00Z" for day in range(6, 11)]
    [started] = [row for row in world.rows("ScheduleStarted") if row.arn == SCHEDULE]
    assert started.details["timezone"] == "America/New_York"


def test_a_time_that_comes_twice_counts_once() -> None:
    world = World("2026-10-31T12:00:00Z")
    world.create("cron(30 1 * * ? *)", schedule_expression_timezone="America/New_York")
    world.until("2026-11-02T12:00:00Z")
    assert world.times() == ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]


# --- flexible windows ---------------------------------------------------------------------------


def test_a_flexible_window_calls_once_at_a_random_moment_of_it() -> None:
    world = World()
    world.create("cron(0 * * * ? *)", window=15)
    world.advance(90 * HOUR)
    fired = world.rows("ScheduleFired")
    late = [row.at_ms % HOUR for row in fired]
    assert len(fired) == 90
    assert all(0 <= each < 15 * MINUTE for each in late)
    assert len(set(late)) > 85
    assert 5 * MINUTE < sum(late) / len(late) < 10 * MINUTE
    assert all(row.details["scheduled"].endswith(":00:00Z") for row in fired)
    assert {event(body)["time"] for body in world.bodies()} == {row.details["scheduled"] for row in fired}


def test_windows_are_decided_by_the_seed() -> None:
    def moments(seed: int) -> list[tuple[str, str]]:
        world = World(seed=seed)
        world.create("rate(1 hour)", window=1440)
        world.advance(2 * DAY)
        return world.fired()

    assert moments(1) == moments(1) != moments(2)


def test_windows_that_overlap_do_not_replace_each_other() -> None:
    world = World()
    world.create("rate(1 minute)", window=30, end_date="2026-01-15T13:34:56Z")
    world.advance(3 * HOUR)
    assert sorted(world.times()) == [f"2026-01-15T{12 + at // 60}:{at % 60:02d}:56Z" for at in range(34, 94)]


def test_a_run_waits_for_a_window_that_is_open() -> None:
    world = World()
    world.create("at(2026-01-15T13:00:00)", window=60)
    world.engine.run_until_idle()
    [(when, scheduled)] = world.fired()
    assert scheduled == "2026-01-15T13:00:00Z" < when < "2026-01-15T14:00:00Z"


# --- what comes after the last turn -------------------------------------------------------------


@pytest.mark.parametrize("window", [None, 5])
def test_a_one_time_schedule_is_deleted_after_its_call(window: int | None) -> None:
    world = World()
    world.create("at(2026-01-15T13:00:00)", action_after_completion="DELETE", window=window)
    world.create("at(2026-01-15T13:00:00)", name="kept")
    world.until("2026-01-15T12:59:59Z")
    assert world.ask(SCHEDULE, GetSchedule()).action_after_completion == "DELETE"
    world.advance(10 * MINUTE)
    assert world.ask(SCHEDULE, GetSchedule()).code == "ResourceNotFoundException"
    assert world.ask(NAMES.schedule("kept"), GetSchedule()).state == "ENABLED"
    assert len(world.messages()) == 2


def test_a_recurring_schedule_is_deleted_after_its_last_turn_before_the_end_date() -> None:
    world = World()
    world.create("cron(0 9 * * ? *)", end_date="2026-01-17T12:00:00Z", action_after_completion="DELETE")
    world.until("2026-01-17T08:59:00Z")
    assert "ScheduleDeleted" not in world.kinds()
    world.until("2026-01-17T09:01:00Z")
    assert world.kinds()[-3:] == ["ScheduleFired", "ScheduleEnded", "ScheduleDeleted"]


def test_windows_that_are_open_are_waited_for_before_a_schedule_is_deleted() -> None:
    """The last turn's call may come before an earlier turn's: none is lost."""
    for seed in range(5):
        world = World(seed=seed)
        ends = "2026-01-15T13:04:56Z"
        world.create("rate(5 minutes)", window=60, end_date=ends, action_after_completion="DELETE")
        world.until("2026-01-15T13:59:00Z")
        assert "ScheduleDeleted" not in world.kinds()
        world.until("2026-01-15T14:00:00Z")
        assert len(world.times()) == len(set(world.times())) == 6
        assert world.kinds()[-1] == "ScheduleDeleted"


def test_a_recurring_schedule_without_an_end_date_is_never_deleted() -> None:
    world = World()
    world.create("cron(0 13 15 1 ? 2026)", action_after_completion="DELETE")
    world.advance(DAY)
    assert world.kinds() == ["ScheduleStarted", "ScheduleFired", "ScheduleEnded"]


def test_a_call_goes_on_being_tried_after_its_schedule_is_deleted() -> None:
    world = World()
    world.ask(JOBS, RemoveResource())
    world.create(
        "at(2026-01-15T13:00:00)",
        action_after_completion="DELETE",
        target_dead_letter_config={"arn": NAMES.queue("letters")},
    )
    world.advance(HOUR)
    assert world.attributes()["SCHEDULE_ARN"] == SCHEDULE


# --- states -------------------------------------------------------------------------------------


def test_a_disabled_schedule_does_nothing_until_it_is_enabled() -> None:
    world = World()
    world.create("rate(1 hour)", state="DISABLED")
    world.advance(3 * HOUR)
    assert world.kinds() == ["ScheduleStopped"]
    world.update("rate(1 hour)")
    world.advance(HOUR)
    assert world.times() == at("15T15:34:56", "15T16:34:56")
    world.update("rate(1 hour)", state="DISABLED")
    world.advance(3 * HOUR)
    assert len(world.times()) == 2


def test_disabling_and_deleting_stop_a_window_that_is_open() -> None:
    for stop in ("disable", "delete", "make anew"):
        world = World()
        world.create("at(2026-01-15T13:00:00)", window=1440)
        world.until("2026-01-15T13:00:00Z")
        if stop == "disable":
            world.update("at(2026-01-15T13:00:00)", window=1440, state="DISABLED")
        else:
            world.ask(SCHEDULE, DeleteSchedule())
        if stop == "make anew":
            world.create("at(2026-01-20T13:00:00)", window=1440)
        world.advance(2 * DAY)
        assert world.times() == [], stop
        [closed] = [row for row in world.rows("ScheduleStopped") if "window" in row.details["reason"]]
        assert closed.cause == world.rows("ScheduleWindowOpened")[0].id


def test_another_target_does_not_shift_the_phase() -> None:
    world = World()
    world.create("rate(1 hour)", target_input="old")
    world.advance(10 * MINUTE)
    world.update("rate(1 hour)", target_input="new")
    world.advance(HOUR)
    assert (world.times(), world.bodies()) == (at("15T12:34:56", "15T13:34:56"), ["old", "new"])


@pytest.mark.parametrize("keys", [{"start_date": "2026-01-15T13:00:00Z"}, {"end_date": "2026-02-15T13:00:00Z"}, {}])
def test_another_expression_or_date_starts_anew(keys: dict[str, str]) -> None:
    world = World()
    world.create("rate(1 hour)")
    world.advance(10 * MINUTE)
    world.update("rate(1 hour)" if keys else "rate(60 minutes)", **keys)
    world.advance(30 * MINUTE)
    assert world.times() == at("15T12:34:56", "15T13:00:00" if "start_date" in keys else "15T12:44:56")


# --- restarts, and being late -------------------------------------------------------------------


def test_turns_are_skipped_and_not_made_up_for() -> None:
    assert overdue_of(ScheduleFires) is overdue_of(WindowFires) is Overdue.SKIP


def test_a_restart_keeps_pending_turns_and_open_windows() -> None:
    world = World()
    world.create("rate(1 hour)")
    world.create("at(2026-01-15T13:00:00)", window=60, name="once")
    world.until("2026-01-15T13:00:00Z")
    world.engine.restart(NAMES.service)
    world.advance(HOUR)
    assert world.times() == at("15T12:34:56", "15T13:34:56")
    [(when, _)] = world.fired("once")
    assert "2026-01-15T13:00:00.000Z" <= when < "2026-01-15T14:00:00.000Z"


def test_a_project_that_declares_a_schedule_again_keeps_its_phase() -> None:
    world = World()
    config = {
        "schedule_expression": "rate(1 hour)",
        "schedule_expression_timezone": "UTC",
        "state": "ENABLED",
        "action_after_completion": "NONE",
        "flexible_time_window": {"mode": "OFF"},
        "target": {"arn": JOBS},
    }
    for _ in range(3):
        assert world.ask(SCHEDULE, PutResource("schedule", "rotate", dict(config))) == 1
        world.advance(25 * MINUTE)
    assert world.times() == at("15T12:34:56", "15T13:34:56")


def sleep(world: World, ms: int) -> None:
    """The process is down: time passes, and what was due is taken afterwards."""
    engine = world.engine
    engine.now_ms = engine.reader.now_ms = engine.clock.set(engine.now_ms + ms)
    late = Lateness()
    while (entry := engine.agenda.peek()) is not None and entry.at_ms <= engine.now_ms:
        seq = entry.seq
        engine.agenda.pop()
        if late.admits(entry, now_ms=engine.now_ms, next_seq=engine.agenda.next_seq, seq=seq):
            engine.step(entry)


def test_missed_turns_are_shown_and_not_made_up_for() -> None:
    world = World()
    world.create("cron(0/10 * * * ? *)")
    sleep(world, 47 * MINUTE)
    [missed] = world.rows("ScheduleMissed")
    assert missed.details == {"count": 5, "first": "2026-01-15T12:40:00Z", "last": "2026-01-15T13:20:00Z"}
    world.advance(10 * MINUTE)
    assert world.times() == at("15T13:30:00")


def test_missed_turns_end_with_the_end_date() -> None:
    world = World()
    world.create("cron(0/10 * * * ? *)", end_date="2026-01-15T13:00:00Z", action_after_completion="DELETE")
    sleep(world, DAY)
    [missed] = world.rows("ScheduleMissed")
    assert missed.details == {"count": 2, "first": "2026-01-15T12:40:00Z", "last": "2026-01-15T12:50:00Z"}
    assert world.kinds() == ["ScheduleStarted", "ScheduleMissed", "ScheduleEnded", "ScheduleDeleted"]


def test_a_turn_within_its_minute_is_not_missed() -> None:
    world = World()
    world.create("cron(0 13 * * ? *)")
    sleep(world, 26 * MINUTE + 4_000)
    assert world.fired() == [("2026-01-15T13:01:00.000Z", "2026-01-15T13:00:00Z")]
    world = World()
    world.create("cron(0 13 * * ? *)")
    sleep(world, 26 * MINUTE + 4_001)
    assert (world.fired(), len(world.rows("ScheduleMissed"))) == ([], 1)


def test_a_window_that_is_still_open_is_not_missed() -> None:
    world = World()
    world.create("cron(0/10 * * * ? *)", window=5)
    sleep(world, 27 * MINUTE)  # 13:01:56: the turns of 12:40 and 12:50 are over, that of 13:00 is not
    [missed] = world.rows("ScheduleMissed")
    assert missed.details == {"count": 2, "first": "2026-01-15T12:40:00Z", "last": "2026-01-15T12:50:00Z"}
    world.until("2026-01-15T13:09:00Z")
    [(when, scheduled)] = world.fired()
    assert scheduled == "2026-01-15T13:00:00Z" < "2026-01-15T13:01:56.000Z" <= when < "2026-01-15T13:05:00Z"


def test_a_moment_that_passed_within_an_open_window_is_called_at_once() -> None:
    world = World()
    world.create("at(2026-01-15T13:00:00)", window=1440)
    world.until("2026-01-15T13:00:00Z")
    sleep(world, DAY - 1)
    assert world.fired() == [("2026-01-16T12:59:59.999Z", "2026-01-15T13:00:00Z")]


def test_a_window_that_was_slept_through_is_missed() -> None:
    world = World()
    world.create("at(2026-01-15T13:00:00)", window=30)
    world.until("2026-01-15T13:00:00Z")
    [opened] = world.rows("ScheduleWindowOpened")
    assert opened.details["due_ms"] < opened.details["until_ms"] == START + 25 * MINUTE + 4_000 + 30 * MINUTE
    sleep(world, DAY)
    assert world.times() == []
    [missed] = world.rows("ScheduleMissed")
    assert missed.details == {"count": 1, "first": "2026-01-15T13:00:00Z", "last": "2026-01-15T13:00:00Z"}


def test_a_year_of_nights() -> None:
    world = World()
    world.create("cron(0 2 * * ? *)", schedule_expression_timezone="Europe/Berlin", target_input="night")
    world.advance(365 * DAY)
    times = world.times()
    # 2026-03-29 has no 02:00 in Berlin.
    assert len(times) == len(set(times)) == 364
    assert (times[0], times[-1]) == ("2026-01-16T01:00:00Z", "2027-01-15T01:00:00Z")
    assert {row.cause for row in world.rows("ScheduleFired")} == {world.rows("ScheduleStarted")[0].id}

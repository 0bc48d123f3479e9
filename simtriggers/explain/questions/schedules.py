"""Why a schedule of EventBridge Scheduler did not reach its target: it is disabled, ended, missed, or not due yet."""

from __future__ import annotations

from ...kernel.clock import iso_s
from ...kernel.trace import TraceRow
from ...services.scheduler.rules import TIMER
from ...services.scheduler.settings import parse_settings
from ...services.scheduler.targets import resources_of
from ..answers import Finding, Hop, Question, stopped
from ..texts import clock
from ..world import Known, World
from .deliveries import delivered, undeclared

_STATES = frozenset({"ScheduleFired", "ScheduleWindowOpened", "ScheduleMissed", "ScheduleStarted", "ScheduleStopped"})


def _leads_to(world: World, schedule: Known) -> list[str]:
    return resources_of(schedule.arn, parse_settings(schedule.config).target)


def ask(world: World, event: TraceRow | None, schedule: Known, target: Known) -> Hop:
    """Of a turn what became of it; of the schedule in general what it did last and does next."""
    if target.arn not in _leads_to(world, schedule):
        return stopped(Finding("no_target", f"{schedule} has another target than {target}"))
    if event is not None and event.kind == "ScheduleFired":
        return delivered(world, event, target)
    state = not_fired(world, event, schedule)
    return state if state.reached is None else delivered(world, state.reached, target)


def not_fired(world: World, event: TraceRow | None, schedule: Known) -> Hop:
    """Why a schedule has had no turn; reached is its last turn, when it had one and nothing has stopped it since."""
    settings = parse_settings(schedule.config)
    last = event if event is not None else world.last(schedule.arn, _STATES)
    rows = () if last is None else (last,)
    if not schedule.wired:
        return stopped(undeclared(schedule))
    if not settings.enabled and event is None:
        return stopped(Finding("disabled", f"{schedule} is disabled", rows))
    next_ms = world.timer(schedule.arn, TIMER)
    text = settings.timetable.schedule.text
    later: tuple[Finding, ...] = ()
    if next_ms is not None:
        later = (Finding("not_due", f"{text} is due next at {iso_s(next_ms)}"),)
    if last is not None and last.kind == "ScheduleFired":
        return Hop(last, later)
    if last is not None and last.kind == "ScheduleWindowOpened":
        due = clock(last.details["due_ms"])
        waits = f"the turn of {last.details['scheduled']} has a flexible window: the target is called at {due}"
        return stopped(Finding("in_window", waits, rows), *later)
    if last is not None and last.kind == "ScheduleMissed":
        count, first = last.details["count"], last.details["first"]
        turns = f"the turn of {first}" if count == 1 else f"{count} turns, from {first} to {last.details['last']},"
        verb = "was" if count == 1 else "were"
        missed = f"{turns} {verb} missed: nothing was running then, and missed turns are not made up for"
        return stopped(Finding("missed", missed, rows), *later)
    if not later:
        return stopped(_ended(world, schedule, text))
    return stopped(Finding("not_due", f"it has had no turn yet: {later[0].text}", rows))


def _ended(world: World, schedule: Known, text: str) -> Finding:
    last = world.last(schedule.arn, {"ScheduleEnded"})
    end = schedule.config.get("end_date")
    until = f" before its end date, {end}" if end is not None and not text.startswith("at(") else ""
    return Finding("ended", f"{text} has no later date{until}", () if last is None else (last,))


SCHEDULES = Question(
    events=frozenset({"ScheduleFired", "ScheduleWindowOpened", "ScheduleMissed"}),
    reached=frozenset({"ScheduleFired"}),
    leads_to=_leads_to,
    ask=ask,
    own=not_fired,
)

"""Why a rule did not reach a target: of a schedule, it is disabled, ended, was missed or is not due yet; of an event
that matched, what became of its delivery."""

from __future__ import annotations

from ...kernel.clock import iso_s
from ...kernel.trace import TraceRow
from ...services.eventbridge.rules import TIMER
from ...services.eventbridge.settings import parse_rule
from ..answers import Finding, Hop, Question, stopped
from ..world import Known, World
from .deliveries import delivered, undeclared

_STATES = frozenset({"ScheduleFired", "ScheduleMissed", "ScheduleStarted", "ScheduleStopped", "ScheduleEnded"})


def _leads_to(world: World, rule: Known) -> list[str]:
    return [target.arn for target in parse_rule(rule.config).targets]


def ask(world: World, event: TraceRow | None, rule: Known, target: Known) -> Hop:
    """Of a turn what became of it; of the rule in general what it did last and does next."""
    if all(each != target.arn for each in _leads_to(world, rule)):
        return stopped(Finding("no_target", f"{rule} has no target {target}"))
    if event is not None and event.kind in ("ScheduleFired", "RuleMatched"):
        invalid = [
            row
            for row in world.book.caused_by(event.id)
            if row.kind == "InputInvalid" and row.details.get("target") == target.arn
        ]
        if invalid:
            text = f"{rule} matched, and sent nothing to {target}: {invalid[0].details['rule']}"
            return stopped(Finding("input_invalid", text, tuple(invalid)))
        return delivered(world, event, target)
    state = not_fired(world, event, rule)
    return state if state.reached is None else delivered(world, state.reached, target)


def not_fired(world: World, event: TraceRow | None, rule: Known) -> Hop:
    """Why a rule did not fire; reached is its last turn, when it did fire and nothing has stopped it since."""
    settings = parse_rule(rule.config)
    last = event if event is not None else world.last(rule.arn, _STATES)
    rows = () if last is None else (last,)
    if not rule.wired:
        return stopped(undeclared(rule))
    if not settings.enabled and event is None:
        return stopped(Finding("disabled", f"{rule} is disabled", rows))
    if settings.schedule is None:
        matched = world.last(rule.arn, frozenset({"RuleMatched"}))
        if matched is not None:
            return Hop(matched)
        return stopped(Finding("never_matched", f"{rule} has matched no event; ask about an event"))
    next_ms = world.timer(rule.arn, TIMER)
    due = None
    if next_ms is not None:
        due = Finding("not_due", f"{settings.schedule.text} is due next at {iso_s(next_ms)}")
    if last is not None and last.kind == "ScheduleFired":
        return Hop(last, () if due is None else (due,))
    later = () if due is None else (due,)
    if last is not None and last.kind == "ScheduleMissed":
        count, first = last.details["count"], last.details["first"]
        turns = f"the turn of {first}" if count == 1 else f"{count} turns, from {first} to {last.details['last']},"
        verb = "was" if count == 1 else "were"
        text = f"{turns} {verb} missed: nothing was running then, and missed turns are not made up for"
        return stopped(Finding("missed", text, rows), *later)
    if due is None:
        return stopped(Finding("ended", f"{settings.schedule.text} has no later date", rows))
    return stopped(Finding("not_due", f"it has not fired yet: {due.text}", rows))


RULES = Question(
    events=frozenset({"ScheduleFired", "ScheduleMissed", "RuleMatched"}),
    reached=frozenset({"ScheduleFired", "RuleMatched"}),
    leads_to=_leads_to,
    ask=ask,
    own=not_fired,
)

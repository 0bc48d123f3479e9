"""Rules as resources, and what a turn of a rule's schedule does.

The pending turn is a timer on the rule's ARN; there are no tables beside the resource row. The timer's
cause is the row that started the schedule, so the chain of causes of a turn stays short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.contracts import PutResource, RemoveResource
from ...aws.json_text import parsed
from ...aws.schedules import first_fire_ms, next_fire_ms, turns_between
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_s
from ...kernel.effects import CancelTimer, Decision, Note, Timer, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import errors
from .arns import DEFAULT, RULE, bus_name_of, bus_of
from .checks import check_rule
from .commands import ScheduleFires
from .records import scheduled_event
from .routing import BusEvent, Round, send
from .settings import SERVICE_NAME, RuleSettings, parse_rule

TIMER = "schedule"


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule (None: there is none), and whether its bus is there."""

    rule: Resource | None
    bus: bool


def view_rule(read: Reader, entry: Entry) -> RuleView:
    """The rule that the entry is about; the default bus is always there."""
    bus = bus_name_of(entry.arn) == DEFAULT or read.resource(bus_of(entry.arn)) is not None
    return RuleView(read.resource(entry.arn), bus)


# --- making and removing ------------------------------------------------------------------------


def decide_put(view: RuleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource of a rule, with its targets; replies with its revision."""
    command: PutResource = entry.command
    refused = check_rule(command, entry.arn)
    if refused is None and not view.bus:
        refused = errors.no_such_bus(bus_name_of(entry.arn))
    if refused is not None:
        return Decision(reply=refused)
    return put_rule(view.rule, entry, command.config, declared_by=command.declared_by, now_ms=now_ms, ids=ids)


def put_rule(
    rule: Resource | None, entry: Entry, config: dict[str, Any], *, declared_by: str, now_ms: int, ids: Ids
) -> Decision:
    """Make a rule or give it other settings, which were checked; replies with its revision.

    The schedule starts anew when it or the state has changed; otherwise the pending turn stays as it is,
    so that a restart of the project does not shift the phase of a rate.
    """
    settings = parse_rule(config)
    before: RuleSettings | None = rule.config if rule is not None and rule.wired else None
    if rule is not None and before is not None and before.stored == config:
        return Decision(reply=rule.revision)
    write = resources.put(
        entry.arn,
        service=SERVICE_NAME,
        kind=RULE,
        name=name_of(entry.arn),
        config=config,
        declared_by=declared_by,
        now_ms=now_ms,
    )
    decision = Decision(reply=1 if rule is None else rule.revision + 1, writes=[write], touched=[entry.arn])
    if settings.pattern is not None or before is not None and before.pattern is not None:
        kind = "RuleCreated" if before is None else "RuleChanged"
        decision.notes.append(_note(kind, entry, ids, {"event_bus": bus_of(entry.arn), "settings": config}))
    _schedule(decision, before, settings, entry, now_ms=now_ms, ids=ids)
    return decision


def _schedule(
    decision: Decision, before: RuleSettings | None, settings: RuleSettings, entry: Entry, *, now_ms: int, ids: Ids
) -> None:
    """Start, stop or keep the turns of a rule that was `before` and is `settings` now."""
    if settings.schedule is None:
        if before is not None and before.schedule is not None:
            decision.notes.append(_note("ScheduleStopped", entry, ids, {"reason": "the rule has no schedule any more"}))
            decision.effects.append(CancelTimer(TIMER))
    elif before is not None and (before.schedule, before.enabled) == (settings.schedule, settings.enabled):
        if settings.pattern is None:
            targets = {"targets": [target.arn for target in settings.targets]}
            decision.notes.append(_note("RuleTargetsChanged", entry, ids, targets))
    elif settings.enabled:
        _start(decision, settings, entry, now_ms=now_ms, ids=ids)
    else:
        decision.notes.append(_note("ScheduleStopped", entry, ids, {"reason": "the rule is disabled"}))
        decision.effects.append(CancelTimer(TIMER))


def _start(decision: Decision, settings: RuleSettings, entry: Entry, *, now_ms: int, ids: Ids) -> None:
    assert settings.schedule is not None
    text = settings.schedule.text
    first_ms = first_fire_ms(settings.schedule, now_ms, at_once=settings.at_once)
    if first_ms is None:
        decision.notes.append(_note("ScheduleEnded", entry, ids, {"schedule": text, "last": None}))
        decision.effects.append(CancelTimer(TIMER))
        return
    started = _note("ScheduleStarted", entry, ids, {"schedule": text, "first": iso_s(first_ms)})
    decision.notes.append(started)
    # A rate's first turn is due now: a run is not idle before it has been taken.
    decision.effects.append(_turn(first_ms, cause=started.id, background=first_ms > now_ms))


def decide_remove(view: RuleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource of a rule, or only of what it triggers. Removing one that does not exist is no error."""
    command: RemoveResource = entry.command
    if view.rule is None:
        return Decision()
    return remove_rule(view.rule, entry, wiring_only=command.wiring_only, ids=ids)


def remove_rule(rule: Resource, entry: Entry, *, wiring_only: bool, ids: Ids) -> Decision:
    """Remove a rule that is there."""
    write = resources.unwire(entry.arn) if wiring_only else resources.remove(entry.arn)
    reason = "the rule is no longer declared" if wiring_only else "the rule is removed"
    decision = Decision(writes=[write], touched=[entry.arn])
    if rule.config.pattern is not None:
        decision.notes.append(_note("RuleRemoved", entry, ids, {"reason": reason}))
    if rule.config.schedule is not None:
        decision.notes.append(_note("ScheduleStopped", entry, ids, {"reason": reason}))
        decision.effects.append(CancelTimer(TIMER))
    return decision


# --- a turn -------------------------------------------------------------------------------------


def decide_fires(view: RuleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A turn of the schedule: send the event to every target."""
    rule = view.rule
    if rule is None or not rule.wired or not rule.config.enabled or rule.config.schedule is None:
        # Stopped within the same batch, after this turn had been taken.
        return Decision()
    settings: RuleSettings = rule.config
    scheduled_ms: int = entry.command.scheduled_ms
    arn = entry.arn
    event_id = ids.uuid("events.event_id")
    scheduled = iso_s(scheduled_ms)
    details: dict[str, Any] = {"scheduled": scheduled, "targets": len(settings.targets)}
    fired = Note(ids.row_id(), "ScheduleFired", arn, event_id, entry.cause, details)
    decision = Decision(notes=[fired])
    region, account = region_and_account(arn)
    text = scheduled_event(event_id=event_id, account=account, region=region, time=scheduled, rule_arn=arn)
    event = BusEvent(event_id, payload(text), parsed(text))
    if settings.takes_event:
        details["payload"] = event.stored.digest
        decision.payloads.append(event.stored)
    round_ = Round(decision, event, now_ms, ids)
    for target in settings.targets:
        send(round_, rule, target, cause=fired.id)
    assert settings.schedule is not None
    next_ms = next_fire_ms(settings.schedule, scheduled_ms, phase_ms=scheduled_ms)
    _go_on(decision, settings, entry, next_ms, last_ms=scheduled_ms, ids=ids)
    return decision


def decide_missed(view: RuleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Nothing was running when the turn was due: it and those since are not made up for."""
    rule = view.rule
    if rule is None or not rule.wired or not rule.config.enabled or rule.config.schedule is None:
        return Decision()
    settings: RuleSettings = rule.config
    scheduled_ms: int = entry.command.scheduled_ms
    assert settings.schedule is not None
    count, last_ms = turns_between(settings.schedule, scheduled_ms, now_ms)
    details = {"count": count, "first": iso_s(scheduled_ms), "last": iso_s(last_ms)}
    decision = Decision(notes=[_note("ScheduleMissed", entry, ids, details)])
    next_ms = next_fire_ms(settings.schedule, now_ms, phase_ms=scheduled_ms)
    _go_on(decision, settings, entry, next_ms, last_ms=last_ms, ids=ids)
    return decision


def _go_on(
    decision: Decision, settings: RuleSettings, entry: Entry, next_ms: int | None, *, last_ms: int, ids: Ids
) -> None:
    if next_ms is not None:
        decision.effects.append(_turn(next_ms, cause=entry.cause))
        return
    assert settings.schedule is not None
    details = {"schedule": settings.schedule.text, "last": iso_s(last_ms)}
    decision.notes.append(_note("ScheduleEnded", entry, ids, details, cause=decision.notes[0].id))


def _turn(at_ms: int, *, cause: int, background: bool = True) -> Timer:
    return Timer(TIMER, at_ms, ScheduleFires(at_ms), cause, background=background)


def _note(kind: str, entry: Entry, ids: Ids, details: dict[str, Any], *, cause: int | None = None) -> Note:
    row = ids.row_id()
    return Note(row, kind, entry.arn, name_of(entry.arn), entry.cause if cause is None else cause, details)


RULES = {ScheduleFires: Rule(view_rule, decide_fires, decide_missed)}

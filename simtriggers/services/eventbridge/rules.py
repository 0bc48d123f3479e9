"""Rules with a schedule: making and removing them, and what a turn of the schedule does.

The pending turn is a timer on the rule's ARN; there are no tables beside the resource row. The timer's
cause is the row that started the schedule, so the chain of causes of a turn stays short.
"""

from __future__ import annotations

from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.contracts import PutResource, RemoveResource
from ...aws.schedules import first_fire_ms, next_fire_ms, turns_between
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_s
from ...kernel.effects import CancelTimer, Decision, Deliver, Note, Payload, Timer, payload
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from .checks import check_rule
from .commands import ScheduleFires
from .config import KIND, RuleSettings, parse_rule
from .records import scheduled_event

SERVICE_NAME = "events"
TIMER = "schedule"


def view_rule(read: Reader, entry: Entry) -> Resource | None:
    """The rule that the entry is about, or None."""
    return read.resource(entry.arn)


def describe_rule(read: Reader, arn: str) -> Description | None:
    """What other services may know of a rule: that it exists."""
    return None if read.resource(arn) is None else Description(arn, KIND)


# --- making and removing ------------------------------------------------------------------------


def decide_put(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Make a rule or bring it up to date; replies with its revision.

    The schedule starts anew when it or the state has changed; otherwise the pending turn stays as it is,
    so that a restart of the project does not shift the phase of a rate.
    """
    command: PutResource = entry.command
    refused = check_rule(command)
    if refused is not None:
        return Decision(reply=refused)
    settings = parse_rule(command.config)
    before: RuleSettings | None = view.config if view is not None and view.wired else None
    if view is not None and before == settings:
        return Decision(reply=view.revision)
    write = resources.put(
        entry.arn,
        service=SERVICE_NAME,
        kind=KIND,
        name=command.name,
        config=command.config,
        declared_by=command.declared_by,
        now_ms=now_ms,
    )
    decision = Decision(reply=1 if view is None else view.revision + 1, writes=[write], touched=[entry.arn])
    if before is not None and (before.schedule, before.enabled) == (settings.schedule, settings.enabled):
        targets = {"targets": [target.arn for target in settings.targets]}
        decision.notes.append(_note("RuleTargetsChanged", entry, ids, targets))
    elif settings.enabled:
        _start(decision, settings, entry, now_ms=now_ms, ids=ids)
    else:
        decision.notes.append(_note("ScheduleStopped", entry, ids, {"reason": "the rule is disabled"}))
        decision.effects.append(CancelTimer(TIMER))
    return decision


def _start(decision: Decision, settings: RuleSettings, entry: Entry, *, now_ms: int, ids: Ids) -> None:
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


def decide_remove(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Remove a rule, or only stop it. As on AWS, removing one that does not exist is no error."""
    command: RemoveResource = entry.command
    if view is None:
        return Decision()
    write = resources.unwire(entry.arn) if command.wiring_only else resources.remove(entry.arn)
    reason = "the rule is no longer declared" if command.wiring_only else "the rule is removed"
    return Decision(
        writes=[write],
        effects=[CancelTimer(TIMER)],
        notes=[_note("ScheduleStopped", entry, ids, {"reason": reason})],
        touched=[entry.arn],
    )


# --- a turn -------------------------------------------------------------------------------------


def decide_fires(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A turn of the schedule: send the event to every target."""
    if view is None or not view.wired or not view.config.enabled:
        # Stopped within the same batch, after this turn had been taken.
        return Decision()
    settings: RuleSettings = view.config
    scheduled_ms: int = entry.command.scheduled_ms
    arn = entry.arn
    event_id = ids.uuid("events.event_id")
    scheduled = iso_s(scheduled_ms)
    details: dict[str, Any] = {"scheduled": scheduled, "targets": len(settings.targets)}
    fired = Note(ids.row_id(), "ScheduleFired", arn, event_id, entry.cause, details)
    decision = Decision(notes=[fired])
    event: Payload | None = None
    if settings.takes_event:
        region, account = region_and_account(arn)
        event = payload(
            scheduled_event(event_id=event_id, account=account, region=region, time=scheduled, rule_arn=arn)
        )
        details["payload"] = event.digest
        decision.payloads.append(event)
    for target in settings.targets:
        sent = target.input or event
        assert sent is not None
        if target.input is not None:
            decision.payloads.append(target.input)
        context = (("source", arn), ("rule_arn", arn), ("target_arn", target.arn), ("subject", event_id))
        decision.effects.append(Deliver(target.arn, sent.digest, target.policy, fired.id, target.dead_letter, context))
    next_ms = next_fire_ms(settings.schedule, scheduled_ms, phase_ms=scheduled_ms)
    _go_on(decision, settings, entry, next_ms, last_ms=scheduled_ms, ids=ids)
    return decision


def decide_missed(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Nothing was running when the turn was due: it and those since are not made up for."""
    if view is None or not view.wired or not view.config.enabled:
        return Decision()
    settings: RuleSettings = view.config
    scheduled_ms: int = entry.command.scheduled_ms
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
    details = {"schedule": settings.schedule.text, "last": iso_s(last_ms)}
    decision.notes.append(_note("ScheduleEnded", entry, ids, details, cause=decision.notes[0].id))


def _turn(at_ms: int, *, cause: int, background: bool = True) -> Timer:
    return Timer(TIMER, at_ms, ScheduleFires(at_ms), cause, background=background)


def _note(kind: str, entry: Entry, ids: Ids, details: dict[str, Any], *, cause: int | None = None) -> Note:
    row = ids.row_id()
    return Note(row, kind, entry.arn, name_of(entry.arn), entry.cause if cause is None else cause, details)

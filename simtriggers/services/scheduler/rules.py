"""Schedules: making and removing them, and what their turns do.

The pending turn is a timer on the schedule's ARN, and the moment within a flexible window another one; there are
no tables beside the resource row. A turn's cause is the row that started the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of
from ...aws.contracts import PutResource, RemoveResource
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_s
from ...kernel.effects import SUBSTITUTE, CancelTimer, Decision, Deliver, Effect, Note, Timer, filled, payload
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import errors
from .arns import DEFAULT_GROUP, GROUP, SCHEDULE, SERVICE_NAME, group_name_of, group_of, kind_of, names_at
from .checks import check_schedule
from .commands import ScheduleCompletes, ScheduleFires, WindowFires
from .records import Execution, default_notification, numbered, with_context
from .settings import ScheduleSettings, parse_settings
from .targets import requests

TIMER = "schedule"
COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule (None: there is none), and whether its group exists."""

    schedule: Resource | None
    in_group: bool


def view_schedule(read: Reader, entry: Entry) -> ScheduleView:
    """The schedule that the entry is about, and its group."""
    in_group = group_name_of(entry.arn) == DEFAULT_GROUP or read.resource(group_of(entry.arn)) is not None
    return ScheduleView(read.resource(entry.arn), in_group)


def describe(read: Reader, arn: str) -> Description | None:
    """What other services may know of a schedule or a group: that it exists."""
    found = read.resource(arn) if kind_of(arn) in (SCHEDULE, GROUP) else None
    return None if found is None else Description(arn, found.kind)


# --- making and removing ------------------------------------------------------------------------


def decide_put(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Make a schedule of a project or bring it up to date; replies with its revision."""
    command: PutResource = entry.command
    return put(view, entry, command.config, command.declared_by, now_ms=now_ms, ids=ids)


def put(
    view: ScheduleView, entry: Entry, config: dict[str, Any], declared_by: str, *, now_ms: int, ids: Ids
) -> Decision:
    """Give a schedule these settings; replies with its revision, or refuses.

    It starts anew when the expression, a date, the time zone or the state has changed; otherwise the pending
    turn stays, so that a restart of a project does not shift the phase of a rate.
    """
    arn, declared = entry.arn, declared_by == "project"
    refused = check_schedule(arn, config, now_ms=now_ms, declared=declared)
    if refused is None and not view.in_group:
        refused = errors.no_such_group(group_name_of(arn))
    if refused is not None:
        return Decision(reply=refused)
    settings = parse_settings(config)
    old = view.schedule
    before: ScheduleSettings | None = old.config if old is not None and old.wired else None
    if old is not None and before == settings and _told(before) == _told(settings):
        return Decision(reply=old.revision)
    write = resources.put(
        arn,
        service=SERVICE_NAME,
        kind=SCHEDULE,
        name=name_of(arn),
        config={**config, "modified_ms": now_ms},
        declared_by=declared_by,
        now_ms=now_ms,
    )
    decision = Decision(reply=1 if old is None else old.revision + 1, writes=[write], touched=[arn])
    if before is not None and before.trigger == settings.trigger:
        decision.notes.append(_note("ScheduleChanged", entry, ids, {"target": settings.target.arn}))
    elif settings.enabled:
        _start(decision, settings, entry, now_ms=now_ms, ids=ids)
    else:
        decision.notes.append(_note("ScheduleStopped", entry, ids, {"reason": "the schedule is disabled"}))
        decision.effects.append(CancelTimer(TIMER))
    return decision


def _told(settings: ScheduleSettings) -> tuple[Any, ...]:
    """What is only kept and shown."""
    stored = settings.stored
    return stored.get("description"), stored.get("kms_key_arn"), stored["target"].get("role_arn")


def _start(decision: Decision, settings: ScheduleSettings, entry: Entry, *, now_ms: int, ids: Ids) -> None:
    first_ms = settings.timetable.first_ms(now_ms)
    if first_ms is None:
        decision.notes.append(_note("ScheduleEnded", entry, ids, {**_shown(settings), "last": None}))
        decision.effects.append(CancelTimer(TIMER))
        return
    started = _note("ScheduleStarted", entry, ids, {**_shown(settings), "first": iso_s(first_ms)})
    decision.notes.append(started)
    # A run is not idle before a one-time schedule or a rate that begins now has had its turn.
    background = first_ms > now_ms and not settings.timetable.once
    decision.effects.append(Timer(TIMER, first_ms, ScheduleFires(first_ms), started.id, background=background))


def _shown(settings: ScheduleSettings) -> dict[str, Any]:
    text = settings.timetable.schedule.text
    return {"schedule": text} if settings.timezone == "UTC" else {"schedule": text, "timezone": settings.timezone}


def decide_remove(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Remove a schedule, or only stop it; removing one that does not exist is no error."""
    command: RemoveResource = entry.command
    if view.schedule is None:
        return Decision()
    if not command.wiring_only:
        return removed(entry.arn, ids=ids, cause=entry.cause, reason="the schedule is removed")
    return Decision(
        writes=[resources.unwire(entry.arn)],
        effects=[CancelTimer(TIMER)],
        notes=[_note("ScheduleStopped", entry, ids, {"reason": "the schedule is no longer declared"})],
        touched=[entry.arn],
    )


def removed(arn: str, *, ids: Ids, cause: int, reason: str) -> Decision:
    """The decision that deletes a schedule with its pending turn."""
    note = Note(ids.row_id(), "ScheduleDeleted", arn, name_of(arn), cause, {"reason": reason})
    effects: list[Effect] = [CancelTimer(TIMER, arn), CancelTimer(COMPLETION, arn)]
    return Decision(writes=[resources.remove(arn)], effects=effects, notes=[note], touched=[arn])


# --- a turn -------------------------------------------------------------------------------------


def decide_fires(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A turn: call the target, or open the flexible window."""
    found = _active(view)
    if found is None:
        return Decision()
    settings: ScheduleSettings = found.config
    scheduled_ms: int = entry.command.scheduled_ms
    execution = Execution(entry.arn, ids.hex("scheduler.execution_id", 16), iso_s(scheduled_ms))
    if settings.window_ms:
        decision = _open_window(found, entry, execution, scheduled_ms, now_ms=now_ms, ids=ids)
    else:
        decision = _call(settings, entry, execution, ids=ids)
    _go_on(decision, found, entry, after_ms=scheduled_ms, phase_ms=scheduled_ms, now_ms=now_ms, ids=ids)
    return decision


def _active(view: ScheduleView) -> Resource | None:
    """The schedule, unless it was stopped after its turn had been set."""
    found = view.schedule
    return found if found is not None and found.wired and found.config.enabled else None


def decide_missed(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Nothing was running when the turn was due: it and those since are not made up for. A flexible window that
    is still open is another matter: the latest turn has what is left of it."""
    found = _active(view)
    if found is None:
        return Decision()
    settings: ScheduleSettings = found.config
    timetable, first_ms = settings.timetable, entry.command.scheduled_ms
    count, last_ms = timetable.turns_between(first_ms, now_ms)
    decision, counted_ms = Decision(), last_ms
    if now_ms < last_ms + settings.window_ms:
        execution = Execution(entry.arn, ids.hex("scheduler.execution_id", 16), iso_s(last_ms))
        decision = _open_window(found, entry, execution, last_ms, now_ms=now_ms, ids=ids)
        count -= 1
        if count:
            counted_ms = timetable.turns_between(first_ms, last_ms - 1)[1]
    if count:
        details = {"count": count, "first": iso_s(first_ms), "last": iso_s(counted_ms)}
        decision.notes.append(_note("ScheduleMissed", entry, ids, details))
    _go_on(decision, found, entry, after_ms=last_ms, phase_ms=first_ms, now_ms=now_ms, ids=ids)
    return decision


def _open_window(
    found: Resource, entry: Entry, execution: Execution, scheduled_ms: int, *, now_ms: int, ids: Ids
) -> Decision:
    """One call at a random moment of what is left of the window."""
    end_ms = scheduled_ms + found.config.window_ms
    due_ms = now_ms + ids.random("scheduler.flexible_time_window").randrange(end_ms - now_ms)
    details = {"scheduled": execution.scheduled_time, "due_ms": due_ms, "until_ms": end_ms}
    opened = Note(ids.row_id(), "ScheduleWindowOpened", entry.arn, execution.id, entry.cause, details)
    command = WindowFires(scheduled_ms, execution.id, found.created_ms)
    return Decision(notes=[opened], effects=[Timer(f"window:{execution.id}", due_ms, command, opened.id)])


def decide_window(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The moment within a flexible window: call the target."""
    found = _of_window(view, entry)
    return _closed(entry, ids) if found is None else _call_within(found, entry, ids=ids)


def decide_window_missed(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Nothing was running at that moment. While the window is open the target is called; then it is too late."""
    found = _of_window(view, entry)
    if found is None:
        return _closed(entry, ids)
    scheduled_ms: int = entry.command.scheduled_ms
    if now_ms < scheduled_ms + found.config.window_ms:
        return _call_within(found, entry, ids=ids)
    details = {"count": 1, "first": iso_s(scheduled_ms), "last": iso_s(scheduled_ms)}
    decision = Decision(notes=[_note("ScheduleMissed", entry, ids, details)])
    if found.config.timetable.once:
        _complete(decision, found.config, entry, last_ms=scheduled_ms, ids=ids)
    return decision


def _of_window(view: ScheduleView, entry: Entry) -> Resource | None:
    """The schedule that opened the window, if it is still there and enabled."""
    found = _active(view)
    return found if found is not None and found.created_ms == entry.command.created_ms else None


def _closed(entry: Entry, ids: Ids) -> Decision:
    reason = "the schedule was stopped while a flexible window was open"
    return Decision(notes=[_note("ScheduleStopped", entry, ids, {"reason": reason})])


def _call_within(found: Resource, entry: Entry, *, ids: Ids) -> Decision:
    settings: ScheduleSettings = found.config
    command: WindowFires = entry.command
    decision = _call(settings, entry, Execution(entry.arn, command.execution_id, iso_s(command.scheduled_ms)), ids=ids)
    if settings.timetable.once:
        _complete(decision, settings, entry, last_ms=command.scheduled_ms, ids=ids)
    return decision


def _call(settings: ScheduleSettings, entry: Entry, execution: Execution, *, ids: Ids) -> Decision:
    """The deliveries of a turn."""
    arn, target, names = entry.arn, settings.target, names_at(entry.arn)
    if target.input is None:
        event_id = ids.uuid("scheduler.event_id")
        text = default_notification(event_id=event_id, account=names.account, region=names.region, execution=execution)
    else:
        text = with_context(target.input, execution)
    counts = target.input is not None and numbered(target.input)
    calls = requests(target, text, names=names, execution=execution, ids=ids)
    details: dict[str, Any] = {"scheduled": execution.scheduled_time, "targets": len(calls)}
    fired = Note(ids.row_id(), "ScheduleFired", arn, execution.id, entry.cause, details)
    decision = Decision(notes=[fired])
    asked = _stored(decision, text, counts=counts)
    details["payload"] = asked
    for call in calls:
        sent = _stored(decision, call.text, counts=counts)
        context = (
            ("source", arn),
            ("schedule_arn", arn),
            ("target_arn", target.arn),
            ("scheduled_time", execution.scheduled_time),
            ("execution_id", execution.id),
            ("subject", execution.id),
            *call.context,
        )
        if asked != sent:
            context = (*context, ("dead_letter_payload", asked))
        if counts:
            context = (*context, ("counts_attempts", "yes"))
        group = dict(call.context).get("group_id")
        order = None if group is None else f"{call.arn}/{group}"
        decision.effects.append(Deliver(call.arn, sent, target.policy, fired.id, target.dead_letter, context, order))
    return decision


def _stored(decision: Decision, text: str, *, counts: bool) -> str:
    """The digest of a text. Where it `counts`, it has the number of the attempt in it, of which this is the
    first: stored is what is left without it, and the engine fills in the later ones."""
    if not counts:
        body = payload(text)
        decision.payloads.append(body)
        return body.digest
    # JSON that was written anew has its escape.
    body = payload(text.replace("\\u001a", SUBSTITUTE))
    decision.payloads.append(body)
    return filled(body.digest, "1")


def _go_on(
    decision: Decision, found: Resource, entry: Entry, *, after_ms: int, phase_ms: int, now_ms: int, ids: Ids
) -> None:
    """Set the next turn after the one at `after_ms`, or say that there is none."""
    settings: ScheduleSettings = found.config
    next_ms = settings.timetable.next_ms(after_ms, phase_ms=phase_ms)
    if next_ms is not None:
        decision.effects.append(Timer(TIMER, next_ms, ScheduleFires(next_ms), entry.cause, background=True))
        return
    details = {**_shown(settings), "last": iso_s(after_ms)}
    decision.notes.append(_note("ScheduleEnded", entry, ids, details, cause=decision.notes[0].id))
    if after_ms + settings.window_ms <= now_ms or not settings.window_ms:
        _complete(decision, settings, entry, last_ms=after_ms, ids=ids)
    elif not settings.timetable.once:
        # Windows may overlap: the last one to begin need not be the last one to be called.
        command = ScheduleCompletes(after_ms, found.created_ms)
        over_ms = after_ms + settings.window_ms
        decision.effects.append(Timer(COMPLETION, over_ms, command, entry.cause, background=True))


def decide_completes(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """All calls of a recurring schedule with flexible windows are made."""
    found = _active(view)
    decision = Decision()
    if found is not None and found.created_ms == entry.command.created_ms:
        _complete(decision, found.config, entry, last_ms=entry.command.last_ms, ids=ids)
    return decision


def _complete(decision: Decision, settings: ScheduleSettings, entry: Entry, *, last_ms: int, ids: Ids) -> None:
    """After the last turn: a schedule with ActionAfterCompletion DELETE is deleted, a recurring one only if it
    has an end date. Source: EventBridge Scheduler User Guide, "Deleting a schedule"."""
    timetable = settings.timetable
    ends = timetable.once or timetable.end_ms is not None
    if settings.deletes and ends and timetable.next_ms(last_ms, phase_ms=last_ms) is None:
        last = removed(
            entry.arn,
            ids=ids,
            cause=decision.notes[0].id if decision.notes else entry.cause,
            reason="it is completed (DELETE)",
        )
        decision.writes += last.writes
        decision.effects += last.effects
        decision.notes += last.notes
        decision.touched += last.touched


def _note(kind: str, entry: Entry, ids: Ids, details: dict[str, Any], *, cause: int | None = None) -> Note:
    row = ids.row_id()
    return Note(row, kind, entry.arn, name_of(entry.arn), entry.cause if cause is None else cause, details)

"""Replays: the archived events of a window of time are sent to their bus again, minute by minute.

Source: Amazon EventBridge API Reference, StartReplay; User Guide, "Replaying archived events in Amazon EventBridge";
texts as recorded on AWS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from ...aws.arn import name_of
from ...aws.json_text import parsed
from ...aws.limits import Limit
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Timer, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import commands, errors, records, store
from .archives import decide_list
from .arns import names_at
from .checks import NAME_CHARACTERS
from .events import Bus, bus_at, receive
from .routing import BusEvent, Round
from .store import ArchivedRow, ReplayRow

STARTING, RUNNING, CANCELLING = "STARTING", "RUNNING", "CANCELLING"
COMPLETED, CANCELLED, FAILED = "COMPLETED", "CANCELLED", "FAILED"
TRANSITIONS = {
    STARTING: {"run": RUNNING, "cancel": CANCELLING, "fail": FAILED, "finish": COMPLETED},
    RUNNING: {"run": RUNNING, "cancel": CANCELLING, "fail": FAILED, "finish": COMPLETED},
    CANCELLING: {"stop": CANCELLED, "fail": FAILED},
    COMPLETED: {},
    CANCELLED: {},
    FAILED: {},
}
"""What may happen to a replay in each state."""

ACTIVE = Limit(10, "Amazon EventBridge User Guide, Amazon EventBridge quotas")
TIMER = "replay"
SLICE_MS = 60_000
PAGE = 500
_NAME = re.compile(r"[.\-_A-Za-z0-9]+")


def moved(row: ReplayRow, action: str, now_ms: int) -> ReplayRow:
    """The replay after an action; an assertion fails for one that its state does not allow."""
    state = TRANSITIONS[row.state].get(action)
    assert state is not None, f"replay {row.replay} is {row.state}, and cannot {action}"
    ended = now_ms if not TRANSITIONS[state] else None
    return row._replace(state=state, ended_ms=ended)


# --- requests -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A replay (None: there is none), the archive it is from, and what starting one needs."""

    row: ReplayRow | None
    archive: Resource | None = None
    active: int = 0
    last_seq: int = 0


def view_replay(read: Reader, entry: Entry) -> ReplayView:
    """The replay of an ARN, with the archive that a start names."""
    found = read.one(store.REPLAY, entry.arn)
    row = None if found is None else ReplayRow._make(found)
    command = entry.command
    if not isinstance(command, commands.StartReplay):
        return ReplayView(row)
    active, last = read.one(store.ACTIVE_REPLAYS), read.one(store.LAST_ARCHIVED)
    assert active is not None and last is not None
    return ReplayView(row, read.resource(command.event_source_arn), active[0], last[0])


def decide_start(view: ReplayView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """StartReplay: replies with ReplayDescription in the state STARTING."""
    command: commands.StartReplay = entry.command
    name = name_of(entry.arn)
    refused = _check_start(view, command, name)
    if refused is not None:
        return Decision(reply=refused)
    assert view.archive is not None, "it was checked"
    bus = view.archive.config.bus
    only = [each if each.startswith("arn:") else _rule_of(bus, each) for each in command.filter_arns]
    row = ReplayRow(
        entry.arn,
        command.event_source_arn,
        bus,
        STARTING,
        None,
        command.description,
        to_json(only),
        command.event_start_ms,
        command.event_end_ms,
        view.last_seq,
        now_ms,
        None,
        None,
        0,
    )
    details = {"archive": row.archive, "event_bus": row.bus, "from_ms": row.from_ms, "until_ms": row.until_ms}
    if only:
        details["rules"] = only
    note = Note(ids.row_id(), "ReplayStarted", entry.arn, name, entry.cause, details)
    timer = Timer(TIMER, now_ms + 1, commands.ReplaySlice(row.from_ms), note.id)
    return Decision(reply=description(row), writes=[Write(store.PUT_REPLAY, row)], notes=[note], effects=[timer])


def _rule_of(bus: str, name: str) -> str:
    return names_at(bus).rule(name, name_of(bus))


def _check_start(view: ReplayView, command: commands.StartReplay, name: str) -> Refused | None:
    """Unverified: which of several problems AWS names first."""
    if not _NAME.fullmatch(name):
        rule = r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"
        return errors.constraint(name, "replayName", rule)
    if len(name) > NAME_CHARACTERS:
        rule = f"Member must have length less than or equal to {NAME_CHARACTERS}"
        return errors.constraint(name, "replayName", rule)
    if view.row is not None:
        return errors.already_exists(f"Replay {name}")
    if view.archive is None:
        archive = name_of(command.event_source_arn)
        return errors.parameter("EventSourceArn", f"Archive {archive} does not exist.")
    if command.destination_arn not in ("", view.archive.config.bus):
        return errors.parameter("Destination.Arn", "Cross event bus replay is not permitted.")
    if command.event_start_ms >= command.event_end_ms:
        return errors.parameter("EventEndTime", "EventStartTime must be before EventEndTime.")
    return errors.limit_exceeded() if view.active >= ACTIVE else None


def decide_cancel(view: ReplayView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CancelReplay: replies with ReplayDescription. Unverified: the text for a replay that is over."""
    if view.row is None:
        return Decision(reply=_no_such_replay(entry.arn))
    if "cancel" not in TRANSITIONS[view.row.state]:
        message = f"Replay {name_of(entry.arn)} is not in a valid state for this operation."
        return Decision(reply=Refused("IllegalStatusException", message))
    row = moved(view.row, "cancel", now_ms)
    note = Note(ids.row_id(), "ReplayCancelling", entry.arn, name_of(entry.arn), entry.cause)
    return Decision(reply=description(row), writes=[Write(store.PUT_REPLAY, row)], notes=[note])


def decide_describe(view: ReplayView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DescribeReplay: replies with ReplayDescription."""
    return Decision(reply=_no_such_replay(entry.arn) if view.row is None else description(view.row))


def _no_such_replay(arn: str) -> Refused:
    return errors.not_found(f"Replay {name_of(arn)} does not exist.")


def view_list(read: Reader, entry: Entry) -> tuple[commands.ReplayDescription, ...]:
    """The replays that a list asks for."""
    command: commands.ListReplays = entry.command
    rows = map(ReplayRow._make, read.all(store.REPLAYS))
    return tuple(
        description(row)
        for row in rows
        if name_of(row.replay).startswith(command.name_prefix)
        and command.state in (None, row.state)
        and command.event_source_arn in (None, row.archive)
    )


def description(row: ReplayRow) -> commands.ReplayDescription:
    """A replay as AWS describes it."""
    return commands.ReplayDescription(
        name=name_of(row.replay),
        arn=row.replay,
        event_source_arn=row.archive,
        destination_arn=row.bus,
        filter_arns=tuple(json.loads(row.filter_arns)),
        state=row.state,
        state_reason=row.reason,
        description=row.description,
        event_start_ms=row.from_ms,
        event_end_ms=row.until_ms,
        event_last_replayed_ms=row.last_event_ms,
        replay_start_ms=row.began_ms,
        replay_end_ms=row.ended_ms,
        events=row.events,
    )


# --- a slice ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SliceView:
    """A replay, its bus, and the next events of it with their texts; `minute_ms` is when their slice begins."""

    row: ReplayRow | None
    bus: Bus | None = None
    archive: bool = False
    minute_ms: int = 0
    events: tuple[tuple[ArchivedRow, str], ...] = ()


def view_slice(read: Reader, entry: Entry) -> SliceView:
    """The events of the next minute that has any."""
    command: commands.ReplaySlice = entry.command
    found = read.one(store.REPLAY, entry.arn)
    if found is None:
        return SliceView(None)
    row = ReplayRow._make(found)
    archive = read.resource(row.archive)
    if archive is None:
        return SliceView(row, bus_at(read, row.bus))
    oldest_ms, bus = archive.config.oldest_ms(read.now_ms), bus_at(read, row.bus)
    minute_ms, events = _next(read, row, command.from_ms, command.after, oldest_ms)
    if not events and command.after:  # the page before was the whole rest of its minute
        minute_ms, events = _next(read, row, command.from_ms + SLICE_MS, 0, oldest_ms)
    return SliceView(row, bus, True, minute_ms, tuple((each, read.payload(each.payload)) for each in events))


def _next(read: Reader, row: ReplayRow, from_ms: int, after: int, oldest_ms: int) -> tuple[int, list[ArchivedRow]]:
    """The first minute that has events from a time on, and its events behind one."""
    found = read.one(store.NEXT_TIME, row.archive, from_ms, row.until_ms, row.last_seq, oldest_ms)
    if found is None or found[0] is None:
        return 0, []
    minute_ms = found[0] - found[0] % SLICE_MS
    bounds = (max(minute_ms, row.from_ms), minute_ms + SLICE_MS, row.until_ms, after, row.last_seq, oldest_ms, PAGE)
    return minute_ms, [ArchivedRow._make(each) for each in read.all(store.SLICE, row.archive, *bounds)]


def decide_slice(view: SliceView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ReplaySlice: send the events of a minute, then go on with the next one a millisecond later, or be done."""
    row = view.row
    decision = Decision()
    if row is None or not TRANSITIONS[row.state]:
        return decision
    if row.state == CANCELLING:
        return _ended(decision, row, "stop", None, entry, now_ms=now_ms, ids=ids)
    if view.bus is None or not view.archive:
        what = "archive" if view.bus is not None else "event bus"
        return _ended(decision, row, "fail", f"The {what} does not exist any more.", entry, now_ms=now_ms, ids=ids)
    if not view.events:
        return _ended(decision, row, "finish", None, entry, now_ms=now_ms, ids=ids)
    only = frozenset(json.loads(row.filter_arns)) or None
    for archived, text in view.events:
        sent = payload(records.replayed(text, name_of(row.replay)))
        event = BusEvent(archived.event_id, sent, parsed(sent.body))
        receive(Round(decision, event, now_ms, ids), view.bus, cause=entry.cause, replay=name_of(row.replay), only=only)
    full = len(view.events) == PAGE
    following = replace(
        entry.command,
        from_ms=view.minute_ms if full else view.minute_ms + SLICE_MS,
        after=view.events[-1][0].seq if full else 0,
    )
    latest = max(archived.event_ms for archived, _ in view.events)
    row = moved(row, "run", now_ms)._replace(
        events=row.events + len(view.events), last_event_ms=max(latest, row.last_event_ms or 0)
    )
    decision.writes.append(Write(store.PUT_REPLAY, row))
    decision.effects.append(Timer(TIMER, now_ms + 1, following, entry.cause))
    return decision


def _ended(
    decision: Decision, row: ReplayRow, action: str, reason: str | None, entry: Entry, *, now_ms: int, ids: Ids
) -> Decision:
    done = moved(row, action, now_ms)._replace(reason=reason)
    details: dict[str, object] = {"state": done.state, "events": done.events}
    if reason is not None:
        details["reason"] = reason
    decision.notes.append(Note(ids.row_id(), "ReplayEnded", entry.arn, name_of(entry.arn), entry.cause, details))
    decision.writes.append(Write(store.PUT_REPLAY, done))
    return decision


RULES = {
    commands.StartReplay: Rule(view_replay, decide_start),
    commands.CancelReplay: Rule(view_replay, decide_cancel),
    commands.DescribeReplay: Rule(view_replay, decide_describe),
    commands.ListReplays: Rule(view_list, decide_list),
    commands.ReplaySlice: Rule(view_slice, decide_slice),
}

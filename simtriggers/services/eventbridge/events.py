"""What arrives on a bus: PutEvents, and events that services, other buses and replays deliver.

An event is an EventReceived row with its text stored once, a copy in each archive that takes it, and a delivery to each
target of each rule that it matches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of
from ...aws.contracts import Delivery
from ...aws.event_pattern import compile_pattern, matches
from ...aws.json_text import parsed
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import archives, commands, errors, put_events
from .arns import bus_arn, names_at
from .checks import check_pattern
from .commands import PutEvents, PutEventsEntry, PutEventsResult, PutEventsResultEntry
from .matching import RulesOfBus, rules_of
from .routing import BusEvent, Round, route
from .settings import PUT_EVENTS_BYTES

_ENVELOPE = ("id", "account", "source", "time", "region", "resources", "detail-type")


@dataclass(frozen=True, slots=True)
class Bus:
    """A bus that is there, with its rules and archives."""

    resource: Resource
    rules: RulesOfBus


def bus_at(read: Reader, arn: str) -> Bus | None:
    """The bus of an ARN with its rules, or None."""
    found = read.resource(arn)
    return None if found is None else Bus(found, rules_of(read, arn))


def receive(
    round_: Round,
    bus: Bus,
    *,
    cause: int,
    replay: str | None = None,
    only: Collection[str] | None = None,
) -> int:
    """Take an event on a bus: its row, its archives, its rules; returns the row. `replay` names the replay that sends
    it, whose events no archive takes again; `only` are the rules that the replay is for."""
    event, decision, ids = round_.event, round_.decision, round_.ids
    details: dict[str, Any] = {
        "source": event.data.get("source"),
        "detail_type": event.data.get("detail-type"),
        "payload": event.stored.digest,
    }
    if replay is not None:
        details["replay"] = replay
    arn = bus.resource.arn
    note = Note(ids.row_id(), "EventReceived", arn, event.id, cause, details)
    decision.notes.append(note)
    decision.payloads.append(event.stored)
    if replay is None:
        archives.keep(round_, bus.rules.archives, cause=note.id)
    details["matched"], _ = route(round_, arn, bus.rules, cause=note.id, only=only)
    return note.id


# --- PutEvents ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutView:
    """The buses that the entries name, by their ARN; None: there is none. `most_bytes` is the request's limit."""

    buses: dict[str, Bus | None]
    most_bytes: int


def view_put(read: Reader, entry: Entry) -> PutView:
    """The buses of a request."""
    command: PutEvents = entry.command
    arns = {bus_arn(entry.arn, each.event_bus_name) for each in command.entries}
    default = read.resource(bus_arn(entry.arn, None))
    most = PUT_EVENTS_BYTES if default is None else default.config.request_bytes
    return PutView({arn: bus_at(read, arn) for arn in sorted(arns)}, most)


def decide_put(view: PutView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutEvents: replies with PutEventsResult, refused as a whole for its form and size alone."""
    command: PutEvents = entry.command
    refused = put_events.check_request(command.entries, most_bytes=view.most_bytes)
    if refused is not None:
        return Decision(reply=refused)
    decision = Decision()
    results: list[PutEventsResultEntry] = []
    for number, each in enumerate(command.entries, start=1):
        arn = bus_arn(entry.arn, each.event_bus_name)
        problem = put_events.check_entry(each)
        if problem is not None:
            details = {"code": problem.code, "message": problem.message}
            note = Note(ids.row_id(), "EventRefused", arn, f"entry {number}", entry.cause, details)
            decision.notes.append(note)
            results.append(PutEventsResultEntry(None, problem.code, problem.message))
            continue
        results.append(_put(decision, view.buses[arn], arn, each, entry, now_ms=now_ms, ids=ids))
    failed = sum(each.error_code is not None for each in results)
    decision.reply = PutEventsResult(failed, tuple(results))
    return decision


def _put(
    decision: Decision, bus: Bus | None, arn: str, each: PutEventsEntry, entry: Entry, *, now_ms: int, ids: Ids
) -> PutEventsResultEntry:
    event_id = ids.uuid("events.event_id")
    names = names_at(entry.arn)
    text = put_events.event_text(each, event_id=event_id, account=names.account, region=names.region, now_ms=now_ms)
    stored = payload(text)
    if bus is None:
        # As on AWS: the answer has an id, and the event is gone.
        details = {"reason": f"there is no event bus {name_of(arn)}", "payload": stored.digest}
        decision.notes.append(Note(ids.row_id(), "EventLost", arn, event_id, entry.cause, details))
        decision.payloads.append(stored)
    else:
        event = BusEvent(event_id, stored, parsed(stored.body), trace_header=each.trace_header)
        receive(Round(decision, event, now_ms, ids), bus, cause=entry.cause)
    return PutEventsResultEntry(event_id)


# --- deliveries ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArrivalView:
    """A bus and the text that is delivered to it."""

    bus: Bus | None
    text: str


def view_delivery(read: Reader, entry: Entry) -> ArrivalView:
    """The bus that a delivery is for."""
    return ArrivalView(bus_at(read, entry.arn), read.payload(entry.command.payload))


def decide_delivery(view: ArrivalView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """An event of a service of this simulator, or of another bus: it has its envelope already."""
    command: Delivery = entry.command
    if view.bus is None:
        return Decision(reply=errors.no_such_bus(name_of(entry.arn)))
    try:
        data = parsed(view.text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return Decision(reply=Refused("InvalidArgument", "The event has no envelope."))
    hops = dict(command.context).get("hops", "")
    event = BusEvent(data["id"], payload(view.text), data, tuple(hops.split(",")) if hops else ())
    decision = Decision(reply=data["id"])
    receive(Round(decision, event, now_ms, ids), view.bus, cause=entry.cause)
    return decision


# --- TestEventPattern ---------------------------------------------------------------------------


def view_nothing(read: Reader, entry: Entry) -> None:
    """A pattern is tested without any rows."""


def decide_test(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """TestEventPattern: replies with a bool."""
    command: commands.TestEventPattern = entry.command
    refused = check_pattern(command.event_pattern)
    if refused is not None:
        return Decision(reply=refused)
    try:
        event = parsed(command.event)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or any(name not in event for name in _ENVELOPE):
        return Decision(reply=errors.parameter("Event"))
    return Decision(reply=matches(compile_pattern(command.event_pattern), event))


RULES = {
    PutEvents: Rule(view_put, decide_put),
    commands.TestEventPattern: Rule(view_nothing, decide_test),
}

"""Event buses as resources: making, changing, reading and removing them, and their access policies.

The default bus is always there: it is made at each start, if it is not there yet.
Source: Amazon EventBridge API Reference, CreateEventBus, DeleteEventBus, DescribeEventBus, PutPermission.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of
from ...aws.contracts import PutResource, RemoveResource
from ...aws.json_text import parsed
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import commands, errors, store
from .archives import decide_list
from .arns import DEFAULT, EVENT_BUS, RULE, bus_of, names_at
from .checks import check_bus
from .settings import SERVICE_NAME


@dataclass(frozen=True, slots=True)
class BusView:
    """A bus (None: there is none), who declared it, and the ARNs of its rules."""

    bus: Resource | None
    declared_by: str = "sdk"
    rules: tuple[str, ...] = ()


def view_bus(read: Reader, entry: Entry) -> BusView:
    """The bus with its rules."""
    bus = read.resource(entry.arn)
    if bus is None:
        return BusView(None)
    declared = read.one(store.DECLARED_BY, entry.arn)
    assert declared is not None
    return BusView(bus, declared[0], tuple(rule.arn for rule in read.resources(RULE) if bus_of(rule.arn) == entry.arn))


def put_bus(
    view: BusView, arn: str, config: dict[str, Any], *, declared_by: str, cause: int, now_ms: int, ids: Ids
) -> Decision:
    """Make the bus, or give it new settings, after all checks. Replies with the revision that then holds."""
    refused, old, name = check_bus(arn, config), view.bus, name_of(arn)
    if refused is not None:
        return Decision(reply=refused)
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    write = resources.put(
        arn, service=SERVICE_NAME, kind=EVENT_BUS, name=name, config=config, declared_by=declared_by, now_ms=now_ms
    )
    kind = "EventBusCreated" if old is None else "EventBusChanged"
    note = Note(ids.row_id(), kind, arn, name, cause, {"settings": config})
    return Decision(reply=1 if old is None else old.revision + 1, writes=[write], notes=[note], touched=[arn])


def decide_put(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource of a bus: replies with the revision."""
    command: PutResource = entry.command
    return put_bus(
        view, entry.arn, command.config, declared_by=command.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )


def decide_remove(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource and DeleteEventBus. As on AWS, one that does not exist is no error.

    Unverified: the text for a bus that has rules.
    """
    name = name_of(entry.arn)
    if name == DEFAULT:
        if isinstance(entry.command, RemoveResource):  # the project says nothing of it any more
            return _plain_default(view, entry, now_ms=now_ms, ids=ids)
        return Decision(reply=errors.validation("Cannot delete event bus default."))
    if view.bus is None:
        return Decision()
    if view.rules and isinstance(entry.command, commands.DeleteEventBus):
        return Decision(reply=errors.validation("Cannot delete event bus with rules or partner event sources."))
    note = Note(ids.row_id(), "EventBusDeleted", entry.arn, name, entry.cause)
    return Decision(writes=[resources.remove(entry.arn)], notes=[note], touched=[entry.arn])


def _plain_default(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    decision = put_bus(view, entry.arn, {}, declared_by="aws", cause=entry.cause, now_ms=now_ms, ids=ids)
    decision.reply = None
    return decision


# --- requests -----------------------------------------------------------------------------------


def decide_create(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateEventBus: replies with the ARN."""
    if view.bus is not None:
        return Decision(reply=errors.already_exists(f"Event bus {name_of(entry.arn)}"))
    return _changed(view, entry, {}, now_ms=now_ms, ids=ids)


def decide_update(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """UpdateEventBus: what is not given stays; replies with the ARN."""
    if view.bus is None:
        return Decision(reply=errors.no_such_bus(name_of(entry.arn)))
    return _changed(view, entry, view.bus.config.stored, now_ms=now_ms, ids=ids)


def _changed(view: BusView, entry: Entry, config: dict[str, Any], *, now_ms: int, ids: Ids) -> Decision:
    command: commands.CreateEventBus | commands.UpdateEventBus = entry.command
    given = {"description": command.description, "dead_letter_arn": command.dead_letter_arn}
    config = {**config, **{name: item for name, item in given.items() if item is not None}}
    return _stored(view, entry, config, entry.arn, now_ms=now_ms, ids=ids)


def _stored(view: BusView, entry: Entry, config: dict[str, Any], reply: Any, *, now_ms: int, ids: Ids) -> Decision:
    decision = put_bus(view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids)
    if type(decision.reply) is not Refused:
        decision.reply = reply
    return decision


def decide_describe(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DescribeEventBus: replies with EventBusDescription."""
    if view.bus is None:
        return Decision(reply=errors.no_such_bus(name_of(entry.arn)))
    return Decision(reply=_description(view.bus))


def _description(bus: Resource) -> commands.EventBusDescription:
    settings = bus.config
    return commands.EventBusDescription(bus.name, bus.arn, settings.description, settings.policy, settings.dead_letter)


def view_list(read: Reader, entry: Entry) -> tuple[commands.EventBusDescription, ...]:
    """The buses that a list asks for."""
    prefix = entry.command.name_prefix
    return tuple(_description(bus) for bus in read.resources(EVENT_BUS) if bus.name.startswith(prefix))


# --- access policies ----------------------------------------------------------------------------


def decide_permit(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutPermission: the statement is kept and shown. Unverified: the texts."""
    command: commands.PutPermission = entry.command
    if view.bus is None:
        return Decision(reply=errors.no_such_bus(name_of(entry.arn)))
    text = command.policy
    if text is None:
        if not command.statement_id or not command.principal:
            return Decision(reply=errors.missing("StatementId", "Principal", "Policy"))
        statement = {
            "Sid": command.statement_id,
            "Effect": "Allow",
            "Principal": "*" if command.principal == "*" else {"AWS": f"arn:aws:iam::{command.principal}:root"},
            "Action": command.action,
            "Resource": entry.arn,
        }
        others = [each for each in _statements(view.bus) if each.get("Sid") != command.statement_id]
        text = to_json({"Version": "2012-10-17", "Statement": [*others, statement]})
    else:
        try:
            parsed(text)
        except (ValueError, RecursionError):
            return Decision(reply=errors.validation("The policy is not valid JSON."))
    config = {**view.bus.config.stored, "policy": text}
    return _stored(view, entry, config, None, now_ms=now_ms, ids=ids)


def decide_forbid(view: BusView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemovePermission. Unverified: the text for a statement that is not there."""
    command: commands.RemovePermission = entry.command
    if view.bus is None:
        return Decision(reply=errors.no_such_bus(name_of(entry.arn)))
    kept: list[dict[str, Any]] = []
    if not command.remove_all_permissions:
        there = _statements(view.bus)
        kept = [each for each in there if each.get("Sid") != command.statement_id]
        if len(kept) == len(there):
            return Decision(reply=errors.not_found("Statement with the provided id does not exist."))
    config = {name: item for name, item in view.bus.config.stored.items() if name != "policy"}
    if kept:
        config["policy"] = to_json({"Version": "2012-10-17", "Statement": kept})
    return _stored(view, entry, config, None, now_ms=now_ms, ids=ids)


def _statements(bus: Resource) -> list[dict[str, Any]]:
    found = json.loads(bus.config.policy) if bus.config.policy else {}
    statements = found.get("Statement", []) if isinstance(found, dict) else []
    return [each for each in statements if isinstance(each, dict)] if isinstance(statements, list) else []


# --- a start ------------------------------------------------------------------------------------


def default_bus(read: Reader, service_arn: str) -> Resource | None:
    """The default bus of the account and region of the service's own ARN, or None before the first start."""
    return read.resource(names_at(service_arn).event_bus())


def make_default(decision: Decision, service_arn: str, *, now_ms: int) -> None:
    """Make the default bus, which is nobody's doing and no row of the trace."""
    arn = names_at(service_arn).event_bus()
    decision.writes.append(
        resources.put(
            arn, service=SERVICE_NAME, kind=EVENT_BUS, name=DEFAULT, config={}, declared_by="aws", now_ms=now_ms
        )
    )
    decision.touched.append(arn)


RULES = {
    commands.CreateEventBus: Rule(view_bus, decide_create),
    commands.UpdateEventBus: Rule(view_bus, decide_update),
    commands.DeleteEventBus: Rule(view_bus, decide_remove),
    commands.DescribeEventBus: Rule(view_bus, decide_describe),
    commands.ListEventBuses: Rule(view_list, decide_list),
    commands.PutPermission: Rule(view_bus, decide_permit),
    commands.RemovePermission: Rule(view_bus, decide_forbid),
}

"""What the target of a schedule is: which calls its ARN means, and the deliveries that a turn of it makes.

A *templated* target is the ARN of a resource: a queue gets a message, a function is invoked as an event, a
topic gets a message, a bus an event. A *universal* target is `arn:aws:scheduler:::aws-sdk:SERVICE:action`, with
the request as its Input. Source: EventBridge Scheduler User Guide, "Using templated targets", "Using universal
targets"; the members of each request are those of the service's API reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...aws.arn import Names, service_of
from ...kernel.clock import iso_s, parse_iso
from ...kernel.effects import SUBSTITUTE, Refused
from ...kernel.ids import Ids
from . import errors
from .arns import UNIVERSAL, names_at
from .records import Execution, bus_event, with_context
from .settings import Target

READ_ONLY = (
    "get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover",
    "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration",
    "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel",
)  # fmt: skip
"""Actions that begin so are no targets. Source: "Using universal targets", Unsupported actions."""

ENTRIES = 10

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One delivery: to which resource, its text, and what goes beside it (aws/contracts.Delivery, context)."""

    arn: str
    text: str
    context: Pairs = ()


_SAMPLE = Execution("arn:aws:scheduler:us-east-1:123456789012:schedule/default/name", "0" * 16, "2026-01-15T12:34:00Z")


class _Refusal(Exception):
    """An input that is refused."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused
        super().__init__(refused.message)


@dataclass(frozen=True, slots=True)
class _Call:
    """A turn's call: the names of its account and region, and the ids that it takes from."""

    names: Names
    execution: Execution
    ids: Ids


def problem_of(target: Target, names: Names) -> Refused | None:
    """Why a schedule cannot have this target, or None."""
    # An input is measured as it will be sent: context attributes may stand where JSON has other things.
    text = None if target.input is None else with_context(target.input, _SAMPLE)
    try:
        if target.arn.startswith(UNIVERSAL):
            _requests_of_api(target, text, names)
        else:
            _check_templated(target, text)
    except _Refusal as refusal:
        return refusal.refused
    return None


def resources_of(near: str, target: Target) -> list[str]:
    """The ARNs of what a schedule (`near`) calls."""
    if not target.arn.startswith(UNIVERSAL):
        return [target.arn]
    found = _requests_of_api(target, with_context(target.input or "", _SAMPLE), names_at(near))
    return list(dict.fromkeys(each.arn if isinstance(each, Request) else each.bus for each in found))


def requests(target: Target, text: str, *, names: Names, execution: Execution, ids: Ids) -> list[Request]:
    """The deliveries of one turn; `text` is the input with its context, or the default notification."""
    call = _Call(names, execution, ids)
    if target.arn.startswith(UNIVERSAL):
        found = _requests_of_api(target, text, names)
        return [_first(each) if isinstance(each, Request) else each.request(call) for each in found]
    service = service_of(target.arn)
    if service == "sqs" and target.message_group_id is not None:
        return [Request(target.arn, text, (("group_id", target.message_group_id),))]
    if service != "events":
        return [Request(target.arn, text)]
    detail = json.loads(text, strict=False)
    resources = (execution.schedule_arn,)
    return [_Event(target.arn, target.detail_type or "", target.source or "", detail, resources).request(call)]


def _first(request: Request) -> Request:
    """The request with the number of its first attempt wherever that stands beside its text."""
    context = tuple((name, text.replace(SUBSTITUTE, "1")) for name, text in request.context)
    return Request(request.arn.replace(SUBSTITUTE, "1"), request.text, context)


# --- templated targets --------------------------------------------------------------------------

_TEMPLATED = frozenset({"sqs", "events", "sns", "lambda"})


def _check_templated(target: Target, text: str | None) -> None:
    """Unverified: all texts here."""
    try:
        service = service_of(target.arn)
    except ValueError:
        raise _Refusal(errors.invalid("Provided Arn is not in correct format.")) from None
    if service not in _TEMPLATED or (service == "events" and ":event-bus/" not in target.arn):
        raise _Refusal(errors.not_simulated(f"A schedule's target {target.arn}"))
    if target.message_group_id is not None and service != "sqs":
        raise _Refusal(errors.invalid("SqsParameters are for targets that are Amazon SQS queues."))
    if target.detail_type is not None and service != "events":
        raise _Refusal(errors.invalid("EventBridgeParameters are for targets that are event buses."))
    if service == "events" and target.detail_type is None:
        raise _Refusal(errors.invalid("EventBridgeParameters must be specified for an event bus."))
    if service == "sqs" and target.arn.endswith(".fifo") and target.message_group_id is None:
        raise _Refusal(errors.invalid("SqsParameters with a MessageGroupId must be specified for a FIFO queue."))
    if text is not None and service == "lambda":
        _json(text.replace(SUBSTITUTE, "1"))
    if text is not None and service == "events" and not isinstance(_json(text), dict):
        raise _Refusal(errors.invalid("Invalid RequestJson provided. Reason The input is not a JSON object."))


def _json(text: str) -> Any:
    try:
        return json.loads(text, strict=False, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Refusal(errors.invalid(f"Invalid RequestJson provided. Reason {error}.")) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


# --- universal targets --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Event:
    """An event for a bus, which gets its id when it is sent. `time` None: when the turn was due.

    Unverified: that a templated target's event names the schedule among its resources.
    """

    bus: str
    detail_type: str
    source: str
    detail: dict[str, Any]
    resources: tuple[str, ...] = ()
    time: str | None = None

    def request(self, call: _Call) -> Request:
        """The delivery of this event."""
        text = bus_event(
            event_id=call.ids.uuid("scheduler.event_id"),
            detail_type=self.detail_type,
            source=self.source,
            account=call.names.account,
            time=call.execution.scheduled_time if self.time is None else self.time,
            region=call.names.region,
            resources=self.resources,
            detail=self.detail,
        )
        return Request(self.bus, text)


Found = Request | _Event
_Members = Mapping[str, type[Any]]


@dataclass(frozen=True, slots=True)
class _Action:
    """One action of an API: its members with their types, those that it needs, those that AWS has and
    simtriggers has not, and the deliveries that a request means."""

    members: _Members
    required: tuple[str, ...]
    not_here: tuple[str, ...]
    read: Callable[[dict[str, Any], Names], list[Found]]


def _requests_of_api(target: Target, text: str | None, names: Names) -> list[Found]:
    """What an Input asks of an API. Raises _Refusal."""
    service, _, name = target.arn.removeprefix(UNIVERSAL).partition(":")
    if any(name.startswith(prefix) for prefix in READ_ONLY):
        what = f"The action {name} only reads, and cannot be the target of a schedule"
        raise _Refusal(errors.invalid(f"{what}: {target.arn}"))
    action = ACTIONS.get((service, name))
    if action is None:
        known = ", ".join(f"{each}:{action}" for each, action in ACTIONS)
        raise _Refusal(errors.not_simulated(f"The universal target {service}:{name} (there are {known})"))
    if target.message_group_id is not None or target.detail_type is not None:
        raise _Refusal(errors.invalid("A universal target has all its parameters in its Input."))
    if text is None:
        raise _Refusal(errors.invalid("A universal target must have an Input."))
    request = _json(text)
    if not isinstance(request, dict):
        raise _Refusal(errors.invalid("Invalid RequestJson provided. Reason The input is not a JSON object."))
    _check_members(request, action.members, action.required, action.not_here, f"{service}:{name}")
    return action.read(request, names)


def _check_members(
    found: dict[str, Any], members: _Members, required: tuple[str, ...], not_here: tuple[str, ...], what: str
) -> None:
    for key, item in found.items():
        if key in not_here:
            raise _Refusal(errors.not_simulated(f"{key} of {what} as a schedule's target"))
        if key not in members:
            service, _, api = what.partition(":")
            reason = f"The field '{key}' is not supported by api '{api}' for the service '{service}'"
            raise _Refusal(errors.invalid(f"Invalid RequestJson provided. Reason {reason}"))
        if not isinstance(item, members[key]) or isinstance(item, bool):
            raise _Refusal(errors.invalid(f"Invalid RequestJson provided. Reason The field '{key}' has a wrong type"))
    missing = [key for key in required if key not in found]
    if missing:
        reason = f"The field '{missing[0]}' is missing"
        raise _Refusal(errors.invalid(f"Invalid RequestJson provided. Reason {reason}"))


def _attributes(found: Any) -> Pairs:
    """Message attributes as the API has them, as pairs of a delivery's context."""
    made = []
    for name, item in (found or {}).items():
        if not isinstance(item, dict) or "DataType" not in item:
            raise _Refusal(
                errors.invalid(f"Invalid RequestJson provided. Reason The attribute '{name}' has no DataType")
            )
        text = item.get("StringValue", item.get("BinaryValue", ""))
        made.append((f"message_attribute:{name}", f"{item['DataType']}:{text}"))
    return tuple(made)


def _named(request: dict[str, Any], names: Mapping[str, str]) -> Pairs:
    """Members that a delivery carries under other names."""
    return tuple((name, str(request[key])) for key, name in names.items() if key in request)


def _send_message(request: dict[str, Any], names: Names) -> list[Found]:
    before, _, queue = str(request["QueueUrl"]).rpartition("/")
    account = before.rpartition("/")[2]
    arn = Names(account if account.isdecimal() else names.account, names.region).queue(queue)
    context = _attributes(request.get("MessageAttributes")) + _named(
        request,
        {
            "MessageGroupId": "group_id",
            "MessageDeduplicationId": "deduplication_id",
            "DelaySeconds": "delay_seconds",
        },
    )
    return [Request(arn, request["MessageBody"], context)]


def _publish(request: dict[str, Any], names: Names) -> list[Found]:
    context = _attributes(request.get("MessageAttributes")) + _named(
        request,
        {
            "Subject": "subject_line",
            "MessageStructure": "message_structure",
            "MessageGroupId": "group_id",
            "MessageDeduplicationId": "deduplication_id",
        },
    )
    return [Request(request["TopicArn"], request["Message"], context)]


def _invoke(request: dict[str, Any], names: Names) -> list[Found]:
    if request.get("InvocationType") != "Event":
        what = "lambda:invoke as a schedule's target with an InvocationType other than Event"
        raise _Refusal(errors.not_simulated(what))
    name = request["FunctionName"]
    arn = name if name.startswith("arn:") else names.function(name)
    return [Request(arn, request.get("Payload", "{}"))]


def _put_events(request: dict[str, Any], names: Names) -> list[Found]:
    entries = request["Entries"]
    if not 1 <= len(entries) <= ENTRIES:
        rule = f"Member must have length between 1 and {ENTRIES}"
        raise _Refusal(errors.constraint(f"{len(entries)} entries", "entries", rule))
    return [_entry(each, names) for each in entries]


def _entry(entry: Any, names: Names) -> _Event:
    if not isinstance(entry, dict):
        raise _Refusal(errors.invalid("Invalid RequestJson provided. Reason An entry is not an object"))
    members = {"Source": str, "DetailType": str, "Detail": str, "EventBusName": str, "Resources": list, "Time": str}
    _check_members(entry, members, ("Source", "DetailType", "Detail"), ("TraceHeader",), "eventbridge:putEvents")
    detail = _json(entry["Detail"])
    if not isinstance(detail, dict):
        raise _Refusal(errors.invalid("Detail is malformed."))
    bus = entry.get("EventBusName", "default")
    arn = bus if bus.startswith("arn:") else names.event_bus(bus)
    resources = tuple(map(str, entry.get("Resources", ())))
    try:
        time = iso_s(parse_iso(entry["Time"])) if "Time" in entry else None
    except ValueError:
        raise _Refusal(errors.invalid("Invalid RequestJson provided. Reason The field 'Time' is no time")) from None
    return _Event(arn, entry["DetailType"], entry["Source"], detail, resources, time)


ACTIONS: dict[tuple[str, str], _Action] = {
    ("sqs", "sendMessage"): _Action(
        {
            "QueueUrl": str,
            "MessageBody": str,
            "DelaySeconds": int,
            "MessageAttributes": dict,
            "MessageGroupId": str,
            "MessageDeduplicationId": str,
        },
        ("QueueUrl", "MessageBody"),
        ("MessageSystemAttributes",),
        _send_message,
    ),
    ("sns", "publish"): _Action(
        {
            "TopicArn": str,
            "Message": str,
            "Subject": str,
            "MessageStructure": str,
            "MessageAttributes": dict,
            "MessageGroupId": str,
            "MessageDeduplicationId": str,
        },
        ("TopicArn", "Message"),
        ("TargetArn", "PhoneNumber"),
        _publish,
    ),
    ("lambda", "invoke"): _Action(
        {"FunctionName": str, "InvocationType": str, "Payload": str},
        ("FunctionName",),
        ("Qualifier", "LogType", "ClientContext"),
        _invoke,
    ),
    ("eventbridge", "putEvents"): _Action({"Entries": list}, ("Entries",), ("EndpointId",), _put_events),
}
"""The universal targets that there are, by service and action."""

"""Admission: what asks a function to run, and what it is told. Starts at once what may start at once.

`Run` is the Invoke API (RequestResponse and Event), `Delivery` an event pushed by another service, which is
the same as Event. Source: AWS Lambda API Reference, "Invoke"; error texts as recorded from AWS.
"""

from __future__ import annotations

import json
from typing import Any

from ...aws.contracts import Delivery, Run
from ...kernel.agenda import Entry
from ...kernel.codec import encode
from ...kernel.effects import LATER, Decision, Note, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import concurrency, limits
from .asynchronous import attempt_event
from .attempts import ASYNC, SYNC, AttemptView, new_invocation, start_run, view_attempt
from .settings import VERSION


def view_admission(read: Reader, entry: Entry) -> AttemptView:
    """The function, its slot and the event, for a Run or a Delivery."""
    return view_attempt(read, read.resource(entry.arn), entry.command.payload)


def decide_run(view: AttemptView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Start a synchronous invocation (the answer comes later, as contracts.Ran) or queue an event."""
    command: Run = entry.command
    if view.function is None:
        return Decision(reply=not_found(entry.arn))
    refused = check_run(command, view.event)
    if refused is not None:
        return Decision(reply=refused)
    if command.invocation_type == "Event":
        return _accept(view, entry, now_ms=now_ms, ids=ids)
    return _run_now(view, entry, command, now_ms=now_ms, ids=ids)


def decide_delivery(view: AttemptView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Queue an event that a service delivers; the reply is its request id."""
    command: Delivery = entry.command
    if view.function is None:
        return Decision(reply=not_found(entry.arn))
    refused = check_size(view.event, "Event", limits.ASYNC_PAYLOAD_BYTES)
    if refused is not None:
        return Decision(reply=refused)
    assert command.payload, "a delivery has a payload"
    return _accept(view, entry, now_ms=now_ms, ids=ids)


def _run_now(view: AttemptView, entry: Entry, command: Run, *, now_ms: int, ids: Ids) -> Decision:
    assert view.function is not None and view.slot is not None
    settings = view.function.config
    reason = concurrency.refusal(settings, busy=view.slot.busy, reserved_total=view.slot.reserved_total)
    row = new_invocation(
        entry.arn,
        kind=SYNC,
        payload=command.payload,
        reply_to=None if entry.reply_to is None else encode(entry.reply_to),
        client_context=command.client_context,
        now_ms=now_ms,
        ids=ids,
    )
    if reason is not None:
        row.moved("refuse")
        details = {"function": settings.name, "reason": reason, "payload": command.payload}
        note = Note(ids.row_id(), "InvocationThrottled", entry.arn, row.request_id, entry.cause, details)
        return Decision(reply=concurrency.throttled(reason), notes=[note])
    decision = Decision(reply=LATER)
    start_run(decision, view, row, stored=False, cause=entry.cause, now_ms=now_ms, ids=ids)
    return decision


def _accept(view: AttemptView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    assert view.function is not None
    row = new_invocation(
        entry.arn,
        kind=ASYNC,
        payload=entry.command.payload,
        reply_to=None,
        client_context=None,
        now_ms=now_ms,
        ids=ids,
    )
    accepted = ids.row_id()
    details: dict[str, Any] = {"function": view.function.name, "payload": row.payload}
    decision = Decision(reply=row.request_id)
    decision.notes.append(Note(accepted, "AsyncEventAccepted", entry.arn, row.request_id, entry.cause, details))
    attempt_event(decision, view, row, stored=False, cause=accepted, now_ms=now_ms, ids=ids)
    return decision


# --- what is refused ----------------------------------------------------------------------------


def not_found(arn: str) -> Refused:
    """HTTP 404 for a function that does not exist."""
    return Refused("ResourceNotFoundException", f"Function not found: {arn}:{VERSION}", status=404)


def check_run(command: Run, event: str) -> Refused | None:
    """What AWS answers to a request that it does not take: too large, or not JSON."""
    is_event = command.invocation_type == "Event"
    limit = limits.ASYNC_PAYLOAD_BYTES if is_event else limits.SYNC_PAYLOAD_BYTES
    refused = check_size(event, command.invocation_type, limit)
    if refused is None and not command.source:
        refused = _check_client(command, event)
    return refused


def check_size(event: str, invocation_type: str, limit: int) -> Refused | None:
    """HTTP 413 for an event of more than `limit` bytes."""
    if len(event) * 4 <= limit:
        return None
    size = len(event.encode("utf-8", "surrogatepass"))
    if size <= limit:
        return None
    message = f"{size} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
    return Refused("RequestTooLargeException", message, status=413)


def _check_client(command: Run, event: str) -> Refused | None:
    context = command.client_context
    if context is not None and len(context.encode()) > limits.CLIENT_CONTEXT_BYTES:
        message = f"Client context must be no more than {limits.CLIENT_CONTEXT_BYTES} bytes."
        return Refused("InvalidRequestContentException", message)
    try:
        json.loads(event or "{}")
    except (ValueError, RecursionError) as error:
        where = f"line: {getattr(error, 'lineno', 1)}, column: {getattr(error, 'colno', 1)}"
        message = (
            "Could not parse request body into json: Could not parse payload into json:"
            f" {getattr(error, 'msg', error)}\n at [Source: REDACTED"
            f" (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); {where}]"
        )
        return Refused("InvalidRequestContentException", message)
    return None

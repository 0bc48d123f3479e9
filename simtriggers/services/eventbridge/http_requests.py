"""Requests to API destinations: sending them under the destination's rate, and what their end means.

A request is a row until the endpoint has taken the event or its retries are used up. Its shape is made in
`http_shapes`, its token comes from `tokens`.
Source: Amazon EventBridge User Guide, "API destinations as targets in Amazon EventBridge".
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ...aws.contracts import Delivery, HttpEnded, HttpRequest
from ...aws.limits import Limit
from ...kernel.agenda import Entry
from ...kernel.codec import decode, encode
from ...kernel.effects import Decision, Http, Note, Timer, Write
from ...kernel.ids import Ids
from ...kernel.retries import RetryAt, next_attempt
from ...kernel.service import Reader, Resource
from . import errors, http_shapes, store
from .commands import SendRequest
from .destinations import OAUTH, ConnectionSettings, DestinationSettings
from .routing import give_up
from .store import RequestRow

TIMEOUT_MS = Limit(5000, "Amazon EventBridge User Guide, API destinations, maximum client execution timeout")
WAITING, PACED, AUTHORIZING, SENT = "waiting", "paced", "authorizing", "sent"
_RETRIED = frozenset({401, 407, 409, 429})
_TOKEN_REFUSED = frozenset({401, 407})


@dataclass(frozen=True, slots=True)
class Token:
    """An OAuth token of a connection; `asked`: a request for one is under way."""

    text: str | None = None
    expires_ms: int | None = None
    asked: bool = False

    def usable(self, now_ms: int) -> bool:
        """Whether it can be sent: EventBridge renews one that ends within a minute."""
        return self.text is not None and (self.expires_ms is None or self.expires_ms - now_ms > 60_000)


@dataclass(frozen=True, slots=True)
class SendingView:
    """A request's destination and connection (None: gone), token and pace. `row` is None when there is no such request
    any more; `body` is what is sent."""

    row: RequestRow | None
    destination: Resource | None = None
    connection: Resource | None = None
    token: Token = Token()
    next_us: int = 0
    incarnation: int = 0
    body: str = ""


def _sending(read: Reader, row: RequestRow | None, destination_arn: str, digest: str) -> SendingView:
    destination = read.resource(destination_arn)
    state = read.one(store.INCARNATION)
    assert state is not None
    if destination is None:
        return SendingView(row, incarnation=state[0])
    pace = read.one(store.PACE, destination_arn)
    connection = destination.config.connection
    return SendingView(
        row,
        destination,
        read.resource(connection),
        token_of(read, connection),
        0 if pace is None else pace[0],
        state[0],
        read.payload(digest),
    )


def token_of(read: Reader, connection: str) -> Token:
    """The token of a connection."""
    found = read.one(store.TOKEN, connection)
    return Token() if found is None else Token(found[0], found[1], bool(found[2]))


def view_delivery(read: Reader, entry: Entry) -> SendingView:
    """The destination that a delivery is for."""
    return _sending(read, None, entry.arn, entry.command.payload)


def view_request(read: Reader, entry: Entry) -> SendingView:
    """The request that a command names."""
    found = read.one(store.REQUEST, entry.command.request_id)
    if found is None:
        return SendingView(None)
    row = RequestRow._make(found)
    return _sending(read, row, row.destination, row.payload)


# --- sending ------------------------------------------------------------------------------------


def decide_delivery(view: SendingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """An event for an API destination: it is accepted, and goes out as soon as the rate allows."""
    command: Delivery = entry.command
    if view.destination is None or view.connection is None:
        gone = entry.arn if view.destination is None else view.destination.config.connection
        return Decision(reply=errors.no_such_target(gone))
    subject = dict(command.context).get("subject", command.payload)
    row = RequestRow(
        ids.uuid("events.request_id"),
        entry.arn,
        view.connection.arn,
        subject,
        command.payload,
        encode(command),
        command.attempt,
        command.first_ms,
        WAITING,
        view.incarnation,
        entry.cause,
    )
    decision = Decision(reply=row.request_id)
    _send_when_due(decision, view, row, now_ms=now_ms, ids=ids)
    return decision


def decide_due(view: SendingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendRequest: the time has come for a retry, or for a request that the rate held back."""
    decision = Decision()
    row = view.row
    if row is None:
        return decision
    if view.destination is None or view.connection is None:
        _end(decision, row, "NO_RESOURCE", "The API destination does not exist any more.", None, ids=ids)
        return decision
    row = row._replace(incarnation=view.incarnation)
    if row.state == PACED:
        send_or_authorize(decision, view, row, now_ms=now_ms, ids=ids)
    else:
        _send_when_due(decision, view, row, now_ms=now_ms, ids=ids)
    return decision


def _send_when_due(decision: Decision, view: SendingView, row: RequestRow, *, now_ms: int, ids: Ids) -> None:
    """Send now, or when the destination's rate allows the next request."""
    assert view.destination is not None
    settings: DestinationSettings = view.destination.config
    at_us = max(now_ms * 1000, view.next_us)
    decision.writes.append(Write(store.PUT_PACE, (row.destination, at_us + 1_000_000 // settings.rate)))
    at_ms = -(-at_us // 1000)
    if at_ms > now_ms:
        wait(decision, row._replace(state=PACED), at_ms)
    else:
        send_or_authorize(decision, view, row, now_ms=now_ms, ids=ids)


def wait(decision: Decision, row: RequestRow, at_ms: int) -> None:
    """Store a request whose turn comes at a later time."""
    decision.writes.append(Write(store.PUT_REQUEST, row))
    timer = Timer(f"send:{row.request_id}", at_ms, SendRequest(row.request_id), row.cause, arn=row.destination)
    decision.effects.append(timer)


def send_or_authorize(decision: Decision, view: SendingView, row: RequestRow, *, now_ms: int, ids: Ids) -> None:
    """Send a request, or ask for the token that it needs first."""
    assert view.connection is not None
    connection: ConnectionSettings = view.connection.config
    if connection.kind == OAUTH and not view.token.usable(now_ms):
        decision.writes.append(Write(store.PUT_REQUEST, row._replace(state=AUTHORIZING)))
        if not view.token.asked:
            ask_for_token(decision, view.connection, row, incarnation=view.incarnation, ids=ids)
        return
    send(decision, view, row, ids=ids)


def ask_for_token(decision: Decision, connection: Resource, row: RequestRow, *, incarnation: int, ids: Ids) -> None:
    """The request to the connection's authorization endpoint."""
    settings: ConnectionSettings = connection.config
    method, url, headers, body = http_shapes.token_request(settings)
    note = Note(ids.row_id(), "TokenRequested", connection.arn, connection.name, row.cause, {"url": url})
    decision.notes.append(note)
    request = HttpRequest(
        ids.uuid("events.request_id"), 1, incarnation, connection.arn, method, url, headers, body, TIMEOUT_MS, note.id
    )
    decision.effects.append(Http(request, note.id))
    decision.writes.append(Write(store.PUT_TOKEN, (connection.arn, None, None, 1)))


def send(decision: Decision, view: SendingView, row: RequestRow, *, ids: Ids) -> None:
    """The request itself."""
    assert view.destination is not None and view.connection is not None
    delivery: Delivery = decode(row.delivery)
    method, url, headers, body = http_shapes.event_request(
        view.destination.config, view.connection.config, delivery.context, view.body, token=view.token.text
    )
    details = {"url": url, "attempt": row.attempt, "type": method, "payload": row.payload}
    note = Note(ids.row_id(), "HttpRequestSent", row.destination, row.event_id, row.cause, details)
    decision.notes.append(note)
    request = HttpRequest(
        row.request_id, row.attempt, row.incarnation, row.destination, method, url, headers, body, TIMEOUT_MS, note.id
    )
    decision.effects.append(Http(request, note.id))
    decision.writes.append(Write(store.PUT_REQUEST, row._replace(state=SENT, cause=note.id)))


# --- what comes back ----------------------------------------------------------------------------


def decide_ended(view: SendingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """HttpEnded: done with 2xx, tried again after what may pass, else given up.

    Unverified: of the statuses below 500, 401, 407, 409 and 429 are tried again.
    """
    ended: HttpEnded = entry.command
    row = view.row
    if row is None or (row.attempt, row.incarnation, row.state) != (ended.attempt, ended.incarnation, SENT):
        details: dict[str, Any] = {"attempt": ended.attempt, "status": ended.status}
        return Decision(notes=[Note(ids.row_id(), "StaleResult", entry.arn, ended.request_id, entry.cause, details)])
    if 200 <= ended.status < 300:
        details = {
            "url": "" if view.destination is None else view.destination.config.endpoint,
            "status": ended.status,
            "attempt": row.attempt,
            "duration_ms": ended.duration_ms,
        }
        note = Note(ids.row_id(), "HttpRequestSucceeded", row.destination, row.event_id, row.cause, details)
        return Decision(writes=[Write(store.DELETE_REQUEST, (row.request_id,))], notes=[note])
    decision = Decision()
    if ended.status in _TOKEN_REFUSED and view.connection is not None and view.connection.config.kind == OAUTH:
        decision.writes.append(Write(store.PUT_TOKEN, (row.connection, None, None, int(view.token.asked))))
    after_ms = _retry_after_ms(ended, now_ms)
    code, retryable = outcome(ended)
    message = ended.error or f"HTTP status {ended.status}"
    failed(decision, row, code, message, retryable=retryable, after_ms=after_ms, now_ms=now_ms, ids=ids)
    return decision


def outcome(ended: HttpEnded) -> tuple[str, bool]:
    """EventBridge's error code for a request without success, and whether it is tried again.

    An address that does not resolve is not; a connection that fails for another reason is.
    """
    if ended.status == 0:
        if ended.error == "timeout":
            return "TIMEOUT", True
        return "CONNECTION_FAILURE", not ended.error.startswith(("gaierror", "no stub"))
    if ended.status == 429:
        return "THROTTLING", True
    return "ERROR_FROM_TARGET", ended.status >= 500 or ended.status in _RETRIED


def _retry_after_ms(ended: HttpEnded, now_ms: int) -> int:
    """How long the endpoint wants to be left alone; 0 when it does not say."""
    for name, text in ended.headers:
        if name.lower() != "retry-after":
            continue
        if text.strip().isdecimal():
            return int(text) * 1000
        try:
            return max(0, round(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
        except (TypeError, ValueError):
            return 0
    return 0


def failed(
    decision: Decision,
    row: RequestRow,
    code: str,
    message: str,
    *,
    retryable: bool,
    after_ms: int = 0,
    now_ms: int,
    ids: Ids,
) -> None:
    """An attempt has failed: another one under the target's retry policy, or the dead-letter queue."""
    delivery: Delivery = decode(row.delivery)
    details: dict[str, Any] = {
        "target": row.destination,
        "attempt": row.attempt,
        "code": code,
        "message": message,
        "payload": row.payload,
    }
    note = Note(ids.row_id(), "DeliveryFailed", row.destination, row.event_id, row.cause, details)
    decision.notes.append(note)
    row = row._replace(cause=note.id)
    condition = None
    if retryable:
        policy = delivery.policy
        chance = ids.random("events.jitter").random()
        following = next_attempt(policy, attempts=row.attempt, first_ms=row.first_ms, now_ms=now_ms, chance=chance)
        if isinstance(following, RetryAt):
            at_ms = max(following.at_ms, now_ms + after_ms)
            if at_ms - row.first_ms <= policy.maximum_age_ms:
                details["retry_at_ms"] = at_ms
                wait(decision, row._replace(attempt=row.attempt + 1, state=WAITING), at_ms)
                return
            condition = "MaximumEventAgeInSeconds"
        else:
            condition = following.condition
    _end(decision, row, code, message, condition, ids=ids)


def _end(decision: Decision, row: RequestRow, code: str, message: str, condition: str | None, *, ids: Ids) -> None:
    delivery: Delivery = decode(row.delivery)
    context = dict(delivery.context)
    give_up(
        decision,
        target_arn=row.destination,
        dead_letter=delivery.dead_letter,
        context=(*delivery.context, *(() if "subject" in context else (("subject", row.event_id),))),
        letter=context.get("dead_letter_payload", row.payload),
        code=code,
        message=message,
        condition=condition,
        retries=row.attempt - 1,
        cause=row.cause,
        ids=ids,
    )
    decision.writes.append(Write(store.DELETE_REQUEST, (row.request_id,)))

"""Requests to HTTP/S endpoints: sending them, what their end means, retries, dead letters, throttling.

A request is a row until its endpoint has taken the message or its retries are used up.
Source: Amazon SNS Developer Guide, "Amazon SNS message delivery retries" and "HTTP/HTTPS endpoints".
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...aws.backoff import AWS_MANAGED
from ...aws.contracts import HttpEnded, HttpRequest
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Deliver, Http, Note, Timer, Write
from ...kernel.ids import Ids
from ...kernel.retries import RetryAt, next_attempt
from ...kernel.service import Reader, Resource
from . import records, store
from .commands import SendRequest
from .settings import HttpDelivery, SubscriptionSettings, TopicSettings, http_delivery
from .store import RequestRow

TIMEOUT_MS = 15_000
"""How long an endpoint may take. Source: Amazon SNS Developer Guide, "HTTP/HTTPS endpoints"."""


def timer_key(request_id: str) -> str:
    """The key of the timer that sends a request."""
    return f"send:{request_id}"


# --- sending ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for an endpoint: `payload` is the digest of `body`, `attributes` those of a raw one as JSON."""

    topic: str
    subscription: str
    url: str
    kind: str
    message_id: str
    payload: str
    body: str
    raw: bool = False
    attributes: str | None = None


def enqueue(
    decision: Decision,
    outgoing: Outgoing,
    delivery: HttpDelivery,
    *,
    next_send_ms: int,
    incarnation: int,
    cause: int,
    now_ms: int,
    ids: Ids,
) -> int:
    """Send a message to an endpoint, now or when its throttle lets it; returns when the next one may go."""
    at_ms, next_ms = now_ms, now_ms
    if delivery.max_receives_per_second is not None:
        at_ms = max(now_ms, next_send_ms)
        next_ms = at_ms + -(-1000 // delivery.max_receives_per_second)
        decision.writes.append(Write(store.SET_NEXT_SEND, (next_ms, outgoing.subscription)))
    request_id = ids.uuid("sns.request_id")
    row = RequestRow(
        request_id,
        outgoing.subscription,
        outgoing.topic,
        outgoing.url,
        outgoing.kind,
        outgoing.message_id,
        outgoing.payload,
        outgoing.attributes,
        int(outgoing.raw),
        1,
        now_ms,
        int(at_ms == now_ms),
        incarnation,
        cause,
    )
    if at_ms == now_ms:
        row = _send(decision, row, outgoing.body, delivery, ids=ids)
    else:
        _send_at(decision, row, at_ms)
    decision.writes.append(Write(store.ADD_REQUEST, row))
    return next_ms


def _send(decision: Decision, row: RequestRow, body: str, delivery: HttpDelivery, *, ids: Ids) -> RequestRow:
    details = {"url": row.url, "attempt": row.attempt, "type": row.kind, "payload": row.payload}
    note = Note(ids.row_id(), "HttpRequestSent", row.subscription, row.message_id, row.cause, details)
    decision.notes.append(note)
    headers = records.http_headers(
        kind=row.kind,
        message_id=row.message_id,
        topic_arn=row.topic,
        subscription_arn=row.subscription,
        raw=bool(row.raw),
        content_type=delivery.content_type,
    )
    request = HttpRequest(
        row.request_id,
        row.attempt,
        row.incarnation,
        row.subscription,
        "POST",
        row.url,
        headers,
        body,
        TIMEOUT_MS,
        note.id,
    )
    decision.effects.append(Http(request, note.id))
    return row._replace(sent=1, cause=note.id)


def _send_at(decision: Decision, row: RequestRow, at_ms: int) -> None:
    timer = Timer(timer_key(row.request_id), at_ms, SendRequest(row.request_id), row.cause, arn=row.subscription)
    decision.effects.append(timer)


# --- what comes back ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request, its body, and the topic and subscription it is for. None: there is none any more."""

    row: RequestRow | None
    body: str = ""
    topic: Resource | None = None
    subscription: Resource | None = None
    incarnation: int = 0


def view_request(read: Reader, entry: Entry) -> RequestView:
    """The request that a command names."""
    found = read.one(store.REQUEST, entry.command.request_id)
    if found is None:
        return RequestView(None)
    row = RequestRow._make(found)
    state = read.one(store.INCARNATION)
    assert state is not None
    return RequestView(
        row, read.payload(row.payload), read.resource(row.topic), read.resource(row.subscription), state[0]
    )


def _delivery(view: RequestView) -> HttpDelivery | None:
    """How the endpoint is served; None when its topic is gone."""
    if view.topic is None:
        return None
    topic: TopicSettings = view.topic.config
    return topic.http if view.subscription is None else http_delivery(topic, view.subscription.config)


def _ended_meanwhile(view: RequestView) -> str | None:
    """Why a message is not sent any more, or None."""
    assert view.row is not None
    if view.topic is None:
        return "the topic was deleted"
    if view.subscription is None and view.row.kind != records.UNSUBSCRIPTION:
        return "the subscription was deleted"
    return None


def decide_send(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendRequest: the time has come for a throttled request or a retry."""
    decision = Decision()
    if view.row is None:
        return decision
    delivery, reason = _delivery(view), _ended_meanwhile(view)
    if delivery is None or reason is not None:
        _drop(decision, view.row, reason or "", cause=view.row.cause, ids=ids)
        return decision
    row = view.row._replace(incarnation=view.incarnation)
    row = _send(decision, row, view.body, delivery, ids=ids)
    decision.writes.append(_saved(row))
    return decision


def decide_ended(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """HttpEnded: done with 2xx, tried again after 5xx, 429 or no answer at all, else given up.

    Source: Amazon SNS Developer Guide, "Creating an HTTP/S delivery policy": 5xx and 429 are retried, all
    other errors are permanent.
    """
    ended: HttpEnded = entry.command
    row = view.row
    if row is None or (row.attempt, row.incarnation, row.sent) != (ended.attempt, ended.incarnation, 1):
        details = {"attempt": ended.attempt, "status": ended.status}
        return Decision(notes=[Note(ids.row_id(), "StaleResult", entry.arn, ended.request_id, entry.cause, details)])
    if 200 <= ended.status < 300:
        done = {"url": row.url, "status": ended.status, "attempt": row.attempt, "duration_ms": ended.duration_ms}
        note = Note(ids.row_id(), "HttpRequestSucceeded", entry.arn, row.message_id, row.cause, done)
        return Decision(writes=[Write(store.DELETE_REQUEST, (row.request_id,))], notes=[note])
    return _failed(view, row, ended, now_ms=now_ms, ids=ids)


def is_retryable(status: int) -> bool:
    """Whether an endpoint's answer is a server-side error. 0: there was no answer."""
    return status == 0 or status == 429 or status >= 500


def _failed(view: RequestView, row: RequestRow, ended: HttpEnded, *, now_ms: int, ids: Ids) -> Decision:
    details: dict[str, object] = {
        "target": row.url,
        "attempt": row.attempt,
        "code": str(ended.status) if ended.status else "NoResponse",
        "message": ended.error or f"HTTP status {ended.status}",
        "payload": row.payload,
    }
    note = Note(ids.row_id(), "DeliveryFailed", row.subscription, row.message_id, row.cause, details)
    decision = Decision(notes=[note])
    delivery, condition = _delivery(view), "not retryable"
    reason = _ended_meanwhile(view)
    if delivery is None or reason is not None:
        _drop(decision, row, reason or "", cause=note.id, ids=ids)
        return decision
    if is_retryable(ended.status):
        policy = delivery.retry
        chance = ids.random("sns.jitter").random()
        following = next_attempt(policy, attempts=row.attempt, first_ms=row.first_ms, now_ms=now_ms, chance=chance)
        if isinstance(following, RetryAt):
            details["retry_at_ms"] = following.at_ms
            waiting = row._replace(attempt=row.attempt + 1, sent=0, cause=note.id)
            decision.writes.append(_saved(waiting))
            _send_at(decision, waiting, following.at_ms)
            return decision
        condition = following.condition
    _give_up(decision, view, row, condition, cause=note.id, ids=ids)
    return decision


def _saved(row: RequestRow) -> Write:
    return Write(store.UPDATE_REQUEST, (row.attempt, row.sent, row.incarnation, row.cause, row.request_id))


def _give_up(decision: Decision, view: RequestView, row: RequestRow, reason: str, *, cause: int, ids: Ids) -> None:
    """To the subscription's dead-letter queue, exactly as the endpoint would have got it; or drop it."""
    settings: SubscriptionSettings | None = None if view.subscription is None else view.subscription.config
    if settings is None or settings.dead_letter is None or row.kind != records.NOTIFICATION:
        _drop(decision, row, f"no dead-letter queue; {reason}", cause=cause, ids=ids)
        return
    details = {"target": row.url, "dead_letter": settings.dead_letter, "reason": reason, "payload": row.payload}
    sent = Note(ids.row_id(), "DeliverySentToDeadLetterQueue", row.subscription, row.message_id, cause, details)
    decision.notes.append(sent)
    context = (
        ("source", row.topic),
        ("subject", row.message_id),
        *((f"message_attribute:{name}", f"{kind}:{text}") for name, kind, text in json.loads(row.attributes or "[]")),
    )
    decision.effects.append(Deliver(settings.dead_letter, row.payload, AWS_MANAGED, sent.id, context=context))
    decision.writes.append(Write(store.DELETE_REQUEST, (row.request_id,)))


def _drop(decision: Decision, row: RequestRow, rule: str, *, cause: int, ids: Ids) -> None:
    details = {"target": row.url, "rule": rule, "payload": row.payload}
    decision.notes.append(Note(ids.row_id(), "DeliveryDropped", row.subscription, row.message_id, cause, details))
    decision.writes.append(Write(store.DELETE_REQUEST, (row.request_id,)))


# --- restarts -----------------------------------------------------------------------------------


def view_restarted(read: Reader, entry: Entry) -> tuple[RequestRow, ...]:
    """Requests that an older process had sent: nobody knows how they ended."""
    return tuple(map(RequestRow._make, read.all(store.OLDER_REQUESTS, entry.command.incarnation)))


def decide_restarted(view: tuple[RequestRow, ...], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Send them again, without counting an attempt."""
    decision = Decision(writes=[Write(store.SET_INCARNATION, (entry.command.incarnation,))])
    for row in view:
        details = {"url": row.url, "attempt": row.attempt}
        note = Note(ids.row_id(), "HttpRequestInterrupted", row.subscription, row.message_id, row.cause, details)
        waiting = row._replace(sent=0, cause=note.id)
        decision.notes.append(note)
        decision.writes.append(_saved(waiting))
        _send_at(decision, waiting, now_ms)
    return decision

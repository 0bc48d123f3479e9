"""What happens to a queue as a whole: purging, the end of retention, and looking at it.

A message is never returned once its retention is over. Its row goes at the queue's next sweep: one timer per
queue, set for its oldest message, on a standard queue at most once a second.
Source: Amazon SQS API Reference, PurgeQueue, GetQueueAttributes; SetQueueAttributes, MessageRetentionPeriod.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Timer, Wake, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import errors
from .attributes import UNSET_ATTRIBUTES, shown
from .commands import ExpireMessages, GetQueueAttributes, Peeked, PeekedMessage, QueueAttributes
from .config import QueueSettings
from .fifo_store import FORGET_ATTEMPTS, FORGET_SENDS, PROMOTE
from .queues import dropped
from .send import RETENTION_TIMER, WAKE_ALL
from .store import (
    ALL_OF_QUEUE,
    COUNTS,
    DELETE,
    DELETE_ALL,
    LYING,
    OLDEST,
    SET_PURGED,
    SET_SWEEP,
    STATE,
    UPDATED_MS,
    Leaving,
    Lying,
)

SWEEP_AT_MOST = 1000
SWEEP_INTERVAL_MS = 1000
_FIRST_LOOK = 4


# --- purging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PurgeView:
    """The queue, when it was last purged, and all of its messages."""

    queue: Resource | None
    purged_ms: int | None = None
    messages: tuple[Leaving, ...] = ()


def view_purge(read: Reader, entry: Entry) -> PurgeView:
    """All messages of the queue."""
    queue = read.resource(entry.arn)
    if queue is None:
        return PurgeView(None)
    state = read.one(STATE, entry.arn)
    messages = tuple(map(Leaving._make, read.all(ALL_OF_QUEUE, entry.arn)))
    return PurgeView(queue, state[1] if state else None, messages)


def decide_purge(view: PurgeView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PurgeQueue: replies with None. AWS takes up to 60 s; here the messages are gone at once, and with them
    what a FIFO queue remembers of deduplication ids."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    if view.purged_ms is not None and now_ms < view.purged_ms + 1000 * SQS.purge_interval_s:
        return Decision(reply=errors.purge_in_progress(view.queue.name))
    note = Note(ids.row_id(), "QueuePurged", entry.arn, view.queue.name, entry.cause, {"messages": len(view.messages)})
    forget = [Write(statement, (entry.arn,)) for statement in (DELETE_ALL, FORGET_SENDS, FORGET_ATTEMPTS)]
    return Decision(
        writes=[*forget, Write(SET_PURGED, (entry.arn, now_ms))],
        notes=[note, *dropped(entry.arn, view.messages, rule="PurgeQueue", by=note.id, ids=ids)],
    )


# --- retention ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpireView:
    """The queue and its oldest messages in the order of sending: all that a sweep removes, and one more."""

    queue: Resource | None
    oldest: tuple[Leaving, ...] = ()


def view_expire(read: Reader, entry: Entry) -> ExpireView:
    """The oldest messages, up to one whose time has not come; few are looked at where few have expired."""
    queue = read.resource(entry.arn)
    if queue is None:
        return ExpireView(None)
    expired_ms = read.now_ms - queue.config.retention_ms
    oldest: list[Leaving] = []
    for most in (_FIRST_LOOK, SWEEP_AT_MOST + 1):
        oldest = [Leaving._make(row) for row in read.all(OLDEST, entry.arn, most)]
        if len(oldest) < most or oldest[-1].sent_ms > expired_ms:
            break
    return ExpireView(queue, tuple(oldest))


def decide_expire(view: ExpireView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ExpireMessages: removes what is too old, and sets the timer for what is then the oldest."""
    if view.queue is None:
        return Decision()
    settings: QueueSettings = view.queue.config
    expired_ms = now_ms - settings.retention_ms
    expired = [message for message in view.oldest if message.sent_ms <= expired_ms][:SWEEP_AT_MOST]
    decision = Decision(
        notes=[
            Note(
                ids.row_id(),
                "MessageExpired",
                entry.arn,
                message.message_id,
                message.cause,
                {"rule": "MessageRetentionPeriod", "expired_ms": message.sent_ms + settings.retention_ms},
            )
            for message in expired
        ]
    )
    if expired:
        decision.writes.append(Write(DELETE, [(message.seq,) for message in expired], many=True))
        if settings.fifo:
            groups = dict.fromkeys(message.group_id for message in expired)
            decision.writes.append(Write(PROMOTE, [(entry.arn, group) for group in groups], many=True))
            decision.effects.append(Wake(entry.arn, WAKE_ALL))
    following = view.oldest[len(expired)] if len(view.oldest) > len(expired) else None
    at_ms: int | None = None
    if following is not None:
        expires_ms = following.sent_ms + settings.retention_ms
        # A FIFO message that has expired would keep its group locked: it goes at once.
        soonest_ms = now_ms if settings.fifo else now_ms + SWEEP_INTERVAL_MS
        at_ms = now_ms if expires_ms <= now_ms else max(expires_ms, soonest_ms)
        decision.effects.append(Timer(RETENTION_TIMER, at_ms, ExpireMessages(), 0, background=True))
    decision.writes.append(Write(SET_SWEEP, (entry.arn, at_ms)))
    return decision


# --- looking ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LookView:
    """The queue, when its settings were last changed, its counts (visible, in flight, delayed), and its
    first messages when they were asked for."""

    queue: Resource | None
    updated_ms: int = 0
    counts: tuple[int, int, int] = (0, 0, 0)
    messages: tuple[Lying, ...] = ()


def view_look(read: Reader, entry: Entry) -> LookView:
    """Counts, and for PeekMessages the messages."""
    queue = read.resource(entry.arn)
    if queue is None:
        return LookView(None)
    command = entry.command
    expired_ms = read.now_ms - queue.config.retention_ms
    counted = read.one(COUNTS, read.now_ms, entry.arn, expired_ms) or (0, 0, 0)
    counts = (int(counted[0]), int(counted[1]), int(counted[2]))
    if type(command) is GetQueueAttributes:
        updated = read.one(UPDATED_MS, entry.arn)
        return LookView(queue, updated[0] if updated else queue.created_ms, counts)
    rows = read.all(LYING, entry.arn, expired_ms, command.limit)
    return LookView(queue, queue.created_ms, counts, tuple(map(Lying._make, rows)))


def decide_attributes(view: LookView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetQueueAttributes: replies with QueueAttributes; what is not set is absent."""
    command: GetQueueAttributes = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    found = _attributes(view, view.queue)
    for name in command.attribute_names:
        if name != "All" and name not in found and name not in UNSET_ATTRIBUTES:
            return Decision(reply=errors.unknown_attribute(name))
    everything = "All" in command.attribute_names
    pairs = ((name, text) for name, text in found.items() if everything or name in command.attribute_names)
    return Decision(reply=QueueAttributes(tuple(pairs)))


def _attributes(view: LookView, queue: Resource) -> dict[str, str]:
    settings: QueueSettings = queue.config
    visible, in_flight, delayed = view.counts
    numbers = {
        "ApproximateNumberOfMessages": visible,
        "ApproximateNumberOfMessagesNotVisible": in_flight,
        "ApproximateNumberOfMessagesDelayed": delayed,
        "CreatedTimestamp": queue.created_ms // 1000,
        "LastModifiedTimestamp": view.updated_ms // 1000,
        "VisibilityTimeout": settings.visibility_timeout_ms // 1000,
        "MaximumMessageSize": settings.maximum_message_size,
        "MessageRetentionPeriod": settings.retention_ms // 1000,
        "DelaySeconds": settings.delay_ms // 1000,
        "ReceiveMessageWaitTimeSeconds": settings.wait_ms // 1000,
    }
    found = {"QueueArn": queue.arn, **{name: str(number) for name, number in numbers.items()}}
    found |= shown(settings.stored)
    return found


def decide_peek(view: LookView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PeekMessages: replies with Peeked."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    messages = tuple(
        PeekedMessage(
            message.message_id,
            message.body,
            _state(message, now_ms),
            message.sent_ms,
            message.visible_ms,
            message.receive_count,
            message.dead_letter_source,
            tuple((name, kind, value) for name, kind, value in json.loads(message.attributes or "[]")),
            message.cause,
            message.group_id,
            message.deduplication_id,
        )
        for message in view.messages
    )
    return Decision(reply=Peeked(messages, sum(view.counts)))


def _state(message: Lying, now_ms: int) -> str:
    if message.visible_ms <= now_ms:
        return "visible"
    return "delayed" if message.received_ms is None else "in flight"

"""Sending: SendMessage, SendMessageBatch, and a delivery from elsewhere, which is a send.

A message is a row, a MessageSent note caused by whoever sent it, and a wake-up for one waiting poll.
Source: Amazon SQS API Reference, SendMessage and SendMessageBatch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...aws.contracts import Delivery
from ...aws.digests import Attribute, md5_of_body, md5_of_message_attributes
from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Timer, Wake, Write, payload
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import content, errors
from .commands import (
    BatchFailure,
    BatchResult,
    BatchSuccess,
    ExpireMessages,
    SendEntry,
    SendMessage,
    SendMessageBatch,
    SendResult,
)
from .config import QueueSettings
from .store import INSERT, SET_SWEEP, STATE

RETENTION_TIMER = "retention"
DEFAULT_SENDER_ID = "AIDASIMTRIGGERSSENDER"

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE = "message_attribute:"
_SYSTEM_ATTRIBUTE = "system_attribute:"


@fixed
class SendView:
    """`queue` None: there is none. `sweep_ms` is when the queue's retention timer is due, None if it is
    not set. `body` is the text of a delivery, and empty for a send, which carries its own."""

    queue: Resource | None
    sweep_ms: int | None
    body: str = ""


def view_send(read: Reader, entry: Entry) -> SendView:
    """The queue and its retention timer."""
    queue = read.resource(entry.arn)
    if queue is None:
        return SendView(None, None)
    state = read.one(STATE, entry.arn)
    body = read.payload(entry.command.payload) if type(entry.command) is Delivery else ""
    return SendView(queue, state[0] if state else None, body)


def decide_send(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendMessage: replies with SendResult."""
    command: SendMessage = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    message = SendEntry("", command.body, command.delay_seconds, command.message_attributes, command.system_attributes)
    return _send_one(view, message, entry, now_ms=now_ms, ids=ids)


def decide_delivery(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A delivery: its payload becomes the body, its context the attributes. Replies with SendResult."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    message = _message_of(entry.command, view.body)
    if type(message) is Refused:
        return Decision(reply=message)
    assert type(message) is SendEntry
    return _send_one(view, message, entry, now_ms=now_ms, ids=ids)


def decide_send_batch(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendMessageBatch: replies with BatchResult; the whole request is refused only for its form and size."""
    command: SendMessageBatch = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    problem = check_batch([item.id for item in command.entries])
    if problem is None:
        size = sum(content.size_of(item.body, _well_formed(item)) for item in command.entries)
        problem = errors.batch_too_long(size) if size > SQS.batch_bytes else None
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    sent: list[BatchSuccess] = []
    failed: list[BatchFailure] = []
    settings: QueueSettings = view.queue.config
    for item in command.entries:
        refused = _check(item, settings, in_batch=True)
        if refused is not None:
            failed.append(BatchFailure(item.id, refused.code, refused.message))
            continue
        result = _send(decision, item, entry, settings, now_ms=now_ms, ids=ids)
        sent.append(BatchSuccess(item.id, result))
    if sent:
        _arm_retention(decision, view, entry, now_ms=now_ms)
    decision.reply = BatchResult(tuple(sent), tuple(failed))
    return decision


def check_batch(names: Sequence[str]) -> Refused | None:
    """The form of any batch: 1 to 10 entries with distinct, valid ids."""
    if not names:
        return errors.empty_batch()
    if len(names) > SQS.batch_entries:
        return errors.too_many_entries(len(names))
    seen: set[str] = set()
    for name in names:
        if not _BATCH_ID.fullmatch(name):
            return errors.invalid_batch_id()
        if name in seen:
            return errors.ids_not_distinct(name)
        seen.add(name)
    return None


def _send_one(view: SendView, message: SendEntry, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    assert view.queue is not None
    settings: QueueSettings = view.queue.config
    problem = _check(message, settings, in_batch=False)
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    decision.reply = _send(decision, message, entry, settings, now_ms=now_ms, ids=ids)
    _arm_retention(decision, view, entry, now_ms=now_ms)
    return decision


def _check(message: SendEntry, settings: QueueSettings, *, in_batch: bool) -> Refused | None:
    problem = content.check_body(message.body)
    if problem is None and message.message_attributes:
        problem = content.check_attributes(message.message_attributes)
    if problem is None and message.system_attributes:
        problem = content.check_system_attributes(message.system_attributes)
    if problem is not None:
        return problem
    limit = settings.maximum_message_size
    if content.size_of(message.body, message.message_attributes) > limit:
        return errors.message_too_long(limit, in_batch=in_batch)
    delay, allowed = message.delay_seconds, SQS.delay_s
    if delay is not None and delay not in allowed:
        reason = f"DelaySeconds must be >= {allowed.low} and <= {allowed.high}."
        return errors.invalid_parameter("DelaySeconds", delay, reason)
    return None


def _send(
    decision: Decision, message: SendEntry, entry: Entry, settings: QueueSettings, *, now_ms: int, ids: Ids
) -> SendResult:
    """Add one accepted message to a decision: its row, note, body and wake-up."""
    body = payload(message.body)
    attributes = sorted(message.message_attributes)
    delay_ms = settings.delay_ms if message.delay_seconds is None else 1000 * message.delay_seconds
    result = SendResult(
        ids.uuid("sqs.message_id"),
        md5_of_body(message.body),
        md5_of_message_attributes(attributes) if attributes else None,
        md5_of_message_attributes(message.system_attributes) if message.system_attributes else None,
    )
    size = content.size_of(message.body, message.message_attributes)
    details: dict[str, object] = {"payload": body.digest, "size": size}
    if delay_ms:
        details["visible_ms"] = now_ms + delay_ms
    if attributes:
        details["message_attributes"] = {name: value for name, _, value in attributes}
    note = Note(ids.row_id(), "MessageSent", entry.arn, result.message_id, entry.cause, details)
    row = (
        entry.arn,
        result.message_id,
        body.digest,
        size,
        to_json(attributes) if attributes else None,
        message.system_attributes[0][2] if message.system_attributes else None,
        result.md5_of_body,
        result.md5_of_message_attributes,
        DEFAULT_SENDER_ID,
        now_ms,
        now_ms + delay_ms,
        note.id,
    )
    decision.payloads.append(body)
    decision.writes.append(Write(INSERT, row))
    decision.notes.append(note)
    # A poll is needed for one message only; when it is delayed, every waiting poll may be the one
    # that is still there when the delay ends.
    decision.effects.append(Wake(entry.arn, WAKE_ALL, now_ms + delay_ms) if delay_ms else Wake(entry.arn))
    return result


WAKE_ALL = 1 << 30
"""How many waiting polls to wake when a hidden message appears: all, since one of them may be gone or
served by then. It costs nothing while they are due earlier anyway."""


def _arm_retention(decision: Decision, view: SendView, entry: Entry, *, now_ms: int) -> None:
    """Set the queue's one retention timer, unless it is set: earlier messages expire earlier."""
    if view.sweep_ms is not None:
        return
    assert view.queue is not None
    at_ms = now_ms + view.queue.config.retention_ms
    decision.writes.append(Write(SET_SWEEP, (entry.arn, at_ms)))
    decision.effects.append(Timer(RETENTION_TIMER, at_ms, ExpireMessages(), 0, background=True))


def _well_formed(message: SendEntry) -> tuple[Attribute, ...]:
    """The attributes whose bytes can be counted; those of a bad entry fail with it alone."""
    return message.message_attributes if content.check_attributes(message.message_attributes) is None else ()


def _message_of(delivery: Delivery, body: str) -> SendEntry | Refused:
    attributes: list[Attribute] = []
    system: list[Attribute] = []
    for name, text in delivery.context:
        if name.startswith(_ATTRIBUTE):
            data_type, _, value = text.partition(":")
            attributes.append((name.removeprefix(_ATTRIBUTE), data_type, value))
        elif name.startswith(_SYSTEM_ATTRIBUTE):
            system.append((name.removeprefix(_SYSTEM_ATTRIBUTE), "String", text))
        elif name == "group_id":
            return errors.not_supported("MessageGroupId on a standard queue")
    return SendEntry("", body, None, tuple(attributes), tuple(system))

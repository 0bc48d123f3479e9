"""Sending: SendMessage, SendMessageBatch, and a delivery from elsewhere, which is a send.

A message is a row, a MessageSent note caused by whoever sent it, and a wake-up for one waiting poll. On a FIFO
queue a message whose deduplication id was sent in the last 5 minutes is accepted and not enqueued.
Source: Amazon SQS API Reference, SendMessage and SendMessageBatch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
from .fifo_store import FORGET_OLD_SENDS, INSERT_FIFO, REMEMBER, SEEN, SET_SEQUENCE, Seen
from .sequence import content_id, is_id, sequence_number
from .store import INSERT, INSERT_PLAIN, SET_SWEEP, STATE

RETENTION_TIMER = "retention"
DEFAULT_SENDER_ID = "AIDASIMTRIGGERSSENDER"
"""Of a client, and of a service that names none."""

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE = "message_attribute:"
_SYSTEM_ATTRIBUTE = "system_attribute:"


Message = SendMessage | SendEntry
"""Both have the members of a message by the same names."""

Key = tuple[str, str]
"""A deduplication id and the group it was sent with."""


@fixed
class SendView:
    """`queue` None: there is none. `sweep_ms` is when the queue's retention timer is due, None if it is
    not set. `body` is the text of a delivery, and empty for a send, which carries its own. Of a FIFO queue:
    the number of its latest message, and what has been sent with the command's deduplication ids."""

    queue: Resource | None
    sweep_ms: int | None
    body: str = ""
    last_sequence: int = 0
    seen: Mapping[Key, Seen] | None = None


def view_send(read: Reader, entry: Entry) -> SendView:
    """The queue and its retention timer; of a FIFO queue also what was sent lately."""
    queue = read.resource(entry.arn)
    if queue is None:
        return SendView(None, None)
    state = read.one(STATE, entry.arn)
    body = read.payload(entry.command.payload) if type(entry.command) is Delivery else ""
    sweep_ms = state[0] if state else None
    settings: QueueSettings = queue.config
    if not settings.fifo:
        return SendView(queue, sweep_ms, body)
    seen: dict[Key, Seen] = {}
    for message in _messages_of(entry.command, body):
        key = _key(message, settings)
        if key is not None and key not in seen:
            row = read.one(SEEN, entry.arn, *key, read.now_ms)
            if row is not None:
                seen[key] = Seen._make(row)
    return SendView(queue, sweep_ms, body, (state[2] or 0) if state else 0, seen)


def _messages_of(command: SendMessage | SendMessageBatch | Delivery, body: str) -> Sequence[Message]:
    if type(command) is SendMessageBatch:
        return command.entries
    if type(command) is Delivery:
        return (_message_of(command, body),)
    assert type(command) is SendMessage
    return (command,)


def _key(message: Message, settings: QueueSettings) -> Key | None:
    """The deduplication id of a FIFO message, given or from its body, and its group; None: it lacks one."""
    if not message.message_group_id:
        return None
    if message.message_deduplication_id:
        return message.message_deduplication_id, message.message_group_id
    return (content_id(message.body), message.message_group_id) if settings.content_based else None


def decide_send(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendMessage: replies with SendResult."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    return _send_one(view, entry.command, entry, now_ms=now_ms, ids=ids)


def decide_delivery(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A delivery: its payload becomes the body, its context the attributes. Replies with SendResult."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    return _send_one(view, _message_of(entry.command, view.body), entry, now_ms=now_ms, ids=ids)


def decide_send_batch(view: SendView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SendMessageBatch: replies with BatchResult; the whole request is refused only for its form and size, and
    for a FIFO entry without a group or a deduplication id."""
    command: SendMessageBatch = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    problem = check_batch([item.id for item in command.entries])
    if problem is None:
        size = sum(content.size_of(item.body, _well_formed(item)) for item in command.entries)
        problem = errors.batch_too_long(size) if size > SQS.batch_bytes else None
    settings: QueueSettings = view.queue.config
    if problem is None and settings.fifo:
        problem = next((each for each in (_incomplete(item, settings) for item in command.entries) if each), None)
        # Recorded: InvalidParameterValue in a batch, where SendMessage answers MissingParameter.
        problem = problem and errors.invalid_value(problem.message)
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    sent: list[BatchSuccess] = []
    failed: list[BatchFailure] = []
    fifo = _Fifo(view, entry, settings) if settings.fifo else None
    for item in command.entries:
        refused = _check(item, settings, in_batch=True)
        if refused is not None:
            failed.append(BatchFailure(item.id, refused.code, refused.message))
            continue
        result = _send(decision, item, entry, settings, fifo, now_ms=now_ms, ids=ids)
        sent.append(BatchSuccess(item.id, result))
    if decision.writes:
        _finish(decision, view, entry, fifo, now_ms=now_ms)
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


def _send_one(view: SendView, message: Message, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    assert view.queue is not None
    settings: QueueSettings = view.queue.config
    problem = _check(message, settings, in_batch=False)
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    fifo = _Fifo(view, entry, settings) if settings.fifo else None
    decision.reply = _send(decision, message, entry, settings, fifo, now_ms=now_ms, ids=ids)
    if decision.writes:
        _finish(decision, view, entry, fifo, now_ms=now_ms)
    return decision


def _check(message: Message, settings: QueueSettings, *, in_batch: bool) -> Refused | None:
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
    if settings.fifo or message.message_group_id is not None or message.message_deduplication_id is not None:
        return _check_group(message, settings)
    return None


def _check_group(message: Message, settings: QueueSettings) -> Refused | None:
    """Group, deduplication id and delay, as far as they depend on the type of the queue."""
    group, deduplication = message.message_group_id, message.message_deduplication_id
    if settings.fifo:
        problem = _incomplete(message, settings)
        if problem is not None:
            return problem
        if message.delay_seconds:
            return errors.not_for_this_queue("DelaySeconds", message.delay_seconds)
    if group is not None and not is_id(group):
        return errors.invalid_id("MessageGroupId", group)
    if deduplication and not settings.fifo:
        return errors.not_for_this_queue("MessageDeduplicationId", deduplication, includes="includes a")
    if deduplication and not is_id(deduplication):
        return errors.invalid_id("MessageDeduplicationId", deduplication)
    return None


def _incomplete(message: Message, settings: QueueSettings) -> Refused | None:
    if not message.message_group_id:
        return errors.missing_parameter("MessageGroupId")
    return errors.no_deduplication_id() if _key(message, settings) is None else None


class _Fifo:
    """What a FIFO queue remembers while a decision sends: numbers given and ids seen, also in this very batch."""

    def __init__(self, view: SendView, entry: Entry, settings: QueueSettings) -> None:
        self._queue = entry.arn
        self._settings = settings
        self._seen = dict(view.seen or {})
        self.sequence = view.last_sequence

    def key(self, message: Message) -> Key:
        """The message's deduplication id and group."""
        key = _key(message, self._settings)
        assert key is not None, "an incomplete message is refused before"
        return key

    def first(self, key: Key) -> Seen | None:
        """The send that this one repeats, or None."""
        return self._seen.get(key) or self._seen.get((key[0], ""))

    def accept(self, decision: Decision, key: Key, message_id: str, cause: int, *, now_ms: int) -> int:
        """Remember a message that is no repetition; returns its number."""
        self.sequence += 1
        found = Seen(message_id, self.sequence, cause)
        scope = key[1] if self._settings.by_group else ""
        until_ms = now_ms + 1000 * SQS.deduplication_s
        decision.writes.append(Write(REMEMBER, (self._queue, key[0], scope, until_ms, *found)))
        self._seen[key[0], scope] = found
        return self.sequence


def _send(
    decision: Decision,
    message: Message,
    entry: Entry,
    settings: QueueSettings,
    fifo: _Fifo | None,
    *,
    now_ms: int,
    ids: Ids,
) -> SendResult:
    """Add one accepted message to a decision: its row, note, body and wake-up."""
    attributes = sorted(message.message_attributes)
    md5 = md5_of_body(message.body)
    md5_of_attributes = md5_of_message_attributes(attributes) if attributes else None
    md5_of_system = md5_of_message_attributes(message.system_attributes) if message.system_attributes else None
    key = fifo.key(message) if fifo is not None else None
    if fifo is not None and key is not None:
        first = fifo.first(key)
        if first is not None:
            decision.notes.append(_deduplicated(message, key, first, entry, ids))
            return SendResult(first.message_id, md5, md5_of_attributes, md5_of_system, sequence_number(first.sequence))
    filling, sender_id = None, DEFAULT_SENDER_ID
    if type(entry.command) is Delivery:
        digest, template, filling, sender_id = _delivered(entry.command)
    else:
        body = payload(message.body)
        decision.payloads.append(body)
        digest = template = body.digest
    delay_ms = settings.delay_ms if message.delay_seconds is None or settings.fifo else 1000 * message.delay_seconds
    message_id = ids.uuid("sqs.message_id")
    size = content.size_of(message.body, message.message_attributes)
    details = _details(message, attributes, digest, size, now_ms + delay_ms if delay_ms else None, sender_id)
    note = Note(ids.row_id(), "MessageSent", entry.arn, message_id, entry.cause, details)
    visible_ms, group = now_ms + delay_ms, message.message_group_id
    number_text: str | None = None
    if not attributes and group is None and filling is None and not message.system_attributes:
        plain = (entry.arn, message_id, digest, size, md5, sender_id, now_ms, visible_ms, note.id)
        decision.writes.append(Write(INSERT_PLAIN, plain))
    else:
        kept = to_json(attributes) if attributes else None
        header = message.system_attributes[0][2] if message.system_attributes else None
        row = (
            entry.arn, message_id, template, filling, size, kept, header, md5, md5_of_attributes, sender_id,
            now_ms, visible_ms, note.id, group,
        )  # fmt: skip
        if fifo is None or key is None:
            decision.writes.append(Write(INSERT, row))
        else:
            number_ = fifo.accept(decision, key, message_id, note.id, now_ms=now_ms)
            number_text = details["sequence_number"] = sequence_number(number_)
            decision.writes.append(Write(INSERT_FIFO, (*row, key[0], number_)))
    decision.notes.append(note)
    # A poll is needed for one message only; when it is delayed, every waiting poll may be the one
    # that is still there when the delay ends.
    decision.effects.append(Wake(entry.arn, WAKE_ALL, visible_ms) if delay_ms else Wake(entry.arn))
    return SendResult(message_id, md5, md5_of_attributes, md5_of_system, number_text)


def _delivered(delivery: Delivery) -> tuple[str, str, str | None, str]:
    """A delivered body's digest, that of its payload, what fills it when that is a template, and who sent it. The
    text is stored already, and a filled template stays one, however many queues get it."""
    template, _, filling = delivery.payload.partition("~")
    sender_id = next((text for name, text in delivery.context if name == "sender_id"), DEFAULT_SENDER_ID)
    return delivery.payload, template, filling or None, sender_id


def _details(
    message: Message, attributes: list[Attribute], digest: str, size: int, visible_ms: int | None, sender_id: str
) -> dict[str, object]:
    """What the row of a sent message says."""
    details: dict[str, object] = {"payload": digest, "size": size}
    if message.message_group_id is not None:
        details["message_group_id"] = message.message_group_id
    if visible_ms is not None:
        details["visible_ms"] = visible_ms
    if attributes:
        details["message_attributes"] = {name: value for name, _, value in attributes}
    if sender_id != DEFAULT_SENDER_ID:
        details["sender_id"] = sender_id
    return details


def _deduplicated(message: Message, key: Key, first: Seen, entry: Entry, ids: Ids) -> Note:
    """Says that a message was not enqueued, about the message that it repeats."""
    details = {
        "message_deduplication_id": key[0],
        "message_group_id": key[1],
        "first": first.cause,
        "reason": f"sent in the last {SQS.deduplication_s // 60} minutes with the same deduplication id",
    }
    return Note(ids.row_id(), "MessageDeduplicated", entry.arn, first.message_id, entry.cause, details)


WAKE_ALL = 1 << 30
"""How many waiting polls to wake when a hidden message appears: all, since one of them may be gone or
served by then. It costs nothing while they are due earlier anyway."""


def _finish(decision: Decision, view: SendView, entry: Entry, fifo: _Fifo | None, *, now_ms: int) -> None:
    """Store the number of the latest FIFO message; set the queue's one retention timer, unless it is set:
    earlier messages expire earlier."""
    if fifo is not None:
        decision.writes.insert(0, Write(FORGET_OLD_SENDS, (entry.arn, now_ms)))
        decision.writes.append(Write(SET_SEQUENCE, (entry.arn, fifo.sequence)))
    if view.sweep_ms is not None:
        return
    assert view.queue is not None
    at_ms = now_ms + view.queue.config.retention_ms
    decision.writes.append(Write(SET_SWEEP, (entry.arn, at_ms)))
    decision.effects.append(Timer(RETENTION_TIMER, at_ms, ExpireMessages(), 0, background=True))


def _well_formed(message: Message) -> tuple[Attribute, ...]:
    """The attributes whose bytes can be counted; those of a bad entry fail with it alone."""
    return message.message_attributes if content.check_attributes(message.message_attributes) is None else ()


def _message_of(delivery: Delivery, body: str) -> SendEntry:
    attributes: list[Attribute] = []
    system: list[Attribute] = []
    group = deduplication = None
    delay: int | None = None
    for name, text in delivery.context:
        if name.startswith(_ATTRIBUTE):
            data_type, _, value = text.partition(":")
            attributes.append((name.removeprefix(_ATTRIBUTE), data_type, value))
        elif name.startswith(_SYSTEM_ATTRIBUTE):
            system.append((name.removeprefix(_SYSTEM_ATTRIBUTE), "String", text))
        elif name == "group_id":
            group = text
        elif name == "deduplication_id":
            deduplication = text
        elif name == "delay_seconds":
            delay = int(text)
    return SendEntry("", body, delay, tuple(attributes), tuple(system), group, deduplication)

"""Publishing: Publish, PublishBatch, and a delivery from another service, which is a publish.

A message is a MessagePublished row with its text stored once, and a delivery for each subscription that it
passes to. Source: Amazon SNS API Reference, Publish and PublishBatch; Amazon SNS Developer Guide, "Message
deduplication for FIFO topics".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...aws.contracts import Delivery
from ...aws.deduplication import DEDUPLICATION_MS
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import archive, content, errors, store
from .commands import PublishBatch, PublishBatchResult, PublishEntry, PublishFailure, PublishResult
from .fanout import Notice, Target, fan_out
from .settings import TOPIC, TopicSettings

FIRST_SEQUENCE_NUMBER = 10**19

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE = "message_attribute:"

Known = dict[tuple[str, str], PublishResult]


@dataclass(frozen=True, slots=True)
class PublishView:
    """A topic (None: there is none), its confirmed subscriptions, and what a FIFO topic knows: how many
    messages it has had, and the results of those that these ones repeat, by (scope, deduplication id): an id keeps the
    scope under which it was published, also when the topic's changes.
    `entries` are the messages."""

    topic: Resource | None
    entries: tuple[PublishEntry, ...] = ()
    targets: tuple[Target, ...] = ()
    published: int = 0
    known: Known = field(default_factory=dict)
    incarnation: int = 0


def view_publish(read: Reader, entry: Entry) -> PublishView:
    """The topic with everything that a message of it meets."""
    topic = read.resource(entry.arn)
    if topic is None or topic.kind != TOPIC:
        return PublishView(None)
    command = entry.command
    entries: tuple[PublishEntry, ...]
    if type(command) is Delivery:
        entries = (_entry_of(command, read.payload(command.payload)),)
    else:
        entries = command.entries if type(command) is PublishBatch else (command.entry,)
    targets = []
    for arn, next_send_ms, _ in read.all(store.CONFIRMED, entry.arn):
        subscription = read.resource(arn)
        if subscription is not None and subscription.wired and not archive.is_over(subscription.config):
            targets.append(Target(arn, subscription.config, next_send_ms, subscription.revision))
    state = read.one(store.INCARNATION)
    assert state is not None
    published, known = 0, {}
    if topic.config.fifo:
        row = read.one(store.TOPIC_ROW, entry.arn)
        assert row is not None
        published = row[0]
        for each in entries:
            own = content.deduplication_id(each)
            found = read.one(store.DUPLICATE, entry.arn, each.message_group_id or "", own, read.now_ms)
            if found is not None:
                known[found[0], own] = PublishResult(found[1], found[2])
    return PublishView(topic, entries, tuple(targets), published, known, state[0])


def _entry_of(delivery: Delivery, text: str) -> PublishEntry:
    """What another service delivers, as a message: its payload is the text."""
    context = dict(delivery.context)
    attributes = []
    for name, item in delivery.context:
        if name.startswith(_ATTRIBUTE):
            kind, _, value = item.partition(":")
            attributes.append((name.removeprefix(_ATTRIBUTE), kind, value))
    return PublishEntry(
        text,
        subject=context.get("subject_line"),
        message_structure=context.get("message_structure"),
        message_attributes=tuple(attributes),
        message_group_id=context.get("group_id"),
        message_deduplication_id=context.get("deduplication_id"),
        trace_header=context.get("system_attribute:AWSTraceHeader"),
    )


# --- decisions ----------------------------------------------------------------------------------


def decide_publish(view: PublishView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Publish, and a delivery from elsewhere: replies with PublishResult."""
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    [message] = view.entries
    problem = content.check_entry(message, view.topic.config)
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    decision.reply = _accept(decision, _Round(view, entry, now_ms, ids), message)
    return decision


def decide_publish_batch(view: PublishView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PublishBatch: replies with PublishBatchResult. The whole request is refused for its form or its size, and for
    what an entry has as attributes, structure, group or deduplication id."""
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    problem = _check_batch(view.entries, view.topic.config)
    if problem is not None:
        return Decision(reply=problem)
    decision = Decision()
    round_ = _Round(view, entry, now_ms, ids)
    done: list[PublishResult] = []
    failed: list[PublishFailure] = []
    for message in view.entries:
        refused = content.check_alone(message, view.topic.config)
        if refused is not None:
            failed.append(PublishFailure(message.id, refused.code, refused.message))
            continue
        result = _accept(decision, round_, message)
        done.append(PublishResult(result.message_id, result.sequence_number, message.id))
    decision.reply = PublishBatchResult(tuple(done), tuple(failed))
    return decision


def _check_batch(entries: Sequence[PublishEntry], topic: TopicSettings) -> Refused | None:
    if not entries:
        return errors.empty_batch()
    if len(entries) > errors.BATCH_ENTRIES:
        return errors.too_many_entries()
    for entry in entries:
        if not _BATCH_ID.fullmatch(entry.id):
            return errors.invalid_batch_id(entry.id)
    if len({entry.id for entry in entries}) < len(entries):
        return errors.ids_not_distinct()
    for position, entry in enumerate(entries, 1):
        problem = content.check_batched(entry, topic, position)
        if problem is not None:
            return problem
    size = sum(content.size_of(entry) for entry in entries)
    return errors.batch_too_long(topic.maximum_message_size) if size > topic.maximum_message_size else None


class _Round:
    """One request's messages: what the earlier ones of it leave for the later ones."""

    def __init__(self, view: PublishView, entry: Entry, now_ms: int, ids: Ids) -> None:
        assert view.topic is not None
        self.topic = view.topic
        self.settings: TopicSettings = view.topic.config
        self.targets = [Target(each.arn, each.settings, each.next_send_ms, each.revision) for each in view.targets]
        self.published = view.published
        self.known = dict(view.known)
        self.incarnation = view.incarnation
        self.cause = entry.cause
        self.now_ms = now_ms
        self.ids = ids


def _accept(decision: Decision, round_: _Round, message: PublishEntry) -> PublishResult:
    """Add one message that was checked to a decision: its row, its text, and its deliveries."""
    settings, ids, arn = round_.settings, round_.ids, round_.topic.arn
    if not settings.fifo:
        notice = Notice(arn, ids.uuid("sns.message_id"), message, round_.now_ms)
    else:
        group, deduplication_id = message.message_group_id or "", content.deduplication_id(message)
        first = round_.known.get((group, deduplication_id)) or round_.known.get(("", deduplication_id))
        if first is not None:
            details = {"deduplication_id": deduplication_id, "sequence_number": first.sequence_number}
            note = Note(ids.row_id(), "MessageDeduplicated", arn, first.message_id, round_.cause, details)
            decision.notes.append(note)
            return first
        round_.published += 1
        number = str(FIRST_SEQUENCE_NUMBER + 1000 * round_.published)
        message_id = ids.uuid("sns.message_id")
        notice = Notice(arn, message_id, message, round_.now_ms, number, deduplication_id)
        scope = group if settings.deduplicate_per_group else ""
        round_.known[scope, deduplication_id] = PublishResult(message_id, number)
        until_ms = round_.now_ms + DEDUPLICATION_MS
        decision.writes += [
            Write(store.FORGET_DUPLICATES, (arn, round_.now_ms)),
            Write(store.REMEMBER, (arn, scope, deduplication_id, message_id, number, until_ms)),
            Write(store.COUNT_PUBLISHED, (round_.published, arn)),
        ]
    _spread(decision, round_, notice)
    return PublishResult(notice.message_id, notice.sequence_number)


def _spread(decision: Decision, round_: _Round, notice: Notice) -> None:
    body = payload(notice.entry.message)
    decision.payloads.append(body)
    details = _details(notice)
    details["payload"] = body.digest
    ids = round_.ids
    note = Note(ids.row_id(), "MessagePublished", notice.topic, notice.message_id, round_.cause, details)
    decision.notes.append(note)
    if round_.settings.archive_days is not None:
        archive.keep(decision, round_.settings, notice, body)
    matched, missed = fan_out(
        decision,
        round_.settings,
        notice,
        round_.targets,
        incarnation=round_.incarnation,
        cause=note.id,
        now_ms=round_.now_ms,
        ids=ids,
    )
    details["matched"] = matched
    if missed:
        revision = sum(target.revision for target in round_.targets)
        summary = {"not_matched": missed, "of": matched + missed, "revision": revision}
        kind = "SubscriptionsNotMatched"
        decision.notes.append(Note(ids.row_id(), kind, notice.topic, notice.message_id, note.id, summary))


def _details(notice: Notice) -> dict[str, Any]:
    entry = notice.entry
    details: dict[str, Any] = {"size": content.size_of(entry)}
    if entry.subject is not None:
        details["subject"] = entry.subject
    if entry.message_structure is not None:
        details["message_structure"] = entry.message_structure
    if entry.message_attributes:
        details["message_attributes"] = [list(each) for each in entry.message_attributes]
    if entry.message_group_id is not None:
        details["group_id"] = entry.message_group_id
    if notice.sequence_number is not None:
        details["sequence_number"] = notice.sequence_number
    return details

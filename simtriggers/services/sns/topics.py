"""Topics as resources: making, changing, reading and removing them.

Source: Amazon SNS API Reference, CreateTopic, SetTopicAttributes, GetTopicAttributes, DeleteTopic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.contracts import PutResource, RemoveResource
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import attributes, checks, errors, store
from .commands import Attributes, CreateTopic, SetTopicAttributes
from .settings import DEFAULT_MESSAGE_BYTES, SERVICE_NAME, TOPIC, TopicSettings, base_url_of


def describe(read: Reader, arn: str) -> Description | None:
    """What other services may know of a topic or a subscription."""
    found = read.resource(arn)
    if found is None:
        return None
    return Description(arn, found.kind, fifo=found.kind == TOPIC and found.config.fifo)


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic (None: there is none), who declared it, and its counts; `others` are subscriptions of other things than
    queues, functions and Firehose. `subscriptions` are those that go with it, filled in for a removal."""

    topic: Resource | None
    declared_by: str = "sdk"
    counts: tuple[int, int] = (0, 0)
    others: int = 0
    deleted: int = 0
    archive_begins_ms: int | None = None
    subscriptions: tuple[str, ...] = ()


def view_topic(read: Reader, entry: Entry) -> TopicView:
    """The topic, with all that its attributes show."""
    topic = read.resource(entry.arn)
    if topic is None:
        return TopicView(None)
    declared, row = read.one(store.DECLARED_BY, entry.arn), read.one(store.TOPIC_ROW, entry.arn)
    counts, archived = read.one(store.COUNTS, entry.arn), read.one(store.FIRST_ARCHIVED, entry.arn)
    others = read.one(store.NOT_FOR_LARGE, entry.arn)
    assert declared is not None and row is not None and counts is not None and archived is not None
    assert others is not None
    return TopicView(topic, declared[0], (counts[0] - counts[1], counts[1]), others[0], row[1], archived[0])


def put_topic(
    view: TopicView, arn: str, config: dict[str, Any], *, declared_by: str, cause: int, now_ms: int, ids: Ids
) -> Decision:
    """Make the topic, or give it new settings that were checked. Replies with the revision that then holds."""
    old = view.topic
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    name = name_of(arn)
    kind = "TopicCreated" if old is None else "TopicUpdated"
    written = resources.put(
        arn,
        service=SERVICE_NAME,
        kind=TOPIC,
        name=name,
        config=config,
        declared_by=declared_by,
        now_ms=now_ms,
    )
    decision = Decision(
        reply=1 if old is None else old.revision + 1,
        writes=[written, Write(store.ADD_TOPIC, (arn,))],
        notes=[Note(ids.row_id(), kind, arn, name, cause, {"settings": config})],
        touched=[arn],
    )
    if old is not None and old.config.archive_days is not None and not config.get("archive_policy"):
        decision.writes.append(Write(store.FORGET_ARCHIVE, (arn,)))
    return decision


def with_links(arn: str, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with where its links lead: AWS's own address, if it says nothing."""
    return {"base_url": base_url_of(region_and_account(arn)[0]), **config}


def _check_large(view: TopicView, config: dict[str, Any], *, reason: str = "Attributes Reason: ") -> Refused | None:
    size = config.get("maximum_message_size", DEFAULT_MESSAGE_BYTES)
    return checks.check_large(size, sum(view.counts), view.others, reason)


def decide_put(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource of a topic: replies with the revision; equal settings change nothing."""
    command: PutResource = entry.command
    config = with_links(entry.arn, command.config)
    problem = checks.check_topic(entry.arn, config) or _check_large(view, config)
    if problem is not None:
        return Decision(reply=problem)
    return put_topic(
        view, entry.arn, config, declared_by=command.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )


def decide_create(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateTopic: replies with the ARN."""
    command: CreateTopic = entry.command
    known = attributes.TOPIC_ATTRIBUTES
    config = attributes.with_attributes({}, known, command.attributes)
    tags = checks.with_tags({}, command.tags)
    if not isinstance(config, dict) or not isinstance(tags, dict):
        return Decision(reply=config if type(config) is Refused else tags)
    if view.topic is not None:
        stored = view.topic.config.stored
        policy = attributes.default_policy(entry.arn, region_and_account(entry.arn)[1])
        if not attributes.is_same(stored, config, known, command.attributes, policy=policy):
            text = "Attributes Reason: Topic already exists with different attributes"
            return Decision(reply=errors.invalid_parameter(text))
        if any(stored.get("tags", {}).get(key) != value for key, value in tags.items()):
            return Decision(reply=errors.invalid_parameter("Tags Reason: Topic already exists with different tags"))
        return Decision(reply=entry.arn)
    config = {**config, "tags": tags} if tags else config
    config = with_links(entry.arn, config)
    problem = checks.check_topic(entry.arn, config)
    if problem is not None:
        return Decision(reply=problem)
    decision = put_topic(view, entry.arn, config, declared_by="sdk", cause=entry.cause, now_ms=now_ms, ids=ids)
    decision.reply = entry.arn
    return decision


def decide_set(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SetTopicAttributes: replies with None."""
    command: SetTopicAttributes = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    if command.attribute_name == "FifoTopic":
        return Decision(reply=errors.invalid_parameter("AttributeName"))
    known, stored = attributes.TOPIC_ATTRIBUTES, view.topic.config.stored
    config = attributes.with_attribute(stored, known, command.attribute_name, command.attribute_value, reason="")
    problem = config if type(config) is Refused else None
    if isinstance(config, dict):
        problem = checks.check_topic(entry.arn, config, reason="") or _check_large(view, config, reason="")
    if problem is not None or not isinstance(config, dict):
        return Decision(reply=problem)
    decision = put_topic(
        view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )
    decision.reply = None
    return decision


def decide_get(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetTopicAttributes: replies with Attributes."""
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    settings: TopicSettings = view.topic.config
    shown = attributes.topic_attributes(
        entry.arn,
        settings,
        confirmed=view.counts[0],
        pending=view.counts[1],
        deleted=view.deleted,
        archive_begins_ms=view.archive_begins_ms,
    )
    return Decision(reply=Attributes(shown))


def decide_get_data_protection(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetDataProtectionPolicy: replies with an empty text, since none can be set."""
    return Decision(reply="" if view.topic is not None else errors.no_such_topic())


def decide_put_data_protection(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutDataProtectionPolicy: refused by name, since nothing would be audited or masked."""
    return Decision(reply=errors.not_supported("A data protection policy"))


# --- removal ------------------------------------------------------------------------------------


def view_remove(read: Reader, entry: Entry) -> TopicView:
    """The topic and the subscriptions that go with it."""
    rows = read.all(store.ARNS_OF_TOPIC, entry.arn)
    return TopicView(read.resource(entry.arn), subscriptions=tuple(row[0] for row in rows))


def decide_remove(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource of a topic: with its subscriptions. As on AWS, one that does not exist is no error.

    Unverified: a topic whose messages are archived must be told to stop that before it can be deleted.
    """
    command: RemoveResource = entry.command
    topic = view.topic
    if topic is None:
        return Decision()
    if command.wiring_only:
        note = Note(ids.row_id(), "TopicNoLongerDeclared", entry.arn, topic.name, entry.cause)
        return Decision(writes=[resources.unwire(entry.arn)], notes=[note], touched=[entry.arn])
    if topic.config.archive_days is not None:
        return Decision(reply=errors.invalid_parameter("Cannot delete a topic with an ArchivePolicy"))
    details = {"subscriptions": len(view.subscriptions)}
    decision = Decision(
        notes=[Note(ids.row_id(), "TopicDeleted", entry.arn, topic.name, entry.cause, details)],
        touched=[entry.arn, *view.subscriptions],
    )
    for arn in view.subscriptions:
        decision.writes += [Write(store.REMOVE_SUBSCRIPTION, (arn,)), resources.remove(arn)]
    decision.writes += [
        Write(store.FORGET_TOPIC, (entry.arn,)),
        Write(store.FORGET_TOKENS_OF, (entry.arn,)),
        Write(store.FORGET_DUPLICATES, (entry.arn, 1 << 62)),
        resources.remove(entry.arn),
    ]
    return decision

"""Subscriptions: making, confirming, changing, listing and ending them.

Queues and functions of the topic's own account are confirmed at once; other endpoints are sent a token,
valid for two days. Source: Amazon SNS API Reference, Subscribe, ConfirmSubscription, Unsubscribe.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.backoff import AWS_MANAGED
from ...aws.contracts import PutResource, RemoveResource
from ...aws.limits import Limit
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Deliver, Note, Refused, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import archive, attributes, checks, endpoints, errors, records, store
from .commands import (
    Attributes,
    ConfirmSubscription,
    SetSubscriptionAttributes,
    Subscribe,
)
from .settings import (
    DEFAULT_MESSAGE_BYTES,
    SERVICE_NAME,
    SUBSCRIPTION,
    SubscriptionSettings,
    TopicSettings,
    http_delivery,
    parse_subscription,
)
from .store import SubscriptionRow

TOKEN_VALID_MS = Limit(2 * 86_400_000, "Amazon SNS API Reference, ConfirmSubscription")
PENDING = "pending confirmation"
_CONFIRMING = frozenset({"http", "https", "email", "email-json"})


def subscription_arn(topic_arn: str, protocol: str, endpoint: str) -> str:
    """The ARN of a subscription: the same endpoint of a topic always has the same one here."""
    raw = blake2b(f"{topic_arn}|{protocol}|{endpoint}".encode(), digest_size=16).hexdigest()
    return f"{topic_arn}:{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription with its topic, its state and who declared it; None: there is none. `counts` are the
    topic's subscriptions and how many of them have a filter policy, `filtered` how many of all do.
    `last_archived` numbers the topic's latest archived message."""

    topic: Resource | None
    subscription: Resource | None = None
    row: SubscriptionRow | None = None
    declared_by: str = "sdk"
    counts: tuple[int, int] = (0, 0)
    incarnation: int = 0
    last_archived: int = 0
    filtered: int = 0


def _view(read: Reader, topic_arn: str, arn: str) -> SubscriptionView:
    topic, subscription = read.resource(topic_arn), read.resource(arn)
    row, declared = read.one(store.SUBSCRIPTION_ROW, arn), read.one(store.DECLARED_BY, arn)
    counts, state = read.one(store.COUNTS, topic_arn), read.one(store.INCARNATION)
    archived = read.one(store.LAST_ARCHIVED, topic_arn)
    filtered = read.one(store.COUNT_FILTERED)
    assert counts is not None and state is not None and archived is not None and filtered is not None
    return SubscriptionView(
        topic if topic is not None and topic.kind == "topic" else None,
        subscription,
        None if row is None else SubscriptionRow._make(row),
        "sdk" if declared is None else declared[0],
        (counts[0], counts[2]),
        state[0],
        archived[0] or 0,
        filtered[0],
    )


def view_subscribe(read: Reader, entry: Entry) -> SubscriptionView:
    """The topic, and the subscription of that endpoint if there is one."""
    command: Subscribe = entry.command
    return _view(read, entry.arn, subscription_arn(entry.arn, command.protocol, command.endpoint))


def view_subscription(read: Reader, entry: Entry) -> SubscriptionView:
    """The subscription that the command is addressed to, or that a PutResource makes."""
    return _view(read, entry.arn.rsplit(":", 1)[0], entry.arn)


# --- making -------------------------------------------------------------------------------------


def decide_subscribe(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Subscribe: replies with the ARN, or `pending confirmation`. Equal attributes change nothing."""
    command: Subscribe = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    problem = checks.check_endpoint(entry.arn, view.topic.config, command.protocol, command.endpoint)
    if problem is not None:
        return Decision(reply=problem)
    config: dict[str, Any] | Refused
    config = {"topic_arn": entry.arn, "protocol": command.protocol, "endpoint": command.endpoint}
    config = attributes.with_attributes(config, attributes.SUBSCRIPTION_ATTRIBUTES, command.attributes)
    if isinstance(config, dict):
        problem = checks.check_subscription(config, view.topic.config)
    if problem is not None or not isinstance(config, dict):
        return Decision(reply=problem or config)
    arn = subscription_arn(entry.arn, command.protocol, command.endpoint)
    if view.subscription is not None and view.subscription.wired:
        stored, known = view.subscription.config.stored, attributes.SUBSCRIPTION_ATTRIBUTES
        if not attributes.is_same(stored, config, known, command.attributes):
            text = "Attributes Reason: Subscription already exists with different attributes"
            return Decision(reply=errors.invalid_parameter(text))
        decision = Decision()
        pending = view.row is not None and bool(view.row.pending)
        if pending:
            _ask(decision, view, arn, config, cause=entry.cause, now_ms=now_ms, ids=ids)
    else:
        decision = _put(view, arn, config, declared_by="sdk", cause=entry.cause, now_ms=now_ms, ids=ids)
        pending = _must_confirm(entry.arn, config)
    if type(decision.reply) is not Refused:
        decision.reply = PENDING if pending and not command.return_subscription_arn else arn
    return decision


def decide_put(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource of a subscription: replies with the revision; equal settings change nothing."""
    command: PutResource = entry.command
    config = command.config
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    assert entry.arn == subscription_arn(config["topic_arn"], config["protocol"], config["endpoint"])
    problem = checks.check_endpoint(view.topic.arn, view.topic.config, config["protocol"], config["endpoint"])
    problem = problem or checks.check_subscription(config, view.topic.config)
    if problem is not None:
        return Decision(reply=problem)
    return _put(view, entry.arn, config, declared_by=command.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids)


def _must_confirm(topic_arn: str, config: dict[str, Any]) -> bool:
    if config["protocol"] in ("sqs", "lambda"):
        return region_and_account(config["endpoint"])[1] != region_and_account(topic_arn)[1]
    return config["protocol"] in _CONFIRMING


def _check_room(view: SubscriptionView, config: dict[str, Any]) -> Refused | None:
    assert view.topic is not None
    settings: TopicSettings = view.topic.config
    number, filtered = view.counts
    had = view.subscription is not None and view.subscription.config.filter is not None
    if config.get("filter_policy") is not None and not had:
        for found, limit in ((filtered, checks.FILTER_POLICIES), (view.filtered, checks.ACCOUNT_FILTER_POLICIES)):
            if found >= limit:
                return errors.filter_policy_limit(limit)
    if view.subscription is None:
        most = checks.FIFO_SUBSCRIPTIONS if settings.fifo else None
        if settings.maximum_message_size > DEFAULT_MESSAGE_BYTES:
            most = checks.LARGE_SUBSCRIPTIONS
        if most is not None and number >= most:
            return errors.subscription_limit(most)
    return None


def _put(
    view: SubscriptionView,
    arn: str,
    config: dict[str, Any],
    *,
    declared_by: str,
    cause: int,
    now_ms: int,
    ids: Ids,
) -> Decision:
    """Make the subscription or give it new settings that were checked; replies with the revision."""
    old, topic_arn = view.subscription, config["topic_arn"]
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    problem = _check_room(view, config)
    if problem is not None:
        return Decision(reply=problem)
    settings = parse_subscription(config)
    new, pending = view.row is None, _must_confirm(topic_arn, config)
    state = (arn, topic_arn, settings.protocol, settings.endpoint, int(pending), int(not pending))
    details = {"topic": topic_arn, "protocol": settings.protocol, "endpoint": settings.endpoint, "settings": config}
    kind = "SubscriptionCreated" if new else "SubscriptionUpdated"
    note = Note(ids.row_id(), kind, arn, name_of(arn), cause, details)
    written = resources.put(
        arn,
        service=SERVICE_NAME,
        kind=SUBSCRIPTION,
        name=name_of(arn),
        config=config,
        declared_by=declared_by,
        now_ms=now_ms,
    )
    decision = Decision(
        reply=1 if old is None else old.revision + 1,
        writes=[written, Write(store.PUT_SUBSCRIPTION, (*state, int(settings.filter is not None)))],
        notes=[note],
        touched=[arn],
    )
    if new and pending:
        _ask(decision, view, arn, config, cause=note.id, now_ms=now_ms, ids=ids)
    if settings.replay != (None if old is None else old.config.replay):
        archive.start(decision, arn, settings.replay, last=view.last_archived, cause=note.id, now_ms=now_ms, ids=ids)
    return decision


# --- confirming ---------------------------------------------------------------------------------


def _ask(
    decision: Decision,
    view: SubscriptionView,
    arn: str,
    config: dict[str, Any],
    *,
    cause: int,
    now_ms: int,
    ids: Ids,
    kind: str = records.CONFIRMATION,
) -> None:
    """Send an endpoint a token, with which it can confirm that it subscribes (or does so again)."""
    assert view.topic is not None
    topic_arn, topic = view.topic.arn, view.topic.config
    settings = parse_subscription(config)
    token = f"2336412f37{ids.hex('sns.token', 118)}"
    message_id = ids.uuid("sns.message_id")
    body = payload(
        records.confirmation(
            kind=kind,
            message_id=message_id,
            topic_arn=topic_arn,
            subscription_arn=arn,
            token=token,
            timestamp=iso_ms(now_ms),
            base_url=topic.base_url,
            version=topic.signature_version,
        )
    )
    details = {"subscription": arn, "protocol": settings.protocol, "token": token, "payload": body.digest}
    sent = "SubscriptionConfirmationSent" if kind == records.CONFIRMATION else "UnsubscribeConfirmationSent"
    note = Note(ids.row_id(), sent, topic_arn, message_id, cause, details)
    decision.notes.append(note)
    decision.payloads.append(body)
    decision.writes += [
        Write(store.FORGET_TOKENS, (topic_arn, now_ms)),
        Write(store.PUT_TOKEN, (token, topic_arn, arn, to_json(config), now_ms + TOKEN_VALID_MS)),
    ]
    if settings.protocol in ("http", "https"):
        outgoing = endpoints.Outgoing(topic_arn, arn, settings.endpoint, kind, message_id, body.digest, body.body)
        endpoints.enqueue(
            decision,
            outgoing,
            http_delivery(topic, settings),
            next_send_ms=0,
            incarnation=view.incarnation,
            cause=note.id,
            now_ms=now_ms,
            ids=ids,
        )
    elif settings.protocol == "sqs":
        context = (("source", topic_arn), ("subject", message_id))
        decision.effects.append(Deliver(settings.endpoint, body.digest, AWS_MANAGED, note.id, context=context))
    else:
        subject = "AWS Notification - Subscription Confirmation"
        entry = {"protocol": settings.protocol, "to": settings.endpoint, "subject": subject, "payload": body.digest}
        decision.notes.append(Note(ids.row_id(), "OutboxEntry", arn, message_id, note.id, entry))


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """What a token was sent for; `config` None: it is unknown or too old."""

    arn: str
    config: dict[str, Any] | None
    found: SubscriptionView


def view_confirm(read: Reader, entry: Entry) -> ConfirmView:
    """The subscription behind a token."""
    row = read.one(store.TOKEN, entry.command.token, entry.arn)
    if row is None or row[2] <= read.now_ms:
        return ConfirmView("", None, SubscriptionView(read.resource(entry.arn)))
    return ConfirmView(row[0], json.loads(row[1]), _view(read, entry.arn, row[0]))


def decide_confirm(view: ConfirmView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ConfirmSubscription: replies with the ARN. A token also brings back a subscription that was ended."""
    command: ConfirmSubscription = entry.command
    if view.found.topic is None:
        return Decision(reply=errors.no_such_topic())
    if view.config is None:
        return Decision(reply=errors.invalid_parameter("Token"))
    decision = Decision()
    if view.found.subscription is None:
        written = resources.put(
            view.arn,
            service=SERVICE_NAME,
            kind=SUBSCRIPTION,
            name=name_of(view.arn),
            config=view.config,
            declared_by="sdk",
            now_ms=now_ms,
        )
        settings = parse_subscription(view.config)
        state = (view.arn, settings.topic, settings.protocol, settings.endpoint, 0, 0, int(settings.filter is not None))
        decision.writes += [written, Write(store.PUT_SUBSCRIPTION, state)]
        decision.touched.append(view.arn)
    if view.found.row is None or view.found.row.pending:
        authenticated = int(command.authenticate_on_unsubscribe)
        decision.writes.append(Write(store.CONFIRM, (authenticated, view.arn)))
        details = {"topic": entry.arn, "protocol": view.config["protocol"], "endpoint": view.config["endpoint"]}
        name = name_of(view.arn)
        decision.notes.append(Note(ids.row_id(), "SubscriptionConfirmed", view.arn, name, entry.cause, details))
    decision.reply = view.arn
    return decision


# --- changing and reading -----------------------------------------------------------------------


def decide_set(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SetSubscriptionAttributes: replies with None. It holds at once, where AWS takes up to 15 minutes."""
    command: SetSubscriptionAttributes = entry.command
    if view.subscription is None or view.topic is None:
        return Decision(reply=errors.no_such_subscription())
    known, stored = attributes.SUBSCRIPTION_ATTRIBUTES, view.subscription.config.stored
    config = attributes.with_attribute(stored, known, command.attribute_name, command.attribute_value, reason="")
    problem = config if type(config) is Refused else None
    if isinstance(config, dict):
        problem = checks.check_subscription(config, view.topic.config, reason="")
    if problem is not None or not isinstance(config, dict):
        return Decision(reply=problem)
    decision = _put(view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids)
    if type(decision.reply) is not Refused:
        decision.reply = None
    return decision


def decide_get(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetSubscriptionAttributes: replies with Attributes."""
    if view.subscription is None or view.topic is None or view.row is None:
        return Decision(reply=errors.no_such_subscription())
    settings: SubscriptionSettings = view.subscription.config
    shown = attributes.subscription_attributes(
        entry.arn,
        settings,
        view.topic.config,
        pending=bool(view.row.pending),
        authenticated=bool(view.row.authenticated),
        replay_status=view.row.replay_status,
    )
    return Decision(reply=Attributes(shown))


# --- ending -------------------------------------------------------------------------------------


def decide_unsubscribe(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Unsubscribe: replies with None, also when there is none. An HTTP endpoint is told, with a token that
    brings the subscription back."""
    decision = _end(view, entry, ids)
    if view.subscription is not None and view.row is not None and view.topic is not None:
        settings: SubscriptionSettings = view.subscription.config
        if settings.protocol in ("http", "https") and not view.row.pending:
            _ask(
                decision,
                view,
                entry.arn,
                settings.stored,
                cause=decision.notes[0].id,
                now_ms=now_ms,
                ids=ids,
                kind=records.UNSUBSCRIPTION,
            )
    return decision


def decide_remove(view: SubscriptionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource of a subscription: it gets nothing any more."""
    command: RemoveResource = entry.command
    if command.wiring_only and view.subscription is not None:
        note = Note(ids.row_id(), "SubscriptionNoLongerDeclared", entry.arn, view.subscription.name, entry.cause)
        return Decision(writes=[resources.unwire(entry.arn)], notes=[note], touched=[entry.arn])
    return _end(view, entry, ids)


def _end(view: SubscriptionView, entry: Entry, ids: Ids) -> Decision:
    if view.subscription is None:
        return Decision()
    settings: SubscriptionSettings = view.subscription.config
    details = {"topic": settings.topic, "protocol": settings.protocol, "endpoint": settings.endpoint}
    return Decision(
        writes=[
            Write(store.REMOVE_SUBSCRIPTION, (entry.arn,)),
            Write(store.COUNT_DELETED, (settings.topic,)),
            resources.remove(entry.arn),
        ],
        notes=[Note(ids.row_id(), "SubscriptionDeleted", entry.arn, name_of(entry.arn), entry.cause, details)],
        touched=[entry.arn],
    )

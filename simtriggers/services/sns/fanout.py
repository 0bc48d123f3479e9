"""From one published message to its subscriptions: filters, shapes, and one delivery for each.

Every text is made and signed once, when the first subscription needs it; see kernel.effects.filled.
Source: Amazon SNS Developer Guide, "Amazon SNS raw message delivery", "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...aws.backoff import AWS_MANAGED
from ...aws.digests import Attribute
from ...aws.filter_policy import FlatBody, attribute_values, flat_body
from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import SUBSTITUTE, Decision, Deliver, Note, Payload, filled, payload
from ...kernel.ids import Ids
from . import content, endpoints, records
from .commands import PublishEntry
from .settings import SubscriptionSettings, TopicSettings, http_delivery


@dataclass(frozen=True, slots=True)
class Notice:
    """An accepted message. `deduplication_id` and `sequence_number` are those of a FIFO topic."""

    topic: str
    message_id: str
    entry: PublishEntry
    published_ms: int
    sequence_number: str | None = None
    deduplication_id: str | None = None
    replayed: bool = False


@dataclass(slots=True)
class Target:
    """A confirmed subscription. `next_send_ms` moves on while a decision sends to a throttled endpoint; `revision`
    counts how often it was written."""

    arn: str
    settings: SubscriptionSettings
    next_send_ms: int = 0
    revision: int = 0

    @property
    def id(self) -> str:
        """The last part of its ARN, which fills the templates."""
        return self.arn.rsplit(":", 1)[1]


@dataclass(slots=True)
class Shapes:
    """The texts of one message, each made at most once; what was made is added to `decision.payloads`."""

    decision: Decision
    notice: Notice
    settings: TopicSettings
    _texts: dict[str, Any] | None = None
    _made: dict[tuple[str, str], Payload] = field(default_factory=dict)
    _signatures: dict[str, str] = field(default_factory=dict)

    def text(self, protocol: str) -> str:
        """The message as this protocol gets it."""
        entry = self.notice.entry
        if entry.message_structure is None:
            return entry.message
        if self._texts is None:
            found = content.structured(entry.message)
            assert isinstance(found, dict), "it was checked when it was published"
            self._texts = found
        return content.text_for(protocol, self._texts)

    def raw(self, protocol: str) -> Payload:
        """The message alone."""
        return self._keep("raw", self.text(protocol))

    def envelope(self, protocol: str) -> Payload:
        """The envelope, as a template."""
        return self._keep("envelope", self.text(protocol))

    def event(self) -> Payload:
        """The event for functions, as a template."""
        return self._keep("event", self.text("lambda"))

    def _keep(self, shape: str, text: str) -> Payload:
        made = self._made.get((shape, text))
        if made is None:
            made = self._made[shape, text] = payload(text if shape == "raw" else self._template(shape, text))
            self.decision.payloads.append(made)
        return made

    def _template(self, shape: str, text: str) -> str:
        notice, settings = self.notice, self.settings
        fields = records.notification(
            message_id=notice.message_id,
            topic_arn=notice.topic,
            subject=notice.entry.subject,
            message=text,
            timestamp=iso_ms(notice.published_ms),
        )
        attributes = notice.entry.message_attributes
        version = settings.signature_version
        if shape == "event":
            signature = self._signature(fields, text)
            return records.lambda_event(fields, base_url=settings.base_url, signature=signature, attributes=attributes)
        return records.envelope(
            fields,
            base_url=settings.base_url,
            signature=None if settings.fifo else (version, self._signature(fields, text)),
            sequence_number=notice.sequence_number,
            attributes=attributes,
            replayed=notice.replayed,
        )

    def _signature(self, fields: dict[str, str | None], text: str) -> str:
        found = self._signatures.get(text)
        if found is None:
            found = self._signatures[text] = records.signed(fields, self.settings.signature_version)
        return found


@dataclass(slots=True)
class Filters:
    """What filter policies look at, each part made when the first policy needs it.

    Unverified: a body is compared as its own protocol gets it, when MessageStructure is `json`.
    """

    shapes: Shapes
    _attributes: dict[str, tuple[Any, ...]] | None = None
    _bodies: dict[str, FlatBody | None] = field(default_factory=dict)

    def pass_to(self, settings: SubscriptionSettings) -> bool:
        """Whether the message passes the subscription's filter policy, or there is none."""
        policy = settings.filter
        if policy is None:
            return True
        return policy.matches(self.attributes(), self._body(settings))

    def attributes(self) -> dict[str, tuple[Any, ...]]:
        """The attributes that can be compared."""
        if self._attributes is None:
            self._attributes = attribute_values(self.shapes.notice.entry.message_attributes)
        return self._attributes

    def _body(self, settings: SubscriptionSettings) -> FlatBody | None:
        if settings.filter is None or settings.filter.scope != "MessageBody":
            return None
        text = self.shapes.text(settings.protocol)
        if text not in self._bodies:
            self._bodies[text] = flat_body(text)
        return self._bodies[text]


def filter_mismatch(settings: SubscriptionSettings, attributes: tuple[Attribute, ...], text: str) -> str | None:
    """Why a subscription's filter policy stops a message, in words; None when it lets it pass.

    `text` is the message as the subscription's protocol gets it.
    """
    policy = settings.filter
    if policy is None:
        return None
    values, body = attribute_values(attributes), flat_body(text)
    return None if policy.matches(values, body) else policy.mismatch(values, body)


# --- delivering ---------------------------------------------------------------------------------


def fan_out(
    decision: Decision,
    topic: TopicSettings,
    notice: Notice,
    targets: Sequence[Target],
    *,
    incarnation: int,
    cause: int,
    now_ms: int,
    ids: Ids,
) -> tuple[int, int]:
    """Deliver a message to every subscription whose filter lets it pass; how many did, and how many did not."""
    shapes = Shapes(decision, notice, topic)
    filters = Filters(shapes)
    matched = 0
    for target in targets:
        settings = target.settings
        if not filters.pass_to(settings):
            continue
        matched += 1
        details = {"subscription": target.arn, "protocol": settings.protocol, "target": settings.endpoint}
        note = Note(ids.row_id(), "SubscriptionMatched", notice.topic, notice.message_id, cause, details)
        decision.notes.append(note)
        if settings.protocol in ("http", "https"):
            _to_http(shapes, target, incarnation=incarnation, cause=note.id, now_ms=now_ms, ids=ids)
        elif settings.protocol == "lambda":
            _to_function(shapes, target, note.id)
        elif settings.protocol == "sqs":
            _to_queue(shapes, target, note.id)
        else:
            _to_outbox(shapes, target, note.id, ids)
    return matched, len(targets) - matched


def _attribute_context(attributes: tuple[Attribute, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"message_attribute:{name}", f"{kind}:{text}") for name, kind, text in attributes)


def _to_queue(shapes: Shapes, target: Target, cause: int) -> None:
    settings, notice = target.settings, shapes.notice
    entry = notice.entry
    fifo_queue = settings.endpoint.endswith(".fifo")
    context = [("source", notice.topic), ("subject", notice.message_id), ("sender_id", records.SENDER_ID)]
    if settings.raw:
        digest = shapes.raw("sqs").digest
        context += _attribute_context(entry.message_attributes)
    else:
        digest = filled(shapes.envelope("sqs").digest, target.id)
    if entry.trace_header is not None:
        context.append(("system_attribute:AWSTraceHeader", entry.trace_header))
    # Unverified: a message that is tried again holds back the later ones of its group, not other groups. AWS says
    # that a FIFO topic delivers in exactly the order of publishing, and that it retries what failed.
    order_key = None
    # A FIFO topic's group means nothing to a standard queue; a standard topic's makes its queue fair.
    if entry.message_group_id is not None and fifo_queue == shapes.settings.fifo:
        context.append(("group_id", entry.message_group_id))
    if fifo_queue:
        assert notice.deduplication_id is not None
        context.append(("deduplication_id", notice.deduplication_id))
        order_key = f"{target.arn}/{entry.message_group_id}"
    deliver = Deliver(settings.endpoint, digest, AWS_MANAGED, cause, settings.dead_letter, tuple(context), order_key)
    shapes.decision.effects.append(deliver)


def _to_function(shapes: Shapes, target: Target, cause: int) -> None:
    settings, notice = target.settings, shapes.notice
    context = [("source", notice.topic), ("subject", notice.message_id)]
    if settings.dead_letter is not None:
        # What cannot be delivered ends as the envelope that a queue would have got.
        context.append(("dead_letter_payload", filled(shapes.envelope("lambda").digest, target.id)))
    digest = filled(shapes.event().digest, target.id)
    deliver = Deliver(settings.endpoint, digest, AWS_MANAGED, cause, settings.dead_letter, tuple(context))
    shapes.decision.effects.append(deliver)


def _to_http(shapes: Shapes, target: Target, *, incarnation: int, cause: int, now_ms: int, ids: Ids) -> None:
    settings, notice = target.settings, shapes.notice
    attributes = None
    if settings.raw:
        made = shapes.raw(settings.protocol)
        digest, body = made.digest, made.body
        attributes = to_json(notice.entry.message_attributes)
    else:
        made = shapes.envelope(settings.protocol)
        digest, body = filled(made.digest, target.id), made.body.replace(SUBSTITUTE, target.id)
    outgoing = endpoints.Outgoing(
        notice.topic,
        target.arn,
        settings.endpoint,
        records.NOTIFICATION,
        notice.message_id,
        digest,
        body,
        settings.raw,
        attributes,
    )
    target.next_send_ms = endpoints.enqueue(
        shapes.decision,
        outgoing,
        http_delivery(shapes.settings, settings),
        next_send_ms=target.next_send_ms,
        incarnation=incarnation,
        cause=cause,
        now_ms=now_ms,
        ids=ids,
    )


def _to_outbox(shapes: Shapes, target: Target, cause: int, ids: Ids) -> None:
    """Mail, text messages and the like leave the simulator: a row for a person to read."""
    settings, notice = target.settings, shapes.notice
    enveloped = settings.protocol == "email-json" or settings.protocol == "firehose" and not settings.raw
    if enveloped:
        digest = filled(shapes.envelope(settings.protocol).digest, target.id)
    else:
        digest = shapes.raw(settings.protocol).digest
    details: dict[str, Any] = {"protocol": settings.protocol, "to": settings.endpoint, "payload": digest}
    if settings.protocol == "email" or notice.entry.subject is not None:
        details["subject"] = notice.entry.subject or "AWS Notification Message"
    note = Note(ids.row_id(), "OutboxEntry", target.arn, notice.message_id, cause, details)
    shapes.decision.notes.append(note)

"""Which notifications of a topic reached their endpoints, read from the trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..aws.arn import name_of
from ..aws.event_pattern import compile_pattern, explain, matches
from ..kernel.trace import TraceRow
from ..services.sns.content import structured, text_for
from .model import NotificationsExpectation

_ON_ITS_WAY = frozenset({"DeliveryFailed", "HttpRequestSent", "HttpRequestInterrupted"})
_ARRIVED = frozenset({"MessageSent", "AsyncEventAccepted", "HttpRequestSucceeded", "OutboxEntry"})


@dataclass(frozen=True, slots=True)
class Notified:
    """A notification that an endpoint got: the row that says so, and what was in it. `attributes` are (name, type,
    text)."""

    row: TraceRow
    topic: str
    protocol: str
    endpoint: str
    message: str
    subject: str | None
    attributes: tuple[tuple[str, str, str], ...]

    @property
    def name(self) -> str:
        """The endpoint as a scenario names it: a queue's or function's name, else what it is."""
        return _name(self.endpoint)

    def as_event(self) -> dict[str, Any]:
        """What a pattern is compared with."""
        return {
            "topic": name_of(self.topic),
            "protocol": self.protocol,
            "endpoint": self.name,
            "message": _json(self.message),
            "subject": self.subject,
            "attributes": {
                name: _json(text) if kind.startswith("Number") or kind == "String.Array" else text
                for name, kind, text in self.attributes
            },
        }


def _name(endpoint: str) -> str:
    return name_of(endpoint) if endpoint.startswith("arn:") else endpoint


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def notified(rows: list[TraceRow], topic: str, payload: Callable[[str], str]) -> list[Notified]:
    """The notifications of a topic (an ARN) that arrived, in the order of their arrival; also those of a replay."""
    published: dict[str, TraceRow] = {}
    under_way: dict[int, TraceRow] = {}
    found: list[Notified] = []
    for row in rows:
        if row.kind == "MessagePublished" and row.arn == topic:
            published[row.subject] = row
        elif row.kind == "SubscriptionMatched" and row.arn == topic:
            under_way[row.id] = row
        elif row.cause in under_way:
            matched = under_way[row.cause]
            if row.kind in _ON_ITS_WAY:
                under_way[row.id] = matched
            elif row.kind in _ARRIVED:
                found.append(_notified(row, matched, published[matched.subject], payload))
    return found


def _notified(row: TraceRow, matched: TraceRow, message: TraceRow, payload: Callable[[str], str]) -> Notified:
    text, protocol = payload(message.details["payload"]), matched.details["protocol"]
    if message.details.get("message_structure") == "json":
        texts = structured(text)
        assert isinstance(texts, dict), "it was checked when it was published"
        text = text_for(protocol, texts)
    attributes = tuple((name, kind, item) for name, kind, item in message.details.get("message_attributes", ()))
    subject = message.details.get("subject")
    return Notified(row, matched.arn, protocol, matched.details["target"], text, subject, attributes)


def fits(one: Notified, expected: NotificationsExpectation) -> bool:
    """Whether a notification is one of those that are expected."""
    return _mismatch(one, expected) is None


def _mismatch(one: Notified, expected: NotificationsExpectation) -> str | None:
    """What of a notification is not as expected, in words."""
    for name, wanted, found in (
        ("protocol", expected.protocol, one.protocol),
        ("endpoint", expected.endpoint, one.endpoint if expected.endpoint == one.endpoint else one.name),
        ("subject", expected.subject, one.subject),
    ):
        if wanted is not None and wanted != found:
            return f"{name} is {found!r}"
    same = one.message if isinstance(expected.message, str) else _json(one.message)
    if expected.message is not None and same != expected.message:
        return "the message is another"
    texts = {name: text for name, _, text in one.attributes}
    for name, text in expected.attributes.items():
        if texts.get(name) != text:
            return f"attribute {name} is {texts.get(name)!r}"
    if expected.pattern is not None:
        pattern, event = compile_pattern(json.dumps(expected.pattern)), one.as_event()
        if not matches(pattern, event):
            return str(explain(pattern, event))
    return None


def story(
    rows: list[TraceRow], topic: str, there: list[Notified], expected: NotificationsExpectation
) -> list[TraceRow]:
    """The rows that say best why none of those that are expected came: what arrived where they were, else what became
    of the way there, else the subscriptions that did not match, else all that the topic did."""
    arrived = [one.row for one in there if _asked(expected, one.protocol, one.endpoint)]
    if arrived:
        return arrived
    under_way: dict[int, TraceRow] = {}
    for row in rows:
        starts = row.kind == "SubscriptionMatched" and row.arn == topic
        if (starts and _asked(expected, row.details["protocol"], row.details["target"])) or row.cause in under_way:
            under_way[row.id] = row
    of_topic = [row for row in rows if row.arn == topic]
    missed = [row for row in of_topic if row.kind == "SubscriptionsNotMatched"]
    return [*under_way.values()] or missed or of_topic


def _asked(expected: NotificationsExpectation, protocol: str, endpoint: str) -> bool:
    """Whether the expectation is about this endpoint."""
    there = expected.endpoint in (None, endpoint, _name(endpoint))
    return there and expected.protocol in (None, protocol)


def described(there: list[Notified], expected: NotificationsExpectation) -> str:
    """What arrived, for the text of a failure: the last ones, each with what is not as expected."""
    lines = []
    for one in there[-3:]:
        wrong = _mismatch(one, expected)
        lines.append(f"{one.protocol} {one.name}" + (f" ({wrong})" if wrong else ""))
    more = "…, " if len(there) > 3 else ""
    return f": {more}{', '.join(lines)}" if lines else ""

"""Telling what happened to an object: to the notifications that match, and to EventBridge."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...kernel.clock import iso_ms
from ...kernel.effects import Deliver, Note, RetryPolicy, payload
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from .bus_events import bus_event_text, detail_type
from .config import BucketSettings
from .events import Notification, encode_key
from .records import Request, object_text, record_text
from .work import Work

DELIVERY = RetryPolicy(
    "s3", maximum_retries=400, maximum_age_ms=24 * 3_600_000, base_ms=1000, cap_ms=300_000, jitter=0.0
)
"""Unverified: AWS does not publish how long and how often S3 tries to deliver a notification."""

TOPIC_SUBJECT = ("subject_line", "Amazon S3 Notification")

TRACE_HEADER = "system_attribute:AWSTraceHeader"

_time = lru_cache(maxsize=16)(iso_ms)


@fixed
class Happening:
    """One event. `event` has no `s3:`; what does not belong into it is None ('' for the null version).

    `more` are members of the record after `s3`; `extra` ends the detail of the event for EventBridge.
    """

    event: str
    key: str
    size: int | None
    etag: str | None
    sequencer: str | None
    version_id: str = ""
    more: str = ""
    extra: tuple[tuple[str, str], ...] = ()


def publish(work: Work, note: Note, what: Happening, request: Request) -> None:
    """One delivery to each configuration that matches, a trace row when none does; one to the bus."""
    bucket = work.bucket
    settings: BucketSettings = bucket.config
    if not bucket.wired:
        return
    encoded = encode_key(what.key)
    matches = [one for one in settings.table.get(what.event, ()) if one.matches_key(encoded)]
    total = len(settings.notifications)
    decision = work.decision
    if matches:
        text = object_text(encoded, what.size, what.etag, what.sequencer, what.version_id)
        for one in matches:
            _notify(work, note, what, request, one, text, total - len(matches))
    elif total or not settings.eventbridge:
        details = {"event": what.event, "not_matched": total, "revision": bucket.revision}
        row = Note(work.ids.row_id(), "NotificationsNotMatched", note.arn, note.subject, note.id, details)
        decision.notes.append(row)
    if settings.eventbridge:
        _to_the_bus(work, note, what, request, settings)


def _notify(
    work: Work, note: Note, what: Happening, request: Request, one: Notification, object_text: str, others: int
) -> None:
    bucket = work.bucket
    record = payload(
        record_text(
            bucket.config.facts,
            event=what.event,
            time=_time(work.now_ms),
            request=request,
            configuration_id=one.id,
            object_text=object_text,
            more=what.more,
        )
    )
    details = {
        "event": what.event,
        "notification": one.id,
        "target": one.arn,
        "not_matched": others,
        "revision": bucket.revision,
        "payload": record.digest,
    }
    matched = Note(work.ids.row_id(), "NotificationMatched", note.arn, note.subject, note.id, details)
    work.decision.notes.append(matched)
    work.decision.payloads.append(record)
    context = target_context(bucket.arn, one.arn)
    if request.trace_header:
        context = (*context, (TRACE_HEADER, request.trace_header))
    work.decision.effects.append(Deliver(one.arn, record.digest, DELIVERY, matched.id, context=context))


@lru_cache(maxsize=1024)
def target_context(bucket: str, target: str) -> tuple[tuple[str, str], ...]:
    """What goes with a delivery: the bucket, and for a topic the subject line that S3 gives."""
    if target.startswith("arn:aws:sns:"):
        return (("source", bucket), TOPIC_SUBJECT)
    return (("source", bucket),)


def _to_the_bus(work: Work, note: Note, what: Happening, request: Request, settings: BucketSettings) -> None:
    """To the default bus; with no bus in this simulator the event ends in its trace row."""
    ids: Ids = work.ids
    event = payload(
        bus_event_text(
            settings.facts,
            account=settings.account,
            id=ids.uuid("s3.bus_event"),
            event=what.event,
            time=_time(work.now_ms - work.now_ms % 1000).replace(".000Z", "Z"),
            request=request,
            key=what.key,
            size=what.size,
            etag=what.etag,
            sequencer=what.sequencer,
            version_id=what.version_id,
            extra=what.extra,
        )
    )
    kind = "EventBridgeEventSent" if work.bus else "EventBridgeEventNotSent"
    details: dict[str, Any] = {"event": what.event, "detail_type": detail_type(what.event), "target": settings.bus}
    if not work.bus:
        details["reason"] = "there is no event bus"
    details["payload"] = event.digest
    sent = Note(ids.row_id(), kind, note.arn, note.subject, note.id, details)
    work.decision.notes.append(sent)
    work.decision.payloads.append(event)
    if work.bus:
        context = (("source", work.bucket.arn),)
        work.decision.effects.append(Deliver(settings.bus, event.digest, DELIVERY, sent.id, context=context))

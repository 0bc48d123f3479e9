"""The notification configuration of a bucket: what S3 refuses of it, and the s3:TestEvent when it is saved.

Source: S3 API reference, PutBucketNotificationConfiguration; S3 User Guide, "Event notification types and
destinations" (FIFO queues and topics are no targets).
"""

from __future__ import annotations

from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Deliver, Note, Refused, payload
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader
from .config import BucketSettings
from .events import MEMBERS, Notification, find_overlap
from .publishing import DELIVERY, target_context
from .records import request_ids

ARGUMENTS = {"sqs": "Queue", "sns": "Topic", "lambda": "CloudFunction"}
"""What S3 calls a destination, by the service in its ARN."""

_INVALID_DESTINATIONS = "Unable to validate the following destination configurations"
_FIFO = {"sqs": "FIFO SQS queues are not supported.", "sns": "FIFO SNS topics are not supported."}


def service_of(arn: str) -> str:
    """The service that an ARN names; empty for a text that is no ARN."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def targets_of(read: Reader, notifications: tuple[Notification, ...]) -> dict[str, Description | None]:
    """What the targets' owners say of them, by ARN."""
    arns = sorted({one.arn for one in notifications if service_of(one.arn)})
    return {arn: read.describe(arn) for arn in arns}


def unparsed(argument: str, arn: str) -> Refused:
    """The answer to a text that is no ARN; `argument` is what S3 calls the destination."""
    fields = (("ArgumentName", argument), ("ArgumentValue", arn))
    return Refused("InvalidArgument", "The ARN could not be parsed", fields=fields)


def fifo_refused(arn: str) -> Refused | None:
    """Why a FIFO queue or topic cannot be told of events. Unverified: the text for topics."""
    text = _FIFO.get(service_of(arn)) if arn.endswith(".fifo") else None
    return None if text is None else Refused("InvalidArgument", text)


def refused_notifications(
    notifications: tuple[Notification, ...],
    targets: dict[str, Description | None],
    *,
    skip_destination_validation: bool = False,
) -> Refused | None:
    """What S3 refuses, in its order: malformed ARNs (the first), events, FIFO targets, destinations (all),
    overlaps. Unverified: the text for an unknown event, and the place of FIFO targets in that order."""
    for one in notifications:
        if not service_of(one.arn):
            return unparsed("Queue", one.arn)
        unknown = [name for name in one.events if name not in MEMBERS]
        if unknown:
            fields = (("ArgumentName", "Event"), ("ArgumentValue", unknown[0]))
            return Refused("InvalidArgument", "The event is not supported for notifications", fields=fields)
    refused = next(filter(None, (fifo_refused(one.arn) for one in notifications)), None)
    if refused is None and not skip_destination_validation:
        refused = _destinations_refused(notifications, targets)
    overlap = find_overlap(notifications) if refused is None else None
    return refused if overlap is None else Refused("InvalidArgument", overlap.message)


def _destinations_refused(
    notifications: tuple[Notification, ...], targets: dict[str, Description | None]
) -> Refused | None:
    arns = dict.fromkeys(one.arn for one in notifications)
    missing = [problem for arn in arns if (problem := _destination_problem(arn, targets.get(arn))) is not None]
    if not missing:
        return None
    fields = tuple(
        pair
        for number, (arn, problem) in enumerate(missing, start=1)
        for pair in ((f"ArgumentName{number}", arn), (f"ArgumentValue{number}", problem))
    )
    return Refused("InvalidArgument", _INVALID_DESTINATIONS, fields=fields)


def _destination_problem(arn: str, target: Description | None) -> tuple[str, str] | None:
    service = service_of(arn)
    if service not in ARGUMENTS:
        return arn, f"{service} cannot be the target of a notification"
    if target is not None:
        return None
    if service == "lambda":
        return f"{arn}, null", f"Not authorized to invoke function [{arn}]"
    return arn, f"The destination {'queue' if service == 'sqs' else 'topic'} does not exist"


# --- the test event ------------------------------------------------------------------------------


def send_test_events(decision: Decision, settings: BucketSettings, cause: Note, *, now_ms: int, ids: Ids) -> None:
    """An s3:TestEvent to each queue and topic, as S3 sends when a configuration is saved.

    Unverified: functions get none.
    """
    arns = dict.fromkeys(one.arn for one in settings.notifications if service_of(one.arn) in ("sqs", "sns"))
    for arn in arns:
        request_id, host_id = request_ids(ids.take("s3.request", 64))
        text = payload(notice_text(settings.facts.name, iso_ms(now_ms), request_id, host_id))
        details = {"target": arn, "payload": text.digest}
        note = Note(ids.row_id(), "TestEventSent", cause.arn, cause.subject, cause.id, details)
        decision.notes.append(note)
        decision.payloads.append(text)
        context = target_context(cause.arn, arn)
        decision.effects.append(Deliver(arn, text.digest, DELIVERY, note.id, context=context))


def notice_text(bucket: str, time: str, request_id: str, host_id: str) -> str:
    """The s3:TestEvent: no record, but a document of its own."""
    return to_json(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": time,
            "Bucket": bucket,
            "RequestId": request_id,
            "HostId": host_id,
        }
    )

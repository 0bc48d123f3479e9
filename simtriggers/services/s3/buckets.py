"""Creating, changing and removing buckets, with the checks that S3 makes of a notification configuration.

Source: S3 API reference, PutBucketNotificationConfiguration; S3 User Guide, "Event notification types and
destinations" (FIFO queues are no targets).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.contracts import PutResource, RemoveResource
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import CancelTimer, Decision, Deliver, Note, Refused, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import store
from .config import BUCKET, BucketSettings, parse_bucket
from .events import MEMBERS, Notification, bucket_name_problem, find_overlap
from .lifecycle import TIMER, timer_of
from .publishing import DELIVERY, target_context
from .records import request_ids
from .work import NO_SUCH_BUCKET

_INVALID_DESTINATIONS = "Unable to validate the following destination configurations"
_ARGUMENT = {"sqs": "Queue", "sns": "Topic", "lambda": "CloudFunction"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is there, what is wanted, and what the targets' owners say of them (by ARN)."""

    existing: Resource | None
    settings: BucketSettings
    targets: dict[str, Description | None]


def _service(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def view_put_resource(read: Reader, entry: Entry) -> Wanted:
    """For PutResource."""
    command: PutResource = entry.command
    settings = parse_bucket(command.config)
    arns = sorted({one.arn for one in settings.notifications if _service(one.arn)})
    return Wanted(read.resource(entry.arn), settings, {arn: read.describe(arn) for arn in arns})


def decide_put_resource(view: Wanted, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Create the bucket or replace its settings; replies with the revision that now holds."""
    command: PutResource = entry.command
    problem = bucket_name_problem(command.name)
    if problem is not None:
        return Decision(Refused("InvalidBucketName", f"The specified bucket is not valid. {problem}"))
    refused = check_notifications(view.settings.notifications, view.targets)
    if refused is not None:
        return Decision(refused)
    existing = view.existing
    if existing is not None and existing.wired and existing.config == view.settings:
        return Decision(existing.revision)
    revision = 1 if existing is None else existing.revision + 1
    kind = "BucketCreated" if existing is None else "BucketChanged"
    details: dict[str, Any] = {"revision": revision, "notifications": len(view.settings.notifications)}
    if view.settings.folder:
        details["folder"] = view.settings.folder
    if view.settings.versioning:
        details["versioning"] = view.settings.versioning
    note = Note(ids.row_id(), kind, entry.arn, command.name, entry.cause, details)
    decision = Decision(
        revision,
        writes=[
            resources.put(
                entry.arn,
                service="s3",
                kind=BUCKET,
                name=command.name,
                config=command.config,
                declared_by=command.declared_by,
                now_ms=now_ms,
            ),
            Write(store.ADD_BUCKET, (entry.arn,)),
        ],
        notes=[note],
        touched=[entry.arn],
    )
    before = None if existing is None else existing.config
    if view.settings.lifecycle != (() if before is None else before.lifecycle):
        decision.effects.append(timer_of(view.settings.lifecycle, now_ms, note.id))
    if view.settings.test_event and (before is None or before.notifications != view.settings.notifications):
        _test_events(decision, view.settings, note, now_ms=now_ms, ids=ids)
    return decision


def _test_events(decision: Decision, settings: BucketSettings, cause: Note, *, now_ms: int, ids: Ids) -> None:
    """An s3:TestEvent to each queue and topic, as S3 sends when a configuration is saved."""
    arns = dict.fromkeys(one.arn for one in settings.notifications if _service(one.arn) in ("sqs", "sns"))
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


def check_notifications(
    notifications: tuple[Notification, ...], targets: dict[str, Description | None]
) -> Refused | None:
    """What S3 refuses, in its order: malformed ARNs (the first), events, destinations (all), overlaps.

    Unverified: the text for an unknown event and for a FIFO queue.
    """
    for one in notifications:
        if not _service(one.arn):
            fields = (("ArgumentName", "Queue"), ("ArgumentValue", one.arn))
            return Refused("InvalidArgument", "The ARN could not be parsed", fields=fields)
        unknown = [name for name in one.events if name not in MEMBERS]
        if unknown:
            fields = (("ArgumentName", "Event"), ("ArgumentValue", unknown[0]))
            return Refused("InvalidArgument", "The event is not supported for notifications", fields=fields)
    missing: list[tuple[str, str]] = []
    for arn in dict.fromkeys(one.arn for one in notifications):
        problem = _destination_problem(arn, targets.get(arn))
        if problem is not None:
            missing.append(problem)
    if missing:
        numbered = tuple(
            pair
            for number, (arn, problem) in enumerate(missing, start=1)
            for pair in ((f"ArgumentName{number}", arn), (f"ArgumentValue{number}", problem))
        )
        return Refused("InvalidArgument", _INVALID_DESTINATIONS, fields=numbered)
    overlap = find_overlap(notifications)
    return None if overlap is None else Refused("InvalidArgument", overlap.message)


def _destination_problem(arn: str, target: Description | None) -> tuple[str, str] | None:
    service = _service(arn)
    if service not in _ARGUMENT:
        return arn, f"{service} cannot be the target of a notification"
    if target is None:
        if service == "lambda":
            return f"{arn}, null", f"Not authorized to invoke function [{arn}]"
        return arn, f"The destination {'queue' if service == 'sqs' else 'topic'} does not exist"
    if target.fifo:
        return arn, "FIFO queues and topics are not supported as destinations"
    return None


def view_remove_resource(read: Reader, entry: Entry) -> Resource | None:
    """For RemoveResource."""
    return read.resource(entry.arn)


def decide_remove_resource(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Take the bucket and its rows away, or only what it triggers. Files of its folder stay."""
    command: RemoveResource = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    if command.wiring_only:
        note = Note(ids.row_id(), "BucketUnwired", entry.arn, view.name, entry.cause)
        return Decision(None, writes=[resources.unwire(entry.arn)], notes=[note], touched=[entry.arn])
    return Decision(
        None,
        writes=[resources.remove(entry.arn), *(Write(one, (entry.arn,)) for one in store.REMOVE_BUCKET)],
        effects=[CancelTimer(TIMER)] if view.config.lifecycle else [],
        notes=[Note(ids.row_id(), "BucketRemoved", entry.arn, view.name, entry.cause)],
        touched=[entry.arn],
    )


def describe_bucket(read: Reader, arn: str) -> Description | None:
    """What other services may know of a bucket."""
    return None if read.resource(arn) is None else Description(arn, BUCKET)

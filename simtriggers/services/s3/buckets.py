"""Creating, changing and removing buckets, as a project declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.contracts import PutResource, RemoveResource
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import CancelTimer, Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import store
from .config import ALWAYS, BUCKET, BucketSettings, parse_bucket
from .events import bucket_name_problem
from .lifecycle import TIMER, timer_of
from .notifications import refused_notifications, send_test_events, targets_of
from .work import NO_SUCH_BUCKET


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is there, what is wanted, and what the targets' owners say of them (by ARN)."""

    existing: Resource | None
    settings: BucketSettings
    targets: dict[str, Description | None]


def view_put_resource(read: Reader, entry: Entry) -> Wanted:
    """For PutResource."""
    command: PutResource = entry.command
    settings = parse_bucket(command.config)
    return Wanted(read.resource(entry.arn), settings, targets_of(read, settings.notifications))


def decide_put_resource(view: Wanted, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Create the bucket or replace its settings; replies with the revision that now holds."""
    command: PutResource = entry.command
    problem = bucket_name_problem(command.name)
    if problem is not None:
        return Decision(Refused("InvalidBucketName", f"The specified bucket is not valid. {problem}"))
    refused = refused_notifications(view.settings.notifications, view.targets)
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
    saved = before is None or before.notifications != view.settings.notifications
    if saved and view.settings.test_event == ALWAYS:
        send_test_events(decision, view.settings, note, now_ms=now_ms, ids=ids)
    return decision


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

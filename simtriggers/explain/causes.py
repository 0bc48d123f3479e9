"""From a row back to its first cause: an act of the outside world, or the start of the run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ..kernel.trace import TraceRow
from .book import Book, causes_of

Origin = Literal["act", "start", "forgotten", "broken"]

STARTS = frozenset({"Started", "Restarted"})

ACTS = frozenset(
    {
        # what a client, a scenario, a file in a folder or a person does
        "ObjectCreated", "ObjectRemoved", "ObjectNotFound", "FolderScanned", "FileSkipped", "WriteAborted",
        "FolderGone", "FolderReturned", "FolderPolled",
        "DeleteMarkerCreated", "ObjectTagged", "ObjectUntagged", "ObjectAclChanged", "ObjectRestoreStarted",
        "MultipartUploadCreated", "MultipartUploadAborted",
        "MessageSent", "MessageDeduplicated", "MessageDeleteIgnored", "QueuePurged", "MoveTaskStarted",
        "InvocationStarted", "InvocationThrottled", "AsyncEventAccepted", "StepFailed",
        # and what it makes, changes and removes
        "BucketCreated", "BucketChanged", "BucketUnwired", "BucketRemoved",
        "QueueCreated", "QueueUpdated", "QueueNoLongerDeclared", "QueueDeleted", "QueueTagged",
        "MappingEnabled", "MappingDisabled",
        "MessagePublished", "TopicCreated", "TopicUpdated", "TopicNoLongerDeclared",
        "TopicDeleted", "SubscriptionCreated", "SubscriptionUpdated", "SubscriptionNoLongerDeclared",
        "SubscriptionConfirmed", "SubscriptionDeleted", "SubscriptionConfirmationSent",
        "ScheduleStarted", "ScheduleStopped", "ScheduleEnded", "RuleTargetsChanged",
        "EventReceived", "EventRefused", "EventLost", "EventBusCreated", "EventBusChanged", "EventBusDeleted",
        "RuleCreated", "RuleChanged", "RuleRemoved", "ReplayStarted", "ReplayCancelling",
        "ArchiveCreated", "ArchiveChanged", "ArchiveNoLongerDeclared", "ArchiveDeleted",
        "EndpointCreated", "EndpointChanged", "EndpointDeleted",
        "ScheduleChanged", "ScheduleDeleted", "ScheduleGroupCreated", "ScheduleGroupChanged", "ScheduleGroupDeleted",
    }
)  # fmt: skip
"""Kinds that may stand at the beginning: everything else must have a cause."""


def is_first_cause(row: TraceRow) -> bool:
    """Whether a row may be without a cause."""
    return row.cause == 0 and (row.kind in STARTS or row.kind in ACTS)


def chain(book: Book, row: TraceRow) -> list[TraceRow]:
    """From the first cause to `row`, both included. Of a batch's records the one that `row` is about is
    followed, or else the first."""
    found, seen = [row], {row.id}
    while True:
        before = _of_subject(_causes(book, found[-1]), {row.subject})
        if not before or before[0].id in seen:
            return found[::-1]
        seen.add(before[0].id)
        found.append(before[0])


def _causes(book: Book, row: TraceRow) -> list[TraceRow]:
    """The rows that led to a row, as far as they are kept."""
    return [each for each in map(book.row, causes_of(row)) if each is not None]


def _of_subject(rows: list[TraceRow], subjects: Collection[str]) -> list[TraceRow]:
    """Of several rows those with one of the subjects, if there are such."""
    return [row for row in rows if len(rows) > 1 and row.subject in subjects] or rows


def ancestors(book: Book, row: TraceRow, subjects: Collection[str] = (), *, most: int = 200) -> dict[int, TraceRow]:
    """Every row that led to `row`, by id; `most` rows at the most.

    Of a batch all records are followed, or only those in `subjects` when there are such.
    """
    found: dict[int, TraceRow] = {}
    waiting = [row]
    while waiting and len(found) < most:
        for each in _of_subject(_causes(book, waiting.pop(0)), subjects):
            if each.id not in found:
                found[each.id] = each
                waiting.append(each)
    return found


def origin(book: Book, row: TraceRow) -> tuple[TraceRow, Origin]:
    """The first cause of a row, and what it is: an `act` of the outside world, the `start` of the run,
    `forgotten` (its own cause is too old to be kept), or `broken` (a row that should have had a cause)."""
    first = chain(book, row)[0]
    if first.cause:
        return first, "forgotten"
    if first.kind in STARTS:
        return first, "start"
    return first, "act" if first.kind in ACTS else "broken"

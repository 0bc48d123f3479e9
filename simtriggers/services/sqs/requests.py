"""The operations on queues that a client calls: create, set attributes, find, list, tag, delete.

A project's own queues come by PutResource (queues.py); what an SDK makes ends in the same rows.
Source: Amazon SQS API Reference, CreateQueue, SetQueueAttributes, GetQueueUrl, ListQueues,
ListDeadLetterSourceQueues, TagQueue, UntagQueue, ListQueueTags.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from ...aws.arn import Names, name_of, region_and_account
from ...aws.limits import SQS
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import attributes, errors
from .commands import (
    CreateQueue,
    ListDeadLetterSourceQueues,
    ListQueues,
    Pairs,
    QueueTags,
    QueueUrl,
    QueueUrls,
    SetQueueAttributes,
    TagQueue,
    UntagQueue,
)
from .config import KIND, SERVICE_NAME
from .fifo_store import DELETED
from .queues import PutView, put, put_view
from .store import DECLARED_BY


def queue_url(arn: str) -> str:
    """The URL of a queue: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`."""
    region, account = region_and_account(arn)
    return Names(account, region).queue_url(name_of(arn))


# --- create and set -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChangeView:
    """The settings that are wanted (or why the attributes are wrong), those of the queue after it, what they are
    checked against, who declared the queue, and when a queue of this name was deleted."""

    wanted: dict[str, Any] | Refused
    settings: dict[str, Any]
    put: PutView
    declared_by: str
    deleted_ms: int | None = None


def view_change(read: Reader, entry: Entry) -> ChangeView:
    """What CreateQueue and SetQueueAttributes need."""
    command: CreateQueue | SetQueueAttributes = entry.command
    wanted = attributes.parse(command.attributes)
    queue = read.resource(entry.arn)
    stored: dict[str, Any] = queue.config.stored if queue is not None else {}
    settings = stored if isinstance(wanted, Refused) else attributes.merged(stored, wanted)
    deleted = read.one(DELETED, entry.arn) if queue is None else None
    return ChangeView(
        wanted,
        settings,
        put_view(read, entry.arn, settings),
        _declared_by(read, entry.arn),
        deleted[0] if deleted else None,
    )


def _declared_by(read: Reader, arn: str) -> str:
    """Who declared a queue: a project's stays the project's when a client changes it."""
    row = read.one(DECLARED_BY, arn)
    return str(row[0]) if row is not None else "sdk"


def decide_create(view: ChangeView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateQueue: replies with QueueUrl; a queue that is there stays as it is, tags too."""
    command: CreateQueue = entry.command
    if isinstance(view.wanted, Refused):
        return Decision(reply=view.wanted)
    url = QueueUrl(queue_url(entry.arn))
    old = view.put.queue
    if old is not None:
        other = attributes.differing(old.config.stored, command.attributes, view.wanted)
        return Decision(reply=url if other is None else errors.queue_exists(other))
    if view.deleted_ms is not None and now_ms < view.deleted_ms + 1000 * SQS.recreation_s:
        return Decision(reply=errors.deleted_recently())
    tags = _with_tags({}, command.tags)
    if isinstance(tags, Refused):
        return Decision(reply=tags)
    settings = {**view.settings, "tags": tags} if tags else view.settings
    sent = dict(command.attributes).get("RedrivePolicy")
    decision = put(view.put, entry, settings, "sdk", now_ms=now_ms, ids=ids, sent_policy=sent)
    if not isinstance(decision.reply, Refused):
        decision.reply = url
    return decision


def decide_set(view: ChangeView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """SetQueueAttributes: replies with None. Changes hold at once."""
    if view.put.queue is None:
        return Decision(reply=errors.no_such_queue())
    if isinstance(view.wanted, Refused):
        return Decision(reply=view.wanted)
    command: SetQueueAttributes = entry.command
    sent = dict(command.attributes).get("RedrivePolicy")
    decision = put(view.put, entry, view.settings, view.declared_by, now_ms=now_ms, ids=ids, sent_policy=sent)
    if not isinstance(decision.reply, Refused):
        decision.reply = None
    return decision


# --- look ---------------------------------------------------------------------------------------


def view_queue(read: Reader, entry: Entry) -> Resource | None:
    """The queue."""
    return read.resource(entry.arn)


def decide_url(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetQueueUrl: replies with QueueUrl."""
    return Decision(reply=errors.no_such_queue() if view is None else QueueUrl(queue_url(entry.arn)))


@dataclass(frozen=True, slots=True)
class ListView:
    """The queue that was asked about, and ARNs in order of their names."""

    queue: Resource | None
    arns: tuple[str, ...]


def view_list(read: Reader, entry: Entry) -> ListView:
    """Queues of the ARN's region and account, by name."""
    command: ListQueues | ListDeadLetterSourceQueues = entry.command
    here = region_and_account(entry.arn)
    found = [queue for queue in read.resources(KIND) if region_and_account(queue.arn) == here]
    if type(command) is ListQueues:
        return ListView(None, tuple(queue.arn for queue in found if queue.name.startswith(command.prefix)))
    sources = (queue for queue in found if _sends_to(queue, entry.arn))
    return ListView(read.resource(entry.arn), tuple(queue.arn for queue in sources))


def _sends_to(queue: Resource, dead_letter: str) -> bool:
    redrive = queue.config.redrive
    return redrive is not None and redrive.dead_letter_arn == dead_letter


def decide_list(view: ListView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListQueues and ListDeadLetterSourceQueues: reply with QueueUrls. Unverified: texts of the errors."""
    command: ListQueues | ListDeadLetterSourceQueues = entry.command
    if type(command) is ListDeadLetterSourceQueues and view.queue is None:
        return Decision(reply=errors.no_such_queue())
    most, allowed = command.max_results, SQS.listed_queues
    if most is not None and most not in allowed:
        reason = f"Must be between {allowed.low} and {allowed.high}, if provided."
        return Decision(reply=errors.invalid_parameter("MaxResults", most, reason))
    after = ""
    if command.next_token is not None:
        try:
            after = base64.b64decode(command.next_token.encode(), validate=True).decode()
        except (binascii.Error, ValueError):
            return Decision(reply=errors.invalid_value("Invalid or expired next token."))
    rest = [arn for arn in view.arns if arn > after]
    page = rest[: most or allowed.high]
    more = most is not None and len(rest) > len(page)
    token = base64.b64encode(page[-1].encode()).decode() if more else None
    return Decision(reply=QueueUrls(tuple(map(queue_url, page)), token))


# --- tags ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TagView:
    """The queue and who declared it."""

    queue: Resource | None
    declared_by: str


def view_tag(read: Reader, entry: Entry) -> TagView:
    """The queue whose tags change."""
    return TagView(read.resource(entry.arn), _declared_by(read, entry.arn))


def decide_tag(view: TagView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """TagQueue: replies with None."""
    command: TagQueue = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    tags = _with_tags(view.queue.config.stored.get("tags", {}), command.tags)
    if isinstance(tags, Refused):
        return Decision(reply=tags)
    return _set_tags(view.queue, entry, tags, view.declared_by, now_ms=now_ms, ids=ids)


def decide_untag(view: TagView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """UntagQueue: replies with None."""
    command: UntagQueue = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    tags = {key: text for key, text in view.queue.config.stored.get("tags", {}).items() if key not in command.keys}
    return _set_tags(view.queue, entry, tags, view.declared_by, now_ms=now_ms, ids=ids)


def decide_tags(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListQueueTags: replies with QueueTags."""
    if view is None:
        return Decision(reply=errors.no_such_queue())
    return Decision(reply=QueueTags(tuple(sorted(view.config.stored.get("tags", {}).items()))))


def _with_tags(tags: dict[str, str], added: Pairs) -> dict[str, str] | Refused:
    """Unverified: the texts of the errors."""
    for key, text in added:
        if not 1 <= len(key) <= SQS.tag_key_length:
            reason = f"Tag keys must be between 1 and {SQS.tag_key_length} characters in length."
            return errors.invalid_parameter("TagKey", key, reason)
        if len(text) > SQS.tag_value_length:
            reason = f"Tag values must be between 0 and {SQS.tag_value_length} characters in length."
            return errors.invalid_parameter("TagValue", text, reason)
    changed = {**tags, **dict(added)}
    if len(changed) > SQS.tags:
        return errors.invalid_value(f"Too many tags added for queue: {len(changed)}, at most {SQS.tags} are allowed.")
    return changed


def _set_tags(
    queue: Resource, entry: Entry, tags: dict[str, str], declared_by: str, *, now_ms: int, ids: Ids
) -> Decision:
    stored = {key: setting for key, setting in queue.config.stored.items() if key != "tags"}
    if tags == queue.config.stored.get("tags", {}):
        return Decision()
    settings = {**stored, "tags": tags} if tags else stored
    row = resources.put(
        queue.arn,
        service=SERVICE_NAME,
        kind=KIND,
        name=queue.name,
        config=settings,
        declared_by=declared_by,
        now_ms=now_ms,
    )
    note = Note(ids.row_id(), "QueueTagged", entry.arn, queue.name, entry.cause, {"tags": tags})
    return Decision(writes=[row], notes=[note], touched=[entry.arn])

"""The archive of a FIFO topic, and its replay to a subscription.

Archived messages come again with their own id and time, marked as replayed, and pass the filters again.
Source: Amazon SNS Developer Guide, "Amazon SNS message archiving and replay for FIFO topics".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...kernel.agenda import Entry
from ...kernel.codec import decode, encode
from ...kernel.effects import Decision, Note, Payload, Timer, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store
from .commands import PublishEntry, ReplayMessages
from .fanout import Notice, Target, fan_out
from .settings import Replay, SubscriptionSettings, TopicSettings
from .store import ArchivedRow

DAY_MS = 86_400_000
PAGE = 100
TIMER = "replay"
PENDING, IN_PROGRESS, COMPLETED = "Pending", "In progress", "Completed"


def keep(decision: Decision, topic: TopicSettings, notice: Notice, body: Payload) -> None:
    """Archive a message, and forget those that are older than the topic keeps them."""
    assert topic.archive_days is not None
    entry = encode(replace(notice.entry, message=""))
    row = (notice.topic, notice.published_ms, notice.message_id, notice.sequence_number, body.digest, entry)
    oldest_ms = notice.published_ms - topic.archive_days * DAY_MS
    decision.writes += [Write(store.ARCHIVE, row), Write(store.TRIM_ARCHIVE, (notice.topic, oldest_ms))]


def start(decision: Decision, arn: str, replay: Replay | None, *, last: int, cause: int, now_ms: int, ids: Ids) -> None:
    """Begin the replay of a new policy, up to the message archived `last`; without a policy, end it."""
    status = None if replay is None else PENDING
    decision.writes.append(Write(store.SET_REPLAY, (status, arn)))
    if replay is not None:
        decision.effects.append(Timer(TIMER, now_ms, ReplayMessages(0, last), cause, arn=arn))


def is_over(settings: SubscriptionSettings) -> bool:
    """Whether a subscription gets nothing new: its replay has an end."""
    return settings.replay is not None and settings.replay.end_ms is not None


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A subscription and the next archived messages for it, each with its text."""

    topic: Resource | None
    subscription: Resource | None
    messages: tuple[tuple[ArchivedRow, str], ...]


def view_replay(read: Reader, entry: Entry) -> ReplayView:
    """The next page of a replay."""
    command: ReplayMessages = entry.command
    subscription = read.resource(entry.arn)
    if subscription is None or subscription.config.replay is None:
        return ReplayView(None, None, ())
    settings: SubscriptionSettings = subscription.config
    assert settings.replay is not None
    end_ms = 1 << 60 if settings.replay.end_ms is None else settings.replay.end_ms
    bounds = (command.after, command.last, settings.replay.start_ms, end_ms)
    rows = [ArchivedRow._make(row) for row in read.all(store.ARCHIVED, settings.topic, *bounds, PAGE)]
    messages = tuple((row, read.payload(row.payload)) for row in rows)
    return ReplayView(read.resource(settings.topic), subscription, messages)


def decide_replay(view: ReplayView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ReplayMessages: deliver a page of archived messages, then go on or be done."""
    decision = Decision()
    if view.topic is None or view.subscription is None or not view.subscription.wired:
        return decision
    command: ReplayMessages = entry.command
    target = Target(entry.arn, view.subscription.config)
    for row, text in view.messages:
        kept: PublishEntry = decode(row.entry)
        notice = Notice(
            view.topic.arn,
            row.message_id,
            replace(kept, message=text),
            row.published_ms,
            row.sequence_number,
            f"{row.message_id}-{entry.cause}",
            replayed=True,
        )
        details: dict[str, object] = {"subscription": entry.arn, "payload": row.payload}
        note = Note(ids.row_id(), "MessageReplayed", view.topic.arn, row.message_id, entry.cause, details)
        decision.notes.append(note)
        matched, _ = fan_out(
            decision, view.topic.config, notice, [target], incarnation=0, cause=note.id, now_ms=now_ms, ids=ids
        )
        details["matched"] = matched
    if len(view.messages) == PAGE:
        following = replace(command, after=view.messages[-1][0].seq)
        decision.effects.append(Timer(TIMER, now_ms, following, entry.cause))
        decision.writes.append(Write(store.SET_REPLAY, (IN_PROGRESS, entry.arn)))
        return decision
    done = Note(ids.row_id(), "ReplayCompleted", entry.arn, view.subscription.name, entry.cause)
    decision.notes.append(done)
    decision.writes.append(Write(store.SET_REPLAY, (COMPLETED, entry.arn)))
    return decision

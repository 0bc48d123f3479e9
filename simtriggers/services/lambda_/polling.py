"""A mapping at work: at most one poll is out; records become batches; batches invoke the function.

Without a batching window a poll's records are a batch at once. With one, records are collected, each claimed
when it was received, until the batch is full, the window is over or 6 MB are reached. Filters come before all
that. While as many batches are in flight as may be (scaling.py) nothing is polled. Source: AWS Lambda Developer
Guide, "Using Lambda with Amazon SQS". Not modelled: the up to 20 s that AWS may wait in a short window.

A poll's answer that comes later than the poll shows that the source had nothing: the backlog has ended.
"""

from __future__ import annotations

from typing import Any

from ...aws.contracts import Poll, Polled, Run
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Call, CancelTimer, Decision, Note, Refused, ReplyTo, Timer, Write, payload
from ...kernel.fixed import altered, fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import limits, scaling, store
from .batches import Held, event_text, fitting, hold
from .commands import PollAgain, ScaleUp, WindowEnded
from .filtering import drop
from .scaling import AT_REST, Scale
from .settings import MappingSettings

POLL = "poll"
WINDOW_TIMER, POLL_TIMER, SCALE_TIMER = "window", "poll", "scale"
REFUSED_POLL_DELAY_MS = 60_000
"""Unverified: how long a mapping waits before it polls a source again that refused the poll."""


@fixed
class MappingView:
    """A mapping and what it is doing. `visibility_ms` is the longer visibility timeout that a window may need;
    `known` says that its state has a row."""

    resource: Resource | None
    polling: bool = False
    window_end_ms: int | None = None
    in_flight: int = 0
    collected: tuple[Held, ...] = ()
    visibility_ms: int | None = None
    known: bool = False
    scale: Scale = AT_REST

    @property
    def active(self) -> bool:
        """Whether the mapping exists, is declared and enabled."""
        return self.resource is not None and self.resource.wired and self.resource.config.enabled


def view_mapping(read: Reader, entry: Entry) -> MappingView:
    """Read a mapping's settings and state."""
    return read_mapping(read, entry.arn)


def read_mapping(read: Reader, arn: str) -> MappingView:
    """A mapping's settings and state, by ARN."""
    resource = read.resource(arn)
    row = read.one(store.SELECT_MAPPING, arn)
    visibility_ms = None if resource is None else longer_visibility_ms(read, resource.config)
    if row is None:
        return MappingView(resource, visibility_ms=visibility_ms)
    polling, window_end_ms, allowed, growing_ms, in_flight, has_collected = row
    collected = tuple(Held(*item) for item in read.all(store.SELECT_COLLECTED, arn)) if has_collected else ()
    scale = AT_REST if allowed is None and growing_ms is None else Scale(allowed, growing_ms)
    return MappingView(
        resource, bool(polling), window_end_ms, in_flight, collected, visibility_ms, known=True, scale=scale
    )


def longer_visibility_ms(read: Reader, settings: MappingSettings) -> int | None:
    """Window + function timeout + 30 s, when window + timeout is more than the queue's visibility timeout.

    None: the queue's own holds. Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
    """
    if settings.window_ms == 0:
        return None
    function, source = read.resource(settings.function_arn), read.describe(settings.source_arn)
    if function is None or source is None or source.visibility_timeout_ms is None:
        return None
    needed = settings.window_ms + int(function.config.timeout_ms)
    return needed + limits.WINDOW_VISIBILITY_MARGIN_MS if needed > source.visibility_timeout_ms else None


# --- decisions ----------------------------------------------------------------------------------


def decide_polled(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Take the records that a poll brought; a mapping that is off lets them go."""
    command: Polled = entry.command
    decision = Decision()
    answered = altered(view, polling=False)
    if not view.active:
        if command.records:
            details = {
                "reason": "the mapping is disabled or gone",
                "records": [item.id for item in command.records],
            }
            note = Note(ids.row_id(), "RecordsReleased", entry.arn, command.records[0].id, entry.cause, details)
            decision.notes.append(note)
        decision.writes.append(state_write(entry.arn, answered))
        return decision
    assert view.resource is not None
    settings: MappingSettings = view.resource.config
    records = command.records
    if settings.filters and records:
        revision = view.resource.revision
        records = drop(decision, settings, records, revision=revision, cause=entry.cause, ids=ids)
    if view.scale is not AT_REST:
        since_ms = _polled_ms(entry, now_ms)
        rested = scaling.rested(view.scale, settings.bounds, since_ms=since_ms, now_ms=now_ms, in_flight=view.in_flight)
        answered = altered(answered, scale=rested)
    fresh = [hold(record, now_ms=now_ms) for record in records]
    proceed(decision, view, answered, fresh, cause=entry.cause, now_ms=now_ms, ids=ids)
    return decision


def _polled_ms(entry: Entry, now_ms: int) -> int:
    """When the poll was made that this entry answers; polls of earlier versions do not say it."""
    at = (entry.request or "").removeprefix(POLL).removeprefix(":")
    return int(at) if at else now_ms


def decide_window_ended(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Invoke with what was collected: the window is over."""
    return _go_on(view, entry.cause, now_ms=now_ms, ids=ids)


def decide_poll_again(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Poll a source again that refused the last poll."""
    return _go_on(view, entry.cause, now_ms=now_ms, ids=ids)


def decide_scale_up(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Poll again, since one more batch may be in flight."""
    return _go_on(view, entry.cause, now_ms=now_ms, ids=ids)


def poll_refused(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The source does not answer polls (it is gone): note it and try again in a minute."""
    refused: Refused = entry.command
    details = {
        "code": refused.code,
        "message": refused.message,
        "retry_at_ms": now_ms + REFUSED_POLL_DELAY_MS,
    }
    note = Note(ids.row_id(), "PollRefused", entry.arn, entry.arn, entry.cause, details)
    decision = Decision(writes=[state_write(entry.arn, altered(view, polling=False))], notes=[note])
    if view.active:
        again = Timer(POLL_TIMER, now_ms + REFUSED_POLL_DELAY_MS, PollAgain(), note.id, background=True)
        decision.effects.append(again)
    return decision


def _go_on(view: MappingView, cause: int, *, now_ms: int, ids: Ids) -> Decision:
    decision = Decision()
    if view.active:
        proceed(decision, view, view, [], cause=cause, now_ms=now_ms, ids=ids)
    return decision


def proceed(
    decision: Decision,
    stored: MappingView,
    state: MappingView,
    fresh: list[Held],
    *,
    cause: int,
    now_ms: int,
    ids: Ids,
    reason: str = "",
) -> None:
    """Start the batches that are complete or due, keep the rest, and poll when there is room.

    `stored` is the state as the database has it, `state` what has become of it; `fresh` are new records;
    `reason` is why fewer batches than before may be in flight, if it is an error.
    """
    assert state.resource is not None
    settings: MappingSettings = state.resource.config
    waiting, in_flight, window_end = [*state.collected, *fresh], state.in_flight, state.window_end_ms
    if waiting and settings.window_ms and window_end is None:
        window_end = now_ms + settings.window_ms
        decision.effects.append(Timer(WINDOW_TIMER, window_end, WindowEnded(), waiting[0].cause))
    due = not settings.window_ms or (window_end is not None and now_ms >= window_end)
    taken, allowed = 0, scaling.allowed_at(state.scale, settings.bounds, now_ms)
    while taken < len(waiting) and in_flight < allowed:
        rest = waiting[taken:] if taken else waiting
        size = fitting(rest, settings.batch_size)
        if not (due or size == settings.batch_size or size < len(rest)):
            break
        _start_batch(decision, settings, rest[:size], now_ms=now_ms, ids=ids)
        taken, in_flight = taken + size, in_flight + 1
    _keep(decision, settings, waiting, taken)
    left = len(waiting) - taken
    if not left and window_end is not None:
        window_end = None
        decision.effects.append(CancelTimer(WINDOW_TIMER))
    polling, scale = state.polling, state.scale
    if not polling and in_flight >= allowed:
        scale = scaling.saturated(scale, settings.bounds, now_ms)
        due_ms = scaling.next_growth_ms(scale, settings.bounds)
        if due_ms is not None:
            decision.effects.append(Timer(SCALE_TIMER, due_ms, ScaleUp(), cause, background=True))
        note_scale(decision, settings, stored.scale, scale, reason, cause=cause, ids=ids)
    elif not polling:
        assert not left or settings.window_ms, "without a window nothing waits while there is room"
        _poll(decision, settings, state, left, window_end, cause=cause, now_ms=now_ms)
        polling = True
    before = (stored.polling, stored.window_end_ms, stored.scale)
    if not stored.known or (polling, window_end, scale) != before:
        after = altered(state, polling=polling, window_end_ms=window_end, scale=scale)
        decision.writes.append(state_write(settings.arn, after))


def note_scale(
    decision: Decision, settings: MappingSettings, before: Scale, after: Scale, reason: str, *, cause: int, ids: Ids
) -> None:
    """A row that says how many batches may be in flight now, if the number is another one than before. It is
    written when all that may be in flight is: only then does the number matter."""
    initial = settings.bounds.initial
    old = initial if before.allowed is None else before.allowed
    new = initial if after.allowed is None else after.allowed
    if old != new:
        calm = "a backlog lasts" if new > old else "the source had nothing for a while"
        details = {"from": old, "to": new, "reason": reason or calm}
        decision.notes.append(Note(ids.row_id(), "MappingScaled", settings.arn, settings.uuid, cause, details))


def _start_batch(decision: Decision, settings: MappingSettings, batch: list[Held], *, now_ms: int, ids: Ids) -> None:
    batch_id = ids.row_id()
    event = payload(event_text(batch))
    details: dict[str, Any] = {
        "function": settings.function_arn,
        "source": settings.source_arn,
        "records": [record.id for record in batch],
        "causes": [record.cause for record in batch],
        "payload": event.digest,
    }
    decision.payloads.append(event)
    decision.notes.append(Note(batch_id, "BatchStarted", settings.arn, f"batch-{batch_id}", batch[0].cause, details))
    pairs = to_json([[record.id, record.receipt] for record in batch])
    claimed_ms = min(record.claimed_ms for record in batch)
    row = (batch_id, settings.arn, event.digest, pairs, claimed_ms)
    decision.writes.append(Write(store.INSERT_BATCH, row))
    decision.effects.append(invoke(settings, batch_id, event.digest, cause=batch_id))


def invoke(settings: MappingSettings, batch_id: int, digest: str, *, cause: int) -> Call:
    """The synchronous invocation of a batch; the answer comes to the mapping as `batch:ID`."""
    run = Run(digest, source=settings.arn)
    return Call(settings.function_arn, run, cause, ReplyTo(settings.arn, f"batch:{batch_id}"))


def _keep(decision: Decision, settings: MappingSettings, waiting: list[Held], taken: int) -> None:
    """Make the rows of collected records say what still waits after the first `taken`."""
    last_seq = max((record.seq for record in waiting[:taken]), default=0)
    if last_seq:
        decision.writes.append(Write(store.DELETE_COLLECTED, (settings.arn, last_seq)))
    new = [record for record in waiting[taken:] if not record.seq]
    if new:
        rows = [
            (settings.arn, record.id, record.receipt, record.json, record.cause, record.claimed_ms) for record in new
        ]
        decision.writes.append(Write(store.INSERT_COLLECTED, rows, many=True))


def _poll(
    decision: Decision,
    settings: MappingSettings,
    state: MappingView,
    left: int,
    window_end: int | None,
    *,
    cause: int,
    now_ms: int,
) -> None:
    poll = Poll(
        max_records=settings.batch_size - left,
        until_ms=window_end if left else None,
        visibility_timeout_ms=state.visibility_ms,
        null_md5_of_message_attributes=settings.window_ms > 0,
    )
    decision.effects.append(Call(settings.source_arn, poll, cause, ReplyTo(settings.arn, f"{POLL}:{now_ms}")))


def state_write(arn: str, view: MappingView) -> Write:
    """The write of a mapping's state."""
    scale = view.scale
    row = (arn, int(view.polling), view.window_end_ms, scale.allowed, scale.growing_ms)
    return Write(store.PUT_MAPPING, row)

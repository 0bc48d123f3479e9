"""Receiving: ReceiveMessage and Poll, the redrive that happens on the way, and waiting.

A receive takes the messages that selection.py found, hides them, and counts. A message that was
returned `max_receive_count` times in this queue is moved to the dead-letter queue instead of being returned,
and the receive goes on with the next. When nothing is left to return, the request may wait: it is parked
under the queue's ARN, due when the earliest hidden message appears, and woken by every send.

Source: Amazon SQS Developer Guide, "Amazon SQS visibility timeout", "short and long polling", "dead-letter
queues"; Amazon SQS API Reference, ReceiveMessage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...aws.contracts import Poll, Polled, Record
from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import PARKED, Decision, Note, Park, Refused, Timer, Wake, Write
from ...kernel.fixed import altered, fixed
from ...kernel.ids import Ids
from . import errors, receipts
from .commands import ExpireMessages, Message, ReceiveMessage, ReceiveResult
from .config import QueueSettings, Redrive
from .fifo_store import FORGET_OLD_ATTEMPTS, MOVE_FIFO, PROMOTE, SET_ATTEMPT, SET_SEQUENCE
from .records import SYSTEM_ATTRIBUTES, event_record, received_message
from .selection import DeadLetterQueue, ReceiveView, is_exhausted, wanted
from .send import RETENTION_TIMER, WAKE_ALL
from .sequence import is_id
from .store import DELETE, HIDE, MOVE, SET_SWEEP, Candidate, Parameters

OVER_LIMIT_RECHECK_MS = 1000
_RECORD_BYTES = 2048
"""More than a record has beside its body and the text of its message attributes."""

# --- decisions ----------------------------------------------------------------------------------


@fixed
class Taken:
    """A message that is being received: its handle, count and times now, and the trace row of it."""

    message: Candidate
    handle: str
    receive_count: int
    first_received_ms: int
    cause: int


def decide_receive(view: ReceiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ReceiveMessage: replies with ReceiveResult, at once or when a message has come."""
    command: ReceiveMessage = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    settings: QueueSettings = view.queue.config
    problem = _check(command, settings)
    if problem is not None:
        return Decision(reply=problem)
    until_ms = command.until_ms
    if until_ms is None:
        wait_s = command.wait_time_seconds
        until_ms = now_ms + (settings.wait_ms if wait_s is None else 1000 * wait_s)
    full = view.room <= 0 and bool(view.candidates)
    if full and until_ms <= now_ms and command.until_ms is None and not settings.fifo:
        return Decision(reply=errors.over_limit())

    def shape(taken: Taken) -> Message:
        return received_message(
            taken.message,
            handle=taken.handle,
            receive_count=taken.receive_count,
            first_received_ms=taken.first_received_ms,
            attribute_names=command.attribute_names,
            message_attribute_names=command.message_attribute_names,
        )

    hide_ms = settings.visibility_timeout_ms
    if command.visibility_timeout is not None:
        hide_ms = 1000 * command.visibility_timeout
    if view.repeated:
        return _repeat(view, entry, hide_ms, shape, now_ms=now_ms, ids=ids)
    decision, messages = _receive(view, entry, wanted(command), hide_ms, shape, now_ms=now_ms, ids=ids)
    if messages or until_ms <= now_ms:
        decision.reply = ReceiveResult(tuple(messages))
        if messages and command.receive_request_attempt_id is not None:
            _remember(decision, entry, messages, now_ms + hide_ms, now_ms=now_ms)
    else:
        _wait(decision, view, entry, altered(command, until_ms=until_ms), until_ms, now_ms=now_ms)
    return decision


def decide_poll(view: ReceiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Poll: replies with Polled, its records shaped for Lambda and not longer than an invocation's payload
    altogether, unless a single one is."""
    command: Poll = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    if view.gone:
        # A mapping that was disabled or removed; whoever waits behind it takes what it was woken for.
        return Decision(reply=Polled(()), effects=[Wake(entry.arn)])
    settings: QueueSettings = view.queue.config
    hide_ms = command.visibility_timeout_ms
    if hide_ms is None:
        hide_ms = settings.visibility_timeout_ms

    def shape(taken: Taken) -> Record:
        text = event_record(
            entry.arn,
            taken.message,
            handle=taken.handle,
            receive_count=taken.receive_count,
            first_received_ms=taken.first_received_ms,
            null_md5=command.null_md5_of_message_attributes,
        )
        group = None if taken.message.sequence is None else taken.message.group_id
        return Record(taken.message.message_id, taken.handle, text, taken.cause, group)

    fitting = _within_payload(view.candidates, settings.redrive)
    if fitting is not view.candidates:
        view = altered(view, candidates=fitting)
    decision, records = _receive(view, entry, wanted(command), hide_ms, shape, now_ms=now_ms, ids=ids)
    if records or (command.until_ms is not None and command.until_ms <= now_ms):
        decision.reply = Polled(tuple(records))
    else:
        _wait(decision, view, entry, command, command.until_ms, now_ms=now_ms)
    return decision


def _within_payload(candidates: tuple[Candidate, ...], redrive: Redrive | None) -> tuple[Candidate, ...]:
    """The first candidates whose records fit into one invocation; at least one."""
    # In JSON a character takes at most twice its bytes, so that small messages need no closer look.
    if sum(2 * message.size + _RECORD_BYTES for message in candidates) <= SQS.polled_bytes:
        return candidates
    total = 0
    for place, message in enumerate(candidates):
        if is_exhausted(message, redrive):
            continue
        total += len(to_json(message.body).encode()) + 2 * len(message.attributes or "") + _RECORD_BYTES
        if total > SQS.polled_bytes and place:
            return candidates[:place]
    return candidates


def _receive(
    view: ReceiveView,
    entry: Entry,
    wanted: int,
    hide_ms: int,
    shape: Callable[[Taken], Any],
    *,
    now_ms: int,
    ids: Ids,
) -> tuple[Decision, list[Any]]:
    """Hide and count up to `wanted` messages, move the exhausted ones; `shape` makes each answer."""
    assert view.queue is not None
    queue = entry.arn
    redrive: Redrive | None = view.queue.config.redrive
    visible_ms = now_ms + hide_ms
    most = min(wanted, view.room)
    answers: list[Any] = []
    rows: list[Parameters] = []
    moved: list[Candidate] = []
    decision = Decision()
    notes = decision.notes
    for message in view.candidates:
        if len(answers) >= most:
            break
        not_moved = ""
        if redrive is not None and is_exhausted(message, redrive):
            if view.dead_letter is not None:
                moved.append(message)
                continue
            not_moved = f"the dead-letter queue {redrive.dead_letter_arn} does not exist"
        count = message.receive_count + 1
        first_ms = now_ms if message.first_received_ms is None else message.first_received_ms
        handle = receipts.issue(queue, message.seq, count, ids)
        row_id = ids.row_id()
        details: dict[str, Any] = {
            "receive_count": count,
            "visible_ms": visible_ms,
            "receipt": handle[4:12],
            "by": entry.cause,
        }
        if not_moved:
            details["not_moved"] = not_moved
        notes.append(Note(row_id, "MessageReceived", queue, message.message_id, message.cause, details))
        rows.append((visible_ms, count, first_ms, now_ms, row_id, message.seq))
        answers.append(shape(Taken(message, handle, count, first_ms, row_id)))
    if rows:
        decision.writes.append(Write(HIDE, rows, many=True))
        decision.effects.append(Wake(queue, WAKE_ALL, visible_ms))
    if moved:
        assert redrive is not None and view.dead_letter is not None
        _move(decision, moved, entry, redrive, view.dead_letter, now_ms=now_ms, ids=ids)
    return decision, answers


def _move(
    decision: Decision,
    moved: list[Candidate],
    entry: Entry,
    redrive: Redrive,
    target: DeadLetterQueue,
    *,
    now_ms: int,
    ids: Ids,
) -> None:
    """Move exhausted messages: same id, body, attributes, time of sending and count; another queue.

    On FIFO queues the time of sending, the number and the deduplication id are new ones."""
    rows: list[Parameters] = []
    for message in moved:
        count, most = message.receive_count - message.receives_before, redrive.max_receive_count
        details = {
            "dead_letter_queue": target.arn,
            "receive_count": message.receive_count,
            "max_receive_count": most,
            "reason": f"received {count} times and not deleted; max_receive_count is {most}",
            "by": entry.cause,
        }
        note = Note(
            ids.row_id(),
            "MessageMovedToDeadLetterQueue",
            entry.arn,
            message.message_id,
            message.cause,
            details,
        )
        decision.notes.append(note)
        rows.append((target.arn, now_ms, entry.arn, note.id, message.seq))
    decision.effects.append(Wake(target.arn, len(moved)))
    if moved[0].sequence is None:
        decision.writes.append(Write(MOVE, rows, many=True))
        # A standard queue's message ages from when it was first sent, also in the dead-letter queue.
        expires_ms = max(now_ms, min(message.sent_ms for message in moved) + target.retention_ms)
    else:
        copies = [(*row[:-1], target.last_sequence + place, row[-1]) for place, row in enumerate(rows, start=1)]
        groups = dict.fromkeys(message.group_id for message in moved)
        decision.writes += [
            Write(MOVE_FIFO, copies, many=True),
            Write(SET_SEQUENCE, (target.arn, target.last_sequence + len(copies))),
            Write(DELETE, [(message.seq,) for message in moved], many=True),
            Write(PROMOTE, [(entry.arn, group) for group in groups], many=True),
        ]
        expires_ms = now_ms + target.retention_ms
    if target.sweep_ms is None or expires_ms < target.sweep_ms:
        decision.writes.append(Write(SET_SWEEP, (target.arn, expires_ms)))
        decision.effects.append(
            Timer(RETENTION_TIMER, expires_ms, ExpireMessages(), 0, arn=target.arn, background=True)
        )


def _wait(
    decision: Decision,
    view: ReceiveView,
    entry: Entry,
    command: ReceiveMessage | Poll,
    until_ms: int | None,
    *,
    now_ms: int,
) -> None:
    """Park the request until something appears, or its time is over."""
    recheck_ms = view.next_visible_ms
    if view.room <= 0:
        # A message in flight may be deleted at any time, and nothing would wake this request then.
        soon_ms = now_ms + OVER_LIMIT_RECHECK_MS
        recheck_ms = soon_ms if recheck_ms is None else min(recheck_ms, soon_ms)
    elif view.more:
        # All that was looked at has been moved, and there is more to look at.
        recheck_ms = now_ms
    decision.reply = PARKED
    decision.effects.append(Park(entry.arn, command, until_ms, recheck_ms))


# --- repeated receives --------------------------------------------------------------------------


def _repeat(
    view: ReceiveView,
    entry: Entry,
    hide_ms: int,
    shape: Callable[[Taken], Message],
    *,
    now_ms: int,
    ids: Ids,
) -> Decision:
    """Answer a retry of a receive with the same messages and handles; their timeout starts again."""
    decision = Decision()
    visible_ms = now_ms + hide_ms
    messages: list[Message] = []
    rows: list[Parameters] = []
    for message, handle in view.repeated:
        details = {"receive_count": message.receive_count, "visible_ms": visible_ms, "by": entry.cause}
        note = Note(ids.row_id(), "ReceiveRepeated", entry.arn, message.message_id, message.cause, details)
        assert message.first_received_ms is not None, "it was received"
        decision.notes.append(note)
        rows.append((visible_ms, message.receive_count, message.first_received_ms, now_ms, note.id, message.seq))
        messages.append(shape(Taken(message, handle, message.receive_count, message.first_received_ms, note.id)))
    decision.writes.append(Write(HIDE, rows, many=True))
    decision.effects.append(Wake(entry.arn, WAKE_ALL, visible_ms))
    decision.writes.append(_attempt(entry, messages, visible_ms, view.repeated_until_ms))
    decision.reply = ReceiveResult(tuple(messages))
    return decision


def _remember(decision: Decision, entry: Entry, messages: list[Message], visible_ms: int, *, now_ms: int) -> None:
    """Keep what this attempt got, for 5 minutes."""
    decision.writes.append(Write(FORGET_OLD_ATTEMPTS, (entry.arn, now_ms)))
    decision.writes.append(_attempt(entry, messages, visible_ms, now_ms + 1000 * SQS.receive_attempt_s))


def _attempt(entry: Entry, messages: list[Message], visible_ms: int, until_ms: int) -> Write:
    got: list[list[Any]] = []
    for message in messages:
        receipt = receipts.read(entry.arn, message.receipt_handle)
        assert receipt is not None, "the handle is our own"
        got.append([receipt.seq, message.receipt_handle, visible_ms])
    return Write(SET_ATTEMPT, (entry.arn, entry.command.receive_request_attempt_id, until_ms, to_json(got)))


def _check(command: ReceiveMessage, settings: QueueSettings) -> Refused | None:
    number, allowed = command.max_number_of_messages, SQS.received_messages
    if number not in allowed:
        reason = f"Must be between {allowed.low} and {allowed.high}, if provided."
        return errors.invalid_parameter("MaxNumberOfMessages", number, reason)
    wait_s, waits = command.wait_time_seconds, SQS.wait_time_s
    if wait_s is not None and wait_s not in waits:
        reason = f"Must be >= {waits.low} and <= {waits.high}, if provided."
        return errors.invalid_parameter("WaitTimeSeconds", wait_s, reason)
    hide_s = command.visibility_timeout
    if hide_s is not None and hide_s not in SQS.visibility_timeout_s:
        return errors.visibility_out_of_range(hide_s)
    attempt = command.receive_request_attempt_id
    if attempt is not None and not settings.fifo:
        return errors.not_for_this_queue("ReceiveRequestAttemptId", attempt, includes="includes a")
    if attempt is not None and not is_id(attempt):
        return errors.invalid_id("ReceiveRequestAttemptId", attempt)
    for name in command.attribute_names:
        if name not in SYSTEM_ATTRIBUTES:
            return errors.unknown_attribute(name)
    return None

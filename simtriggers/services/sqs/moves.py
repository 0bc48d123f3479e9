"""Dead-letter redrive: tasks that move the messages of a dead-letter queue to where they came from.

A task is a row and a timer. Each second it moves as many messages as its rate allows, those that are visible and
were there when it began; in FIFO queues each group in its order. A moved message is a new one, with a new id. The
task goes on after a restart, since row and timer are stored.

Source: Amazon SQS Developer Guide, "Dead-letter queue redrive"; Amazon SQS API Reference, StartMessageMoveTask,
CancelMessageMoveTask, ListMessageMoveTasks.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Timer, Wake, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import errors
from .commands import (
    CancelMessageMoveTask,
    ExpireMessages,
    ListMessageMoveTasks,
    MoveMessages,
    MoveTask,
    MoveTaskCancelled,
    MoveTasks,
    MoveTaskStarted,
    StartMessageMoveTask,
)
from .config import KIND
from .fifo_store import (
    ACTIVE_TASKS,
    DIGESTS,
    INSERT_TASK,
    LATEST_SEQ,
    PROMOTE,
    REDRIVE,
    SET_SEQUENCE,
    TASK,
    TASKS,
    UPDATE_TASK,
    TaskRow,
)
from .selection import ready
from .send import RETENTION_TIMER, WAKE_ALL
from .sequence import sequence_number
from .store import COUNTS, DELETE, SET_SWEEP, STATE, VISIBLE, Candidate, candidates

RUNNING, COMPLETED, CANCELLING, CANCELLED, FAILED = "RUNNING", "COMPLETED", "CANCELLING", "CANCELLED", "FAILED"
TRANSITIONS: Mapping[tuple[str, str], str] = {
    (RUNNING, "moved"): RUNNING,
    (RUNNING, "nothing left"): COMPLETED,
    (RUNNING, "cancel"): CANCELLING,
    (RUNNING, "failed"): FAILED,
    (CANCELLING, "stop"): CANCELLED,
}
"""What becomes of a task, by its status and what happens; anything else cannot happen."""
ACTIVE = (RUNNING, CANCELLING)

TICK_MS = 1000
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
NO_SOURCE = "CouldNotDetermineMessageSource"
TOO_LONG = "MoveTaskTimedOut"


def following(status: str, event: str) -> str:
    """The status after an event. Raises AssertionError for one that cannot happen."""
    assert (status, event) in TRANSITIONS, f"a move task that is {status} cannot be told: {event}"
    return TRANSITIONS[status, event]


def task_handle(task_id: str, source: str) -> str:
    """The handle of a task: Base64 of a small JSON document, as AWS's is."""
    return base64.b64encode(to_json({"taskId": task_id, "sourceArn": source}).encode()).decode()


def read_handle(handle: str) -> tuple[str, str] | None:
    """The task id and source ARN of a handle, or None for a text that is none."""
    try:
        found = json.loads(base64.b64decode(handle.encode(), validate=True))
        return str(found["taskId"]), str(found["sourceArn"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


# --- start --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartView:
    """The source, whether some queue uses it as dead-letter queue, the destination if one is named, the sources of
    all active tasks, how many messages there are to move, and the latest message."""

    source: Resource | None
    used: bool = False
    destination: Resource | None = None
    active: tuple[str, ...] = ()
    to_move: int = 0
    last_seq: int = 0


def view_start(read: Reader, entry: Entry) -> StartView:
    """What StartMessageMoveTask checks."""
    command: StartMessageMoveTask = entry.command
    source = read.resource(entry.arn)
    if source is None:
        return StartView(None)
    sources = (queue.config.redrive for queue in read.resources(KIND))
    used = any(redrive is not None and redrive.dead_letter_arn == entry.arn for redrive in sources)
    counts = read.one(COUNTS, read.now_ms, entry.arn, read.now_ms - source.config.retention_ms)
    latest = read.one(LATEST_SEQ)
    return StartView(
        source,
        used,
        None if command.destination_arn is None else read.resource(command.destination_arn),
        tuple(row[0] for row in read.all(ACTIVE_TASKS)),
        int(counts[0]) if counts else 0,
        (latest[0] or 0) if latest else 0,
    )


def decide_start(view: StartView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """StartMessageMoveTask: replies with MoveTaskStarted; the first messages move a second later."""
    command: StartMessageMoveTask = entry.command
    problem = _check_start(view, entry)
    if problem is not None:
        return Decision(reply=problem)
    task_id = ids.uuid("sqs.move_task")
    rate = command.max_number_of_messages_per_second
    details = {
        "destination": command.destination_arn,
        "messages": view.to_move,
        "per_second": rate,
    }
    note = Note(ids.row_id(), "MoveTaskStarted", entry.arn, task_id, entry.cause, details)
    row = (task_id, entry.arn, command.destination_arn, rate, RUNNING, view.to_move, view.last_seq, now_ms, note.id)
    return Decision(
        reply=MoveTaskStarted(task_handle(task_id, entry.arn)),
        writes=[Write(INSERT_TASK, row)],
        effects=[_timer(task_id, now_ms + TICK_MS, note.id)],
        notes=[note],
    )


def _timer(task_id: str, at_ms: int, cause: int) -> Timer:
    return Timer(f"move:{task_id}", at_ms, MoveMessages(task_id), cause)


def _check_start(view: StartView, entry: Entry) -> Refused | None:
    """Unverified: the texts for the rate, for queues of two types, for one queue as both, and for 100 tasks."""
    command: StartMessageMoveTask = entry.command
    if view.source is None:
        return errors.no_such_parameter_resource("SourceArn")
    rate, allowed = command.max_number_of_messages_per_second, SQS.moved_per_second
    if rate is not None and rate not in allowed:
        reason = f"Must be between {allowed.low} and {allowed.high}, if provided."
        return errors.invalid_parameter("MaxNumberOfMessagesPerSecond", rate, reason)
    if not view.used:
        return errors.invalid_value("Source queue must be configured as a Dead Letter Queue.")
    if command.destination_arn is not None:
        if view.destination is None:
            return errors.no_such_parameter_resource("DestinationArn")
        if command.destination_arn == entry.arn:
            return errors.invalid_value("Source queue arn and destination queue arn cannot be the same.")
        if view.destination.config.fifo != view.source.config.fifo:
            return errors.invalid_value("The source queue and destination queue must be of the same queue type.")
    if entry.arn in view.active:
        return errors.invalid_value(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
        )
    if len(view.active) >= SQS.move_tasks:
        return errors.invalid_value(f"There are already {SQS.move_tasks} active tasks in this account.")
    return None


# --- cancel and list ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TasksView:
    """Whether the queue exists, and tasks of it: the one a handle means, or the latest."""

    exists: bool
    tasks: tuple[TaskRow, ...] = ()


def view_cancel(read: Reader, entry: Entry) -> TasksView:
    """The task of a handle."""
    command: CancelMessageMoveTask = entry.command
    meant = read_handle(command.task_handle)
    row = None if meant is None else read.one(TASK, entry.arn, meant[0])
    return TasksView(read.resource(entry.arn) is not None, (TaskRow._make(row),) if row else ())


def decide_cancel(view: TasksView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CancelMessageMoveTask: replies with MoveTaskCancelled; the task ends at its next turn."""
    command: CancelMessageMoveTask = entry.command
    meant = read_handle(command.task_handle)
    if meant is None:
        return Decision(reply=errors.bad_task_handle())
    if not view.exists or meant[1] != entry.arn:
        return Decision(reply=errors.no_such_parameter_resource("SourceArn"))
    if not view.tasks:
        return Decision(reply=errors.no_such_task())
    (task,) = view.tasks
    if task.status != RUNNING:
        return Decision(reply=errors.invalid_value("Only active tasks can be cancelled."))
    note = Note(ids.row_id(), "MoveTaskCancelling", entry.arn, task.task_id, task.cause, {"by": entry.cause})
    return Decision(
        reply=MoveTaskCancelled(task.moved),
        writes=[_update(task, following(task.status, "cancel"), note.id)],
        notes=[note],
    )


def _update(task: TaskRow, status: str, cause: int, *, moved: int | None = None, failure: str | None = None) -> Write:
    return Write(UPDATE_TASK, (status, task.moved if moved is None else moved, failure, cause, task.task_id))


def view_list(read: Reader, entry: Entry) -> TasksView:
    """The latest tasks."""
    command: ListMessageMoveTasks = entry.command
    rows = read.all(TASKS, entry.arn, max(1, command.max_results))
    return TasksView(read.resource(entry.arn) is not None, tuple(map(TaskRow._make, rows)))


def decide_list(view: TasksView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListMessageMoveTasks: replies with MoveTasks."""
    command: ListMessageMoveTasks = entry.command
    if not view.exists:
        return Decision(reply=errors.no_such_parameter_resource("SourceArn"))
    most, allowed = command.max_results, SQS.listed_move_tasks
    if most not in allowed:
        reason = f"Must be between {allowed.low} and {allowed.high}, if provided."
        return Decision(reply=errors.invalid_parameter("MaxResults", most, reason))
    return Decision(reply=MoveTasks(tuple(map(_shown, view.tasks))))


def _shown(task: TaskRow) -> MoveTask:
    return MoveTask(
        task.status,
        task.source,
        task.destination,
        task.moved,
        task.to_move,
        task.started_ms,
        task.per_second,
        task.failure_reason,
        task_handle(task.task_id, task.source) if task.status == RUNNING else None,
    )


# --- moving -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """A queue that gets messages: its delay, retention, retention timer, and its latest FIFO number."""

    arn: str
    fifo: bool
    delay_ms: int
    retention_ms: int
    sweep_ms: int | None
    last_sequence: int


@dataclass(frozen=True, slots=True)
class MoveView:
    """A task (None: there is none any more), whether its queue exists, the messages of its next turn and whether
    there are more, the queues they go to by ARN (those that do not exist are missing), and the digests of the
    messages' bodies by seq."""

    task: TaskRow | None
    exists: bool = True
    messages: tuple[Candidate, ...] = ()
    more: bool = False
    targets: Mapping[str, Target] = field(default_factory=dict)
    digests: Mapping[int, str] = field(default_factory=dict)


def view_move(read: Reader, entry: Entry) -> MoveView:
    """The next messages of a running task."""
    command: MoveMessages = entry.command
    row = read.one(TASK, entry.arn, command.task_id)
    if row is None:
        return MoveView(None)
    task, source = TaskRow._make(row), read.resource(entry.arn)
    if source is None or task.status != RUNNING:
        return MoveView(task, source is not None)
    count = task.per_second or SQS.moved_per_second.high
    expired_ms = read.now_ms - source.config.retention_ms
    if source.config.fifo:
        found = ready(read, entry.arn, count + 1, expired_ms, None)[0]
    else:
        rows = read.all(VISIBLE, entry.arn, -1, -1, read.now_ms, expired_ms, count + 1)
        found = candidates(read, rows)
    found = [message for message in found if message.seq <= task.last_seq]
    messages = tuple(found[:count])
    arns = dict.fromkeys(task.destination or message.dead_letter_source for message in messages)
    targets = {arn: target for arn in arns if arn is not None and (target := _target(read, arn)) is not None}
    digests: dict[int, str] = dict(read.all(DIGESTS, to_json([message.seq for message in messages])))
    return MoveView(task, True, messages, len(found) > count, targets, digests)


def _target(read: Reader, arn: str) -> Target | None:
    queue = read.resource(arn)
    if queue is None:
        return None
    state = read.one(STATE, arn)
    sweep_ms, last_sequence = (state[0], state[2] or 0) if state else (None, 0)
    settings = queue.config
    return Target(arn, settings.fifo, settings.delay_ms, settings.retention_ms, sweep_ms, last_sequence)


def decide_move(view: MoveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """MoveMessages: one turn of a task. The task ends when nothing is left, when it was cancelled, when a message
    has nowhere to go, or after 36 hours."""
    task = view.task
    if task is None or task.status not in ACTIVE:
        return Decision()
    decision = Decision()
    if task.status == CANCELLING:
        return _end(decision, task, entry, "stop", ids)
    if not view.exists:
        return _end(decision, task, entry, "failed", ids, failure=NO_QUEUE)
    if now_ms - task.started_ms >= 1000 * SQS.move_task_s:
        return _end(decision, task, entry, "failed", ids, failure=TOO_LONG)
    moved, failure = _move(decision, view, task, entry, now_ms=now_ms, ids=ids)
    task = task._replace(moved=task.moved + moved)
    if failure is not None:
        return _end(decision, task, entry, "failed", ids, failure=failure)
    if not view.more:
        return _end(decision, task, entry, "nothing left", ids)
    decision.writes.append(_update(task, following(task.status, "moved"), task.cause))
    decision.effects.append(_timer(task.task_id, now_ms + TICK_MS, task.cause))
    return decision


def _end(
    decision: Decision, task: TaskRow, entry: Entry, event: str, ids: Ids, *, failure: str | None = None
) -> Decision:
    status = following(task.status, event)
    details: dict[str, object] = {"status": status, "moved": task.moved}
    if failure is not None:
        details["failure_reason"] = failure
    note = Note(ids.row_id(), "MoveTaskEnded", entry.arn, task.task_id, task.cause, details)
    decision.notes.append(note)
    decision.writes.append(_update(task, status, note.id, failure=failure))
    return decision


def _move(
    decision: Decision, view: MoveView, task: TaskRow, entry: Entry, *, now_ms: int, ids: Ids
) -> tuple[int, str | None]:
    """Move the messages of a turn, up to one that has nowhere to go; returns how many, and what stopped it."""
    targets = dict(view.targets)
    deleted: list[tuple[int]] = []
    groups: dict[str, tuple[str, str]] = {}
    failure: str | None = None
    for message in view.messages:
        arn = task.destination or message.dead_letter_source
        target = None if arn is None else targets.get(arn)
        if target is None:
            failure = NO_SOURCE if arn is None else NO_QUEUE
            break
        if target.fifo:
            target = targets[target.arn] = replace(target, last_sequence=target.last_sequence + 1)
        _renew(decision, message, view.digests[message.seq], task, target, entry, now_ms=now_ms, ids=ids)
        deleted.append((message.seq,))
        if message.sequence is not None and message.group_id is not None:
            groups[message.group_id] = (entry.arn, message.group_id)
    if deleted:
        decision.writes.append(Write(DELETE, deleted, many=True))
    if groups:
        decision.writes.append(Write(PROMOTE, list(groups.values()), many=True))
    for arn in dict.fromkeys(
        task.destination or message.dead_letter_source for message in view.messages[: len(deleted)]
    ):
        assert arn is not None, "a message without a way back is not moved"
        _arrive(decision, targets[arn], now_ms=now_ms)
    return len(deleted), failure


def _renew(
    decision: Decision,
    message: Candidate,
    digest: str,
    task: TaskRow,
    target: Target,
    entry: Entry,
    *,
    now_ms: int,
    ids: Ids,
) -> None:
    """One message goes, and a new one with its content comes to the target."""
    message_id = ids.uuid("sqs.message_id")
    gone = {"destination": target.arn, "message_id": message_id, "by": task.cause}
    redriven = Note(ids.row_id(), "MessageRedriven", entry.arn, message.message_id, message.cause, gone)
    details: dict[str, object] = {"payload": digest, "size": message.size}
    if message.group_id is not None:
        details["message_group_id"] = message.group_id
    if target.delay_ms:
        details["visible_ms"] = now_ms + target.delay_ms
    number = target.last_sequence if target.fifo else None
    if number is not None:
        details["sequence_number"] = sequence_number(number)
    sent = Note(ids.row_id(), "MessageSent", target.arn, message_id, redriven.id, details)
    decision.notes += [redriven, sent]
    row = (target.arn, message_id, now_ms, now_ms + target.delay_ms, sent.id, number, message.seq)
    decision.writes.append(Write(REDRIVE, row))


def _arrive(decision: Decision, target: Target, *, now_ms: int) -> None:
    """Messages have come to a queue: its number, its waiting polls, its retention timer."""
    if target.fifo:
        decision.writes.append(Write(SET_SEQUENCE, (target.arn, target.last_sequence)))
    decision.effects.append(Wake(target.arn, WAKE_ALL, now_ms + target.delay_ms))
    if target.sweep_ms is None:
        at_ms = now_ms + target.retention_ms
        decision.writes.append(Write(SET_SWEEP, (target.arn, at_ms)))
        decision.effects.append(Timer(RETENTION_TIMER, at_ms, ExpireMessages(), 0, arn=target.arn, background=True))

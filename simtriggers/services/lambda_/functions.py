"""Functions as resources: created, brought up to date, removed; and what a restart does to their runs.

Source: AWS Lambda API Reference, CreateFunction, UpdateFunctionConfiguration, PutFunctionConcurrency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...aws.contracts import PutResource, Restarted
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.codec import decode
from ...kernel.effects import CancelTimer, Decision, Note, Refused, Reply, ReplyTo, Timer, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import concurrency, limits, store
from .asynchronous import timer_key
from .attempts import SYNC, Invocation, save
from .commands import RetryEvent
from .config import FIFO_SUFFIX, check_variables
from .invocations import not_found
from .settings import FunctionSettings, parse_function
from .transitions import RUNNING

INTERRUPTED = Refused(
    "InvocationInterrupted", "The simulator was restarted while the function was running.", status=500
)


@dataclass(frozen=True, slots=True)
class FunctionView:
    """A function as it is now, its invocations, and the sum of all reserved concurrency."""

    current: Resource | None
    invocations: tuple[Invocation, ...]
    reserved_total: int


def view_function(read: Reader, entry: Entry) -> FunctionView:
    """Read what putting or removing a function needs."""
    rows = read.all(store.SELECT_OF_FUNCTION, entry.arn)
    total = read.one(store.SELECT_RESERVED_TOTAL)
    assert total is not None
    return FunctionView(read.resource(entry.arn), tuple(Invocation(*row) for row in rows), total[0])


def decide_put_function(view: FunctionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Create a function or bring it up to date; unchanged settings keep revision and environments."""
    command: PutResource = entry.command
    new = parse_function(command.config)
    current = view.current
    if current is not None and current.wired and current.config == new:
        return Decision(reply=current.revision)
    old_reserved = 0 if current is None else current.config.reserved or 0
    refused = check_function(command.config, new) or concurrency.check_reservation(
        new.reserved, others_total=view.reserved_total - old_reserved
    )
    if refused is not None:
        return Decision(reply=refused)
    put = store.put_resource(entry.arn, command, now_ms)
    decision = Decision(reply=1 if current is None else current.revision + 1, writes=[put], touched=[entry.arn])
    added = (new.reserved or 0) - old_reserved
    if added:
        decision.writes.append(Write(store.ADD_RESERVED, (added,)))
    return decision


def check_function(config: dict[str, Any], settings: FunctionSettings) -> Refused | None:
    """What AWS answers to settings out of range, and to FIFO queues where standard ones are needed.

    Source: AWS CloudFormation, AWS::Lambda::EventInvokeConfig DestinationConfig ("FIFO queues cannot be used");
    AWS Lambda API Reference, FunctionEventInvokeConfig ("standard SQS queue"). Unverified: the texts about FIFO
    queues.
    """
    for member, number, (least, most) in (
        ("timeout", config["timeout"], limits.TIMEOUT_S),
        ("memorySize", settings.memory_mb, limits.MEMORY_MB),
        ("maximumRetryAttempts", settings.maximum_retry_attempts, limits.MAXIMUM_RETRY_ATTEMPTS),
        ("maximumEventAgeInSeconds", config["maximum_event_age"], limits.MAXIMUM_EVENT_AGE_S),
    ):
        if not least <= number <= most:
            return out_of_range(member, number, least, most)
    try:
        check_variables(dict(settings.user_variables))
    except ValueError as error:
        message = f"Lambda was unable to configure your environment variables: {error}"
        return Refused("InvalidParameterValueException", message)
    for arn in (settings.on_success, settings.on_failure):
        if arn is not None and arn.endswith(FIFO_SUFFIX):
            return Refused("InvalidParameterValueException", f"The destination ARN {arn} is invalid.")
    if settings.dead_letter is not None and settings.dead_letter.endswith(FIFO_SUFFIX):
        message = f"Invalid dead letter ARN: {settings.dead_letter} is a FIFO queue."
        return Refused("InvalidParameterValueException", message)
    return None


def out_of_range(member: str, number: int, least: int, most: int) -> Refused:
    """What AWS answers to a number outside the range of the API's model."""
    bound = f"greater than or equal to {least}" if number < least else f"less than or equal to {most}"
    return Refused(
        "ValidationException",
        f"1 validation error detected: Value '{number}' at '{member}' failed to satisfy constraint:"
        f" Member must have value {bound}",
    )


def decide_remove_function(view: FunctionView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Delete a function: queued events are dropped, callers of running invocations are told so.

    A function that the project no longer declares is deleted as well: it holds no data.
    """
    current = view.current
    if current is None:
        return Decision(reply=not_found(entry.arn))
    decision = Decision(reply=current.revision, touched=[entry.arn])
    decision.writes = [
        resources.remove(entry.arn),
        Write(store.DELETE_OF_FUNCTION, (entry.arn,)),
        Write(store.DELETE_ENVIRONMENTS_OF_FUNCTION, (entry.arn,)),
    ]
    if current.config.reserved:
        decision.writes.append(Write(store.ADD_RESERVED, (-current.config.reserved,)))
    for row in view.invocations:
        row.moved("drop")
        noted = ids.row_id()
        if row.kind == SYNC:
            decision.notes.append(Note(noted, "InvocationInterrupted", entry.arn, row.request_id, row.cause))
            if row.reply_to is not None:
                decision.effects.append(Reply(decode(row.reply_to), not_found(entry.arn), noted))
            continue
        if row.state != RUNNING:
            decision.effects.append(CancelTimer(timer_key(row.request_id)))
        details = {"function": current.name, "rule": "the function was removed", "payload": row.payload}
        decision.notes.append(Note(noted, "AsyncEventDropped", entry.arn, row.request_id, row.cause, details))
    return decision


# --- restart ------------------------------------------------------------------------------------


def view_restarted(read: Reader, entry: Entry) -> tuple[Invocation, ...]:
    """The invocations that an older incarnation was running."""
    return tuple(Invocation(*row) for row in read.all(store.SELECT_OLDER, entry.command.incarnation))


def decide_restarted(view: tuple[Invocation, ...], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """End what an older incarnation was running, each as interrupted.

    An asynchronous event runs again at once and has used up no retry. A mapping that waits for a
    synchronous one is told; its records come back when their visibility timeout is over.
    """
    command: Restarted = entry.command
    decision = Decision(
        writes=[
            Write(store.SET_INCARNATION, (command.incarnation,)),
            Write(store.DELETE_OLDER_ENVIRONMENTS, (command.incarnation,)),
        ]
    )
    for row in view:
        noted = ids.row_id()
        details = {"attempt": row.attempts + 1, "incarnation": row.incarnation}
        decision.notes.append(
            Note(noted, "InvocationInterrupted", row.function_arn, row.request_id, row.cause, details)
        )
        if row.kind == SYNC:
            _end_interrupted(decision, row, cause=noted)
        else:
            _run_again(decision, row, cause=noted, now_ms=now_ms)
    return decision


def _end_interrupted(decision: Decision, row: Invocation, *, cause: int) -> None:
    row.moved("interrupt")
    decision.writes.append(Write(store.DELETE_INVOCATION, (row.request_id,)))
    reply_to = None if row.reply_to is None else decode(row.reply_to)
    if isinstance(reply_to, ReplyTo):
        decision.effects.append(Reply(reply_to, INTERRUPTED, cause))


def _run_again(decision: Decision, row: Invocation, *, cause: int, now_ms: int) -> None:
    queued = replace(row, state=row.moved("requeue"), environment_id=None, cause=cause)
    decision.writes.append(save(queued, stored=True))
    again = RetryEvent(row.request_id)
    decision.effects.append(Timer(timer_key(row.request_id), now_ms, again, cause, arn=row.function_arn))

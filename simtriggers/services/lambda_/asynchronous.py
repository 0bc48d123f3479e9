"""The queue of asynchronous events: attempts, retries, ages, destinations and dead letters. Pure.

A failed attempt is tried again 1 minute after the first failure and 2 minutes after the second, never at or
beyond the maximum age; a throttled one after 1 s, doubling up to 5 minutes, without using up an attempt.
Source: AWS Lambda Developer Guide, "Error handling for asynchronous invocation".
"""

from __future__ import annotations

from dataclasses import replace

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Deliver, Note, RetryPolicy, Timer, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import concurrency, limits, records, store
from .attempts import AttemptView, Invocation, save, start_run, trace_header, view_attempt
from .commands import RetryEvent
from .settings import FunctionSettings
from .transitions import RUNNING

DESTINATION_POLICY = RetryPolicy("lambda-destination", maximum_retries=3, maximum_age_ms=300_000)
"""Unverified: AWS says that it retries destinations, not how often; here 3 times, after 1, 2 and 4 s."""

DEAD_LETTER_POLICY = RetryPolicy("lambda-dead-letter-queue", maximum_retries=3, maximum_age_ms=300_000)


def timer_key(request_id: str) -> str:
    """The key of an event's retry timer."""
    return f"retry:{request_id}"


def view_retry(read: Reader, entry: Entry) -> AttemptView:
    """A queued event with what starting it needs."""
    row = read.one(store.SELECT_INVOCATION, entry.command.request_id)
    if row is None:
        return AttemptView(None)
    invocation = Invocation(*row)
    view = view_attempt(read, read.resource(invocation.function_arn), invocation.payload)
    response = None if invocation.response is None else read.payload(invocation.response)
    return replace(view, invocation=invocation, response=response)


def decide_retry(view: AttemptView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Attempt a queued event that is due. One that is gone (its function was removed) is skipped."""
    decision = Decision()
    if view.invocation is not None and view.function is not None:
        attempt_event(decision, view, view.invocation, stored=True, cause=entry.cause, now_ms=now_ms, ids=ids)
    return decision


def attempt_event(
    decision: Decision, view: AttemptView, row: Invocation, *, stored: bool, cause: int, now_ms: int, ids: Ids
) -> None:
    """Start an event's run, or throttle it, or give it up when the function is switched off."""
    assert view.function is not None and view.slot is not None
    settings: FunctionSettings = view.function.config
    if settings.reserved == 0:
        condition = records.ZERO_RESERVED_CONCURRENCY
        give_up(decision, settings, view, row, condition, stored=stored, cause=cause, now_ms=now_ms, ids=ids)
        return
    reason = concurrency.refusal(settings, busy=view.slot.busy, reserved_total=view.slot.reserved_total)
    if reason is None:
        start_run(decision, view, row, stored=stored, cause=cause, now_ms=now_ms, ids=ids)
    else:
        throttle_event(decision, view, row, reason, stored=stored, cause=cause, now_ms=now_ms, ids=ids)


def throttle_event(
    decision: Decision,
    view: AttemptView,
    row: Invocation,
    reason: str,
    *,
    stored: bool,
    cause: int,
    now_ms: int,
    ids: Ids,
) -> None:
    """Put an event back into the queue for a while, or give it up when it would become too old."""
    assert view.function is not None
    settings: FunctionSettings = view.function.config
    delay_ms = min(limits.THROTTLE_CAP_MS, limits.THROTTLE_BASE_MS << min(row.throttles, 20))
    due_ms = now_ms + delay_ms
    noted = ids.row_id()
    details = {"function": settings.name, "reason": reason, "retry_at_ms": due_ms}
    decision.notes.append(Note(noted, "InvocationThrottled", settings.arn, row.request_id, cause, details))
    if due_ms - row.accepted_ms >= settings.maximum_event_age_ms:
        condition = records.EVENT_AGE_EXCEEDED
        give_up(decision, settings, view, row, condition, stored=stored, cause=noted, now_ms=now_ms, ids=ids)
        return
    queued = replace(row, state=row.moved("throttle"), throttles=row.throttles + 1, environment_id=None, cause=noted)
    decision.writes.append(save(queued, stored=stored))
    decision.effects.append(Timer(timer_key(row.request_id), due_ms, RetryEvent(row.request_id), noted))


def event_failed(
    decision: Decision, view: AttemptView, row: Invocation, *, failure: str, cause: int, now_ms: int, ids: Ids
) -> None:
    """A run of the event has failed: retry it or give it up. `view.response` is the error document."""
    assert view.function is not None and view.response is not None
    settings: FunctionSettings = view.function.config
    attempts = row.attempts + 1
    failed = replace(row, attempts=attempts, response=payload(view.response).digest, failure=failure)
    due_ms = now_ms + limits.RETRY_DELAY_MS * attempts
    if attempts > settings.maximum_retry_attempts:
        condition = records.RETRIES_EXHAUSTED
    elif due_ms - row.accepted_ms >= settings.maximum_event_age_ms:
        condition = records.EVENT_AGE_EXCEEDED
    else:
        noted = ids.row_id()
        details = {"function": settings.name, "attempt": attempts + 1, "due_ms": due_ms}
        decision.notes.append(Note(noted, "RetryScheduled", settings.arn, row.request_id, cause, details))
        waiting = replace(failed, state=row.moved("retry"), environment_id=None, cause=noted)
        decision.writes.append(save(waiting, stored=True))
        decision.effects.append(Timer(timer_key(row.request_id), due_ms, RetryEvent(row.request_id), noted))
        return
    give_up(decision, settings, view, failed, condition, stored=True, cause=cause, now_ms=now_ms, ids=ids)


def event_succeeded(
    decision: Decision, view: AttemptView, row: Invocation, *, cause: int, now_ms: int, ids: Ids
) -> None:
    """A run of the event has succeeded. `view.response` is what the function returned."""
    assert view.function is not None
    settings: FunctionSettings = view.function.config
    row.moved("succeed")
    decision.writes.append(Write(store.DELETE_INVOCATION, (row.request_id,)))
    if settings.on_success is not None:
        succeeded = replace(row, attempts=row.attempts + 1)
        _send(
            decision,
            settings.on_success,
            settings,
            view,
            succeeded,
            records.SUCCESS,
            cause,
            now_ms=now_ms,
            ids=ids,
        )


def give_up(
    decision: Decision,
    settings: FunctionSettings,
    view: AttemptView,
    row: Invocation,
    condition: str,
    *,
    stored: bool,
    cause: int,
    now_ms: int,
    ids: Ids,
) -> None:
    """The event ends: to the on-failure destination and to the dead-letter queue, whichever there are.

    Unverified: an event that was only ever throttled has ErrorCode 429 in the dead-letter queue.
    """
    row.moved("fail" if row.state == RUNNING else "give_up")
    if stored:
        decision.writes.append(Write(store.DELETE_INVOCATION, (row.request_id,)))
    if settings.on_failure is not None:
        _send(decision, settings.on_failure, settings, view, row, condition, cause, now_ms=now_ms, ids=ids)
    if settings.dead_letter is not None:
        code, message = (200, row.failure) if row.response is not None else (429, "Rate Exceeded.")
        noted = ids.row_id()
        details = {"destination": settings.dead_letter, "condition": condition, "payload": row.payload}
        decision.notes.append(Note(noted, "DeadLetterSent", settings.arn, row.request_id, cause, details))
        context = records.dead_letter_context(settings.arn, row.request_id, code=code, message=message)
        decision.effects.append(Deliver(settings.dead_letter, row.payload, DEAD_LETTER_POLICY, noted, context=context))
    if settings.on_failure is None and settings.dead_letter is None:
        rule = "no on-failure destination and no dead-letter queue is configured"
        details = {"function": settings.name, "condition": condition, "rule": rule, "payload": row.payload}
        decision.notes.append(Note(ids.row_id(), "AsyncEventDropped", settings.arn, row.request_id, cause, details))


def _send(
    decision: Decision,
    destination: str,
    settings: FunctionSettings,
    view: AttemptView,
    row: Invocation,
    condition: str,
    cause: int,
    *,
    now_ms: int,
    ids: Ids,
) -> None:
    record = records.destination_record(
        now_ms=now_ms,
        request_id=row.request_id,
        function_arn=settings.arn,
        condition=condition,
        invoke_count=row.attempts,
        request=view.event,
        response=view.response,
    )
    if ":event-bus/" in destination:
        record = records.bus_event(
            record,
            event_id=ids.uuid("lambda.bus_event"),
            bus_arn=destination,
            function_arn=settings.arn,
            condition=condition,
            now_ms=now_ms,
        )
    body = payload(record)
    noted = ids.row_id()
    details = {
        "destination": destination,
        "condition": condition,
        "invoke_count": row.attempts,
        "payload": body.digest,
    }
    decision.payloads.append(body)
    decision.notes.append(Note(noted, "DestinationSent", settings.arn, row.request_id, cause, details))
    # A queue gets the header as a system attribute; a function has no use for it.
    header = trace_header(row.request_id, row.accepted_ms)
    context = (("source", settings.arn), ("subject", row.request_id), ("system_attribute:AWSTraceHeader", header))
    decision.effects.append(Deliver(destination, body.digest, DESTINATION_POLICY, noted, context=context))

"""The end of a batch: records that are done with are settled with their source, the others come back.

A failed batch settles nothing. A throttled one is invoked again, backing off, until the visibility timeout of
its records is over. Either takes one of the mapping's concurrent batches away, but for failures of a mapping
that reports them itself. Source: AWS Lambda Developer Guide, "Handling errors for an SQS event source in Lambda".
"""

from __future__ import annotations

import json
from typing import Any

from ...aws.contracts import Ran, Settle
from ...kernel.agenda import Entry
from ...kernel.effects import Call, Decision, Note, Refused, Timer, Write
from ...kernel.fixed import altered, fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import limits, scaling, store
from .batches import Verdict, verdict
from .commands import RetryBatch
from .functions import INTERRUPTED
from .polling import POLL, MappingView, invoke, note_scale, poll_refused, proceed, read_mapping, state_write
from .settings import MappingSettings

THROTTLED = "TooManyRequestsException"
FAILED, WAS_THROTTLED = "a batch failed", "a batch was throttled"


@fixed
class Batch:
    """A row of lambda_batches; `records` are (id, receipt) pairs."""

    batch_id: int
    payload: str
    records: tuple[tuple[str, str], ...]
    claimed_ms: int
    throttles: int


@fixed
class BatchView:
    """A mapping, the batch that an answer is about, and what the function returned (for partial batch
    responses). `visibility_ms` is how long its records stay hidden."""

    mapping: MappingView
    batch: Batch | None
    response: str | None = None
    visibility_ms: int = 30_000


def view_answer(read: Reader, entry: Entry) -> BatchView:
    """What an answer to `poll` or to `batch:ID` needs."""
    mapping = read_mapping(read, entry.arn)
    request = entry.request or ""
    if request.startswith(POLL):
        return BatchView(mapping, None)
    command, batch = entry.command, _batch(read, int(request.removeprefix("batch:")))
    if mapping.resource is None:
        return BatchView(mapping, batch)
    settings: MappingSettings = mapping.resource.config
    if isinstance(command, Ran):
        wanted = settings.report_failures and command.function_error is None
        return BatchView(mapping, batch, read.payload(command.payload) if wanted else None)
    source = read.describe(settings.source_arn)
    own_ms = 30_000 if source is None else source.visibility_timeout_ms or 30_000
    return BatchView(mapping, batch, visibility_ms=mapping.visibility_ms or own_ms)


def view_retry_batch(read: Reader, entry: Entry) -> BatchView:
    """A throttled batch whose wait is over."""
    return BatchView(read_mapping(read, entry.arn), _batch(read, entry.command.batch_id))


def _batch(read: Reader, batch_id: int) -> Batch | None:
    row = read.one(store.SELECT_BATCH, batch_id)
    if row is None:
        return None
    records = tuple((record_id, receipt) for record_id, receipt in json.loads(row[2]))
    return Batch(row[0], row[1], records, row[3], row[4])


def decide_ran(view: BatchView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Settle a batch that the function has handled, whole, in part or not at all."""
    command: Ran = entry.command
    batch, resource = view.batch, view.mapping.resource
    if batch is None or resource is None:
        return _unknown(view, entry, ids)
    settings: MappingSettings = resource.config
    judged = _judge(command, view.response, batch)
    done = tuple(pair for pair in batch.records if pair[0] not in judged.failed)
    kind = "BatchFailed" if not done else "BatchPartiallyFailed" if judged.failed else "BatchSucceeded"
    noted = ids.row_id()
    details: dict[str, Any] = {"request_id": command.request_id, "records": len(batch.records)}
    decision = Decision(writes=[Write(store.DELETE_BATCH, (batch.batch_id,))])
    if judged.failed:
        details["failed"] = [record_id for record_id, _ in batch.records if record_id in judged.failed]
        details["succeeded"] = [record_id for record_id, _ in done]
        details["reason"] = judged.problem or "reported in batchItemFailures"
    decision.notes.append(Note(noted, kind, entry.arn, f"batch-{batch.batch_id}", entry.cause, details))
    for record_id in details.get("failed", ()):
        why = {"reason": details["reason"], "request_id": command.request_id}
        decision.notes.append(Note(ids.row_id(), "RecordFailed", entry.arn, record_id, noted, why))
    if done:
        decision.effects.append(Call(settings.source_arn, Settle(done), noted))
    errors = FAILED if command.function_error is not None and not settings.report_failures else ""
    _next(decision, view.mapping, errors, cause=noted, now_ms=now_ms, ids=ids)
    return decision


def _judge(command: Ran, response: str | None, batch: Batch) -> Verdict:
    every = [record_id for record_id, _ in batch.records]
    if command.function_error is not None:
        return Verdict(frozenset(every), "the function failed")
    return Verdict(frozenset()) if response is None else verdict(response, every)


def decide_refused(view: BatchView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A poll or an invocation was refused. A throttled batch waits; any other is let go."""
    if (entry.request or "").startswith(POLL):
        return poll_refused(view.mapping, entry, now_ms=now_ms, ids=ids)
    refused: Refused = entry.command
    batch = view.batch
    if batch is None or view.mapping.resource is None:
        return _unknown(view, entry, ids)
    settings: MappingSettings = view.mapping.resource.config
    if refused.code != THROTTLED:
        own = refused.code == INTERRUPTED.code or settings.report_failures
        errors = "" if own else FAILED
        return _let_go(view, batch, entry, f"{refused.code}: {refused.message}", errors, now_ms=now_ms, ids=ids)
    delay_ms = min(limits.THROTTLE_CAP_MS, limits.THROTTLE_BASE_MS << min(batch.throttles, 20))
    due_ms = now_ms + delay_ms
    if due_ms >= batch.claimed_ms + view.visibility_ms:
        reason = "throttled until the visibility timeout of its records"
        return _let_go(view, batch, entry, reason, WAS_THROTTLED, now_ms=now_ms, ids=ids)
    noted = ids.row_id()
    details = {"reason": dict(refused.fields).get("Reason", ""), "retry_at_ms": due_ms}
    decision = Decision(
        writes=[Write(store.COUNT_THROTTLE, (batch.batch_id,))],
        effects=[Timer(f"retry:{batch.batch_id}", due_ms, RetryBatch(batch.batch_id), noted)],
        notes=[Note(noted, "BatchThrottled", entry.arn, f"batch-{batch.batch_id}", entry.cause, details)],
    )
    slower = _backed_off(view.mapping, now_ms)
    if slower.scale != view.mapping.scale:
        decision.writes.append(state_write(entry.arn, slower))
        if slower.in_flight >= scaling.allowed_at(slower.scale, settings.bounds, now_ms):
            before = view.mapping.scale
            note_scale(decision, settings, before, slower.scale, WAS_THROTTLED, cause=noted, ids=ids)
    return decision


def decide_retry_batch(view: BatchView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Invoke again with a batch that was throttled."""
    if view.batch is None or view.mapping.resource is None:
        return _unknown(view, entry, ids)
    call = invoke(view.mapping.resource.config, view.batch.batch_id, view.batch.payload, cause=entry.cause)
    return Decision(effects=[call])


def _let_go(
    view: BatchView, batch: Batch, entry: Entry, reason: str, errors: str, *, now_ms: int, ids: Ids
) -> Decision:
    noted = ids.row_id()
    details = {"reason": reason, "failed": [record_id for record_id, _ in batch.records]}
    decision = Decision(writes=[Write(store.DELETE_BATCH, (batch.batch_id,))])
    decision.notes.append(Note(noted, "BatchReleased", entry.arn, f"batch-{batch.batch_id}", entry.cause, details))
    for record_id, _ in batch.records:
        why = {"reason": reason}
        decision.notes.append(Note(ids.row_id(), "RecordFailed", entry.arn, record_id, noted, why))
    _next(decision, view.mapping, errors, cause=noted, now_ms=now_ms, ids=ids)
    return decision


def _unknown(view: BatchView, entry: Entry, ids: Ids) -> Decision:
    """An answer for a batch that is not in flight any more, or for a mapping that was removed."""
    decision = Decision(notes=[Note(ids.row_id(), "StaleResult", entry.arn, entry.request or "", entry.cause)])
    if view.batch is not None:
        decision.writes.append(Write(store.DELETE_BATCH, (view.batch.batch_id,)))
    return decision


def _next(decision: Decision, mapping: MappingView, errors: str, *, cause: int, now_ms: int, ids: Ids) -> None:
    """One batch less is in flight: go on, if the mapping still is at work. With `errors`, which says what went
    wrong, fewer batches may be in flight from now on."""
    if not mapping.active:
        return
    freed = altered(mapping, in_flight=mapping.in_flight - 1)
    if not errors:
        proceed(decision, mapping, freed, [], cause=cause, now_ms=now_ms, ids=ids)
        return
    slower = _backed_off(freed, now_ms)
    proceed(decision, mapping, slower, [], cause=cause, now_ms=now_ms, ids=ids, reason=errors)


def _backed_off(mapping: MappingView, now_ms: int) -> MappingView:
    """The mapping with one batch less that may be in flight, as long as its bounds allow."""
    assert mapping.resource is not None
    return altered(mapping, scale=scaling.backed_off(mapping.scale, mapping.resource.config.bounds, now_ms))

"""The end of a run: what it means, what is logged and billed, who is told, what is freed.

Results of unknown or ended invocations, or of another run than the current one, change nothing.
"""

from __future__ import annotations

from ...aws import log_lines
from ...aws.contracts import Ended, PutLogEvents, Ran
from ...kernel.agenda import Entry
from ...kernel.codec import decode
from ...kernel.effects import Call, Caller, Decision, Note, Payload, Reply, Write, payload
from ...kernel.fixed import altered, fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import environments, limits, records, store
from .asynchronous import event_failed, event_succeeded
from .attempts import SYNC, AttemptView, Invocation
from .settings import PYTHON_RUNTIME, VERSION, FunctionSettings
from .transitions import RUNNING


@fixed
class EndedView:
    """The run that has ended. `event` is read only when a destination needs it."""

    invocation: Invocation | None
    log_stream: str
    attempt: AttemptView


@fixed
class Outcome:
    """What an Ended means. `document` is the response or the error document; `status` and `error_type` are
    those of the REPORT line; `line` is logged before END."""

    ok: bool
    document: str
    status: str = ""
    error_type: str = ""
    line: str = ""


def view_ended(read: Reader, entry: Entry) -> EndedView:
    """The invocation that an Ended names, with its environment's log stream and its function."""
    row = read.one(store.SELECT_RUNNING, entry.command.invocation_id)
    if row is None:
        return EndedView(None, "", AttemptView(None))
    invocation = Invocation(*row[:-1])
    function = read.resource(invocation.function_arn)
    event = ""
    if invocation.kind != SYNC and function is not None and (function.config.on_failure or function.config.on_success):
        event = read.payload(invocation.payload)
    return EndedView(invocation, row[-1] or "", AttemptView(function, event=event))


def decide_ended(view: EndedView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """End a run: free the environment, write the log, answer the caller or settle the event."""
    ended: Ended = entry.command
    row = view.invocation
    if row is None or row.state != RUNNING or (row.runs, row.incarnation) != (ended.attempt, ended.incarnation):
        details = {"attempt": ended.attempt, "incarnation": ended.incarnation, "status": ended.status}
        stale = Note(ids.row_id(), "StaleResult", entry.arn, ended.invocation_id, entry.cause, details)
        return Decision(notes=[stale])
    function = view.attempt.function
    assert function is not None and row.environment_id is not None, row.history()
    freed = environments.release(row.environment_id, status=ended.status, keep=ended.keep, now_ms=now_ms)
    decision = Decision(writes=[freed])
    settings: FunctionSettings = function.config
    outcome = judge(ended, request_id=row.request_id, settings=settings, now_ms=now_ms)
    response = payload(outcome.document)
    decision.payloads.append(response)
    lines = _log(decision, view, row, settings, ended, outcome, now_ms=now_ms, ids=ids)
    noted, message = _note(decision, row, settings, ended, outcome, response, ids=ids)
    if row.kind == SYNC:
        _answer(decision, row, outcome, response, lines, cause=noted)
        return decision
    attempt = altered(view.attempt, response=outcome.document)
    if outcome.ok:
        event_succeeded(decision, attempt, row, cause=noted, now_ms=now_ms, ids=ids)
    else:
        event_failed(decision, attempt, row, failure=message, cause=noted, now_ms=now_ms, ids=ids)
    return decision


def judge(ended: Ended, *, request_id: str, settings: FunctionSettings, now_ms: int) -> Outcome:
    """What a runtime's report means.

    For `exit`, `payload_text` is None, an error document, or the reason (`exit status 1`, `1`,
    `signal: killed`). Unverified: which failures show a Status in the REPORT line; here those of the
    sandbox (timeout, exit), not exceptions of the handler.
    """
    text = ended.payload_text
    if ended.status == "ok":
        if text is None:
            return Outcome(True, "null")
        too_large = len(text) * 4 > limits.RESPONSE_BYTES and len(text.encode()) > limits.RESPONSE_BYTES
        return Outcome(False, records.too_large_document()) if too_large else Outcome(True, text)
    if ended.status == "timeout":
        document = records.timeout_document(request_id, settings.timeout_ms)
        line = log_lines.timed_out(now_ms, request_id, settings.timeout_ms)
        return Outcome(False, document, status="timeout", line=line)
    if ended.status == "exit":
        is_document = text is not None and text.startswith("{")
        document = text if text is not None and is_document else records.exit_document(request_id, text)
        error_type, message = records.error_of(document)
        return Outcome(
            False, document, status="error", error_type=error_type, line=log_lines.exited(message, error_type)
        )
    assert ended.status == "error", f"a runtime reported status {ended.status!r}"
    return Outcome(False, text or '{"errorMessage":"","errorType":""}')


def _log(
    decision: Decision,
    view: EndedView,
    row: Invocation,
    settings: FunctionSettings,
    ended: Ended,
    outcome: Outcome,
    *,
    now_ms: int,
    ids: Ids,
) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    if ended.init_duration_us:
        lines.append((row.started_ms, log_lines.init_start(settings.region, PYTHON_RUNTIME)))
    lines.append((row.started_ms, log_lines.start(row.request_id, VERSION)))
    lines.extend((at_ms, log_lines.terminated(text)) for at_ms, text in ended.logs)
    if outcome.line:
        lines.append((now_ms, outcome.line))
    lines.append((now_ms, log_lines.end(row.request_id)))
    report = log_lines.report(
        row.request_id,
        duration_us=ended.duration_us,
        init_duration_us=ended.init_duration_us,
        memory_mb=settings.memory_mb,
        max_memory_mb=ended.max_memory_mb,
        status=outcome.status,
        error_type=outcome.error_type,
    )
    lines.append((now_ms, report))
    if ended.logs:
        details = {"function": settings.name, "lines": [text.rstrip("\n") for _, text in ended.logs]}
        decision.notes.append(Note(ids.row_id(), "LogLines", settings.arn, row.request_id, row.cause, details))
    put = PutLogEvents(view.log_stream, tuple(lines), row.request_id)
    decision.effects.append(Call(settings.log_group_arn, put, row.cause))
    return lines


def _note(
    decision: Decision,
    row: Invocation,
    settings: FunctionSettings,
    ended: Ended,
    outcome: Outcome,
    response: Payload,
    *,
    ids: Ids,
) -> tuple[int, str]:
    """Adds the note of the run's end; returns its id and the error's message."""
    noted = ids.row_id()
    details = {
        "function": settings.name,
        "attempt": row.attempts + 1,
        "duration_ms": ended.duration_us / 1000,
        "billed_ms": log_lines.billed_ms(ended.duration_us, ended.init_duration_us),
        "memory_mb": settings.memory_mb,
        "max_memory_mb": ended.max_memory_mb,
        "response_payload": response.digest,
    }
    kind, message = "InvocationSucceeded", ""
    if not outcome.ok:
        kind = "InvocationFailed"
        error_type, message = records.error_of(outcome.document)
        details["error_type"], details["error_message"] = error_type, message[:1024]
    decision.notes.append(Note(noted, kind, settings.arn, row.request_id, row.cause, details))
    return noted, message


def _answer(
    decision: Decision,
    row: Invocation,
    outcome: Outcome,
    response: Payload,
    lines: list[tuple[int, str]],
    *,
    cause: int,
) -> None:
    row.moved("succeed" if outcome.ok else "fail")
    decision.writes.append(Write(store.DELETE_INVOCATION, (row.request_id,)))
    if row.reply_to is None:
        return
    reply_to = decode(row.reply_to)
    ran = Ran(
        request_id=row.request_id,
        payload=response.digest,
        function_error=None if outcome.ok else "Unhandled",
        executed_version=VERSION,
        log_tail=log_lines.tail(text for _, text in lines) if isinstance(reply_to, Caller) else "",
        cause=cause,
    )
    decision.effects.append(Reply(reply_to, ran, cause))

"""One run of an invocation: its row, the environment it gets, and the Start that a runtime takes.

Used for synchronous and asynchronous invocations alike; decides nothing about retries.
"""

from __future__ import annotations

from ...aws.contracts import Start
from ...kernel.effects import Decision, Invoke, Note, Write
from ...kernel.fixed import altered, fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import environments, store
from .settings import VERSION, FunctionSettings
from .transitions import ACCEPTED, move

SYNC, ASYNC = "sync", "async"


@fixed
class Invocation:
    """A row of lambda_invocations, in the order of its columns."""

    request_id: str
    function_arn: str
    kind: str
    state: str
    payload: str
    reply_to: str | None
    client_context: str | None
    accepted_ms: int
    attempts: int
    runs: int
    throttles: int
    environment_id: str | None
    incarnation: int
    started_ms: int
    cause: int
    response: str | None
    failure: str

    def history(self) -> str:
        """What has happened to it, for the message of a refused transition."""
        return (
            f"{self.kind} invocation of {self.function_arn}, accepted at {self.accepted_ms},"
            f" {self.attempts} attempts, {self.runs} runs, {self.throttles} throttles, last trace row {self.cause}"
        )

    def moved(self, action: str) -> str:
        """The state after `action`."""
        return move(self.state, action, entity=f"invocation {self.request_id}", history=self.history())


@fixed
class AttemptView:
    """What starting a run needs. `event` is the event's text; `response` the last error document's."""

    function: Resource | None
    slot: environments.Slot | None = None
    event: str = ""
    stub_used: int = 0
    invocation: Invocation | None = None
    response: str | None = None


def new_invocation(
    function_arn: str,
    *,
    kind: str,
    payload: str,
    reply_to: str | None,
    client_context: str | None,
    now_ms: int,
    ids: Ids,
) -> Invocation:
    """An invocation that was just accepted and has no row yet."""
    return Invocation(
        request_id=ids.uuid("lambda.request_id"),
        function_arn=function_arn,
        kind=kind,
        state=ACCEPTED,
        payload=payload,
        reply_to=reply_to,
        client_context=client_context,
        accepted_ms=now_ms,
        attempts=0,
        runs=0,
        throttles=0,
        environment_id=None,
        incarnation=0,
        started_ms=0,
        cause=0,
        response=None,
        failure="",
    )


def view_attempt(read: Reader, function: Resource | None, payload: str) -> AttemptView:
    """Read what `start_run` needs for an event's digest."""
    if function is None:
        return AttemptView(None)
    used = 0
    if function.config.stub:
        row = read.one(store.SELECT_STUB, function.arn)
        used = 0 if row is None else row[0]
    return AttemptView(function, environments.view_slot(read, function), read.payload(payload), used)


def save(row: Invocation, *, stored: bool) -> Write:
    """The write that inserts an invocation's row, or updates it when it is stored already."""
    progress = (
        row.attempts,
        row.runs,
        row.throttles,
        row.environment_id,
        row.incarnation,
        row.started_ms,
        row.cause,
        row.response,
        row.failure,
    )
    if stored:
        return Write(store.UPDATE_INVOCATION, (row.state, *progress, row.request_id))
    identity = (row.request_id, row.function_arn, row.kind, row.state, row.payload)
    request = (row.reply_to, row.client_context, row.accepted_ms)
    return Write(store.INSERT_INVOCATION, (*identity, *request, *progress))


def start_run(
    decision: Decision, view: AttemptView, row: Invocation, *, stored: bool, cause: int, now_ms: int, ids: Ids
) -> None:
    """Add to the decision all that starts a run: the environment, the row, the note and the Invoke."""
    function, slot = view.function, view.slot
    assert function is not None and slot is not None
    settings: FunctionSettings = function.config
    granted = environments.grant(slot, function, now_ms=now_ms, ids=ids)
    started = ids.row_id()
    running = altered(
        row,
        state=row.moved("start"),
        runs=row.runs + 1,
        throttles=0,
        environment_id=granted.environment_id,
        incarnation=slot.incarnation,
        started_ms=now_ms,
        cause=started,
    )
    details = {
        "function": settings.name,
        "attempt": row.attempts + 1,
        "environment": granted.environment_id,
        "cold": granted.cold,
        "payload": row.payload,
    }
    decision.notes.append(Note(started, "InvocationStarted", function.arn, row.request_id, cause, details))
    decision.writes.extend(granted.writes)
    decision.writes.append(save(running, stored=stored))
    if settings.stub:
        decision.writes.append(Write(store.COUNT_STUB, (function.arn,)))
    decision.effects.append(Invoke(_start(view, settings, running, granted, now_ms=now_ms), started))


def _start(
    view: AttemptView,
    settings: FunctionSettings,
    row: Invocation,
    granted: environments.Granted,
    *,
    now_ms: int,
) -> Start:
    init_ms = settings.init_duration_ms if granted.cold else 0
    stub = settings.stub[min(view.stub_used, len(settings.stub) - 1)] if settings.stub else None
    return Start(
        invocation_id=row.request_id,
        attempt=row.runs,
        incarnation=row.incarnation,
        request_id=row.request_id,
        function_arn=settings.arn,
        invoked_function_arn=settings.arn,
        function_name=settings.name,
        function_version=VERSION,
        code=settings.code,
        environment_id=granted.environment_id,
        cold=granted.cold,
        event=view.event or "{}",
        memory_mb=settings.memory_mb,
        timeout_ms=settings.timeout_ms,
        deadline_ms=now_ms + max(0, init_ms) + settings.timeout_ms,
        log_group_name=settings.log_group_name,
        log_stream_name=granted.log_stream,
        environment=(
            *settings.variables,
            ("AWS_LAMBDA_LOG_STREAM_NAME", granted.log_stream),
            ("_X_AMZN_TRACE_ID", trace_header(row.request_id, row.accepted_ms)),
        ),
        duration_ms=settings.duration_ms,
        init_duration_ms=init_ms,
        cause=row.cause,
        client_context=row.client_context,
        stub=stub,
    )


def trace_header(request_id: str, at_ms: int) -> str:
    """An X-Ray header in the right form, not sampled: nothing is traced by X-Ray here. `at_ms` is when the
    event was accepted, so that all of its attempts have one header."""
    digits = request_id.replace("-", "")
    return f"Root=1-{at_ms // 1000:08x}-{digits[:24]};Parent={digits[16:]};Sampled=0"

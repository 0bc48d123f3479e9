"""Neutral words: what services, the engine and the runtimes say to each other.

A queue and a stream shard both answer `Poll`; a mapping knows only that. A function answers `Run` and
`Delivery`. A runtime takes `Start` and gives `Ended`. Payloads are digests of stored texts.
"""

from __future__ import annotations

from typing import Any, Literal

from ..kernel.codec import Overdue, command, value
from ..kernel.effects import RetryPolicy

# --- resources ----------------------------------------------------------------------------------


@command(Overdue.RUN)
class PutResource:
    """Create a resource or bring it up to date. `config` is the service's own model, as JSON.

    Refused when AWS would refuse it. Replies with the revision that now holds (int).
    """

    kind: str
    name: str
    config: dict[str, Any]
    declared_by: str = "project"


@command(Overdue.RUN)
class RemoveResource:
    """Delete a resource and its rows; with `wiring_only`, only what it triggers (the project no longer
    declares it, its data stays)."""

    wiring_only: bool = False


@command(Overdue.RUN)
class Restarted:
    """Stepped once per service at each start. Invocations of an older incarnation have ended."""

    incarnation: int


# --- delivery -----------------------------------------------------------------------------------


@command(Overdue.RUN)
class Delivery:
    """One attempt to hand a payload to a target. The engine makes these from `Deliver` effects.

    `attempt` counts from 1; `first_ms` is when the first was made. `context` holds what the target may
    need: `source` (ARN of the sender), `message_attribute:NAME` = `Type:value`, `system_attribute:NAME`,
    `group_id`, `rule_arn` and so on; pairs in a fixed order.
    A target accepts (any reply), refuses for good, or refuses with `retryable`.
    """

    payload: str
    policy: RetryPolicy
    attempt: int
    first_ms: int
    dead_letter: str | None = None
    context: tuple[tuple[str, str], ...] = ()


# --- pollable sources ---------------------------------------------------------------------------


@command(Overdue.RUN)
class Poll:
    """Take up to `max_records` from a source, waiting until there are some.

    `until_ms` None waits for ever; a time in the past does not wait. Replies with `Polled`.
    `null_md5_of_message_attributes`: a record without message attributes has null there, as records of a
    mapping with a batching window do, and not no such member at all.
    """

    max_records: int
    until_ms: int | None = None
    visibility_timeout_ms: int | None = None
    null_md5_of_message_attributes: bool = False


@value
class Record:
    """One record of a source, shaped as the function will see it (`json`, one object's text).

    `id` is what ReportBatchItemFailures names; `receipt` settles it; `cause` is the trace row of its
    being received. `group_id` is the message group or shard key whose order is kept, None without one.
    """

    id: str
    receipt: str
    json: str
    cause: int
    group_id: str | None = None


@command(Overdue.RUN)
class Polled:
    """The answer to `Poll`; empty when nothing came in time."""

    records: tuple[Record, ...]


@command(Overdue.RUN)
class Settle:
    """Records that are done with, by receipt: (id, receipt) pairs. The rest come back by themselves."""

    done: tuple[tuple[str, str], ...]


# --- functions ----------------------------------------------------------------------------------


@command(Overdue.RUN)
class Run:
    """Run a function and answer with `Ran` (synchronous), or refuse with Lambda's throttle error.

    With `invocation_type` `Event` the function queues it and replies with the request id (str) at once.
    `source` is the ARN of what asked (a mapping), or `` for a client.
    """

    payload: str
    invocation_type: Literal["RequestResponse", "Event"] = "RequestResponse"
    source: str = ""
    client_context: str | None = None


@command(Overdue.RUN)
class Ran:
    """How a synchronous invocation ended. `function_error` is None or `Unhandled`; `payload` is the
    digest of the response or of the error document; `log_tail` is the last 4 KB of its log."""

    request_id: str
    payload: str
    function_error: str | None
    executed_version: str
    log_tail: str = ""
    cause: int = 0


# --- runtimes -----------------------------------------------------------------------------------


@value
class Code:
    """Where a handler lives and how it is run.

    `code_uri` is an absolute folder; `handler` is `module.function` below it; `runtime` is `process`,
    `inline` or `stub`; `python` is an interpreter's path for `process` (empty: this one).
    """

    code_uri: str
    handler: str
    runtime: str
    python: str = ""


@value
class Start:
    """Everything a runtime needs to run one attempt of an invocation.

    `environment_id` names the execution environment; `cold` says that it is new (its module is to be
    imported). `event` is the JSON text of the event. Times are milliseconds; `deadline_ms` is simulated
    time. `environment` are the variables the function sees, already complete.
    `duration_ms` and `init_duration_ms` are modelled times for virtual runs, -1 for measured.
    `fault` is None, or what the fault plan injects: ("error", type, message), ("timeout",),
    ("slow", milliseconds), ("exit", status).
    """

    invocation_id: str
    attempt: int
    incarnation: int
    request_id: str
    function_arn: str
    invoked_function_arn: str
    function_name: str
    function_version: str
    code: Code
    environment_id: str
    cold: bool
    event: str
    memory_mb: int
    timeout_ms: int
    deadline_ms: int
    log_group_name: str
    log_stream_name: str
    environment: tuple[tuple[str, str], ...]
    duration_ms: int
    init_duration_ms: int
    cause: int
    client_context: str | None = None
    fault: tuple[str, ...] | None = None
    stub: tuple[str, ...] | None = None


@command(Overdue.RUN)
class Ended:
    """How an attempt ended, as a runtime reports it.

    `status`: `ok`, `error` (the handler raised or could not be imported: `payload_text` is the error
    document), `timeout`, `exit` (the process ended). `payload_text` is the JSON text of the response or
    of the error document (None: none). `logs` are (at_ms, text) lines as the handler wrote them, between
    START and END. `keep` says that the environment can be used again.
    """

    invocation_id: str
    attempt: int
    incarnation: int
    status: str
    payload_text: str | None
    logs: tuple[tuple[int, str], ...]
    duration_us: int
    init_duration_us: int
    max_memory_mb: int
    keep: bool


# --- HTTP targets -------------------------------------------------------------------------------


@value
class HttpRequest:
    """One attempt of a request to an HTTP target. `arn` is who is told the end; `headers` are (name, value)
    pairs in order; `body` is text. `timeout_ms` is how long the whole answer may take. `fault` is what a scenario has
    declared for it: `("down",)`, `("answers", status)` or `("slow", ms)`."""

    request_id: str
    attempt: int
    incarnation: int
    arn: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str
    timeout_ms: int
    cause: int
    fault: tuple[str, ...] | None = None


@command(Overdue.RUN)
class HttpEnded:
    """How a request ended. `status` is 0 when there was no response: `error` says why then (`timeout`, or
    what the network said). `body` is at most 64 KB of the response."""

    request_id: str
    attempt: int
    incarnation: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    error: str
    duration_ms: int


Work = Start | HttpRequest
"""What a runtime is given to do after a commit."""

# --- logs ---------------------------------------------------------------------------------------


@command(Overdue.RUN)
class PutLogEvents:
    """Append lines to a log stream: (at_ms, text) pairs, in order."""

    stream: str
    events: tuple[tuple[int, str], ...]
    request_id: str = ""

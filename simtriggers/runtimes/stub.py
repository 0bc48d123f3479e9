"""Outcomes that need no handler: those of a stub, and those that a fault plan injects.

Pure: from a Start to how the attempt ends. Every runtime asks here first, so that a fault means the same
in all of them.
"""

from __future__ import annotations

import json

from ..aws.contracts import Ended, Start
from ..kernel.fixed import fixed
from .bootstrap.lambda_runtime import clean, error_log

MODELLED_MEMORY_MB = 64
"""Max Memory Used of what is not measured; a function with less memory shows all of its own."""


@fixed
class Outcome:
    """How an attempt ends: the part of Ended that does not depend on when.

    `duration_us` is the attempt's own time; `log` is what the runtime writes about it, or empty.
    `usable` is false when the environment never came up.
    """

    status: str
    payload: str | None
    duration_us: int
    init_duration_us: int = 0
    log: str = ""
    max_memory_mb: int = MODELLED_MEMORY_MB
    usable: bool = True

    @property
    def keep(self) -> bool:
        """Whether the environment can be used again: after an answer, and after a plain exception."""
        return self.usable and self.status in ("ok", "error")

    def ended(self, start: Start, logs: tuple[tuple[int, str], ...], *, retired: bool = False) -> Ended:
        """The report of this outcome. `retired`: the environment is not to be used again in any case."""
        return Ended(
            start.invocation_id,
            start.attempt,
            start.incarnation,
            self.status,
            self.payload,
            logs,
            self.duration_us,
            self.init_duration_us,
            min(self.max_memory_mb, start.memory_mb),
            self.keep and not retired,
        )


def planned(start: Start) -> Outcome | None:
    """The outcome of an attempt that no handler runs for; None when the handler must run.

    Lasts as long as the function's modelled duration (1 ms when that is measured), a cold start its
    modelled initialisation; one that would take longer than the timeout times out.
    """
    told = start.fault if start.fault is not None and start.fault[0] != "slow" else start.stub
    if told is None:
        return None
    init_us = max(0, start.init_duration_ms) * 1000 if start.cold else 0
    duration_us = max(1, start.duration_ms) * 1000 + slow_us(start)
    kind = told[0]
    if kind in ("timeout", "times_out") or duration_us > start.timeout_ms * 1000:
        return timed_out(start, init_us)
    if kind == "returns":
        return Outcome("ok", told[1], duration_us, init_us)
    if kind in ("error", "raises"):
        document = {
            "errorMessage": clean(told[2]),
            "errorType": told[1],
            "requestId": start.request_id,
            "stackTrace": [],
        }
        payload = json.dumps(document, ensure_ascii=False)
        return Outcome("error", payload, duration_us, init_us, error_log(document))
    assert kind in ("exit", "exits"), f"{told!r} is neither a stub's outcome nor a runtime's fault"
    return exited(start, int(told[1]), duration_us, init_us)


def slow_us(start: Start) -> int:
    """Microseconds that the fault plan adds to an attempt."""
    return int(start.fault[1]) * 1000 if start.fault is not None and start.fault[0] == "slow" else 0


def timed_out(start: Start, init_duration_us: int) -> Outcome:
    """The end of an attempt that its timeout stopped. Source: payloads recorded in 2025-11."""
    text = f"RequestId: {start.request_id} Error: Task timed out after {start.timeout_ms / 1000:.2f} seconds"
    payload = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text})
    return Outcome("timeout", payload, start.timeout_ms * 1000, init_duration_us)


def exited(
    start: Start, status: int, duration_us: int, init_duration_us: int, max_memory_mb: int = MODELLED_MEMORY_MB
) -> Outcome:
    """The end of an attempt whose process ended; `status` is below 0 for a signal, as subprocess has it.

    Unverified: the words for signals other than `killed` (a segmentation fault was recorded as a timeout).
    """
    reason = "Runtime exited without providing a reason"
    if status > 0:
        reason = f"Runtime exited with error: exit status {status}"
    elif status < 0:
        reason = f"Runtime exited with error: signal: {_SIGNALS.get(-status, f'signal {-status}')}"
    document = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {start.request_id} Error: {reason}"}
    return Outcome("exit", json.dumps(document), duration_us, init_duration_us, "", max_memory_mb)


def not_started(start: Start, error: OSError) -> Outcome:
    """The end of an attempt whose interpreter cannot be started, in the words of Lambda's containers."""
    program = start.code.python or "python"
    text = f"RequestId: {start.request_id} Error: fork/exec {program}: {error.strerror}"
    payload = json.dumps({"errorMessage": text, "errorType": "Runtime.InvalidEntrypoint"})
    return Outcome("error", payload, 0, log=f"{text}\n", usable=False)


_SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    13: "broken pipe",
    15: "terminated",
}


def context_row(start: Start, deadline_ms: int) -> dict[str, object]:
    """What LambdaContext is made of; `deadline_ms` is on the clock that the handler reads."""
    return {
        "request_id": start.request_id,
        "log_group_name": start.log_group_name,
        "log_stream_name": start.log_stream_name,
        "function_name": start.function_name,
        "function_version": start.function_version,
        "memory_mb": start.memory_mb,
        "invoked_function_arn": start.invoked_function_arn,
        "client_context": start.client_context,
        "deadline_ms": deadline_ms,
    }

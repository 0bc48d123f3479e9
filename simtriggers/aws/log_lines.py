"""The lines that Lambda itself writes into a function's log, text format. Builds text; stores nothing.

Source: AWS Lambda Developer Guide, "Working with Lambda function logs" and "Invocation logs of the
Python runtime". Every line ends with a newline, as the events of CloudWatch Logs do.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kernel.clock import iso_ms

LOG_TAIL_BYTES = 4096


def init_start(region: str, runtime: str) -> str:
    """The first line of a cold start. `runtime` is `python3.12`. The runtime's version is not known here:
    it is shown as `v0`, and the hash of its ARN as zeros."""
    name = runtime.replace("python", "python:")
    return f"INIT_START Runtime Version: {name}.v0\tRuntime Version ARN: arn:aws:lambda:{region}::runtime:{'0' * 64}\n"


def start(request_id: str, version: str) -> str:
    """`START RequestId: ID Version: $LATEST`."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end(request_id: str) -> str:
    """`END RequestId: ID`."""
    return f"END RequestId: {request_id}\n"


def billed_ms(duration_us: int, init_duration_us: int) -> int:
    """Whole milliseconds billed: duration and initialisation together, rounded up.

    Source: AWS Compute Blog, 2025-04 (INIT is billed for all functions since 2025-08-01).
    """
    return -(-(duration_us + init_duration_us) // 1000)


def report(
    request_id: str,
    *,
    duration_us: int,
    init_duration_us: int,
    memory_mb: int,
    max_memory_mb: int,
    status: str = "",
    error_type: str = "",
) -> str:
    """The REPORT line. `init_duration_us` 0: a warm start, not shown. `status` is `timeout` or `error`.

    Unverified: that Status follows Init Duration.
    """
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {_ms(duration_us)} ms"
        f"\tBilled Duration: {billed_ms(duration_us, init_duration_us)} ms"
        f"\tMemory Size: {memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t"
    )
    if init_duration_us:
        line += f"Init Duration: {_ms(init_duration_us)} ms\t"
    if status:
        line += f"Status: {status}"
        if error_type:
            line += f"\tError Type: {error_type}"
    return line + "\n"


def timed_out(at_ms: int, request_id: str, timeout_ms: int) -> str:
    """The line of an invocation that was stopped at its timeout. Unverified: that AWS still writes it."""
    return f"{iso_ms(at_ms)} {request_id} Task timed out after {timeout_ms / 1000:.2f} seconds\n"


def exited(message: str, error_type: str) -> str:
    """The line of a process that ended by itself: the error's message, then its type."""
    return f"{message}\n{error_type}\n"


def terminated(text: str) -> str:
    """A handler's line as one log event: it ends with a newline."""
    return text if text.endswith("\n") else text + "\n"


def tail(lines: Iterable[str]) -> str:
    """The last 4 KB of a log; a character cut in two is left out."""
    raw = "".join(lines).encode("utf-8", "replace")
    return raw[-LOG_TAIL_BYTES:].decode("utf-8", "ignore")


def _ms(us: int) -> str:
    return f"{us // 1000}.{us % 1000 // 10:02d}"

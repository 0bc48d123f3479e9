"""Documents that Lambda writes: error documents, destination records, attributes of dead events. Pure.

Source: AWS Lambda Developer Guide, "Capturing records of asynchronous invocations", and responses
recorded from AWS (2025-11).
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...aws.arn import region_and_account
from ...kernel.clock import iso_ms, iso_s
from ...kernel.codec import to_json
from . import limits
from .settings import VERSION

RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"
SUCCESS = "Success"

_MESSAGE_BYTES = 1024
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no message attribute can hold (Amazon SQS Developer Guide, "Amazon SQS message quotas")."""


def timeout_document(request_id: str, timeout_ms: int) -> str:
    """The error document of a function that ran into its timeout."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout_ms / 1000:.2f} seconds"
    return to_json({"errorType": "Sandbox.Timedout", "errorMessage": message})


def exit_document(request_id: str, reason: str | None) -> str:
    """The error document of a process that ended. `reason` is None, `exit status 127` or `signal: killed`;
    a bare number is an exit status, and 0 is no reason."""
    if reason is not None and reason.isdigit():
        reason = f"exit status {reason}" if reason != "0" else None
    how = f"with error: {reason}" if reason else "without providing a reason"
    message = f"RequestId: {request_id} Error: Runtime exited {how}"
    return to_json({"errorType": "Runtime.ExitError", "errorMessage": message})


def too_large_document() -> str:
    """The error document of a response that is too large."""
    message = f"Response payload size exceeded maximum allowed payload size ({limits.RESPONSE_BYTES} bytes)."
    return to_json({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})


def error_of(document: str) -> tuple[str, str]:
    """Type and message of an error document; empty where it has none."""
    found = _parsed(document)
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("errorType") or ""), str(found.get("errorMessage") or "")


def destination_record(
    *,
    now_ms: int,
    request_id: str,
    function_arn: str,
    condition: str,
    invoke_count: int,
    request: str,
    response: str | None,
) -> str:
    """The record of an asynchronous invocation. `request` and `response` are JSON texts; `response` None:
    the function never ran, and both members that speak of a response are absent. What is nested too deeply
    to be read (about 1,000 levels) stands in it as a text."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_ms(now_ms),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function_arn}:{VERSION}",
            "condition": condition,
            "approximateInvokeCount": invoke_count,
        },
        "requestPayload": _parsed(request),
    }
    if response is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": VERSION}
        if condition != SUCCESS:
            context["functionError"] = "Unhandled"
        record["responseContext"] = context
        record["responsePayload"] = _parsed(response)
    try:
        return to_json(record)
    except RecursionError:  # read with the last level that can be, and one more is too many to write
        record["requestPayload"] = request
        if response is not None:
            record["responsePayload"] = response
        return to_json(record)


def bus_event(record: str, *, event_id: str, bus_arn: str, function_arn: str, condition: str, now_ms: int) -> str:
    """The event in which an event bus gets a destination record; `record` is its JSON text.

    Source: AWS Lambda Developer Guide, "Capturing records of asynchronous invocations"; the shape as recorded on AWS.
    """
    region, account = region_and_account(function_arn)
    outcome = "Success" if condition == SUCCESS else "Failure"
    head = to_json(
        {
            "version": "0",
            "id": event_id,
            "detail-type": f"Lambda Function Invocation Result - {outcome}",
            "source": "lambda",
            "account": account,
            "time": iso_s(now_ms),
            "region": region,
            "resources": [bus_arn, f"{function_arn}:{VERSION}"],
        }
    )
    return f'{head[:-1]},"detail":{record}}}'


def dead_letter_context(function_arn: str, request_id: str, *, code: int, message: str) -> tuple[tuple[str, str], ...]:
    """The context of a delivery to a function's dead-letter queue: the three message attributes.

    Unverified: an empty message has no ErrorMessage, since a queue takes no empty attribute; characters that
    a queue does not take (the escapes of coloured text) become `?`, so that the event is not lost for them.
    """
    fit = _FORBIDDEN.sub("?", message)
    cut = fit.encode("utf-8", "replace")[:_MESSAGE_BYTES].decode("utf-8", "ignore")
    context = (
        ("source", function_arn),
        ("subject", request_id),
        ("message_attribute:RequestID", f"String:{request_id}"),
        ("message_attribute:ErrorCode", f"Number:{code}"),
    )
    return (*context, ("message_attribute:ErrorMessage", f"String:{cut}")) if cut else context


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

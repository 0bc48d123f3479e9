"""The message attributes that AWS adds to an event which ends in a dead-letter queue. Pure.

Only EventBridge and its Scheduler add any: those of Lambda's own dead-letter queues belong to Lambda, and SNS
sends exactly what the subscription would have got. Source: Amazon EventBridge User Guide, "Using dead-letter
queues to process undelivered events"; EventBridge Scheduler User Guide, "Configuring a dead-letter queue";
Amazon SNS Developer Guide, "Amazon SNS dead-letter queues".
"""

from __future__ import annotations

from functools import lru_cache

from .limits import SQS

_EVENTBRIDGE_CODES = {
    # No such target: an ARN of nothing, a queue or a function that is gone.
    "ResourceNotFoundException": "NO_RESOURCE",
    "AWS.SimpleQueueService.NonExistentQueue": "NO_RESOURCE",
    "QueueDoesNotExist": "NO_RESOURCE",
    "NotFound": "NO_RESOURCE",
    "AccessDenied": "NO_PERMISSIONS",
    "AccessDeniedException": "NO_PERMISSIONS",
    "AuthorizationError": "NO_PERMISSIONS",
    "TooManyRequestsException": "THROTTLING",
    "Throttling": "THROTTLING",
    "ThrottlingException": "THROTTLING",
    "RequestThrottled": "THROTTLING",
    "OverLimit": "RESOURCE_LIMIT_EXCEEDED",
    "RequestTimeout": "TIMEOUT",
    "RequestTimeoutException": "TIMEOUT",
    "Timeout": "TIMEOUT",
    "InvalidRequestContentException": "INVALID_JSON",
    "InvalidMessageContents": "INVALID_PARAMETER",
    "InvalidParameterValue": "INVALID_PARAMETER",
    "InvalidParameterValueException": "INVALID_PARAMETER",
    "MissingParameter": "INVALID_PARAMETER",
    "RequestEntityTooLargeException": "INVALID_PARAMETER",
    "UnsupportedOperation": "INVALID_PARAMETER",
    "InternalFailure": "INTERNAL_ERROR",
}
_ELSE = "ERROR_FROM_TARGET"
_DOCUMENTED = frozenset(
    {
        "CONNECTION_FAILURE", "CROSS_ACCOUNT_INGESTION_FAILED", "CROSS_REGION_INGESTION_FAILED", "ERROR_FROM_TARGET",
        "EVENTS_IN_BATCH_REQUEST_REJECTED", "FAILED_TO_ASSUME_ROLE", "INTERNAL_ERROR", "INVALID_JSON",
        "INVALID_PARAMETER", "NO_PERMISSIONS", "NO_RESOURCE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_LIMIT_EXCEEDED",
        "RESOURCE_MODIFICATION_COLLISION", "SDK_CLIENT_ERROR", "THIRD_ACCOUNT_HOP_DETECTED",
        "THIRD_REGION_HOP_DETECTED", "THROTTLING", "TIMEOUT", "TRANSIENT_ASSUME_ROLE", "UNKNOWN",
    }
)  # fmt: skip
"""What ERROR_CODE can be; EventBridge's own failures are named so already."""


@lru_cache(maxsize=256)
def eventbridge_error_code(code: str) -> str:
    """EventBridge's ERROR_CODE for the error code that a target answered, or that is one already.

    Unverified: the codes are documented, which error of a target becomes which of them is not.
    """
    return code if code in _DOCUMENTED else _EVENTBRIDGE_CODES.get(code, _ELSE)


def dead_letter_attributes(
    policy_name: str,
    *,
    context: tuple[tuple[str, str], ...],
    target_arn: str,
    error_code: str,
    error_message: str,
    condition: str | None,
    retries: int,
) -> tuple[tuple[str, str], ...]:
    """The context of a given-up delivery's letter, pairs like ("message_attribute:RULE_ARN", "String:arn:…").

    `policy_name` is RetryPolicy.name; one without attributes gives (). `context` is the delivery's; its
    `rule_arn` is RULE_ARN. `error_code` and `error_message` are what the target answered last.
    `condition` is `MaximumRetryAttempts`, `MaximumEventAgeInSeconds`, or None for an error that is never
    retried: then there is no EXHAUSTED_RETRY_CONDITION. `retries` does not count the first attempt.
    """
    if policy_name == "sns":
        return _as_it_was(context)
    if policy_name == "scheduler":
        return _of_scheduler(dict(context), error_code, error_message, condition, retries)
    if policy_name != "eventbridge":
        return ()
    found = {
        "RULE_ARN": dict(context).get("rule_arn", ""),
        "TARGET_ARN": target_arn,
        "ERROR_CODE": eventbridge_error_code(error_code),
        "ERROR_MESSAGE": error_message or error_code,
        "EXHAUSTED_RETRY_CONDITION": condition or "",
        "RETRY_ATTEMPTS": str(retries),
    }
    return _as_attributes(found)


def _as_attributes(found: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """A message attribute cannot be empty."""
    return tuple((f"message_attribute:{name}", f"String:{text}") for name, text in found.items() if text)


def _of_scheduler(
    context: dict[str, str], error_code: str, error_message: str, condition: str | None, retries: int
) -> tuple[tuple[str, str], ...]:
    """What EventBridge Scheduler adds: the target's own error, whose it was and when it was due.

    The payload is never truncated: an Input has at most 256 KB, and a queue takes 1 MB.
    """
    if error_code == "InternalFailure":
        error_code = "AWS.Scheduler.InternalServerError"
        error_message = "Unexpected error occurred while processing the request"
    return _as_attributes(
        {
            "ERROR_CODE": error_code,
            "ERROR_MESSAGE": error_message or error_code,
            "EXECUTION_ID": context["execution_id"],
            "EXHAUSTED_RETRY_CONDITION": condition or "",
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": str(retries),
            "SCHEDULED_TIME": context["scheduled_time"],
            "SCHEDULE_ARN": context["schedule_arn"],
            "TARGET_ARN": context["target_arn"],
        }
    )


_MESSAGE_ATTRIBUTE = "message_attribute:"
_KEPT = (_MESSAGE_ATTRIBUTE, "system_attribute:", "group_id", "deduplication_id", "subject", "sender_id")


def _as_it_was(context: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """What a queue would have got beside the body. Unverified: a message with more attributes than a queue
    takes, which is why it is here, arrives without them."""
    kept = tuple(pair for pair in context if pair[0].startswith(_KEPT))
    attributes = sum(name.startswith(_MESSAGE_ATTRIBUTE) for name, _ in kept)
    if attributes <= SQS.message_attributes:
        return kept
    return tuple(pair for pair in kept if not pair[0].startswith(_MESSAGE_ATTRIBUTE))

"""The errors of Amazon SQS as values, in AWS's words.

`code` is the one an SDK shows as Error.Code; the shape of the JSON protocol, where it has another name,
is in `fields` under QueryErrorCode. Source: Amazon SQS API Reference, the Errors section of each action.
"""

from __future__ import annotations

from ...aws.limits import SQS, Range
from ...kernel.effects import Refused

_PREFIX = "AWS.SimpleQueueService."


def _refused(code: str, message: str, *, shape: str = "", status: int = 400) -> Refused:
    return Refused(code, message, status=status, fields=(("QueryErrorCode", shape or code),))


def no_such_queue() -> Refused:
    """The ARN names no queue."""
    return _refused(_PREFIX + "NonExistentQueue", "The specified queue does not exist.", shape="QueueDoesNotExist")


def invalid_value(message: str) -> Refused:
    """InvalidParameterValue with a message of the caller's."""
    return _refused("InvalidParameterValue", message, shape="InvalidParameterValueException")


def invalid_parameter(name: str, number: object, reason: str) -> Refused:
    """InvalidParameterValue in its usual form; `reason` has no final full stop unless AWS writes one."""
    return invalid_value(f"Value {number} for parameter {name} is invalid. Reason: {reason}")


def visibility_out_of_range(number: int) -> Refused:
    """A VisibilityTimeout of a receive or a change that is not 0 to 43200."""
    allowed = SQS.visibility_timeout_s
    reason = f"VisibilityTimeout must be an integer between {allowed.low} and {allowed.high}."
    return invalid_parameter("VisibilityTimeout", number, reason)


def visibility_beyond_limit(number: int) -> Refused:
    """A change that would hide a message longer than 12 hours from its receive."""
    limit = SQS.visibility_timeout_s.high
    reason = f"Total VisibilityTimeout for the message is beyond the limit [{limit} seconds]"
    return invalid_parameter("VisibilityTimeout", number, reason)


def not_available_for_change(handle: str) -> Refused:
    """A visibility change for a message that is gone."""
    reason = "Message does not exist or is not available for visibility timeout change."
    return invalid_parameter("ReceiptHandle", handle, reason)


def bad_receipt_handle(handle: str) -> Refused:
    """A text that this queue never gave as a receipt handle."""
    return _refused("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def missing_parameter(name: str) -> Refused:
    """A required member is absent or empty."""
    message = f"The request must contain the parameter {name}."
    return _refused("MissingParameter", message, shape="MissingRequiredParameterException")


def invalid_contents() -> Refused:
    """A body or an attribute has a character that no message may have."""
    message = (
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF |"
        " #xE000 to #xFFFD | #x10000 to #x10FFFF."
    )
    return _refused("InvalidMessageContents", message)


def message_too_long(limit: int, *, in_batch: bool) -> Refused:
    """Body and attributes are longer than the queue's MaximumMessageSize."""
    verb = "cannot be validated" if in_batch else "are invalid"
    return invalid_value(f"One or more parameters {verb}. Reason: Message must be shorter than {limit} bytes.")


def unknown_attribute(name: str) -> Refused:
    """An attribute name that does not exist."""
    return _refused("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_attribute(name: str, allowed: Range | None = None) -> Refused:
    """A queue setting outside its range."""
    text = f" Reason: Must be between {allowed.low} and {allowed.high}." if allowed is not None else ""
    return _refused("InvalidAttributeValue", f"Invalid value for the parameter {name}.{text}")


def over_limit() -> Refused:
    """A short poll while as many messages as a queue may have are in flight."""
    message = (
        "The specified action violates a limit. For example, ReceiveMessage returns this error if the maximum"
        " number of in flight messages is reached."
    )
    return _refused("OverLimit", message, status=403)


def purge_in_progress(queue: str) -> Refused:
    """A second PurgeQueue within a minute."""
    message = f"Only one PurgeQueue operation on {queue} is allowed every {SQS.purge_interval_s} seconds."
    return _refused(_PREFIX + "PurgeQueueInProgress", message, shape="PurgeQueueInProgress", status=403)


def _batch(name: str, message: str) -> Refused:
    return _refused(_PREFIX + name, message, shape=name)


def empty_batch() -> Refused:
    """A batch without entries."""
    return _batch("EmptyBatchRequest", "There should be at least one entry in the request.")


def too_many_entries(count: int) -> Refused:
    """A batch of more than 10."""
    message = f"Maximum number of entries per request are {SQS.batch_entries}. You have sent {count}."
    return _batch("TooManyEntriesInBatchRequest", message)


def invalid_batch_id() -> Refused:
    """An entry's id is not 1 to 80 letters, digits, hyphens and underscores."""
    return _batch(
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
        " It can be at most 80 letters long.",
    )


def ids_not_distinct(repeated: str) -> Refused:
    """Two entries of a batch have the same id."""
    return _batch("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")


def batch_too_long(size: int) -> Refused:
    """The messages of a batch are together too long; none of them is sent."""
    message = f"Batch requests cannot be longer than {SQS.batch_bytes} bytes. You have sent {size} bytes."
    return _batch("BatchRequestTooLong", message)


# --- FIFO queues --------------------------------------------------------------------------------


def not_for_this_queue(name: str, text: object, *, includes: str = "include") -> Refused:
    """A parameter that the other type of queue has. AWS writes `include` and `includes a`."""
    return invalid_parameter(name, text, f"The request {includes} parameter that is not valid for this queue type.")


def invalid_id(name: str, text: str) -> Refused:
    """A MessageGroupId, MessageDeduplicationId or ReceiveRequestAttemptId with other characters, or too long."""
    longest = SQS.group_id_length
    reason = f"{name} can only include alphanumeric and punctuation characters. 1 to {longest} in length."
    return invalid_parameter(name, text, reason)


def no_deduplication_id() -> Refused:
    """A FIFO message without a deduplication id, on a queue that makes none from the body."""
    return invalid_value(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )


def receipt_expired(handle: str) -> Refused:
    """A FIFO deletion after the visibility timeout."""
    return invalid_parameter("ReceiptHandle", handle, "The receipt handle has expired.")


def not_in_flight() -> Refused:
    """A FIFO visibility change after the visibility timeout."""
    return _batch("MessageNotInflight", "The specified message isn't in flight.")


def fifo_only(name: str) -> Refused:
    """A setting that only a FIFO queue has."""
    return _refused("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")


# --- queues -------------------------------------------------------------------------------------


def attribute_value(name: str, reason: str) -> Refused:
    """A queue setting that is not allowed, and why."""
    return _refused("InvalidAttributeValue", f"Invalid value for the parameter {name}. Reason: {reason}")


def both_encryptions() -> Refused:
    """KMS and SQS encryption at once."""
    return _refused(
        "InvalidAttributeName",
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
    )


def queue_exists(attribute: str) -> Refused:
    """CreateQueue with another value for an attribute of a queue that is there."""
    message = f"A queue already exists with the same name and a different value for attribute {attribute}"
    return _refused("QueueAlreadyExists", message, shape="QueueNameExists")


def deleted_recently() -> Refused:
    """CreateQueue too soon after DeleteQueue."""
    message = (
        f"You must wait {SQS.recreation_s} seconds after deleting a queue before you can create another with the"
        " same name."
    )
    return _batch("QueueDeletedRecently", message)


# --- move tasks ---------------------------------------------------------------------------------


def _no_resource(message: str) -> Refused:
    return _refused("ResourceNotFoundException", message, status=404)


def no_such_parameter_resource(name: str) -> Refused:
    """A move task's SourceArn or DestinationArn names no queue."""
    return _no_resource(f"The resource that you specified for the {name} parameter doesn't exist.")


def no_such_task() -> Refused:
    """A task handle of no task."""
    return _no_resource("Task does not exist.")


def bad_task_handle() -> Refused:
    """A text that is no task handle."""
    return invalid_value("Value for parameter TaskHandle is invalid.")

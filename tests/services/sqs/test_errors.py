"""The error codes of queues: AWS's code, the shape's name and the HTTP status of each."""

from __future__ import annotations

import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import errors

SIMPLE = "AWS.SimpleQueueService."


@pytest.mark.parametrize(
    ("refused", "code", "shape", "status"),
    [
        (errors.no_such_queue(), f"{SIMPLE}NonExistentQueue", "QueueDoesNotExist", 400),
        (errors.queue_exists("DelaySeconds"), "QueueAlreadyExists", "QueueNameExists", 400),
        (errors.deleted_recently(), f"{SIMPLE}QueueDeletedRecently", "QueueDeletedRecently", 400),
        (errors.purge_in_progress("q"), f"{SIMPLE}PurgeQueueInProgress", "PurgeQueueInProgress", 403),
        (errors.batch_too_long(2_000_000), f"{SIMPLE}BatchRequestTooLong", "BatchRequestTooLong", 400),
        (errors.too_many_entries(11), f"{SIMPLE}TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest", 400),
        (errors.invalid_batch_id(), f"{SIMPLE}InvalidBatchEntryId", "InvalidBatchEntryId", 400),
        (errors.ids_not_distinct("a"), f"{SIMPLE}BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct", 400),
        (errors.empty_batch(), f"{SIMPLE}EmptyBatchRequest", "EmptyBatchRequest", 400),
        (errors.invalid_value("x"), "InvalidParameterValue", "InvalidParameterValueException", 400),
        (errors.missing_parameter("MessageBody"), "MissingParameter", "MissingRequiredParameterException", 400),
        (errors.unknown_attribute("Colour"), "InvalidAttributeName", None, 400),
        (errors.invalid_attribute("DelaySeconds"), "InvalidAttributeValue", None, 400),
        (errors.bad_receipt_handle("x"), "ReceiptHandleIsInvalid", None, 400),
        (errors.not_in_flight(), f"{SIMPLE}MessageNotInflight", "MessageNotInflight", 400),
        (errors.over_limit(), "OverLimit", None, 403),
        (errors.no_such_task(), "ResourceNotFoundException", None, 404),
        (errors.invalid_contents(), "InvalidMessageContents", None, 400),
    ],
    ids=lambda item: item.code if isinstance(item, Refused) else "",
)
def test_code_shape_and_status(refused: Refused, code: str, shape: str | None, status: int) -> None:
    assert (refused.code, refused.status) == (code, status)
    assert dict(refused.fields).get("QueryErrorCode", code) == (shape or code)


def test_the_texts_for_a_message_that_is_too_long_differ_in_a_batch() -> None:
    alone, within = errors.message_too_long(1024, in_batch=False), errors.message_too_long(1024, in_batch=True)
    end = "Reason: Message must be shorter than 1024 bytes."
    assert alone.message == f"One or more parameters are invalid. {end}"
    assert within.message == f"One or more parameters cannot be validated. {end}"

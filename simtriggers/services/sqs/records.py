"""The shapes in which a received message leaves the queue: a Lambda record, and a message of ReceiveMessage.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", example standard queue message event;
Amazon SQS API Reference, Message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ...aws.arn import region_and_account
from ...aws.digests import Attribute, is_binary, md5_of_message_attributes
from ...kernel.codec import to_json
from .commands import Message
from .content import TRACE_HEADER
from .sequence import sequence_number
from .store import Candidate

SYSTEM_ATTRIBUTES = frozenset(
    {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        TRACE_HEADER,
        "DeadLetterQueueSourceArn",
    }
)
"""What may be asked for; on a standard queue a message has no number and no deduplication id."""


def event_record(
    queue: str, message: Candidate, *, handle: str, receive_count: int, first_received_ms: int, null_md5: bool
) -> str:
    """One record of an SQS event, as JSON text with AWS's order of keys, built piece by piece.

    `null_md5`: without message attributes, `md5OfMessageAttributes` is null instead of absent, as it is
    for a mapping with a batching window.
    """
    attributes = "{}"
    md5 = '"md5OfMessageAttributes":null,' if null_md5 else ""
    if message.attributes is not None:
        attributes = to_json(_message_attributes(message.attributes))
        md5 = f'"md5OfMessageAttributes":"{message.md5_of_attributes}",'
    return (
        f'{{"messageId":"{message.message_id}","receiptHandle":"{handle}","body":{to_json(message.body)},'
        f'"attributes":{_system_text(message, receive_count, first_received_ms)},'
        f'"messageAttributes":{attributes},{md5}"md5OfBody":"{message.md5_of_body}",{_source(queue)}'
    )


def _system_text(message: Candidate, receive_count: int, first_received_ms: int) -> str:
    """The system attributes as JSON; those of a plain message, the many, have nothing to escape."""
    if message.trace_header is None and message.dead_letter_source is None and message.group_id is None:
        return (
            f'{{"ApproximateReceiveCount":"{receive_count}","SentTimestamp":"{message.sent_ms}",'
            f'"SenderId":"{message.sender_id}","ApproximateFirstReceiveTimestamp":"{first_received_ms}"}}'
        )
    return to_json(_system_attributes(message, receive_count, first_received_ms))


def _message_attributes(stored: str) -> dict[str, Any]:
    return {
        name: {
            "binaryValue" if is_binary(data_type) else "stringValue": value,
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": data_type,
        }
        for name, data_type, value in json.loads(stored)
    }


@lru_cache(maxsize=256)
def _source(queue: str) -> str:
    """The end of every record of a queue."""
    facts = {"eventSource": "aws:sqs", "eventSourceARN": queue, "awsRegion": region_and_account(queue)[0]}
    return to_json(facts)[1:]


def received_message(
    message: Candidate,
    *,
    handle: str,
    receive_count: int,
    first_received_ms: int,
    attribute_names: tuple[str, ...],
    message_attribute_names: tuple[str, ...],
) -> Message:
    """One message of a ReceiveResult, with the attributes that were asked for."""
    system: tuple[tuple[str, str], ...] = ()
    if attribute_names:
        found = _system_attributes(message, receive_count, first_received_ms)
        wanted = found if "All" in attribute_names else [name for name in found if name in attribute_names]
        system = tuple((name, found[name]) for name in wanted)
    attributes: tuple[Attribute, ...] = ()
    if message_attribute_names and message.attributes is not None:
        attributes = tuple(
            (name, data_type, value)
            for name, data_type, value in json.loads(message.attributes)
            if _asked_for(name, message_attribute_names)
        )
    return Message(
        message.message_id,
        handle,
        message.md5_of_body,
        message.body,
        system,
        md5_of_message_attributes(attributes),
        attributes,
    )


def _system_attributes(message: Candidate, receive_count: int, first_received_ms: int) -> dict[str, str]:
    found: dict[str, str] = {}
    if message.trace_header is not None:
        found[TRACE_HEADER] = message.trace_header
    found["ApproximateReceiveCount"] = str(receive_count)
    found["SentTimestamp"] = str(message.sent_ms)
    if message.sequence is not None:
        found["SequenceNumber"] = sequence_number(message.sequence)
    if message.group_id is not None:
        found["MessageGroupId"] = message.group_id
    found["SenderId"] = message.sender_id
    if message.deduplication_id is not None:
        found["MessageDeduplicationId"] = message.deduplication_id
    found["ApproximateFirstReceiveTimestamp"] = str(first_received_ms)
    if message.dead_letter_source is not None:
        found["DeadLetterQueueSourceArn"] = message.dead_letter_source
    return found


def _asked_for(name: str, patterns: Iterable[str]) -> bool:
    for pattern in patterns:
        if pattern in ("All", ".*") or pattern == name:
            return True
        if pattern.endswith(".*") and name.startswith(pattern[:-2]):
            return True
    return False

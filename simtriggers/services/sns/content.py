"""What a message may contain: body, subject, structure, attributes, and how its size is counted. Pure.

Each check returns None or the error AWS answers. Source: Amazon SNS API Reference, Publish; texts as
recorded on AWS.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from ...aws.deduplication import content_id, is_id
from ...aws.digests import is_binary
from ...aws.limits import Limit
from ...kernel.effects import Refused
from . import errors
from .commands import PublishEntry
from .settings import TopicSettings

SUBJECT_CHARACTERS = Limit(100, "Amazon SNS API Reference, Publish, Subject")
NAME_BYTES = Limit(256, "Amazon SNS Developer Guide, Message attribute items and validation")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


def check_entry(entry: PublishEntry, topic: TopicSettings) -> Refused | None:
    """What AWS says against one message of Publish; None when it is accepted."""
    return check_message(entry, None) or _check_group(entry, topic) or _check_size(entry, topic.maximum_message_size)


def check_batched(entry: PublishEntry, topic: TopicSettings, position: int) -> Refused | None:
    """What of one entry refuses the whole batch: attributes, structure, and what a FIFO topic needs, as recorded
    on AWS. `position` counts from 1. What is left is `check_alone`'s."""
    place = f"publishBatchRequestEntries.{position}.member."
    return _check_attributes(entry, place) or _check_structure(entry) or _check_fifo(entry, topic)


def check_alone(entry: PublishEntry, topic: TopicSettings) -> Refused | None:
    """What fails one entry of a batch and leaves the others. Unverified: that these do not refuse the batch."""
    return _check_text(entry) or _check_group(entry, topic)


def check_message(entry: PublishEntry, most_bytes: int | None) -> Refused | None:
    """What AWS says against text, subject and attributes of a message, to whomever it goes."""
    problem = _check_text(entry) or _check_structure(entry) or _check_attributes(entry, "")
    return problem if problem is not None or most_bytes is None else _check_size(entry, most_bytes)


def _check_size(entry: PublishEntry, most_bytes: int) -> Refused | None:
    return errors.invalid_parameter("Message too long") if size_of(entry) > most_bytes else None


def _check_text(entry: PublishEntry) -> Refused | None:
    if not entry.message:
        return errors.invalid_parameter("Empty message")
    subject = entry.subject
    if subject is not None and (not subject or len(subject) > SUBJECT_CHARACTERS or not subject.isprintable()):
        return errors.invalid_parameter("Subject")
    return None


def _check_structure(entry: PublishEntry) -> Refused | None:
    if entry.message_structure is None:
        return None
    if entry.message_structure != "json":  # Unverified: the text
        return errors.invalid_parameter("MessageStructure")
    found = structured(entry.message)
    return found if type(found) is Refused else None


def structured(message: str) -> dict[str, Any] | Refused:
    """The texts of a message with MessageStructure `json`, by protocol. Of equal keys the last one counts."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return errors.invalid_parameter("Message Structure - JSON message body failed to parse")
    if not isinstance(found, dict) or not isinstance(found.get("default"), str):
        return errors.invalid_parameter("Message Structure - No default entry in JSON message body")
    return found


def text_for(protocol: str, texts: dict[str, Any]) -> str:
    """What a protocol gets. Unverified: `default` stands in for a text that is no string."""
    own = texts.get(protocol)
    return own if isinstance(own, str) else str(texts["default"])


def _check_group(entry: PublishEntry, topic: TopicSettings) -> Refused | None:
    for name, item in (
        ("MessageGroupId", entry.message_group_id),
        ("MessageDeduplicationId", entry.message_deduplication_id),
    ):
        if item and not is_id(item):  # Unverified: the text
            return errors.invalid_parameter(f"{name} Reason: it can be 1 to 128 letters, digits and punctuation")
    if not topic.fifo:
        if entry.message_deduplication_id is None:
            return None
        text = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not"
        return errors.invalid_parameter(f"{text} valid for this topic type")
    return _check_fifo(entry, topic)


def _check_fifo(entry: PublishEntry, topic: TopicSettings) -> Refused | None:
    if not topic.fifo:
        return None
    if not entry.message_group_id:
        return errors.invalid_parameter("The MessageGroupId parameter is required for FIFO topics")
    if not entry.message_deduplication_id and not topic.content_based_deduplication:
        text = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided"
        return errors.invalid_parameter(f"{text} explicitly")
    return None


def deduplication_id(entry: PublishEntry) -> str:
    """The message's own id, or that of its text."""
    return entry.message_deduplication_id or content_id(entry.message)


def size_of(entry: PublishEntry) -> int:
    """Bytes that count: the body, and names, types and values of attributes."""
    message = entry.message
    size = len(message) if message.isascii() else len(message.encode("utf-8", "surrogatepass"))
    for name, data_type, value in entry.message_attributes:
        size += len(name.encode()) + len(data_type.encode())
        size += len(base64.b64decode(value)) if is_binary(data_type) else len(value.encode("utf-8", "surrogatepass"))
    return size


def _check_attributes(entry: PublishEntry, place: str) -> Refused | None:
    """`place` is where the entry stands in the request, as the text for a missing type names it.

    What SQS has against an attribute beyond this, SNS accepts: a raw message is then refused by its queue.
    """
    for name, data_type, value in entry.message_attributes:
        problem = _check_name(name) or _check_value(name, data_type, value, place)
        if problem is not None:
            return problem
    return None


def _check_name(name: str) -> Refused | None:
    if not name:  # Unverified: the text
        return errors.invalid_value("The message attribute name must not be empty.")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        return errors.invalid_value(f"Length of message attribute name must be less than {NAME_BYTES} bytes.")
    for found, where in ((name[0], "starting"), (name[-1], "ending")):
        if found == ".":
            return errors.invalid_value(f"Invalid message attribute name {where} with character '.' was found.")
    bad = _NOT_IN_NAMES.search(name)
    if bad is not None:
        return errors.invalid_value(
            f"Invalid non-alphanumeric character '#x{ord(bad[0]):X}' was found in the message attribute name."
            " Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if ".." in name:
        return errors.invalid_value("Message attribute name can not have successive '.' character.")
    return None


def _check_value(name: str, data_type: str, value: str, place: str) -> Refused | None:
    if not data_type:
        member = f"{place}messageAttributes.{name}.member.dataType"
        text = f"Value null at '{member}' failed to satisfy constraint: Member must not be null"
        return errors.validation_error(text)
    if not _TYPE.fullmatch(data_type):
        return errors.invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type"
            " prefixes is Binary, Number, and String."
        )
    if not value:
        return errors.invalid_value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute"
            f" type '{data_type}'."
        )
    if is_binary(data_type):
        try:
            base64.b64decode(value.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):  # Unverified: the text
            return errors.invalid_value(f"The message attribute '{name}' is not valid Base64.")
    return None

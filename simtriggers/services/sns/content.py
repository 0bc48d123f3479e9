"""What a message may contain: body, subject, structure, attributes, and how its size is counted. Pure.

Each check returns None or the error AWS answers. Source: Amazon SNS API Reference, Publish; texts as
recorded on AWS.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from ...aws.deduplication import content_id, is_id
from ...aws.digests import Attribute, is_binary
from ...aws.limits import Limit
from ...kernel.effects import Refused
from . import errors
from .commands import PublishEntry
from .settings import TopicSettings

SUBJECT_CHARACTERS = Limit(100, "Amazon SNS API Reference, Publish, Subject")
_PREFIXES = ("String", "Number", "Binary")


def check_entry(entry: PublishEntry, topic: TopicSettings, *, in_batch: bool) -> Refused | None:
    """What AWS says against one message; None when it is accepted."""
    return (
        check_message(entry, None)
        or _check_group(entry, topic)
        or (None if in_batch else _check_size(entry, topic.maximum_message_size))
    )


def check_message(entry: PublishEntry, most_bytes: int | None) -> Refused | None:
    """What AWS says against text, subject and attributes of a message, to whomever it goes."""
    problem = _check_text(entry)
    for name, data_type, value in entry.message_attributes:
        problem = problem or _check_attribute(name, data_type, value)
    return problem if problem is not None or most_bytes is None else _check_size(entry, most_bytes)


def _check_size(entry: PublishEntry, most_bytes: int) -> Refused | None:
    return errors.invalid_parameter("Message too long") if size_of(entry) > most_bytes else None


def _check_text(entry: PublishEntry) -> Refused | None:
    if not entry.message:
        return errors.invalid_parameter("Empty message")
    subject = entry.subject
    if subject is not None and (not subject or len(subject) > SUBJECT_CHARACTERS or not subject.isprintable()):
        return errors.invalid_parameter("Subject")
    if entry.message_structure is not None:
        if entry.message_structure != "json":  # Unverified: the text
            return errors.invalid_parameter("MessageStructure")
        found = structured(entry.message)
        return found if type(found) is Refused else None
    return None


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


def _check_attribute(name: str, data_type: str, value: str) -> Refused | None:
    if not data_type:
        return _no_type(name)
    if not data_type.startswith(_PREFIXES):
        return errors.invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type"
            " prefixes is Binary, Number, and String."
        )
    if not value:
        return _no_value(name, data_type)
    if is_binary(data_type):
        try:
            base64.b64decode(value.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):  # Unverified: the text
            return errors.invalid_value(f"The message attribute '{name}' is not valid Base64.")
    return None


def _no_type(name: str) -> Refused:
    place = f"messageAttributes.{name}.member.dataType"
    return errors.validation_error(f"Value null at '{place}' failed to satisfy constraint: Member must not be null")


def _no_value(name: str, data_type: str) -> Refused:
    return errors.invalid_value(
        f"The message attribute '{name}' must contain non-empty message attribute value for message attribute"
        f" type '{data_type}'."
    )


def read_attributes(wire: dict[str, dict[str, str]]) -> tuple[Attribute, ...] | Refused:
    """Message attributes as a request has them: DataType with StringValue or BinaryValue (Base64)."""
    found: list[Attribute] = []
    for name, fields in wire.items():
        data_type = fields.get("DataType", "")
        wanted, other = "StringValue", "BinaryValue"
        if is_binary(data_type):
            wanted, other = other, wanted
        if data_type.startswith(_PREFIXES) and not fields.get(wanted):
            if fields.get(other):
                kind = data_type.partition(".")[0]
                field = "Binary" if is_binary(data_type) else "String"
                text = f"The message attribute '{name}' with type '{kind}' must use field '{field}'."
                return errors.invalid_value(text)
            return _no_value(name, data_type)
        problem = _check_attribute(name, data_type, fields.get(wanted, ""))
        if problem is not None:
            return problem
        found.append((name, data_type, fields[wanted]))
    return tuple(found)


def has_good_attributes(entry: PublishEntry) -> bool:
    """Whether the bytes of a message's attributes can be counted."""
    return all(_check_attribute(*each) is None for each in entry.message_attributes)

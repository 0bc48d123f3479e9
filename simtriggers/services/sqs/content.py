"""What a message may contain: body, message attributes, system attributes, and how its size is counted.

Pure checks; each returns None or the error AWS answers. Source: Amazon SQS Developer Guide, "Amazon SQS
message metadata" and "Amazon SQS message quotas".
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal, InvalidOperation

from ...aws.digests import Attribute, is_binary
from ...aws.limits import SQS
from ...kernel.effects import Refused
from . import errors

TRACE_HEADER = "AWSTraceHeader"

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_RESERVED = ("aws.", "amazon.")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)


def check_body(body: str) -> Refused | None:
    """A body has at least one character, and none that XML 1.0 forbids."""
    if not body:
        return errors.missing_parameter("MessageBody")
    if body.isprintable():  # three times as fast, and nothing printable is forbidden
        return None
    return errors.invalid_contents() if _FORBIDDEN.search(body) else None


def check_attributes(attributes: tuple[Attribute, ...]) -> Refused | None:
    """At most 10 message attributes, each with a valid name, type and value."""
    if len(attributes) > SQS.message_attributes:
        return errors.invalid_value(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{SQS.message_attributes}]."
        )
    for name, data_type, value in attributes:
        problem = _check_name(name) or _check_type(name, data_type) or _check_value(name, data_type, value)
        if problem is not None:
            return problem
    return None


def check_system_attributes(attributes: tuple[Attribute, ...]) -> Refused | None:
    """The only one that can be sent is AWSTraceHeader, a String.

    Unverified: the texts of both errors.
    """
    for name, data_type, value in attributes:
        if name != TRACE_HEADER:
            return errors.invalid_value(f"Message system attribute name '{name}' is not supported.")
        if data_type != "String":
            return errors.invalid_value(f"Message (system) attribute '{name}' must be of type 'String'.")
        problem = _check_value(name, data_type, value)
        if problem is not None:
            return problem
    return None


def size_of(body: str, attributes: tuple[Attribute, ...]) -> int:
    """Bytes that count: the body, and names, types and values of message attributes.

    System attributes are free.
    """
    size = len(body) if body.isascii() else len(body.encode("utf-8", "surrogatepass"))
    for name, data_type, value in attributes:
        size += len(name.encode()) + len(data_type.encode())
        size += len(base64.b64decode(value)) if is_binary(data_type) else len(value.encode())
    return size


def _check_name(name: str) -> Refused | None:
    if len(name.encode("utf-8", "surrogatepass")) > SQS.attribute_name_length:
        text = f"Message (user) attribute names must be shorter than {SQS.attribute_name_length} Bytes"
        return errors.invalid_value(text)
    if not _NAME.fullmatch(name):
        return errors.invalid_value(
            "Message (user) attributes name can only contain upper and lower score characters, digits,"
            " periods, hyphens and underscores. "
        )
    if name.lower().startswith(_RESERVED) or name.startswith(".") or name.endswith(".") or ".." in name:
        return errors.invalid_value(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are"
            " reserved for internal use. Additionally, they cannot start or end with '.'."
        )
    return None


def _check_type(name: str, data_type: str) -> Refused | None:
    if not data_type:
        return errors.invalid_value(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    if not _TYPE.fullmatch(data_type):
        return errors.invalid_value(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following"
            " supported type prefixes: Binary, Number, String."
        )
    if len(data_type.encode("utf-8", "surrogatepass")) > SQS.attribute_type_length:
        text = f"Message (user) attribute types must be shorter than {SQS.attribute_type_length} Bytes"
        return errors.invalid_value(text)
    return errors.invalid_contents() if _FORBIDDEN.search(data_type) else None


def _check_value(name: str, data_type: str, value: str) -> Refused | None:
    if not value:
        return errors.invalid_value(
            f"Message (user) attribute '{name}' must contain a non-empty value of type '{data_type.partition('.')[0]}'."
        )
    if is_binary(data_type):
        try:
            base64.b64decode(value.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return errors.invalid_value(f"Message (user) attribute '{name}' is not valid Base64.")
        return None
    if _FORBIDDEN.search(value):
        return errors.invalid_contents()
    if data_type.startswith("Number") and not _is_number(value):
        return errors.invalid_value(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return None


def _is_number(text: str) -> bool:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    return number.is_finite() and len(number.as_tuple().digits) <= SQS.number_digits

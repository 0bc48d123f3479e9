"""Digests that AWS computes over messages, as its SDKs verify them. Pure; no size limits here.

Source: Amazon SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import md5

Attribute = tuple[str, str, str]
"""(name, data type with any custom label, value); the value of a Binary type is base64 text."""

_STRING, _BINARY = b"\x01", b"\x02"


def is_binary(data_type: str) -> bool:
    """Whether a data type is `Binary` or `Binary.label`."""
    return data_type == "Binary" or data_type.startswith("Binary.")


def md5_of_body(body: str) -> str:
    """Lower-case hex MD5 of the UTF-8 text of a message body."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_message_attributes(attributes: Iterable[Attribute]) -> str | None:
    """Lower-case hex MD5 of message attributes or message system attributes; None when there are none.

    The attributes are taken by name; of each, the length (four bytes, big-endian) and UTF-8 text of name
    and type, a byte for the transport type, and length and bytes of the value. Numbers count as text.
    """
    buffer = bytearray()
    for name, data_type, value in sorted(attributes):
        _append(buffer, name.encode())
        _append(buffer, data_type.encode())
        if is_binary(data_type):
            buffer += _BINARY
            _append(buffer, base64.b64decode(value))
        else:
            buffer += _STRING
            _append(buffer, value.encode())
    return md5(bytes(buffer), usedforsecurity=False).hexdigest() if buffer else None


def _append(buffer: bytearray, part: bytes) -> None:
    buffer += len(part).to_bytes(4, "big")
    buffer += part

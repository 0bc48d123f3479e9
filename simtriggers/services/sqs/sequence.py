"""Small facts of FIFO messages: deduplication ids, sequence numbers, and which ids are well-formed. Pure.

Source: Amazon SQS Developer Guide, "Using the Amazon SQS message deduplication ID"; Amazon SQS API Reference,
SendMessage.
"""

from __future__ import annotations

import re
from hashlib import sha256

from ...aws.limits import SQS

_ID = re.compile(rf"[!-~]{{1,{SQS.group_id_length}}}")
_FIRST, _STEP = 18_889_496_460_467_696_128, 256
"""AWS's numbers are of this size, and the recorded ones are apart by multiples of 256."""


def is_id(text: str) -> bool:
    """Whether a group id, deduplication id or attempt id is 1 to 128 letters, digits and punctuation."""
    return _ID.fullmatch(text) is not None


def content_id(body: str) -> str:
    """The deduplication id of a body: the hexadecimal SHA-256 of its UTF-8 text; attributes do not count."""
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def sequence_number(number: int) -> str:
    """The SequenceNumber of the n-th message of a queue, counted from 1: 20 digits, growing."""
    return str(_FIRST + _STEP * (number - 1))

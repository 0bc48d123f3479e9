"""Ids of messages in FIFO order, as SQS and SNS both have them: which are well-formed, and what stands for one that
is missing. Pure.

Source: Amazon SNS API Reference, Publish, MessageGroupId and MessageDeduplicationId; Amazon SNS Developer Guide,
"Message deduplication for FIFO topics"; Amazon SQS Developer Guide, "Using the Amazon SQS message deduplication ID".
"""

from __future__ import annotations

import re
from hashlib import sha256

from .limits import Limit

DEDUPLICATION_MS = Limit(300_000, "Amazon SNS Developer Guide, Message deduplication for FIFO topics")
"""For how long an id is remembered."""

ID_CHARACTERS = Limit(128, "Amazon SNS API Reference, Publish")
_ID = re.compile(rf"[!-~]{{1,{ID_CHARACTERS}}}")


def is_id(text: str) -> bool:
    """Whether a group or deduplication id is 1 to 128 letters, digits and punctuation."""
    return _ID.fullmatch(text) is not None


def content_id(text: str) -> str:
    """The deduplication id that a text has by itself: the hexadecimal SHA-256 of its UTF-8. Attributes and
    subject do not count."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

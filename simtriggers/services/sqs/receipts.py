"""Receipt handles: opaque texts from which a queue reads back which receive of which message they mean.

A handle is new on every receive. It holds random bytes, the message's row (`seq`, never reused), the count
of the receive that gave it (so that an older handle of the same message is known to be older), and a check
sum over these and the queue's ARN, so that a text which this queue never gave is known as garbage.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple
from zlib import crc32

from ...kernel.ids import Ids

_PREFIX = "AQEB"
_RANDOM, _SEQ, _COUNT, _CHECK = 21, 7, 4, 4
_SIZE = _RANDOM + _SEQ + _COUNT + _CHECK


class Receipt(NamedTuple):
    """Which message, and which of its receives (counted from 1, across queues)."""

    seq: int
    receive_count: int


def issue(queue: str, seq: int, receive_count: int, ids: Ids) -> str:
    """The handle of one receive: 52 characters."""
    meant = seq << 8 * _COUNT | receive_count
    known = ids.take("sqs.receipt_handle", _RANDOM) + meant.to_bytes(_SEQ + _COUNT, "big")
    check = crc32(known + queue.encode()).to_bytes(_CHECK, "big")
    return _PREFIX + binascii.b2a_base64(known + check, newline=False).decode()


def read(queue: str, handle: str) -> Receipt | None:
    """What a handle means, or None when this queue cannot have given it."""
    if not handle.startswith(_PREFIX):
        return None
    try:
        raw = binascii.a2b_base64(handle[len(_PREFIX) :], strict_mode=True)
    except ValueError:  # not base64, or not even ASCII
        return None
    if len(raw) != _SIZE:
        return None
    known = raw[:-_CHECK]
    if crc32(known + queue.encode()) != int.from_bytes(raw[-_CHECK:], "big"):
        return None
    seq, receive_count = divmod(int.from_bytes(known[_RANDOM:], "big"), 1 << 8 * _COUNT)
    return Receipt(seq, receive_count)

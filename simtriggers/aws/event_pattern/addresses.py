"""IP addresses and blocks of addresses, as patterns compare them.

Source: aws/event-ruler, CIDR, which reads addresses as Java does: leading zeros are decimal, and an IPv6
address that maps an IPv4 one is that IPv4 address.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

_V4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_V6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")
_V4_LENGTH_MAX = 15
_V6_LENGTH_MAX = 45

Address = tuple[int, int]
"""Number of bits (32 or 128) and the address as an int."""


class BadBlock(ValueError):
    """A block that AWS refuses; the text is AWS's."""


def address_of(text: str) -> Address | None:
    """The address that a string is, or None."""
    return _read(text) if len(text) <= _V6_LENGTH_MAX else None


@lru_cache(maxsize=4096)
def _read(text: str) -> Address | None:
    if _V4.fullmatch(text):
        return _v4(text)
    return _v6(text) if _V6.fullmatch(text) else None


def block_of(text: str) -> tuple[Address, Address]:
    """First and last address of a block such as `10.0.0.0/24`. Raises BadBlock in AWS's words.

    Masks go up to 31 bits for IPv4 and 127 for IPv6; bits behind the mask are ignored.
    """
    # Java's split drops empty parts at the end, so "10.0.0.0/" has one part.
    parts = text.split("/")
    while parts and not parts[-1]:
        parts.pop()
    if len(parts) != 2:
        raise BadBlock("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]+", parts[1]) or abs(int(parts[1])) >= 2**31:
        raise BadBlock("Malformed CIDR, mask bits must be an integer")
    mask = int(parts[1])
    if mask < 0:
        raise BadBlock("Malformed CIDR, mask bits must not be negative")
    if not _V4.fullmatch(parts[0]) and not _V6.fullmatch(parts[0]):
        raise BadBlock(f"Nonstandard IP address: {parts[0]}")
    address = address_of(parts[0])
    if address is None:
        raise BadBlock(f"Invalid IP address: {parts[0]}")
    bits, number = address
    if mask >= bits:
        raise BadBlock(f"IPv{4 if bits == 32 else 6} mask bits must be < {bits}")
    host = (1 << (bits - mask)) - 1
    return (bits, number & ~host), (bits, number | host)


def _v4(text: str) -> Address | None:
    parts = [int(part) for part in text.split(".")]
    if len(text) > _V4_LENGTH_MAX or max(parts) > 255:
        return None
    return 32, int.from_bytes(bytes(parts), "big")


def _v6(text: str) -> Address | None:
    try:
        found = IPv6Address(text)
    except AddressValueError:
        return None
    mapped = found.ipv4_mapped
    return (128, int(found)) if mapped is None else (32, int(mapped))

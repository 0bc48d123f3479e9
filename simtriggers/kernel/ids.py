"""Chance and identity: every random value comes from a seeded stream with a name.

A stream's n-th value depends on the seed, the stream's name and n alone, so a new consumer shifts no
other stream. Live runs mix the incarnation into the seed, so that a restart cannot repeat an id.
"""

from __future__ import annotations

import base64
import random
from hashlib import blake2b


class StreamRandom(random.Random):
    """`random.Random` whose bits come from a named stream: all its distributions work."""

    def __init__(self, ids: Ids, stream: str) -> None:
        self._ids = ids
        self._stream = stream
        super().__init__()

    def seed(self, *_: object, **__: object) -> None:
        """Does nothing: the stream's seed is the run's."""

    def random(self) -> float:
        """A float in [0, 1) with 53 bits."""
        return (int.from_bytes(self._ids.take(self._stream, 7), "big") >> 3) / (1 << 53)

    def getrandbits(self, k: int, /) -> int:
        """An int of `k` bits."""
        if k == 0:
            return 0
        size = (k + 7) // 8
        bits = b"".join(self._ids.take(self._stream, min(64, size - at)) for at in range(0, size, 64))
        return int.from_bytes(bits, "big") >> (size * 8 - k)


class Ids:
    """Seeded streams and counters of one run. `seed` is any int; `incarnation` is 0 in virtual time."""

    def __init__(self, seed: int, incarnation: int = 0) -> None:
        self.seed = seed
        self.incarnation = incarnation
        self.counters: dict[str, int] = {}
        self._keys: dict[str, bytes] = {}
        self._next_row = 1

    def row_id(self) -> int:
        """The id of the next trace row: 1, 2, 3, …"""
        row = self._next_row
        self._next_row = row + 1
        return row

    @property
    def next_row(self) -> int:
        """The row id that `row_id` will give next; set when a run goes on."""
        return self._next_row

    @next_row.setter
    def next_row(self, row: int) -> None:
        self._next_row = row

    def take(self, stream: str, size: int) -> bytes:
        """The next `size` bytes (1 to 64) of a stream."""
        count = self.counters.get(stream, 0)
        self.counters[stream] = count + 1
        key = self._keys.get(stream)
        if key is None:
            text = f"{self.seed}/{self.incarnation}/{stream}"
            key = self._keys[stream] = blake2b(text.encode(), digest_size=32).digest()
        return blake2b(count.to_bytes(8, "big"), digest_size=size, key=key).digest()

    def uuid(self, stream: str) -> str:
        """A lower-case version 4 UUID."""
        raw = self.take(stream, 16).hex()
        return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{'89ab'[int(raw[16], 16) & 3]}{raw[17:20]}-{raw[20:]}"

    def hex(self, stream: str, digits: int) -> str:
        """`digits` lower-case hexadecimal digits, 1 to 128."""
        return self.take(stream, (digits + 1) // 2).hex()[:digits]

    def token(self, stream: str, size: int) -> str:
        """Base64 text of `size` bytes (1 to 64), as opaque handles have it."""
        return base64.b64encode(self.take(stream, size)).decode()

    def random(self, stream: str) -> StreamRandom:
        """A generator over a stream, for distributions and jitter."""
        return StreamRandom(self, stream)

    def state(self) -> dict[str, int]:
        """What a snapshot keeps: each stream's position, and the next trace row under an empty name."""
        return {**self.counters, "": self._next_row}

    def restore(self, state: dict[str, int]) -> None:
        """Go on from what `state` returned."""
        self.counters = {name: count for name, count in state.items() if name}
        self._next_row = state[""]

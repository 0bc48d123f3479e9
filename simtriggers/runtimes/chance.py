"""Seeded chance inside handlers: `random`, `uuid`, `os.urandom` and `secrets`.

Installed once per process; outside handlers everything draws from where it always did. Each function has
a stream of bytes (for `os.urandom` and what is made of it), each environment its own generator behind the
functions of `random`, as each process on Lambda has.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .active import active

_real_urandom = os.urandom
_real_seed = random.Random.seed
_real_getnode = uuid.getnode
_real_uuid1 = uuid.uuid1


class SwitchingRandom(random.Random):
    """The generator behind `random.random` and its like: the handler's while one runs, else the real one."""

    def __init__(self, outside: random.Random) -> None:
        self._outside = outside
        super().__init__(0)

    def _now(self) -> random.Random:
        handler = active()
        return self._outside if handler is None else handler.generator()  # type: ignore[return-value]

    def random(self) -> float:
        """A float in [0, 1)."""
        return self._now().random()

    def getrandbits(self, k: int, /) -> int:
        """An int of `k` bits."""
        return self._now().getrandbits(k)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """Seed the generator that is in use."""
        if "_outside" in self.__dict__:
            self._now().seed(a, version)

    def getstate(self) -> tuple[Any, ...]:
        """The state of the generator in use."""
        return self._now().getstate()

    def setstate(self, state: tuple[Any, ...]) -> None:
        """Set it."""
        self._now().setstate(state)

    @property
    def gauss_next(self) -> float | None:
        """The second value of a pair that `gauss` made."""
        found: float | None = self._now().gauss_next  # type: ignore[attr-defined]
        return found

    @gauss_next.setter
    def gauss_next(self, value: float | None) -> None:
        if "_outside" in self.__dict__:
            self._now().gauss_next = value  # type: ignore[attr-defined]


def urandom(size: int, /) -> bytes:
    """`os.urandom`; seeded inside handlers."""
    handler = active()
    if handler is None:
        return _real_urandom(size)
    if size < 0:
        raise ValueError("negative argument not allowed")
    return handler.take(size)


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    handler = active() if a is None else None
    if handler is not None:
        a = int.from_bytes(handler.take(32), "big")
    _real_seed(self, a, version)


def getnode() -> int:
    """`uuid.getnode`; a made-up, locally administered address inside handlers."""
    return _real_getnode() if active() is None else 0x020000000001


def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """`uuid.uuid1`; of virtual time and seeded chance inside handlers. Source: RFC 9562, section 5.1."""
    handler = active()
    if handler is None:
        return _real_uuid1(node, clock_seq)
    ticks = handler.now_us() * 10 + 0x01B21DD213814000
    chance = int.from_bytes(handler.take(4), "big")
    clock = chance & 0x3FFF if clock_seq is None else clock_seq
    # Two in one microsecond differ in the tenths of it, and in the clock sequence.
    ticks += (chance >> 14) % 10
    place = getnode() if node is None else node
    fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF, clock >> 8 & 0x3F, clock & 0xFF, place)
    return uuid.UUID(fields=fields, version=1)


def install(replace: Callable[[ModuleType, str, Any], None]) -> None:
    """Put the switching functions in place, through `replace(module, name, new)`, once per process."""
    replace(os, "urandom", urandom)
    replace(random, "_urandom", urandom)
    replace(uuid, "getnode", getnode)
    replace(uuid, "uuid1", uuid1)
    random.Random.seed = _seed  # type: ignore[method-assign]
    outside = vars(random)["_inst"]
    switch = SwitchingRandom(outside)
    for name, function in list(vars(random).items()):
        if getattr(function, "__self__", None) is outside:
            replace(random, name, getattr(switch, name))
    vars(random)["_inst"] = switch

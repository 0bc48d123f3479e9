"""Time zones by their IANA names, and what the hands of a clock there say. Pure: the data is the `tzdata` package's.

A *wall time* is what a clock in the zone shows, as the milliseconds that it would be since 1970 in UTC. When
clocks are put forward some wall times never come; when they are put back some come twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

UTC_NAMES = frozenset({"UTC", "Etc/UTC"})

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Zone:
    """One time zone. Two are equal when their names are."""

    __slots__ = ("_info", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self._info = info

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zone) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Zone({self.name!r})"

    def wall_ms(self, at_ms: int) -> int:
        """The wall time at a moment."""
        local = (_EPOCH_UTC + timedelta(milliseconds=at_ms)).astimezone(self._info)
        return (local.replace(tzinfo=None) - _EPOCH) // _MS

    def first_ms(self, wall_ms: int) -> int | None:
        """The first moment with that wall time; None for one that is skipped."""
        local = (_EPOCH + timedelta(milliseconds=wall_ms)).replace(tzinfo=self._info)
        offset = local.utcoffset()
        assert offset is not None
        at_ms = wall_ms - offset // _MS
        return at_ms if self.wall_ms(at_ms) == wall_ms else None


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone of the tzdata package; a name is spelt as there, capitals included."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split())


@lru_cache(maxsize=64)
def zone(name: str) -> Zone:
    """The zone of a name. Raises LookupError with what to write instead."""
    if name not in zone_names():
        near = get_close_matches(name, sorted(zone_names()), n=1, cutoff=0.6) or ["Europe/Berlin"]
        raise LookupError(f"write an IANA name such as {near[0]}")
    with resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return Zone(name, ZoneInfo.from_file(file, key=name))

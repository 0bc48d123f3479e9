"""Durations and sizes as people write them in YAML (`30s`, `4h`, `256KB`), as pydantic types.

A bare number is taken in the unit that AWS's own setting has (seconds, bytes).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZE = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def parse_duration_ms(text: object) -> int:
    """Milliseconds of `250ms`, `30s`, `1h30m`, `2d`, or of a number of seconds.

    Raises ValueError with the accepted forms.
    """
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        raise ValueError(_duration_rule(text))
    if isinstance(text, (int, float)):
        if not 0 <= text < 1e12:
            raise ValueError(_duration_rule(text))
        return round(text * 1000)
    plain = text.strip().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        return round(float(plain) * 1000)
    if not plain or _PART.sub("", plain):
        raise ValueError(_duration_rule(text))
    return round(sum(float(number) * _DURATION_MS[unit] for number, unit in _PART.findall(plain)))


def _duration_rule(text: object) -> str:
    return f"{text!r} is not a duration; write 250ms, 30s, 5m, 1h30m, 2d or a number of seconds"


def parse_size(text: object) -> int:
    """Bytes of `256KB`, `6MB`, or of a number of bytes; K, M and G are powers of 1024 as in AWS's limits."""
    rule = f"{text!r} is not a size; write 512B, 256KB, 6MB, 5GB or a number of bytes"
    if isinstance(text, bool) or not isinstance(text, (int, str)):
        raise ValueError(rule)
    if isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = (found[2] or "B").upper() if found else ""
    if not found or unit not in _SIZE:
        raise ValueError(rule)
    return round(float(found[1]) * _SIZE[unit])


def _seconds(item: Any) -> int:
    ms = parse_duration_ms(item)
    if ms % 1000:
        raise ValueError(f"{item!r} is not a whole number of seconds, which is what AWS takes here")
    return ms // 1000


Milliseconds = Annotated[int, BeforeValidator(parse_duration_ms)]
"""An int of milliseconds, written as a duration."""

Seconds = Annotated[int, BeforeValidator(_seconds)]
"""An int of whole seconds, written as a duration."""

Bytes = Annotated[int, BeforeValidator(parse_size)]
"""An int of bytes, written as a size."""


class Settings(BaseModel):
    """Base of every model of the user's YAML: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

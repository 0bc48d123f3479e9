"""JSON as text: what is sent on as it was written, numbers and escapes included, only without space. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

_SPACE = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+', re.DOTALL)
_ANY_SPACE = re.compile(r"[ \t\r\n]")


def parsed(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for what is no JSON (NaN is none), RecursionError for what nests
    too deeply."""
    return _DECODER.decode(text)


def minified(text: str) -> str | None:
    """JSON text without the space between its parts, numbers and escapes as they were; None for what is no JSON."""
    try:
        parsed(text)
    except (ValueError, RecursionError):
        return None
    return without_space(text)


def without_space(text: str) -> str:
    """JSON text, which is known to be that, without the space between its parts."""
    if not _ANY_SPACE.search(text):
        return text
    return _SPACE.sub(r"\1", text)


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)

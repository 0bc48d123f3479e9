"""The JSON paths of EventBridge's input paths and input transformers: read once, then followed in events. Pure.

Dots, indexes of arrays and `*`; a path of another form is never refused, and finds nothing.
Source: Amazon EventBridge User Guide, "Amazon EventBridge input transformation".
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Any, Final

Steps = tuple[str | int | None, ...]
"""A key, an index, or None for `*`."""


class Missing(Enum):
    """The answer of a path that leads nowhere."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

_STEP = re.compile(r"\.(\*|[^.\[\]*]+)|\[(\d+|\*)\]")


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Steps | None:
    """The steps of `$.detail.items[0].sku`; () of `$`; None of a text that is no path."""
    if not text.startswith("$"):
        return None
    steps: list[str | int | None] = []
    position = 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            return None
        key, index = found.groups()
        if "*" in (key, index):
            steps.append(None)
        else:
            steps.append(key if index is None else int(index))
        position = found.end()
    return tuple(steps)


def follow(text: str, event: Any) -> Any:
    """The value at a path, or MISSING; behind a `*` the list of all that is there.

    Unverified: a `*` that finds nothing is missing, and one that finds one value is a list of one.
    """
    steps = parse_path(text)
    return MISSING if steps is None else _follow(steps, event)


def _follow(steps: Steps, node: Any) -> Any:
    for place, step in enumerate(steps):
        if step is None:
            inner = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
            found = [_follow(steps[place + 1 :], each) for each in inner]
            there = [each for each in found if each is not MISSING]
            return there or MISSING
        if isinstance(step, int):
            if not isinstance(node, list) or step >= len(node):
                return MISSING
        elif not isinstance(node, dict) or step not in node:
            return MISSING
        node = node[step]
    return node

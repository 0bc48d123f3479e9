"""Whether the members of a request have the types that an API's model gives them. Pure.

Unverified: AWS's words for a member of another type; its SDKs refuse most of them before they send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = {str: "a string", int: "an integer", dict: "a structure", list: "a list"}
NOT_NULL = "Member must not be null"


def type_problem(row: Any, types: Mapping[str, type], place: str = "") -> tuple[str, str] | None:
    """The first member of a structure that has a wrong type, with the constraint that it breaks; None: all are right.

    Keys are in snake_case, a dot leads into a structure within; None is a member that is not given. `place` is the
    member that the structure itself is, empty for the whole request.
    """
    if not isinstance(row, Mapping):
        return place, "Member must be a structure"
    for path, wanted in types.items():
        *above, last = path.split(".")
        owner: Any = row
        for step in above:
            owner = owner.get(step) or {}
        item = owner.get(last)
        if wanted is dict:
            right = isinstance(item, Mapping)
        else:
            right = isinstance(item, list | tuple if wanted is list else wanted) and not isinstance(item, bool)
        if item is not None and not right:
            return _member(place, path), f"Member must be {_WORDS[wanted]}"
    return None


def missing_member(row: Mapping[str, Any], required: Iterable[str]) -> str | None:
    """The first member of these that a structure does not have, as AWS names it; a dot as in `type_problem`."""
    for path in required:
        found: Any = row
        for step in path.split("."):
            found = found.get(step)
            if found is None:
                return _member("", path)
    return None


def _member(place: str, path: str) -> str:
    steps = [step.split("_") for step in path.split(".")]
    name = ".".join(first + "".join(word.title() for word in rest) for first, *rest in steps)
    return f"{place}.{name}" if place else name

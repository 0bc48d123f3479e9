"""Amazon SNS filter policies: compiled once, then asked of many messages. Pure.

A policy asks for every key (AND), any value of a key (OR), and any branch of `$or`. It is compiled to its
alternatives without `$or`, each a list of conditions on one key; aws/filter_policy_syntax.py reads and
refuses the text. Source: Amazon SNS Developer Guide, "Amazon SNS subscription filter policies".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .digests import Attribute

ATTRIBUTES, BODY = "MessageAttributes", "MessageBody"
SCOPES = (ATTRIBUTES, BODY)

Test = Callable[[Any], bool]
Attributes = Mapping[str, tuple[Any, ...]]
"""Attribute values that can be compared, by name; see `attribute_values`."""

Membership = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """What one key must be: equal to one of `exact` (see `exact_key`), or pass one of `tests`, or be absent.
    `key` is the dotted path, `wanted` the JSON text of the values, for people."""

    key: str
    exact: frozenset[Any]
    tests: tuple[Test, ...]
    absent: bool
    present: bool
    wanted: str

    def allows(self, value: Any) -> bool:
        """Whether one value of the key fulfils it."""
        if self.present or (value if type(value) is str else exact_key(value)) in self.exact:
            return True
        return any(test(value) for test in self.tests)


def exact_key(value: Any) -> Any:
    """A value as it is looked up: 100 and 100.0 are one, true and 1 are not."""
    return ("bool", value) if isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class FlatBody:
    """A JSON body as its leaves by dotted path, each with the places in arrays that lead to it."""

    leaves: Mapping[str, list[tuple[Any, Membership]]]
    has_arrays: bool


@dataclass(frozen=True, slots=True)
class FilterPolicy:
    """A valid policy. One of `alternatives` must hold as a whole; `complexity` is what AWS limits to 150."""

    scope: str
    alternatives: tuple[tuple[Condition, ...], ...]
    complexity: int

    def matches(self, attributes: Attributes, body: FlatBody | None) -> bool:
        """Whether a message passes. `body` is `flat_body` of its text, needed in the scope MessageBody only."""
        if self.scope == ATTRIBUTES:
            return any(_attributes_pass(conditions, attributes) for conditions in self.alternatives)
        return body is not None and any(_body_passes(conditions, body) for conditions in self.alternatives)

    def mismatch(self, attributes: Attributes, body: FlatBody | None) -> str:
        """Why a message that does not match does not, in words: each alternative's first failing key."""
        if self.scope == BODY and body is None:
            return "the message is not a JSON object"
        found = attributes if self.scope == ATTRIBUTES else _values(body)
        return "; or ".join(dict.fromkeys(_first_failing(each, found) for each in self.alternatives))


# --- attributes ---------------------------------------------------------------------------------


def attribute_values(attributes: Iterable[Attribute]) -> dict[str, tuple[Any, ...]]:
    """The values that a policy compares: texts, numbers, and the elements of a String.Array.

    Binary attributes are as if they were not there. Unverified: for `exists` too.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, data_type, text in attributes:
        if data_type == "String.Array":
            found[name] = _array_values(text)
        elif data_type.startswith("Number"):
            found[name] = _number_values(text)
        elif data_type.startswith("String"):
            found[name] = (text,)
    return found


def _array_values(text: str) -> tuple[Any, ...]:
    try:
        parsed = parse_json(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(parsed, list):
        return ()
    return tuple(item for item in parsed if not isinstance(item, (dict, list)))


def _number_values(text: str) -> tuple[Any, ...]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return ()
    return (number,) if number.is_finite() else ()


def _attributes_pass(conditions: tuple[Condition, ...], attributes: Attributes) -> bool:
    for condition in conditions:
        values = attributes.get(condition.key)
        if values is None:
            if not condition.absent:
                return False
        elif not condition.present:
            for value in values:
                if condition.allows(value):
                    break
            else:
                return False
    return True


# --- the body -----------------------------------------------------------------------------------


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def parse_json(text: str) -> Any:
    """JSON with exact numbers. Raises ValueError, also for NaN and Infinity, and RecursionError."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def flat_body(text: str) -> FlatBody | None:
    """A message body, ready for policies; None when it is not a JSON object: then none matches."""
    try:
        parsed = parse_json(text)
        if not isinstance(parsed, dict):
            return None
        leaves: dict[str, list[tuple[Any, Membership]]] = {}
        arrays = [0]
        _flatten(parsed, "", (), leaves, arrays)
    except (ValueError, RecursionError):
        return None
    return FlatBody(leaves, arrays[0] > 0)


def _flatten(
    value: Any, path: str, places: Membership, leaves: dict[str, list[tuple[Any, Membership]]], arrays: list[int]
) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(item, f"{path}.{key}" if path else key, places, leaves, arrays)
    elif isinstance(value, list):
        arrays[0] += 1
        number = arrays[0]
        for index, item in enumerate(value):
            _flatten(item, path, (*places, (number, index)), leaves, arrays)
    else:
        leaves.setdefault(path, []).append((value, places))


def _body_passes(conditions: tuple[Condition, ...], body: FlatBody) -> bool:
    """Unverified: conditions below one array must be met by the same element of it, as in EventBridge."""
    candidates: list[list[Membership]] = []
    for condition in conditions:
        leaves = body.leaves.get(condition.key)
        if leaves is None:
            if not condition.absent:
                return False
            continue
        places = [where for value, where in leaves if condition.allows(value)]
        if not places:
            return False
        if body.has_arrays and () not in places:
            candidates.append([*dict.fromkeys(places)])
    if len(candidates) < 2:
        return True
    if len({tuple(number for number, _ in places) for each in candidates for places in each}) == 1:
        return bool(set(candidates[0]).intersection(*candidates[1:]))  # one array of flat objects: the usual case
    return _agree(sorted(candidates, key=len), {})


def _agree(candidates: list[list[Membership]], chosen: dict[int, int]) -> bool:
    """Whether one place of each list can be chosen so that no array is entered at two of its elements."""
    if not candidates:
        return True
    for places in candidates[0]:
        if all(chosen.get(number, index) == index for number, index in places) and _agree(
            candidates[1:], {**chosen, **dict(places)}
        ):
            return True
    return False


# --- why not ------------------------------------------------------------------------------------


def _values(body: FlatBody | None) -> Attributes:
    return {key: tuple(value for value, _ in leaves) for key, leaves in (body.leaves if body else {}).items()}


def _plain(number: Decimal) -> int | float:
    """A number as people write it: 5, not 5.0."""
    return int(number) if number == number.to_integral_value() else float(number)


def _first_failing(conditions: tuple[Condition, ...], found: Attributes) -> str:
    for condition in conditions:
        values = found.get(condition.key)
        if values is None and not condition.absent:
            return f"{condition.key} is absent, the policy wants {condition.wanted}"
        if values is not None and not any(condition.allows(value) for value in values):
            shown = ", ".join(json.dumps(value, default=_plain, ensure_ascii=False) for value in values) or "empty"
            return f"{condition.key} is {shown}, the policy wants {condition.wanted}"
    keys = ", ".join(condition.key for condition in conditions)
    return f"no single element of an array fulfils {keys} together"

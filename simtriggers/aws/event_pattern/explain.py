"""Why an event does not match a pattern: the field that failed, what it holds and what was wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from .match import Route, Search, leaves_at
from .model import Alternative, Branch, Field, Pattern, Scalar
from .values import value_test
from .words import Kind

_SHOWN_VALUES: Final = 3
_SHOWN_LENGTH: Final = 80
_SHOWN_BRANCHES: Final = 3


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The field at `path` that failed; `reason` is a phrase such as `5 is not > 10`.

    `found` are the values at the path (empty: none). `others` are the mismatches of the other branches of
    `$or`; this one is of the branch that matched the most fields.
    """

    path: str
    reason: str
    found: tuple[Scalar, ...] = ()
    others: tuple[Mismatch, ...] = ()

    def __str__(self) -> str:
        text = f"{self.path}: {self.reason}"
        if self.others:
            shown = [f"{each.path}: {each.reason}" for each in self.others[:_SHOWN_BRANCHES]]
            more = len(self.others) - len(shown)
            text += f" (other branches of $or: {'; '.join(shown)}{f'; and {more} more' if more else ''})"
        return text


def explain(pattern: Pattern, event: dict[str, Any]) -> Mismatch | None:
    """Why the event does not match, or None when it does. Takes longer than `matches`: for people."""
    failures: list[tuple[int, Mismatch]] = []
    for branch in pattern.branches:
        failed = _failure(branch, event)
        if failed is None:
            return None
        failures.append(failed)
    failures.sort(key=lambda failure: -failure[0])
    first, *others = (mismatch for _, mismatch in failures)
    return Mismatch(first.path, first.reason, first.found, tuple(others))


def _failure(branch: Branch, event: dict[str, Any]) -> tuple[int, Mismatch] | None:
    """How many fields of the branch match on their own, and the one to blame."""
    search = Search(branch.fields)
    failed = search.failure(event)
    if failed is None:
        return None
    alone = [field for field in branch.fields if Search((field,)).failure(event) is not None]
    # A field that may be absent can match beside others although it does not on its own.
    sure = [field for field in alone if not field.may_be_absent]
    blamed, before = (sure[0], ()) if sure else (search.fields[failed], search.fields[:failed])
    return len(branch.fields) - len(alone), _mismatch(blamed, before, event)


def _mismatch(field: Field, before: tuple[Field, ...], event: dict[str, Any]) -> Mismatch:
    steps = field.path.split(".")
    leaves = list(leaves_at(event, Route(field.path)))
    found = tuple(value for value, _ in leaves)
    if not found:
        return Mismatch(field.path, f"{_missing(event, steps)}; wanted: {_wanted(field)}")
    test = value_test(field.alternatives)
    if not any(map(test, found)):
        return Mismatch(field.path, _refused(field, found), found)
    arrays = {array for _, elements in leaves for array, _ in elements}
    partners = [
        each.path
        for each in before
        if arrays & {array for _, elements in leaves_at(event, Route(each.path)) for array, _ in elements}
    ]
    return Mismatch(field.path, f"no element of the array matches this together with {' and '.join(partners)}", found)


# --- a missing field ----------------------------------------------------------------------------


def _missing(event: dict[str, Any], steps: list[str]) -> str:
    """How far the path can be followed; arrays are looked through, dotted keys are not."""
    node: Any = event
    for count, step in enumerate(steps):
        nodes = [node] if isinstance(node, dict) else _objects_in(node)
        if not nodes:
            where = ".".join(steps[:count])
            return f"missing, since {where} is {_kind(node)}"
        holders = [each for each in nodes if step in each]
        if not holders:
            return "missing" + _near(step, {key for each in nodes for key in each})
        node = holders[0][step] if len(holders) == 1 else [each[step] for each in holders]
    kind = "an array without values" if isinstance(node, list | tuple) and node else _kind(node)
    return f"missing: {kind} is no value"


def _objects_in(node: Any) -> list[dict[str, Any]]:
    """The objects of an array, those in arrays inside it too."""
    found, todo = [], [node]
    while todo:
        each = todo.pop()
        if isinstance(each, list | tuple):
            todo += each[::-1]
        elif isinstance(each, dict):
            found.append(each)
    return found


def _near(step: str, keys: set[Any]) -> str:
    same = sorted(str(key) for key in keys if str(key).lower() == step.lower())
    return f" (the event has {_json(same[0])}: names are compared with their case)" if same else ""


def _kind(node: Any) -> str:
    if isinstance(node, dict):
        return "an object"
    if isinstance(node, list | tuple):
        return "an array without objects" if node else "an empty array"
    if isinstance(node, str) and node.lstrip()[:1] == "{":
        return "a string (JSON inside strings is not looked into)"
    return _shown(node)


# --- values and alternatives in words -----------------------------------------------------------


def _refused(field: Field, found: tuple[Scalar, ...]) -> str:
    shown = ", ".join(_shown(value) for value in found[:_SHOWN_VALUES])
    if len(found) > _SHOWN_VALUES:
        shown += f" and {len(found) - _SHOWN_VALUES} more"
    if len(field.alternatives) > 1:
        verb = "match none" if len(found) > 1 else "matches none"
        return f"{shown} {verb} of: {_wanted(field)}{_other_type(field, found)}"
    (alternative,) = field.alternatives
    verb, names = _SAYS[alternative.kind]
    return f"{shown} {verb}{_operands(alternative) if names else ''}{_other_type(field, found)}"


def _other_type(field: Field, found: tuple[Scalar, ...]) -> str:
    """A hint where a number is compared with a string of the same look."""
    wanted = {_text(each): each for one in field.alternatives if one.kind is Kind.EQUALS for each in one.operands}
    for value in found:
        other = wanted.get(_text(value))
        if _text(value) in wanted and isinstance(value, str) is not isinstance(other, str):
            return f" ({_shown(value)} and {_shown(other)} differ in type)"
    return ""


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else _json(value)


def _wanted(field: Field) -> str:
    return ", ".join(_phrase(alternative) for alternative in field.alternatives)


def _phrase(alternative: Alternative) -> str:
    word = _NOUN.get(alternative.kind, f"{alternative.kind.value} ")
    return f"{word}{_operands(alternative)}".strip()


def _operands(alternative: Alternative) -> str:
    operands = alternative.operands
    if alternative.kind is Kind.NUMERIC:
        pairs = zip(operands[::2], operands[1::2], strict=True)
        return " and ".join(f"{sign} {_shown(number)}" for sign, number in pairs)
    if alternative.kind is Kind.CIDR:
        return str(operands[0])
    return " or ".join(map(_shown, operands))


def _shown(value: Any) -> str:
    text = _json(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_NOUN: Final = {
    Kind.EQUALS: "",
    Kind.EXACTLY: "",
    Kind.NUMERIC: "",
    Kind.CIDR: "in ",
    Kind.EXISTS: "any value",
    Kind.ABSENT: "no value (exists: false)",
}
_SAYS: Final[dict[Kind, tuple[str, bool]]] = {
    Kind.EQUALS: ("is not ", True),
    Kind.EXACTLY: ("is not ", True),
    Kind.PREFIX: ("does not begin with ", True),
    Kind.SUFFIX: ("does not end with ", True),
    Kind.IGNORE_CASE: ("is not, in any case, ", True),
    Kind.PREFIX_IGNORE_CASE: ("does not begin, in any case, with ", True),
    Kind.SUFFIX_IGNORE_CASE: ("does not end, in any case, with ", True),
    Kind.WILDCARD: ("does not match wildcard ", True),
    Kind.NUMERIC: ("is not ", True),
    Kind.CIDR: ("is not an address in ", True),
    Kind.EXISTS: ("is not there", False),
    Kind.ABSENT: ("is there, and must not be (exists: false)", False),
    Kind.ANYTHING_BUT: ("is excluded by anything-but ", True),
    Kind.ANYTHING_BUT_PREFIX: ("is excluded by anything-but prefix ", True),
    Kind.ANYTHING_BUT_SUFFIX: ("is excluded by anything-but suffix ", True),
    Kind.ANYTHING_BUT_IGNORE_CASE: ("is excluded by anything-but equals-ignore-case ", True),
    Kind.ANYTHING_BUT_WILDCARD: ("is excluded by anything-but wildcard ", True),
}

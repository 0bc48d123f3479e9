"""A second reading of the pattern language, slow and plain, and strategies for patterns and events.

It shares no code with the package: it flattens the event, tries every way to pick one leaf for each field,
and judges single values with the standard library.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from hypothesis import strategies as st

Leaf = tuple[str, Any, tuple[tuple[int, int], ...]]
ABSENT = {"exists": False}


def judge(event: dict[str, Any], pattern: dict[str, Any]) -> bool:
    leaves = list(_flatten(event, "", (), iter(range(10**9))))
    return any(_follow(sorted(rule.items()), leaves, {}) for rule in _rules(pattern, ""))


def _flatten(node: Any, path: str, elements: tuple[tuple[int, int], ...], numbers: Iterator[int]) -> Iterator[Leaf]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _flatten(value, f"{path}.{key}" if path else key, elements, numbers)
    elif isinstance(node, list):
        number = next(numbers)
        for index, value in enumerate(node):
            deeper = (*elements, (number, index)) if isinstance(value, dict | list) else elements
            yield from _flatten(value, path, deeper, numbers)
    else:
        yield path, node, elements


def _rules(pattern: dict[str, Any], path: str) -> list[dict[str, list[Any]]]:
    """All `$or` multiplied out: each rule has its paths and their alternatives."""
    choices: list[list[dict[str, list[Any]]]] = []
    for key, value in pattern.items():
        below = f"{path}.{key}" if path else key
        if key == "$or":
            choices.append([rule for branch in value for rule in _rules(branch, path)])
        elif isinstance(value, dict):
            choices.append(_rules(value, below))
        else:
            choices.append([{below: value}])
    return [{path: wanted for part in parts for path, wanted in part.items()} for parts in product(*choices)]


def _follow(fields: list[tuple[str, list[Any]]], leaves: list[Leaf], chosen: dict[int, int]) -> bool:
    if not fields:
        return True
    (path, wanted), *rest = fields
    here = [leaf for leaf in leaves if leaf[0] == path and all(chosen.get(a, i) == i for a, i in leaf[2])]
    for _, value, elements in here:
        if any(_accepts(each, value) for each in wanted) and _follow(rest, leaves, chosen | dict(elements)):
            return True
    return not here and ABSENT in wanted and _follow(rest, leaves, chosen)


def _accepts(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return type(wanted) is type(value) and wanted == value or _number(wanted, value) and wanted == value
    ((operator, operand),) = wanted.items()
    if operator == "exists":
        return bool(operand)
    if operator == "anything-but":
        if not isinstance(operand, dict):
            return not any(_accepts(each, value) for each in _listed(operand))
        ((inner, operands),) = operand.items()
        return not any(_accepts({inner: each}, value) for each in _listed(operands))
    if operator == "numeric":
        if not _number(value, value):
            return False
        signs = {"=": "__eq__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
        pairs = zip(operand[::2], operand[1::2], strict=True)
        return all(getattr(float(value), signs[sign])(float(limit)) for sign, limit in pairs)
    return isinstance(value, str) and _accepts_text(operator, operand, value)


def _accepts_text(operator: str, operand: Any, value: str) -> bool:
    if isinstance(operand, dict):
        return _accepts_text(operator, operand["equals-ignore-case"].lower(), value.lower())
    if operator == "cidr":
        try:
            return ip_address(value) in ip_network(operand, strict=False)
        except ValueError:
            return False
    return {
        "prefix": value[: len(operand)] == operand,
        "suffix": value[max(0, len(value) - len(operand)) :] == operand,
        "equals-ignore-case": value.lower() == operand.lower(),
        "wildcard": fnmatchcase(value, operand),
    }[operator]


def _listed(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]


def _number(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


# --- strategies ---------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", "a.b"])
TEXTS = st.text("abA", max_size=3) | st.sampled_from(["10.0.0.1", "10.0.0.200", "::1", "abba"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0])
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
WILDCARDS = st.lists(st.sampled_from(["a", "b", "*"]), max_size=4).map("".join).filter(lambda text: "**" not in text)
PLAIN_TEXTS = st.text("abA", min_size=1, max_size=2)


def events(max_leaves: int = 10) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=max_leaves,
    )
    return st.dictionaries(KEYS, values, max_size=3)


def _either(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return texts | st.lists(texts, min_size=1, max_size=2)


def expressions() -> st.SearchStrategy[Any]:
    low, high = st.integers(-3, 0), st.integers(1, 3)
    numeric = st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS).map(list) | st.tuples(
        st.sampled_from([">", ">="]), low, st.sampled_from(["<", "<="]), high
    ).map(list)
    texts = TEXTS.filter(lambda text: ":" not in text and "." not in text)
    but = _either(texts) | NUMBERS | st.lists(NUMBERS, min_size=1, max_size=2)
    nested = st.one_of(
        *(st.builds(lambda each, word=word: {word: each}, _either(PLAIN_TEXTS)) for word in ("prefix", "suffix")),
        st.builds(lambda each: {"equals-ignore-case": each}, _either(texts)),
        st.builds(lambda each: {"wildcard": each}, _either(WILDCARDS)),
    )
    ignoring = st.builds(lambda text: {"equals-ignore-case": text}, PLAIN_TEXTS)
    operators = {
        "prefix": texts | ignoring,
        "suffix": texts | ignoring,
        "equals-ignore-case": texts,
        "wildcard": WILDCARDS,
        "anything-but": but | nested,
        "numeric": numeric,
        "cidr": st.sampled_from(["10.0.0.0/25", "::/64", "10.0.0.9/8"]),
        "exists": st.booleans(),
    }
    return st.one_of(*(st.builds(lambda each, word=word: {word: each}, every) for word, every in operators.items()))


def patterns() -> st.SearchStrategy[dict[str, Any]]:
    fields = st.lists(SCALARS | expressions(), min_size=1, max_size=3)

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        objects = st.dictionaries(KEYS, fields | inner, min_size=1, max_size=3)
        branches = st.lists(objects, min_size=2, max_size=2)
        return objects | st.builds(lambda some, either: {**some, "$or": either}, objects, branches)

    return st.recursive(st.dictionaries(KEYS, fields, min_size=1, max_size=3), deeper, max_leaves=4)


def paths_are_distinct(pattern: dict[str, Any]) -> bool:
    """Whether no path occurs twice, for which the last place would count."""
    seen: list[str] = []

    def collect(node: dict[str, Any], path: str) -> None:
        for key, value in node.items():
            below = f"{path}.{key}" if path else key
            if key == "$or":
                for branch in value:
                    collect(branch, path)
            elif isinstance(value, dict):
                collect(value, below)
            else:
                seen.append(below)

    collect(pattern, "")
    return len(seen) == len(set(seen))

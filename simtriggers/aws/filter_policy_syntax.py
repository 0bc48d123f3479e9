"""The text of an SNS filter policy: read, checked, and refused in AWS's words. Pure.

AWS ends many of its texts with the parser's position on a second line; here they end with the first line.
Source: Amazon SNS Developer Guide, "Filter policy constraints in Amazon SNS", and texts recorded on AWS.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import Any

from .filter_policy import ATTRIBUTES, SCOPES, Condition, FilterPolicy, Test, exact_key, parse_json
from .limits import Limit

_CONSTRAINTS = "Amazon SNS Developer Guide, Filter policy constraints in Amazon SNS"
KEYS = Limit(5, _CONSTRAINTS)
COMPLEXITY = Limit(150, _CONSTRAINTS)
POLICY_BYTES = Limit(256 * 1024, _CONSTRAINTS)
NUMBER = Limit(10**9, "Amazon SNS Developer Guide, Number value matching")
"""The greatest absolute value that `numeric` compares with."""

_OR = "$or"
_OPERATORS = frozenset({"prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr"})
_RESERVED = _OPERATORS | {"wildcard", "equals"}
_TOKEN = re.compile(r"[^\s,:{}\[\]\"]+")


class FilterPolicyError(ValueError):
    """A filter policy or scope that AWS refuses; the text is AWS's, after `Invalid parameter: `."""


def _bad(text: str) -> FilterPolicyError:
    return FilterPolicyError(f"FilterPolicy: {text}")


@lru_cache(maxsize=4096)
def parse_filter_policy(text: str, scope: str = ATTRIBUTES) -> FilterPolicy | None:
    """Compile the JSON text of a policy; None for `{}`, which is no policy.

    Raises FilterPolicyError. Unverified: which of several mistakes AWS names first; here the number of
    keys, then the form, then the complexity, then the values.
    """
    check_scope(scope)
    if len(text.encode("utf-8", "surrogatepass")) > POLICY_BYTES:
        raise _bad("Filter policy is too large")  # Unverified: the text
    policy = _read(text)
    if not policy:
        return None
    if len(policy) > KEYS:
        raise _bad(f"Filter policy can not have more than {KEYS} keys")
    complexity = _complexity(policy, scope, 1)
    if complexity > COMPLEXITY:
        raise _bad("Filter policy is too complex")
    return FilterPolicy(scope, tuple(_alternatives(policy, "")), complexity)


def check_scope(scope: str) -> None:
    """Raises FilterPolicyError for a scope that is neither of the two."""
    if scope not in SCOPES:
        text = f"FilterPolicyScope: Invalid value [{scope}]. Please use either MessageBody or MessageAttributes"
        raise FilterPolicyError(text)


def _read(text: str) -> dict[str, Any]:
    try:
        policy = parse_json(text)
    except RecursionError:
        raise _bad("failed to parse JSON. The policy is nested too deep") from None
    except ValueError as error:
        token = _TOKEN.match(text, getattr(error, "pos", 0))
        said = f"Unrecognized token '{token[0]}'" if token else str(error)
        expected = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        raise _bad(f"failed to parse JSON. {said}: {expected}") from None
    if not isinstance(policy, dict):
        raise _bad("Filter is not an object")  # Unverified: the text
    return policy


# --- form and size ------------------------------------------------------------------------------


def _is_or(key: str, value: Any) -> bool:
    """`$or` is special only with two or more objects, none of which has an operator's name as a field."""
    return (
        key == _OR
        and isinstance(value, list)
        and len(value) >= 2
        and all(isinstance(item, dict) and not _RESERVED & item.keys() for item in value)
    )


def _complexity(policy: dict[str, Any], scope: str, depth: int) -> int:
    """The product over keys of values times depth, with the branches of `$or` added up. Checks the form."""
    if not policy:
        raise _bad("Empty objects are not allowed")  # Unverified: the text
    total = 1
    for key, value in policy.items():
        if _is_or(key, value):
            total *= sum(_complexity(branch, scope, depth) for branch in value)
        elif isinstance(value, dict):
            if scope == ATTRIBUTES:
                text = "Filter policy scope MessageAttributes does not support nested filter policy"
                raise FilterPolicyError(text)
            total *= _complexity(value, scope, depth + 1)
        elif not isinstance(value, list):
            raise _bad(f'"{key}" must be an object or an array')
        elif not value:
            raise _bad("Empty arrays are not allowed")
        else:
            total *= len(value) * depth
    return total


def _alternatives(policy: dict[str, Any], path: str) -> Iterator[tuple[Condition, ...]]:
    """Every way to choose one branch of each `$or`. Their number is at most the complexity."""
    parts: list[list[tuple[Condition, ...]]] = []
    for key, value in policy.items():
        whole = f"{path}.{key}" if path else key
        if _is_or(key, value):
            parts.append([each for branch in value for each in _alternatives(branch, path)])
        elif isinstance(value, dict):
            parts.append(list(_alternatives(value, whole)))
        else:
            parts.append([(_condition(whole, value),)])
    for chosen in product(*parts):
        yield tuple(condition for part in chosen for condition in part)


# --- values -------------------------------------------------------------------------------------


def _condition(key: str, values: list[Any]) -> Condition:
    exact: set[Any] = set()
    tests: list[Test] = []
    absent = present = False
    for value in values:
        if isinstance(value, list):
            raise _bad("Match value must be String, number, true, false, or null")
        if not isinstance(value, dict):
            exact.add(exact_key(value))
            continue
        name, operand = _only(value)
        if name == "exists":
            if not isinstance(operand, bool):
                raise _bad("exists match pattern must be either true or false.")
            absent, present = absent or not operand, present or operand
        else:
            tests.append(_test(name, operand))
        if len(value) > 1:
            raise _bad("Only one key allowed in match expression")
    wanted = json.dumps(values, default=float, ensure_ascii=False)
    return Condition(key, frozenset(exact), tuple(tests), absent, present, wanted)


def _only(expression: dict[str, Any]) -> tuple[str, Any]:
    for name, operand in expression.items():
        if name not in _OPERATORS:
            raise _bad(f"Unrecognized match type {name}")
        return name, operand
    raise _bad("Match expression name not found")  # Unverified: the text


def _test(name: str, operand: Any) -> Test:
    if name == "anything-but":
        return _anything_but(operand)
    if name == "numeric":
        return _numeric(operand)
    if name == "cidr":
        return _cidr(_text("prefix", operand))
    text = _text(name, operand)
    if name == "prefix":
        return lambda value: isinstance(value, str) and value.startswith(text)
    if name == "suffix":
        return lambda value: isinstance(value, str) and value.endswith(text)
    folded = text.casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _text(name: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise _bad(f"{name} match pattern must be a string")
    return operand


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        for name in operand:
            if name != "prefix":
                raise _bad(f"Unsupported anything-but pattern: {name}")
        if not operand:
            raise _bad("Match expression name not found")
        text = _text("prefix", operand["prefix"])
        return lambda value: not (isinstance(value, str) and value.startswith(text))
    listed = operand if isinstance(operand, list) else [operand]
    if not listed:
        raise _bad("Empty arrays are not allowed")
    for item in listed:
        if isinstance(item, bool) or not isinstance(item, (str, int, Decimal)):
            # Unverified: the text
            raise _bad("Value of anything-but must be an array or single string/number value.")
    unwanted = frozenset(listed)
    return lambda value: exact_key(value) not in unwanted


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list):
        raise _bad("Value of numeric must be an array.")  # Unverified: the text
    first = operand[0] if operand else None
    if not isinstance(first, str):
        raise _bad(f"Invalid member in numeric match: {_shown(first) if operand else ']'}")
    if first not in ("=", "<", "<=", ">", ">="):
        raise _bad(f"Unrecognized numeric range operator: {first}")
    bound = _number(operand, 1, "equals" if first == "=" else first)
    if len(operand) == 2:
        return _compared(first, bound)
    if first in ("=", "<", "<="):
        raise _bad("Too many elements in numeric expression")
    second = operand[2]
    if not isinstance(second, str):
        raise _bad(f"Bad value in numeric range: {_shown(second)}")
    if second not in ("<", "<="):
        raise _bad(f"Bad numeric range operator: {second}")
    top = _number(operand, 3, second)
    if top <= bound:
        raise _bad("Bottom must be less than top")
    if len(operand) > 4:
        raise _bad("Too many terms in numeric range expression")
    above, below = _compared(first, bound), _compared(second, top)
    return lambda value: above(value) and below(value)


def _number(operand: list[Any], index: int, name: str) -> int | Decimal:
    value = operand[index] if index < len(operand) else None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise _bad(f"Value of {name} must be numeric")
    if not -NUMBER <= value <= NUMBER:
        raise _bad("Value must be between -1.0E9 and 1.0E9, inclusive")  # Unverified: the text
    return value


def _compared(operator: str, bound: int | Decimal) -> Test:
    def is_number(value: Any) -> bool:
        return isinstance(value, (int, Decimal)) and not isinstance(value, bool)

    if operator == "=":
        return lambda value: is_number(value) and bool(value == bound)
    if operator == "<":
        return lambda value: is_number(value) and bool(value < bound)
    if operator == "<=":
        return lambda value: is_number(value) and bool(value <= bound)
    if operator == ">":
        return lambda value: is_number(value) and bool(value > bound)
    return lambda value: is_number(value) and bool(value >= bound)


def _cidr(text: str) -> Test:
    address, slash, mask = text.partition("/")
    if not slash or "/" in mask:
        raise _bad("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"-?[0-9]+", mask):
        raise _bad("Malformed CIDR, mask bits must be an integer")
    try:
        base = ipaddress.ip_address(address)
    except ValueError:
        raise _bad(f"Nonstandard IP address: {address}") from None
    if not 0 <= int(mask) <= base.max_prefixlen:
        # Unverified: the text
        raise _bad(f"Malformed CIDR, mask bits must be between 0 and {base.max_prefixlen}")
    network = ipaddress.ip_network(text, strict=False)

    def inside(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return inside


def _shown(value: Any) -> str:
    return json.dumps(value, default=float)

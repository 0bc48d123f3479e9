"""From a pattern's text to branches: the one path by which patterns are checked and compiled.

Problems are found in the order of the text and named in AWS's words, with the place that AWS names.
Source: Amazon EventBridge User Guide, "Creating event patterns", and aws/event-ruler, JsonRuleCompiler.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .error import PatternError
from .match import branch_test
from .model import Alternative, Branch, Field, Pattern, Scalar
from .numbers import parse_number
from .operators import read_expression
from .reading import LITERALS, NUMBER, STRING, Reader
from .wildcard import check_complexity, read_wildcard
from .words import OR, RESERVED_IN_OR, Kind

COMBINATIONS_MAX: Final = 1000
"""Of the branches of all `$or` of a pattern. Source: EventBridge User Guide, "Or matching"; its error is unverified."""

_LITERAL_VALUES: Final[dict[str, Scalar]] = {"true": True, "false": False, "null": None}
_Rule = dict[str, tuple[Alternative, ...]]


def compile_pattern(source: str | dict[str, Any]) -> Pattern:
    """Compile a pattern from its JSON text, or from a dict, which is written as JSON first.

    A path that occurs twice has the alternatives of its last place; text behind the pattern's last brace is
    not looked at; both as in event-ruler. Raises PatternError.
    """
    text = source if isinstance(source, str) else _written(source)
    reader = Reader(text)
    if reader.advance() != "{":
        reader.fail("Filter is not an object")
    rules: list[_Rule] = [{}]
    _object(reader, rules, "", inside_or=False)
    for text in _wildcards(rules):
        check_complexity(read_wildcard(text))
    return Pattern(text, tuple(_branch(rule) for rule in rules))


def _written(source: dict[str, Any]) -> str:
    try:
        return json.dumps(source, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PatternError(f"the pattern cannot be written as JSON: {error}") from None


def _wildcards(rules: list[_Rule]) -> set[str]:
    return {
        str(alternative.operands[0])
        for rule in rules
        for alternatives in rule.values()
        for alternative in alternatives
        if alternative.kind is Kind.WILDCARD
    }


def _branch(rule: _Rule) -> Branch:
    fields = tuple(Field(path, alternatives) for path, alternatives in rule.items())
    return Branch(fields, branch_test(fields))


def _object(reader: Reader, rules: list[_Rule], path: str, *, inside_or: bool) -> None:
    """Read an object whose brace was read, into each of the rules; `path` ends with a dot, or is empty."""
    empty = True
    while reader.advance() != "}":
        empty = False
        name = reader.name
        if name == OR:
            _or(reader, rules, path)
            continue
        if inside_or and name in RESERVED_IN_OR:
            reader.fail(f"{name} is Ruler reserved fieldName which cannot be used inside {OR}.")
        kind = reader.advance()
        if kind == "{":
            _object(reader, rules, f"{path}{name}.", inside_or=inside_or)
        elif kind == "[":
            alternatives = _alternatives(reader)
            for rule in rules:
                rule[path + name] = alternatives
        else:
            reader.fail(f'"{name}" must be an object or an array')
    if empty:
        reader.fail("Empty objects are not allowed")


def _or(reader: Reader, rules: list[_Rule], path: str) -> None:
    """Read `$or`: each rule so far goes on once for each of its branches."""
    before = rules[:]
    rules.clear()
    if reader.advance() != "[":
        reader.fail(f"It must be an Array followed with {OR}.")
    branches = 0
    while (kind := reader.advance()) != "]":
        branches += 1
        if kind != "{":
            reader.fail(f"Only JSON object is allowed in array of {OR} relationship.")
        branch = [dict(rule) for rule in before]
        _object(reader, branch, path, inside_or=True)
        rules += branch
        if len(rules) > COMBINATIONS_MAX:
            raise PatternError(f"Rule is too complex - {OR} makes more than {COMBINATIONS_MAX} combinations")
    if branches < 2:
        reader.fail(f"There must have at least 2 Objects in {OR} relationship.")


def _alternatives(reader: Reader) -> tuple[Alternative, ...]:
    """Read a field's array, whose bracket was read."""
    found = list(_each_alternative(reader))
    if not found:
        reader.fail("Empty arrays are not allowed")
    return tuple(found)


def _each_alternative(reader: Reader) -> Iterator[Alternative]:
    while (kind := reader.advance()) != "]":
        if kind == "{":
            yield read_expression(reader)
        elif kind == STRING:
            yield Alternative(Kind.EQUALS, (reader.value,))
        elif kind == NUMBER:
            yield Alternative(Kind.EQUALS, (parse_number(reader.value),))
        elif kind in LITERALS:
            yield Alternative(Kind.EQUALS, (_LITERAL_VALUES[kind],))
        else:
            reader.fail("Match value must be String, number, true, false, or null")

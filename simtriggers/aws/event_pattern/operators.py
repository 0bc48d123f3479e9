"""Reads one match expression, such as `{"prefix": "a"}`: each operator's rules and error texts.

Each function begins where the operator's name was read and ends behind the closing brace.
Source: aws/event-ruler, JsonRuleCompiler; error texts as EventBridge answers them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import words
from .addresses import BadBlock, block_of
from .error import PatternError
from .model import Alternative, Scalar
from .numbers import comparable
from .reading import NAME, NUMBER, STRING, Reader
from .wildcard import BadWildcard, read_wildcard
from .words import Kind

_ONE_KEY: Final = "Only one key allowed in match expression"
_TOO_MANY: Final = "Too many elements in numeric expression"
_NO_STRING: Final = "match pattern must be a string"

_NESTED: Final = {
    words.PREFIX: Kind.ANYTHING_BUT_PREFIX,
    words.SUFFIX: Kind.ANYTHING_BUT_SUFFIX,
    words.EQUALS_IGNORE_CASE: Kind.ANYTHING_BUT_IGNORE_CASE,
    words.WILDCARD: Kind.ANYTHING_BUT_WILDCARD,
}
_NESTED_REFUSES: Final = {
    Kind.ANYTHING_BUT_PREFIX: f"prefix/suffix {_NO_STRING}",
    Kind.ANYTHING_BUT_SUFFIX: f"prefix/suffix {_NO_STRING}",
    Kind.ANYTHING_BUT_WILDCARD: f"wildcard {_NO_STRING}",
    Kind.ANYTHING_BUT_IGNORE_CASE: (
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
    ),
}
_NO_EMPTY: Final = (Kind.ANYTHING_BUT_PREFIX, Kind.ANYTHING_BUT_SUFFIX)


def read_expression(reader: Reader) -> Alternative:
    """Read a match expression whose brace was read. Raises PatternError."""
    if reader.advance() != NAME:
        reader.fail("Match expression name not found")
    read = _READERS.get(reader.name)
    if read is None:
        reader.fail(f"Unrecognized match type {reader.name}")
    return read(reader)


def _close(reader: Reader, reason: str = _ONE_KEY) -> None:
    if reader.advance() != "}":
        reader.fail(reason)


def _string(reader: Reader, operator: str) -> str:
    if reader.kind != STRING:
        reader.fail(f"{operator} {_NO_STRING}")
    return reader.value


# --- strings ------------------------------------------------------------------------------------


def _exactly(reader: Reader) -> Alternative:
    reader.advance()
    found = Alternative(Kind.EXACTLY, (_string(reader, "exact"),))
    _close(reader)
    return found


def _equals_ignore_case(reader: Reader) -> Alternative:
    reader.advance()
    found = Alternative(Kind.IGNORE_CASE, (_string(reader, words.EQUALS_IGNORE_CASE),))
    _close(reader)
    return found


def _prefix(reader: Reader) -> Alternative:
    return _end(reader, words.PREFIX, Kind.PREFIX, Kind.PREFIX_IGNORE_CASE)


def _suffix(reader: Reader) -> Alternative:
    return _end(reader, words.SUFFIX, Kind.SUFFIX, Kind.SUFFIX_IGNORE_CASE)


def _end(reader: Reader, word: str, plain: Kind, ignore_case: Kind) -> Alternative:
    """A prefix or suffix, and the one operator that either may hold."""
    if reader.advance() != "{":
        found = Alternative(plain, (_string(reader, word),))
        _close(reader)
        return found
    if reader.advance() != NAME:
        reader.fail(f"{word.capitalize()} expression name not found")
    if reader.name != words.EQUALS_IGNORE_CASE:
        reader.fail(f"Unsupported {word} pattern: {reader.name}")
    reader.advance()
    found = Alternative(ignore_case, (_string(reader, words.EQUALS_IGNORE_CASE),))
    _close(reader)
    _close(reader)
    return found


def _wildcard(reader: Reader) -> Alternative:
    reader.advance()
    text = _string(reader, words.WILDCARD)
    _check_wildcards(reader, (text,))
    _close(reader)
    return Alternative(Kind.WILDCARD, (text,))


def _cidr(reader: Reader) -> Alternative:
    reader.advance()
    # AWS says "prefix" here.
    text = _string(reader, words.PREFIX)
    try:
        block_of(text)
    except BadBlock as error:
        raise PatternError(str(error)) from None
    _close(reader)
    return Alternative(Kind.CIDR, (text,))


def _exists(reader: Reader) -> Alternative:
    kind = reader.advance()
    if kind not in ("true", "false"):
        reader.fail("exists match pattern must be either true or false.")
    _close(reader)
    return Alternative(Kind.EXISTS if kind == "true" else Kind.ABSENT)


# --- numbers ------------------------------------------------------------------------------------


def _number(text: str) -> int | float:
    """A number that can be compared. Raises ValueError in AWS's words."""
    found = comparable(text)
    if found is None:
        raise ValueError(f"Cannot compare number : {text}")
    return found


def _numeric(reader: Reader) -> Alternative:
    if reader.advance() != "[":
        reader.fail("Value of numeric must be an array.")
    if reader.advance() != STRING:
        reader.fail(f"Invalid member in numeric match: {reader.value}")
    sign = reader.value
    reader.advance()
    if sign not in words.COMPARISONS:
        reader.fail(f"Unrecognized numeric range operator: {sign}")
    if reader.kind != NUMBER:
        reader.fail(f"Value of {'equals' if sign == words.EQUAL else sign} must be numeric")
    text = reader.value
    operands: tuple[Scalar, ...]
    if reader.advance() != "]":
        if sign not in (words.GREATER, words.GREATER_OR_EQUAL):
            reader.fail(_TOO_MANY)
        operands = _range(reader, sign, text)
    else:
        operands = (sign, _number_or_fail(reader, text))
    _close(reader, _TOO_MANY)
    return Alternative(Kind.NUMERIC, operands)


def _range(reader: Reader, sign: str, text: str) -> tuple[Scalar, ...]:
    """The rest of `[">", low, "<", high]`; `sign` and `text` are of its first half."""
    if reader.kind != STRING:
        reader.fail(f"Bad value in numeric range: {reader.value}")
    second = reader.value
    if second not in (words.LESS, words.LESS_OR_EQUAL):
        reader.fail(f"Bad numeric range operator: {second}")
    if reader.advance() != NUMBER:
        reader.fail(f"Value of {second} must be numeric")
    high_text = reader.value
    if reader.advance() != "]":
        reader.fail("Too many terms in numeric range expression")
    low, high = _number_or_fail(reader, text), _number_or_fail(reader, high_text)
    if low >= high:
        reader.fail("Bottom must be less than top")
    return sign, low, second, high


def _number_or_fail(reader: Reader, text: str) -> int | float:
    try:
        return _number(text)
    except ValueError as error:
        reader.fail(str(error))


# --- anything-but -------------------------------------------------------------------------------


def _anything_but(reader: Reader) -> Alternative:
    kind = Kind.ANYTHING_BUT
    if reader.advance() == "{":
        if reader.advance() != NAME:
            reader.fail("Anything-But expression name not found")
        nested = _NESTED.get(reader.name)
        if nested is None:
            reader.fail(f"Unsupported anything-but pattern: {reader.name}")
        kind = nested
        reader.advance()
    if reader.kind not in ("[", STRING, NUMBER):
        reader.fail("Value of anything-but must be an array or single string/number value.")
    operands = _list(reader, kind) if reader.kind == "[" else (_single(reader, kind),)
    if kind is Kind.ANYTHING_BUT_WILDCARD:
        _check_wildcards(reader, operands)
    _close(reader, _TOO_MANY)
    if kind is not Kind.ANYTHING_BUT:
        _close(reader, _TOO_MANY)
    return Alternative(kind, operands)


def _single(reader: Reader, kind: Kind) -> Scalar:
    """The one value, of an anything-but without a list."""
    if kind is not Kind.ANYTHING_BUT:
        return _nested_value(reader, kind)
    if reader.kind == STRING:
        return reader.value
    try:
        return _number(reader.value)
    except ValueError as error:
        raise PatternError(str(error)) from None


def _list(reader: Reader, kind: Kind) -> tuple[Scalar, ...]:
    """The values of a list. AWS names the place of a problem inside it twice."""
    read = _plain_value if kind is Kind.ANYTHING_BUT else _nested_value
    found: list[Scalar] = []
    try:
        while reader.advance() != "]":
            found.append(read(reader, kind))
    except PatternError as error:
        raise PatternError(error.reason, source=error.source, line=error.line, column=error.column, places=2) from None
    except ValueError as error:
        reader.fail(str(error))
    if kind is Kind.ANYTHING_BUT and len({isinstance(each, str) for each in found}) != 1:
        reader.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
    return tuple(found)


def _plain_value(reader: Reader, kind: Kind) -> Scalar:
    if reader.kind == STRING:
        return reader.value
    if reader.kind == NUMBER:
        return _number(reader.value)
    reader.fail("Inside anything but list, start|null|boolean is not supported.")


def _nested_value(reader: Reader, kind: Kind) -> Scalar:
    if reader.kind != STRING:
        reader.fail(_NESTED_REFUSES[kind])
    if not reader.value and kind in _NO_EMPTY:
        reader.fail("Null prefix/suffix not allowed")
    return reader.value


def _check_wildcards(reader: Reader, operands: tuple[Scalar, ...]) -> None:
    for text in operands:
        try:
            read_wildcard(str(text))
        except BadWildcard as error:
            reader.fail(str(error))


_READERS: Final[dict[str, Callable[[Reader], Alternative]]] = {
    words.EXACTLY: _exactly,
    words.PREFIX: _prefix,
    words.SUFFIX: _suffix,
    words.EQUALS_IGNORE_CASE: _equals_ignore_case,
    words.WILDCARD: _wildcard,
    words.ANYTHING_BUT: _anything_but,
    words.NUMERIC: _numeric,
    words.CIDR: _cidr,
    words.EXISTS: _exists,
}

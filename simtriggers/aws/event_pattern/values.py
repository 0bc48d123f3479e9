"""Tests of single values: what the alternatives of a field say to a string, a number, true, false or null.

The tests are put together once, when the pattern is compiled. None of them backtracks.
Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns", and aws/event-ruler.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .addresses import Address, address_of, block_of
from .ignore_case import ends_with, equals, starts_with
from .model import Alternative, Scalar
from .numbers import EXACT_MAX, comparable_value
from .wildcard import read_wildcard, wildcard_test
from .words import EQUAL, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL, Kind

StringTest = Callable[[str], bool]
NumberTest = Callable[[int | float], bool]
ValueTest = Callable[[Any], bool]

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    EQUAL: operator.eq,
    LESS: operator.lt,
    LESS_OR_EQUAL: operator.le,
    GREATER: operator.gt,
    GREATER_OR_EQUAL: operator.ge,
}
_LITERALS: Final = (True, False, None)


def value_test(alternatives: Iterable[Alternative]) -> ValueTest:
    """The test of one value: whether any of the alternatives takes it. ABSENT takes none."""
    tests = _Tests()
    for alternative in alternatives:
        _ADD[alternative.kind](tests, alternative.operands)
    return tests.joined()


@dataclass
class _Tests:
    """What was gathered from the alternatives; `anything` takes every value."""

    strings: set[str] = field(default_factory=set)
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    string_tests: list[StringTest] = field(default_factory=list)
    addresses: list[tuple[Address, Address]] = field(default_factory=list)
    numbers: set[int | float] = field(default_factory=set)
    integers: set[int] = field(default_factory=set)
    number_tests: list[NumberTest] = field(default_factory=list)
    literals: list[Scalar] = field(default_factory=list)
    anything: bool = False
    any_string: bool = False
    any_number: bool = False
    any_lossy_number: bool = False

    def joined(self) -> ValueTest:
        """One test of all. The commonest field has strings only, and its test is a look into a set."""
        if self.anything:
            return _always
        on_string = self._on_string()
        if not (self.numbers or self.integers or self.number_tests or self.any_number or self.literals):
            strings = frozenset(self.strings)
            if on_string is None:
                return strings.__contains__
            return lambda value: isinstance(value, str) and (value in strings or on_string(value))
        return self._general(on_string)

    def _general(self, on_string: StringTest | None) -> ValueTest:
        strings, on_number = frozenset(self.strings), self._on_number()
        true, false, null = (any(each is literal for each in self.literals) for literal in _LITERALS)
        if not strings and on_string is None and not self.literals:
            # No bool is equal to a class here, so this leaves them out too.
            return lambda value: (value.__class__ is int or value.__class__ is float) and on_number(value)

        def test(value: Any) -> bool:
            if isinstance(value, str):
                return value in strings or (on_string is not None and on_string(value))
            if value is None:
                return null
            if isinstance(value, bool):
                return true if value else false
            return on_number(value)

        return test

    def _on_string(self) -> StringTest | None:
        """The test of strings that are not in `strings`, or None when there is none to make."""
        if self.any_string:
            return _always
        tests = list(self.string_tests)
        if self.prefixes:
            starts = tuple(self.prefixes)
            tests.append(lambda text: text.startswith(starts))
        if self.suffixes:
            ends = tuple(self.suffixes)
            tests.append(lambda text: text.endswith(ends))
        if self.addresses:
            tests.append(_address_test(tuple(self.addresses)))
        return _any_of(tests) if tests else None

    def _on_number(self) -> NumberTest:
        if self.any_number:
            return _always
        numbers, integers, judge = frozenset(self.numbers), frozenset(self.integers), _any_of(self.number_tests)
        any_lossy = self.any_lossy_number
        if not numbers:

            def judged(value: int | float) -> bool:
                return judge(value) if -EXACT_MAX <= value <= EXACT_MAX else test(value)

        def test(value: int | float) -> bool:
            # What lies between is compared as it is; behind it are the lossy, the infinite and no number.
            if -EXACT_MAX <= value <= EXACT_MAX:
                return value in numbers or judge(value)
            compared = comparable_value(value)
            if compared is None:
                return any_lossy or (isinstance(value, int) and value in integers)
            return compared in numbers or judge(compared)

        return test if numbers else judged


def _any_of(tests: Sequence[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    """One test of several, without a loop for one or two."""
    if len(tests) > 2:
        return lambda value: any(test(value) for test in tests)
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) or second(value)
    return tests[0] if tests else _never


def _never(value: object) -> bool:
    return False


def _always(value: object) -> bool:
    return True


def _address_test(blocks: tuple[tuple[Address, Address], ...]) -> StringTest:
    def test(text: str) -> bool:
        address = address_of(text)
        # An address is (bits, number), so that the two families never lie between each other's limits.
        return address is not None and any(low <= address <= high for low, high in blocks)

    return test


# --- one function for each kind of alternative --------------------------------------------------


def _equals(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    (wanted,) = operands
    if isinstance(wanted, str):
        address = address_of(wanted)
        if address is None:
            tests.strings.add(wanted)
        else:
            tests.addresses.append((address, address))
    elif wanted is None or isinstance(wanted, bool):
        tests.literals.append(wanted)
    else:
        compared = comparable_value(wanted)
        if compared is not None:
            tests.numbers.add(compared)
        elif isinstance(wanted, int):
            tests.integers.add(wanted)
        else:
            tests.number_tests.append(_never)


def _exactly(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.strings.update(_texts(operands))


def _prefix(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.prefixes += _texts(operands)


def _suffix(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.suffixes += _texts(operands)


def _ignore_case(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.string_tests += map(equals, _texts(operands))


def _prefix_ignore_case(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.string_tests += map(starts_with, _texts(operands))


def _suffix_ignore_case(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.string_tests += map(ends_with, _texts(operands))


def _wildcard(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.string_tests += (wildcard_test(read_wildcard(text)) for text in _texts(operands))


def _numeric(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    sign, low = str(operands[0]), operands[1]
    if len(operands) == 2:
        compare = _COMPARE[sign]
        tests.number_tests.append(lambda value: compare(value, low))
    else:
        tests.number_tests.append(_between(low, sign == GREATER_OR_EQUAL, operands[3], operands[2] == LESS_OR_EQUAL))


def _between(low: Any, with_low: bool, high: Any, with_high: bool) -> NumberTest:
    if with_low and with_high:
        return lambda value: low <= value <= high
    if with_low:
        return lambda value: low <= value < high
    return (lambda value: low < value <= high) if with_high else (lambda value: low < value < high)


def _cidr(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.addresses += map(block_of, _texts(operands))


def _exists(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    tests.anything = True


def _absent(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    """Says nothing to a value that is there."""


def _anything_but(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
    if all(isinstance(each, str) for each in operands):
        _anything_but_string(tests, frozenset(_texts(operands)).__contains__)
        return
    excluded = frozenset(operands)
    tests.any_string = tests.any_lossy_number = True
    tests.literals += _LITERALS
    tests.number_tests.append(lambda value: value not in excluded)


def _but(add: Callable[[_Tests, tuple[Scalar, ...]], None]) -> Callable[[_Tests, tuple[Scalar, ...]], None]:
    """The opposite of another kind, which takes every value that is no string."""

    def adding(tests: _Tests, operands: tuple[Scalar, ...]) -> None:
        inner = _Tests()
        add(inner, operands)
        _anything_but_string(tests, inner.joined())

    return adding


def _anything_but_string(tests: _Tests, excluded: StringTest) -> None:
    tests.string_tests.append(lambda text: not excluded(text))
    tests.literals += _LITERALS
    tests.any_number = True


def _texts(operands: tuple[Scalar, ...]) -> list[str]:
    return [each for each in operands if isinstance(each, str)]


_ADD: Final[dict[Kind, Callable[[_Tests, tuple[Scalar, ...]], None]]] = {
    Kind.EQUALS: _equals,
    Kind.EXACTLY: _exactly,
    Kind.PREFIX: _prefix,
    Kind.SUFFIX: _suffix,
    Kind.IGNORE_CASE: _ignore_case,
    Kind.PREFIX_IGNORE_CASE: _prefix_ignore_case,
    Kind.SUFFIX_IGNORE_CASE: _suffix_ignore_case,
    Kind.WILDCARD: _wildcard,
    Kind.NUMERIC: _numeric,
    Kind.CIDR: _cidr,
    Kind.EXISTS: _exists,
    Kind.ABSENT: _absent,
    Kind.ANYTHING_BUT: _anything_but,
    Kind.ANYTHING_BUT_PREFIX: _but(_prefix),
    Kind.ANYTHING_BUT_SUFFIX: _but(_suffix),
    Kind.ANYTHING_BUT_IGNORE_CASE: _but(_ignore_case),
    Kind.ANYTHING_BUT_WILDCARD: _but(_wildcard),
}

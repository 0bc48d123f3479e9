"""One path's table: from a value to the rules, as bits, that are content with it.

Texts and numbers are looked up, prefixes and suffixes by their lengths, ranges of numbers by bisection,
`anything-but` by what it excludes. What remains (wildcards, blocks of addresses, ...) is tested one by one,
each distinct alternative once. The meaning of each kind is that of `event_pattern.values`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..event_pattern import Alternative, Kind
from ..event_pattern.addresses import address_of
from ..event_pattern.model import Scalar
from ..event_pattern.numbers import EXACT_MAX, comparable_value
from ..event_pattern.values import ValueTest, value_test
from ..event_pattern.words import EQUAL, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL

_BUT: Final = frozenset(
    {
        Kind.ANYTHING_BUT,
        Kind.ANYTHING_BUT_PREFIX,
        Kind.ANYTHING_BUT_SUFFIX,
        Kind.ANYTHING_BUT_IGNORE_CASE,
        Kind.ANYTHING_BUT_WILDCARD,
    }
)
_LOW, _HIGH = float("-inf"), float("inf")


class _Texts:
    """Bits by whole texts, prefixes, suffixes, texts without case, and tests."""

    def __init__(self) -> None:
        self.equal: dict[str, int] = {}
        self.ignoring_case: dict[str, int] = {}
        self.prefixes: dict[int, dict[str, int]] = {}
        self.suffixes: dict[int, dict[str, int]] = {}

    def of(self, text: str) -> int:
        found = self.equal.get(text, 0)
        if self.prefixes:
            for length, table in self.prefixes.items():
                found |= table.get(text[:length], 0)
        if self.suffixes:
            for length, table in self.suffixes.items():
                found |= table.get(text[-length:] if length else "", 0)
        if self.ignoring_case and text.isascii():
            found |= self.ignoring_case.get(text.lower(), 0)
        return found

    def add(self, kind: Kind, bit: int, text: str) -> bool:
        """Enter a text; False for what has no place here."""
        if kind in (Kind.EQUALS, Kind.EXACTLY, Kind.ANYTHING_BUT):
            table, key = self.equal, text
        elif kind in (Kind.PREFIX, Kind.ANYTHING_BUT_PREFIX):
            table, key = self.prefixes.setdefault(len(text), {}), text
        elif kind in (Kind.SUFFIX, Kind.ANYTHING_BUT_SUFFIX):
            table, key = self.suffixes.setdefault(len(text), {}), text
        elif kind in (Kind.IGNORE_CASE, Kind.ANYTHING_BUT_IGNORE_CASE) and text.isascii():
            table, key = self.ignoring_case, text.lower()
        else:
            return False
        table[key] = table.get(key, 0) | bit
        return True


class _Numbers:
    """Bits by ranges of numbers: for each limit, and each gap between two, which ranges it lies in."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int | float, bool, int | float, bool, int]] = []
        self._limits: list[int | float] = []
        self._at: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def add(self, bit: int, operands: tuple[Scalar, ...]) -> None:
        low, with_low, high, with_high = _LOW, True, _HIGH, True
        for sign, limit in zip(operands[::2], operands[1::2], strict=True):
            assert isinstance(limit, int | float)
            if sign in (GREATER, GREATER_OR_EQUAL, EQUAL):
                low, with_low = limit, sign != GREATER
            if sign in (LESS, LESS_OR_EQUAL, EQUAL):
                high, with_high = limit, sign != LESS
        self._ranges.append((low, with_low, high, with_high, bit))

    def close(self) -> None:
        limits = sorted({limit for low, _, high, _, _ in self._ranges for limit in (low, high)})
        place = {limit: 2 * number + 1 for number, limit in enumerate(limits)}
        # At 2n+1 is limit n, at 2n the gap before it. A bit is switched where its range begins and behind its end.
        switches = [0] * (2 * len(limits) + 2)
        for low, with_low, high, with_high, bit in self._ranges:
            switches[place[low] + (not with_low)] ^= bit
            switches[place[high] + with_high] ^= bit
        self._limits, self._at, found = limits, [], 0
        for each in switches:
            found ^= each
            self._at.append(found)

    def of(self, number: int | float) -> int:
        place = bisect_left(self._limits, number)
        at_limit = place < len(self._limits) and self._limits[place] == number
        return self._at[2 * place + at_limit]


class ValueTable:
    """What the rules' fields at one path say. `free` rules do not ask for the path at all; `absent` is what
    is content when nothing is there; both are bits. Fields are added first, then `close` is called once."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = 0
        self.absent = 0
        self._exists = 0
        self._texts = _Texts()
        self._but = 0
        self._but_texts = _Texts()
        self._but_tests: dict[Alternative, int] = {}
        self._number_but = 0
        self._equal_numbers: dict[int | float, int] = {}
        self._but_numbers: dict[int | float, int] = {}
        self._ranges = _Numbers()
        self._literals: dict[bool | None, int] = {}
        self._tests: dict[Alternative, int] = {}
        self._all: dict[Alternative, int] = {}
        self._asking: list[tuple[ValueTest, int]] = []
        self._asking_not: list[tuple[ValueTest, int]] = []
        self._every_test: list[tuple[ValueTest, int]] | None = None
        self.of_string: Callable[[str], int] = self._of_any_string
        """The rules that are content with a text."""

    def add(self, bit: int, alternatives: Iterable[Alternative]) -> None:
        """Enter a rule's field."""
        self.asked |= bit
        excludes = False
        for alternative in alternatives:
            self._all[alternative] = self._all.get(alternative, 0) | bit
            kind = alternative.kind
            if kind is Kind.ABSENT:
                self.absent |= bit
            elif kind is Kind.EXISTS:
                self._exists |= bit
            elif kind in _BUT and not excludes:
                # What is excluded is kept for each rule, so a rule has room for one of these at a path.
                excludes = True
                self._add_but(bit, alternative)
            elif kind in _BUT or not self._enter(bit, alternative):
                self._tests[alternative] = self._tests.get(alternative, 0) | bit

    def _enter(self, bit: int, alternative: Alternative) -> bool:
        kind, operands = alternative.kind, alternative.operands
        if kind is Kind.NUMERIC:
            self._ranges.add(bit, operands)
            return True
        if len(operands) != 1:
            return False
        (wanted,) = operands
        if isinstance(wanted, str):
            if kind is Kind.EQUALS and address_of(wanted) is not None:
                return False
            return self._texts.add(kind, bit, wanted)
        if wanted is None or isinstance(wanted, bool):
            self._literals[wanted] = self._literals.get(wanted, 0) | bit
            return True
        compared = comparable_value(wanted)
        if compared is None:
            return False
        self._equal_numbers[compared] = self._equal_numbers.get(compared, 0) | bit
        return True

    def _add_but(self, bit: int, alternative: Alternative) -> None:
        if not isinstance(alternative.operands[0], str):
            self._number_but |= bit
            for each in alternative.operands:
                assert isinstance(each, int | float)
                self._but_numbers[each] = self._but_numbers.get(each, 0) | bit
            return
        self._but |= bit
        texts = [str(each) for each in alternative.operands]
        if not all(self._but_texts.add(alternative.kind, bit, text) for text in texts):
            self._but_tests[alternative] = self._but_tests.get(alternative, 0) | bit

    def close(self) -> None:
        """Finish: `free` is known now."""
        self.absent |= self.free
        self._exists |= self.free
        self._ranges.close()
        self._asking = _tests_of(self._tests)
        self._asking_not = _tests_of(self._but_tests)
        self.of_string = self._string_reader()

    def _string_reader(self) -> Callable[[str], int]:
        """`of_string`, without the questions that no rule asks here."""
        always, texts = self._exists | self._number_but, self._texts
        if self._but or self._asking:
            return self._of_any_string
        if not (texts.prefixes or texts.suffixes or texts.ignoring_case):
            equal = {text: bits | always for text, bits in texts.equal.items()}
            return lambda text: equal.get(text, always)
        if not texts.equal and not texts.suffixes and not texts.ignoring_case and len(texts.prefixes) == 1:
            ((length, table),) = texts.prefixes.items()
            begins = {text: bits | always for text, bits in table.items()}
            return lambda text: begins.get(text[:length], always)
        return lambda text: texts.of(text) | always

    def _of_any_string(self, text: str) -> int:
        found = self._texts.of(text) | self._exists | self._number_but
        if self._but:
            excluded = self._but_texts.of(text)
            for test, bits in self._asking_not:
                if not test(text):
                    excluded |= bits
            found |= self._but & ~excluded if excluded else self._but
        for test, bits in self._asking:
            if test(text):
                found |= bits
        return found

    def of_scalar(self, value: Any) -> int:
        """The rules that are content with a scalar."""
        if isinstance(value, str):
            return self.of_string(value)
        if value is None or isinstance(value, bool):
            found = self._literals.get(value, 0) | self._exists | self._but | self._number_but
        elif -EXACT_MAX <= value <= EXACT_MAX:
            found = self._equal_numbers.get(value, 0) | self._exists | self._but
            if self._ranges:
                found |= self._ranges.of(value)
            if self._number_but:
                found |= self._number_but & ~self._but_numbers.get(value, 0)
        else:
            return self._slowly(value)
        for test, bits in self._asking:
            if test(value):
                found |= bits
        return found

    def _slowly(self, number: int | float) -> int:
        """Numbers that a binary64 may not hold: each alternative is asked."""
        if self._every_test is None:
            self._every_test = _tests_of(self._all)
        found = self.free
        for test, bits in self._every_test:
            if test(number):
                found |= bits
        return found


def _tests_of(alternatives: dict[Alternative, int]) -> list[tuple[Callable[[Any], bool], int]]:
    return [(value_test((alternative,)), bits) for alternative, bits in alternatives.items()]

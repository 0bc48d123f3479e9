"""Reads a pattern's JSON token by token, and knows at each moment how far it has read.

AWS names the place of an error by how far its parser (Jackson) had read, so this reads in the same portions:
the name of a field takes the colon and the start of the value with it (a number or literal whole, of a
string only its opening quote), and a string is read to its end when its text is asked for.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from .error import PatternError, place_of, place_text

NAME: Final = "name"
STRING: Final = "string"
NUMBER: Final = "number"
LITERALS: Final = ("true", "false", "null")
OPENING: Final = ("{", "[")
END: Final = ""

MAXIMUM_DEPTH = 400
"""Of nesting; a pattern of AWS's 4,096 characters can hardly go deeper."""

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[\w$]+")
_DIGITS = frozenset("0123456789")
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_NON_NUMERIC = frozenset({"NaN", "Infinity", "INF"})
_decoder = json.JSONDecoder()


class Reader:
    """Tokens of one text, asked for one at a time with `advance`; `kind` is the latest.

    A kind is one of `{ } [ ]`, NAME, STRING, NUMBER, a literal's own text, or END behind the last one.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._open: list[tuple[str, int]] = []
        self._first = True
        self._ahead = END
        self._in_string = False
        self._value = ""
        self.kind: str = END
        self.name = ""

    def fail(self, reason: str, *, places: int = 1) -> NoReturn:
        """Refuse the pattern at the place that was read up to."""
        line, column = place_of(self._text, self._position)
        raise PatternError(reason, source=self._text, line=line, column=column, places=places)

    @property
    def value(self) -> str:
        """The text of the latest value: a string without quotes, a number as written, or the sign."""
        if self._in_string:
            self._value = self._rest_of_string("string value")
        return self._value

    def advance(self) -> str:
        """Read the next token and return its kind."""
        if self._ahead:
            self.kind, self._ahead = self._ahead, END
            if self.kind in OPENING:
                self._push(self.kind)
            return self.kind
        if self._in_string:
            self._rest_of_string("string value")
        self._skip_space()
        if self._position == len(self._text):
            if self._open:
                self._fail_at_end(self._open[-1])
            self.kind = END
            return END
        self.kind = self._next_in_container() if self._open else self._begin_value()
        if self.kind in OPENING:
            self._push(self.kind)
        return self.kind

    def _push(self, sign: str) -> None:
        self._open.append((sign, self._position - 1))
        self._first = True
        if len(self._open) > MAXIMUM_DEPTH:
            self.fail(f"Document nesting depth ({len(self._open)}) exceeds the maximum allowed ({MAXIMUM_DEPTH})")

    def _next_in_container(self) -> str:
        opened, _ = self._open[-1]
        char = self._text[self._position]
        if char in "]}":
            return self._close(char)
        if not self._first:
            if char != ",":
                what = "Object entries" if opened == "{" else "Array entries"
                self._unexpected(f"was expecting comma to separate {what}")
            self._position += 1
            self._skip_space()
        self._first = False
        return self._next_name() if opened == "{" else self._begin_value()

    def _close(self, char: str) -> str:
        opened, at = self._open.pop()
        wanted = "}" if opened == "{" else "]"
        self._position += 1
        if char != wanted:
            place = f"(for {'Object' if opened == '{' else 'Array'} starting at {self._mark(at)})"
            self.fail(f"Unexpected close marker '{char}': expected '{wanted}' {place}")
        self._first = False
        self._value = char
        return char

    def _next_name(self) -> str:
        """A name with its colon and the start of its value, which is the token of the next turn."""
        if self._peek() != '"':
            self._unexpected("was expecting double-quote to start field name")
        self._position += 1
        self.name = self._rest_of_string("name")
        self._skip_space()
        if self._peek() != ":":
            self._unexpected("was expecting a colon to separate field name and value")
        self._position += 1
        self._skip_space()
        self._ahead = self._begin_value()
        return NAME

    def _begin_value(self) -> str:
        char = self._peek()
        if char == '"':
            self._position += 1
            self._in_string = True
            return STRING
        if char in OPENING:
            self._position += 1
            self._value = char
            return char
        if char == "-" or char in _DIGITS:
            return self._number()
        return self._literal()

    def _literal(self) -> str:
        word = _WORD.match(self._text, self._position)
        if word is None or word[0][0] in _DIGITS:
            self._unexpected(f"expected a valid value {_VALUES}")
        self._position = word.end()
        if word[0] in LITERALS:
            self._value = word[0]
            return word[0]
        if word[0] in _NON_NUMERIC:
            self.fail(f"Non-standard token '{word[0]}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow")
        self.fail(f"Unrecognized token '{word[0]}': was expecting {_VALUES}")

    def _number(self) -> str:
        found = _NUMBER.match(self._text, self._position)
        if found is None:
            self._position += 1
            self._bad_digit("expected digit (0-9) to follow minus sign, for valid numeric value")
        self._position = found.end()
        follows = self._peek()
        if follows == ".":
            self._position += 1
            self._bad_digit("Decimal point not followed by a digit")
        if follows in ("e", "E"):
            self._position += 1
            self._bad_digit("Exponent indicator not followed by a digit")
        if found[0] in ("0", "-0") and follows in _DIGITS:
            self.fail("Invalid numeric value: Leading zeroes not allowed")
        self._value = found[0]
        return NUMBER

    def _bad_digit(self, what: str) -> NoReturn:
        char = self._peek()
        if not char:
            self.fail("Unexpected end-of-input within/between Object entries")
        self.fail(f"Unexpected character ({_shown(char)}) in numeric value: {what}")

    def _rest_of_string(self, what: str) -> str:
        """Read on to the closing quote; the opening one was read. `what`: "string value" or "name"."""
        self._in_string = False
        try:
            found, self._position = _decoder.raw_decode(self._text, self._position - 1)
        except json.JSONDecodeError as error:
            self._fail_in_string(error, what)
        assert isinstance(found, str)
        return found

    def _fail_in_string(self, error: json.JSONDecodeError, what: str) -> NoReturn:
        at = error.pos
        self._position = len(self._text)
        if error.msg.startswith("Invalid control character"):
            self._position = at
            self.fail(
                f"Illegal unquoted character ((CTRL-CHAR, code {ord(self._text[at])})): has to be escaped using"
                f" backslash to be included in {what}"
            )
        if error.msg.startswith("Invalid \\uXXXX"):
            self._position = min(at + 1, self._position)
            self.fail("Unexpected character: expected a hex-digit for character escape sequence")
        if error.msg.startswith("Invalid \\escape"):
            # Python's place is that of the backslash.
            self._position = min(at + 2, self._position)
            self.fail(f"Unrecognized character escape {_shown(self._text[at + 1])}")
        if what == "name":
            self.fail("Unexpected end-of-input in field name")
        self.fail("Unexpected end-of-input: was expecting closing quote for a string value")

    def _fail_at_end(self, opened: tuple[str, int]) -> NoReturn:
        what = "Object" if opened[0] == "{" else "Array"
        self.fail(
            f"Unexpected end-of-input: expected close marker for {what} (start marker at {self._mark(opened[1])})"
        )

    def _mark(self, position: int) -> str:
        line, column = place_of(self._text, position)
        return place_text(self._text, line, column)

    def _unexpected(self, what: str) -> NoReturn:
        char = self._peek()
        if not char:
            self.fail("Unexpected end-of-input within/between Object entries")
        self.fail(f"Unexpected character ({_shown(char)}): {what}")

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._position)
        assert found is not None
        self._position = found.end()


def _shown(char: str) -> str:
    return f"'{char}' (code {ord(char)})"

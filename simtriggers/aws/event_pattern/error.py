"""The one error of this package: a pattern that AWS would refuse, with its place in the pattern's text."""

from __future__ import annotations

from typing import Final

from ...errors import SimtriggersError

CODE: Final = "InvalidEventPatternException"
"""EventBridge's code for it. Lambda and SNS report the same problem under codes of their own."""

_SHOWN = 500


class PatternError(SimtriggersError, ValueError):
    """A pattern that AWS refuses. `reason` and `message` are AWS's words.

    `line` and `column` count from 1, columns in UTF-16 units, and stand just behind what was read when the
    problem was noticed, as in AWS's own message; both are 0 where AWS names no place. `message` is the whole
    text: `Event pattern is not valid. Reason: ...` and, where there is one, the place, which AWS writes
    twice for a problem inside an anything-but list (`places` is 2 then).
    """

    def __init__(self, reason: str, *, source: str = "", line: int = 0, column: int = 0, places: int = 1) -> None:
        self.reason = reason
        self.source = source
        self.line = line
        self.column = column
        place = f"\n at {place_text(source, line, column)}" if line else ""
        self.message = f"Event pattern is not valid. Reason: {reason}{place * places}"
        super().__init__(self.message)


def place_text(source: str, line: int, column: int) -> str:
    """A place as AWS writes it, with at most 500 characters of the source."""
    more = len(source) - _SHOWN
    tail = f"[truncated {more} chars]" if more > 0 else ""
    return f'[Source: (String)"{source[:_SHOWN]}"{tail}; line: {line}, column: {column}]'


def place_of(text: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character at `position`; a carriage return ends a line too."""
    before = text[:position].replace("\r\n", "\n").replace("\r", "\n")
    last = before.rpartition("\n")[2]
    return before.count("\n") + 1, len(last.encode("utf-16-le", "surrogatepass")) // 2 + 1

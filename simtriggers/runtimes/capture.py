"""Standard output and error of a handler in this process, cut into log lines."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any


class Capture(io.TextIOBase):
    """A text stream that hands each whole line, newline included, to `emit`."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, emit: Callable[[str], None]) -> None:
        super().__init__()
        self._emit = emit
        self._partial = ""
        self.buffer = _Bytes(self)

    def write(self, text: str, /) -> int:
        """Take text; complete lines become log lines."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if "\n" in text:
            *lines, rest = (self._partial + text).split("\n")
            self._partial = rest
            for line in lines:
                self._emit(line + "\n")
        else:
            self._partial += text
        return len(text)

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def writable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Does nothing: the environment's streams stay, whoever closes them."""

    def finish(self) -> None:
        """The invocation is over: a last line without a newline counts as one."""
        if self._partial:
            rest, self._partial = self._partial, ""
            self._emit(rest)


class _Bytes(io.RawIOBase):
    """What `sys.stdout.buffer` is."""

    def __init__(self, text: Capture) -> None:
        super().__init__()
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        raw = bytes(data)
        self._text.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)

    def close(self) -> None:
        """Does nothing, like its stream's."""

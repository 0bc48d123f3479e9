"""The number of a repeated step, put into its texts."""

from __future__ import annotations

from typing import Any


class Numbered:
    """Puts the number of the repetition, if there is one, where `{n}` stands in texts."""

    def __init__(self, number: int | None) -> None:
        self._number = number

    def __call__(self, text: str) -> str:
        """The text with the number in it."""
        return text if self._number is None else text.replace("{n}", str(self._number))

    def inside(self, item: Any) -> Any:
        """A JSON value with its texts done; keys stay."""
        if isinstance(item, dict):
            return {key: self.inside(each) for key, each in item.items()}
        if isinstance(item, list):
            return [self.inside(each) for each in item]
        return self(item) if isinstance(item, str) else item

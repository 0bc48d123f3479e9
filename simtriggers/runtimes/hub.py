"""The virtual engine as the inline runtime wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..aws.contracts import Ended, Start
from ..engine.virtual import Resume, VirtualEngine
from ..kernel.agenda import REPLY, Entry


class VirtualHub:
    """The hub of an InlineRuntime for one engine.

    `world` tells the streams of a restored world from those before the snapshot, which went on: no id comes
    twice, and every world that goes on from one snapshot has the same ones.
    """

    def __init__(self, engine: VirtualEngine) -> None:
        self._engine = engine
        self.world = 0

    def now_ms(self) -> int:
        """Virtual time."""
        return self._engine.now_ms

    def resume_at(self, at_ms: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when it is `at_ms`; what is returned takes it off the agenda again."""
        agenda = self._engine.agenda
        entry = Entry(max(at_ms, self._engine.now_ms), REPLY, "", Resume(callback), 0)
        agenda.push(entry)
        return lambda: agenda.remove(entry)

    def request(self, arn: str, command: Any, cause: int, answered: Callable[[Any], None]) -> None:
        """Submit a command; `answered` is called from the hub with the reply."""
        self._engine.request(arn, command, cause, answered)

    def ended(self, start: Start, ended: Ended) -> None:
        """An attempt has ended, now."""
        self._engine.ended(start, ended)

    def seed(self, stream: str) -> bytes:
        """The seed of a named stream."""
        return self._engine.seed(f"{stream}@{self.world}" if self.world else stream)

"""Deliveries of one order key go one after the other: while one is tried again, those behind it wait.

Keeps nothing of its own: which delivery is being tried again stands on the agenda, and is looked up there anew
whenever the agenda is another one (a restart, a rollback, a snapshot that was taken up).
"""

from __future__ import annotations

from ..aws.contracts import Delivery
from ..kernel.agenda import Agenda, Entry


class Lines:
    """Who is at the head of a line, and when that delivery is tried again."""

    def __init__(self) -> None:
        self._agenda: Agenda | None = None
        self._until: dict[str, int] = {}

    def waits_until(self, agenda: Agenda, entry: Entry) -> int | None:
        """When a delivery may be tried that stands behind another one; None: it is its turn."""
        if agenda is not self._agenda:
            self._look(agenda)
        if not self._until or entry.command.attempt > 1:
            return None
        assert entry.order_key is not None
        return self._until.get(entry.order_key)

    def tried_again(self, agenda: Agenda, order_key: str, at_ms: int) -> None:
        """The delivery at the head was refused, and is tried again at `at_ms`."""
        if agenda is not self._agenda:
            self._look(agenda)
        self._until[order_key] = at_ms

    def ended(self, order_key: str) -> None:
        """The delivery at the head has arrived, or was given up."""
        self._until.pop(order_key, None)

    def _look(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._until = {
            entry.order_key: entry.at_ms
            for entry in agenda.entries()
            if entry.order_key is not None and type(entry.command) is Delivery and entry.command.attempt > 1
        }

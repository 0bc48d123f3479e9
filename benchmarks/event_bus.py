"""A bus in virtual time: events put, matched, and delivered to queues; beside rules that want something else.

An event is put alone. One of the rules, or ten, want it, each for a queue; none, or a thousand, do not. The trace
is full. The reference does the least of it by hand: as many messages of the same size sent to the same queues directly,
through the same engine. The goals are our own: nobody publishes figures.
"""

from __future__ import annotations

import json
from typing import Any

from simtriggers.aws.arn import Names
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.clock import parse_iso
from simtriggers.kernel.effects import Refused
from simtriggers.registry import SERVICES
from simtriggers.services.eventbridge.commands import CreateEventBus, PutEvents, PutEventsEntry, PutRule, PutTargets
from simtriggers.services.sqs.commands import SendMessage
from simtriggers.services.sqs.config import QueueConfig, queue_resource

from .report import Result, interleaved

_NAMES = Names()
_START_MS = parse_iso("2026-01-15T12:00:00Z")
_GOALS = {(1, 0): (0.2, 0.4), (1, 1_000): (0.2, 0.4), (10, 0): (0.4, 0.7)}
_DELIVERIES = 2_000
_DETAIL = {"store": "berlin", "total": 42, "note": "x" * 200}


class _World:
    """A bus with so many rules. Every round adds to what is there, as a long run would."""

    def __init__(self, wanting: int, others: int) -> None:
        self.engine = VirtualEngine(SERVICES, start_ms=_START_MS, seed=1)
        self._put(_NAMES.event_bus("shop"), CreateEventBus())
        self.queues = [self._put(*queue_resource(_NAMES, f"q{number}", QueueConfig())) for number in range(wanting)]
        for number, queue in enumerate(self.queues):
            self._rule(f"wants-{number}", {"detail": {"total": [{"numeric": [">", number]}]}}, queue)
        for number in range(others):
            self._rule(f"other-{number}", {"detail": {"store": [f"store-{number}"]}}, self.queues[0])
        self.put_one(0)
        (body,) = self.engine.connection.execute("SELECT body FROM payloads ORDER BY digest LIMIT 1").fetchone()
        self.body = str(body)

    def _put(self, arn: str, command: Any) -> str:
        self.ask(arn, command)
        return arn

    def _rule(self, name: str, pattern: dict[str, Any], queue: str) -> None:
        arn = self._put(_NAMES.rule(name, "shop"), PutRule(event_pattern=json.dumps(pattern)))
        assert self.ask(arn, PutTargets(({"id": "q", "arn": queue},))).failed_entry_count == 0

    def ask(self, arn: str, command: Any) -> Any:
        reply = self.engine.ask(arn, command)
        assert not isinstance(reply, Refused), reply
        return reply

    def _stored(self) -> int:
        return int(self.engine.connection.execute("SELECT count(*) FROM sqs_messages").fetchone()[0])

    def put_one(self, number: int) -> None:
        entry = PutEventsEntry("shop", "order", json.dumps({**_DETAIL, "number": number}), event_bus_name="shop")
        assert self.ask(_NAMES.service("events"), PutEvents((entry,))).failed_entry_count == 0
        self.engine.run_until(self.engine.now_ms)

    def put(self) -> int:
        """Put events until `_DELIVERIES` messages have come of them; returns how many."""
        before, rounds = self._stored(), _DELIVERIES // len(self.queues)
        for number in range(rounds):
            self.put_one(number)
        found = self._stored() - before
        assert found == rounds * len(self.queues), f"{found} of {rounds * len(self.queues)} messages arrived"
        return found

    def send(self) -> int:
        """Send as many messages to the same queues."""
        for number in range(_DELIVERIES):
            self.ask(self.queues[number % len(self.queues)], SendMessage(f"{self.body}{number}"))
        return _DELIVERIES


def _events(wanting: int, others: int) -> Result:
    world = _World(wanting, others)
    put, send = interleaved(world.put, world.send)
    name = f"an event to {wanting} rule{'' if wanting == 1 else 's'}" + (f", beside {others:,}" if others else "")
    return Result(name, put, "messages/s", "sent to the queues directly", send, *_GOALS[wanting, others])


def run() -> list[Result]:
    """Events that one rule wants, the same beside a thousand other rules, and events for ten rules."""
    return [_events(*each) for each in _GOALS]

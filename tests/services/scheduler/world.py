"""Schedules in a virtual engine, with queues, a topic and a function as targets, and a bus that keeps what it gets."""

from __future__ import annotations

import json
from typing import Any

from simtriggers.aws.arn import Names, name_of
from simtriggers.aws.contracts import Delivery
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.clock import iso_ms, parse_iso
from simtriggers.kernel.effects import Decision, Refused
from simtriggers.kernel.service import Rule, Service
from simtriggers.kernel.trace import select
from simtriggers.services.scheduler import commands as c
from simtriggers.services.scheduler.service import SERVICE as SCHEDULER
from simtriggers.services.sns.config import TopicConfig, topic_resource
from simtriggers.services.sns.service import SERVICE as SNS
from simtriggers.services.sqs.commands import Message, ReceiveMessage
from simtriggers.services.sqs.config import QueueConfig, queue_resource
from simtriggers.services.sqs.service import SERVICE as SQS

NAMES = Names()
START = parse_iso("2026-01-15T12:34:56Z")
SCHEDULE = NAMES.schedule("rotate")
JOBS = NAMES.queue("jobs")
LETTERS = NAMES.queue("letters")
TOPIC = NAMES.topic("news")
FUNCTION = NAMES.function("work")
BUS = NAMES.event_bus()
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Sink:
    """A service that takes every delivery and keeps it: (time, ARN, text)."""

    def __init__(self, name: str) -> None:
        self.taken: list[tuple[int, str, str]] = []
        self.refusals: list[Refused] = []
        self.service = Service(name=name, rules={Delivery: Rule(self._view, self._decide)})

    @staticmethod
    def _view(read: Any, entry: Any) -> str:
        return str(read.payload(entry.command.payload))

    def _decide(self, view: str, entry: Any, *, now_ms: int, ids: Any) -> Decision:
        self.taken.append((now_ms, entry.arn, view))
        return Decision(reply=self.refusals.pop(0) if self.refusals else None)


class World:
    """The engine with its queues `jobs`, `letters`, `groups.fifo`, and sinks for functions and buses."""

    def __init__(self, start: str | int = START, *, seed: int = 1, shuffle_ties: int | None = None) -> None:
        start_ms = parse_iso(start) if isinstance(start, str) else start
        self.functions, self.buses = Sink("lambda"), Sink("events")
        services = [SQS, SNS, SCHEDULER, self.functions.service, self.buses.service]
        self.engine = VirtualEngine(services, start_ms=start_ms, seed=seed, shuffle_ties=shuffle_ties)
        for name in ("jobs", "letters"):
            self.ask(*queue_resource(NAMES, name, QueueConfig()))
        self.ask(*queue_resource(NAMES, "groups.fifo", QueueConfig(fifo_queue=True, content_based_deduplication=True)))
        self.ask(*topic_resource(NAMES, "news", TopicConfig(), base_url=None))

    def ask(self, arn: str, command: Any) -> Any:
        return self.engine.ask(arn, command)

    def create(self, expression: str, target: str = JOBS, *, name: str = "rotate", **keys: Any) -> Any:
        """CreateSchedule; keys of the target begin with `target_`."""
        return self.ask(
            NAMES.schedule(name, keys.pop("group", "default")), self._change(c.CreateSchedule, expression, target, keys)
        )

    def update(self, expression: str, target: str = JOBS, *, name: str = "rotate", **keys: Any) -> Any:
        return self.ask(NAMES.schedule(name), self._change(c.UpdateSchedule, expression, target, keys))

    @staticmethod
    def _change(kind: Any, expression: str, target: str, keys: dict[str, Any]) -> Any:
        row = {"arn": target, **{key[7:]: item for key, item in keys.items() if key.startswith("target_")}}
        window = (
            {"mode": "OFF"}
            if (minutes := keys.get("window")) is None
            else {
                "mode": "FLEXIBLE",
                "maximum_window_in_minutes": minutes,
            }
        )
        rest = {key: item for key, item in keys.items() if key != "window" and not key.startswith("target_")}
        return kind(expression, row, window, **rest)

    def advance(self, ms: int) -> None:
        self.engine.advance(ms)

    def until(self, at: str) -> None:
        self.engine.advance(parse_iso(at) - self.engine.now_ms)

    def messages(self, queue: str = "jobs") -> list[Message]:
        command = ReceiveMessage(10, wait_time_seconds=0, attribute_names=("All",), message_attribute_names=("All",))
        found: list[Message] = []
        while True:
            more = self.ask(NAMES.queue(queue), command).messages
            found += more
            if not more:
                return found

    def bodies(self, queue: str = "jobs") -> list[str]:
        return [message.body for message in self.messages(queue)]

    def rows(self, *kinds: str) -> list[Any]:
        self.engine.flush()
        rows = list(select(self.engine.connection))
        return [row for row in rows if row.kind in kinds] if kinds else rows

    def fired(self, name: str = "rotate") -> list[tuple[str, str]]:
        """(when, for when) of each call of a schedule's target."""
        found = self.rows("ScheduleFired")
        return [(iso_ms(row.at_ms), row.details["scheduled"]) for row in found if name_of(row.arn) == name]

    def times(self, name: str = "rotate") -> list[str]:
        """For when each call of a schedule's target was."""
        return [scheduled for _, scheduled in self.fired(name)]

    def kinds(self, name: str = "rotate") -> list[str]:
        return [row.kind for row in self.rows() if row.arn.startswith("arn:aws:scheduler") and name_of(row.arn) == name]

    def attributes(self, queue: str = "letters") -> dict[str, str]:
        """The attributes of the one dead letter, all of type String."""
        [letter] = self.messages(queue)
        assert {kind for _, kind, _ in letter.message_attributes} == {"String"}
        return {name: text for name, _, text in letter.message_attributes}


def event(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found

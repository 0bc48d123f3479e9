"""A world with queues alone, in virtual time from 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import RemoveResource
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.config import QueueConfig, in_order, queue_resource
from simtriggers.services.sqs.service import SERVICE

FIXTURES = Path(__file__).parents[3] / "fixtures"
NAMES = Names()


def cases(file: str) -> list[dict[str, Any]]:
    """The cases of a file below fixtures/cases/sqs."""
    loaded: list[dict[str, Any]] = YAML(typ="safe").load(FIXTURES / "cases" / "sqs" / file)
    assert len({case["name"] for case in loaded}) == len(loaded), "two cases have one name"
    assert all(case["why"] for case in loaded)
    return loaded


class World:
    """Queues by name; `handles` remembers each receipt handle by (body, count)."""

    def __init__(self, queues: dict[str, dict[str, Any]], *, seed: int = 1) -> None:
        self.engine = VirtualEngine([SERVICE], start_ms=0, seed=seed)
        self.handles: dict[tuple[str, int], str] = {}
        self.ids: dict[str, str] = {}
        configs = {name: QueueConfig(**config) for name, config in queues.items()}
        for name in in_order(configs):
            self.put(name, configs[name])

    def put(self, name: str, config: QueueConfig) -> Any:
        return self.engine.ask(*queue_resource(NAMES, name, config))

    def remove(self, name: str, *, wiring_only: bool = False) -> Any:
        return self.ask(name, RemoveResource(wiring_only))

    def ask(self, queue: str, command: Any) -> Any:
        return self.engine.ask(NAMES.queue(queue), command)

    def send(self, queue: str, body: str, **settings: Any) -> Any:
        sent = self.ask(queue, c.SendMessage(body, **settings))
        if isinstance(sent, c.SendResult):
            self.ids[body] = sent.message_id
        return sent

    def receive(self, queue: str, number: int = 1, **settings: Any) -> Any:
        settings.setdefault("attribute_names", ("All",))
        return self.remember(self.ask(queue, c.ReceiveMessage(number, **settings)))

    def remember(self, got: Any) -> Any:
        if isinstance(got, c.ReceiveResult):
            for message in got.messages:
                count = int(dict(message.attributes).get("ApproximateReceiveCount", 0))
                self.handles[message.body, count] = message.receipt_handle
        return got

    def counts(self, queue: str) -> list[int]:
        """Visible, in flight, delayed."""
        got = dict(self.ask(queue, c.GetQueueAttributes(("All",))).attributes)
        ends = ("", "NotVisible", "Delayed")
        return [int(got[f"ApproximateNumberOfMessages{end}"]) for end in ends]

    def rows(self, body: str) -> list[tuple[int, str, int, dict[str, Any]]]:
        """The trace rows about a message: id, kind, cause, details."""
        self.engine.flush()
        found = self.engine.connection.execute(
            "SELECT id, kind, cause, details FROM trace WHERE subject = ? ORDER BY id", (self.ids[body],)
        )
        return [(row, kind, cause, json.loads(details)) for row, kind, cause, details in found]

    def broken(self) -> list[str]:
        """Invariants that do not hold."""
        run = self.engine.connection.execute
        return [rule.name for rule in SERVICE.invariants if run(rule.sql).fetchall()]


def shown(got: c.ReceiveResult) -> list[str]:
    """`body count` of each message; they must have been received with all attributes."""
    return [f"{message.body} {dict(message.attributes)['ApproximateReceiveCount']}" for message in got.messages]

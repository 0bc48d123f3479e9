"""A topic in virtual time: one publish to 1, 10 and 100 queues with filter policies, and the policies alone.

A message of 256 bytes has three attributes; every policy has three keys and lets it pass. Each queue gets the signed
envelope, and the trace is full. The reference does the least of it by hand: a signature for each publish, and as many
messages of the same size sent to the same queues directly, through the same engine. The policies are asked of
messages that half of them let pass; their reference reads the same policies operator by operator for each message.
The goals are our own: nobody publishes figures.
"""

from __future__ import annotations

import json
from typing import Any

from simtriggers.aws.arn import Names
from simtriggers.aws.digests import Attribute
from simtriggers.aws.filter_policy import attribute_values
from simtriggers.aws.filter_policy_syntax import parse_filter_policy
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.clock import parse_iso
from simtriggers.kernel.effects import SUBSTITUTE, Refused
from simtriggers.registry import SERVICES
from simtriggers.services.sns.commands import Publish, PublishEntry
from simtriggers.services.sns.config import SubscriptionConfig, TopicConfig, subscription_resource, topic_resource
from simtriggers.services.sns.signing import sign
from simtriggers.services.sqs.commands import SendMessage
from simtriggers.services.sqs.config import QueueConfig, queue_resource

from .report import Result, interleaved

_NAMES = Names()
_START_MS = parse_iso("2026-01-15T12:00:00Z")
_MESSAGE = "x" * 256
_ATTRIBUTES: tuple[Attribute, ...] = (
    ("kind", "String", "order-created"),
    ("store", "String", "berlin"),
    ("total", "Number", "42"),
)
_POLICY: dict[str, Any] = {
    "kind": [{"prefix": "order-"}],
    "store": ["berlin", "paris"],
    "total": [{"numeric": [">", 10, "<=", 100]}],
}
_GOALS = {1: (0.5, 0.8), 10: (0.5, 0.8), 100: (0.6, 1.0)}
_DELIVERIES = 2_000
_POLICIES, _ASKED = 100, 200


class _World:
    """A topic with so many queues behind it. Every round adds to what is there, as a long run would."""

    def __init__(self, count: int) -> None:
        self.engine = VirtualEngine(SERVICES, start_ms=_START_MS, seed=1)
        self.topic = self._put(*topic_resource(_NAMES, "news", TopicConfig()))
        self.queues = [self._put(*queue_resource(_NAMES, f"q{number}", QueueConfig())) for number in range(count)]
        for number in range(count):
            config = SubscriptionConfig.model_validate({"queue": f"q{number}", "filter_policy": _POLICY})
            self._put(*subscription_resource(_NAMES, self.topic, config))
        self.ask(self.topic, Publish(PublishEntry(_MESSAGE, message_attributes=_ATTRIBUTES)))
        self.engine.run_until(self.engine.now_ms)
        sent = "SELECT body, filling FROM sqs_messages JOIN payloads ON digest = payload ORDER BY seq LIMIT 1"
        template, filling = self.engine.connection.execute(sent).fetchone()
        self.body = str(template).replace(SUBSTITUTE, filling or "")

    def _put(self, arn: str, command: Any) -> str:
        self.ask(arn, command)
        return arn

    def ask(self, arn: str, command: Any) -> None:
        reply = self.engine.ask(arn, command)
        assert not isinstance(reply, Refused), reply

    def _stored(self) -> int:
        return int(self.engine.connection.execute("SELECT count(*) FROM sqs_messages").fetchone()[0])

    def publish(self) -> int:
        """Publish until `_DELIVERIES` queues have got a message; returns how many."""
        before, rounds = self._stored(), _DELIVERIES // len(self.queues)
        for number in range(rounds):
            message = f"{number:0256d}"
            self.ask(self.topic, Publish(PublishEntry(message, message_attributes=_ATTRIBUTES)))
            self.engine.run_until(self.engine.now_ms)
        found = self._stored() - before
        assert found == rounds * len(self.queues), f"{found} of {rounds * len(self.queues)} messages arrived"
        return found

    def send(self) -> int:
        """Sign as often, and send as many messages to the same queues."""
        for number in range(_DELIVERIES):
            if number % len(self.queues) == 0:
                sign(f"{_MESSAGE}{number}", "1")
            body = f"{self.body}{number}"
            self.ask(self.queues[number % len(self.queues)], SendMessage(body))
        return _DELIVERIES


def _fan_out(count: int) -> Result:
    world = _World(count)
    publish, send = interleaved(world.publish, world.send)
    name = f"a publish to {count} filtered queue{'' if count == 1 else 's'}"
    return Result(name, publish, "messages/s", "signed, and sent to them directly", send, *_GOALS[count])


# --- policies alone -----------------------------------------------------------------------------


def _policies() -> list[dict[str, Any]]:
    """Different policies; every second one wants another store."""
    return [{**_POLICY, "store": ["berlin" if number % 2 else "rome", f"s{number}"]} for number in range(_POLICIES)]


def _one_by_one(policy: dict[str, Any], values: dict[str, Any]) -> bool:
    """A policy as it is written, read for each message again."""
    return all(name in values and any(_fits(item, values[name]) for item in wanted) for name, wanted in policy.items())


def _fits(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(wanted == value)
    [(operator, operand)] = wanted.items()
    if operator == "prefix":
        return isinstance(value, str) and value.startswith(operand)
    assert operator == "numeric", f"no policy here has {operator}"
    if not isinstance(value, (int, float)):
        return False
    tests = {">": value > operand[1], "<=": value <= operand[3]}
    return all(tests[sign] for sign in operand[::2])


def _filters() -> Result:
    policies = _policies()
    compiled = [parse_filter_policy(json.dumps(each)) for each in policies]
    expected = _POLICIES // 2 * _ASKED

    def ours() -> int:
        passed = 0
        for _ in range(_ASKED):
            values = attribute_values(_ATTRIBUTES)
            passed += sum(each is not None and each.matches(values, None) for each in compiled)
        assert passed == expected
        return _ASKED * _POLICIES

    def plain() -> int:
        passed = 0
        for _ in range(_ASKED):
            values = {name: float(text) if kind == "Number" else text for name, kind, text in _ATTRIBUTES}
            passed += sum(_one_by_one(each, values) for each in policies)
        assert passed == expected
        return _ASKED * _POLICIES

    found, reference = interleaved(ours, plain)
    return Result("filter policies, 100 a message", found, "answers/s", "read one by one", reference, 1.0, 2.0)


def run() -> list[Result]:
    """Each fan-out beside direct sends, then the policies."""
    return [*(_fan_out(count) for count in _GOALS), _filters()]

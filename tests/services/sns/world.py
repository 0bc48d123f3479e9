"""Topics in virtual time, with sinks in the place of queues and functions, and endpoints that answer as a
test has written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import Delivery, HttpEnded, HttpRequest
from simtriggers.engine.checkers import of_services, sql_invariants
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.agenda import Entry
from simtriggers.kernel.clock import parse_iso
from simtriggers.kernel.effects import Decision, Refused, RetryPolicy, payload
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Reader, Rule, Service
from simtriggers.kernel.trace import TraceRow
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.config import (
    SubscriptionConfig,
    TopicConfig,
    subscription_resource,
    topic_resource,
)
from simtriggers.services.sns.service import SERVICE
from tests.support import trace_rows

FIXTURES = Path(__file__).parents[3] / "fixtures"
NAMES = Names()
START_MS = parse_iso("2026-11-20T09:15:27.304Z")
DOWN = Refused("ServiceUnavailable", "It is down.", status=503, retryable=True)
GONE = Refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def cases(file: str) -> list[dict[str, Any]]:
    """The cases of a file below fixtures/cases/sns."""
    loaded: list[dict[str, Any]] = YAML(typ="safe").load(FIXTURES / "cases" / "sns" / file)
    assert len({case["name"] for case in loaded}) == len(loaded), "two cases have one name"
    assert all(case["why"] for case in loaded)
    return loaded


def sample(name: str) -> dict[str, Any]:
    """A worked example below fixtures/sns."""
    found: dict[str, Any] = json.loads((FIXTURES / "sns" / f"{name}.json").read_text(encoding="utf-8"))
    assert found["source"]
    return found


@dataclass(frozen=True)
class Arrival:
    """A delivery that a sink took: when after the start of the world, where, what, with what."""

    at_ms: int
    arn: str
    text: str
    context: dict[str, str]


class World:
    """One virtual world; every step is checked against the invariants.

    `refusals` says what an ARN answers to its next deliveries, the last one again and again (None: it takes
    them). `statuses` does so for URLs; 0 is no answer.
    """

    def __init__(self, *, seed: int = 1) -> None:
        sinks = [Service(name, {Delivery: Rule(self._view, self._take)}) for name in ("sqs", "lambda")]
        self.engine = VirtualEngine([SERVICE, *sinks], start_ms=START_MS, seed=seed)
        self.engine.checkers.append(sql_invariants(of_services(self.engine)))
        self.engine.runtime = self
        self.refusals: dict[str, list[Refused | None]] = {}
        self.statuses: dict[str, list[int]] = {}
        self.arrived: list[Arrival] = []
        self.requests: list[tuple[int, HttpRequest]] = []
        self.answering = True

    # --- sinks and endpoints --------------------------------------------------------------------

    def _view(self, read: Reader, entry: Entry) -> str:
        return read.payload(entry.command.payload)

    def _take(self, view: str, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
        planned = self.refusals.get(entry.arn, [None])
        refused = planned.pop(0) if len(planned) > 1 else planned[0]
        if refused is None:
            self.arrived.append(Arrival(now_ms - START_MS, entry.arn, view, dict(entry.command.context)))
        return Decision(reply=refused)

    def start(self, request: Any) -> None:
        """A request leaves; its endpoint answers after 5 ms, if it answers at all."""
        assert isinstance(request, HttpRequest)
        self.requests.append((self.engine.now_ms - START_MS, request))
        if self.answering:
            self.engine.resume_at(self.engine.now_ms + 5, lambda: self._answer(request))

    def _answer(self, request: HttpRequest) -> None:
        planned = self.statuses.get(request.url, [200])
        self.answer(request, planned.pop(0) if len(planned) > 1 else planned[0])

    def answer(self, request: HttpRequest, status: int) -> None:
        error = "timeout" if status == 0 else ""
        ended = HttpEnded(request.request_id, request.attempt, request.incarnation, status, (), "", error, 5)
        self.engine.answered(request, ended)

    def abandon(self) -> None:
        """The process is said to have ended."""

    def busy(self) -> list[str]:
        return []

    # --- topics ---------------------------------------------------------------------------------

    def topic(self, name: str = "orders", *subscriptions: dict[str, Any], **config: Any) -> str:
        """A topic with subscriptions; HTTP ones are confirmed."""
        arn, command = topic_resource(NAMES, name, TopicConfig.model_validate(config))
        made = self.engine.ask(arn, command)
        assert made == 1, made
        for subscription in subscriptions:
            self.subscribe(arn, **subscription)
        return arn

    def subscribe(self, topic: str, *, confirm: bool = True, **config: Any) -> str:
        arn, command = subscription_resource(NAMES, topic, SubscriptionConfig.model_validate(config))
        made = self.engine.ask(arn, command)
        assert isinstance(made, int), made
        if confirm and not {"queue", "function"} & config.keys():
            self.confirm(topic)
        elif confirm:
            self.engine.run_until_idle()
        return arn

    def confirm(self, topic: str) -> None:
        """Confirm everything that is pending, and forget the requests for it."""
        self.engine.run_until_idle()
        for each in self.engine.ask(topic, c.ListSubscriptionsByTopic()).subscriptions:
            if each.token is not None:
                self.engine.ask(topic, c.ConfirmSubscription(each.token))
                self.requests.clear()

    def publish(self, topic: str, message: str = "hello", **members: Any) -> Any:
        """Publish, and let everything happen that follows within a day."""
        done = self.engine.ask(topic, c.Publish(c.PublishEntry(message, **members)))
        self.engine.run_until_idle()
        return done

    def deliver(self, topic: str, text: str, **context: str) -> None:
        """Hand a payload to the topic as another service would."""
        item = payload(text)
        self.engine.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (item.digest, item.body))
        policy = RetryPolicy("test", 0, 0)
        command = Delivery(item.digest, policy, 1, self.engine.now_ms, context=tuple(context.items()))
        self.engine.submit(topic, command)
        self.engine.run_until_idle()

    def attributes(self, arn: str) -> dict[str, str]:
        """What GetTopicAttributes or GetSubscriptionAttributes shows."""
        command = c.GetSubscriptionAttributes() if arn.count(":") > 5 else c.GetTopicAttributes()
        return dict(self.engine.ask(arn, command).attributes)

    def rows(self, *kinds: str) -> list[TraceRow]:
        """Trace rows, of some kinds or all."""
        return [row for row in trace_rows(self.engine) if not kinds or row.kind in kinds]

    def count(self, table: str) -> int:
        return int(self.engine.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def bodies(self, arn: str | None = None) -> list[Any]:
        """The JSON of what arrived, everywhere or at an ARN."""
        return [json.loads(each.text) for each in self.arrived if arn in (None, each.arn)]


QUEUE = NAMES.queue("jobs")
LETTERS = NAMES.queue("letters")
FUNCTION = NAMES.function("parse")
REDRIVE = {"dead_letter_target": "letters"}

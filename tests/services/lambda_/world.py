"""Functions, queues and logs in one virtual world, with a runtime whose outcomes a test writes down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import Delivery, Ended, PutResource, Start
from simtriggers.engine.checkers import of_services, sql_invariants
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.effects import Payload, RetryPolicy, payload
from simtriggers.kernel.trace import TraceRow
from simtriggers.services.lambda_.config import FunctionConfig, SqsTrigger
from simtriggers.services.lambda_.service import SERVICE as LAMBDA
from simtriggers.services.lambda_.settings import function_resource, mapping_resource
from simtriggers.services.logs.service import SERVICE as LOGS
from simtriggers.services.sqs.commands import ReceiveMessage, SendEntry, SendMessage, SendMessageBatch
from simtriggers.services.sqs.config import QueueConfig, queue_resource
from simtriggers.services.sqs.service import SERVICE as SQS
from tests.support import START_MS, trace_rows

NAMES = Names()
POLICY = RetryPolicy("test", maximum_retries=0, maximum_age_ms=0)

OK = ("ok", '{"ok":true}')
FAIL = ("error", '{"errorMessage":"card declined","errorType":"PaymentError","requestId":"","stackTrace":[]}')
TIMEOUT = ("timeout", None)
EXIT = ("exit", "1")
OUTCOMES = {"ok": OK, "fail": FAIL, "timeout": TIMEOUT, "exit": EXIT}


class ScriptedRuntime:
    """Ends each run with the next outcome of its function's script; the last one repeats. A run lasts the
    function's modelled duration, or the next of `lasts_ms`. `logs` are what every handler prints."""

    def __init__(self, engine: VirtualEngine) -> None:
        self._engine = engine
        self._running: dict[tuple[str, int], Start] = {}
        self.scripts: dict[str, list[tuple[str, str | None]]] = {}
        self.lasts_ms: dict[str, list[int]] = {}
        self.logs: tuple[str, ...] = ()
        self.started: list[tuple[int, Start]] = []

    def start(self, begun: Start) -> None:
        self.started.append((self._engine.now_ms, begun))
        self._running[(begun.invocation_id, begun.attempt)] = begun
        planned = self.lasts_ms.get(begun.function_name)
        lasts_ms = planned.pop(0) if planned else begun.duration_ms
        self._engine.resume_at(self._engine.now_ms + lasts_ms, lambda: self._end(begun))

    def _end(self, begun: Start) -> None:
        if self._running.pop((begun.invocation_id, begun.attempt), None) is not None:
            script = self.scripts.setdefault(begun.function_name, [OK])
            status, text = script.pop(0) if len(script) > 1 else script[0]
            self._engine.ended(begun, self.ended(begun, status, text))

    def ended(self, begun: Start, status: str, text: str | None) -> Ended:
        """The report of a run."""
        return Ended(
            begun.invocation_id,
            begun.attempt,
            begun.incarnation,
            status,
            text,
            tuple((self._engine.now_ms, line) for line in self.logs),
            begun.duration_ms * 1000,
            begun.init_duration_ms * 1000,
            40,
            status in ("ok", "error"),
        )

    def abandon(self) -> None:
        self._running.clear()

    def busy(self) -> list[str]:
        return [begun.request_id for begun in self._running.values()]


class World:
    """One virtual world; every step is checked against the services' invariants."""

    def __init__(self, *, seed: int = 1, shuffle_ties: int | None = None) -> None:
        services = [SQS, LAMBDA, LOGS]
        self.engine = VirtualEngine(services, start_ms=START_MS, seed=seed, shuffle_ties=shuffle_ties)
        self.runtime = self.engine.runtime = ScriptedRuntime(self.engine)
        self.engine.checkers.append(sql_invariants(of_services(self.engine)))

    def put(self, made: tuple[str, PutResource]) -> Any:
        """Create a resource; returns what the service replied."""
        return self.engine.ask(*made)

    def queue(self, name: str, **config: Any) -> str:
        made = queue_resource(NAMES, name, QueueConfig.model_validate(config))
        assert self.put(made) == 1
        return made[0]

    def function(self, name: str, *script: str, **config: Any) -> str:
        """A function whose runs end as the script says, by the names of OUTCOMES."""
        made = self.function_resource(name, **config)
        assert self.put(made) == 1
        self.runtime.scripts[name] = [OUTCOMES[item] for item in script] or [OK]
        return made[0]

    @staticmethod
    def function_resource(name: str, **config: Any) -> tuple[str, PutResource]:
        parsed = FunctionConfig.model_validate({"handler": "app.handler", **config})
        return function_resource(NAMES, name, parsed, code_uri="/project", default_runtime="inline")

    def mapping(self, function: str, queue: str, **config: Any) -> str:
        made = mapping_resource(NAMES, function, SqsTrigger.model_validate({"sqs": queue, **config}))
        assert self.put(made) == 1
        return made[0]

    def text(self, body: str) -> str:
        """Store a payload as an act of the outside world would; returns its digest."""
        item: Payload = payload(body)
        self.engine.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (item.digest, item.body))
        return item.digest

    def deliver(self, arn: str, body: str) -> None:
        """Hand an event to a function as a service would."""
        self.engine.submit(arn, Delivery(self.text(body), POLICY, 1, self.engine.now_ms))

    def send(self, queue: str, *bodies: str) -> None:
        for at in range(0, len(bodies), 10):
            some = bodies[at : at + 10]
            self.engine.ask(queue, SendMessageBatch(tuple(SendEntry(str(n), body) for n, body in enumerate(some))))

    def send_one(self, queue: str, body: str) -> str:
        sent = self.engine.ask(queue, SendMessage(body))
        return str(sent.message_id)

    def receive(self, queue: str) -> Sequence[Any]:
        """All that can be received now, up to 10."""
        found = self.engine.ask(
            queue,
            ReceiveMessage(
                max_number_of_messages=10,
                wait_time_seconds=0,
                message_attribute_names=("All",),
                attribute_names=("All",),
            ),
        )
        messages: Sequence[Any] = found.messages
        return messages

    def rows(self, *kinds: str) -> list[TraceRow]:
        """Trace rows, of some kinds or all."""
        return [row for row in trace_rows(self.engine) if not kinds or row.kind in kinds]

    def starts_ms(self, function: str) -> list[int]:
        """When each run of a function started, after the start of the world."""
        return [at_ms - START_MS for at_ms, begun in self.runtime.started if begun.function_name == function]

    def events(self, function: str) -> list[Any]:
        """The events that a function was run with."""
        return [json.loads(begun.event) for _, begun in self.runtime.started if begun.function_name == function]

    def count(self, table: str) -> int:
        return int(self.engine.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

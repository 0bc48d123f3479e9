"""Ways to open a toy world, virtual or on a file, and to look at it; the services are in tests/toys.py.

`Rows` gives tests of a real service its own tables and the real reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simtriggers.aws.contracts import (
    Restarted,
    Start,
)
from simtriggers.engine import agenda_store
from simtriggers.engine.batches import BatchRunner, Outcome, Submitted
from simtriggers.engine.database import open_inline, open_memory
from simtriggers.engine.engine import Engine
from simtriggers.engine.reader import DatabaseReader
from simtriggers.engine.router import Router
from simtriggers.engine.schema import migrate
from simtriggers.engine.virtual import RuntimeState, VirtualEngine
from simtriggers.kernel.agenda import ORDINARY, Agenda, Entry
from simtriggers.kernel.effects import (
    Decision,
    ReturnAddress,
)
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Service
from simtriggers.kernel.trace import Trace, TraceRow, jsonl, select
from tests.toys import (
    START_MS,
    TOYS,
    ended,
)

# --- worlds -------------------------------------------------------------------------------------


class ToyRuntime:
    """Ends every attempt `duration_ms` of virtual time after its start (None: never)."""

    def __init__(self, engine: VirtualEngine, *, duration_ms: int | None = 50) -> None:
        self._engine = engine
        self._duration_ms = duration_ms
        self._running: dict[str, Start] = {}
        self.started: list[Start] = []
        self.forgetful = True
        self.unrepeatable_because = ""

    def start(self, begun: Start) -> None:
        self.started.append(begun)
        self._running[begun.invocation_id] = begun
        if self._duration_ms is not None:
            self._engine.resume_at(self._engine.now_ms + self._duration_ms, lambda: self._end(begun))

    def _end(self, begun: Start) -> None:
        if self._running.pop(begun.invocation_id, None) is not None:
            self._engine.ended(begun, ended(begun))

    def abandon(self) -> None:
        self._running.clear()

    def state(self) -> RuntimeState:
        return RuntimeState()

    def restored(self, state: RuntimeState) -> None:
        self._running.clear()
        self.started.clear()

    def pristine(self) -> bool:
        return self.forgetful

    def forget_past(self) -> None:
        self.unrepeatable_because = ""

    def unrepeatable(self) -> str:
        return self.unrepeatable_because

    def busy(self) -> list[str]:
        return [f"the handler of {begun.request_id}" for begun in self._running.values()]


def virtual(
    services: Sequence[Service] = TOYS,
    *,
    start_ms: int = START_MS,
    seed: int = 1,
    shuffle_ties: int | None = None,
    duration_ms: int | None = 50,
) -> VirtualEngine:
    """A virtual world with the toy runtime."""
    engine = VirtualEngine(list(services), start_ms=start_ms, seed=seed, shuffle_ties=shuffle_ties)
    engine.runtime = ToyRuntime(engine, duration_ms=duration_ms)
    return engine


def trace_rows(engine: Engine) -> list[TraceRow]:
    """All trace rows of a world, in order."""
    if isinstance(engine, VirtualEngine):
        engine.flush()
    return list(select(engine.connection))


def trace_text(engine: Engine) -> str:
    """The trace file of a world."""
    bodies = dict(engine.connection.execute("SELECT digest, body FROM payloads ORDER BY digest").fetchall())
    return "".join(jsonl(trace_rows(engine), bodies.get))


def kinds(engine: Engine) -> list[str]:
    """The kinds of all trace rows, in order."""
    return [row.kind for row in trace_rows(engine)]


class LiveWorld:
    """A world on a file, as the live driver opens it, but run inline by the test. `incarnation` is stored."""

    def __init__(self, path: Path, services: Sequence[Service] = TOYS, *, busy_s: float = 0.05) -> None:
        self.connection = open_inline(path, busy_s=busy_s)
        migrate(self.connection, services)
        row = agenda_store.read_engine_row(self.connection)
        self.incarnation = row.incarnation + 1
        ids = Ids(0, self.incarnation)
        ids.next_row = row.next_row
        agenda = Agenda(next_seq=row.next_seq, track=True)
        self.engine = Engine(self.connection, Router(services), ids=ids, agenda=agenda, trace=Trace(), strict=False)
        self.engine.now_ms = row.now_ms
        agenda_store.load(self.connection, agenda, drop_callers=True)
        self.runner = BatchRunner(self.engine, incarnation=self.incarnation)
        self.now_ms = max(START_MS, row.now_ms)

    def batch(self, *items: tuple[str, Any] | Submitted) -> Outcome:
        """Submit commands together and run one batch at `now_ms`."""
        submitted = [item if isinstance(item, Submitted) else Submitted(*item) for item in items]
        return self.runner.run(submitted, self.now_ms)

    def ask(self, arn: str, item: Any) -> Any:
        """Submit one command and run batches until its reply is there."""
        caller = self.engine.new_caller()
        outcome = self.batch(Submitted(arn, item, 0, caller))
        for _ in range(100):
            for number, answer in outcome.replies:
                if number == caller.number:
                    self.engine.callers.discard(number)
                    return answer
            outcome = self.batch()
        raise AssertionError("no reply")

    def close(self) -> None:
        self.connection.close()


class Rows:
    """The real tables in memory and the real reader, for tests of one service's views and decisions.

    `step` views and decides one command, applies the writes (not the effects) and returns the Decision.
    """

    def __init__(self, *services: Service, now_ms: int = START_MS, seed: int = 1) -> None:
        self.connection = open_memory()
        migrate(self.connection, services)
        self._router = Router(services)
        self.reader = DatabaseReader(self.connection, self._router)
        self.reader.now_ms = now_ms
        self.ids = Ids(seed)

    def step(
        self,
        arn: str,
        item: Any,
        *,
        cause: int = 0,
        reply_to: ReturnAddress | None = None,
        request: str | None = None,
    ) -> Decision:
        """View, decide and apply the writes of one command at the reader's `now_ms`."""
        service = self._router.service(arn)
        assert service is not None, arn
        rule = service.restarted if type(item) is Restarted else service.rules[type(item)]
        assert rule is not None
        entry = Entry(self.reader.now_ms, ORDINARY, arn, item, cause, reply_to, request)
        view = rule.view(self.reader, entry)
        decision = rule.decide(view, entry, now_ms=self.reader.now_ms, ids=self.ids)
        self.apply(decision)
        return decision

    def apply(self, decision: Decision) -> None:
        """Write a decision's payloads and rows, and forget the resources it touched."""
        for item in decision.payloads:
            self.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (item.digest, item.body))
        for write in decision.writes:
            if write.many:
                self.connection.executemany(write.statement.sql, write.rows)
            else:
                self.connection.execute(write.statement.sql, write.rows)
        for arn in decision.touched:
            self.reader.forget(arn)

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """All rows of a table in the order of all its columns."""
        return dump(self.connection, name)


def dump(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table, sorted."""
    return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)

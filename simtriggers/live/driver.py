"""The live world: the same steps as in virtual time, waiting until entries are due or something arrives.

Owns the loop, the wall clock, the hop to the database's thread, running handlers, checkpoints. Replies,
invocations and trace rows leave after their commit only. A loop that dies fails every waiting caller.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
import anyio.abc

from ..aws.arn import Names
from ..aws.contracts import Ended, HttpEnded, HttpRequest, Work
from ..engine import agenda_store
from ..engine.agenda_store import EngineRow
from ..engine.batches import BatchRunner, Outcome, Submitted
from ..engine.database import StateLock, SteppingConnection, explain, explained, open_file
from ..engine.engine import Engine
from ..engine.faults import CrashPoints
from ..engine.overdue import TOLERANCE_MS
from ..engine.retention import trim
from ..engine.router import Router
from ..engine.schema import migrate
from ..errors import SimtriggersError, StateError
from ..kernel.agenda import FOREVER_MS, REPLY, Agenda
from ..kernel.clock import WallClock
from ..kernel.effects import Caller, Payload
from ..kernel.ids import Ids
from ..kernel.service import Service, bookkeeping_of
from ..kernel.trace import Trace

T = TypeVar("T")

_SEED = "live seed"
"""Where a state file keeps the seed of its ids: two files never hand out the same ones."""

_PUT_PAYLOAD = "INSERT OR IGNORE INTO payloads (digest, body) VALUES (?, ?)"
_IDLE_CHECKPOINT_S = 0.5
_WAL_LIMIT = 64 * 1024 * 1024
_RETRY_S = 1.0
_LAST_CHECKPOINT_MS = 500
_TRIM_EVERY_MS = 3_600_000


class LiveRuntime(Protocol):
    """What runs handlers live."""

    async def run(self, start: Work) -> Ended | HttpEnded:
        """Run one attempt or request to its end; never raises for what a handler or the network does."""

    async def aclose(self) -> None:
        """Let running handlers finish within a grace time, then end their processes."""


class Stopped(SimtriggersError):
    """The simulator has stopped, so this request was not carried out."""


class LiveEngine:
    """One live world on a state file. Use as: `await open()`, `run()` in a task group, `stop()`.

    `trace` is the trace's volume, `retention_ms` how long its rows and log lines are kept. `on_problem` is told, in
    words, when the database refuses a commit; the commands that wait for no reply are tried again every second.
    """

    def __init__(
        self,
        services: list[Service],
        names: Names,
        state: Path,
        *,
        runtime: LiveRuntime,
        speed: float = 1.0,
        synchronous: str = "normal",
        seed: int | None = None,
        trace: str = "full",
        retention_ms: int = 7 * 86_400_000,
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._services = services
        self._names = names
        self._state = state
        self._runtime = runtime
        self._speed = speed
        self._synchronous = synchronous
        self._seed = seed
        self._retention_ms = retention_ms
        self._on_problem = on_problem
        self._lock = StateLock(state)
        self._inbox: list[Submitted] = []
        self._arrived = anyio.Event()
        self._waiters: dict[int, asyncio.Future[Any]] = {}
        self._running: dict[str, str] = {}
        self._starting = 0
        self._skip_to_ms: int | None = None
        self._kept_ms = 0
        self._skipped = anyio.Event()
        self._stopping = False
        self._over = False
        self._commits_since_checkpoint = 0
        self._trimmed_ms = 0
        self._crash = CrashPoints(os.environ)
        self.trace = Trace(trace, bookkeeping_of(services))
        self.first_start = False
        self.clock: WallClock
        self.engine: Engine
        self._connection: SteppingConnection
        self._batches: BatchRunner

    # --- start and stop -------------------------------------------------------------------------

    async def open(self) -> None:
        """Take the lock, open the state, count the incarnation, settle what an older one left.

        Raises StateError when another simulator has the file, or it cannot be used.
        """
        self._lock.acquire()
        try:
            with explained(self._state):
                self._connection = await open_file(self._state, synchronous=self._synchronous)
                try:
                    await self._go_on()
                except BaseException:
                    with anyio.CancelScope(shield=True):
                        await self._connection.close()
                    raise
        except BaseException:
            self._lock.release()
            raise

    async def _go_on(self) -> None:
        """Become the world that the file holds, one incarnation later."""
        raw = await self._connection.open_connection()
        row = await self._connection.hop(self._prepare)
        machine = WallClock(floor_ms=0).now_ms()
        ahead = 0 if self.first_start else max(row.ahead_ms, row.now_ms - machine)
        self.clock = WallClock(speed=self._speed, offset_ms=ahead, floor_ms=row.now_ms)
        ids = Ids(row.ids[_SEED], row.incarnation)
        ids.next_row = row.next_row
        agenda = Agenda(next_seq=row.next_seq, track=True)
        self.engine = Engine(raw, Router(self._services), ids=ids, agenda=agenda, trace=self.trace, strict=False)
        self.engine.now_ms = row.now_ms
        late_ms = round(TOLERANCE_MS * max(1.0, self._speed))
        self._batches = BatchRunner(self.engine, incarnation=row.incarnation, ids=row.ids, tolerance_ms=late_ms)
        await self._connection.hop(lambda db: agenda_store.load(db, agenda, drop_callers=True))
        await self._connection.hop(self.trace.go_on)
        self.engine.now_ms = max(row.now_ms, self.clock.now_ms())
        self.engine.root_cause = self.engine.note(
            "Started", "run", 0, {"incarnation": row.incarnation, **self.trace.told()}
        )
        self.engine.restarted(row.incarnation, self._names.service)

    def _prepare(self, connection: sqlite3.Connection) -> EngineRow:
        migrate(connection, self._services)
        row = agenda_store.read_engine_row(connection)
        self.first_start = row.incarnation == 0
        seed = row.ids.get(_SEED, secrets.randbits(62) if self._seed is None else self._seed)
        now = EngineRow(
            row.now_ms, row.ahead_ms, row.next_seq, row.next_row, row.incarnation + 1, {**row.ids, _SEED: seed}
        )
        agenda_store.write_engine_row(connection, now)
        return now

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Step until stopped. If this fails, every waiting caller fails with it."""
        try:
            async with anyio.create_task_group() as handlers:
                task_status.started()
                await self._loop(handlers)
        finally:
            self._stopping = self._over = True
            self._skipped.set()
            for number in list(self._waiters):
                self._answer(number, Stopped("the simulator stopped before it could answer"))
            with anyio.CancelScope(shield=True):
                await self._close()

    def stop(self) -> None:
        """End `run` once the running handlers have finished and their results are committed."""
        self._stopping = True
        self._arrived.set()

    async def _close(self) -> None:
        await self._runtime.aclose()
        try:
            await self._connection.hop(self._keep_all)
        except sqlite3.Error as error:
            self._on_problem(str(explain(self._state, error)))
        finally:
            await self._connection.close()
            self._lock.release()

    def _keep_all(self, connection: sqlite3.Connection) -> None:
        """Store the time that was shown last, and bring the log into the file unless somebody reads it."""
        row = agenda_store.read_engine_row(connection)
        shown = replace(row, now_ms=max(row.now_ms, self.clock.now_ms()), ahead_ms=self.clock.ahead_ms())
        agenda_store.write_engine_row(connection, shown)
        connection.execute(f"PRAGMA busy_timeout = {_LAST_CHECKPOINT_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    # --- what arrives ---------------------------------------------------------------------------

    async def submit(self, arn: str, command: Any, *, cause: int = 0) -> Any:
        """Give a command to its resource and wait for the reply, which is given after the commit.

        Returns Refused as a value. Raises Stopped when the simulator ends first, StateError when the
        database could not keep the command.
        """
        if self._stopping:
            raise Stopped("the simulator is stopping")
        caller = self.engine.new_caller()
        # A future of asyncio, on which aiosqlite stands anyway, takes a fifth of the time of anyio's event.
        waiter = self._waiters[caller.number] = asyncio.get_running_loop().create_future()
        self._put(Submitted(arn, command, cause, caller))
        try:
            reply = await waiter
        finally:
            self._waiters.pop(caller.number, None)
            self.engine.callers.discard(caller.number)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def _answer(self, number: int, reply: Any) -> bool:
        """Give a caller its reply, or the error to raise. False: it does not wait any more."""
        waiter = self._waiters.pop(number, None)
        if waiter is None:
            return False
        if not waiter.done():  # a caller that was cancelled leaves when it is its turn
            waiter.set_result(reply)
        return True

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function(connection)` between batches; it must not write. Raises StateError."""
        result: list[T] = []
        try:
            with anyio.CancelScope(shield=True):
                result.append(await self._connection.hop(function))
        except sqlite3.Error as error:
            raise explain(self._state, error) from error
        return result[0]

    async def store(self, payloads: Iterable[Payload]) -> None:
        """Keep texts that commands to come name by digest. Raises StateError."""
        rows = [(item.digest, item.body) for item in payloads]
        if rows:
            await self.read(lambda db: db.executemany(_PUT_PAYLOAD, rows))

    def post(self, arn: str, command: Any, *, cause: int = 0) -> None:
        """Give a command to its resource without waiting; kept and tried again if a commit fails."""
        self._put(Submitted(arn, command, cause))

    def _put(self, item: Submitted) -> None:
        self._inbox.append(item)
        self._arrived.set()

    def running(self) -> list[str]:
        """The invocations that run now, in words."""
        return list(self._running.values())

    async def advance(self, by_ms: int) -> int:
        """Skip ahead by `by_ms` of simulated time; returns the time it then is.

        Goes from one due entry to the next and waits for running handlers before each jump, so what was
        due in between happens in its order and at its time. The new time is stored before this returns.
        Raises Stopped when the simulator ends first.
        """
        if self._stopping:
            raise Stopped("the simulator is stopping")
        target = max(self.clock.now_ms(), self._skip_to_ms or 0) + by_ms
        self._skip_to_ms = target
        self._arrived.set()
        while self._kept_ms < target:
            if self._over:
                raise Stopped("the simulator stopped before that time was reached")
            await self._skipped.wait()
        return self.clock.now_ms()

    # --- the loop -------------------------------------------------------------------------------

    async def _loop(self, handlers: anyio.abc.TaskGroup) -> None:
        while True:
            due_ms = self._next_due_ms()
            now_ms = self.clock.now_ms()
            skip_to_ms = self._skip_to_ms
            if self._inbox or due_ms <= now_ms or (skip_to_ms is not None and skip_to_ms <= now_ms):
                await self._batch(handlers)
            elif self._stopping and not self._at_work():
                return
            elif skip_to_ms is not None and not self._at_work():
                self.clock.advance(min(due_ms, skip_to_ms) - now_ms)
            else:
                await self._wait(due_ms)

    def _next_due_ms(self) -> int:
        if self._batches.adrift:
            return 0  # nobody knows what is due: the next batch finds out, or fails again
        entry = self.engine.agenda.peek()
        return FOREVER_MS if entry is None else entry.at_ms

    def _at_work(self) -> bool:
        """Whether handlers or requests run, or are about to."""
        return bool(self._running or self._starting)

    def _kept(self, clock_ms: int) -> None:
        """Everything up to this time has been committed."""
        self._kept_ms = clock_ms
        if self._skip_to_ms is not None and self._skip_to_ms <= clock_ms:
            self._skip_to_ms = None
            self._skipped.set()
            self._skipped = anyio.Event()

    async def _wait(self, due_ms: int) -> None:
        seconds = self.clock.seconds_until(due_ms) if due_ms < FOREVER_MS else 3600.0
        idle = self._commits_since_checkpoint > 0 and seconds > _IDLE_CHECKPOINT_S
        with anyio.move_on_after(_IDLE_CHECKPOINT_S if idle else min(seconds, 3600.0)):
            await self._arrived.wait()
            return
        if idle and not self._inbox:
            await self._maintain()

    async def _batch(self, handlers: anyio.abc.TaskGroup) -> None:
        inbox, self._inbox = self._inbox, []
        self._arrived = anyio.Event()
        clock_ms, ahead_ms = self.clock.now_ms(), self.clock.ahead_ms()
        try:
            with anyio.CancelScope(shield=True):
                outcome = await self._connection.hop(lambda _: self._batches.run(inbox, clock_ms, ahead_ms=ahead_ms))
        except sqlite3.Error as error:
            await self._refused_by_database(inbox, explain(self._state, error))
            return
        self._crash.passed("after_commit")
        self._commits_since_checkpoint += 1
        self._inbox[:0] = outcome.back
        self._let_out(outcome, handlers)
        if not outcome.more:
            self._kept(clock_ms)
        if self._commits_since_checkpoint % 4096 == 0 and self._wal_size() > _WAL_LIMIT:
            await self._checkpoint()

    def _let_out(self, outcome: Outcome, handlers: anyio.abc.TaskGroup) -> None:
        for number, value in outcome.replies:
            self.engine.callers.discard(number)
            self._answer(number, value)
        for start in outcome.invokes:
            self._crash.passed("before_invoke")
            self._starting += 1
            handlers.start_soon(self._invoke, start)
        self.trace.publish(outcome.rows)

    async def _invoke(self, work: Work) -> None:
        request = isinstance(work, HttpRequest)
        arn = work.arn if isinstance(work, HttpRequest) else work.function_arn
        name = work.url if isinstance(work, HttpRequest) else work.function_name
        key = f"{'http' if request else 'invoke'}/{work.request_id}/{work.attempt}"
        self._running[key] = f"{name} {work.request_id}"
        self._starting -= 1
        try:
            ended = await self._runtime.run(work)
            self._crash.passed("after_invoke")
            self._put(Submitted(arn, ended, work.cause, None, REPLY))
        finally:
            del self._running[key]

    async def _refused_by_database(self, inbox: list[Submitted], problem: StateError) -> None:
        """Callers get the error; the rest is tried again in a second, and nothing is lost."""
        self._on_problem(str(problem))
        kept: list[Submitted] = []
        for item in inbox:
            if not isinstance(item.reply_to, Caller) or not self._answer(item.reply_to.number, problem):
                kept.append(item)
        self._inbox = kept + self._inbox
        await anyio.sleep(_RETRY_S)

    # --- upkeep ---------------------------------------------------------------------------------

    def _wal_size(self) -> int:
        try:
            return os.stat(f"{self._state}-wal").st_size
        except OSError:
            return 0

    async def _checkpoint(self) -> None:
        self._commits_since_checkpoint = 0
        await self._upkeep(lambda db: db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())

    async def _maintain(self) -> None:
        """When idle: bring the log into the file, and now and then forget what is too old to keep."""
        now_ms = self.clock.now_ms()
        if now_ms - self._trimmed_ms > _TRIM_EVERY_MS:
            self._trimmed_ms = now_ms
            columns = [pair for service in self._services for pair in service.payload_columns]
            trims = [statement for service in self._services for statement in service.trims]
            before_ms = now_ms - self._retention_ms
            await self._upkeep(lambda db: trim(db, before_ms=before_ms, payload_columns=columns, trims=trims))
            self.engine.reader.forget_all()
        await self._checkpoint()

    async def _upkeep(self, function: Callable[[sqlite3.Connection], Any]) -> None:
        """What can as well be done later: a database that refuses it does not end the run."""
        try:
            with anyio.CancelScope(shield=True):
                await self._connection.hop(function)
        except sqlite3.Error as error:
            self._on_problem(str(explain(self._state, error)))

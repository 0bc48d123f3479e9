r"""The Python API: a project in virtual time.

    with Simulation.load("simtriggers.yaml") as sim:
        sim.bucket("uploads").put("a.csv", "x,y\n1,2\n")
        sim.run_until_idle()
        assert sim.queue("failed").messages() == []

Puts the parts together: services, virtual engine, runtimes, the project's resources. Every call also
works inside a handler that runs in process (`simtriggers.simulation.current()`), but those that move time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from .aws.quantities import parse_duration_ms
from .engine import checkers, snapshots
from .engine.faults import FaultPlan
from .engine.virtual import DAY_MS, Idle, VirtualEngine
from .errors import AwsFault, SimtriggersError, UserError, worded
from .events import BusOperations, Entry, EventOperations
from .handles import (
    AsyncBucket,
    AsyncEventBus,
    AsyncEvents,
    AsyncNotifications,
    AsyncQueue,
    AsyncSchedule,
    AsyncScheduleGroup,
    AsyncScheduler,
    AsyncTopic,
    Bucket,
    EventBus,
    Events,
    Notifications,
    Queue,
    Schedule,
    ScheduleGroup,
    Scheduler,
    Topic,
)
from .kernel.clock import iso_ms, parse_iso
from .kernel.effects import Refused
from .kernel.trace import VOLUMES, TraceRow, jsonl, select
from .notifications import NotificationOperations, TopicOperations
from .operations import (
    BucketOperations,
    FunctionOperations,
    InvocationResult,
    Operation,
    QueueOperations,
)
from .project.declare import declare
from .project.load import suggest
from .project.model import Project, load_project
from .project.references import singular
from .registry import SERVICES
from .runtimes import inline
from .runtimes.http import HttpStub
from .runtimes.virtual import VirtualRuntimes
from .scheduling import ScheduleGroupOperations, ScheduleOperations, SchedulerOperations
from .services.eventbridge.commands import PutEventsResult

T = TypeVar("T")

START = "2026-01-15T12:00:00Z"
"""When a simulation starts unless told otherwise."""

_simulations: weakref.WeakSet[Simulation] = weakref.WeakSet()


def current() -> Simulation:
    """The simulation whose handler is running. Raises SimtriggersError outside of one."""
    running = inline.current()
    for simulation in _simulations:
        if running is not None and simulation.runtimes.inline.owns(running):
            return simulation
    raise SimtriggersError("current() is for handlers that run in process, inside a simulation")


def duration_ms(text: str | int | float) -> int:
    """Milliseconds of `15m` or of a number of seconds. Raises UserError."""
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise worded(error) from None


def _close(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.ProgrammingError):  # the collector may run in another thread
        connection.close()


def _from_outside(call: str) -> None:
    if inline.current() is not None:
        raise SimtriggersError(f"{call}() is for outside of handlers, which let time pass with time.sleep alone")


# --- the simulation -----------------------------------------------------------------------------


class Simulation:
    """A project in virtual time.

    `start` is an ISO time with zone; `seed` decides every id and all chance; `shuffle_ties` explores other
    orders of what happens at one millisecond. `trace` is how much is kept of what happens (see kernel.trace.Trace).
    `shared_modules`: handlers are the imported modules
    themselves (pytest), instead of an instance per execution environment. `check_invariants`: services'
    invariants are checked after every step. `endpoints` are stubs that answer HTTP requests.
    """

    def __init__(
        self,
        project: Project,
        *,
        start: str = START,
        seed: int = 1,
        shuffle_ties: int | None = None,
        trace: str = "full",
        shared_modules: bool = False,
        check_invariants: bool = False,
        endpoints: Iterable[HttpStub] = (),
    ) -> None:
        try:
            start_ms = parse_iso(start)
        except ValueError:
            raise UserError(f"start: {start!r} is not a time with a zone", fix=f"write one such as {START}") from None
        if trace not in VOLUMES:
            fix = suggest(trace, VOLUMES) or f"write one of {', '.join(VOLUMES)}"
            raise UserError(f"trace: {trace!r} is no volume of a trace", fix=fix)
        self._open(
            project,
            start_ms=start_ms,
            seed=seed,
            shuffle_ties=shuffle_ties,
            trace=trace,
            shared_modules=shared_modules,
            check_invariants=check_invariants,
            endpoints=endpoints,
        )
        try:
            self._declare()
        except BaseException:
            self.close()
            raise

    def _open(
        self,
        project: Project,
        *,
        start_ms: int,
        seed: int,
        shuffle_ties: int | None,
        trace: str,
        shared_modules: bool,
        check_invariants: bool,
        endpoints: Iterable[HttpStub],
    ) -> None:
        """An empty world with its runtimes."""
        self.project = project
        self.names = project.names
        self._options = trace, check_invariants
        self.engine = VirtualEngine(
            SERVICES, start_ms=start_ms, seed=seed, shuffle_ties=shuffle_ties, trace_volume=trace
        )
        self.start_ms = start_ms
        self.runtimes = VirtualRuntimes(self.engine, shared_modules=shared_modules)
        self.runtimes.http.stubs += endpoints
        self.engine.runtime = self.runtimes
        self._check_afresh()
        _simulations.add(self)
        # The trace can be read after `close`, so the database goes when nobody holds the simulation any more.
        weakref.finalize(self, _close, self.engine.connection)

    def _check_afresh(self) -> None:
        """Check this world's invariants, if that is wanted; checkers remember what they saw of another."""
        if self._options[1]:
            invariants = checkers.sql_invariants(checkers.of_services(self.engine))
            self.engine.checkers[:] = [invariants, checkers.time_never_goes_back()]

    def _declare(self) -> None:
        engine = self.engine
        run = {"seed": engine.ids.seed, "start": iso_ms(self.start_ms), **engine.trace.told()}
        engine.begin(run, self.names.service)
        for each in declare(self.project, default_runtime="inline", folders=False):
            reply = engine.ask(each.arn, each.command, cause=engine.root_cause)
            if isinstance(reply, Refused):
                raise UserError(f"{each.command.kind} {each.command.name}: {reply.message}")

    @classmethod
    def load(cls, project: str | Path | Project | None = None, **options: Any) -> Simulation:
        """The simulation of a project file or folder; options as for `Simulation`. Raises UserError."""
        return cls(project if isinstance(project, Project) else load_project(project), **options)

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the handlers' environments and give back what the simulation patched."""
        self.runtimes.close()

    # --- acts of the outside world ----------------------------------------------------------------

    def queue(self, name: str) -> Queue:
        """A queue by its name. Raises UserError for one that the project does not have."""
        self._known("queues", name)
        return Queue(QueueOperations(self.names, name), self.perform)

    def bucket(self, name: str) -> Bucket:
        """A bucket by its name. Raises UserError for one that the project does not have."""
        self._known("buckets", name)
        return Bucket(BucketOperations(self.names, name), self.perform)

    def topic(self, name: str) -> Topic:
        """A topic by its name. Raises UserError for one that the project does not have."""
        self._known("topics", name)
        return Topic(TopicOperations(self.names, name), self.perform)

    @property
    def sns(self) -> Notifications:
        """SNS itself: text messages to telephones, lists over all topics."""
        return Notifications(NotificationOperations(self.names), self.perform)

    def schedule(self, name: str, group_name: str = "default") -> Schedule:
        """A schedule by name and group, which need not exist yet."""
        return Schedule(ScheduleOperations(self.names, name, group_name), self.perform)

    def schedule_group(self, name: str) -> ScheduleGroup:
        """A group of schedules by its name, which need not exist yet."""
        return ScheduleGroup(ScheduleGroupOperations(self.names, name), self.perform)

    @property
    def scheduler(self) -> Scheduler:
        """EventBridge Scheduler itself: lists of schedules and groups."""
        return Scheduler(SchedulerOperations(self.names), self.perform)

    def event_bus(self, name: str = "default") -> EventBus:
        """An event bus by its name. Raises UserError for one that the project does not have."""
        if name != "default":
            self._known("event_buses", name)
        return EventBus(BusOperations(self.names, name), self.perform)

    @property
    def events(self) -> Events:
        """EventBridge itself: patterns, archives, replays, lists over all buses."""
        return Events(EventOperations(self.names), self.perform)

    def put_events(self, *entries: Entry) -> PutEventsResult:
        """PutEvents: each entry to the bus that it names, or to the default one."""
        return self.perform(EventOperations(self.names).put_events(*entries))

    def invoke(self, function: str, event: Any = None, *, invocation_type: Any = "RequestResponse") -> InvocationResult:
        """Invoke a function by its name, as the Invoke API does. Raises AwsFault when throttled."""
        self._known("functions", function)
        operations = FunctionOperations(self.names, function, self.engine.reader.payload)
        return self.perform(operations.invoke(event, invocation_type=invocation_type))

    def _known(self, section: str, name: str) -> None:
        declared = getattr(self.project.resources, section)
        if name not in declared:
            known = ", ".join(declared) or "none"
            fix = suggest(name, declared)
            raise UserError(f"the project has no {singular(section)} {name!r}", rule=f"{section}: {known}", fix=fix)

    def perform(self, operation: Operation[T]) -> T:
        """Carry out one operation, from outside or from a running handler, and return its result."""
        handler = inline.current()
        if handler is not None:
            for item in operation.payloads:
                self.engine.keep_text(item)
            return operation.result(handler.ask(operation.arn, operation.command))
        self.engine.keep(operation.payloads)
        return operation.result(self.engine.ask(operation.arn, operation.command))

    # --- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> str:
        """The virtual time, such as `2026-01-15T12:00:00.000Z`."""
        return iso_ms(self.engine.now_ms)

    @property
    def elapsed_ms(self) -> int:
        """Virtual milliseconds since the start."""
        return self.engine.now_ms - self.start_ms

    def advance(self, duration: str | int | float) -> None:
        """Let virtual time pass: `15m`, or a number of seconds."""
        _from_outside("advance")
        self.engine.advance(duration_ms(duration))

    def run_until_idle(self, horizon: str | int | float = "24h") -> Idle:
        """Run until nothing is left but recurring schedules, polls at rest, and timers beyond the horizon."""
        _from_outside("run_until_idle")
        return self.engine.run_until_idle(horizon_ms=duration_ms(horizon) if horizon != "24h" else DAY_MS)

    def restart(self) -> None:
        """What `kill -9` and a new start do: running handlers are gone, stored state goes on."""
        _from_outside("restart")
        self.engine.restart(self.names.service)

    # --- faults and worlds ------------------------------------------------------------------------

    def set_faults(self, plan: FaultPlan) -> None:
        """Replace the faults that are injected from now on."""
        self.engine.set_faults(plan)

    def snapshot(self) -> snapshots.Snapshot:
        """An image of this world, also in the middle of a handler's work; raises NotQuiet there when a handler
        has run in a process since the last quiet point."""
        _from_outside("snapshot")
        return snapshots.take(self.engine)

    def restore(self, snapshot: snapshots.Snapshot) -> None:
        """Make this the world of the snapshot again. A handler that was in the middle of its work is run up to
        there again, with all that went before since the last quiet point; raises NotRepeatable when something
        else came of it."""
        _from_outside("restore")
        self._check_afresh()
        snapshots.restore(self.engine, snapshot)

    def fork(self) -> Simulation:
        """Another simulation that goes on from here by itself; as `snapshot` and `restore`."""
        _from_outside("fork")
        snapshot = self.snapshot()
        trace, check_invariants = self._options
        other = Simulation.__new__(Simulation)
        other._open(
            self.project,
            start_ms=self.start_ms,
            seed=self.engine.ids.seed,
            shuffle_ties=self.engine.shuffle_ties,
            trace=trace,
            shared_modules=self.runtimes.shared_modules,
            check_invariants=check_invariants,
            endpoints=[HttpStub(stub.url, stub.responses) for stub in self.runtimes.http.stubs],
        )
        try:
            other.restore(snapshot)
        except BaseException:
            other.close()
            raise
        return other

    # --- what happened ----------------------------------------------------------------------------

    @property
    def trace(self) -> list[TraceRow]:
        """All rows so far."""
        self.engine.flush()
        return list(select(self.engine.connection))

    def trace_lines(self) -> Iterable[str]:
        """The trace file's lines."""
        self.engine.flush()
        return jsonl(select(self.engine.connection), self.payload)

    def payload(self, digest: str) -> str | None:
        """The text of a payload, or None when it is not stored."""
        try:
            return self.engine.reader.payload(digest)
        except LookupError:
            return None


class AsyncSimulation:
    """A `Simulation` with coroutines, for async tests: the same calls, awaited.

    In virtual time nothing is waited for really; the calls exist so that async code reads naturally.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    @classmethod
    def load(cls, project: str | Path | Project | None = None, **options: Any) -> AsyncSimulation:
        """As `Simulation.load`."""
        return cls(Simulation.load(project, **options))

    async def __aenter__(self) -> AsyncSimulation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.simulation.close()

    async def perform(self, operation: Operation[T]) -> T:
        """Carry out one operation."""
        return self.simulation.perform(operation)

    def queue(self, name: str) -> AsyncQueue:
        """A queue by its name."""
        return AsyncQueue(self.simulation.queue(name).operations, self.perform)

    def topic(self, name: str) -> AsyncTopic:
        """A topic by its name."""
        return AsyncTopic(self.simulation.topic(name).operations, self.perform)

    @property
    def sns(self) -> AsyncNotifications:
        """SNS itself."""
        return AsyncNotifications(self.simulation.sns.operations, self.perform)

    def schedule(self, name: str, group_name: str = "default") -> AsyncSchedule:
        """A schedule by name and group."""
        return AsyncSchedule(self.simulation.schedule(name, group_name).operations, self.perform)

    def schedule_group(self, name: str) -> AsyncScheduleGroup:
        """A group of schedules by its name."""
        return AsyncScheduleGroup(self.simulation.schedule_group(name).operations, self.perform)

    @property
    def scheduler(self) -> AsyncScheduler:
        """EventBridge Scheduler itself."""
        return AsyncScheduler(self.simulation.scheduler.operations, self.perform)

    def event_bus(self, name: str = "default") -> AsyncEventBus:
        """An event bus by its name."""
        return AsyncEventBus(self.simulation.event_bus(name).operations, self.perform)

    @property
    def events(self) -> AsyncEvents:
        """EventBridge itself."""
        return AsyncEvents(self.simulation.events.operations, self.perform)

    async def put_events(self, *entries: Entry) -> PutEventsResult:
        """PutEvents: each entry to the bus that it names, or to the default one."""
        return self.simulation.put_events(*entries)

    def bucket(self, name: str) -> AsyncBucket:
        """A bucket by its name."""
        return AsyncBucket(self.simulation.bucket(name).operations, self.perform)

    async def invoke(self, function: str, event: Any = None, **options: Any) -> InvocationResult:
        """Invoke a function by its name."""
        return self.simulation.invoke(function, event, **options)

    async def advance(self, duration: str | int | float) -> None:
        """Let virtual time pass."""
        self.simulation.advance(duration)

    async def run_until_idle(self, horizon: str | int | float = "24h") -> Idle:
        """Run until idle."""
        return self.simulation.run_until_idle(horizon)


__all__ = [
    "AsyncSimulation",
    "AwsFault",
    "Bucket",
    "InvocationResult",
    "Queue",
    "Simulation",
    "current",
]

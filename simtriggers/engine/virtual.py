"""The virtual world: the next entry is simply taken and the clock set to its time.

One transaction stays open over many steps. Handlers run as greenlets of the inline runtime, for which
this engine is the hub: it alone steps, so nothing nests. Acts of the outside world are kept in order: what a
snapshot in the middle of a handler's work is made of (engine/snapshots.py).
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from ..aws.contracts import Ended, HttpEnded, HttpRequest, Start, Work
from ..errors import Deadlock, RunLimit
from ..kernel.agenda import FOREVER_MS, ORDINARY, REPLY, Agenda, Entry
from ..kernel.clock import Holds, VirtualClock, iso_ms
from ..kernel.codec import type_name
from ..kernel.effects import Caller, Payload, ReturnAddress
from ..kernel.ids import Ids
from ..kernel.service import Service, bookkeeping_of
from ..kernel.trace import Trace
from .database import open_memory
from .engine import Engine
from .faults import FaultPlan
from .router import Router
from .schema import migrate

DAY_MS = 86_400_000
MOST_ACTS = 20_000
"""How much of what the outside world did is kept: some 15 MB, and some seconds to do it again."""

_SHOWN_STEPS = 64
_FLUSH_ROWS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Resume:
    """An agenda entry that goes on with something in this process (a sleeping handler). Never stored."""

    callback: Callable[[], None]


class Runtime(Protocol):
    """What runs handlers in virtual time; reports each end through `VirtualEngine.ended`."""

    def start(self, start: Work) -> None:
        """Begin an attempt or a request; returns when it first waits or ends."""

    def abandon(self) -> None:
        """Forget every running attempt: the process is said to have ended."""

    def busy(self) -> list[str]:
        """What is running, in words, for the message of a deadlock."""

    def state(self) -> RuntimeState:
        """What of the runtime belongs to a snapshot."""

    def restored(self, state: RuntimeState) -> None:
        """The world was replaced by that of a snapshot: nothing runs, and no environment is left."""

    def pristine(self) -> bool:
        """Whether handlers have no memory of their own (globals, chance that was drawn): it is in no snapshot."""

    def forget_past(self) -> None:
        """What has run until now is never done again."""

    def unrepeatable(self) -> str:
        """What has run that may be done again, and cannot be, in words; empty for nothing."""


@dataclass(frozen=True, slots=True)
class RuntimeState:
    """`world` tells the handlers' chance in one world from that in another (0: a world that was never restored);
    `received` are the requests that each stub of an HTTP target has had."""

    world: int = 0
    received: tuple[tuple[HttpRequest, ...], ...] = ()


Act = tuple[str, tuple[Any, ...]]
"""A call from outside: the method's name in `ACTS`, and its arguments."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Why `run_until_idle` stopped: `idle`, `horizon` or `limit`, and what is still pending, in words."""

    reason: str
    now_ms: int
    pending: tuple[str, ...]


class VirtualEngine(Engine):
    """A world in memory and in virtual time, from `start_ms` on.

    `shuffle_ties` explores other orders of what happens at the same millisecond.
    """

    def __init__(
        self,
        services: list[Service],
        *,
        start_ms: int,
        seed: int,
        shuffle_ties: int | None = None,
        trace_volume: str = "full",
    ) -> None:
        connection = open_memory()
        migrate(connection, services)
        lookups = (index for service in services for index in service.lookup_indexes)
        for index in lookups:  # nobody looks rows up one by one here, and each costs 5% of a run
            connection.execute(f"DROP INDEX {index}")
        super().__init__(
            connection,
            Router(services),
            ids=Ids(seed),
            agenda=Agenda(shuffle_ties),
            trace=Trace(trace_volume, bookkeeping_of(services)),
            strict=True,
        )
        self.clock = VirtualClock(start_ms)
        self.holds = Holds()
        self.runtime: Runtime | None = None
        self.incarnation = 1
        self.start_ms = start_ms
        self.last_act_ms = start_ms
        self.base: Any = None
        """The snapshots.Snapshot that this world goes on from; None: the empty world."""
        self.acts: list[Act] | None = []
        """What the outside world did since then; None: too much to keep."""
        self.now_ms = self.reader.now_ms = start_ms
        self.shuffle_ties = shuffle_ties
        self.same_ms_limit = 1_000_000
        """How many steps at one millisecond, without an act of the outside world, are taken for a cycle."""
        self._answers: dict[int, Callable[[Any], None]] = {}
        self._ready: dict[int, Any] = {}
        self._same_ms = 0
        self._recent: deque[str] = deque(maxlen=_SHOWN_STEPS)
        self._wait_for_real: Callable[[], None] | None = None
        connection.execute("BEGIN")

    # --- the hub of the inline runtime ----------------------------------------------------------

    def resume_at(self, at_ms: int, callback: Callable[[], None]) -> None:
        """Call `callback` from the hub when virtual time is `at_ms`."""
        self.agenda.push(Entry(max(at_ms, self.now_ms), REPLY, "", Resume(callback), 0))

    def request(self, arn: str, command: Any, cause: int, answered: Callable[[Any], None]) -> None:
        """Submit a command for a handler; `answered` is called from the hub with the reply."""
        caller = self.new_caller()
        self._answers[caller.number] = answered
        super().submit(arn, command, cause=cause, reply_to=caller)

    def ended(self, start: Start, ended: Ended) -> None:
        """An attempt has ended, now."""
        self.agenda.push(Entry(self.now_ms, REPLY, start.function_arn, ended, start.cause))

    def answered(self, request: HttpRequest, ended: HttpEnded) -> None:
        """A request to an HTTP target has ended, now."""
        self.agenda.push(Entry(self.now_ms, REPLY, request.arn, ended, request.cause))

    def seed(self, stream: str) -> bytes:
        """32 bytes for a handler's own chance, by stream name."""
        return blake2b(f"{self.ids.seed}/handler/{stream}".encode(), digest_size=32).digest()

    def wait_with(self, wait: Callable[[], None]) -> None:
        """While holds keep time from moving, call `wait`, which blocks until real work has ended."""
        self._wait_for_real = wait

    # --- acts of the outside world --------------------------------------------------------------

    def begin(self, details: dict[str, Any], service_arn: Callable[[str], str]) -> None:
        """The first row of a run, and what services do at a start."""
        self._acted("begin", details, service_arn)
        self.root_cause = self.note("Started", "run", 0, details)
        self.restarted(self.incarnation, service_arn)

    def _acted(self, name: str, *arguments: Any) -> None:
        acts = self.acts
        if acts is not None:
            acts.append((name, arguments))
            if len(acts) > MOST_ACTS:
                self.acts = None

    def keep(self, payloads: Iterable[Payload]) -> None:
        """Store texts that commands to come name by digest."""
        for item in payloads:
            self._acted("keep_text", item.digest)
            self.keep_text(item)

    def keep_text(self, item: Payload) -> None:
        """Store one text; no act by itself."""
        if not self.reader.knows_payload(item):
            self.connection.execute(
                "INSERT OR IGNORE INTO payloads (digest, body) VALUES (?, ?)", (item.digest, item.body)
            )

    def set_faults(self, plan: FaultPlan) -> None:
        """Replace the faults that are injected from now on."""
        self._acted("set_faults", copy.deepcopy(plan))
        self.faults = plan

    def submit(
        self, arn: str, command: Any, *, cause: int = 0, reply_to: ReturnAddress | None = None, priority: int = ORDINARY
    ) -> Entry:
        """Put a command on the agenda, due now."""
        self._acted("submit", arn, command, cause, reply_to, priority)
        return super().submit(arn, command, cause=cause, reply_to=reply_to, priority=priority)

    def ask(self, arn: str, command: Any, *, cause: int = 0) -> Any:
        """Act from outside: submit a command and run until its reply is there, and return that.

        Time moves only if the reply needs it (a long poll, a synchronous invocation). Raises Deadlock when
        nothing that could bring the reply is left, or when recurring work alone has not for a day.
        """
        self._acted("ask", arn, command, cause)
        caller = self.new_caller()
        self._act()
        super().submit(arn, command, cause=cause, reply_to=caller)
        number = caller.number
        ready = self._ready
        agenda = self.agenda
        while number not in ready:
            if not self._take(FOREVER_MS - 1 if agenda.foreground else self.last_act_ms + DAY_MS):
                self.callers.discard(number)
                raise self._deadlock(f"the reply to {type_name(command)} on {arn}")
        return ready.pop(number)

    def _act(self) -> None:
        """The outside world does something: what follows is no cycle, and the horizon counts from here."""
        self.last_act_ms = self.now_ms
        self._same_ms = 0

    def run_until(self, at_ms: int) -> None:
        """Run everything that is due up to and including `at_ms`; it is then `at_ms`."""
        self._acted("run_until", at_ms)
        self._run_until(at_ms)

    def _run_until(self, at_ms: int) -> None:
        while self._take(at_ms):
            pass
        self._set_time(at_ms)

    def advance(self, by_ms: int) -> None:
        """Let `by_ms` milliseconds pass."""
        self._acted("advance", by_ms)
        self._act()
        self._run_until(self.now_ms + by_ms)

    def run_until_idle(self, *, horizon_ms: int = DAY_MS, max_steps: int | None = None) -> Idle:
        """Run until only recurring and background work, polls with nothing hidden to wait for, and timers
        beyond the horizon (counted from the last act of the outside world) are left."""
        self._acted("run_until_idle", horizon_ms, max_steps)
        horizon = self.last_act_ms + horizon_ms
        stop = None if max_steps is None else self.steps + max_steps
        while self.agenda.foreground or self.holds:
            if stop is not None and self.steps >= stop:
                return Idle("limit", self.now_ms, self.pending())
            entry = self.agenda.peek()
            only_recurring = (
                entry is not None and entry.background and not self.holds and not self.agenda.foreground_by(horizon)
            )
            if only_recurring or not self._take(horizon):
                return Idle("horizon", self.now_ms, self.pending())
        return Idle("idle", self.now_ms, self.pending())

    def pending(self) -> tuple[str, ...]:
        """What is still on the agenda, in words."""
        shown: list[str] = []
        for entry in self.agenda.entries():
            if entry.park_key is not None:
                shown.append(f"{type_name(entry.command)} on {entry.arn} waits for something to arrive")
            else:
                what = "a handler" if type(entry.command) is Resume else f"{type_name(entry.command)} on {entry.arn}"
                shown.append(f"{iso_ms(entry.at_ms)} {what}")
        return tuple(shown)

    def _take(self, limit_ms: int) -> bool:
        """Step the next entry if it is due by `limit_ms`; False when there is none."""
        agenda = self.agenda
        entry = agenda.peek()
        at_ms = FOREVER_MS if entry is None else entry.at_ms
        if at_ms > self.now_ms and self.holds:
            assert self._wait_for_real is not None, f"time is held by {self.holds.names()} and nobody waits"
            self._wait_for_real()
            return True
        if entry is None or at_ms > limit_ms:
            return False
        agenda.take(entry)
        if at_ms > self.now_ms:
            self._set_time(at_ms)
        else:
            self._same_ms += 1
            if self._same_ms > self.same_ms_limit - _SHOWN_STEPS:
                self._guard(entry)
        command = entry.command
        if type(command) is Resume:
            command.callback()
        else:
            self.step(entry)
        if self.replies or self.invokes:
            self._let_out()
        if len(self.trace) > _FLUSH_ROWS:
            self.flush()
        return True

    def _set_time(self, at_ms: int) -> None:
        if at_ms > self.now_ms:
            self.now_ms = self.reader.now_ms = self.clock.set(at_ms)
            self._same_ms = 0

    def _let_out(self) -> None:
        while self.replies or self.invokes:
            replies, self.replies = self.replies, []
            invokes, self.invokes = self.invokes, []
            for number, value in replies:
                if number not in self.callers:
                    continue  # it went away
                self.callers.discard(number)
                answered = self._answers.pop(number, None)
                if answered is None:
                    self._ready[number] = value
                else:
                    answered(value)
            for start in invokes:
                assert self.runtime is not None, "an invocation without a runtime"
                self.runtime.start(start)

    def _guard(self, entry: Entry) -> None:
        self._recent.append(f"{type_name(entry.command)} on {entry.arn}")
        if self._same_ms > self.same_ms_limit:
            cycle = ", ".join(f"{name} ({count}x)" for name, count in Counter(self._recent).most_common(6))
            raise RunLimit(
                f"{self.same_ms_limit:,} steps at the same millisecond {iso_ms(self.now_ms)}:"
                f" something triggers itself\n  the last steps were: {cycle}"
            )

    def _deadlock(self, what: str) -> Deadlock:
        running = self.runtime.busy() if self.runtime is not None else []
        parked = [f"{count} waiting on {key}" for key, count in self.agenda.parked().items()]
        names = [*running, *parked, *self.holds.names()]
        return Deadlock(
            f"the run can never proceed: {what} is being waited for and nothing is left on the agenda that could"
            f" bring it\n  also waiting: {'; '.join(names) or 'nothing'}"
        )

    def flush(self) -> None:
        """Write the pending trace rows, so that the database holds all of the trace."""
        self.trace.publish(self.trace.flush(self.connection))

    def reset_to(self, at_ms: int, *, next_caller: int) -> None:
        """Become the world of another time: a restored snapshot. Nobody waits there."""
        self.next_caller = next_caller
        self.clock = VirtualClock(at_ms)
        self.now_ms = self.reader.now_ms = at_ms
        self.callers.clear()
        self._answers.clear()
        self._ready.clear()
        self.replies, self.invokes = [], []
        self._same_ms = 0
        self._recent.clear()

    # --- restarts -------------------------------------------------------------------------------

    def restart(self, service_arn: Callable[[str], str]) -> None:
        """What `kill -9` and a new start do: handlers are gone, parked requests of callers are dropped,
        and each service settles what the older incarnation left."""
        self._acted("restart", service_arn)
        self._act()
        if self.runtime is not None:
            self.runtime.abandon()
        for entry in self.agenda.entries():
            if type(entry.command) is Resume:
                self.agenda.remove(entry)
            elif type(entry.reply_to) is Caller:
                if entry.park_key is not None:
                    self.agenda.remove(entry)
                else:
                    entry.reply_to = None
        self._answers.clear()
        self.callers.clear()
        self.incarnation += 1
        self.reader.forget_all()
        self.root_cause = self.note("Restarted", "run", 0, {"incarnation": self.incarnation})
        self.restarted(self.incarnation, service_arn)

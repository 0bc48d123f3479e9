"""The step: take an entry, let its service view and decide, apply. The same code runs live and virtual.

Everything here is synchronous and works on one sqlite3 connection. Virtual time calls it inline; live, a
whole batch runs in the connection's thread (engine/batches.py). The engine knows no service by name.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..aws.contracts import Delivery, Restarted, Run, Work
from ..errors import InvariantBroken, SimtriggersError
from ..kernel import effects as fx
from ..kernel.agenda import ORDINARY, REPLY, Agenda, Entry
from ..kernel.codec import encode, type_name
from ..kernel.effects import Caller, Decision, Note, Refused, ReplyTo, ReturnAddress
from ..kernel.ids import Ids
from ..kernel.trace import Trace
from . import deliveries
from .faults import FaultPlan
from .lines import Lines
from .reader import DatabaseReader
from .router import Router

_log = logging.getLogger("simtriggers")

_INSERT_PAYLOAD = "INSERT OR IGNORE INTO payloads (digest, body) VALUES (?, ?)"
_NO_SUCH_TARGET = Refused("ResourceNotFoundException", "No service here has such an ARN.", status=404)
_INTERNAL = Refused(
    "InternalFailure",
    "simtriggers failed inside; see the StepFailed row of the trace.",
    status=500,
    retryable=True,
)

Checker = Callable[["Engine", Entry], list[str]]


class StepFailed(SimtriggersError):
    """An exception inside a service's view or decide, or while its decision was applied: a defect of
    simtriggers, which ends a virtual run."""


class Engine:
    """One world: its connection, agenda, ids, trace, and what is to leave after the commit.

    `invokes` and `replies` collect what must not happen before the commit. `callers` are those who wait
    in this process. `strict`: a failing step raises StepFailed (virtual runs).
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        router: Router,
        *,
        ids: Ids,
        agenda: Agenda,
        trace: Trace,
        strict: bool,
    ) -> None:
        self.connection = connection
        self.router = router
        self.reader = DatabaseReader(connection, router)
        self.ids = ids
        self.agenda = agenda
        self.trace = trace
        self.faults = FaultPlan()
        self.checkers: list[Checker] = []
        self.callers: set[int] = set()
        self.invokes: list[Work] = []
        self.replies: list[tuple[int, Any]] = []
        self.now_ms = 0
        self.steps = 0
        self.root_cause = 0
        self._strict = strict
        self.next_caller = 1
        self._lines = Lines()

    # --- what arrives from outside --------------------------------------------------------------

    def new_caller(self) -> Caller:
        """An address for someone who waits in this process."""
        number = self.next_caller
        self.next_caller = number + 1
        self.callers.add(number)
        return Caller(number)

    def submit(
        self, arn: str, command: Any, *, cause: int = 0, reply_to: ReturnAddress | None = None, priority: int = ORDINARY
    ) -> Entry:
        """Put a command on the agenda, due now."""
        entry = Entry(self.now_ms, priority, arn, command, cause, reply_to)
        self.agenda.push(entry)
        return entry

    def note(self, kind: str, subject: str, cause: int, details: dict[str, Any], *, arn: str = "") -> int:
        """Trace something that is no service's doing; returns the row id."""
        note = Note(self.ids.row_id(), kind, arn, subject, cause, details)
        self.trace.append(self.now_ms, [note])
        return note.id

    def restarted(self, incarnation: int, service_arn: Callable[[str], str]) -> None:
        """Let each service settle what an older incarnation left, before anything that is overdue."""
        for service in self.router:
            if service.restarted is not None:
                entry = Entry(0, REPLY, service_arn(service.name), Restarted(incarnation), self.root_cause)
                self.agenda.push(entry)

    # --- the step -------------------------------------------------------------------------------

    def step(self, entry: Entry) -> None:
        """Take one entry that was popped: view, decide, apply."""
        self.steps += 1
        reply_to = entry.reply_to
        if type(reply_to) is Caller and reply_to.number not in self.callers:
            self._skip(entry)
            return
        if entry.order_key is not None and type(entry.command) is Delivery and self._stays_in_line(entry):
            return
        try:
            decision = self._decide(entry)
            if decision is not None:
                self._apply(entry, decision)
        except Exception as error:
            if not self._strict:
                raise
            text = f"{type_name(entry.command)} on {entry.arn}: {type(error).__name__}: {error}"
            raise StepFailed(text) from error
        if self.checkers:
            self._check(entry)

    def _decide(self, entry: Entry) -> Decision | None:
        command = entry.command
        kind = type(command)
        # A mapping's batch arrives at its function as a delivery does; what a client asks is no arrival.
        if (kind is Delivery or (kind is Run and command.source)) and self.faults:
            fault = self.faults.delivery(entry.arn, self.now_ms)
            if fault is not None:
                return Decision(reply=fault)
        service = self.router.service(entry.arn)
        if service is None:
            return Decision(reply=_NO_SUCH_TARGET)
        rule = service.restarted if kind is Restarted else service.rules.get(kind)
        if rule is None and (entry.request is None or kind is Refused):
            if kind is Refused:
                return Decision()
            text = f"{service.name} has no operation {type_name(command)}"
            return Decision(reply=Refused("UnsupportedOperation", text))
        try:
            if rule is None:
                raise TypeError(f"{service.name} has no rule for the answer {type_name(command)}")
            view = rule.view(self.reader, entry)
            decide = rule.missed if entry.missed and rule.missed is not None else rule.decide
            return decide(view, entry, now_ms=self.now_ms, ids=self.ids)
        except sqlite3.Error:
            raise
        except Exception as error:  # a defect in a rule must not stop a live simulator
            if self._strict:
                raise
            self._step_failed(entry, error)
            return None

    def _apply(self, entry: Entry, decision: Decision) -> None:
        if decision.reply is fx.PARKED and fx.Park not in map(type, decision.effects):
            raise AssertionError("the reply says that it is parked, and nothing is parked")
        execute = self.connection.execute
        reader = self.reader
        for item in decision.payloads:
            if not reader.knows_payload(item):
                execute(_INSERT_PAYLOAD, (item.digest, item.body))
        for write in decision.writes:
            statement = write.statement
            if statement.kept:
                reader.forget_kept(statement.kept)
            if write.many:
                self.connection.executemany(statement.sql, write.rows)
            else:
                execute(statement.sql, write.rows)
        for arn in decision.touched:
            reader.forget(arn)
        if decision.notes:
            self.trace.append(self.now_ms, decision.notes, type(entry.command))
        for effect in decision.effects:
            _EFFECTS[type(effect)](self, entry, effect)
        reply = decision.reply
        if type(entry.command) is Delivery:
            if type(reply) is Refused:
                self._delivery_refused(entry, reply)
            elif entry.order_key is not None:
                self._lines.ended(entry.order_key)
        elif entry.reply_to is not None and type(reply) is not fx.Answer:
            cause = decision.notes[-1].id if decision.notes else entry.cause
            self.answer(entry.reply_to, reply, cause)

    def answer(self, reply_to: ReturnAddress, reply: Any, cause: int) -> None:
        """Give an answer to a waiting caller (after the commit) or to a resource (in this millisecond)."""
        if type(reply_to) is Caller:
            self.replies.append((reply_to.number, reply))
        else:
            assert type(reply_to) is ReplyTo
            self.agenda.push(
                Entry(
                    self.now_ms,
                    REPLY,
                    reply_to.arn,
                    reply,
                    cause,
                    request=reply_to.request,
                    order_key=reply_to.arn,
                )
            )

    def _delivery_refused(self, entry: Entry, refusal: Refused) -> None:
        after = deliveries.refused(entry, refusal, now_ms=self.now_ms, ids=self.ids)
        self.trace.append(self.now_ms, after.notes)
        if after.entry is not None:
            self.agenda.push(after.entry)
        if entry.order_key is not None:
            if after.entry is not None and after.entry.order_key == entry.order_key:
                self._lines.tried_again(self.agenda, entry.order_key, after.entry.at_ms)
            else:
                self._lines.ended(entry.order_key)

    def _stays_in_line(self, entry: Entry) -> bool:
        """Put a delivery back behind the one before it, if that is being tried again."""
        until_ms = self._lines.waits_until(self.agenda, entry)
        if until_ms is None:
            return False
        self.agenda.push(replace(entry, at_ms=until_ms))
        return True

    def _skip(self, entry: Entry) -> None:
        """The caller went away: its request consumes nothing, and the next in line is woken instead."""
        if entry.park_key is not None:
            self.agenda.wake(entry.park_key, 1, self.now_ms)

    def _step_failed(self, entry: Entry, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        _log.exception("a step failed: %s on %s", type_name(entry.command), entry.arn)
        details = {"command": type_name(entry.command), "error": text}
        self.note("StepFailed", entry.arn, entry.cause, details, arn=entry.arn)
        if type(entry.command) is Delivery:
            self._delivery_refused(entry, _INTERNAL)
        elif entry.reply_to is not None:
            self.answer(entry.reply_to, _INTERNAL, entry.cause)

    def keep_failed(self, entry: Entry, error: Exception) -> None:
        """Store an entry that cannot be applied as a visible row, and tell whoever waits for it."""
        text, arn = _storable(f"{type(error).__name__}: {error}"), _storable(entry.arn)
        try:
            command = _storable(encode(entry.command))
        except TypeError:  # it is no command, which may be the very reason
            command = _storable(repr(entry.command))
        self.connection.execute(
            "INSERT INTO failed_steps (at_ms, arn, command, error) VALUES (?, ?, ?, ?)",
            (self.now_ms, arn, command, text),
        )
        details = {"command": type_name(entry.command), "error": text, "kept_in": "failed_steps"}
        self.note("StepFailed", arn, entry.cause, details, arn=arn)
        if entry.reply_to is not None:
            self.answer(entry.reply_to, _INTERNAL, entry.cause)

    def _check(self, entry: Entry) -> None:
        for checker in self.checkers:
            broken = checker(self, entry)
            if broken:
                raise InvariantBroken(f"after {type_name(entry.command)} on {entry.arn}:\n  " + "\n  ".join(broken))


def _storable(text: str) -> str:
    """A text as a database can hold it: lone surrogates as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


# --- effects ------------------------------------------------------------------------------------


def _deliver(engine: Engine, entry: Entry, effect: fx.Deliver) -> None:
    delivery = Delivery(effect.payload, effect.policy, 1, engine.now_ms, effect.dead_letter, effect.context)
    engine.agenda.push(Entry(engine.now_ms, ORDINARY, effect.arn, delivery, effect.cause, order_key=effect.order_key))


def _call(engine: Engine, entry: Entry, effect: fx.Call) -> None:
    engine.agenda.push(Entry(engine.now_ms, ORDINARY, effect.arn, effect.command, effect.cause, effect.reply_to))


def _reply(engine: Engine, entry: Entry, effect: fx.Reply) -> None:
    engine.answer(effect.reply_to, effect.value, effect.cause)


def _park(engine: Engine, entry: Entry, effect: fx.Park) -> None:
    waiting = Entry(0, 0, entry.arn, effect.command, entry.cause, entry.reply_to, entry.request)
    until_ms = None if effect.until_ms is None else max(effect.until_ms, engine.now_ms)
    recheck_ms = None if effect.recheck_ms is None else max(effect.recheck_ms, engine.now_ms)
    engine.agenda.park(waiting, key=effect.key, until_ms=until_ms, recheck_ms=recheck_ms)


def _wake(engine: Engine, entry: Entry, effect: fx.Wake) -> None:
    at_ms = engine.now_ms if effect.at_ms is None else max(effect.at_ms, engine.now_ms)
    engine.agenda.wake(effect.key, effect.n, at_ms)


def _timer(engine: Engine, entry: Entry, effect: fx.Timer) -> None:
    engine.agenda.set_timer(
        Entry(
            max(effect.at_ms, engine.now_ms),
            ORDINARY,
            effect.arn or entry.arn,
            effect.command,
            effect.cause,
            timer_key=effect.key,
            background=effect.background,
        )
    )


def _cancel_timer(engine: Engine, entry: Entry, effect: fx.CancelTimer) -> None:
    engine.agenda.cancel_timer(effect.arn or entry.arn, effect.key)


def _invoke(engine: Engine, entry: Entry, effect: fx.Invoke) -> None:
    start = effect.start
    engine.invokes.append(engine.faults.invocation(start, engine.now_ms) if engine.faults else start)


def _http(engine: Engine, entry: Entry, effect: fx.Http) -> None:
    request = effect.request
    engine.invokes.append(engine.faults.request(request, engine.now_ms) if engine.faults else request)


_EFFECTS: dict[type[Any], Callable[[Engine, Entry, Any], None]] = {
    fx.Deliver: _deliver,
    fx.Call: _call,
    fx.Reply: _reply,
    fx.Park: _park,
    fx.Wake: _wake,
    fx.Timer: _timer,
    fx.CancelTimer: _cancel_timer,
    fx.Invoke: _invoke,
    fx.Http: _http,
}

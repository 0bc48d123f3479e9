"""Two toy services: `mailbox` keeps letters and answers long polls; `counter` counts, sets timers, calls and
delivers to others, starts runtimes, and fails on demand.
"""

from __future__ import annotations

from typing import Any

from simtriggers.aws.contracts import (
    Code,
    Ended,
    Start,
)
from simtriggers.kernel.agenda import Entry
from simtriggers.kernel.codec import Overdue, command, decode, encode, value
from simtriggers.kernel.effects import (
    LATER,
    PARKED,
    Call,
    CancelTimer,
    Decision,
    Deliver,
    Invoke,
    Note,
    Refused,
    Reply,
    ReplyTo,
    RetryPolicy,
    ReturnAddress,
    Statement,
    Timer,
    Write,
    payload,
)
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Reader, Rule, Service
from tests.toy_mailbox import MAILBOX as MAILBOX
from tests.toy_mailbox import START_MS as START_MS
from tests.toy_mailbox import Letters as Letters
from tests.toy_mailbox import Post as Post
from tests.toy_mailbox import Take as Take
from tests.toy_mailbox import counter_arn as counter_arn
from tests.toy_mailbox import mailbox_arn as mailbox_arn
from tests.toy_mailbox import service_arn as service_arn

# --- counter ------------------------------------------------------------------------------------


@command(Overdue.RUN)
class Add:
    """Count `by` more; replies with the sum. `note` is traced."""

    by: int = 1
    note: str = ""


@command(Overdue.RUN)
class Relay:
    """Call `target` with `command` and reply with its answer."""

    target: str
    command: Any


@value
class Asked:
    """Who asked for a Relay or a Work."""

    reply_to: ReturnAddress | None


@command(Overdue.RUN)
class Send:
    """Deliver a text to `target`, under a retry policy."""

    target: str
    body: str
    policy: RetryPolicy = RetryPolicy("toy", maximum_retries=2, maximum_age_ms=3_600_000, base_ms=1000)
    dead_letter: str | None = None
    order_key: str | None = None


@command(Overdue.SKIP)
class Remind:
    """Set a timer that counts one when it rings, again every `every_ms` if that is not 0."""

    key: str
    at_ms: int
    every_ms: int = 0
    background: bool = False


@command(Overdue.SKIP)
class Ring:
    """A timer of `Remind` is due."""

    key: str
    every_ms: int = 0
    background: bool = False


@command(Overdue.RUN)
class Plan:
    """Set a timer for a Tidy."""

    key: str
    at_ms: int
    place: str


@command(Overdue.COALESCE)
class Tidy:
    """Count one: upkeep that is done once, however often it was due."""

    place: str


@command(Overdue.RUN)
class Forget:
    """Cancel a timer."""

    key: str


@command(Overdue.RUN)
class Work:
    """Run a handler and reply with the status of its end."""


@command(Overdue.RUN)
class Fail:
    """Fail at a place: view, view_sql, decide, constraint, statement, note, spin, unparked."""

    place: str
    body: str = ""


_COUNTERS = """
CREATE TABLE counters (
    counter TEXT PRIMARY KEY,
    n INTEGER NOT NULL CHECK (n >= 0)
) STRICT;
"""
_ASKS = """
-- Requests to others that are not answered yet.
CREATE TABLE asks (
    request TEXT PRIMARY KEY,
    asked TEXT NOT NULL
) STRICT;
"""
_COUNT = Statement("counter.count", "SELECT n FROM counters WHERE counter = ?")
_SET = Statement(
    "counter.set",
    "INSERT INTO counters (counter, n) VALUES (?, ?) ON CONFLICT (counter) DO UPDATE SET n = excluded.n",
)
_ASK = Statement("counter.ask", "INSERT INTO asks (request, asked) VALUES (?, ?)")
_ASKED = Statement("counter.asked", "SELECT asked FROM asks WHERE request = ?")
_OPEN_ASKS = Statement("counter.open_asks", "SELECT request FROM asks ORDER BY request")
_ANSWERED = Statement("counter.answered", "DELETE FROM asks WHERE request = ?")
_WRONG = Statement("counter.wrong", "INSERT INTO no_such_table VALUES (?)")


def _no_view(read: Reader, entry: Entry) -> None:
    return None


def _view_count(read: Reader, entry: Entry) -> int:
    row = read.one(_COUNT, entry.arn)
    return row[0] if row else 0


def _decide_add(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Add = entry.command
    total = view + item.by
    note = Note(ids.row_id(), "Counted", entry.arn, item.note, entry.cause, {"total": total})
    return Decision(reply=total, writes=[Write(_SET, (entry.arn, total))], notes=[note])


def _decide_relay(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    request = ids.uuid("counter.request")
    note = Note(ids.row_id(), "Asked", entry.arn, request, entry.cause)
    call = Call(entry.command.target, entry.command.command, note.id, ReplyTo(entry.arn, request))
    return Decision(
        reply=LATER,
        writes=[Write(_ASK, (request, encode(Asked(entry.reply_to))))],
        effects=[call],
        notes=[note],
    )


def _view_answer(read: Reader, entry: Entry) -> Asked | None:
    row = read.one(_ASKED, entry.request)
    return None if row is None else decode(row[0])


def _decide_answer(view: Asked | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    to = None if view is None else view.reply_to
    effects = [] if to is None else [Reply(to, entry.command, entry.cause)]
    kind = "StaleResult" if view is None else "Answered"
    note = Note(ids.row_id(), kind, entry.arn, str(entry.request), entry.cause)
    return Decision(writes=[Write(_ANSWERED, (entry.request,))], effects=list(effects), notes=[note])


def _decide_send(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Send = entry.command
    text = payload(item.body)
    note = Note(ids.row_id(), "Sent", entry.arn, item.body, entry.cause, {"payload": text.digest})
    context = (("source", entry.arn), ("subject", item.body))
    deliver = Deliver(item.target, text.digest, item.policy, note.id, item.dead_letter, context, item.order_key)
    return Decision(reply=note.id, effects=[deliver], notes=[note], payloads=[text])


def _decide_remind(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Remind = entry.command
    ring = Ring(item.key, item.every_ms, item.background)
    return Decision(effects=[Timer(item.key, item.at_ms, ring, entry.cause, background=item.background)])


def _decide_ring(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Ring = entry.command
    note = Note(ids.row_id(), "Rang", entry.arn, item.key, entry.cause, {"at_ms": now_ms})
    decision = Decision(writes=[Write(_SET, (entry.arn, view + 1))], notes=[note])
    if item.every_ms:
        again = Timer(item.key, now_ms + item.every_ms, item, note.id, background=item.background)
        decision.effects.append(again)
    return decision


def _decide_missed(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Ring = entry.command
    note = Note(ids.row_id(), "Missed", entry.arn, item.key, entry.cause, {"due_ms": entry.at_ms})
    decision = Decision(notes=[note])
    if item.every_ms:
        next_ms = now_ms + item.every_ms - (now_ms - entry.at_ms) % item.every_ms
        decision.effects.append(Timer(item.key, next_ms, item, note.id, background=item.background))
    return decision


def _decide_plan(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Plan = entry.command
    return Decision(effects=[Timer(item.key, item.at_ms, Tidy(item.place), entry.cause, background=True)])


def _decide_tidy(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    note = Note(ids.row_id(), "Tidied", entry.arn, entry.command.place, entry.cause, {"due_ms": entry.at_ms})
    return Decision(writes=[Write(_SET, (entry.arn, view + 1))], notes=[note])


def _decide_forget(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    return Decision(effects=[CancelTimer(entry.command.key)])


def start(arn: str, request: str, *, incarnation: int = 0, cause: int = 0, deadline_ms: int = 0) -> Start:
    """A Start with little in it."""
    return Start(
        invocation_id=request,
        attempt=1,
        incarnation=incarnation,
        request_id=request,
        function_arn=arn,
        invoked_function_arn=arn,
        function_name="toy",
        function_version="$LATEST",
        code=Code("/", "toy.handler", "stub"),
        environment_id="e1",
        cold=False,
        event="{}",
        memory_mb=128,
        timeout_ms=3000,
        deadline_ms=deadline_ms,
        log_group_name="g",
        log_stream_name="s",
        environment=(),
        duration_ms=1,
        init_duration_ms=0,
        cause=cause,
    )


def ended(begun: Start, *, status: str = "ok") -> Ended:
    """The end of an attempt."""
    return Ended(begun.invocation_id, begun.attempt, begun.incarnation, status, "null", (), 1000, 0, 64, True)


def _decide_work(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    request = ids.uuid("counter.request")
    note = Note(ids.row_id(), "WorkStarted", entry.arn, request, entry.cause)
    return Decision(
        reply=LATER,
        writes=[Write(_ASK, (request, encode(Asked(entry.reply_to))))],
        effects=[Invoke(start(entry.arn, request, cause=note.id, deadline_ms=now_ms + 3000), note.id)],
        notes=[note],
    )


def _view_ended(read: Reader, entry: Entry) -> Asked | None:
    row = read.one(_ASKED, entry.command.invocation_id)
    return None if row is None else decode(row[0])


def _decide_ended(view: Asked | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: Ended = entry.command
    kind = "WorkEnded" if view is not None else "StaleResult"
    note = Note(ids.row_id(), kind, entry.arn, item.invocation_id, entry.cause, {"status": item.status})
    decision = Decision(writes=[Write(_ANSWERED, (item.invocation_id,))], notes=[note])
    if view is not None and view.reply_to is not None:
        decision.effects.append(Reply(view.reply_to, item.status, note.id))
    return decision


def _view_restarted(read: Reader, entry: Entry) -> list[str]:
    return [row[0] for row in read.all(_OPEN_ASKS)]


def _decide_restarted(view: list[str], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    notes = [Note(ids.row_id(), "Interrupted", entry.arn, request, entry.cause) for request in view]
    return Decision(writes=[Write(_ANSWERED, [(request,) for request in view], many=True)], notes=notes)


def _view_fail(read: Reader, entry: Entry) -> None:
    if entry.command.place == "view":
        raise ZeroDivisionError("in view")
    if entry.command.place == "view_sql":
        read.one(Statement("counter.no_table", "SELECT 1 FROM no_such_table ORDER BY 1"))


def _decide_fail(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    place = entry.command.place
    note = Note(ids.row_id(), "Failing", entry.arn, place, entry.cause)
    if place == "decide":
        raise ZeroDivisionError("in decide")
    first = Write(_SET, (entry.arn, 1000))
    if place == "constraint":
        return Decision(reply=0, writes=[first, Write(_SET, (entry.arn, -1))], notes=[note])
    if place == "statement":
        return Decision(reply=0, writes=[first, Write(_WRONG, (1,))], notes=[note])
    if place == "note":
        return Decision(reply=0, writes=[first], notes=[Note(note.id, "Failing", entry.arn, "\ud800", entry.cause)])
    if place == "spin":
        return Decision(reply=0, effects=[Call(entry.arn, entry.command, note.id)], notes=[note])
    assert place == "unparked", place
    return Decision(reply=PARKED)


_answer = Rule(_view_answer, _decide_answer)
COUNTER = Service(
    "counter",
    {
        Add: Rule(_view_count, _decide_add),
        Relay: Rule(_no_view, _decide_relay),
        Letters: _answer,
        int: _answer,
        Refused: _answer,
        Send: Rule(_no_view, _decide_send),
        Remind: Rule(_no_view, _decide_remind),
        Ring: Rule(_view_count, _decide_ring, _decide_missed),
        Plan: Rule(_no_view, _decide_plan),
        Tidy: Rule(_view_count, _decide_tidy),
        Forget: Rule(_no_view, _decide_forget),
        Work: Rule(_no_view, _decide_work),
        Ended: Rule(_view_ended, _decide_ended),
        Fail: Rule(_view_fail, _decide_fail),
    },
    migrations=[_COUNTERS, _ASKS],
    restarted=Rule(_view_restarted, _decide_restarted),
)

TOYS = [MAILBOX, COUNTER]

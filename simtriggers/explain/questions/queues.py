"""Why a message did not go on from its queue: who has it, until when it is hidden, what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...aws.arn import name_of
from ...kernel.clock import iso_ms
from ...kernel.trace import TraceRow
from ...services.sqs.config import parse_settings
from ..answers import Finding, Hop, Question, stopped
from ..texts import clock, resource
from ..world import Known, World
from .mappings import taken

_LYING = (
    "SELECT queue, seq, visible_ms, received_ms, receive_count, receives_before, group_id, sequence"
    " FROM sqs_messages WHERE message_id = ? ORDER BY seq LIMIT 1"
)
_BEFORE = (
    "SELECT message_id, visible_ms FROM sqs_messages WHERE queue = ? AND group_id = ? AND seq < ?"
    " AND visible_ms > ? ORDER BY seq LIMIT 1"
)
_GONE = {
    "MessageDeleted": ("deleted", "it was deleted"),
    "MessageExpired": ("expired", "it grew older than the queue's retention period"),
    "MessageDropped": ("dropped", "it went when the queue was purged or removed"),
}
_OF_A_MESSAGE = frozenset(
    {
        "MessageSent", "MessageDeduplicated", "MessageReceived", "MessageVisibilityChanged", "MessageDeleted",
        "MessageExpired", "MessageDropped", "MessageMovedToDeadLetterQueue", "MessageRedriven",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lying:
    """A message that is in a queue now, as its row has it."""

    queue: str
    seq: int
    visible_ms: int
    received_ms: int | None
    receive_count: int
    receives_before: int
    group_id: str | None
    sequence: int | None


def _leads_to(world: World, queue: Known) -> list[str]:
    mappings = [each.arn for each in world.of_kind("event_source_mapping") if each.config["source_arn"] == queue.arn]
    redrive = parse_settings(queue.config).redrive
    return mappings if redrive is None else [*mappings, redrive.dead_letter_arn]


def ask(world: World, event: TraceRow | None, queue: Known, target: Known) -> Hop:
    """Why a message did not go to a mapping of its queue, or to the dead-letter queue."""
    rows = [] if event is None else world.book.about(event.subject)
    if target.kind == "event_source_mapping":
        return _mapped(world, rows, queue, target)
    if target.kind == "queue":
        return _redriven(world, rows, queue, target)
    return stopped(Finding("no_mapping", f"no event source mapping leads from {queue} to {target}"))


# --- to a mapping -------------------------------------------------------------------------------


def _mapped(world: World, rows: list[TraceRow], queue: Known, mapping: Known) -> Hop:
    hop = taken(world, rows, mapping)
    if hop.reached is not None or any(finding.code == "filter" for finding in hop.findings) or not rows:
        return hop
    found = where(world, rows, queue, mapping)
    others = hop.findings if not found else [each for each in hop.findings if each.code != "on_its_way"]
    return stopped(*found, *others)


def where(world: World, rows: list[TraceRow], queue: Known, mapping: Known | None) -> list[Finding]:
    """Where a message is now, if that is why it does not go on; `rows` are all about it, in order."""
    subject = rows[0].subject
    found = world.one(_LYING, subject)
    if found is None:
        return _gone(world, rows)
    lying = Lying(*found)
    if lying.queue != queue.arn:
        moved = [row for row in rows if row.kind == "MessageMovedToDeadLetterQueue" and row.arn == queue.arn]
        reason = f": {moved[-1].details['reason']}" if moved else ""
        return [Finding("moved", f"it was moved to {resource(lying.queue)} before{reason}", tuple(moved))]
    if lying.visible_ms > world.now_ms:
        return [_hidden(world, rows, lying, mapping)]
    if lying.sequence is not None:
        before = world.one(_BEFORE, lying.queue, lying.group_id, lying.seq, world.now_ms)
        if before is not None:
            text = (
                f"its message group {lying.group_id!r} waits: message {before[0]}, sent before it, is hidden until"
                f" {iso_ms(before[1])}"
            )
            return [Finding("group_blocked", text)]
    return [Finding("visible", f"it is visible in {queue} and waits to be received")] if mapping is None else []


def _hidden(world: World, rows: list[TraceRow], lying: Lying, mapping: Known | None) -> Finding:
    until = iso_ms(lying.visible_ms)
    if lying.received_ms is None:
        return Finding("delayed", f"it is delayed until {until}", tuple(rows[:1]))
    received = [row for row in rows if row.kind == "MessageReceived"][-1:]
    return Finding(
        "in_flight", f"it is in flight: {_by(world, received)} received it, hidden until {until}", _last(rows)
    )


def _by(world: World, received: list[TraceRow]) -> str:
    """Who has a message."""
    for row in received:
        for batch in world.book.batches_with(row):
            return resource(batch.details["function"])
    return "another consumer"


def _last(rows: list[TraceRow]) -> tuple[TraceRow, ...]:
    return tuple([row for row in rows if row.kind in _OF_A_MESSAGE][-1:])


def _gone(world: World, rows: list[TraceRow]) -> list[Finding]:
    ended = [row for row in rows if row.kind in _GONE][-1:]
    if not ended:
        return []
    code, text = _GONE[ended[0].kind]
    if code == "deleted":
        received = [row for row in rows if row.kind == "MessageReceived" and row.id < ended[0].id][-1:]
        text = f"{text} by {_by(world, received)}"
    return [Finding(code, f"{text} at {clock(ended[0].at_ms)}", tuple(ended))]


# --- to a dead-letter queue ---------------------------------------------------------------------


def _redriven(world: World, rows: list[TraceRow], queue: Known, target: Known) -> Hop:
    redrive = parse_settings(queue.config).redrive
    if redrive is None or redrive.dead_letter_arn != target.arn:
        return stopped(Finding("no_redrive", f"{queue} has no redrive policy to {target}"))
    moved = [row for row in rows if row.details.get("dead_letter_queue") == target.arn]
    if moved:
        return Hop(moved[-1])
    most = redrive.max_receive_count
    receives = sum(row.kind == "MessageReceived" and row.arn == queue.arn for row in rows)
    text = f"{queue} moves to {target} what was received {most} times"
    if not rows:
        return stopped(Finding("redrive", f"{text}; ask about a message"))
    not_moved = [row for row in rows if row.details.get("not_moved")][-1:]
    if not_moved:
        return stopped(Finding("not_moved", str(not_moved[0].details["not_moved"]), tuple(not_moved)))
    if receives < most:
        times = f"{receives} time{'' if receives == 1 else 's'}"
        first = Finding("too_few_receives", f"{text}, and this was received {times}")
    else:
        first = Finding("next_receive", f"{text}; the next receive of this one moves it")
    return stopped(first, *where(world, rows, queue, None))


def own(world: World, event: TraceRow | None, queue: Known) -> Hop:
    """Where a message of the queue is."""
    rows = [] if event is None else world.book.about(event.subject)
    found = where(world, rows, queue, None) if rows else []
    return stopped(*(found or [Finding("no_event", f"ask about a message of {name_of(queue.arn)}")]))


QUEUES = Question(
    events=_OF_A_MESSAGE,
    reached=frozenset({"MessageSent"}),
    leads_to=_leads_to,
    ask=ask,
    own=own,
)

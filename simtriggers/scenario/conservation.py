"""Nothing lost, nothing stuck: what was accepted must have ended somewhere, and nothing may be left over.

Lost: a message, an asynchronous event or a delivery that neither ended in a way that the trace names
(handled, dead-lettered, sent to a destination, dropped by a rule) nor still exists.
Stuck: what at the end is still due, in flight or waiting for a function.
"""

from __future__ import annotations

from ..kernel.agenda import FOREVER_MS
from ..kernel.clock import iso_ms
from ..kernel.codec import type_name
from ..kernel.trace import TraceRow
from ..simulation import Simulation

_MESSAGE_ENDS = frozenset({"MessageDeleted", "MessageExpired", "MessageDropped", "MessageRedriven"})
_EVENT_ENDS = frozenset({"InvocationSucceeded", "DestinationSent", "DeadLetterSent", "AsyncEventDropped"})
_HANDED_ON = frozenset(
    {
        "NotificationMatched",
        "ScheduleFired",
        "ScheduleWindowOpened",
        "DestinationSent",
        "DeadLetterSent",
        "DeliverySentToDeadLetterQueue",
        "RetryScheduled",
        "SubscriptionMatched",
        "HttpRequestSent",
        "RuleMatched",
    }
)
_WHOLE_QUEUE_ENDS = frozenset({"QueuePurged", "QueueDeleted"})


def lost(simulation: Simulation, rows: list[TraceRow]) -> list[tuple[TraceRow, str]]:
    """What was accepted and has vanished: the row of its acceptance, and in words what is missing."""
    connection = simulation.engine.connection
    lying = {row[0] for row in connection.execute("SELECT message_id FROM sqs_messages ORDER BY message_id")}
    running = {row[0] for row in connection.execute("SELECT request_id FROM lambda_invocations ORDER BY request_id")}
    emptied: dict[str, int] = {}
    messages: set[str] = set()
    events: set[str] = set()
    causes = {entry.cause for entry in simulation.engine.agenda.entries()}
    for row in rows:
        causes.add(row.cause)
        if row.kind in _MESSAGE_ENDS:
            messages.add(row.subject)
        if row.kind in _EVENT_ENDS:
            events.add(row.subject)
        if row.kind in _WHOLE_QUEUE_ENDS:
            emptied[row.arn] = row.id
    found: list[tuple[TraceRow, str]] = []
    for row in rows:
        if row.kind == "MessageSent" and row.subject not in messages and row.subject not in lying:
            if emptied.get(row.arn, 0) < row.id:
                found.append((row, f"message {row.subject} of {row.arn} has vanished"))
        elif row.kind == "AsyncEventAccepted" and row.subject not in events and row.subject not in running:
            found.append((row, f"event {row.subject} of {row.arn} was accepted and never ended"))
        elif row.kind in _HANDED_ON and row.id not in causes and row.details.get("targets") not in (0, []):
            found.append((row, f"{row.kind} of {row.subject} was handed on and never arrived"))
    return found


def stuck(simulation: Simulation, rows: list[TraceRow]) -> list[tuple[TraceRow | None, str]]:
    """What is left over, with the last row about it: what is still to come, events and batches under way,
    and messages in a queue that an enabled mapping consumes."""
    engine = simulation.engine
    by_id = {row.id: row for row in rows}
    failed = {row.subject: row for row in rows if row.kind == "RecordFailed"}
    found: list[tuple[TraceRow | None, str]] = []
    for request_id, arn, state, cause in engine.connection.execute(
        "SELECT request_id, function_arn, state, cause FROM lambda_invocations ORDER BY request_id"
    ):
        found.append((by_id.get(cause), f"invocation {request_id} of {arn} is {state}"))
    for resource in engine.reader.resources("event_source_mapping"):
        settings = resource.config
        if not settings.enabled:
            continue
        for message_id, visible_ms, receives, cause in engine.connection.execute(
            "SELECT message_id, visible_ms, receive_count, cause FROM sqs_messages WHERE queue = ? ORDER BY seq",
            (settings.source_arn,),
        ):
            state = "in flight" if visible_ms > engine.now_ms else "waiting"
            times = "time" if receives == 1 else "times"
            text = f"message {message_id} of {settings.source_arn} is {state}, received {receives} {times}"
            found.append((failed.get(message_id) or by_id.get(cause), text))
    told = {row.id for row, _ in found if row is not None}
    for entry in engine.agenda.entries():
        waits = entry.background or entry.park_key is not None or entry.at_ms >= FOREVER_MS
        # What has no address goes on with a handler, whose invocation is told above.
        if not waits and entry.arn and entry.cause not in told:
            text = f"{type_name(entry.command)} of {entry.arn} is still to come, at {iso_ms(entry.at_ms)}"
            found.append((by_id.get(entry.cause), text))
    return found

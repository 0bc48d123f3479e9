"""What became of a delivery: it arrived, its target refused it, or it is on its way. For all that deliver."""

from __future__ import annotations

from ...kernel.trace import TraceRow
from ..answers import Finding, Hop, stopped
from ..texts import clock, resource
from ..world import Known, World

ARRIVED = frozenset(
    {
        "AsyncEventAccepted", "MessageSent", "MessagePublished", "EventReceived", "HttpRequestSucceeded", "LogEventPut",
        "OutboxEntry",
    }
)  # fmt: skip
_ON_ITS_WAY = frozenset({"HttpRequestSent", "HttpRequestInterrupted"})
_ENDED = frozenset({"DeliveryDropped", "DeliverySentToDeadLetterQueue"})


def delivered(world: World, sent: TraceRow, target: Known) -> Hop:
    """Whether what the row `sent` led to reached its target; the row that says so, or why not."""
    tries: list[TraceRow] = []
    waiting = [sent]
    while waiting:
        row = waiting.pop(0)
        for each in world.book.caused_by(row.id):
            if each.arn != target.arn:
                continue
            if each.kind in ARRIVED:
                return Hop(each)
            if each.kind == "DeliveryFailed" or each.kind in _ENDED:
                tries.append(each)
                waiting.append(each)
            elif each.kind in _ON_ITS_WAY:
                waiting.append(each)
    if not tries:
        return stopped(Finding("on_its_way", f"it matched, and the delivery to {target} is still on its way", (sent,)))
    return stopped(_refused(world, tries, target), *_target(target))


def _refused(world: World, tries: list[TraceRow], target: Known) -> Finding:
    failed = [row for row in tries if row.kind == "DeliveryFailed"]
    end = next((row for row in tries if row.kind in _ENDED), None)
    last = failed[-1].details if failed else {}
    why = f"{last.get('code')}: {last.get('message')}"
    count = len(failed)
    times = "" if count == 1 else f" {count} times"
    if end is None:
        again = last.get("retry_at_ms")
        when = f", and it is delivered again at {clock(again)}" if again is not None else ""
        return Finding("delivery_failed", f"it matched, but {target} refused it{times}: {why}{when}", tuple(failed))
    rows = (*failed, end)
    if end.kind == "DeliveryDropped":
        return Finding("delivery_dropped", f"{target} refused it{times}, and it was dropped: {why}", rows)
    where = resource(str(end.details["dead_letter"]))
    return Finding("delivery_dead_lettered", f"{target} refused it{times}, and it went to {where}: {why}", rows)


def _target(target: Known) -> tuple[Finding, ...]:
    return () if target.wired else (undeclared(target),)


def undeclared(known: Known) -> Finding:
    """That the project no longer has a resource."""
    return Finding("not_declared", f"{known} is no longer declared by the project")

"""Why a function did not run with an event that it has, and why its result went to no destination."""

from __future__ import annotations

from ...kernel.trace import TraceRow
from ...services.lambda_.records import EVENT_AGE_EXCEEDED, ZERO_RESERVED_CONCURRENCY
from ...services.lambda_.settings import parse_function
from ..answers import Finding, Hop, Question, stopped
from ..texts import clock, resource
from ..world import Known, World
from .deliveries import delivered, undeclared

_SENT = frozenset({"DestinationSent", "DeadLetterSent"})
_GIVEN_UP = frozenset({*_SENT, "AsyncEventDropped"})
_WHY = {
    ZERO_RESERVED_CONCURRENCY: "its reserved concurrency is 0, so it takes nothing",
    EVENT_AGE_EXCEEDED: "the event grew too old while the function was throttled",
}


def _leads_to(world: World, function: Known) -> list[str]:
    settings = parse_function(function.config)
    return [arn for arn in (settings.on_success, settings.on_failure, settings.dead_letter) if arn is not None]


def not_run(world: World, event: TraceRow | None, function: Known) -> Hop:
    """Why an event that the function has was not run."""
    findings = switched_off(function)
    rows = [] if event is None else world.book.about(event.subject)
    given_up = [row for row in rows if row.kind in _GIVEN_UP]
    throttled = [row for row in rows if row.kind == "InvocationThrottled"]
    if given_up:
        condition = str(given_up[-1].details.get("condition", ""))
        text = _WHY.get(condition, given_up[-1].details.get("rule", condition))
        return stopped(Finding("given_up", f"{function} did not run: {text}", tuple(given_up)))
    if throttled:
        again = throttled[-1].details.get("retry_at_ms")
        when = f"; tried again at {clock(again)}" if again is not None else ""
        reason = throttled[-1].details.get("reason")
        findings.insert(0, Finding("throttled", f"{function} is throttled: {reason}{when}", (throttled[-1],)))
    elif not findings:
        findings.append(Finding("on_its_way", f"{function} has it, and has not begun yet", tuple(rows[-1:])))
    return stopped(*findings)


def switched_off(function: Known) -> list[Finding]:
    """What keeps a function from running at all."""
    found = [] if function.wired else [undeclared(function)]
    if parse_function(function.config).reserved == 0:
        found.append(Finding("reserved_0", f"{function} has reserved_concurrent_executions: 0, which stops it"))
    return found


def ask(world: World, event: TraceRow | None, function: Known, target: Known) -> Hop:
    """Why an invocation sent nothing to one of the function's destinations."""
    settings = parse_function(function.config)
    rows = [] if event is None else world.book.about(event.subject)
    sent = [row for row in rows if row.kind in _SENT and row.details.get("destination") == target.arn]
    if sent:
        return delivered(world, sent[-1], target)
    roles = {"on success": settings.on_success, "on failure": settings.on_failure, "dead letters": settings.dead_letter}
    ours = [role for role, arn in roles.items() if arn == target.arn]
    if not ours:
        return stopped(Finding("no_destination", f"{function} has no destination {target}"))
    what = f"{function} sends to {target} ({' and '.join(ours)})"
    if event is None:
        return stopped(Finding("destination", f"{what}; ask about an event"))
    if not any(row.kind == "AsyncEventAccepted" for row in rows):
        text = f"{what} only what it got as an event; this was a synchronous invocation"
        return stopped(Finding("synchronous", text, tuple(rows[:1])))
    last = rows[-1]
    ended = {"InvocationSucceeded": "it succeeded", "AsyncEventDropped": "it was dropped"}.get(last.kind)
    elsewhere = resource(str(last.details["destination"])) if last.kind in _SENT else ""
    state = f"it went to {elsewhere}" if elsewhere else ended or "it has not ended yet"
    return stopped(Finding("not_sent", f"{what}, but {state}", (last,)))


FUNCTIONS = Question(
    events=frozenset({"AsyncEventAccepted", "InvocationStarted", "InvocationThrottled"}),
    reached=frozenset({"InvocationStarted"}),
    leads_to=_leads_to,
    ask=ask,
    own=not_run,
)

"""Why a mapping did not take a message, and why a batch did not run: filters, polls, windows, throttles."""

from __future__ import annotations

import json

from ...aws.digests import md5_of_body
from ...aws.filter_criteria import explain_filters
from ...kernel.clock import iso_ms
from ...kernel.trace import TraceRow
from ...services.lambda_.filters import compiled
from ...services.lambda_.settings import MappingSettings, parse_mapping
from ...services.sqs.records import event_record
from ...services.sqs.send import DEFAULT_SENDER_ID
from ...services.sqs.store import Candidate
from ..answers import Finding, Hop, Question, stopped
from ..texts import clock
from ..world import Known, World
from .deliveries import undeclared
from .functions import switched_off

_COLLECTED = (
    "SELECT m.window_end_ms FROM lambda_collected c JOIN lambda_mappings m ON m.mapping_arn = c.mapping_arn"
    " WHERE c.mapping_arn = ? AND c.record_id = ? ORDER BY c.seq LIMIT 1"
)
_IN_FLIGHT = "SELECT count(*) FROM lambda_batches WHERE mapping_arn = ?"
_SWITCHED = frozenset({"MappingEnabled", "MappingDisabled"})
_RELEASED = frozenset({"RecordsReleased", "RecordFailed"})


def _leads_to(world: World, mapping: Known) -> list[str]:
    return [parse_mapping(mapping.config).function_arn]


# --- a message to the mapping -------------------------------------------------------------------


def taken(world: World, rows: list[TraceRow], mapping: Known) -> Hop:
    """Whether a message, which all `rows` are about, is or was in a batch of the mapping; if not, why."""
    settings = parse_mapping(mapping.config)
    received = [row for row in rows if row.kind == "MessageReceived" and row.arn == settings.source_arn]
    batches = [batch for row in received for batch in world.book.batches_with(row) if batch.arn == mapping.arn]
    if batches:
        return Hop(batches[-1])
    filtered = [row for row in rows if row.kind == "RecordFiltered" and row.arn == mapping.arn]
    if filtered:
        return stopped(*_filtered(world, rows, received, filtered[-1], mapping, settings))
    off = switched_off_mapping(world, mapping, settings)
    return stopped(*(off or _waiting(world, rows, mapping, settings)))


def switched_off_mapping(world: World, mapping: Known, settings: MappingSettings) -> list[Finding]:
    """What keeps a mapping from polling at all."""
    if not mapping.wired:
        return [undeclared(mapping)]
    if settings.enabled:
        return []
    row = world.last(mapping.arn, _SWITCHED)
    return [Finding("disabled", f"{mapping} is disabled, so it polls nothing", () if row is None else (row,))]


def _waiting(world: World, rows: list[TraceRow], mapping: Known, settings: MappingSettings) -> list[Finding]:
    subject = rows[0].subject if rows else ""
    collected = world.one(_COLLECTED, mapping.arn, subject)
    if collected is not None:
        end = "" if collected[0] is None else f", whose window ends at {iso_ms(collected[0])}"
        return [Finding("window", f"{mapping} has collected it for a batch{end}")]
    refused = world.last(mapping.arn, {"PollRefused", "BatchStarted", *_SWITCHED})
    if refused is not None and refused.kind == "PollRefused":
        details = refused.details
        again = clock(details["retry_at_ms"])
        text = f"the queue refuses the polls of {mapping}: {details['code']}; tried again at {again}"
        return [Finding("poll_refused", text, (refused,))]
    if not rows:
        return [Finding("mapping", f"{mapping} polls its queue; ask about a message")]
    return _busy(world, rows, mapping)


def _busy(world: World, rows: list[TraceRow], mapping: Known) -> list[Finding]:
    released = [row for row in rows if row.kind in _RELEASED and row.arn == mapping.arn][-1:]
    found = [Finding("released", f"it came back: {row.details['reason']}", (row,)) for row in released]
    counted = world.one(_IN_FLIGHT, mapping.arn)
    in_flight = counted[0] if counted is not None else 0
    if in_flight:
        row = world.last(mapping.arn, {"BatchThrottled"})
        if row is not None and row.details["retry_at_ms"] < world.now_ms:
            row = None
        text = f"{mapping} has {in_flight} batch{'' if in_flight == 1 else 'es'} in flight"
        found.append(Finding("busy", text, () if row is None else (row,)))
    return found or [Finding("on_its_way", f"{mapping} has not taken it yet", tuple(rows[-1:]))]


def _filtered(
    world: World,
    rows: list[TraceRow],
    received: list[TraceRow],
    filtered: TraceRow,
    mapping: Known,
    settings: MappingSettings,
) -> list[Finding]:
    """The filters that did not match, each with the field that failed, evaluated again."""
    then = filtered.details.get("revision", mapping.revision)
    changed: list[Finding] = []
    if then != mapping.revision:
        row = world.last(mapping.arn, _SWITCHED)
        text = f"{mapping} has changed since: revision {then} then, {mapping.revision} now; evaluated are now's filters"
        changed = [Finding("changed", text, () if row is None else (row,))]
    dropped = Finding("filter", f"{mapping} deleted it without an invocation: {filtered.details['rule']}", (filtered,))
    record = record_of(world, rows, received, settings)
    if record is None:
        return [dropped, Finding("no_body", "its body is no longer kept, so the field cannot be named"), *changed]
    failing = explain_filters(compiled(settings.filters), record)
    named = [
        Finding("filter_field", f"filter {number} {text}: {why}")
        for number, (text, why) in enumerate(zip(settings.filters, failing, strict=False), start=1)
    ]
    if not failing:
        named = [Finding("matches_now", "with the filters as they are now it would pass")]
    return [dropped, *named, *changed]


def record_of(
    world: World, rows: list[TraceRow], received: list[TraceRow], settings: MappingSettings
) -> dict[str, object] | None:
    """The record that the filters saw, made again from the trace; None when the body is no longer kept.

    The trace has no types of message attributes: they are taken as String.
    """
    sent = next((row for row in rows if row.kind == "MessageSent"), None)
    body = world.book.payload(sent.details["payload"]) if sent is not None else None
    if sent is None or body is None:
        return None
    given = sent.details.get("message_attributes")
    attributes = [[name, "String", value] for name, value in given.items()] if given else None
    count = received[-1].details["receive_count"] if received else 1
    first_ms = received[0].at_ms if received else sent.at_ms
    message = Candidate(
        seq=0,
        message_id=sent.subject,
        body=body,
        size=sent.details.get("size", 0),
        attributes=None if attributes is None else json.dumps(attributes),
        trace_header=None,
        md5_of_body=md5_of_body(body),
        md5_of_attributes=None,
        sender_id=sent.details.get("sender_id", DEFAULT_SENDER_ID),
        sent_ms=sent.at_ms,
        visible_ms=0,
        receive_count=count,
        receives_before=0,
        first_received_ms=first_ms,
        dead_letter_source=None,
        cause=sent.id,
        span=0,
        group_id=sent.details.get("message_group_id"),
    )
    text = event_record(
        settings.source_arn,
        message,
        handle="",
        receive_count=count,
        first_received_ms=first_ms,
        null_md5=settings.window_ms > 0,
    )
    found: dict[str, object] = json.loads(text)
    return found


# --- a batch to the function --------------------------------------------------------------------


def ask(world: World, event: TraceRow | None, mapping: Known, function: Known) -> Hop:
    """Why a batch of the mapping did not run its function."""
    settings = parse_mapping(mapping.config)
    if settings.function_arn != function.arn:
        return stopped(Finding("no_mapping", f"{mapping} does not lead to {function}"))
    off = [*switched_off_mapping(world, mapping, settings), *switched_off(function)]
    if event is None:
        return stopped(*(off or _waiting(world, [], mapping, settings)))
    about = world.book.about(f"batch-{event.id}")
    began = [row for row in world.book.caused_by(event.id) if row.kind == "InvocationStarted"]
    if began:
        return Hop(began[-1])
    released = [row for row in about if row.kind == "BatchReleased"]
    throttled = [row for row in about if row.kind == "BatchThrottled"]
    if released:
        text = f"{function} did not run with its batch: {released[-1].details['reason']}"
        return stopped(Finding("released", text, (*throttled[-1:], released[-1])), *off)
    if throttled:
        details = throttled[-1].details
        text = (
            f"{function} is throttled: {details['reason']}; the batch is tried again at {clock(details['retry_at_ms'])}"
        )
        return stopped(Finding("throttled", text, (throttled[-1],)), *off)
    return stopped(*off, Finding("on_its_way", f"the batch is on its way to {function}", (event,)))


def own(world: World, event: TraceRow | None, mapping: Known) -> Hop:
    """What a mapping does at all."""
    settings = parse_mapping(mapping.config)
    return stopped(*(switched_off_mapping(world, mapping, settings) or _waiting(world, [], mapping, settings)))


MAPPINGS = Question(
    events=frozenset({"BatchStarted"}),
    reached=frozenset({"BatchStarted"}),
    leads_to=_leads_to,
    ask=ask,
    own=own,
)

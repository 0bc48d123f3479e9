"""Why an event on a bus did not match a rule, or is not in an archive: the field of the pattern that failed."""

from __future__ import annotations

import json
from typing import Any

from ...aws.event_pattern import compile_pattern, explain
from ...kernel.trace import TraceRow
from ...services.eventbridge.arns import ARCHIVE, RULE, bus_of
from ...services.eventbridge.settings import DISABLED
from ..answers import Finding, Hop, Question, stopped
from ..world import Known, World
from .deliveries import undeclared

_RULE_CHANGES = frozenset({"RuleCreated", "RuleChanged"})
_ARCHIVE_CHANGES = frozenset({"ArchiveCreated", "ArchiveChanged"})


def _leads_to(world: World, bus: Known) -> list[str]:
    rules = [each.arn for each in world.of_kind(RULE) if _is_on(each, bus) and "event_pattern" in each.config]
    return rules + [each.arn for each in world.of_kind(ARCHIVE) if each.config["event_source_arn"] == bus.arn]


def _is_on(rule: Known, bus: Known) -> bool:
    return bus_of(rule.arn) == bus.arn


def ask(world: World, event: TraceRow | None, bus: Known, target: Known) -> Hop:
    """Of an event whether it matched the rule, or went into the archive; its pattern as it is now is tried again."""
    if target.kind == ARCHIVE and target.config["event_source_arn"] == bus.arn:
        return _archived(world, event, target)
    if target.kind != RULE:
        return stopped(Finding("no_rule", f"no rule of {bus} has {target} as its target"))
    if not _is_on(target, bus):
        return stopped(Finding("other_bus", f"{target} is a rule of another bus than {bus}"))
    if event is None:
        return stopped(Finding("pattern", f"{target} wants {target.config.get('event_pattern')}; ask about an event"))
    if event.kind != "EventReceived":
        return stopped(Finding("not_received", f"the event never was on {bus}", (event,)))
    matched = [row for row in world.book.caused_by(event.id) if row.kind == "RuleMatched" and row.arn == target.arn]
    if matched:
        return Hop(matched[-1])
    return stopped(*_unmatched(world, event, target))


def _unmatched(world: World, event: TraceRow, rule: Known) -> list[Finding]:
    found: list[Finding] = []
    changed = world.last(rule.arn, _RULE_CHANGES)
    if not rule.wired:
        found.append(undeclared(rule))
    text = rule.config.get("event_pattern")
    if text is None:
        return [*found, Finding("no_pattern", f"{rule} has a schedule and no pattern")]
    mismatch = explain(compile_pattern(text), _event(world, event))
    if mismatch is not None:
        found.append(Finding("pattern", f"{rule} did not match: {mismatch}"))
    if rule.config["state"] == DISABLED:
        found.append(Finding("disabled", f"{rule} is disabled"))
    if changed is not None and changed.id > event.id:
        since = "made" if changed.kind == "RuleCreated" else "changed"
        found.append(Finding("changed", f"{rule} was {since} after the event; compared is what it is now", (changed,)))
    return found or [Finding("matches_now", f"{rule} matches as it is now; it did not when the event came")]


def _archived(world: World, event: TraceRow | None, archive: Known) -> Hop:
    if event is None:
        text = archive.config.get("event_pattern") or "every event"
        return stopped(Finding("pattern", f"{archive} keeps {text}; ask about an event"))
    kept = [row for row in world.book.caused_by(event.id) if row.kind == "EventArchived" and row.arn == archive.arn]
    if kept:
        return Hop(kept[-1])
    if event.details.get("replay") is not None:
        return stopped(Finding("replayed", "what a replay sends is not archived again", (event,)))
    text, found = archive.config.get("event_pattern"), []
    if not archive.wired:
        found.append(undeclared(archive))
    mismatch = None if text is None else explain(compile_pattern(text), _event(world, event))
    if mismatch is not None:
        found.append(Finding("pattern", f"{archive} did not take it: {mismatch}"))
    changed = world.last(archive.arn, _ARCHIVE_CHANGES)
    if changed is not None and changed.id > event.id:
        found.append(Finding("changed", f"{archive} was made or changed after the event", (changed,)))
    return stopped(*(found or [Finding("matches_now", f"{archive} would take it as it is now")]))


def _event(world: World, event: TraceRow) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.book.payload(str(event.details["payload"])) or "{}")
    return found


def not_reached(world: World, event: TraceRow | None, bus: Known) -> Hop:
    """Of a bus as the target itself: there is nothing that it does not take."""
    return stopped(Finding("no_event", f"no such event came to {bus}", () if event is None else (event,)))


BUSES = Question(
    events=frozenset({"EventReceived", "EventLost"}),
    reached=frozenset({"EventReceived"}),
    leads_to=_leads_to,
    ask=ask,
    own=not_reached,
)
DESTINATIONS = Question(
    events=frozenset(),
    reached=frozenset({"HttpRequestSucceeded"}),
    leads_to=lambda world, destination: (),
    ask=lambda world, event, destination, target: stopped(Finding("outside", f"{destination} leads out of AWS")),
)
ARCHIVES = Question(
    events=frozenset(),
    reached=frozenset({"EventArchived"}),
    leads_to=lambda world, archive: (),
    ask=lambda world, event, archive, target: stopped(Finding("archive", f"{archive} sends only what is replayed")),
)

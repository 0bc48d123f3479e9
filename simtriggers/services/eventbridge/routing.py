"""From an event on a bus to the targets of its rules: what each target gets, and one delivery for each.

Source: Amazon EventBridge User Guide, "Amazon EventBridge targets", "Amazon EventBridge input transformation",
"Sending and receiving events between event buses"; the error codes are those of "Using dead-letter queues".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ...aws.arn import region_and_account
from ...aws.dead_letters import dead_letter_attributes
from ...aws.input_transformer import Context, transform
from ...aws.input_transformer_paths import MISSING, follow
from ...kernel.clock import iso_s
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Deliver, Note, Payload, RetryPolicy, payload
from ...kernel.ids import Ids
from ...kernel.service import Resource
from . import records
from .arns import API_DESTINATION, EVENT_BUS, kind_of
from .matching import RulesOfBus
from .settings import RuleTarget

LOCAL_HOP, REGION_HOP, ACCOUNT_HOP = "local", "region", "account"
_TOO_MANY_HOPS = {
    LOCAL_HOP: ("THIRD_ACCOUNT_HOP_DETECTED", "An event that came from another event bus is not sent to a third one."),
    REGION_HOP: ("THIRD_REGION_HOP_DETECTED", "The event has been sent to another Region before."),
    ACCOUNT_HOP: ("THIRD_ACCOUNT_HOP_DETECTED", "The event has been sent to another account before."),
}
_LETTERS = RetryPolicy("dead-letter", maximum_retries=0, maximum_age_ms=0)


@dataclass(frozen=True, slots=True)
class BusEvent:
    """An event on a bus: its id, its JSON text stored as `stored`, and the same parsed. `hops` are those it has made
    from bus to bus; `trace_header` goes along to queues."""

    id: str
    stored: Payload
    data: dict[str, Any]
    hops: tuple[str, ...] = ()
    trace_header: str | None = None


@dataclass(slots=True)
class Round:
    """The event of one decision with what its deliveries need; `made` are inputs that were stored already."""

    decision: Decision
    event: BusEvent
    now_ms: int
    ids: Ids
    made: set[str] = field(default_factory=set)

    def store(self, text: str) -> str:
        """The digest of a text, which is stored once."""
        item = payload(text)
        if item.digest not in self.made and item.digest != self.event.stored.digest:
            self.made.add(item.digest)
            self.decision.payloads.append(item)
        return item.digest


def route(
    round_: Round, bus: str, rules: RulesOfBus, *, cause: int, only: Collection[str] | None = None
) -> tuple[int, int]:
    """Deliver an event to every target of every rule that it matches; how many rules match, and how many do not.

    `only` are the ARNs of rules that a replay is for; None: all. The event's own text is stored by the caller.
    """
    decision, event, ids = round_.decision, round_.event, round_.ids
    matching = rules.matching(event.data)
    if only is not None:
        matching = [rule for rule in matching if rule.arn in only]
    for rule in matching:
        details: dict[str, Any] = {"event_bus": bus, "targets": [target.arn for target in rule.config.targets]}
        note = Note(ids.row_id(), "RuleMatched", rule.arn, event.id, cause, details)
        decision.notes.append(note)
        for target in rule.config.targets:
            send(round_, rule, target, cause=note.id)
    asked = rules.count if only is None else sum(arn in only for arn in rules.enabled)
    missed = asked - len(matching)
    if missed:
        summary: dict[str, Any] = {"not_matched": missed, "of": asked, "revision": rules.revision}
        if rules.disabled and only is None:
            summary["disabled"] = rules.disabled
        decision.notes.append(Note(ids.row_id(), "RulesNotMatched", bus, event.id, cause, summary))
    return len(matching), missed


# --- one target ---------------------------------------------------------------------------------


def send(round_: Round, rule: Resource, target: RuleTarget, *, cause: int) -> None:
    """Deliver what a rule's target gets of an event, or say why nothing is sent."""
    event = round_.event
    if kind_of(target.arn) == EVENT_BUS:
        _to_bus(round_, rule, target, cause=cause)
        return
    digest = _input(round_, rule, target)
    if digest is None:
        # As on AWS, where nothing tells that the template makes no JSON: not even the dead-letter queue.
        details = {
            "target": target.arn,
            "rule": "the input transformer made no valid JSON",
            "payload": event.stored.digest,
        }
        note = Note(round_.ids.row_id(), "InputInvalid", rule.arn, event.id, cause, details)
        round_.decision.notes.append(note)
        return
    context = _context(round_, rule, target, digest)
    order_key = None
    if target.group_id is not None:
        context.append(("group_id", target.group_id))
        order_key = f"{target.arn}/{target.group_id}"
    if event.trace_header is not None:
        context.append(("system_attribute:AWSTraceHeader", event.trace_header))
    if kind_of(target.arn) == API_DESTINATION:
        context += _http_context(target)
    deliver = Deliver(target.arn, digest, target.policy, cause, target.dead_letter, tuple(context), order_key)
    round_.decision.effects.append(deliver)


def _context(round_: Round, rule: Resource, target: RuleTarget, digest: str) -> list[tuple[str, str]]:
    context = [
        ("source", rule.arn),
        ("rule_arn", rule.arn),
        ("target_arn", target.arn),
        ("subject", round_.event.id),
    ]
    if target.dead_letter is not None and digest != round_.event.stored.digest:
        context.append(("dead_letter_payload", round_.event.stored.digest))
    return context


def _http_context(target: RuleTarget) -> list[tuple[str, str]]:
    """What a rule adds to the requests of an API destination."""
    found = [("http_path", value) for value in target.http.path]
    found += [(f"http_header:{name}", value) for name, value in target.http.headers]
    return found + [(f"http_query:{name}", value) for name, value in target.http.query]


def _input(round_: Round, rule: Resource, target: RuleTarget) -> str | None:
    """The digest of what the target gets; None when its template makes no JSON.

    Unverified: an input path that leads nowhere gives `null`.
    """
    event = round_.event
    if target.input is not None:
        return round_.store(target.input.body)
    if target.input_path is not None:
        found = follow(target.input_path, event.data)
        return round_.store("null" if found is MISSING else to_json(found))
    if target.template is None:
        return event.stored.digest
    context = Context(rule.arn, rule.name, iso_s(round_.now_ms), event.stored.body)
    text = transform(target.template, dict(target.paths), event.data, context)
    return None if text is None else round_.store(text)


# --- another bus --------------------------------------------------------------------------------


def _to_bus(round_: Round, rule: Resource, target: RuleTarget, *, cause: int) -> None:
    """The event as it is; only a hop to another Region gives it another id. No input of the target is applied.

    An event goes to one other account and to one other Region at most, and never on from a bus of the same account and
    Region that it was sent to. Unverified: the code of the last case.
    """
    event, ids = round_.event, round_.ids
    hops = _hops(rule.arn, target.arn)
    beyond = next((hop for hop in hops if hop in event.hops), None)
    if beyond is None and LOCAL_HOP in hops and event.hops:
        beyond = LOCAL_HOP
    if beyond is not None:
        _hopped_too_often(round_, rule, target, *_TOO_MANY_HOPS[beyond], cause=cause)
        return
    digest, event_id = event.stored.digest, event.id
    if REGION_HOP in hops:
        event_id = ids.uuid("events.event_id")
        digest = round_.store(records.with_id(event.stored.body, event.id, event_id))
    context = _context(round_, rule, target, digest)
    context = [(name, event_id if name == "subject" else text) for name, text in context]
    context.append(("hops", ",".join([*event.hops, *hops])))
    deliver = Deliver(target.arn, digest, target.policy, cause, target.dead_letter, tuple(context))
    round_.decision.effects.append(deliver)


def _hops(rule: str, bus: str) -> tuple[str, ...]:
    (region, account), (to_region, to_account) = region_and_account(rule), region_and_account(bus)
    found = (ACCOUNT_HOP,) * (account != to_account) + (REGION_HOP,) * (region != to_region)
    return found or (LOCAL_HOP,)


def _hopped_too_often(
    round_: Round, rule: Resource, target: RuleTarget, code: str, message: str, *, cause: int
) -> None:
    """The delivery is given up before it begins."""
    event, ids, decision = round_.event, round_.ids, round_.decision
    digest = event.stored.digest
    details: dict[str, Any] = {
        "target": target.arn, "attempt": 1, "code": code, "message": message, "payload": digest,
    }  # fmt: skip
    failed = Note(ids.row_id(), "DeliveryFailed", target.arn, event.id, cause, details)
    decision.notes.append(failed)
    give_up(
        decision,
        target_arn=target.arn,
        dead_letter=target.dead_letter,
        context=tuple(_context(round_, rule, target, digest)),
        letter=digest,
        code=code,
        message=message,
        condition=None,
        retries=0,
        cause=failed.id,
        ids=ids,
    )


def give_up(
    decision: Decision,
    *,
    target_arn: str,
    dead_letter: str | None,
    context: tuple[tuple[str, str], ...],
    letter: str,
    code: str,
    message: str,
    condition: str | None,
    retries: int,
    cause: int,
    ids: Ids,
) -> None:
    """End a delivery that EventBridge itself gives up: to the dead-letter queue with its attributes, or dropped.

    `context` is the delivery's, `letter` the digest of what the dead-letter queue gets.
    """
    subject, reason = dict(context)["subject"], condition or "not retryable"
    if dead_letter is None:
        details = {"target": target_arn, "rule": f"no dead-letter queue; {reason}", "payload": letter}
        decision.notes.append(Note(ids.row_id(), "DeliveryDropped", target_arn, subject, cause, details))
        return
    attributes = dead_letter_attributes(
        "eventbridge",
        context=context,
        target_arn=target_arn,
        error_code=code,
        error_message=message,
        condition=condition,
        retries=retries,
    )
    details = {"target": target_arn, "dead_letter": dead_letter, "reason": reason, "payload": letter}
    sent = Note(ids.row_id(), "DeliverySentToDeadLetterQueue", target_arn, subject, cause, details)
    decision.notes.append(sent)
    source = tuple(pair for pair in context if pair[0] == "source")
    decision.effects.append(Deliver(dead_letter, letter, _LETTERS, sent.id, context=(*source, *attributes)))

"""What becomes of a delivery that its target refused: another attempt, the dead-letter queue, or a drop.

The one retry mechanism of the simulator. Pure: from the attempt and the refusal to a Decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..aws.contracts import Delivery
from ..aws.dead_letters import dead_letter_attributes
from ..kernel.agenda import ORDINARY, Entry
from ..kernel.effects import Note, Refused, RetryPolicy, filled
from ..kernel.ids import Ids
from ..kernel.retries import Exhausted, next_attempt

DEAD_LETTER_POLICY = RetryPolicy("dead-letter", maximum_retries=0, maximum_age_ms=0)


@dataclass(frozen=True, slots=True)
class Consequence:
    """Notes to trace, and the entry that follows, if any."""

    notes: list[Note]
    entry: Entry | None


def refused(entry: Entry, refusal: Refused, *, now_ms: int, ids: Ids) -> Consequence:
    """A delivery's attempt failed with `refusal`.

    Retried while its policy allows, if the refusal is retryable; then sent to its dead-letter ARN with
    the attributes that the policy's owner adds; else dropped, which a row says.
    """
    delivery: Delivery = entry.command
    details: dict[str, object] = {
        "target": entry.arn,
        "attempt": delivery.attempt,
        "code": refusal.code,
        "message": refusal.message,
        "payload": delivery.payload,
    }
    note = Note(ids.row_id(), "DeliveryFailed", entry.arn, _subject(delivery), entry.cause, details)
    condition: str | None = None
    if refusal.retryable:
        chance = ids.random(f"delivery.jitter.{delivery.policy.name}").random() if delivery.policy.jitter else 0.0
        following = next_attempt(
            delivery.policy, attempts=delivery.attempt, first_ms=delivery.first_ms, now_ms=now_ms, chance=chance
        )
        if not isinstance(following, Exhausted):
            details["retry_at_ms"] = following.at_ms
            again = _next(delivery)
            return Consequence(
                [note],
                Entry(following.at_ms, ORDINARY, entry.arn, again, note.id, order_key=entry.order_key),
            )
        condition = following.condition
    return _given_up(entry, delivery, refusal, condition, note, now_ms=now_ms, ids=ids)


def _given_up(
    entry: Entry,
    delivery: Delivery,
    refusal: Refused,
    condition: str | None,
    failed: Note,
    *,
    now_ms: int,
    ids: Ids,
) -> Consequence:
    reason = condition or "not retryable"
    if delivery.dead_letter is None:
        details = {"target": entry.arn, "rule": f"no dead-letter queue; {reason}", "payload": delivery.payload}
        dropped = Note(ids.row_id(), "DeliveryDropped", entry.arn, _subject(delivery), failed.id, details)
        return Consequence([failed, dropped], None)
    attributes = dead_letter_attributes(
        delivery.policy.name,
        context=delivery.context,
        target_arn=entry.arn,
        error_code=refusal.code,
        error_message=refusal.message,
        condition=condition,
        retries=delivery.attempt - 1,
    )
    sent = Note(
        ids.row_id(),
        "DeliverySentToDeadLetterQueue",
        entry.arn,
        _subject(delivery),
        failed.id,
        {"target": entry.arn, "dead_letter": delivery.dead_letter, "reason": reason, "payload": delivery.payload},
    )
    letter = Delivery(
        payload=dict(delivery.context).get("dead_letter_payload", delivery.payload),
        policy=DEAD_LETTER_POLICY,
        attempt=1,
        first_ms=now_ms,
        context=(*((name, text) for name, text in delivery.context if name == "source"), *attributes),
    )
    return Consequence([failed, sent], Entry(now_ms, ORDINARY, delivery.dead_letter, letter, sent.id))


def _next(delivery: Delivery) -> Delivery:
    """The same delivery's next attempt. A text with the number of the attempt in it (`filled`) gets the new one."""
    attempt = delivery.attempt + 1
    if ("counts_attempts", "yes") not in delivery.context:
        return replace(delivery, attempt=attempt)
    context = tuple(
        (name, _counted(text, attempt) if name == "dead_letter_payload" else text) for name, text in delivery.context
    )
    return replace(delivery, attempt=attempt, payload=_counted(delivery.payload, attempt), context=context)


def _counted(digest: str, attempt: int) -> str:
    return filled(digest.partition("~")[0], str(attempt))


def _subject(delivery: Delivery) -> str:
    for name, text in delivery.context:
        if name == "subject":
            return text
    return delivery.payload

"""What a schedule sends: the default notification, events for a bus, and context attributes in an input.

Source: EventBridge Scheduler User Guide, "Adding context attributes"; a capture of 2024 of the notification that
goes out when no Input is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...kernel.codec import to_json
from ...kernel.effects import SUBSTITUTE

_CONTEXT = re.compile(r"<aws\.scheduler\.(schedule-arn|scheduled-time|execution-id|attempt-number)>")
_ATTEMPT = "<aws.scheduler.attempt-number>"


@dataclass(frozen=True, slots=True)
class Execution:
    """One turn: whose it is, its id (16 hexadecimal digits), and when it was due, such as
    `2026-01-15T12:34:00Z`."""

    schedule_arn: str
    id: str
    scheduled_time: str


def numbered(text: str) -> bool:
    """Whether an input has the number of the attempt in it, so that each attempt sends another text."""
    # A text that already has the character which stands for the number keeps the number of its first attempt.
    return _ATTEMPT in text and SUBSTITUTE not in text and "\\u001a" not in text


def with_context(text: str, execution: Execution) -> str:
    """An input with its context attributes filled in, wherever they stand. The number of the attempt becomes
    SUBSTITUTE when the input is `numbered`, else 1."""
    found = {
        "schedule-arn": execution.schedule_arn,
        "scheduled-time": execution.scheduled_time,
        "execution-id": execution.id,
        "attempt-number": SUBSTITUTE if numbered(text) else "1",
    }
    return _CONTEXT.sub(lambda match: found[match[1]], text)


def default_notification(*, event_id: str, account: str, region: str, execution: Execution) -> str:
    """The minified JSON text of what a target gets without an Input. `detail` is a text, as AWS sends it."""
    return to_json(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": execution.scheduled_time,
            "region": region,
            "resources": [execution.schedule_arn],
            "detail": "{}",
        }
    )


def bus_event(
    *,
    event_id: str,
    detail_type: str,
    source: str,
    account: str,
    time: str,
    region: str,
    resources: tuple[str, ...],
    detail: dict[str, Any],
) -> str:
    """The minified JSON text of an event that a schedule puts on a bus."""
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": time,
        "region": region,
        "resources": list(resources),
        "detail": detail,
    }
    return to_json(event)

"""The event that a scheduled rule sends.

Source: Amazon EventBridge User Guide, "AWS service event metadata" and "Creating a scheduled rule"; the
order of the keys is that of delivered events.
"""

from __future__ import annotations

from ...kernel.clock import iso_s
from ...kernel.codec import to_json


def scheduled_event(*, event_id: str, account: str, region: str, scheduled_ms: int, rule_arn: str) -> str:
    """The minified JSON text of a Scheduled Event.

    `time` is when it was due and not when it was sent, with whole seconds; `detail` is an empty object.
    """
    return to_json(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": iso_s(scheduled_ms),
            "region": region,
            "resources": [rule_arn],
            "detail": {},
        }
    )

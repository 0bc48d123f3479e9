"""The event that a scheduled rule sends.

Source: Amazon EventBridge User Guide, "AWS service event metadata" and "Creating a scheduled rule"; the
order of the keys is that of delivered events.
"""

from __future__ import annotations

from ...kernel.codec import to_json


def scheduled_event(*, event_id: str, account: str, region: str, time: str, rule_arn: str) -> str:
    """The minified JSON text of a Scheduled Event.

    `time` is when it was due and not when it was sent, such as `2026-01-15T12:34:00Z`; `detail` is an
    empty object.
    """
    return to_json(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": time,
            "region": region,
            "resources": [rule_arn],
            "detail": {},
        }
    )

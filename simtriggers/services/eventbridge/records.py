"""Events as they arrive and as they are delivered: the envelope, in the order of its keys.

Source: Amazon EventBridge User Guide, "AWS service event metadata" and "Creating a scheduled rule"; the
order of the keys is that of delivered events.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ...aws.json_text import without_space
from ...kernel.codec import to_json


def scheduled_event(*, event_id: str, account: str, region: str, time: str, rule_arn: str) -> str:
    """The minified JSON text of a Scheduled Event.

    `time` is when it was due and not when it was sent, such as `2026-01-15T12:34:00Z`; `detail` is an
    empty object.
    """
    before, after = _around(account, region, rule_arn)
    return f'{{"version":"0","id":"{event_id}",{before}{time}{after}'


@lru_cache(maxsize=1024)
def _around(account: str, region: str, rule_arn: str) -> tuple[str, str]:
    """What stands between the id and the time, and after that: the same at every turn of a rule."""
    facts = {"detail-type": "Scheduled Event", "source": "aws.events", "account": account}
    rest = {"region": region, "resources": [rule_arn], "detail": {}}
    return f'{to_json(facts)[1:-1]},"time":"', f'",{to_json(rest)[1:]}'


def envelope(
    *,
    event_id: str,
    detail_type: str,
    source: str,
    account: str,
    time: str,
    region: str,
    resources: Sequence[str],
    detail: str,
) -> str:
    """The minified JSON text of an event; `detail` is JSON text, whose numbers and escapes stay as they are."""
    head = to_json(
        {
            "version": "0",
            "id": event_id,
            "detail-type": detail_type,
            "source": source,
            "account": account,
            "time": time,
            "region": region,
            "resources": list(resources),
        }
    )
    return f'{head[:-1]},"detail":{without_space(detail)}}}'


_BEFORE_RESOURCES = ',"resources":'


def replayed(text: str, replay_name: str) -> str:
    """The text of an event as a replay sends it: `replay-name` stands before the resources."""
    place = text.index(_BEFORE_RESOURCES)
    return f'{text[:place]},"replay-name":{to_json(replay_name)}{text[place:]}'


def with_id(text: str, old: str, new: str) -> str:
    """The text of an event with another id, as a hop to another Region gives it."""
    return text.replace(f'"id":{to_json(old)}', f'"id":{to_json(new)}', 1)

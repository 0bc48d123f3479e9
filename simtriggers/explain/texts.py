"""Short texts for people: names instead of ARNs, times, durations, payloads cut to fit."""

from __future__ import annotations

import json
import re
from typing import Any

from ..aws.arn import name_of, service_of
from ..kernel.clock import iso_ms

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SERVICES = {"scheduler": "schedule"}
_EVENTS = {"event-bus": "bus", "api-destination": "http"}
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


def resource(arn: str) -> str:
    """`sqs:ingest` of a queue's ARN; `mapping:3f2a9c01` of an event source mapping's, `sns:orders/5a6b7c8d` of
    a subscription's; `run` of none."""
    if not arn.startswith("arn:") or arn.count(":") < 5:
        return arn or "run"
    if ":event-source-mapping:" in arn:
        return f"mapping:{name_of(arn)[:8]}"
    if ":schedule-group/" in arn:
        return f"schedule-group:{name_of(arn)}"
    service = service_of(arn)
    if service == "sns" and arn.count(":") > 5:
        _, topic, subscription = arn.rsplit(":", 2)
        return f"sns:{topic}/{subscription[:8]}"
    if service == "events":
        return _of_events(arn)
    return f"{_SERVICES.get(service, service)}:{name_of(arn)}"


def _of_events(arn: str) -> str:
    """`rule:nightly`, `rule:shop/orders` on another bus than the default one, `bus:shop`, `archive:orders`,
    `http:partner` of an API destination."""
    kind, _, rest = arn.split(":", 5)[5].partition("/")
    if kind in ("rule", "event-bus"):
        return f"{_EVENTS.get(kind, kind)}:{rest}"
    return f"{_EVENTS.get(kind, kind)}:{name_of(arn)}"


def short(subject: str) -> str:
    """The first eight digits of a UUID; anything else as it is, cut to 48 characters."""
    return subject[:8] if _UUID.fullmatch(subject) else cut(subject, 48)


def cut(text: str, length: int) -> str:
    """The text on one line, with `…` where it was cut to `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def clock(at_ms: int) -> str:
    """`12:34:56.789`, UTC."""
    return iso_ms(at_ms)[11:23]


def date(at_ms: int) -> str:
    """`2026-01-15`, UTC."""
    return iso_ms(at_ms)[:10]


def duration(ms: int) -> str:
    """`0ms`, `1.5s`, `2m05s`, `6h02m`, `3d04h`: the two largest units."""
    if ms < 0:
        return "-" + duration(-ms)
    if ms < 1000:
        return f"{ms}ms"
    if ms < 60_000:
        return f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    for place, (unit, size) in enumerate(_UNITS):
        if ms >= size:
            whole, rest = divmod(ms, size)
            smaller, part = _UNITS[place + 1]
            return f"{whole}{unit}{rest // part:02d}{smaller}"
    raise AssertionError("a duration of a minute or more has a unit")


def size(count: int) -> str:
    """`27 bytes`, `1.5 KB`, `6.0 MB`, with powers of 1024."""
    if count < 1024:
        return f"{count} byte{'' if count == 1 else 's'}"
    return f"{count / 1024:.1f} KB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"


def plain(value: Any) -> str:
    """A detail as a person would write it: texts bare, the rest as JSON, at most 100 characters."""
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 100)


def event(text: str) -> str:
    """What a function was given: its records' keys or message ids, or the event itself, cut to fit."""
    if not text.startswith('{"Records":'):
        return cut(text, 80)
    try:
        records = json.loads(text)["Records"]
        named = [_record(record) for record in records]
    except (ValueError, KeyError, TypeError):
        return cut(text, 80)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return cut(", ".join(named[:3]), 100) + more


def _record(record: dict[str, Any]) -> str:
    if "s3" in record:
        return f"{record['eventName']} {record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
    return f"message {short(record['messageId'])}: {cut(record['body'], 30)}"

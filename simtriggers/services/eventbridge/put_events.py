"""PutEvents: the checks of a request and of each entry, and the event that an entry becomes. Pure.

Source: Amazon EventBridge API Reference, PutEvents; Amazon EventBridge User Guide, "Calculating PutEvents event entry
size"; texts as recorded on AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...aws.json_text import parsed
from ...aws.limits import Limit
from ...kernel.clock import iso_s, parse_iso
from ...kernel.effects import Refused
from . import errors, records
from .commands import PutEventsEntry

ENTRIES = Limit(10, "Amazon EventBridge API Reference, PutEvents")
TIME_BYTES = Limit(14, "Amazon EventBridge User Guide, Calculating PutEvents event entry size")
DEPTH = 400
"""How deeply a detail may nest here; AWS takes 1,000 levels."""

_NULL = "null"


def check_request(entries: Sequence[PutEventsEntry], *, most_bytes: int) -> Refused | None:
    """What refuses a whole request. Unverified: a request of exactly `most_bytes` is too large."""
    if not 1 <= len(entries) <= ENTRIES:
        bound = f"less than or equal to {ENTRIES}" if entries else "greater than or equal to 1"
        shown = ", ".join(map(_shown, entries))
        return errors.constraint(f"[{shown}]", "entries", f"Member must have length {bound}")
    for number, entry in enumerate(entries, start=1):
        if entry.time is not None and _time_ms(entry.time) is None:
            return errors.constraint(entry.time, f"entries.{number}.member.time", "Member must be a timestamp")
    if sum(map(size_of, entries)) >= most_bytes:
        return errors.validation("Total size of the entries in the request is over the limit.")
    return None


def _shown(entry: PutEventsEntry) -> str:
    """An entry as AWS's message shows it."""
    resources = None if entry.resources is None else f"[{', '.join(entry.resources)}]"
    fields: dict[str, str | None] = {
        "time": entry.time,
        "source": entry.source,
        "resources": resources,
        "detailType": entry.detail_type,
        "detail": entry.detail,
        "eventBusName": entry.event_bus_name,
        "traceHeader": entry.trace_header,
        "kmsKeyIdentifier": None,
        "internalMetadata": None,
    }
    inside = ", ".join(f"{name}={_NULL if text is None else text}" for name, text in fields.items())
    return f"PutEventsRequestEntry({inside})"


def size_of(entry: PutEventsEntry) -> int:
    """The bytes of an entry that count: bus and trace header do not."""
    texts = (entry.source or "", entry.detail_type or "", entry.detail or "", *(entry.resources or ()))
    return sum(_bytes(text) for text in texts) + (TIME_BYTES if entry.time is not None else 0)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def check_entry(entry: PutEventsEntry) -> Refused | None:
    """What refuses one entry. Unverified: the order, and the text of a source that is AWS's own."""
    for name, text in (("Source", entry.source), ("DetailType", entry.detail_type), ("Detail", entry.detail)):
        if not text:
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return Refused("InvalidArgument", reason)
    assert entry.source is not None and entry.detail is not None
    if entry.source.startswith("aws."):
        return Refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    if detail_of(entry.detail) is None:
        return Refused("MalformedDetail", "Detail is malformed.")
    return None


def detail_of(text: str) -> dict[str, Any] | None:
    """The parsed detail; None for what is no JSON object, or nests too deeply."""
    if too_deep(text):
        return None
    try:
        found = parsed(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def too_deep(text: str) -> bool:
    """Whether JSON text nests more than DEPTH levels."""
    if text.count("{") + text.count("[") <= DEPTH:
        return False
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            depth += 1
            if depth > DEPTH:
                return True
        elif letter in "}]":
            depth -= 1
    return False


def _time_ms(text: str) -> int | None:
    try:
        return parse_iso(text)
    except ValueError:
        return None


def event_text(entry: PutEventsEntry, *, event_id: str, account: str, region: str, now_ms: int) -> str:
    """The JSON text of the event that a checked entry becomes."""
    assert entry.source is not None and entry.detail_type is not None and entry.detail is not None
    at_ms = now_ms if entry.time is None else parse_iso(entry.time)
    return records.envelope(
        event_id=event_id,
        detail_type=entry.detail_type,
        source=entry.source,
        account=account,
        time=iso_s(at_ms),
        region=region,
        resources=entry.resources or (),
        detail=entry.detail,
    )

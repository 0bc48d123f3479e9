"""Why an object event did not reach a target: its bucket's notifications, their events, prefixes and suffixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...kernel.trace import TraceRow
from ...services.s3.config import parse_bucket
from ...services.s3.events import CREATED_PUT, REMOVED_DELETE, Notification, encode_key
from ..answers import Finding, Hop, Question, stopped
from ..world import Known, World
from .deliveries import delivered, undeclared

_EVENTS = frozenset(
    {
        "ObjectCreated", "ObjectRemoved", "ObjectNotFound", "DeleteMarkerCreated", "ObjectTagged", "ObjectUntagged",
        "ObjectAclChanged", "ObjectRestoreStarted", "ObjectRestoreCompleted", "ObjectRestoreExpired",
        "ObjectTransitioned",
    }
)  # fmt: skip
_PLAIN = {"ObjectCreated": CREATED_PUT, "ObjectRemoved": REMOVED_DELETE, "ObjectNotFound": REMOVED_DELETE}
"""The event types of rows that nothing was judged for: the bucket was not declared, or has no notification."""
_TO_EVENTBRIDGE = frozenset({"EventBridgeEventSent", "EventBridgeEventNotSent"})
_JUDGED = frozenset({"NotificationMatched", "NotificationsNotMatched"})
_CHANGED = frozenset({"BucketCreated", "BucketChanged", "BucketUnwired"})
_INDEXED = "SELECT bucket FROM s3_objects WHERE key = ? AND cause = 0 ORDER BY bucket LIMIT 1"


def _leads_to(world: World, bucket: Known) -> list[str]:
    settings = parse_bucket(bucket.config)
    return [one.arn for one in settings.notifications] + ([settings.bus] if settings.eventbridge else [])


def indexed(world: World, key: str) -> tuple[Known, Finding] | None:
    """The bucket with an object of that key that never was an event, and why: a start only took its file over."""
    found = world.one(_INDEXED, key)
    bucket = None if found is None else world.resources.get(found[0])
    if bucket is None:
        return None
    settings = parse_bucket(bucket.config)
    text = (
        f"{key} is in {bucket}, but was no event: a start took the file over as it was (initial_files:"
        f" {settings.initial_files}, changes_while_down: {settings.changes_while_down})"
    )
    return bucket, Finding("indexed", text)


def ask(world: World, event: TraceRow | None, bucket: Known, target: Known) -> Hop:
    """Evaluate the bucket's notifications to the target again, as they are now."""
    settings = parse_bucket(bucket.config)
    ours = [one for one in settings.notifications if one.arn == target.arn]
    if event is None and settings.eventbridge and target.arn == settings.bus:
        return stopped(Finding("eventbridge", f"{bucket} tells {target} of every event; ask about a key"))
    if event is None:
        return stopped(*_in_general(bucket, ours, target))
    if event.kind == "FileSkipped":
        reason = event.details.get("reason", "")
        return stopped(Finding("no_object", f"the file never became an object: {reason}", (event,)))
    effects = world.book.caused_by(event.id)
    sent = [row for row in effects if row.kind == "EventBridgeEventSent" and row.details.get("target") == target.arn]
    if sent:
        return delivered(world, sent[-1], target)
    judged = [row for row in effects if row.kind in _JUDGED]
    matched = [row for row in judged if row.details.get("target") == target.arn]
    if matched:
        return delivered(world, matched[-1], target)
    name = judged[0].details["event"] if judged else event.details.get("event") or _PLAIN.get(event.kind, event.kind)
    findings = [*_changed(world, bucket, judged)]
    if not judged and not any(row.kind in _TO_EVENTBRIDGE for row in effects):
        findings.insert(0, Finding("not_wired", f"{bucket} triggered nothing then: the project did not declare it"))
    if not bucket.wired:
        findings.insert(0, undeclared(bucket))
    if not ours:
        return stopped(Finding("no_notification", f"{bucket} has no notification for {target}"), *findings)
    failing = [each for one in ours for each in _failing(one, bucket, name, encode_key(event.subject))]
    return stopped(*failing, *findings)


def _in_general(bucket: Known, ours: list[Notification], target: Known) -> Iterator[Finding]:
    if not bucket.wired:
        yield undeclared(bucket)
    if not ours:
        yield Finding("no_notification", f"{bucket} has no notification for {target}")
        return
    for one in ours:
        wants = ", ".join(one.events)
        wants += f", prefix {one.prefix!r}" if one.prefix else ""
        wants += f", suffix {one.suffix!r}" if one.suffix else ""
        yield Finding("notification", f"{bucket} tells {target} of {wants} ({one.id}); ask about a key")


def _failing(one: Notification, bucket: Known, event: str, key: str) -> Iterator[Finding]:
    """What of a notification the event does not fulfil; each part is judged by the notification's own rule."""
    place = f"notification {one.id} of {bucket}"
    if event not in one.types():
        yield Finding("event_type", f"{place} is for {', '.join(one.events)}; this was s3:{event}")
    for name, filtered in (("prefix", replace(one, suffix="")), ("suffix", replace(one, prefix=""))):
        if filtered.matches_key(key):
            continue
        wanted = getattr(one, name)
        lower = replace(filtered, prefix=filtered.prefix.lower(), suffix=filtered.suffix.lower())
        case = "; upper and lower case are told apart" if lower.matches_key(key.lower()) else ""
        yield Finding(name, f"{place} has {name} {wanted!r}, and the key it is compared with is {key!r}{case}")
    if event in one.types() and one.matches_key(key):
        yield Finding("matches_now", f"{place} matches as it is now; it did not when the event came")


def _changed(world: World, bucket: Known, judged: list[TraceRow]) -> Iterator[Finding]:
    then = judged[0].details.get("revision") if judged else None
    if then is None or then == bucket.revision:
        return
    row = world.last(bucket.arn, _CHANGED)
    text = (
        f"the settings of {bucket} have changed since: revision {then} then, {bucket.revision} now; compared are now's"
    )
    yield Finding("changed", text, () if row is None else (row,))


BUCKETS = Question(
    events=_EVENTS | {"FileSkipped"},
    reached=_EVENTS,
    leads_to=_leads_to,
    ask=ask,
)

"""One line for each kind of trace row: a table of templates, and how a template is filled in.

`{name}` is a detail, `{name:form}` a detail in one of the FORMS, `{name} word(s)` a number of words, `[...]` a part
that is left out when a detail in it is missing or says nothing. Kinds without a template show their details as they
are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from ..kernel.clock import iso_ms
from ..kernel.trace import TraceRow
from .texts import clock, cut, date, event, plain, resource, short, size

PayloadText = Callable[[str], str | None]

TEMPLATES: dict[str, str] = {
    # the run
    "Started": "[seed {seed}, ][from {start}][run number {incarnation} of this state][, its trace: {trace}]",
    "Restarted": "killed and started again, run number {incarnation}",
    "StepFailed": "{command}: {error}[, kept in {kept_in}]",
    # deliveries
    "DeliveryFailed": "attempt {attempt}: {code}: {message}[, again at {retry_at_ms:time}]",
    "DeliveryDropped": "given up: {rule}",
    "DeliverySentToDeadLetterQueue": "given up ({reason}), sent to {dead_letter:arn}",
    # buckets
    "BucketCreated": "{notifications} notification(s)[, folder {folder}][, versioning {versioning}]",
    "BucketChanged": (
        "revision {revision}, {notifications} notification(s)[, folder {folder}][, versioning {versioning}]"
    ),
    "BucketUnwired": "no longer declared; its objects stay",
    "BucketRemoved": "removed with its objects",
    "ObjectCreated": "{size:size}, etag {etag:short}[, {event}][, version {version_id:short}][, {storage_class}]",
    "ObjectRemoved": "deleted[, version {version_id:short}][, by the lifecycle rule {rule}]",
    "DeleteMarkerCreated": "marked as deleted, version {version_id:short}[, by the lifecycle rule {rule}]",
    "ObjectNotFound": "{request} of a key that is not there",
    "NotificationMatched": "{event} → {target:arn} ({notification})[, {not_matched:some} other(s) did not match]",
    "NotificationsNotMatched": "{event}: none of {not_matched} notifications matched",
    "FolderScanned": "{folder}: {indexed} indexed, {put} put, {removed} removed",
    "FolderGone": "{folder} is gone; its objects stay until it is there again",
    "FolderReturned": "{folder} is there again and is compared with the bucket",
    "FolderPolled": "{folder} cannot be watched and is polled[: {reason}]",
    "FileSkipped": "{reason}",
    "WriteAborted": "{operation}: {reason}",
    "TestEventSent": "s3:TestEvent → {target:arn}",
    "EventBridgeEventSent": "{detail_type} → {target:arn}",
    "EventBridgeEventNotSent": "{detail_type} for {target:arn}: {reason}",
    "MultipartUploadCreated": "upload {upload_id:short}",
    "MultipartUploadAborted": "upload {upload_id:short}",
    "ObjectTagged": "{tags:count} tag(s)",
    "ObjectUntagged": "its tags are gone",
    "ObjectAclChanged": "{acl}",
    "ObjectRestoreStarted": "for {days} day(s), {tier}, there at {due_ms:time}",
    "ObjectRestoreCompleted": "a copy until {until_ms:time}",
    "ObjectRestoreExpired": "the copy is gone, the archived object stays",
    "ObjectTransitioned": "{from} → {to}, by the lifecycle rule {rule}",
    "LifecycleSkipped": "{files} object(s): {reason}",
    # queues
    "QueueCreated": "created",
    "QueueUpdated": "new settings",
    "QueueNoLongerDeclared": "no longer declared; its messages stay",
    "QueueDeleted": "deleted with {messages} message(s)",
    "QueuePurged": "purged of {messages} message(s)",
    "QueueTagged": "{tags:count} tag(s)",
    "MessageSent": "{size:size}[: {payload:text}][, group {message_group_id}][, visible at {visible_ms:time}]",
    "MessageDeduplicated": "sent again, not taken[: {reason}][: deduplication id {deduplication_id}]",
    "MessageReceived": "receive {receive_count}, hidden until {visible_ms:time}[; {not_moved}]",
    "ReceiveRepeated": "receive {receive_count} repeated, hidden until {visible_ms:time}",
    "MessageVisibilityChanged": "{visibility_timeout}s from now, visible at {visible_ms:time}",
    "MessageDeleted": "deleted after receive {receive_count}[, because of #{by:some}]",
    "MessageDeleteIgnored": "{reason}",
    "MessageMovedToDeadLetterQueue": "→ {dead_letter_queue:arn}: {reason}",
    "MessageExpired": "{rule} was over at {expired_ms:time}",
    "MessageDropped": "{rule}[, because of #{by:some}]",
    "MessageRedriven": "→ {destination:arn} as message {message_id:short}",
    "MoveTaskStarted": "{messages} message(s) to move[ to {destination:arn}][, {per_second} a second]",
    "MoveTaskCancelling": "asked to stop",
    "MoveTaskEnded": "{status}, {moved} moved[: {failure_reason}]",
    # topics
    "TopicCreated": "created",
    "TopicUpdated": "new settings",
    "TopicNoLongerDeclared": "no longer declared; its subscriptions stay",
    "TopicDeleted": "deleted with {subscriptions} subscription(s)",
    "MessagePublished": "{size:size}[: {payload:text}][, group {group_id}]",
    "SubscriptionMatched": "→ {protocol} {target:arn}",
    "SubscriptionsNotMatched": "{not_matched} of {of} subscriptions: their filter policies did not match",
    "SubscriptionCreated": "{protocol} {endpoint:arn}",
    "SubscriptionUpdated": "{protocol} {endpoint:arn}: new settings",
    "SubscriptionNoLongerDeclared": "no longer declared",
    "SubscriptionConfirmationSent": "asks the {protocol} endpoint to confirm",
    "UnsubscribeConfirmationSent": "tells the {protocol} endpoint that it is unsubscribed",
    "SubscriptionConfirmed": "{protocol} {endpoint:arn} confirmed",
    "SubscriptionDeleted": "{protocol} {endpoint:arn} gets nothing any more",
    "OutboxEntry": "{protocol} to {to}[, {subject}]: {payload:text}",
    "HttpRequestSent": "attempt {attempt}: {type} to {url}",
    "HttpRequestSucceeded": "attempt {attempt}: {url} answered {status} in {duration_ms} ms",
    "HttpRequestInterrupted": "attempt {attempt} to {url} was cut off and is sent again",
    "MessageReplayed": "from the archive[, {matched:some} match]",
    "ReplayCompleted": "the whole archive is replayed",
    # functions
    "AsyncEventAccepted": "event queued[: {payload:event}]",
    "AsyncEventDropped": "[{condition}: ]{rule}",
    "InvocationStarted": "attempt {attempt}[, {cold:cold}][: {payload:event}]",
    "InvocationSucceeded": "attempt {attempt}, {duration_ms} ms[ → {response_payload:text}]",
    "InvocationFailed": "attempt {attempt}, {duration_ms} ms: [{error_type}: ]{error_message}",
    "InvocationInterrupted": "[attempt {attempt}: ]the simulator or the function was stopped meanwhile",
    "InvocationThrottled": "{reason}[, again at {retry_at_ms:time}]",
    "RetryScheduled": "attempt {attempt} at {due_ms:time}",
    "DestinationSent": "{condition} after {invoke_count} attempt(s) → {destination:arn}",
    "DeadLetterSent": "{condition} → {destination:arn}",
    "LogLines": "{lines:lines}",
    "StaleResult": "a result that nobody waits for any more[: attempt {attempt} {status}]",
    # event source mappings
    "MappingEnabled": "{source:arn} → {function:arn}",
    "MappingDisabled": "{source:arn} → {function:arn} is off",
    "BatchStarted": "{records:count} record(s) of {source:arn} → {function:arn}",
    "BatchSucceeded": "{records} record(s) handled by invocation {request_id:short}",
    "BatchPartiallyFailed": "{failed:count} of {records} failed: {reason}",
    "BatchFailed": "{records} record(s), none of them handled: {reason}",
    "BatchThrottled": "[{reason}, ]again at {retry_at_ms:time}",
    "BatchReleased": "{failed:count} record(s) given back: {reason}",
    "RecordFailed": "comes back: {reason}[ (invocation {request_id:short})]",
    "RecordsReleased": "{records:count} record(s) given back: {reason}",
    "RecordFiltered": "deleted without an invocation: {rule}",
    "RecordsFiltered": "{filtered} record(s) dropped, {passed} passed: {rule}",
    "MappingScaled": "up to {to} batches at a time, before {from}: {reason}",
    "PollRefused": "{code}: {message}[, again at {retry_at_ms:time}]",
    # event buses
    "EventBusCreated": "created",
    "EventBusChanged": "new settings",
    "EventBusDeleted": "deleted",
    "EventReceived": "{source}: {detail_type}[, replayed by {replay}][, {matched:some} rule(s) match]",
    "EventRefused": "{code}: {message}",
    "EventLost": "{reason}",
    "RuleMatched": "→ {targets:arns}",
    "RulesNotMatched": "{not_matched} of {of} rules: their patterns did not match[, {disabled} disabled]",
    "InputInvalid": "nothing for {target:arn}: {rule}",
    "LogEventPut": "{payload:text}",
    "EventArchived": "kept",
    "ArchiveCreated": "created",
    "ArchiveChanged": "new settings",
    "ArchiveNoLongerDeclared": "no longer declared; its events stay",
    "ArchiveDeleted": "deleted with {events} events",
    "ReplayStarted": "{archive:arn} → {event_bus:arn}, from {from_ms:iso} to {until_ms:iso}",
    "ReplayCancelling": "asked to stop",
    "ReplayEnded": "{state}, {events} events[: {reason}]",
    "EndpointCreated": "created",
    "EndpointChanged": "new settings",
    "EndpointDeleted": "deleted",
    "TokenRequested": "from {url}",
    "TokenReceived": "a token[, until {expires_ms:time}]",
    "TokenRefused": "no token: {reason}",
    # rules
    "RuleCreated": "created on {event_bus:arn}",
    "RuleChanged": "new settings",
    "RuleRemoved": "{reason}",
    "ScheduleStarted": "{schedule}[ in {timezone}], first at {first}",
    "ScheduleFired": "scheduled for {scheduled}, {targets} target(s)",
    "ScheduleMissed": "{count} turn(s) from {first} to {last}, while nothing was running",
    "ScheduleStopped": "{reason}",
    "ScheduleEnded": "{schedule} has no later date[, the last was {last}]",
    "RuleTargetsChanged": "targets are now {targets:arns}",
    # EventBridge Scheduler
    "ScheduleWindowOpened": "scheduled for {scheduled}, called at {due_ms:time}, window until {until_ms:time}",
    "ScheduleChanged": "new settings, target {target:arn}",
    "ScheduleDeleted": "{reason}",
    "ScheduleGroupCreated": "[{tags:some} tag(s)]",
    "ScheduleGroupChanged": "{tags} tag(s)",
    "ScheduleGroupDeleted": "deleted with {schedules} schedule(s)",
}

_RESOURCE, _KIND = 24, 20
"""Widths of columns: a rule that is named after its function fits, and so do most kinds."""

_FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}(?: (\w+)\(s\))?")
_PART = re.compile(r"\[([^\]]*)\]|([^\[]+)")


def _text(value: Any, payload: PayloadText) -> str:
    return cut(payload(value) or "", 80)


def _event(value: Any, payload: PayloadText) -> str:
    return event(payload(value) or "")


FORMS: dict[str, Callable[[Any, PayloadText], str]] = {
    "": lambda value, _: plain(value),
    "arn": lambda value, _: resource(str(value)),
    "arns": lambda value, _: ", ".join(map(resource, value)) or "none",
    "cold": lambda value, _: "cold start" if value else "",
    "count": lambda value, _: str(len(value)),
    "event": _event,
    "iso": lambda value, _: iso_ms(value),
    "lines": lambda value, _: cut(" | ".join(value), 120),
    "short": lambda value, _: short(str(value))[:8],
    "size": lambda value, _: size(value),
    "some": lambda value, _: str(value) if value else "",
    "text": _text,
    "time": lambda value, _: clock(value),
}
"""How a detail can be shown; an empty text counts as missing. Times are shown without their date."""


@lru_cache(maxsize=128)
def _parts(template: str) -> tuple[tuple[str, bool], ...]:
    return tuple((match[1] or match[2], match[1] is not None) for match in _PART.finditer(template))


def detail(row: TraceRow, payload: PayloadText) -> str:
    """The short detail of a row in words. `payload` gives the text of a digest, or None."""
    template = TEMPLATES.get(row.kind)
    if template is None:
        return plain_details(row)
    made = ""
    for text, optional in _parts(template):
        shown = _filled(text, row.details, payload, optional=optional)
        if shown is not None:
            made += shown
        elif not optional:
            return plain_details(row)
    return made


def _filled(text: str, details: dict[str, Any], payload: PayloadText, *, optional: bool) -> str | None:
    made, end = "", 0
    for match in _FIELD.finditer(text):
        value = details.get(match[1])
        if value is None:
            return None
        shown = FORMS[match[2] or ""](value, payload)
        if optional and not shown:
            return None
        counted = f" {match[3]}{'' if shown == '1' else 's'}" if match[3] else ""
        made += text[end : match.start()] + shown + counted
        end = match.end()
    return made + text[end:]


def plain_details(row: TraceRow) -> str:
    """`key=value` of every detail: what a kind without a template shows."""
    return " ".join(f"{key}={plain(value)}" for key, value in row.details.items())


def narrate(row: TraceRow, payload: PayloadText, *, full_time: bool = False) -> str:
    """One line: `at  seq<-cause  service:name  Kind  subject  short detail`.

    The time is `12:34:56.789`, or with `full_time` the whole of it in ISO form, both UTC.
    """
    at = iso_ms(row.at_ms) if full_time else clock(row.at_ms)
    return f"{at}  {columns(row, payload)}"


def narrated(rows: Iterable[TraceRow], payload: PayloadText, *, day: str = "") -> Iterator[str]:
    """The lines of some rows, with a line of the date (`2026-01-16`, UTC) before each that is of another day than the
    one before it. `day` is the date before the first; empty: the first one's."""
    for row in rows:
        today = date(row.at_ms)
        if today != (day or today):
            yield today
        day = today
        yield narrate(row, payload)


def columns(row: TraceRow, payload: PayloadText) -> str:
    """The line of a row without its time."""
    link = f"#{row.id}<-{row.cause}" if row.cause else f"#{row.id}"
    subject = "" if row.subject == row.arn or resource(row.arn).endswith(f":{row.subject}") else short(row.subject)
    if row.arn == "":
        subject = ""
    words = [f"{link:<12} {resource(row.arn):<{_RESOURCE}} {row.kind:<{_KIND}}", subject, detail(row, payload)]
    return "  ".join(word for word in words if word).rstrip()

"""PutBucketNotificationConfiguration and its reading back, in the shape of S3's API.

What a put saves stands beside what the project declares: the next start of the project, or its reload,
brings the declared configuration back. Source: S3 API reference, NotificationConfiguration; recorded answers.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import store
from .config import BUCKET, NEVER, BucketSettings, parse_bucket, parse_notification
from .events import FILTER_LIMIT, Notification
from .notifications import ARGUMENTS, refused_notifications, send_test_events, service_of, targets_of, unparsed
from .requests import PutBucketNotificationConfiguration
from .work import MALFORMED, NO_SUCH_BUCKET

_KINDS = {
    "TopicConfigurations": ("TopicArn", "sns"),
    "QueueConfigurations": ("QueueArn", "sqs"),
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "lambda"),
}
_BRIDGE = "EventBridgeConfiguration"
_MEMBERS = {"Id", "Events", "Filter"}
_NAMES = {"prefix": "Prefix", "suffix": "Suffix"}


@dataclass(frozen=True, slots=True)
class Saving:
    """The bucket with its row's settings and declarer; the wanted rows, or why there are none; whether the
    bus is to be told; and what the targets' owners say of them."""

    bucket: Resource | None
    config: str = ""
    declared_by: str = ""
    rows: list[dict[str, Any]] | Refused = MALFORMED
    targets: dict[str, Description | None] | None = None


def view_put(read: Reader, entry: Entry) -> Saving:
    """For PutBucketNotificationConfiguration."""
    command: PutBucketNotificationConfiguration = entry.command
    bucket = read.resource(entry.arn)
    row = read.one(store.CONFIG_OF_BUCKET, entry.arn)
    if bucket is None or row is None:
        return Saving(None)
    rows = rows_of(command.configuration)
    wanted = () if isinstance(rows, Refused) else tuple(map(parse_notification, rows))
    return Saving(bucket, row[0], row[1], rows, targets_of(read, wanted))


def decide_put(view: Saving, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Replace the whole configuration; replies with None."""
    command: PutBucketNotificationConfiguration = entry.command
    if view.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    if isinstance(view.rows, Refused):
        return Decision(view.rows)
    rows = [{**row, "id": row["id"] or _new_id(ids)} for row in view.rows]
    skip = command.skip_destination_validation
    notifications = tuple(map(parse_notification, rows))
    refused = refused_notifications(notifications, view.targets or {}, skip_destination_validation=skip)
    if refused is not None:
        return Decision(refused)
    bridge = command.configuration.get(_BRIDGE) is not None
    config = {**json.loads(view.config), "notifications": rows, "eventbridge": bridge}
    settings = parse_bucket(config)
    revision = view.bucket.revision + 1
    details = {"revision": revision, "notifications": len(rows)}
    note = Note(ids.row_id(), "BucketChanged", entry.arn, view.bucket.name, entry.cause, details)
    row = resources.put(
        entry.arn,
        service="s3",
        kind=BUCKET,
        name=view.bucket.name,
        config=config,
        declared_by=view.declared_by,
        now_ms=now_ms,
    )
    decision = Decision(None, writes=[row], notes=[note], touched=[entry.arn])
    if settings.test_event != NEVER:
        send_test_events(decision, settings, note, now_ms=now_ms, ids=ids)
    return decision


def _new_id(ids: Ids) -> str:
    """As AWS makes them up: a UUID in base64 (unverified)."""
    return base64.b64encode(ids.uuid("s3.notification").encode()).decode()


# --- from AWS's shape ----------------------------------------------------------------------------


def rows_of(configuration: dict[str, Any]) -> list[dict[str, Any]] | Refused:
    """The rows of a NotificationConfiguration, ids empty where none is given; or what S3 answers to it."""
    if set(configuration) - {*_KINDS, _BRIDGE}:
        return MALFORMED
    rows: list[dict[str, Any]] = []
    for kind, (name, service) in _KINDS.items():
        for one in configuration.get(kind, ()):
            row = _row(one, name)
            if isinstance(row, Refused):
                return row
            if service_of(row["arn"]) != service:
                return unparsed(ARGUMENTS[service], row["arn"])
            rows.append(row)
    ids = [row["id"] for row in rows if row["id"]]
    if len(set(ids)) < len(ids):
        return Refused("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique.")
    return rows


def _row(one: dict[str, Any], arn: str) -> dict[str, Any] | Refused:
    if set(one) - {*_MEMBERS, arn} or not isinstance(one.get(arn), str) or not one.get("Events"):
        return MALFORMED
    row = {"id": one.get("Id", ""), "arn": one[arn], "events": list(one["Events"]), "prefix": "", "suffix": ""}
    rules: list[str] = []
    for rule in one.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
        name, value = rule.get("Name", ""), rule.get("Value", "")
        shown = _NAMES.get(name.lower())
        if shown is None:
            fields = (("ArgumentName", "FilterRule.Name"), ("ArgumentValue", name))
            return Refused("InvalidArgument", "filter rule name must be either prefix or suffix", fields=fields)
        if shown in rules:
            text = f"Cannot specify more than one {shown.lower()} rule in a filter."
            return Refused("InvalidArgument", text)
        if len(value) > FILTER_LIMIT:
            text = f"Size of filter rule value cannot exceed {FILTER_LIMIT} bytes in UTF-8 representation"
            return Refused("InvalidArgument", text)
        rules.append(shown)
        row[shown.lower()] = value
    return {**row, "rules": rules}


# --- back into AWS's shape -----------------------------------------------------------------------


def view_get(read: Reader, entry: Entry) -> Resource | None:
    """For GetBucketNotificationConfiguration."""
    return read.resource(entry.arn)


def decide_get(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The configuration as S3 gives it back; of none no members at all."""
    return Decision(NO_SUCH_BUCKET if view is None else shape_of(view.config))


def shape_of(settings: BucketSettings) -> dict[str, Any]:
    """A NotificationConfiguration."""
    found: dict[str, Any] = {}
    for kind, (name, service) in _KINDS.items():
        ours = [_shape(one, name) for one in settings.notifications if service_of(one.arn) == service]
        if ours:
            found[kind] = ours
    if settings.eventbridge:
        found[_BRIDGE] = {}
    return found


def _shape(one: Notification, arn: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"Id": one.id, arn: one.arn, "Events": list(one.events)}
    if one.rules:
        values = {"Prefix": one.prefix, "Suffix": one.suffix}
        rules = [{"Name": name, "Value": values[name]} for name in one.rules]
        shape["Filter"] = {"Key": {"FilterRules": rules}}
    return shape

"""The events that a bucket sends to EventBridge: another shape than the record's, as text.

Source: S3 User Guide, "EventBridge event message structure" and "Amazon S3 event types for EventBridge".
"""

from __future__ import annotations

from typing import Any

from ...kernel.codec import to_json
from .events import (
    ACL_PUT,
    CREATED_BY,
    EXPIRED_DELETE,
    EXPIRED_MARKER,
    REMOVED_DELETE,
    REMOVED_MARKER,
    RESTORE_COMPLETED,
    RESTORE_DELETE,
    RESTORE_POST,
    TAGGING_DELETE,
    TAGGING_PUT,
    TRANSITION,
)
from .records import CLASSIC, BucketFacts, Request

S3_ITSELF = "s3.amazonaws.com"
"""The source address, and EventBridge's requester, of what S3 does by itself."""

_PERMANENT = {"deletion-type": "Permanently Deleted"}
_MARKER = {"deletion-type": "Delete Marker Created"}
_FORMS: dict[str, tuple[str, dict[str, str]]] = {
    **{event: ("Object Created", {"reason": operation}) for operation, event in CREATED_BY.items()},
    REMOVED_DELETE: ("Object Deleted", {"reason": "DeleteObject", **_PERMANENT}),
    REMOVED_MARKER: ("Object Deleted", {"reason": "DeleteObject", **_MARKER}),
    EXPIRED_DELETE: ("Object Deleted", {"reason": "Lifecycle Expiration", **_PERMANENT}),
    EXPIRED_MARKER: ("Object Deleted", {"reason": "Lifecycle Expiration", **_MARKER}),
    RESTORE_POST: ("Object Restore Initiated", {}),
    RESTORE_COMPLETED: ("Object Restore Completed", {}),
    RESTORE_DELETE: ("Object Restore Expired", {}),
    TRANSITION: ("Object Storage Class Changed", {}),
    ACL_PUT: ("Object ACL Updated", {}),
    TAGGING_PUT: ("Object Tags Added", {}),
    TAGGING_DELETE: ("Object Tags Deleted", {}),
}
"""The detail-type of each event, and what its detail says beside the object."""

_WITHOUT_SEQUENCER = frozenset({RESTORE_POST, RESTORE_COMPLETED, RESTORE_DELETE})


def detail_type(event: str) -> str:
    """`Object Created` and the like."""
    return _FORMS[event][0]


def bus_event_text(
    bucket: BucketFacts,
    *,
    account: str,
    id: str,
    event: str,
    time: str,
    request: Request,
    key: str,
    size: int | None,
    etag: str | None,
    sequencer: str | None,
    version_id: str,
    extra: tuple[tuple[str, str], ...] = (),
) -> str:
    """The event as the bus gets it. `event` has no `s3:`; `time` is ISO in whole seconds; `key` is as it
    was given (unverified: not encoded); `extra` ends the detail."""
    kind, more = _FORMS[event]
    item: dict[str, Any] = {"key": key}
    if size is not None:
        item["size"] = size
    if etag is not None:
        item["etag"] = etag
    if version_id:
        item["version-id"] = version_id
    if sequencer is not None and event not in _WITHOUT_SEQUENCER:
        item["sequencer"] = sequencer
    described: dict[str, Any] = {"name": bucket.name}
    classic = bucket.event_version == CLASSIC
    if bucket.generated_tags and not classic:
        described["aws-generated-tags"] = dict(bucket.generated_tags)
    asked = request.source_ip != S3_ITSELF
    detail: dict[str, Any] = {
        "version": "0",
        **({} if classic else {"event-version": "1.1"}),
        "bucket": described,
        "object": item,
        "request-id": request.request_id,
        "requester": account if asked else S3_ITSELF,
        **({"source-ip-address": request.source_ip} if asked else {}),
        **more,
        **dict(extra),
    }
    return to_json(
        {
            "version": "0",
            "id": id,
            "detail-type": kind,
            "source": "aws.s3",
            "account": account,
            "time": time,
            "region": bucket.region,
            "resources": [bucket.arn],
            "detail": detail,
        }
    )

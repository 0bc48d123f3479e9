"""Putting and deleting an object, and telling whoever asked for it.

One event is a trace row, the object's row, and one delivery to each matching configuration. Nothing here
touches a file.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.effects import Decision, Deliver, Note, Refused, RetryPolicy, Write, payload
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store
from .commands import DeleteObject, ObjectDeleted, ObjectPut, PutObject
from .config import BucketSettings
from .events import CREATED_PUT, REMOVED_DELETE, encode_key, key_bytes
from .records import SEQUENCERS_PER_MS, Request, object_text, record_text, request_ids, sequencer

NO_SUCH_BUCKET = Refused("NoSuchBucket", "The specified bucket does not exist", 404)
KEY_LIMIT = 1024
"""UTF-8 bytes. Source: S3 User Guide, "Naming Amazon S3 objects"."""

DELIVERY = RetryPolicy(
    "s3", maximum_retries=400, maximum_age_ms=24 * 3_600_000, base_ms=1000, cap_ms=300_000, jitter=0.0
)
"""Unverified: AWS does not publish how long and how often S3 tries to deliver a notification."""


_time = lru_cache(maxsize=16)(iso_ms)


@fixed
class Spot:
    """What a decision about one key needs: the bucket, the last sequencer, the object that is there.

    `row` is (size, etag, sequencer, inode, mtime_ns, place, body) or None; `writes` are the key's
    journalled API writes, read for files only.
    """

    bucket: Resource | None
    last: tuple[int, int] = (0, 0)
    row: tuple[Any, ...] | None = None
    writes: tuple[tuple[Any, ...], ...] = ()


@fixed
class NewObject:
    """What the object's row will hold, beside its key."""

    size: int
    etag: str
    content_type: str
    place: str
    body: str | None = None
    inode: int | None = None
    mtime_ns: int | None = None


def spot_of(read: Reader, arn: str, key: str) -> Spot:
    """The spot of a key; without a bucket when there is none of that ARN."""
    bucket = read.resource(arn)
    if bucket is None:
        return Spot(None)
    row = read.one(store.BUCKET_AND_OBJECT, arn, key)
    assert row is not None, f"bucket {arn} has a resource row but no row in s3_buckets"
    return Spot(bucket, (row[0], row[1]), None if row[2] is None else row[2:])


def view_put(read: Reader, entry: Entry) -> Spot:
    """For PutObject."""
    command: PutObject = entry.command
    spot = spot_of(read, entry.arn, command.key)
    if command.file is None or spot.bucket is None:
        return spot
    writes = tuple(read.all(store.WRITES_OF_KEY, entry.arn, command.key))
    return Spot(spot.bucket, spot.last, spot.row, writes)


def decide_put(view: Spot, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Store the object and raise ObjectCreated:Put, unless it is a file that is known already."""
    command: PutObject = entry.command
    if view.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = key_refused(command.key)
    if refused is not None:
        return Decision(refused)
    file = command.file
    if file is not None and _known(view, command):
        return Decision(ObjectPut(command.etag, view.row[2] if view.row is not None else "", changed=False))
    body = command.body
    if file is not None:
        new = NewObject(command.size, command.etag, command.content_type, "file", None, file.inode, file.mtime_ns)
        return created(view, entry, command.key, new, _request(view, command, ids), now_ms=now_ms, ids=ids)
    if isinstance(body, str):
        kept = payload(body)
        new = NewObject(command.size, command.etag, command.content_type, "database", kept.digest)
    else:
        new = NewObject(command.size, command.etag, command.content_type, "none" if body is None else "database")
    decision = created(view, entry, command.key, new, _request(view, command, ids), now_ms=now_ms, ids=ids)
    if isinstance(body, str):
        decision.payloads.append(kept)
    elif body is not None:
        decision.writes.append(Write(store.PUT_BLOB, (entry.arn, command.key, body)))
    return decision


def key_refused(key: str) -> Refused | None:
    """What S3 answers to an impossible key."""
    if not key:
        return Refused("InvalidArgument", "An object's key cannot be empty")
    if len(key) > KEY_LIMIT // 4 and key_bytes(key) > KEY_LIMIT:
        return Refused(
            "KeyTooLongError",
            "Your key is too long",
            fields=(("Size", str(key_bytes(key))), ("MaxSizeAllowed", str(KEY_LIMIT))),
        )
    return None


def _known(view: Spot, command: PutObject) -> bool:
    file = command.file
    assert file is not None
    if view.row is not None:
        size, etag, _, inode, mtime_ns, place, _ = view.row
        if place == "file" and (inode, mtime_ns, size, etag) == (
            file.inode,
            file.mtime_ns,
            command.size,
            command.etag,
        ):
            return True
    pending = map(store.pending_write, view.writes)
    return any(one.operation == "put" and one.file == file and one.size == command.size for one in pending)


def _request(view: Spot, command: PutObject | DeleteObject, ids: Ids) -> Request:
    assert view.bucket is not None
    return request_of(view.bucket.config, command.principal, command.source_ip, ids)


def request_of(settings: BucketSettings, principal: str, source_ip: str, ids: Ids) -> Request:
    """Who acts, with fresh request ids; the account's own user from this machine when nobody is named."""
    request_id, host_id = request_ids(ids.take("s3.request", 64))
    return Request(principal or settings.principal, source_ip or "127.0.0.1", request_id, host_id)


def created(view: Spot, entry: Entry, key: str, new: NewObject, request: Request, *, now_ms: int, ids: Ids) -> Decision:
    """The object is there: its row, its trace row, its event."""
    assert view.bucket is not None
    at_ms, count, mark = _next_sequencer(view.last, now_ms)
    details: dict[str, Any] = {"size": new.size, "etag": new.etag, "sequencer": mark}
    details["request_id"] = request.request_id
    details["place"] = new.place
    if new.body is not None:
        details["body_payload"] = new.body
    note = Note(ids.row_id(), "ObjectCreated", entry.arn, key, entry.cause, details)
    row = (
        entry.arn, key, new.size, new.etag, mark, now_ms, new.content_type, new.place, new.body,
        new.inode, new.mtime_ns, note.id,
    )  # fmt: skip
    decision = Decision(
        ObjectPut(new.etag, mark),
        writes=[
            Write(store.SET_SEQUENCER, (at_ms, count, entry.arn)),
            Write(store.PUT_OBJECT, row),
        ],
        notes=[note],
    )
    _drop_blob(decision, view, entry.arn, key)
    text = object_text(encoded := encode_key(key), new.size, new.etag, mark)
    _publish(decision, view.bucket, note, CREATED_PUT, encoded, text, request, now_ms=now_ms, ids=ids)
    return decision


def view_delete(read: Reader, entry: Entry) -> Spot:
    """For DeleteObject."""
    return spot_of(read, entry.arn, entry.command.key)


def decide_delete(view: Spot, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Delete the object and raise ObjectRemoved:Delete.

    A missing key is answered, and told, as if it had been there: recorded from AWS in a bucket without
    versioning.
    """
    command: DeleteObject = entry.command
    if view.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    return removed(view, entry, command.key, _request(view, command, ids), now_ms=now_ms, ids=ids)


def removed(view: Spot, entry: Entry, key: str, request: Request, *, now_ms: int, ids: Ids) -> Decision:
    """The object is gone, or was never there: its row too, its trace row, its event."""
    assert view.bucket is not None
    existed = view.row is not None
    at_ms, count, mark = _next_sequencer(view.last, now_ms)
    details = {"sequencer": mark, "request_id": request.request_id}
    if not existed:
        details["request"] = "DeleteObject"
    kind = "ObjectRemoved" if existed else "ObjectNotFound"
    note = Note(ids.row_id(), kind, entry.arn, key, entry.cause, details)
    decision = Decision(
        ObjectDeleted(existed=existed),
        writes=[
            Write(store.SET_SEQUENCER, (at_ms, count, entry.arn)),
            Write(store.DELETE_OBJECT, (entry.arn, key)),
        ],
        notes=[note],
    )
    _drop_blob(decision, view, entry.arn, key)
    text = object_text(encoded := encode_key(key), None, None, mark)
    _publish(decision, view.bucket, note, REMOVED_DELETE, encoded, text, request, now_ms=now_ms, ids=ids)
    return decision


def _drop_blob(decision: Decision, view: Spot, arn: str, key: str) -> None:
    if view.row is not None and view.row[5] == "database" and view.row[6] is None:
        decision.writes.append(Write(store.DELETE_BLOB, (arn, key)))


def _next_sequencer(last: tuple[int, int], now_ms: int) -> tuple[int, int, str]:
    """Later than the bucket's last one, whatever the clock says."""
    at_ms, count = (now_ms, 0) if now_ms > last[0] else (last[0], last[1] + 1)
    if count == SEQUENCERS_PER_MS:
        at_ms, count = at_ms + 1, 0
    return at_ms, count, sequencer(at_ms, count)


def _publish(
    decision: Decision,
    bucket: Resource,
    note: Note,
    event: str,
    encoded_key: str,
    object_text: str,
    request: Request,
    *,
    now_ms: int,
    ids: Ids,
) -> None:
    """One delivery to each configuration that matches; one trace row when none does."""
    settings: BucketSettings = bucket.config
    if not bucket.wired:
        return
    matches = [one for one in settings.table.get(event, ()) if one.matches_key(encoded_key)]
    total = len(settings.notifications)
    if not matches:
        details = {"event": event, "not_matched": total, "revision": bucket.revision}
        decision.notes.append(Note(ids.row_id(), "NotificationsNotMatched", note.arn, note.subject, note.id, details))
        return
    time = _time(now_ms)
    for one in matches:
        record = payload(
            record_text(
                settings.facts,
                event=event,
                time=time,
                request=request,
                configuration_id=one.id,
                object_text=object_text,
            )
        )
        details = {
            "event": event,
            "notification": one.id,
            "target": one.arn,
            "not_matched": total - len(matches),
            "revision": bucket.revision,
            "payload": record.digest,
        }
        matched = Note(ids.row_id(), "NotificationMatched", note.arn, note.subject, note.id, details)
        decision.notes.append(matched)
        decision.payloads.append(record)
        decision.effects.append(
            Deliver(one.arn, record.digest, DELIVERY, matched.id, context=(("source", bucket.arn),))
        )

"""Putting an object, and telling whoever asked for it.

One event is a trace row, the object's row, and one delivery to each matching configuration. Nothing here
touches a file. What a put replaces in a versioned bucket becomes an earlier version (see `versions`).
"""

from __future__ import annotations

from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write, payload
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store
from .commands import Conditions, ObjectPut, Properties, PutObject
from .conditions import SIZE_LIMIT, more_of, properties_refused, write_refused
from .events import CREATED_BY, CREATED_PUT, key_bytes
from .publishing import DELIVERY, Happening, publish
from .records import Request
from .versions import ENABLED, drop_content, keep_or_replace, new_version_id
from .work import NO_SUCH_BUCKET, Spot, Work, request_of, spot_of, work_on

__all__ = ["DELIVERY", "KEY_LIMIT", "NO_SUCH_BUCKET", "NewObject", "Spot", "created", "key_refused"]

KEY_LIMIT = 1024
"""UTF-8 bytes. Source: S3 User Guide, "Naming Amazon S3 objects"."""


@fixed
class NewObject:
    """What the object's row will hold, beside its key. `blob` is its content if that is bytes which the
    database keeps; `event` is the one that it raises. `plain`: all that has a default here has it."""

    size: int
    etag: str
    content_type: str
    place: str
    body: str | None = None
    inode: int | None = None
    mtime_ns: int | None = None
    storage_class: str = "STANDARD"
    more: str = ""
    copy: str = ""
    blob: bytes | None = None
    event: str = CREATED_PUT
    plain: bool = False


def view_put(read: Reader, entry: Entry) -> Spot:
    """For PutObject."""
    command: PutObject = entry.command
    spot = spot_of(read, entry.arn, command.key)
    if command.file is None or spot.bucket is None:
        return spot
    writes = tuple(read.all(store.WRITES_OF_KEY, entry.arn, command.key))
    return Spot(spot.bucket, spot.last, spot.row, writes, spot.bus)


def decide_put(view: Spot, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Store the object and raise its event, unless it is a file that is known already."""
    command: PutObject = entry.command
    if view.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = put_refused(view, command.key, command.size, command.properties, command.conditions)
    if refused is not None:
        return Decision(refused)
    file = command.file
    if file is not None and _known(view, command):
        return Decision(ObjectPut(command.etag, view.row[2] if view.row is not None else "", changed=False))
    body = command.body
    kept = payload(body) if isinstance(body, str) else None
    blob = body if isinstance(body, bytes) else None
    place = "file" if file is not None else "none" if body is None else "database"
    digest = None if kept is None else kept.digest
    given, event = command.properties, CREATED_BY[command.operation]
    if file is None and given is None and blob is None and not command.copy and event == CREATED_PUT:
        new = NewObject(command.size, command.etag, command.content_type, place, digest, plain=True)
    else:
        new = NewObject(
            command.size,
            command.etag,
            command.content_type,
            place,
            digest,
            None if file is None else file.inode,
            None if file is None else file.mtime_ns,
            "STANDARD" if given is None else given.storage_class,
            "" if given is None else more_of(given),
            command.copy,
            blob,
            event,
        )
    request = request_of(view.bucket.config, command.caller, ids)
    decision = created(view, entry, command.key, new, request, now_ms=now_ms, ids=ids)
    if kept is not None:
        decision.payloads.append(kept)
    return decision


def put_refused(
    view: Spot, key: str, size: int, properties: Properties | None, conditions: Conditions | None
) -> Refused | None:
    """What S3 answers to a put that it does not take."""
    refused = key_refused(key)
    if refused is not None:
        return refused
    if size > SIZE_LIMIT:
        fields = (("ProposedSize", str(size)), ("MaxSizeAllowed", str(SIZE_LIMIT)))
        return Refused("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", fields=fields)
    if properties is not None:
        refused = properties_refused(properties)
        if refused is not None:
            return refused
    return write_refused(conditions, None if view.row is None else view.row[1], key)


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
        size, etag, _, inode, mtime_ns, place = view.row[:6]
        # The ETag of an upload in parts is no MD5 of the content, so it cannot be compared with the file's.
        same = etag == command.etag or "-" in etag
        if place == "file" and same and (inode, mtime_ns, size) == (file.inode, file.mtime_ns, command.size):
            return True
    pending = map(store.pending_write, view.writes)
    return any(one.operation == "put" and one.file == file and one.size == command.size for one in pending)


def created(view: Spot, entry: Entry, key: str, new: NewObject, request: Request, *, now_ms: int, ids: Ids) -> Decision:
    """The object is there: its row, its trace row, its event. Replies with ObjectPut."""
    work = work_on(view, entry, now_ms, ids)
    return work.done(make_object(work, key, view.row, new, request))


def make_object(work: Work, key: str, row: tuple[Any, ...] | None, new: NewObject, request: Request) -> ObjectPut:
    """Put the object in the place of `row` (a spot's row, or None)."""
    decision, arn, ids = work.decision, work.entry.arn, work.ids
    versioning = work.bucket.config.versioning
    version_id = new_version_id(ids) if versioning == ENABLED else ""
    mark = work.sequencer()
    details: dict[str, Any] = {"size": new.size, "etag": new.etag, "sequencer": mark}
    details["request_id"] = request.request_id
    details["place"] = new.place
    if new.event != CREATED_PUT:
        details["event"] = new.event
    if version_id:
        details["version_id"] = version_id
    if new.storage_class != "STANDARD":
        details["storage_class"] = new.storage_class
    if new.body is not None:
        details["body_payload"] = new.body
    note = Note(ids.row_id(), "ObjectCreated", arn, key, work.entry.cause, details)
    decision.notes.append(note)
    if versioning:
        keep_or_replace(work, key, versioning)
    elif row is not None:
        drop_content(work, key, row)
    content = (arn, key, new.size, new.etag, mark, work.now_ms, new.content_type, new.place, new.body)
    if new.plain and not version_id:
        decision.writes.append(Write(store.PUT_PLAIN, (*content, note.id)))
    else:
        rest = (new.inode, new.mtime_ns, note.id, version_id, new.storage_class, new.more, new.copy)
        decision.writes.append(Write(store.PUT_OBJECT, (*content, *rest)))
    if new.blob is not None:
        decision.writes.append(Write(store.PUT_BLOB, (arn, key, version_id, new.blob)))
    publish(work, note, Happening(new.event, key, new.size, new.etag, mark, version_id), request)
    return ObjectPut(new.etag, mark, True, version_id or ("null" if versioning else None))

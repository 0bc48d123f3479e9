"""Reading objects: HeadObject, GetObject, ListObjects. No trace rows: nothing happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store, versions_store
from .commands import GetObject, HeadObject, ListObjects, ObjectInfo, ObjectList, StoredObject
from .conditions import NO_SUCH_KEY, ranged, read_refused
from .lifecycle_rules import ARCHIVED
from .versions import NO_SUCH_VERSION, stored_id, version_refused
from .work import NO_SUCH_BUCKET

NOT_FOUND = Refused("404", "Not Found", 404)
_MARKER = (("DeleteMarker", "true"),)


@dataclass(frozen=True, slots=True)
class Found:
    """The rows that answer a request, and the content where the database holds it. `marker` says that the
    key's latest version, or the one that was asked for, is a delete marker."""

    bucket: bool
    rows: tuple[tuple[Any, ...], ...] = ()
    body: str | bytes | None = None
    versioned: bool = False
    marker: bool = False


def found_of(read: Reader, arn: str, key: str, version_id: str, *, content: bool) -> Found:
    """An object, or one of its versions; with its content if that is wanted."""
    bucket = read.resource(arn)
    if bucket is None:
        return Found(False)
    versioned = bool(bucket.config.versioning)
    row = read.one(store.OBJECT, arn, key)
    if version_id and (row is None or row[7] != stored_id(version_id)):
        row = read.one(versions_store.OF_VERSION, arn, key, stored_id(version_id))
        if row is not None and row[12]:
            return Found(True, (), None, versioned, True)
    if row is None:
        newest = read.one(versions_store.NEWEST_VERSIONS, arn, key) if versioned and not version_id else None
        return Found(True, (), None, versioned, newest is not None)
    body = content_of(read, arn, row) if content else None
    return Found(True, (row,), body, versioned)


def content_of(read: Reader, arn: str, row: tuple[Any, ...]) -> str | bytes | None:
    """The content behind a row of OBJECT or OF_VERSION; None when the database does not hold it."""
    if row[5] != "database":
        return None
    if row[11] is not None:
        return read.payload(row[11])
    blob = read.one(store.BLOB, arn, row[0], row[7])
    assert blob is not None, f"{row[0]!r} of {arn} has neither text nor bytes"
    content: bytes = blob[0]
    return content


def view_head(read: Reader, entry: Entry) -> Found:
    """For HeadObject."""
    command: HeadObject = entry.command
    return found_of(read, entry.arn, command.key, command.version_id, content=False)


def decide_head(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The object's facts, or 404 without more words (a HEAD answer has no body)."""
    command: HeadObject = entry.command
    if not view.bucket:
        return Decision(NOT_FOUND)
    refused = missing(view, command.key, command.version_id)
    if refused is not None:
        if refused.status == 404:
            return Decision(Refused(NOT_FOUND.code, NOT_FOUND.message, 404, fields=_MARKER if view.marker else ()))
        return Decision(refused)
    info = info_of(view)
    return Decision(read_refused(command.conditions, info.etag, info.last_modified_ms) or info)


def info_of(view: Found) -> ObjectInfo:
    """The facts of the object that was found."""
    return store.object_info(view.rows[0], versioned=view.versioned)


def missing(view: Found, key: str, version_id: str) -> Refused | None:
    """What S3 answers when there is no such object or version, or it is a delete marker."""
    if view.rows:
        return None
    refused = version_refused(version_id)
    if refused is not None:
        return refused
    if version_id and view.marker:
        text = "The specified method is not allowed against this resource."
        return Refused("MethodNotAllowed", text, 405, fields=(*_MARKER, ("Method", "GET")))
    if version_id:
        fields = (("Key", key), ("VersionId", version_id))
        return Refused(NO_SUCH_VERSION.code, NO_SUCH_VERSION.message, 404, fields=fields)
    marker = _MARKER if view.marker else ()
    return Refused(NO_SUCH_KEY.code, NO_SUCH_KEY.message, 404, fields=(("Key", key), *marker))


def archived(info: ObjectInfo) -> bool:
    """Whether an object must be restored before it can be read."""
    return info.storage_class in ARCHIVED and info.restore_until_ms is None


def view_get(read: Reader, entry: Entry) -> Found:
    """For GetObject."""
    command: GetObject = entry.command
    return found_of(read, entry.arn, command.key, command.version_id, content=True)


def decide_get(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The object with its content, where the database holds it."""
    command: GetObject = entry.command
    if not view.bucket:
        return Decision(NO_SUCH_BUCKET)
    refused = missing(view, command.key, command.version_id)
    if refused is not None:
        return Decision(refused)
    info = info_of(view)
    refused = read_refused(command.conditions, info.etag, info.last_modified_ms)
    if refused is None and archived(info):
        text = "The operation is not valid for the object's storage class"
        refused = Refused("InvalidObjectState", text, 403, fields=(("StorageClass", info.storage_class),))
    return Decision(refused or ranged(StoredObject(info, view.body), command.range))


def view_list(read: Reader, entry: Entry) -> Found:
    """For ListObjects: one row more than asked for, to see whether there are more."""
    command: ListObjects = entry.command
    bucket = read.resource(entry.arn)
    if bucket is None:
        return Found(False)
    end = store.prefix_end(command.prefix)
    rows = read.all(store.LIST_OBJECTS, entry.arn, command.after, command.prefix, end, command.limit + 1)
    return Found(True, tuple(rows), None, bool(bucket.config.versioning))


def decide_list(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """One page of objects."""
    if not view.bucket:
        return Decision(NO_SUCH_BUCKET)
    limit = entry.command.limit
    objects = tuple(store.object_info(row, versioned=view.versioned) for row in view.rows[:limit])
    return Decision(ObjectList(objects, truncated=len(view.rows) > limit))

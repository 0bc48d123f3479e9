"""Reading objects: HeadObject, GetObject, ListObjects. No trace rows: nothing happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store
from .commands import GetObject, HeadObject, ListObjects, ObjectList, StoredObject
from .objects import NO_SUCH_BUCKET

NO_SUCH_KEY = Refused("NoSuchKey", "The specified key does not exist.", 404)
NOT_FOUND = Refused("404", "Not Found", 404)


@dataclass(frozen=True, slots=True)
class Found:
    """The rows that answer a request, and the content where the database holds it."""

    bucket: bool
    rows: tuple[tuple[Any, ...], ...] = ()
    body: str | bytes | None = None


def view_head(read: Reader, entry: Entry) -> Found:
    """For HeadObject."""
    command: HeadObject = entry.command
    if read.resource(entry.arn) is None:
        return Found(False)
    return Found(True, tuple(read.all(store.OBJECT, entry.arn, command.key)))


def decide_head(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The object's facts, or 404 without more words (a HEAD answer has no body)."""
    if not view.bucket or not view.rows:
        return Decision(NOT_FOUND)
    return Decision(store.object_info(view.rows[0]))


def view_get(read: Reader, entry: Entry) -> Found:
    """For GetObject."""
    command: GetObject = entry.command
    found = view_head(read, entry)
    if not found.rows or found.rows[0][5] != "database":
        return found
    digest = found.rows[0][7]
    if digest is not None:
        return Found(True, found.rows, read.payload(digest))
    blob = read.one(store.BLOB, entry.arn, command.key)
    assert blob is not None, f"{command.key!r} of {entry.arn} has neither text nor bytes"
    return Found(True, found.rows, blob[0])


def decide_get(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The object with its content, where the database holds it."""
    if not view.bucket:
        return Decision(NO_SUCH_BUCKET)
    if not view.rows:
        return Decision(Refused(NO_SUCH_KEY.code, NO_SUCH_KEY.message, 404, fields=(("Key", entry.command.key),)))
    return Decision(StoredObject(store.object_info(view.rows[0]), view.body))


def view_list(read: Reader, entry: Entry) -> Found:
    """For ListObjects: one row more than asked for, to see whether there are more."""
    command: ListObjects = entry.command
    if read.resource(entry.arn) is None:
        return Found(False)
    end = store.prefix_end(command.prefix)
    rows = read.all(store.LIST_OBJECTS, entry.arn, command.after, command.prefix, end, command.limit + 1)
    return Found(True, tuple(rows))


def decide_list(view: Found, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """One page of objects."""
    if not view.bucket:
        return Decision(NO_SUCH_BUCKET)
    limit = entry.command.limit
    objects = tuple(store.object_info(row) for row in view.rows[:limit])
    return Decision(ObjectList(objects, truncated=len(view.rows) > limit))

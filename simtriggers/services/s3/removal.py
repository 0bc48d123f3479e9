"""Deleting: an object, a version of it, many; and the delete markers of versioned buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store, versions_store
from .commands import DeleteObject, ObjectDeleted
from .conditions import write_refused
from .events import EXPIRED_DELETE, EXPIRED_MARKER, REMOVED_DELETE, REMOVED_MARKER
from .publishing import Happening, publish
from .records import Request
from .requests import NULL_VERSION, DeleteObjects, ObjectsDeleted
from .versions import (
    ENABLED,
    bring_back,
    drop_content,
    drop_version,
    keep_or_replace,
    new_version_id,
    stored_id,
    version_refused,
)
from .work import MALFORMED, NO_SUCH_BUCKET, VERSION, Spot, Work, request_of, spot_of, work_on

EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
"""The ETag that the event of a delete marker has."""

MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Doomed:
    """A key that is to be deleted: its spot, and for an earlier version its row (as OF_VERSION has it)."""

    spot: Spot
    version: tuple[Any, ...] | None = None


def doomed_of(read: Reader, arn: str, key: str, version_id: str) -> Doomed:
    """What a deletion of a key, or of one of its versions, needs to know."""
    spot = spot_of(read, arn, key)
    if spot.bucket is None or not version_id:
        return Doomed(spot)
    return Doomed(spot, read.one(versions_store.OF_VERSION, arn, key, stored_id(version_id)))


def view_delete(read: Reader, entry: Entry) -> Doomed:
    """For DeleteObject."""
    return doomed_of(read, entry.arn, entry.command.key, entry.command.version_id)


def decide_delete(view: Doomed, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Delete the object or the version and raise its event.

    A missing key is answered, and told, as if it had been there: recorded from AWS in a bucket without
    versioning.
    """
    command: DeleteObject = entry.command
    spot = view.spot
    if spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = version_refused(command.version_id)
    if refused is None and command.conditions is not None:
        refused = write_refused(command.conditions, None if spot.row is None else spot.row[1], command.key)
    if refused is not None:
        return Decision(refused)
    request = request_of(spot.bucket.config, command.caller, ids)
    work = work_on(spot, entry, now_ms, ids)
    return work.done(remove(work, command.key, command.version_id, view, request))


def view_delete_many(read: Reader, entry: Entry) -> tuple[Doomed, ...]:
    """For DeleteObjects."""
    return tuple(doomed_of(read, entry.arn, key, version_id) for key, version_id in entry.command.objects)


def decide_delete_many(view: tuple[Doomed, ...], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Delete each of them, with an event each (recorded from AWS); all or, for a wrong id, none."""
    command: DeleteObjects = entry.command
    refused = many_refused(command.objects)
    if refused is not None:
        return Decision(refused)
    spot = view[0].spot
    if spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    request = request_of(spot.bucket.config, command.caller, ids)
    work = work_on(spot, entry, now_ms, ids)
    done = [
        remove(work, key, version_id, each, request)
        for (key, version_id), each in zip(command.objects, view, strict=True)
    ]
    return work.done(ObjectsDeleted(tuple(done)))


def many_refused(objects: tuple[tuple[str, str], ...]) -> Refused | None:
    """Why a list of keys and version ids is not deleted, or None."""
    if not 1 <= len(objects) <= MOST_KEYS or len(set(objects)) < len(objects):
        return MALFORMED
    return next(filter(None, (version_refused(version_id) for _, version_id in objects)), None)


# --- one key -------------------------------------------------------------------------------------


def removed(view: Spot, entry: Entry, key: str, request: Request, *, now_ms: int, ids: Ids) -> Decision:
    """A key goes, without a version named. Replies with ObjectDeleted."""
    work = work_on(view, entry, now_ms, ids)
    return work.done(remove(work, key, "", Doomed(view), request))


def remove(
    work: Work, key: str, version_id: str, view: Doomed, request: Request, *, by_rule: str = ""
) -> ObjectDeleted:
    """Delete a key or a version of it. `by_rule` is the id of the lifecycle rule that does it."""
    if not version_id and work.bucket.config.versioning:
        return _mark(work, key, view, request, by_rule)
    wanted = stored_id(version_id)
    row = view.spot.row
    current = row is not None and (not version_id or row[VERSION] == wanted)
    existed = current or (view.version is not None and bool(version_id))
    marker = not current and view.version is not None and bool(view.version[12])
    details: dict[str, Any] = {"sequencer": (mark := work.sequencer()), "request_id": request.request_id}
    if version_id:
        details["version_id"] = version_id
    if marker:
        details["delete_marker"] = True
    if by_rule:
        details["rule"] = by_rule
    if not existed:
        details["request"] = "DeleteObject"
    kind = "ObjectRemoved" if existed else "ObjectNotFound"
    note = Note(work.ids.row_id(), kind, work.entry.arn, key, work.entry.cause, details)
    work.decision.notes.append(note)
    if version_id:
        drop_version(work, key, wanted)
        bring_back(work, key)
    elif row is not None:
        drop_content(work, key, row)
        work.decision.writes.append(Write(store.DELETE_OBJECT, (work.entry.arn, key)))
    if existed or not version_id:
        event = EXPIRED_DELETE if by_rule else REMOVED_DELETE
        publish(work, note, Happening(event, key, None, None, mark, wanted), request)
    return ObjectDeleted(existed, version_id or None, marker)


def _mark(work: Work, key: str, view: Doomed, request: Request, by_rule: str) -> ObjectDeleted:
    """Make a delete marker; the versions stay."""
    versioning = work.bucket.config.versioning
    version_id = new_version_id(work.ids) if versioning == ENABLED else ""
    mark = work.sequencer()
    details = {
        "sequencer": mark,
        "request_id": request.request_id,
        "version_id": version_id or NULL_VERSION,
        **({"rule": by_rule} if by_rule else {}),
    }
    note = Note(work.ids.row_id(), "DeleteMarkerCreated", work.entry.arn, key, work.entry.cause, details)
    work.decision.notes.append(note)
    keep_or_replace(work, key, versioning)
    values = (work.entry.arn, key, version_id, EMPTY_MD5, mark, work.now_ms, note.id)
    work.decision.writes.append(Write(versions_store.ADD_MARKER, values))
    event = EXPIRED_MARKER if by_rule else REMOVED_MARKER
    publish(work, note, Happening(event, key, None, EMPTY_MD5, mark, version_id), request)
    return ObjectDeleted(view.spot.row is not None, version_id or NULL_VERSION, True)

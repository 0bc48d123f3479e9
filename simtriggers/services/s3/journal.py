"""The journal of API writes into a bucket's folder.

The intent is a row before the disk is touched; the commit makes the object and its event and removes the
row. After a crash whoever writes the files looks at what the disk holds and commits or aborts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store, versions_store
from .commands import AbortWrite, BeginWrite, Caller, CommitWrite, PendingWrite, Properties
from .conditions import more_of
from .events import CREATED_BY
from .objects import NewObject, created, put_refused
from .removal import removed
from .work import NO_SUCH_BUCKET, Spot, request_of, spot_of

NO_SUCH_WRITE = Refused("InternalError", "There is no such write in the journal.", 500)


@dataclass(frozen=True, slots=True)
class WriteView:
    """The journalled write, its content type, principal and source address, and the spot of its key."""

    spot: Spot
    write: PendingWrite | None = None
    more: tuple[Any, ...] = ()


def view_begin(read: Reader, entry: Entry) -> Spot:
    """For BeginWrite."""
    return spot_of(read, entry.arn, entry.command.key)


def decide_begin(view: Spot, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Write the intent down; replies with its id."""
    command: BeginWrite = entry.command
    refused: Refused | None = NO_SUCH_BUCKET
    if view.bucket is not None:
        properties, conditions = command.properties, command.conditions
        refused = put_refused(view, command.key, command.size, properties, conditions)
    if refused is not None:
        return Decision(refused)
    id = ids.hex("s3.write", 24)
    caller = command.caller or Caller()
    inode, mtime_ns = (None, None) if command.file is None else (command.file.inode, command.file.mtime_ns)
    row = (
        id, entry.arn, command.operation, command.key, command.place, command.size, command.etag,
        inode, mtime_ns, command.temporary, command.content_type, caller.principal, caller.source_ip,
        _put_of(command),
    )  # fmt: skip
    return Decision(id, writes=[Write(store.ADD_WRITE, row)])


def _put_of(command: BeginWrite) -> str:
    """What else the object is to have: '' for a plain put."""
    given = command.properties
    header = "" if command.caller is None else command.caller.trace_header
    if given is None and command.source == "PutObject" and not command.copy and not header:
        return ""
    given = given or Properties()
    return to_json(
        {
            "more": more_of(given),
            "storage_class": given.storage_class,
            "event": CREATED_BY[command.source],
            "copy": command.copy,
            "upload_id": command.upload_id,
            "trace_header": header,
        }
    )


def view_write(read: Reader, entry: Entry) -> WriteView:
    """For CommitWrite and AbortWrite."""
    row = read.one(store.WRITE_BY_ID, entry.arn, entry.command.id)
    if row is None:
        return WriteView(Spot(read.resource(entry.arn)))
    write = store.pending_write(row)
    return WriteView(spot_of(read, entry.arn, write.key), write, row[9:])


def decide_commit(view: WriteView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The object and its event, as PutObject or DeleteObject would make them."""
    command: CommitWrite = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    write = view.write
    if write is None:
        return Decision(NO_SUCH_WRITE)
    content_type, principal, source_ip, put = view.more
    more = json.loads(put) if put else {}
    caller = Caller(principal, source_ip, more.pop("trace_header", ""))
    request = request_of(view.spot.bucket.config, caller, ids)
    upload_id = more.pop("upload_id", "")
    if write.operation == "put":
        file = write.file if write.place == "file" else None
        new = NewObject(
            write.size,
            write.etag,
            content_type,
            write.place,
            inode=None if file is None else file.inode,
            mtime_ns=None if file is None else file.mtime_ns,
            **more,
        )
        decision = created(view.spot, entry, write.key, new, request, now_ms=now_ms, ids=ids)
    else:
        decision = removed(view.spot, entry, write.key, request, now_ms=now_ms, ids=ids)
    if upload_id:
        decision.writes += [Write(one, (upload_id,)) for one in versions_store.DELETE_UPLOAD]
    decision.writes.append(Write(store.DELETE_WRITE, (entry.arn, command.id)))
    return decision


def decide_abort(view: WriteView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Forget the intent, with a trace row that says why."""
    command: AbortWrite = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    if view.write is None:
        return Decision(NO_SUCH_WRITE)
    details = {"operation": view.write.operation, "reason": command.reason}
    note = Note(ids.row_id(), "WriteAborted", entry.arn, view.write.key, entry.cause, details)
    return Decision(None, writes=[Write(store.DELETE_WRITE, (entry.arn, command.id))], notes=[note])


def view_list(read: Reader, entry: Entry) -> tuple[PendingWrite, ...] | None:
    """For ListWrites."""
    if read.resource(entry.arn) is None:
        return None
    return tuple(store.pending_write(row) for row in read.all(store.WRITES, entry.arn))


def decide_list(view: tuple[PendingWrite, ...] | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The journal, oldest first."""
    return Decision(NO_SUCH_BUCKET if view is None else view)


def view_copies(read: Reader, entry: Entry) -> tuple[str, ...] | None:
    """For ListCopies."""
    if read.resource(entry.arn) is None:
        return None
    return tuple(row[0] for row in read.all(store.COPIES, entry.arn))


def decide_copies(view: tuple[str, ...] | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The names, in order."""
    return Decision(NO_SUCH_BUCKET if view is None else view)

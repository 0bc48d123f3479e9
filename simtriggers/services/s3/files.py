"""What a watched folder reports beside new files: files gone, files to index, files that were skipped."""

from __future__ import annotations

from dataclasses import dataclass

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store
from .commands import (
    DEFAULT_CONTENT_TYPE,
    FileGone,
    FileList,
    FileSkipped,
    FileState,
    FolderChanged,
    FolderScanned,
    ForgetFiles,
    Gone,
    IndexFiles,
    ListFiles,
)
from .removal import removed
from .work import NO_SUCH_BUCKET, PLACE, Spot, request_of, spot_of


@dataclass(frozen=True, slots=True)
class GoneView:
    """The spot of the key, its journalled writes, and the keys below a folder of that name."""

    spot: Spot
    below: tuple[str, ...] = ()


def view_gone(read: Reader, entry: Entry) -> GoneView:
    """For FileGone."""
    key = entry.command.key
    spot = spot_of(read, entry.arn, key)
    if spot.bucket is None:
        return GoneView(spot)
    writes = tuple(read.all(store.WRITES_OF_KEY, entry.arn, key))
    below = tuple(row[0] for row in read.all(store.KEYS_BELOW, entry.arn, key))
    return GoneView(Spot(spot.bucket, spot.last, spot.row, writes, spot.bus), below)


def decide_gone(view: GoneView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A file went: its object goes, unless an API delete of our own is under way and will say so."""
    command: FileGone = entry.command
    spot = view.spot
    if spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    ours = any(store.pending_write(row).operation == "delete" for row in spot.writes)
    if spot.row is None or spot.row[PLACE] != "file" or ours:
        return Decision(Gone(removed=False, below=view.below))
    request = request_of(spot.bucket.config, None, ids)
    decision = removed(spot, entry, command.key, request, now_ms=now_ms, ids=ids)
    decision.reply = Gone(removed=True, below=view.below)
    return decision


def view_bucket(read: Reader, entry: Entry) -> Resource | None:
    """For IndexFiles, ForgetFiles, FolderScanned, FolderChanged and FileSkipped."""
    return read.resource(entry.arn)


def decide_index(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Rows without events; the sum is told by FolderScanned."""
    command: IndexFiles = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    rows = [
        (
            entry.arn, one.key, one.size, one.etag, "", now_ms, DEFAULT_CONTENT_TYPE, "file", None,
            one.file.inode, one.file.mtime_ns, 0, "", "STANDARD", "", "",
        )
        for one in command.files
    ]  # fmt: skip
    return Decision(len(rows), writes=[Write(store.PUT_OBJECT, rows, many=True)] if rows else [])


def decide_forget(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Rows go without events."""
    command: ForgetFiles = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    rows = [(entry.arn, key) for key in command.keys]
    return Decision(None, writes=[Write(store.DELETE_OBJECT, rows, many=True)] if rows else [])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of files, and the folder whose first scan has ended."""

    bucket: Resource | None
    scanned_folder: str = ""
    files: tuple[FileState, ...] = ()


def view_list(read: Reader, entry: Entry) -> Page:
    """For ListFiles: one row more than asked for."""
    command: ListFiles = entry.command
    bucket = read.resource(entry.arn)
    if bucket is None:
        return Page(None)
    scanned = read.one(store.SCANNED, entry.arn)
    end = store.prefix_end(command.prefix)
    rows = read.all(store.LIST_FILES, entry.arn, command.after, command.prefix, end, command.limit + 1)
    return Page(bucket, "" if scanned is None else scanned[0], tuple(store.file_state(row) for row in rows))


def decide_list(view: Page, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A bucket that was given another folder counts as not yet scanned."""
    if view.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    limit = entry.command.limit
    scanned = view.scanned_folder == view.bucket.config.folder and view.scanned_folder != ""
    return Decision(FileList(scanned, view.files[:limit], truncated=len(view.files) > limit))


def decide_scanned(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Remember that this folder is known; say in one row what the scan found."""
    command: FolderScanned = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    folder = view.config.folder
    details = {"folder": folder, "indexed": command.indexed, "put": command.put, "removed": command.removed}
    note = Note(ids.row_id(), "FolderScanned", entry.arn, view.name, entry.cause, details)
    return Decision(None, writes=[Write(store.SET_SCANNED, (folder, entry.arn))], notes=[note])


def decide_changed(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A row of its own kind; a warning unless all is well again."""
    command: FolderChanged = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    details = {"folder": view.config.folder}
    if command.reason:
        details["reason"] = command.reason
    if command.change != "returned":
        details["level"] = "warning"
    kind = {"gone": "FolderGone", "returned": "FolderReturned", "polled": "FolderPolled"}[command.change]
    note = Note(ids.row_id(), kind, entry.arn, view.name, entry.cause, details)
    return Decision(None, notes=[note])


def decide_skipped(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A warning in the trace."""
    command: FileSkipped = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    details = {"reason": command.reason, "level": "warning"}
    note = Note(ids.row_id(), "FileSkipped", entry.arn, command.key, entry.cause, details)
    return Decision(None, notes=[note])

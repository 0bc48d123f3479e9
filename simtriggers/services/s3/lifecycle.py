"""The daily turn of lifecycle rules: at each midnight UTC what is old enough goes or changes its class.

An object is old enough so many days after it was made, rounded up to the next midnight UTC. Objects that
are files are left: what becomes of files is the folder's affair, and a row says how many there were.
Source: S3 User Guide, "How S3 Lifecycle works".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import CancelTimer, Decision, Effect, Note, Timer, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store, versions_store
from .config import BucketSettings
from .events import EXPIRED_DELETE, TRANSITION
from .lifecycle_rules import Rule
from .publishing import Happening, publish
from .records import Request
from .removal import Doomed, remove
from .requests import RunLifecycle
from .restore import DAY_MS, midnight_after
from .versions import drop_version
from .work import CLASS, PLACE, Spot, Work, bus_of, own_request, work_on

AT_ONCE = 500
"""How many objects one step takes; what is left is done in the next, at the same time."""

TIMER = "lifecycle"

_FILES = ("file", "store")


def timer_of(rules: tuple[Rule, ...], now_ms: int, cause: int) -> Effect:
    """The next turn of a bucket's rules, or none."""
    if not rules:
        return CancelTimer(TIMER)
    return Timer(TIMER, midnight_after(now_ms + 1), RunLifecycle(), cause, background=True)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is due: current objects to expire, with their rule; those that change their class, with rule and
    class; earlier versions, and markers that are alone (key, version id); uploads (id, key, cause). `files`
    are current objects that are due but are files; `full` says that there may be more."""

    spot: Spot
    expired: tuple[tuple[Rule, str, tuple[Any, ...]], ...] = ()
    moved: tuple[tuple[Rule, str, str, tuple[Any, ...]], ...] = ()
    old: tuple[tuple[Rule, str, str], ...] = ()
    uploads: tuple[tuple[Any, ...], ...] = ()
    files: int = 0
    full: bool = False


@dataclass(slots=True)
class _Due:
    """A turn while it is read. `seen` are keys with a decision already."""

    expired: list[tuple[Rule, str, tuple[Any, ...]]] = field(default_factory=list)
    moved: list[tuple[Rule, str, str, tuple[Any, ...]]] = field(default_factory=list)
    old: list[tuple[Rule, str, str]] = field(default_factory=list)
    uploads: list[tuple[Any, ...]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    full: bool = False


def view_run(read: Reader, entry: Entry) -> Turn:
    """For RunLifecycle."""
    bucket = read.resource(entry.arn)
    if bucket is None:
        return Turn(Spot(None))
    settings: BucketSettings = bucket.config
    midnight = read.now_ms // DAY_MS * DAY_MS
    due = _Due()
    for rule in settings.lifecycle:
        _expiring(read, entry.arn, rule, midnight, due, bool(settings.versioning))
    for rule in settings.lifecycle:
        _moving(read, entry.arn, rule, midnight, due)
    row = read.one(store.SEQUENCERS, entry.arn)
    assert row is not None, f"bucket {entry.arn} has no row in s3_buckets"
    spot = Spot(bucket, row, None, (), bus_of(read, bucket))
    lists = tuple(due.expired), tuple(due.moved), tuple(due.old), tuple(due.uploads)
    return Turn(spot, *lists, len(due.files), due.full)


def _expiring(read: Reader, arn: str, rule: Rule, midnight: int, due: _Due, versioned: bool) -> None:
    end = store.prefix_end(rule.prefix)
    if rule.days is not None:
        rows = read.all(store.OLDER, arn, rule.prefix, end, midnight - rule.days * DAY_MS, "", AT_ONCE)
        due.full |= len(rows) == AT_ONCE
        for key, *row in rows:
            if row[PLACE] in _FILES:
                due.files.add(key)
            elif key not in due.seen:
                due.seen.add(key)
                due.expired.append((rule, key, tuple(row)))
    if rule.noncurrent_days is not None:
        cutoff = midnight - rule.noncurrent_days * DAY_MS
        rows = read.all(versions_store.NONCURRENT, arn, rule.prefix, end, cutoff, AT_ONCE)
        due.full |= len(rows) == AT_ONCE
        due.old.extend((rule, key, version_id) for key, version_id in rows)
    if rule.markers and versioned:
        rows = read.all(versions_store.LONE_MARKERS, arn, rule.prefix, end, AT_ONCE)
        due.full |= len(rows) == AT_ONCE
        due.old.extend((rule, key, version_id) for key, version_id in rows)
    if rule.upload_days is not None:
        rows = read.all(versions_store.UPLOADS, arn, rule.prefix, end)
        cutoff = midnight - rule.upload_days * DAY_MS
        due.uploads.extend((row[0], row[1], row[6]) for row in rows if row[2] <= cutoff)


def _moving(read: Reader, arn: str, rule: Rule, midnight: int, due: _Due) -> None:
    """Of several transitions that are due the last one counts."""
    end = store.prefix_end(rule.prefix)
    for days, storage_class in sorted(rule.transitions, reverse=True):
        rows = read.all(store.OLDER, arn, rule.prefix, end, midnight - days * DAY_MS, storage_class, AT_ONCE)
        later = {name for after, name in rule.transitions if after > days}
        due.full |= len(rows) == AT_ONCE
        for key, *row in rows:
            if row[PLACE] in _FILES:
                due.files.add(key)
            elif key not in due.seen and row[CLASS] not in later:
                due.seen.add(key)
                due.moved.append((rule, storage_class, key, tuple(row)))


def decide_run(view: Turn, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Do what is due, each with its event, and come back at the next midnight."""
    command: RunLifecycle = entry.command
    bucket = view.spot.bucket
    if bucket is None:
        return Decision()
    settings: BucketSettings = bucket.config
    work = work_on(view.spot, entry, now_ms, ids)
    request = own_request(settings, ids)
    for rule, key, row in view.expired:
        spot = Spot(bucket, view.spot.last, row, (), view.spot.bus)
        remove(work, key, "", Doomed(spot), request, by_rule=rule.id)
    for rule, storage_class, key, row in view.moved:
        _move(work, rule, storage_class, key, row, request)
    for rule, key, version_id in dict.fromkeys(view.old):
        _expire_version(work, rule, key, version_id, request)
    for upload_id, key, cause in dict.fromkeys(view.uploads):
        details = {"upload_id": upload_id}
        work.decision.notes.append(Note(ids.row_id(), "MultipartUploadAborted", entry.arn, key, cause, details))
        work.decision.writes += [Write(one, (upload_id,)) for one in versions_store.DELETE_UPLOAD]
    if view.files and not command.again:
        details = {"files": view.files, "reason": "lifecycle rules leave objects that are files", "level": "warning"}
        row_id = ids.row_id()
        work.decision.notes.append(Note(row_id, "LifecycleSkipped", entry.arn, bucket.name, entry.cause, details))
    did = view.expired or view.moved or view.old
    if view.full and did:
        again = Timer(TIMER, now_ms, RunLifecycle(True), entry.cause, background=True)
        work.decision.effects.append(again)
    else:
        work.decision.effects.append(timer_of(settings.lifecycle, now_ms, entry.cause))
    return work.done(None)


def _move(work: Work, rule: Rule, storage_class: str, key: str, row: tuple[Any, ...], request: Request) -> None:
    size, etag, version_id = row[0], row[1], row[7]
    mark = work.sequencer()
    details = {"from": row[CLASS], "to": storage_class, "rule": rule.id, "sequencer": mark}
    note = Note(work.ids.row_id(), "ObjectTransitioned", work.entry.arn, key, work.entry.cause, details)
    work.decision.notes.append(note)
    values = (work.entry.arn, key, version_id, storage_class)
    work.decision.writes.append(Write(versions_store.SET_CLASS, values))
    data = to_json({"transitionEventData": {"destinationStorageClass": storage_class}})
    extra = (("destination-storage-class", storage_class),)
    happening = Happening(TRANSITION, key, size, etag, mark, version_id, f'"lifecycleEventData":{data}', extra)
    publish(work, note, happening, request)


def _expire_version(work: Work, rule: Rule, key: str, version_id: str, request: Request) -> None:
    mark = work.sequencer()
    details = {
        "sequencer": mark,
        "request_id": request.request_id,
        "version_id": version_id or "null",
        "rule": rule.id,
    }
    note = Note(work.ids.row_id(), "ObjectRemoved", work.entry.arn, key, work.entry.cause, details)
    work.decision.notes.append(note)
    drop_version(work, key, version_id)
    publish(work, note, Happening(EXPIRED_DELETE, key, None, None, mark, version_id), request)

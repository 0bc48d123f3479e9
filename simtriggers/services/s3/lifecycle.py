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
from .lifecycle_rules import DAY_MS, Rule, coldness, warmer
from .publishing import Happening, publish
from .records import Request
from .removal import Doomed, remove
from .requests import NULL_VERSION, RunLifecycle
from .restore import midnight_after
from .versions import drop_version
from .work import CLASS, PLACE, VERSION, Spot, Work, bus_of, own_request, work_on

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
class Move:
    """An object or an earlier version that changes its storage class."""

    rule: Rule
    storage_class: str
    key: str
    version_id: str
    size: int
    etag: str
    before: str
    current: bool


@dataclass(slots=True)
class Due:
    """What is due. `expired` are current objects with their rule; `old` earlier versions, and markers that are
    alone (key, version id); `uploads` (id, key, cause). `files` are keys of current objects that are due but are
    files; `full` says that there may be more. `seen` are keys, or keys with versions, that something happens to."""

    expired: list[tuple[Rule, str, tuple[Any, ...]]] = field(default_factory=list)
    moved: list[Move] = field(default_factory=list)
    old: list[tuple[Rule, str, str]] = field(default_factory=list)
    uploads: list[tuple[Any, ...]] = field(default_factory=list)
    seen: set[str | tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    full: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn begins with, and what is due."""

    spot: Spot
    due: Due = field(default_factory=Due)


def view_run(read: Reader, entry: Entry) -> Turn:
    """For RunLifecycle."""
    bucket = read.resource(entry.arn)
    if bucket is None:
        return Turn(Spot(None))
    settings: BucketSettings = bucket.config
    midnight = read.now_ms // DAY_MS * DAY_MS
    due = Due()
    for rule in settings.lifecycle:
        _expiring(read, entry.arn, rule, midnight, due, bool(settings.versioning))
    for rule in settings.lifecycle:
        _moving(read, entry.arn, rule, midnight, due)
        _moving_old(read, entry.arn, rule, midnight, due)
    row = read.one(store.SEQUENCERS, entry.arn)
    assert row is not None, f"bucket {entry.arn} has no row in s3_buckets"
    return Turn(Spot(bucket, row, None, (), bus_of(read, bucket)), due)


def _of_rule(arn: str, rule: Rule, cutoff: int) -> tuple[Any, ...]:
    """The first eight parameters of the statements that look for what is due."""
    which = rule.which
    end = store.prefix_end(which.prefix)
    return arn, which.prefix, end, cutoff, which.tags, which.above, which.below, AT_ONCE


def _expiring(read: Reader, arn: str, rule: Rule, midnight: int, due: Due, versioned: bool) -> None:
    prefix, end = rule.which.prefix, store.prefix_end(rule.which.prefix)
    cutoff = None if rule.expires is None else rule.expires.cutoff(midnight)
    if cutoff is not None:
        rows = read.all(store.OLDER, *_of_rule(arn, rule, cutoff), None)
        due.full |= len(rows) == AT_ONCE
        for key, *row in rows:
            if row[PLACE] in _FILES:
                due.files.add(key)
            elif key not in due.seen:
                due.seen.add(key)
                due.expired.append((rule, key, tuple(row)))
    if rule.old is not None:
        days, kept = rule.old
        found = read.all(versions_store.NONCURRENT, *_of_rule(arn, rule, midnight - days * DAY_MS), kept)
        _expiring_old(rule, found, due)
    if rule.markers and versioned:
        _expiring_old(rule, read.all(versions_store.LONE_MARKERS, arn, prefix, end, AT_ONCE), due)
    if rule.upload_days is not None:
        rows = read.all(versions_store.UPLOADS, arn, prefix, end)
        begun_by = midnight - rule.upload_days * DAY_MS
        due.uploads.extend((row[0], row[1], row[6]) for row in rows if row[2] <= begun_by)


def _expiring_old(rule: Rule, rows: list[tuple[Any, ...]], due: Due) -> None:
    due.full |= len(rows) == AT_ONCE
    for key, version_id in rows:
        if (key, version_id) not in due.seen:
            due.seen.add((key, version_id))
            due.old.append((rule, key, version_id))


def _moving(read: Reader, arn: str, rule: Rule, midnight: int, due: Due) -> None:
    """Of several transitions that are due the last one counts."""
    moves = sorted(rule.transitions, key=lambda each: (each[0].order(), coldness(each[1])), reverse=True)
    for when, storage_class in moves:
        cutoff = when.cutoff(midnight)
        if cutoff is None:
            continue
        rows = read.all(store.OLDER, *_of_rule(arn, rule, cutoff), warmer(storage_class))
        due.full |= len(rows) == AT_ONCE
        for key, *row in rows:
            if row[PLACE] in _FILES:
                due.files.add(key)
            elif key not in due.seen:
                due.seen.add(key)
                due.moved.append(Move(rule, storage_class, key, row[VERSION], row[0], row[1], row[CLASS], True))


def _moving_old(read: Reader, arn: str, rule: Rule, midnight: int, due: Due) -> None:
    """The same of earlier versions, by the days since they were replaced."""
    for days, kept, storage_class in sorted(
        rule.old_moves, key=lambda each: (each[0], coldness(each[2])), reverse=True
    ):
        first = _of_rule(arn, rule, midnight - days * DAY_MS)
        rows = read.all(versions_store.NONCURRENT_WARMER, *first, kept, warmer(storage_class))
        due.full |= len(rows) == AT_ONCE
        for key, version_id, size, etag, before in rows:
            if (key, version_id) not in due.seen:
                due.seen.add((key, version_id))
                due.moved.append(Move(rule, storage_class, key, version_id, size, etag, before, False))


def decide_run(view: Turn, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Do what is due, each with its event, and come back at the next midnight."""
    command: RunLifecycle = entry.command
    bucket, due = view.spot.bucket, view.due
    if bucket is None:
        return Decision()
    settings: BucketSettings = bucket.config
    work = work_on(view.spot, entry, now_ms, ids)
    request = own_request(settings, ids)
    for rule, key, row in due.expired:
        spot = Spot(bucket, view.spot.last, row, (), view.spot.bus)
        remove(work, key, "", Doomed(spot), request, by_rule=rule.id)
    for move in due.moved:
        _move(work, move, request)
    for rule, key, version_id in due.old:
        _expire_version(work, rule, key, version_id, request)
    for upload_id, key, cause in dict.fromkeys(due.uploads):
        details = {"upload_id": upload_id}
        work.decision.notes.append(Note(ids.row_id(), "MultipartUploadAborted", entry.arn, key, cause, details))
        work.decision.writes += [Write(one, (upload_id,)) for one in versions_store.DELETE_UPLOAD]
    if due.files and not command.again:
        details = {"files": len(due.files), "reason": "lifecycle rules leave objects that are files"}
        details["level"] = "warning"
        row_id = ids.row_id()
        work.decision.notes.append(Note(row_id, "LifecycleSkipped", entry.arn, bucket.name, entry.cause, details))
    did = due.expired or due.moved or due.old
    if due.full and did:
        again = Timer(TIMER, now_ms, RunLifecycle(True), entry.cause, background=True)
        work.decision.effects.append(again)
    else:
        work.decision.effects.append(timer_of(settings.lifecycle, now_ms, entry.cause))
    return work.done(None)


def _move(work: Work, move: Move, request: Request) -> None:
    mark = work.sequencer()
    storage_class, version_id = move.storage_class, move.version_id
    details = {"from": move.before, "to": storage_class, "rule": move.rule.id, "sequencer": mark}
    if not move.current:
        details["version_id"] = version_id or NULL_VERSION
    note = Note(work.ids.row_id(), "ObjectTransitioned", work.entry.arn, move.key, work.entry.cause, details)
    work.decision.notes.append(note)
    statement = versions_store.SET_CLASS if move.current else versions_store.SET_CLASS_OF_VERSION
    work.decision.writes.append(Write(statement, (work.entry.arn, move.key, version_id, storage_class)))
    data = to_json({"transitionEventData": {"destinationStorageClass": storage_class}})
    extra = (("destination-storage-class", storage_class),)
    more = f'"lifecycleEventData":{data}'
    publish(work, note, Happening(TRANSITION, move.key, move.size, move.etag, mark, version_id, more, extra), request)


def _expire_version(work: Work, rule: Rule, key: str, version_id: str, request: Request) -> None:
    mark = work.sequencer()
    details = {
        "sequencer": mark,
        "request_id": request.request_id,
        "version_id": version_id or NULL_VERSION,
        "rule": rule.id,
    }
    note = Note(work.ids.row_id(), "ObjectRemoved", work.entry.arn, key, work.entry.cause, details)
    work.decision.notes.append(note)
    drop_version(work, key, version_id)
    publish(work, note, Happening(EXPIRED_DELETE, key, None, None, mark, version_id), request)

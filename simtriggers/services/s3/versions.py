"""Versions of an object: keeping what is replaced, bringing an earlier one back, listing them.

The current object is a row of s3_objects; earlier versions and delete markers are rows of s3_versions.
Source: S3 User Guide, "Using versioning in S3 buckets".
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store, versions_store
from .requests import NULL_VERSION, ListObjectVersions, VersionInfo, VersionList
from .work import BODY, NO_SUCH_BUCKET, PLACE, VERSION, Work

ENABLED, SUSPENDED = "enabled", "suspended"

NO_SUCH_VERSION = Refused("NoSuchVersion", "The specified version does not exist.", 404)


_DROP_VERSION = (versions_store.DELETE_VERSION, versions_store.DELETE_IF_CURRENT, store.DELETE_BLOB)


def new_version_id(ids: Ids) -> str:
    """32 characters of a-z, A-Z, 0-9, `_` and `.`."""
    return base64.b64encode(ids.take("s3.version", 24), altchars=b"_.").decode()


def version_refused(version_id: str) -> Refused | None:
    """What S3 answers to a text that cannot be the id of a version."""
    if version_id in ("", NULL_VERSION) or len(version_id) == 32:
        return None
    fields = (("ArgumentName", "versionId"), ("ArgumentValue", version_id))
    return Refused("InvalidArgument", "Invalid version id specified", fields=fields)


def stored_id(version_id: str) -> str:
    """A version's id as its row has it: '' for `null`."""
    return "" if version_id == NULL_VERSION else version_id


def keep_or_replace(work: Work, key: str, versioning: str) -> None:
    """Make room for a new current version, or for a delete marker.

    What is current becomes an earlier version. With suspended versioning the null version goes instead,
    wherever it is.
    """
    arn, writes = work.entry.arn, work.decision.writes
    if versioning == SUSPENDED:
        drop_version(work, key, "")
    writes.append(Write(versions_store.MARKER_IS_OLD, (arn, key, work.now_ms)))
    writes.append(Write(versions_store.KEEP_VERSION, (arn, key, work.now_ms)))
    writes.append(Write(store.DELETE_OBJECT, (arn, key)))


def drop_content(work: Work, key: str, row: tuple[Any, ...]) -> None:
    """The bytes of a current object go, if the database has them."""
    if row[PLACE] == "database" and row[BODY] is None:
        work.decision.writes.append(Write(store.DELETE_BLOB, (work.entry.arn, key, row[VERSION])))


def drop_version(work: Work, key: str, version_id: str) -> None:
    """A version or a marker goes, with its bytes."""
    place = (work.entry.arn, key, version_id)
    work.decision.writes.extend(Write(each, place) for each in _DROP_VERSION)


def bring_back(work: Work, key: str) -> None:
    """If a key has no current object now: the newest of its versions is the latest."""
    work.decision.writes.extend(Write(each, (work.entry.arn, key)) for each in versions_store.BRING_BACK)


# --- listing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a page, one more than asked for."""

    bucket: bool
    rows: tuple[tuple[Any, ...], ...] = ()


def view_list(read: Reader, entry: Entry) -> Listed:
    """For ListObjectVersions."""
    command: ListObjectVersions = entry.command
    if read.resource(entry.arn) is None:
        return Listed(False)
    before = -1
    if command.version_id_marker:
        marker = stored_id(command.version_id_marker)
        row = read.one(versions_store.NUMBER_OF_VERSION, entry.arn, command.key_marker, marker)
        before = versions_store.CURRENT if row is None else row[0]
    end = store.prefix_end(command.prefix)
    rows = read.all(
        versions_store.LIST_VERSIONS, entry.arn, command.key_marker, before, command.prefix, end, command.limit + 1
    )
    return Listed(True, tuple(rows))


def decide_list(view: Listed, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """One page of versions and markers."""
    if not view.bucket:
        return Decision(NO_SUCH_BUCKET)
    limit = entry.command.limit
    found = tuple(
        VersionInfo(
            key, version_id or NULL_VERSION, bool(latest), bool(marker), size, "" if marker else etag, modified, kept_in
        )
        for key, _, version_id, marker, latest, size, etag, modified, kept_in in view.rows[:limit]
    )
    return Decision(VersionList(found, truncated=len(view.rows) > limit))

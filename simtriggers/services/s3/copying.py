"""CopyObject: the destination's bucket reads the source's rows and makes the copy in one step.

Source: S3 API reference, CopyObject. Of an object whose content is a file only whoever writes files can
make a copy; here its copy has no content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader
from .commands import ObjectInfo, Properties, content_md5
from .conditions import copy_refused, more_of
from .events import CREATED_COPY
from .objects import NewObject, make_object, put_refused
from .reading import Found, archived, found_of, info_of, missing
from .requests import CopyObject, ObjectCopied
from .work import NO_SUCH_BUCKET, Spot, request_of, spot_of, work_on

_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's"
    " metadata, storage class, website redirect location or encryption attributes."
)
_ARCHIVED = Refused(
    "ObjectNotInActiveTierError",
    "The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.",
    403,
)


@dataclass(frozen=True, slots=True)
class Copying:
    """The destination's spot, and the source with its content."""

    spot: Spot
    source: Found


def view_copy(read: Reader, entry: Entry) -> Copying:
    """For CopyObject."""
    command: CopyObject = entry.command
    source = found_of(read, command.source_bucket, command.source_key, command.source_version_id, content=True)
    return Copying(spot_of(read, entry.arn, command.key), source)


def source_refused(source: Found, key: str, version_id: str) -> Refused | None:
    """Why a source cannot be copied, but for conditions."""
    if not source.bucket:
        return NO_SUCH_BUCKET
    refused = missing(source, key, version_id)
    if refused is None and archived(info_of(source)):
        return _ARCHIVED
    return refused


def archived_source(refused: Refused) -> Refused:
    """What a copy says where a read would say that the object is archived."""
    return _ARCHIVED if refused.code == "InvalidObjectState" else refused


def copied_properties(command: CopyObject, source: ObjectInfo) -> tuple[str, Properties]:
    """Content type and properties of the copy. An ACL is never copied."""
    tags = source.tags if command.tags is None else command.tags
    if command.properties is None:
        kept = Properties(source.metadata, tags, command.storage_class, source.headers)
        return source.content_type, kept
    given = replace(command.properties, tags=tags, storage_class=command.storage_class)
    return command.content_type or source.content_type, given


def decide_copy(view: Copying, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Copy metadata and content; raises ObjectCreated:Copy at the destination."""
    command: CopyObject = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = source_refused(view.source, command.source_key, command.source_version_id)
    if refused is not None:
        return Decision(refused)
    info = info_of(view.source)
    refused = copy_refused(command.source_conditions, info.etag, info.last_modified_ms)
    refused = refused or itself_refused(command, entry.arn, info)
    content_type, given = copied_properties(command, info)
    refused = refused or put_refused(view.spot, command.key, info.size, given, command.conditions)
    if refused is not None:
        return Decision(refused)
    row, body = view.source.rows[0], view.source.body
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    new = NewObject(
        info.size,
        content_md5(raw) if raw is not None and "-" in info.etag else info.etag,
        content_type,
        "none" if raw is None else "database",
        row[11],
        None,
        None,
        given.storage_class,
        more_of(given),
        "",
        body if isinstance(body, bytes) else None,
        CREATED_COPY,
    )
    work = work_on(view.spot, entry, now_ms, ids)
    request = request_of(view.spot.bucket.config, command.caller, ids)
    put = make_object(work, command.key, view.spot.row, new, request)
    return work.done(ObjectCopied(put.etag, put.sequencer, now_ms, put.version_id, info.version_id))


def itself_refused(command: CopyObject, arn: str, source: ObjectInfo) -> Refused | None:
    """Why an object is not copied to itself: nothing would change."""
    same = command.source_bucket == arn and command.source_key == command.key and not command.source_version_id
    if same and command.properties is None and command.storage_class == source.storage_class:
        return Refused("InvalidRequest", _ITSELF)
    return None

"""Uploads in parts. Only the completion raises an event. Parts are kept as bytes in the database.

Source: S3 User Guide, "Uploading and copying objects using multipart upload"; API reference.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store, versions_store
from .commands import Conditions, as_kept, content_md5
from .conditions import SIZE_LIMIT, bounds_of, more_of, properties_of, properties_refused, write_refused
from .copying import source_refused
from .events import CREATED_MULTIPART
from .objects import NewObject, key_refused, make_object
from .reading import Found, found_of
from .requests import (
    CompleteMultipartUpload,
    CreateMultipartUpload,
    Joined,
    JoinParts,
    ListMultipartUploads,
    Part,
    Upload,
    UploadPart,
    UploadPartCopy,
)
from .work import MALFORMED, NO_SUCH_BUCKET, Spot, request_of, spot_of, work_on

SMALLEST_PART, MOST_PARTS = 5 * 1024**2, 10_000

NO_SUCH_UPLOAD = Refused(
    "NoSuchUpload",
    "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been"
    " aborted or completed.",
    404,
)
_INVALID_PART = (
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified"
    " entity tag may not match the part's entity tag."
)
_ORDER = "The list of parts was not in ascending order. The parts list must be specified in order by part number."


def multipart_etag(etags: list[str]) -> str:
    """MD5 of the parts' binary MD5s, with their number; also of a single part."""
    joined = b"".join(map(bytes.fromhex, etags))
    return f"{md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def view_create(read: Reader, entry: Entry) -> Resource | None:
    """For CreateMultipartUpload."""
    return read.resource(entry.arn)


def decide_create(view: Resource | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Begin an upload."""
    command: CreateMultipartUpload = entry.command
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    given = command.properties
    refused = key_refused(command.key) or (None if given is None else properties_refused(given))
    if refused is not None:
        return Decision(refused)
    upload_id = base64.b64encode(ids.take("s3.upload", 48), altchars=b"_.").decode()
    note = Note(ids.row_id(), "MultipartUploadCreated", entry.arn, command.key, entry.cause, {"upload_id": upload_id})
    kept_in, more = ("STANDARD", "") if given is None else (given.storage_class, more_of(given))
    row = (upload_id, entry.arn, command.key, now_ms, command.content_type, kept_in, more, note.id)
    return Decision(upload_id, writes=[Write(versions_store.ADD_UPLOAD, row)], notes=[note])


@dataclass(frozen=True, slots=True)
class Uploading:
    """An upload's row with its parts' (number, size, ETag, time), and the spot of its key."""

    bucket: Resource | None
    upload: tuple[Any, ...] | None = None
    parts: tuple[tuple[Any, ...], ...] = ()
    spot: Spot | None = None
    contents: tuple[bytes, ...] = ()
    source: Found | None = None


def view_upload(read: Reader, entry: Entry) -> Uploading:
    """For all commands about one upload. The contents are read for what completes it."""
    command = entry.command
    bucket = read.resource(entry.arn)
    upload = None if bucket is None else read.one(versions_store.UPLOAD, entry.arn, command.upload_id)
    if upload is None:
        return Uploading(bucket)
    parts = tuple(read.all(versions_store.PARTS, command.upload_id))
    if isinstance(command, UploadPartCopy):
        key, version_id = command.source_key, command.source_version_id
        source = found_of(read, command.source_bucket, key, version_id, content=True)
        return Uploading(bucket, upload, parts, source=source)
    if not isinstance(command, CompleteMultipartUpload | JoinParts):
        return Uploading(bucket, upload, parts)
    wanted = {number for number, _ in command.parts}
    contents = tuple(
        content for number, content in read.all(versions_store.CONTENTS, command.upload_id) if number in wanted
    )
    return Uploading(bucket, upload, parts, spot_of(read, entry.arn, upload[1]), contents)


def _refused(view: Uploading, number: int = 1) -> Refused | None:
    if view.bucket is None:
        return NO_SUCH_BUCKET
    if view.upload is None:
        return NO_SUCH_UPLOAD
    if not 1 <= number <= MOST_PARTS:
        fields = (("ArgumentName", "partNumber"), ("ArgumentValue", str(number)))
        text = "Part number must be an integer between 1 and 10000, inclusive"
        return Refused("InvalidArgument", text, fields=fields)
    return None


def decide_part(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Store a part; a part of that number that was there is replaced."""
    command: UploadPart = entry.command
    body = command.body
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return _stored(view, command, raw, now_ms)


def _stored(view: Uploading, command: UploadPart | UploadPartCopy, raw: bytes, now_ms: int) -> Decision:
    refused = _refused(view, command.part_number)
    if refused is None and len(raw) > SIZE_LIMIT:
        refused = Refused("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    if refused is not None:
        return Decision(refused)
    etag = content_md5(raw)
    row = (command.upload_id, command.part_number, len(raw), etag, raw, now_ms)
    return Decision(etag, writes=[Write(versions_store.PUT_PART, row)])


def decide_part_copy(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Store a part that is an object, or a range of it."""
    command: UploadPartCopy = entry.command
    refused = _refused(view, command.part_number)
    source = view.source
    if refused is None:
        assert source is not None
        refused = source_refused(source, command.source_key, command.source_version_id)
    if refused is not None or source is None:
        return Decision(refused)
    body = source.body or b""
    part = part_of(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body, command.source_range)
    return Decision(part) if isinstance(part, Refused) else _stored(view, command, part, now_ms)


def part_of(raw: bytes, source_range: str) -> bytes | Refused:
    """The range of a source's content that becomes a part."""
    if not source_range:
        return raw
    bounds = bounds_of(source_range, len(raw))
    if isinstance(bounds, tuple):
        return raw[bounds[0] : bounds[1] + 1]
    fields = (("ArgumentName", "x-amz-copy-source-range"), ("ArgumentValue", source_range))
    text = f"Range specified is not valid for source object of size: {len(raw)}"
    return Refused("InvalidArgument", text, fields=fields)


def decide_complete(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Join the parts; raises ObjectCreated:CompleteMultipartUpload."""
    command: CompleteMultipartUpload = entry.command
    refused = _completion_refused(view, command)
    if refused is not None:
        return Decision(refused)
    assert view.upload is not None
    assert view.spot is not None
    key, _, content_type, kept_in, more = view.upload[1:6]
    raw = b"".join(view.contents)
    kept = as_kept(raw)
    text = payload(kept) if isinstance(kept, str) else None
    etag = multipart_etag([etag.strip('"') for _, etag in command.parts])
    digest = None if text is None else text.digest
    blob = raw if text is None else None
    new = NewObject(
        len(raw), etag, content_type, "database", digest, None, None, kept_in, more, "", blob, CREATED_MULTIPART
    )
    work = work_on(view.spot, entry, now_ms, ids)
    request = request_of(work.bucket.config, command.caller, ids)
    reply = make_object(work, key, view.spot.row, new, request)
    if text is not None:
        work.decision.payloads.append(text)
    work.decision.writes += [Write(one, (command.upload_id,)) for one in versions_store.DELETE_UPLOAD]
    return work.done(reply)


def decide_join(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The same without doing it."""
    command: JoinParts = entry.command
    refused = _completion_refused(view, command)
    if refused is not None:
        return Decision(refused)
    assert view.upload is not None
    key, _, content_type, kept_in, more = view.upload[1:6]
    etag = multipart_etag([etag.strip('"') for _, etag in command.parts])
    return Decision(Joined(key, b"".join(view.contents), etag, content_type, properties_of(kept_in, more)))


def _completion_refused(view: Uploading, command: CompleteMultipartUpload | JoinParts) -> Refused | None:
    refused = _refused(view)
    if refused is not None:
        return refused
    assert view.upload is not None
    assert view.spot is not None
    return _parts_refused(command, view.parts) or _condition(view.spot, command.conditions, view.upload[1])


def _condition(spot: Spot, conditions: Conditions | None, key: str) -> Refused | None:
    return write_refused(conditions, None if spot.row is None else spot.row[1], key)


def _parts_refused(command: CompleteMultipartUpload | JoinParts, there: tuple[tuple[Any, ...], ...]) -> Refused | None:
    if not command.parts:
        return MALFORMED
    numbers = [number for number, _ in command.parts]
    if any(second <= first for first, second in pairwise(numbers)):
        return Refused("InvalidPartOrder", _ORDER, fields=(("UploadId", command.upload_id),))
    known = {number: (size, etag) for number, size, etag, _ in there}
    for place, (number, etag) in enumerate(command.parts, start=1):
        size, stored = known.get(number, (0, None))
        if stored is None or stored != etag.strip('"'):
            fields = (("UploadId", command.upload_id), ("PartNumber", str(number)), ("ETag", etag))
            return Refused("InvalidPart", _INVALID_PART, fields=fields)
        if size < SMALLEST_PART and place < len(command.parts):
            sizes = (("ProposedSize", str(size)), ("MinSizeAllowed", str(SMALLEST_PART)))
            text = "Your proposed upload is smaller than the minimum allowed size"
            return Refused("EntityTooSmall", text, fields=(*sizes, ("PartNumber", str(number)), ("ETag", etag)))
    return None


def decide_abort(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Forget the upload and its parts."""
    refused = _refused(view)
    if refused is not None:
        return Decision(refused)
    assert view.upload is not None
    upload_id, key = view.upload[0], view.upload[1]
    note = Note(
        ids.row_id(), "MultipartUploadAborted", entry.arn, key, entry.cause or view.upload[6], {"upload_id": upload_id}
    )
    return Decision(None, [Write(one, (upload_id,)) for one in versions_store.DELETE_UPLOAD], notes=[note])


def decide_list_parts(view: Uploading, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The parts that are there, by number."""
    return Decision(_refused(view) or tuple(Part(*row) for row in view.parts))


def view_uploads(read: Reader, entry: Entry) -> tuple[tuple[Any, ...], ...] | None:
    """For ListMultipartUploads."""
    command: ListMultipartUploads = entry.command
    if read.resource(entry.arn) is None:
        return None
    end = store.prefix_end(command.prefix)
    return tuple(read.all(versions_store.UPLOADS, entry.arn, command.prefix, end))


def decide_uploads(view: tuple[tuple[Any, ...], ...] | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The uploads under way."""
    if view is None:
        return Decision(NO_SUCH_BUCKET)
    return Decision(tuple(Upload(row[0], row[1], row[2], row[4]) for row in view))

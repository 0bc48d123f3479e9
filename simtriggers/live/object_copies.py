"""Copies where the content of the source or of the copy is a file: read, then put.

Where neither is, the bucket's service makes the copy in one step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..kernel.effects import Refused
from ..services.s3.commands import GetObject, HeadObject, ObjectInfo, ObjectPut, StoredObject, put_object
from ..services.s3.conditions import copy_refused
from ..services.s3.copying import archived_source, copied_properties, itself_refused
from ..services.s3.multipart import part_of
from ..services.s3.requests import CopyObject, ObjectCopied, UploadPart, UploadPartCopy
from .object_files import ObjectFiles

Submit = Callable[[str, Any], Awaitable[Any]]


async def copy_object(
    submit: Submit, source: ObjectFiles | None, target: ObjectFiles | None, arn: str, command: CopyObject
) -> Any:
    """CopyObject into the bucket `arn`; replies with ObjectCopied, or Refused. `source` and `target` are those
    who write the buckets' files, None for a bucket without a folder."""
    if source is None and target is None:
        return await submit(arn, command)
    found = await _read(submit, source, command)
    if isinstance(found, Refused):
        return found
    info: ObjectInfo = found.info
    refused = copy_refused(command.source_conditions, info.etag, info.last_modified_ms)
    refused = refused or itself_refused(command, arn, info)
    if refused is not None:
        return refused
    content_type, properties = copied_properties(command, info)
    put = put_object(
        command.key,
        _bytes(found),
        content_type=content_type,
        caller=command.caller,
        properties=properties,
        conditions=command.conditions,
        operation="CopyObject",
    )
    reply = await (target.carry_out(put) if target is not None else submit(arn, put))
    if not isinstance(reply, ObjectPut):
        return reply
    made = await submit(arn, HeadObject(command.key, reply.version_id or ""))
    at_ms = made.last_modified_ms if isinstance(made, ObjectInfo) else 0
    return ObjectCopied(reply.etag, reply.sequencer, at_ms, reply.version_id, info.version_id)


async def copy_part(submit: Submit, source: ObjectFiles | None, arn: str, command: UploadPartCopy) -> Any:
    """UploadPartCopy into the bucket `arn`; replies with the part's ETag, or Refused."""
    if source is None:
        return await submit(arn, command)
    found = await _read(submit, source, command)
    part = found if isinstance(found, Refused) else part_of(_bytes(found), command.source_range)
    if isinstance(part, Refused):
        return part
    return await submit(arn, UploadPart(command.upload_id, command.part_number, part))


async def _read(submit: Submit, files: ObjectFiles | None, command: CopyObject | UploadPartCopy) -> Any:
    """The source with its content (StoredObject), or Refused."""
    key, version_id = command.source_key, command.source_version_id
    if files is None:
        found = await submit(command.source_bucket, GetObject(key, version_id))
    else:
        found = await files.get(key, version_id)
    return archived_source(found) if isinstance(found, Refused) else found


def _bytes(found: StoredObject) -> bytes:
    body = found.body or b""
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body

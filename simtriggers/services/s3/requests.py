"""What a bucket can be told beside puts, deletes and reads: its notification configuration, versions, copies,
uploads in parts, tags, ACLs, restores. Named after AWS's actions; each reply holds what AWS answers.
"""

from __future__ import annotations

from typing import Any

from ...kernel.codec import Overdue, command, value
from .commands import Caller, Conditions, ObjectDeleted, Properties

NULL_VERSION = "null"
"""The id of a version that was put while versioning was not enabled."""

# --- the notification configuration --------------------------------------------------------------


@command(Overdue.RUN)
class PutBucketNotificationConfiguration:
    """Replace the whole configuration; an empty one turns notifications off. Queues and topics in it get an
    s3:TestEvent. Replies with None.

    `configuration` is S3's NotificationConfiguration as JSON. `skip_destination_validation`: targets need
    not be there.
    """

    configuration: dict[str, Any]
    skip_destination_validation: bool = False


@command(Overdue.RUN)
class GetBucketNotificationConfiguration:
    """Replies with the configuration in the same shape, {} for none."""


# --- versions ------------------------------------------------------------------------------------


@value
class VersionInfo:
    """A version, or with `delete_marker` a marker (no size, no ETag)."""

    key: str
    version_id: str
    is_latest: bool
    delete_marker: bool
    size: int
    etag: str
    last_modified_ms: int
    storage_class: str


@command(Overdue.RUN)
class ListObjectVersions:
    """Replies with a `VersionList` of at most `limit` versions, by key, the newest first, after
    `key_marker` and, of that key, after `version_id_marker`."""

    prefix: str = ""
    key_marker: str = ""
    version_id_marker: str = ""
    limit: int = 1000


@value
class VersionList:
    """One page; `truncated` when there are more."""

    versions: tuple[VersionInfo, ...]
    truncated: bool


@command(Overdue.RUN)
class DeleteObjects:
    """Delete up to 1,000 (key, version id or empty) pairs, one event each. Replies with `ObjectsDeleted`."""

    objects: tuple[tuple[str, str], ...]
    caller: Caller | None = None


@value
class ObjectsDeleted:
    """What became of each, in order."""

    deleted: tuple[ObjectDeleted, ...]


# --- copies --------------------------------------------------------------------------------------


@command(Overdue.RUN)
class CopyObject:
    """Copy an object to `key` of the bucket that is asked; raises ObjectCreated:Copy. Replies with
    `ObjectCopied`.

    `source_bucket` is an ARN. Metadata, content type and headers are the source's, unless `properties`
    (with `content_type`) replace them; so are the tags, unless `tags` are given. `storage_class` is the
    copy's. `source_conditions` are on the source, `conditions` on what the copy replaces.
    """

    source_bucket: str
    source_key: str
    key: str
    source_version_id: str = ""
    properties: Properties | None = None
    content_type: str = ""
    tags: tuple[tuple[str, str], ...] | None = None
    storage_class: str = "STANDARD"
    source_conditions: Conditions | None = None
    conditions: Conditions | None = None
    caller: Caller | None = None


@value
class ObjectCopied:
    """The copy; `source_version_id` when the source has versions."""

    etag: str
    sequencer: str
    last_modified_ms: int
    version_id: str | None = None
    source_version_id: str | None = None


# --- uploads in parts ----------------------------------------------------------------------------


@command(Overdue.RUN)
class CreateMultipartUpload:
    """Begin an upload; no event. Replies with its id (str)."""

    key: str
    content_type: str
    properties: Properties | None = None


@command(Overdue.RUN)
class UploadPart:
    """Store part `part_number` (1 to 10,000). Replies with its ETag (str)."""

    upload_id: str
    part_number: int
    body: str | bytes


@command(Overdue.RUN)
class UploadPartCopy:
    """Store a part that is (a range of) an object of `source_bucket` (an ARN). Replies with its ETag."""

    upload_id: str
    part_number: int
    source_bucket: str
    source_key: str
    source_version_id: str = ""
    source_range: str = ""


@command(Overdue.RUN)
class CompleteMultipartUpload:
    """Make the object of `parts`, (number, ETag) pairs in ascending order; raises
    ObjectCreated:CompleteMultipartUpload. Replies with `ObjectPut`."""

    upload_id: str
    parts: tuple[tuple[int, str], ...]
    conditions: Conditions | None = None
    caller: Caller | None = None


@command(Overdue.RUN)
class JoinParts:
    """What completing an upload would store, for whoever writes it into a file; nothing changes. Replies with
    `Joined`, or refuses as CompleteMultipartUpload does."""

    upload_id: str
    parts: tuple[tuple[int, str], ...]
    conditions: Conditions | None = None


@value
class Joined:
    """The object that an upload makes."""

    key: str
    body: bytes
    etag: str
    content_type: str
    properties: Properties


@command(Overdue.RUN)
class AbortMultipartUpload:
    """Forget an upload and its parts; no event. Replies with None."""

    upload_id: str


@command(Overdue.RUN)
class ListParts:
    """Replies with a tuple of `Part`."""

    upload_id: str


@value
class Part:
    """A part that is there."""

    part_number: int
    size: int
    etag: str
    last_modified_ms: int


@command(Overdue.RUN)
class ListMultipartUploads:
    """Replies with a tuple of `Upload`, by key and age, of the keys that start with `prefix`."""

    prefix: str = ""


@value
class Upload:
    """An upload under way."""

    upload_id: str
    key: str
    initiated_ms: int
    storage_class: str


# --- tags, ACLs, restores ------------------------------------------------------------------------


@command(Overdue.RUN)
class PutObjectTagging:
    """Replace an object's tags; raises ObjectTagging:Put. Replies with the version's id or None."""

    key: str
    tags: tuple[tuple[str, str], ...]
    version_id: str = ""
    caller: Caller | None = None


@command(Overdue.RUN)
class DeleteObjectTagging:
    """Take an object's tags away; raises ObjectTagging:Delete. Replies with the version's id or None."""

    key: str
    version_id: str = ""
    caller: Caller | None = None


@command(Overdue.RUN)
class GetObjectTagging:
    """Replies with a tuple of (name, value) pairs."""

    key: str
    version_id: str = ""


@command(Overdue.RUN)
class PutObjectAcl:
    """Set an object's ACL: a canned one (`private`, `public-read`) or grants as text. Raises
    ObjectAcl:Put if that changes it. Replies with None."""

    key: str
    acl: str
    version_id: str = ""
    caller: Caller | None = None


@command(Overdue.RUN)
class GetObjectAcl:
    """Replies with the ACL that was set (str), `private` before that."""

    key: str
    version_id: str = ""


@command(Overdue.RUN)
class RestoreObject:
    """Make a temporary copy of an archived object for `days`; raises ObjectRestore:Post, later Completed
    and Delete. Replies with 202, or with 200 when it is restored already (then the days count anew).

    `tier` is Standard, Bulk or Expedited.
    """

    key: str
    days: int
    tier: str = "Standard"
    version_id: str = ""
    caller: Caller | None = None


@command(Overdue.RUN)
class RestoreEnds:
    """A timer of RestoreObject: the copy is there. `version_id` is as stored ('' for null)."""

    key: str
    version_id: str
    days: int


@command(Overdue.COALESCE)
class RestoreExpires:
    """A timer of RestoreObject: the copy goes."""

    key: str
    version_id: str


@command(Overdue.COALESCE)
class RunLifecycle:
    """The daily turn of a bucket's lifecycle rules; `again` when the last turn had too much to do."""

    again: bool = False

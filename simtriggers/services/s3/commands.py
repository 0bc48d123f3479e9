"""What a bucket can be told and what it answers. Stored as JSON when it waits on the agenda.

Commands go to the bucket's ARN. Those about files come from whoever watches the bucket's folder: hashing
and copying happen there, never inside a step.
"""

from __future__ import annotations

from hashlib import md5

from ...kernel.codec import Overdue, command, value

DEFAULT_CONTENT_TYPE = "binary/octet-stream"

# --- parts ---------------------------------------------------------------------------------------


@value
class FileIdentity:
    """What tells one state of a file from another, beside its size: inode number (63 bits) and time of
    the last change of its content, in nanoseconds."""

    inode: int
    mtime_ns: int


@value
class FileState:
    """A complete file of a bucket's folder: `etag` is the MD5 of its content, in hexadecimal."""

    key: str
    size: int
    etag: str
    file: FileIdentity


@value
class PendingWrite:
    """An API write whose intent is journalled but which is not committed.

    `operation` is `put` or `delete`; `place` is `file` or `store`; `temporary` is the path of the
    temporary file of a put.
    """

    id: str
    operation: str
    key: str
    size: int
    etag: str
    file: FileIdentity | None
    place: str
    temporary: str


@value
class Properties:
    """What an object has beside its content and content type. `metadata` are the user's names in lower
    case, `headers` Cache-Control and the like as they were given; `acl` is a canned ACL."""

    metadata: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    storage_class: str = "STANDARD"
    headers: tuple[tuple[str, str], ...] = ()
    acl: str = ""


@value
class Caller:
    """Who asks: `principal` (empty: the account's own user), the address it asks from (empty: this machine), and
    the X-Ray header of the request, which goes along to queues and topics."""

    principal: str = ""
    source_ip: str = ""
    trace_header: str = ""


@value
class Conditions:
    """Under which a request is carried out; times are milliseconds. `*` in `if_none_match` of a write:
    only if there is no such object."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since_ms: int | None = None
    if_unmodified_since_ms: int | None = None


# --- objects -------------------------------------------------------------------------------------


@command(Overdue.RUN)
class PutObject:
    """Store an object and raise ObjectCreated:Put. Replies with `ObjectPut`.

    `size` in bytes; `etag` is the MD5 in hexadecimal. `body` is the content if the database is to keep
    it. `file` says that the content is a file of the bucket's folder: a file that is the same as the
    stored row says raises nothing. Without a `caller` the account's own user acts.
    `operation` is PutObject, `POST Object` (a form), or what else ended as this put: CopyObject,
    CompleteMultipartUpload. `copy` names the copy of a file's bytes that a versioned bucket keeps.
    """

    key: str
    size: int
    etag: str
    body: str | bytes | None = None
    content_type: str = DEFAULT_CONTENT_TYPE
    caller: Caller | None = None
    file: FileIdentity | None = None
    properties: Properties | None = None
    conditions: Conditions | None = None
    operation: str = "PutObject"
    copy: str = ""


@value
class ObjectPut:
    """`changed` is False when a file was reported that was known already; then nothing happened.
    `version_id` is None in a bucket that never was versioned."""

    etag: str
    sequencer: str
    changed: bool = True
    version_id: str | None = None


@command(Overdue.RUN)
class DeleteObject:
    """Delete an object and raise ObjectRemoved:Delete. Replies with `ObjectDeleted`, also for a key that
    does not exist (as S3 does).

    In a versioned bucket, without `version_id`, a delete marker is made (ObjectRemoved:DeleteMarkerCreated)
    and the versions stay."""

    key: str
    caller: Caller | None = None
    version_id: str = ""
    conditions: Conditions | None = None


@value
class ObjectDeleted:
    """`existed`: there was an object to delete. `version_id` is the marker's that was made, or of the
    version that was deleted; `delete_marker` says that it is a marker."""

    existed: bool
    version_id: str | None = None
    delete_marker: bool = False


@command(Overdue.RUN)
class HeadObject:
    """Replies with `ObjectInfo`, or refuses with 404 (405 for a delete marker)."""

    key: str
    version_id: str = ""
    conditions: Conditions | None = None


@command(Overdue.RUN)
class GetObject:
    """Replies with `StoredObject`, or refuses with NoSuchKey. `range` as in HTTP, `bytes=0-99`."""

    key: str
    version_id: str = ""
    conditions: Conditions | None = None
    range: str = ""


@value
class ObjectInfo:
    """An object's facts. `place` says where its content is: `database`, `file` (the bucket's folder),
    `store` (beside the folder: a key that cannot be a file), `copy` (beside the folder: an earlier version
    of a file) or `none` (only its size is known). `cause` is the trace row of its ObjectCreated, 0 for one
    that was indexed. `version_id` is None in a bucket that never was versioned. `restore_until_ms` is set
    while an archived object has a temporary copy, `restore_under_way` until then."""

    key: str
    size: int
    etag: str
    last_modified_ms: int
    content_type: str
    place: str
    cause: int
    version_id: str | None = None
    storage_class: str = "STANDARD"
    metadata: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    restore_until_ms: int | None = None
    restore_under_way: bool = False
    copy: str = ""


@value
class StoredObject:
    """An object with its content; `body` is None when the database does not hold it. `content_range` is
    set for a part of it, such as `bytes 0-99/1234` (status 206)."""

    info: ObjectInfo
    body: str | bytes | None
    content_range: str | None = None


@command(Overdue.RUN)
class ListObjects:
    """Replies with an `ObjectList` of at most `limit` objects in the order of S3 (UTF-8 bytes) whose keys
    start with `prefix` and come after `after`."""

    prefix: str = ""
    after: str = ""
    limit: int = 1000


@value
class ObjectList:
    """One page; `truncated` when there are more."""

    objects: tuple[ObjectInfo, ...]
    truncated: bool


# --- files of the bucket's folder ----------------------------------------------------------------


@command(Overdue.RUN)
class FileGone:
    """The folder no longer has a file of this name. Replies with `Gone`.

    Raises ObjectRemoved:Delete if an object was kept in that file; does nothing otherwise.
    """

    key: str


@value
class Gone:
    """`below`: keys kept in files below a folder of that name, which may be gone with it (at most
    `store.BELOW_LIMIT` of them)."""

    removed: bool
    below: tuple[str, ...]


@command(Overdue.RUN)
class IndexFiles:
    """Take files into the bucket without events. Replies with their number."""

    files: tuple[FileState, ...]


@command(Overdue.RUN)
class ForgetFiles:
    """Take keys that are kept in files out of the bucket without events. Replies with None."""

    keys: tuple[str, ...]


@command(Overdue.RUN)
class ListFiles:
    """Replies with a `FileList` of at most `limit` objects kept in files, by key, after `after`."""

    after: str = ""
    prefix: str = ""
    limit: int = 1000


@value
class FileList:
    """One page; `scanned` says that the folder's first scan came to its end once."""

    scanned: bool
    files: tuple[FileState, ...]
    truncated: bool


@command(Overdue.RUN)
class FolderScanned:
    """A scan of the whole folder ended; counts of what it found. Replies with None."""

    indexed: int
    put: int
    removed: int


@command(Overdue.RUN)
class FileSkipped:
    """A file of the folder that cannot be an object, and why. Replies with None."""

    key: str
    reason: str


@command(Overdue.RUN)
class FolderChanged:
    """Something befell the watched folder itself: `change` is `gone`, `returned` or `polled` (the system
    cannot watch it, for that `reason`). Replies with None."""

    change: str
    reason: str = ""


# --- API writes into the folder ------------------------------------------------------------------


@command(Overdue.RUN)
class BeginWrite:
    """Journal an API write before the disk is touched. Replies with the write's id (str).

    `operation` is `put` (with the identity that the file will have) or `delete`; `place` is `file` or
    `store`. `source` is the operation as PutObject names it; `upload_id` is of the upload in parts that the
    put completes.
    """

    operation: str
    key: str
    place: str
    size: int = 0
    etag: str = ""
    file: FileIdentity | None = None
    temporary: str = ""
    content_type: str = DEFAULT_CONTENT_TYPE
    caller: Caller | None = None
    properties: Properties | None = None
    conditions: Conditions | None = None
    source: str = "PutObject"
    copy: str = ""
    upload_id: str = ""


@command(Overdue.RUN)
class CommitWrite:
    """The disk holds what the write intended: the object and its event come into being. Replies as
    PutObject or DeleteObject does; refuses an id that is not in the journal."""

    id: str


@command(Overdue.RUN)
class AbortWrite:
    """The write did not reach the disk. Replies with None."""

    id: str
    reason: str


@command(Overdue.RUN)
class ListWrites:
    """Replies with a tuple of `PendingWrite`, oldest first."""


@command(Overdue.RUN)
class ListCopies:
    """Replies with the names of all copies of files that an object or a version still has, in order."""


# --- helpers -------------------------------------------------------------------------------------


def put_object(
    key: str,
    body: str | bytes,
    *,
    content_type: str = DEFAULT_CONTENT_TYPE,
    caller: Caller | None = None,
    properties: Properties | None = None,
    conditions: Conditions | None = None,
    operation: str = "PutObject",
) -> PutObject:
    """A PutObject whose content the database keeps: size and ETag are computed, bytes that are UTF-8
    become text, so that traces and the sqlite3 shell show them."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return PutObject(
        key,
        len(raw),
        content_md5(raw),
        body if isinstance(body, str) else as_kept(body),
        content_type,
        caller,
        None,
        properties,
        conditions,
        operation,
    )


def as_kept(raw: bytes) -> str | bytes:
    """Text if these bytes are UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def content_md5(raw: bytes) -> str:
    """The ETag of an object written in one piece: MD5 in hexadecimal."""
    return md5(raw, usedforsecurity=False).hexdigest()

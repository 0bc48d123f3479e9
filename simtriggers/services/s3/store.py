"""The tables of S3 and the statements on them."""

from __future__ import annotations

import json
from typing import Any

from ...kernel.effects import Statement
from .commands import FileIdentity, FileState, ObjectInfo, PendingWrite
from .versions_store import INFO, MATCHING, REMOVE_OF_BUCKET

BELOW_LIMIT = 5000

MIGRATION_1 = """
-- One row a bucket: the last sequencer it gave out, and whether its folder was scanned to the end once.
CREATE TABLE s3_buckets (
    bucket TEXT PRIMARY KEY,               -- ARN
    sequencer_ms INTEGER NOT NULL,         -- time of the last sequencer
    sequencer_count INTEGER NOT NULL,      -- its number within that millisecond
    scanned_folder TEXT NOT NULL           -- the folder whose first scan has ended; '' before that
) STRICT, WITHOUT ROWID;

-- One row an object. Keys are ordered as S3 orders them (UTF-8 bytes).
CREATE TABLE s3_objects (
    bucket TEXT NOT NULL,                  -- ARN
    key TEXT NOT NULL,
    size INTEGER NOT NULL,                 -- bytes
    etag TEXT NOT NULL,                    -- MD5, hexadecimal
    sequencer TEXT NOT NULL,               -- '' for a file that was indexed without an event
    last_modified_ms INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    place TEXT NOT NULL,                   -- database, file, store or none: where the content is
    body TEXT,                             -- place database, text: digest of the payload
    inode INTEGER,                         -- place file: what the file was like when it was hashed
    mtime_ns INTEGER,
    cause INTEGER NOT NULL,                -- trace row of its ObjectCreated; 0 when indexed
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Contents that are not text, of objects whose place is database and whose body is NULL.
CREATE TABLE s3_blobs (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT;

-- The journal of API writes into a folder: written before the disk is touched, gone with the commit.
CREATE TABLE s3_writes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    bucket TEXT NOT NULL,
    operation TEXT NOT NULL,               -- put or delete
    key TEXT NOT NULL,
    place TEXT NOT NULL,                   -- file or store
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    inode INTEGER,                         -- what the file will be like
    mtime_ns INTEGER,
    temporary TEXT NOT NULL,               -- path of the file before it is renamed
    content_type TEXT NOT NULL,
    principal TEXT NOT NULL,
    source_ip TEXT NOT NULL
) STRICT;
CREATE INDEX s3_writes_by_key ON s3_writes (bucket, key);
"""

_WRITE = "id, operation, key, size, etag, inode, mtime_ns, place, temporary"

BUCKET_AND_OBJECT = Statement(
    "s3.bucket_and_object",
    "SELECT b.sequencer_ms, b.sequencer_count, o.size, o.etag, o.sequencer, o.inode, o.mtime_ns, o.place,"
    " o.body, o.version_id, o.copy, o.last_modified_ms, o.storage_class, o.more"
    " FROM s3_buckets b LEFT JOIN s3_objects o ON o.bucket = b.bucket AND o.key = ?2"
    " WHERE b.bucket = ?1 ORDER BY b.bucket",
)
SEQUENCERS = Statement(
    "s3.sequencers", "SELECT sequencer_ms, sequencer_count FROM s3_buckets WHERE bucket = ? ORDER BY bucket"
)
OLDER = Statement(
    "s3.older",
    "SELECT key, size, etag, sequencer, inode, mtime_ns, place, body, version_id, copy, last_modified_ms,"
    " storage_class, more FROM s3_objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND last_modified_ms <= ?4"
    f" AND {MATCHING} AND (?9 IS NULL OR storage_class IN (SELECT value FROM json_each(?9)))"
    " ORDER BY place IN ('file', 'store'), key LIMIT ?8",
)
CONFIG_OF_BUCKET = Statement(
    "s3.config_of_bucket", "SELECT config, declared_by FROM resources WHERE arn = ? ORDER BY arn"
)
SCANNED = Statement("s3.scanned", "SELECT scanned_folder FROM s3_buckets WHERE bucket = ? ORDER BY bucket")
OBJECT = Statement("s3.object", f"SELECT {INFO}, body FROM s3_objects WHERE bucket = ? AND key = ? ORDER BY key")
BLOB = Statement("s3.blob", "SELECT content FROM s3_blobs WHERE bucket = ? AND key = ? AND version_id = ? ORDER BY key")
LIST_OBJECTS = Statement(
    "s3.list_objects",
    f"SELECT {INFO} FROM s3_objects WHERE bucket = ?1 AND key > ?2 AND key >= ?3 AND key < ?4 ORDER BY key LIMIT ?5",
)
LIST_FILES = Statement(
    "s3.list_files",
    "SELECT key, size, etag, inode, mtime_ns FROM s3_objects WHERE bucket = ?1 AND key > ?2 AND key >= ?3"
    " AND key < ?4 AND place = 'file' ORDER BY key LIMIT ?5",
)
KEYS_BELOW = Statement(
    "s3.keys_below",
    "SELECT key FROM s3_objects WHERE bucket = ?1 AND key > ?2 || '/' AND key < ?2 || '0' AND place = 'file'"
    f" ORDER BY key LIMIT {BELOW_LIMIT}",
)
WRITES_OF_KEY = Statement(
    "s3.writes_of_key", f"SELECT {_WRITE} FROM s3_writes WHERE bucket = ? AND key = ? ORDER BY number"
)
WRITES = Statement("s3.writes", f"SELECT {_WRITE} FROM s3_writes WHERE bucket = ? ORDER BY number")
WRITE_BY_ID = Statement(
    "s3.write_by_id",
    f"SELECT {_WRITE}, content_type, principal, source_ip, put FROM s3_writes"
    " WHERE bucket = ? AND id = ? ORDER BY number",
)

COPIES = Statement(
    "s3.copies",
    "SELECT copy FROM s3_objects WHERE bucket = ?1 AND copy <> '' UNION SELECT copy FROM s3_versions"
    " WHERE bucket = ?1 AND copy <> '' ORDER BY copy",
)

ADD_BUCKET = Statement(
    "s3.add_bucket",
    "INSERT INTO s3_buckets (bucket, sequencer_ms, sequencer_count, scanned_folder) VALUES (?, 0, 0, '')"
    " ON CONFLICT (bucket) DO NOTHING",
)
SET_SEQUENCER = Statement(
    "s3.set_sequencer", "UPDATE s3_buckets SET sequencer_ms = ?, sequencer_count = ? WHERE bucket = ?"
)
SET_SCANNED = Statement("s3.set_scanned", "UPDATE s3_buckets SET scanned_folder = ? WHERE bucket = ?")
_PUT = (
    "INSERT INTO s3_objects (bucket, key, size, etag, sequencer, last_modified_ms, content_type, place, body,"
    " inode, mtime_ns, cause, version_id, storage_class, more, copy) VALUES ({})"
    " ON CONFLICT (bucket, key) DO UPDATE SET size = excluded.size, etag = excluded.etag,"
    " sequencer = excluded.sequencer, last_modified_ms = excluded.last_modified_ms,"
    " content_type = excluded.content_type, place = excluded.place, body = excluded.body,"
    " inode = excluded.inode, mtime_ns = excluded.mtime_ns, cause = excluded.cause,"
    " version_id = excluded.version_id, storage_class = excluded.storage_class, more = excluded.more,"
    " copy = excluded.copy"
)
PUT_OBJECT = Statement("s3.put_object", _PUT.format("?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"))
PUT_PLAIN = Statement(
    "s3.put_plain_object", _PUT.format("?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, '', 'STANDARD', '', ''")
)
"""An object that is a text and nothing more, as most are."""
DELETE_OBJECT = Statement("s3.delete_object", "DELETE FROM s3_objects WHERE bucket = ? AND key = ?")
PUT_BLOB = Statement(
    "s3.put_blob",
    "INSERT INTO s3_blobs (bucket, key, version_id, content) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (bucket, key, version_id) DO UPDATE SET content = excluded.content",
)
DELETE_BLOB = Statement("s3.delete_blob", "DELETE FROM s3_blobs WHERE bucket = ? AND key = ? AND version_id = ?")
ADD_WRITE = Statement(
    "s3.add_write",
    "INSERT INTO s3_writes (id, bucket, operation, key, place, size, etag, inode, mtime_ns, temporary,"
    " content_type, principal, source_ip, put) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
DELETE_WRITE = Statement("s3.delete_write", "DELETE FROM s3_writes WHERE bucket = ? AND id = ?")

REMOVE_BUCKET = (
    Statement("s3.remove_bucket", "DELETE FROM s3_buckets WHERE bucket = ?"),
    Statement("s3.remove_objects", "DELETE FROM s3_objects WHERE bucket = ?"),
    Statement("s3.remove_blobs", "DELETE FROM s3_blobs WHERE bucket = ?"),
    Statement("s3.remove_writes", "DELETE FROM s3_writes WHERE bucket = ?"),
    *REMOVE_OF_BUCKET,
)


def prefix_end(prefix: str) -> str | bytes:
    """What sorts after every key of a prefix: its last character counted up. Bytes sort after all text."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return b""
    after = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if after == 0xD800 else after)


def identity(inode: int | None, mtime_ns: int | None) -> FileIdentity | None:
    """The identity that two columns hold."""
    return None if inode is None or mtime_ns is None else FileIdentity(inode, mtime_ns)


def object_info(row: tuple[Any, ...], *, versioned: bool = False) -> ObjectInfo:
    """A row of LIST_OBJECTS, or the first columns of OBJECT or OF_VERSION. In a bucket that is or was
    versioned the null version has the id `null`."""
    key, size, etag, last_modified_ms, content_type, place, cause, version_id, storage_class, more, copy = row[:11]
    info = (key, size, etag, last_modified_ms, content_type, place, cause)
    shown = version_id or ("null" if versioned else None)
    if not more:
        return ObjectInfo(*info, shown, storage_class, copy=copy)
    known: dict[str, Any] = json.loads(more)
    return ObjectInfo(
        *info,
        shown,
        storage_class,
        tuple(known.get("metadata", {}).items()),
        tuple(known.get("headers", {}).items()),
        tuple(known.get("tags", {}).items()),
        known.get("restore_until_ms"),
        bool(known.get("restore_under_way")),
        copy,
    )


def file_state(row: tuple[Any, ...]) -> FileState:
    """A row of LIST_FILES."""
    key, size, etag, inode, mtime_ns = row
    return FileState(key, size, etag, FileIdentity(inode, mtime_ns))


def pending_write(row: tuple[Any, ...]) -> PendingWrite:
    """A row of WRITES, WRITES_OF_KEY or WRITE_BY_ID."""
    id, operation, key, size, etag, inode, mtime_ns, place, temporary = row[:9]
    return PendingWrite(id, operation, key, size, etag, identity(inode, mtime_ns), place, temporary)

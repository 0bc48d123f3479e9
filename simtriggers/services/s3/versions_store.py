"""The tables of versions and multipart uploads, and the statements on them.

An object that is current is in s3_objects whether its bucket is versioned or not; what it replaced moves to
s3_versions, where delete markers are as well.
"""

from __future__ import annotations

from ...kernel.effects import Statement

MIGRATION_2 = """
-- A version's id is '' for the null version. `more` is JSON: metadata, headers, tags, acl, restore. `copy` is
-- the name of the copy of a file's bytes that a versioned bucket keeps beside its folder.
ALTER TABLE s3_objects ADD COLUMN version_id TEXT NOT NULL DEFAULT '';
ALTER TABLE s3_objects ADD COLUMN storage_class TEXT NOT NULL DEFAULT 'STANDARD';
ALTER TABLE s3_objects ADD COLUMN more TEXT NOT NULL DEFAULT '';
ALTER TABLE s3_objects ADD COLUMN copy TEXT NOT NULL DEFAULT '';
-- What else a put is to store, as the JSON of its command; '' for nothing.
ALTER TABLE s3_writes ADD COLUMN put TEXT NOT NULL DEFAULT '';

-- Versions that are not current, and delete markers. A later one of a key has the higher number.
CREATE TABLE s3_versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,                  -- ARN
    key TEXT NOT NULL,
    version_id TEXT NOT NULL,              -- '' is the null version
    delete_marker INTEGER NOT NULL,        -- 1 or 0
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    sequencer TEXT NOT NULL,
    last_modified_ms INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    place TEXT NOT NULL,                   -- database, copy (of a file, beside the folder) or none
    body TEXT,
    storage_class TEXT NOT NULL,
    more TEXT NOT NULL,
    copy TEXT NOT NULL,
    cause INTEGER NOT NULL,
    noncurrent_ms INTEGER                  -- since when it is not the latest; NULL: a marker that is
) STRICT;
CREATE UNIQUE INDEX s3_versions_by_id ON s3_versions (bucket, key, version_id);

-- Contents that are not text belong to a version now.
CREATE TABLE s3_blobs_of_versions (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version_id TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (bucket, key, version_id)
) STRICT;
INSERT INTO s3_blobs_of_versions SELECT bucket, key, '', content FROM s3_blobs;
DROP TABLE s3_blobs;
ALTER TABLE s3_blobs_of_versions RENAME TO s3_blobs;

-- Multipart uploads that are neither completed nor aborted.
CREATE TABLE s3_uploads (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    upload_id TEXT NOT NULL UNIQUE,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    initiated_ms INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    more TEXT NOT NULL,
    cause INTEGER NOT NULL                 -- trace row of its MultipartUploadCreated
) STRICT;
CREATE TABLE s3_parts (
    upload_id TEXT NOT NULL,
    part_number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    content BLOB NOT NULL,
    last_modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload_id, part_number)
) STRICT;
"""

MATCHING = (
    "size > ?6 AND size < ?7 AND (?5 = '{}' OR NOT EXISTS (SELECT 1 FROM json_each(?5) wanted WHERE NOT EXISTS"
    " (SELECT 1 FROM json_each(CASE more WHEN '' THEN '{}' ELSE more END, '$.tags') has"
    " WHERE has.key = wanted.key AND has.value = wanted.value)))"
)
"""Of a lifecycle rule's filter, what its prefix does not say: ?5 are its tags as JSON, ?6 and ?7 its sizes."""

_FULL = "size, etag, sequencer, last_modified_ms, content_type, place, body, storage_class, more, copy, cause"
INFO = "key, size, etag, last_modified_ms, content_type, place, cause, version_id, storage_class, more, copy"

OF_VERSION = Statement(
    "s3.of_version",
    f"SELECT {INFO}, body, delete_marker, noncurrent_ms FROM s3_versions WHERE bucket = ? AND key = ?"
    " AND version_id = ? ORDER BY number",
)
NEWEST_VERSIONS = Statement(
    "s3.newest_versions",
    "SELECT version_id, delete_marker, noncurrent_ms FROM s3_versions WHERE bucket = ? AND key = ?"
    " ORDER BY number DESC LIMIT 2",
)
NUMBER_OF_VERSION = Statement(
    "s3.number_of_version",
    "SELECT number FROM s3_versions WHERE bucket = ? AND key = ? AND version_id = ? ORDER BY number",
)
CURRENT = 9_223_372_036_854_775_807
"""The number that stands for a key's current object in a listing of versions."""
LIST_VERSIONS = Statement(
    "s3.list_versions",
    "SELECT key, n, version_id, delete_marker, latest, size, etag, last_modified_ms, storage_class FROM ("
    f" SELECT key, {CURRENT} AS n, version_id, 0 AS delete_marker, 1 AS latest, size, etag, last_modified_ms,"
    "  storage_class FROM s3_objects WHERE bucket = ?1 AND key >= ?2 AND key >= ?4 AND key < ?5"
    " UNION ALL SELECT key, number, version_id, delete_marker, noncurrent_ms IS NULL, size, etag, last_modified_ms,"
    "  storage_class FROM s3_versions WHERE bucket = ?1 AND key >= ?2 AND key >= ?4 AND key < ?5"
    ") WHERE key > ?2 OR n < ?3 ORDER BY key, n DESC LIMIT ?6",
)
KEEP_VERSION = Statement(
    "s3.keep_version",
    f"INSERT INTO s3_versions (bucket, key, version_id, delete_marker, {_FULL}, noncurrent_ms)"
    " SELECT bucket, key, version_id, 0, size, etag, sequencer, last_modified_ms, content_type,"
    " CASE WHEN place NOT IN ('file', 'store') THEN place WHEN copy = '' THEN 'none' ELSE 'copy' END,"
    " body, storage_class, more, copy, cause, ?3 FROM s3_objects WHERE bucket = ?1 AND key = ?2",
)
ADD_MARKER = Statement(
    "s3.add_marker",
    f"INSERT INTO s3_versions (bucket, key, version_id, delete_marker, {_FULL}, noncurrent_ms)"
    " VALUES (?, ?, ?, 1, 0, ?, ?, ?, '', 'none', NULL, 'STANDARD', '', '', ?, NULL)",
)
MARKER_IS_OLD = Statement(
    "s3.marker_is_old",
    "UPDATE s3_versions SET noncurrent_ms = ?3 WHERE bucket = ?1 AND key = ?2 AND noncurrent_ms IS NULL",
)
_NEWEST = "number = (SELECT max(number) FROM s3_versions WHERE bucket = ?1 AND key = ?2)"
_NO_CURRENT = "NOT EXISTS (SELECT 1 FROM s3_objects WHERE bucket = ?1 AND key = ?2)"
BRING_BACK = (
    Statement(
        "s3.marker_is_latest",
        f"UPDATE s3_versions SET noncurrent_ms = NULL WHERE {_NEWEST} AND delete_marker = 1 AND {_NO_CURRENT}",
    ),
    Statement(
        "s3.promote_version",
        f"INSERT INTO s3_objects (bucket, key, version_id, {_FULL}, inode, mtime_ns)"
        f" SELECT bucket, key, version_id, {_FULL}, NULL, NULL FROM s3_versions"
        f" WHERE {_NEWEST} AND delete_marker = 0 AND {_NO_CURRENT}",
    ),
    Statement(
        "s3.delete_promoted",
        "DELETE FROM s3_versions WHERE bucket = ?1 AND key = ?2 AND version_id ="
        " (SELECT version_id FROM s3_objects WHERE bucket = ?1 AND key = ?2)",
    ),
)
DELETE_IF_CURRENT = Statement(
    "s3.delete_if_current", "DELETE FROM s3_objects WHERE bucket = ? AND key = ? AND version_id = ?"
)
_OLD = (
    " FROM s3_versions v WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND noncurrent_ms <= ?4"
    " AND (?9 = 0 OR ?9 <= (SELECT count(*) FROM s3_versions n WHERE n.bucket = v.bucket AND n.key = v.key"
    f" AND n.number > v.number AND n.noncurrent_ms IS NOT NULL)) AND {MATCHING}"
)
NONCURRENT = Statement("s3.noncurrent", f"SELECT key, version_id{_OLD} ORDER BY number LIMIT ?8")
NONCURRENT_WARMER = Statement(
    "s3.noncurrent_warmer",
    f"SELECT key, version_id, size, etag, storage_class{_OLD} AND delete_marker = 0"
    " AND storage_class IN (SELECT value FROM json_each(?10)) ORDER BY number LIMIT ?8",
)
LONE_MARKERS = Statement(
    "s3.lone_markers",
    "SELECT key, version_id FROM s3_versions v WHERE bucket = ?1 AND key >= ?2 AND key < ?3"
    " AND noncurrent_ms IS NULL AND NOT EXISTS (SELECT 1 FROM s3_versions o WHERE o.bucket = v.bucket"
    " AND o.key = v.key AND o.number <> v.number) ORDER BY number LIMIT ?4",
)
DELETE_VERSION = Statement(
    "s3.delete_version", "DELETE FROM s3_versions WHERE bucket = ? AND key = ? AND version_id = ?"
)

# --- what may change without a new version -------------------------------------------------------

SET_MORE = Statement(
    "s3.set_more", "UPDATE s3_objects SET more = ?4 WHERE bucket = ?1 AND key = ?2 AND version_id = ?3"
)
SET_MORE_OF_VERSION = Statement(
    "s3.set_more_of_version", "UPDATE s3_versions SET more = ?4 WHERE bucket = ?1 AND key = ?2 AND version_id = ?3"
)
SET_CLASS_OF_VERSION = Statement(
    "s3.set_class_of_version",
    "UPDATE s3_versions SET storage_class = ?4 WHERE bucket = ?1 AND key = ?2 AND version_id = ?3",
)
SET_CLASS = Statement(
    "s3.set_class", "UPDATE s3_objects SET storage_class = ?4 WHERE bucket = ?1 AND key = ?2 AND version_id = ?3"
)

# --- multipart uploads ---------------------------------------------------------------------------

_UPLOAD = "upload_id, key, initiated_ms, content_type, storage_class, more, cause"
UPLOAD = Statement("s3.upload", f"SELECT {_UPLOAD} FROM s3_uploads WHERE bucket = ? AND upload_id = ? ORDER BY number")
UPLOADS = Statement(
    "s3.uploads",
    f"SELECT {_UPLOAD} FROM s3_uploads WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key, number",
)
PARTS = Statement(
    "s3.parts",
    "SELECT part_number, size, etag, last_modified_ms FROM s3_parts WHERE upload_id = ? ORDER BY part_number",
)
CONTENTS = Statement(
    "s3.contents", "SELECT part_number, content FROM s3_parts WHERE upload_id = ? ORDER BY part_number"
)
ADD_UPLOAD = Statement(
    "s3.add_upload",
    "INSERT INTO s3_uploads (upload_id, bucket, key, initiated_ms, content_type, storage_class, more, cause)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
)
PUT_PART = Statement(
    "s3.put_part",
    "INSERT OR REPLACE INTO s3_parts (upload_id, part_number, size, etag, content, last_modified_ms)"
    " VALUES (?, ?, ?, ?, ?, ?)",
)
DELETE_UPLOAD = (
    Statement("s3.delete_upload", "DELETE FROM s3_uploads WHERE upload_id = ?"),
    Statement("s3.delete_parts", "DELETE FROM s3_parts WHERE upload_id = ?"),
)

REMOVE_OF_BUCKET = (
    Statement("s3.remove_versions", "DELETE FROM s3_versions WHERE bucket = ?"),
    Statement(
        "s3.remove_parts", "DELETE FROM s3_parts WHERE upload_id IN (SELECT upload_id FROM s3_uploads WHERE bucket = ?)"
    ),
    Statement("s3.remove_uploads", "DELETE FROM s3_uploads WHERE bucket = ?"),
)

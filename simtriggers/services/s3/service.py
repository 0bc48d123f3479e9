"""The table of the S3 service: which rule answers which command."""

from __future__ import annotations

from ...kernel.service import Invariant, Service
from . import buckets, store
from .config import BUCKET, parse_bucket
from .rules import RULES
from .versions_store import MIGRATION_2

SERVICE = Service(
    name="s3",
    rules=RULES,
    migrations=(store.MIGRATION_1, MIGRATION_2),
    parsers={BUCKET: parse_bucket},
    describe=buckets.describe_bucket,
    invariants=(
        Invariant(
            "s3.object_without_bucket",
            "SELECT o.bucket, o.key FROM s3_objects o LEFT JOIN resources r ON r.arn = o.bucket"
            " WHERE r.arn IS NULL ORDER BY o.bucket, o.key",
        ),
        Invariant(
            "s3.blob_without_object",
            "SELECT b.bucket, b.key FROM s3_blobs b LEFT JOIN s3_objects o"
            " ON o.bucket = b.bucket AND o.key = b.key AND o.version_id = b.version_id AND o.place = 'database'"
            " AND o.body IS NULL LEFT JOIN s3_versions v ON v.bucket = b.bucket AND v.key = b.key"
            " AND v.version_id = b.version_id AND v.place = 'database' AND v.body IS NULL"
            " WHERE o.key IS NULL AND v.key IS NULL ORDER BY b.bucket, b.key",
        ),
        Invariant(
            "s3.two_latest_versions",
            "SELECT v.bucket, v.key FROM s3_versions v LEFT JOIN s3_objects o ON o.bucket = v.bucket AND o.key = v.key"
            " WHERE v.noncurrent_ms IS NULL AND (o.key IS NOT NULL OR v.delete_marker = 0)"
            " ORDER BY v.bucket, v.key",
        ),
    ),
    payload_columns=(("s3_objects", "body"), ("s3_versions", "body")),
    bookkeeping={"NotificationMatched": (), "NotificationsNotMatched": ()},
)

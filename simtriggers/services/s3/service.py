"""The table of the S3 service: which rule answers which command."""

from __future__ import annotations

from ...aws.contracts import PutResource, RemoveResource
from ...kernel.service import Invariant, Rule, Service
from . import buckets, commands, files, journal, objects, reading, store
from .config import BUCKET, parse_bucket

SERVICE = Service(
    name="s3",
    rules={
        PutResource: Rule(buckets.view_put_resource, buckets.decide_put_resource),
        RemoveResource: Rule(buckets.view_remove_resource, buckets.decide_remove_resource),
        commands.PutObject: Rule(objects.view_put, objects.decide_put),
        commands.DeleteObject: Rule(objects.view_delete, objects.decide_delete),
        commands.HeadObject: Rule(reading.view_head, reading.decide_head),
        commands.GetObject: Rule(reading.view_get, reading.decide_get),
        commands.ListObjects: Rule(reading.view_list, reading.decide_list),
        commands.FileGone: Rule(files.view_gone, files.decide_gone),
        commands.IndexFiles: Rule(files.view_bucket, files.decide_index),
        commands.ForgetFiles: Rule(files.view_bucket, files.decide_forget),
        commands.ListFiles: Rule(files.view_list, files.decide_list),
        commands.FolderScanned: Rule(files.view_bucket, files.decide_scanned),
        commands.FileSkipped: Rule(files.view_bucket, files.decide_skipped),
        commands.BeginWrite: Rule(journal.view_begin, journal.decide_begin),
        commands.CommitWrite: Rule(journal.view_write, journal.decide_commit),
        commands.AbortWrite: Rule(journal.view_write, journal.decide_abort),
        commands.ListWrites: Rule(journal.view_list, journal.decide_list),
    },
    migrations=(store.MIGRATION_1,),
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
            " ON o.bucket = b.bucket AND o.key = b.key AND o.place = 'database' AND o.body IS NULL"
            " WHERE o.key IS NULL ORDER BY b.bucket, b.key",
        ),
    ),
    payload_columns=(("s3_objects", "body"),),
)

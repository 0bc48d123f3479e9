"""Which rule of S3 answers which command."""

from __future__ import annotations

from typing import Any

from ...aws.contracts import PutResource, RemoveResource
from ...kernel.service import Rule
from . import (
    buckets,
    commands,
    configuring,
    copying,
    files,
    journal,
    lifecycle,
    multipart,
    objects,
    reading,
    removal,
    requests,
    restore,
    tagging,
    versions,
)

RULES: dict[type[Any], Rule] = {
    PutResource: Rule(buckets.view_put_resource, buckets.decide_put_resource),
    RemoveResource: Rule(buckets.view_remove_resource, buckets.decide_remove_resource),
    requests.PutBucketNotificationConfiguration: Rule(configuring.view_put, configuring.decide_put),
    requests.GetBucketNotificationConfiguration: Rule(configuring.view_get, configuring.decide_get),
    commands.PutObject: Rule(objects.view_put, objects.decide_put),
    commands.DeleteObject: Rule(removal.view_delete, removal.decide_delete),
    commands.HeadObject: Rule(reading.view_head, reading.decide_head),
    commands.GetObject: Rule(reading.view_get, reading.decide_get),
    commands.ListObjects: Rule(reading.view_list, reading.decide_list),
    # versions, copies, uploads in parts
    requests.DeleteObjects: Rule(removal.view_delete_many, removal.decide_delete_many),
    requests.ListObjectVersions: Rule(versions.view_list, versions.decide_list),
    requests.CopyObject: Rule(copying.view_copy, copying.decide_copy),
    requests.CreateMultipartUpload: Rule(multipart.view_create, multipart.decide_create),
    requests.UploadPart: Rule(multipart.view_upload, multipart.decide_part),
    requests.UploadPartCopy: Rule(multipart.view_upload, multipart.decide_part_copy),
    requests.CompleteMultipartUpload: Rule(multipart.view_upload, multipart.decide_complete),
    requests.JoinParts: Rule(multipart.view_upload, multipart.decide_join),
    requests.AbortMultipartUpload: Rule(multipart.view_upload, multipart.decide_abort),
    requests.ListParts: Rule(multipart.view_upload, multipart.decide_list_parts),
    requests.ListMultipartUploads: Rule(multipart.view_uploads, multipart.decide_uploads),
    # tags, ACLs, restores, lifecycle
    requests.PutObjectTagging: Rule(tagging.view_named, tagging.decide_put_tagging),
    requests.DeleteObjectTagging: Rule(tagging.view_named, tagging.decide_delete_tagging),
    requests.GetObjectTagging: Rule(tagging.view_named, tagging.decide_get_tagging),
    requests.PutObjectAcl: Rule(tagging.view_named, tagging.decide_put_acl),
    requests.GetObjectAcl: Rule(tagging.view_named, tagging.decide_get_acl),
    requests.RestoreObject: Rule(tagging.view_named, restore.decide_restore),
    requests.RestoreEnds: Rule(restore.view_timer, restore.decide_ends),
    requests.RestoreExpires: Rule(restore.view_timer, restore.decide_expires),
    requests.RunLifecycle: Rule(lifecycle.view_run, lifecycle.decide_run),
    # files of the bucket's folder, and API writes into it
    commands.FileGone: Rule(files.view_gone, files.decide_gone),
    commands.IndexFiles: Rule(files.view_bucket, files.decide_index),
    commands.ForgetFiles: Rule(files.view_bucket, files.decide_forget),
    commands.ListFiles: Rule(files.view_list, files.decide_list),
    commands.FolderScanned: Rule(files.view_bucket, files.decide_scanned),
    commands.FolderChanged: Rule(files.view_bucket, files.decide_changed),
    commands.FileSkipped: Rule(files.view_bucket, files.decide_skipped),
    commands.BeginWrite: Rule(journal.view_begin, journal.decide_begin),
    commands.CommitWrite: Rule(journal.view_write, journal.decide_commit),
    commands.AbortWrite: Rule(journal.view_write, journal.decide_abort),
    commands.ListWrites: Rule(journal.view_list, journal.decide_list),
    commands.ListCopies: Rule(journal.view_copies, journal.decide_copies),
}

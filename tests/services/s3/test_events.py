"""Every event that an operation causes: its name, which fields it has, how Powertools and EventBridge read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import S3Event, S3EventBridgeNotificationEvent
from aws_lambda_powertools.utilities.parser.models import S3EventNotificationEventBridgeModel, S3Model

from simtriggers.kernel.effects import Refused
from simtriggers.kernel.service import Description
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, bucket_resource
from simtriggers.services.s3.events import CAUSED_HERE
from simtriggers.services.s3.multipart import SMALLEST_PART, multipart_etag
from simtriggers.services.s3.restore import DAY_MS, midnight_after

from .world import NAMES, START_MS, World

BUCKET, QUEUE, TOPIC = NAMES.bucket("uploads"), NAMES.queue("ingest"), NAMES.topic("news")
BUS = f"arn:aws:events:{NAMES.region}:{NAMES.account}:event-bus/default"
ALL = [
    "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put", "s3:ObjectRestore:*",
    "s3:LifecycleExpiration:*", "s3:LifecycleTransition",
]  # fmt: skip
HOUR_MS = 3_600_000


def world_with(bus: bool = False, target: str = "queue", **config: Any) -> World:
    world = World(targets=(QUEUE, TOPIC))
    if bus:
        world.targets[BUS] = Description(BUS, "event_bus")
    notification = {target: "ingest" if target == "queue" else "news", "events": ALL, "id": "all"}
    made = BucketConfig.model_validate({"notifications": [notification], "eventbridge": bus, **config})
    assert world.step(*bucket_resource(NAMES, "uploads", made)) == 1
    world.notes.clear()
    return world


def records(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    for sent in world.sent:
        if sent.arn != BUS:
            (record,) = sent.record["Records"]
            yield record["eventName"], record


def on_the_bus(world: World) -> list[dict[str, Any]]:
    return [sent.record for sent in world.sent if sent.arn == BUS]


def everything(world: World) -> None:
    """Causes each event at least once, in a versioned bucket and in one that is not."""
    archive = c.Properties(storage_class="GLACIER")
    world.step(BUCKET, c.put_object("a b", "x", caller=c.Caller(source_ip="203.0.113.24")))
    world.step(BUCKET, c.put_object("form", "x", operation="POST Object"))
    world.step(BUCKET, r.CopyObject(BUCKET, "a b", "copy"))
    upload = world.step(BUCKET, r.CreateMultipartUpload("big", "text/plain"))
    etag = world.step(BUCKET, r.UploadPart(upload, 1, "hello"))
    world.step(BUCKET, r.CompleteMultipartUpload(upload, ((1, etag),)))
    world.step(BUCKET, r.PutObjectTagging("a b", (("k", "v"),)))
    world.step(BUCKET, r.DeleteObjectTagging("a b"))
    world.step(BUCKET, r.PutObjectAcl("a b", "public-read"))
    world.step(BUCKET, c.put_object("old", "x", properties=archive))
    assert world.step(BUCKET, r.RestoreObject("old", 1)) == 202
    world.step(BUCKET, c.DeleteObject("form"))
    world.step(BUCKET, c.put_object("tmp/x", "x"))
    world.step(BUCKET, c.put_object("cold/x", "x"))
    world.until(START_MS + 40 * DAY_MS)


RULES = [
    {
        "id": "gone",
        "prefix": "tmp/",
        "expiration": {"days": 1},
        "noncurrent_version_expiration": {"noncurrent_days": 5},
    },
    {"id": "cold", "prefix": "cold/", "transitions": [{"days": 3, "storage_class": "STANDARD_IA"}]},
]
FIELDS = {
    "ObjectCreated": ["key", "size", "eTag", "sequencer"],
    "ObjectRemoved:Delete": ["key", "sequencer"],
    "ObjectRemoved:DeleteMarkerCreated": ["key", "eTag", "sequencer"],
    "ObjectTagging": ["key", "eTag"],
    "ObjectAcl": ["key", "eTag"],
    "ObjectRestore": ["key", "size", "eTag", "sequencer"],
    "LifecycleExpiration:Delete": ["key", "sequencer"],
    "LifecycleExpiration:DeleteMarkerCreated": ["key", "eTag", "sequencer"],
    "LifecycleTransition": ["key", "size", "eTag", "sequencer"],
}


@pytest.mark.parametrize("versioning", [None, "enabled", "suspended"])
def test_every_event_has_its_fields_and_is_read_by_powertools(versioning: str | None) -> None:
    world = world_with(bus=True, versioning=versioning, lifecycle_rules=RULES)
    everything(world)
    world.check()
    seen = set()
    for name, record in records(world):
        seen.add(name)
        fields = FIELDS.get(name) or FIELDS[name.split(":")[0]]
        item = record["s3"]["object"]
        assert [field for field in item if field != "versionId"] == fields, name
        assert ("versionId" in item) == (versioning == "enabled"), name
        # The parser wants a size in records of tags and ACLs, which those recorded from AWS do not have.
        if not name.startswith(("ObjectTagging", "ObjectAcl")):
            assert S3Model.model_validate({"Records": [record]}).Records[0].eventName == name
        assert S3Event({"Records": [record]}).record.event_name == name
    marker = {"ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:DeleteMarkerCreated"}
    plain = {"ObjectRemoved:Delete"}
    assert seen == CAUSED_HERE - (plain if versioning else marker) - (
        {"LifecycleExpiration:Delete"} if versioning == "suspended" else set()
    )
    assert len(on_the_bus(world)) == len(list(records(world)))
    for event in on_the_bus(world):
        S3EventNotificationEventBridgeModel.model_validate(event)
        assert S3EventBridgeNotificationEvent(event).detail.bucket.name == "uploads"
        assert len(event["time"]) == len("2026-11-20T09:16:02Z")


def test_details_on_the_bus() -> None:
    world = world_with(bus=True, lifecycle_rules=RULES)
    everything(world)
    found = {}
    for event in on_the_bus(world):
        detail = event["detail"]
        more = {name: detail[name] for name in list(detail)[list(detail).index("requester") :]}
        found.setdefault((event["detail-type"], detail.get("reason")), (list(detail["object"]), more))
    local = {"requester": NAMES.account, "source-ip-address": "127.0.0.1"}
    whole = ["key", "size", "etag", "sequencer"]
    itself = {"requester": "s3.amazonaws.com"}
    kept_in = {"source-storage-class": "GLACIER"}
    # The restore takes five hours, from 09:15 UTC; its day ends at the next midnight.
    until = "2025-11-22T00:00:00Z"
    first = {"requester": NAMES.account, "source-ip-address": "203.0.113.24"}
    gone = {"deletion-type": "Permanently Deleted"}
    assert found == {
        ("Object Created", "PutObject"): (whole, {**first, "reason": "PutObject"}),
        ("Object Created", "POST Object"): (whole, {**local, "reason": "POST Object"}),
        ("Object Created", "CopyObject"): (whole, {**local, "reason": "CopyObject"}),
        ("Object Created", "CompleteMultipartUpload"): (whole, {**local, "reason": "CompleteMultipartUpload"}),
        ("Object Tags Added", None): (["key", "etag"], local),
        ("Object Tags Deleted", None): (["key", "etag"], local),
        ("Object ACL Updated", None): (["key", "etag"], local),
        ("Object Restore Initiated", None): (whole[:3], {**local, **kept_in}),
        ("Object Restore Completed", None): (whole[:3], {**itself, **kept_in, "restore-expiry-time": until}),
        ("Object Restore Expired", None): (whole[:3], itself),
        ("Object Deleted", "DeleteObject"): (["key", "sequencer"], {**local, "reason": "DeleteObject", **gone}),
        ("Object Deleted", "Lifecycle Expiration"): (
            ["key", "sequencer"],
            {**itself, "reason": "Lifecycle Expiration", **gone},
        ),
        ("Object Storage Class Changed", None): (whole, {**itself, "destination-storage-class": "STANDARD_IA"}),
    }


def test_without_a_bus_the_event_ends_in_its_trace_row() -> None:
    world = World(targets=(QUEUE,))
    world.step(*bucket_resource(NAMES, "uploads", BucketConfig(eventbridge=True)))
    world.step(BUCKET, c.put_object("a", "x"))
    row = world.notes[-1]
    assert (row.kind, row.details["reason"]) == ("EventBridgeEventNotSent", "there is no event bus")
    assert json.loads(world.payloads[row.details["payload"]])["detail"]["object"]["key"] == "a"
    assert world.sent == []


def test_a_topic_gets_the_subject_line_of_s3() -> None:
    world = world_with(target="topic")
    world.step(BUCKET, c.put_object("a", "x"))
    (sent,) = world.sent
    assert (sent.arn, sent.context) == (TOPIC, (("source", BUCKET), ("subject_line", "Amazon S3 Notification")))


@pytest.mark.parametrize("target", ["queue", "topic"])
def test_queues_and_topics_get_a_test_event_when_they_are_configured(target: str) -> None:
    world = world_with(target=target, test_event=True)
    (sent,) = world.sent
    assert list(sent.record) == ["Service", "Event", "Time", "Bucket", "RequestId", "HostId"]
    assert (sent.record["Event"], sent.record["Bucket"]) == ("s3:TestEvent", "uploads")


def test_an_acl_that_changes_nothing_is_not_told() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x"))
    for acl in ("private", "public-read", "public-read", "private"):
        world.step(BUCKET, r.PutObjectAcl("a", acl))
    assert [name for name, _ in records(world)][1:] == ["ObjectAcl:Put"] * 2
    assert world.step(BUCKET, r.GetObjectAcl("a")) == "private"


# --- uploads in parts -----------------------------------------------------------------------------


def test_the_etag_of_parts() -> None:
    body = b"\xff" * SMALLEST_PART
    world = world_with()
    upload = world.step(BUCKET, r.CreateMultipartUpload("a", "x/y", c.Properties((("By", "me"),))))
    etags = [world.step(BUCKET, r.UploadPart(upload, n, part)) for n, part in ((3, body), (7, b"end"))]
    put = world.step(BUCKET, r.CompleteMultipartUpload(upload, ((3, etags[0]), (7, f'"{etags[1]}"'))))
    assert put.etag == multipart_etag(etags)
    assert put.etag.endswith("-2")
    got = world.step(BUCKET, c.GetObject("a"))
    assert (got.body, got.info.content_type, got.info.metadata) == (body + b"end", "x/y", (("by", "me"),))
    assert world.step(BUCKET, r.ListMultipartUploads()) == ()
    assert world.step(BUCKET, r.ListParts(upload)).code == "NoSuchUpload"
    copied = world.step(BUCKET, r.CopyObject(BUCKET, "a", "b"))
    assert copied.etag == c.content_md5(body + b"end")
    world.check()


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ((), "MalformedXML"),
        (((2, "x"), (1, "x")), "InvalidPartOrder"),
        (((1, "x"),), "InvalidPart"),
        (((3, "x"),), "InvalidPart"),
        (((1, c.content_md5(b"one")), (2, c.content_md5(b"two"))), "EntityTooSmall"),
    ],
)
def test_parts_that_make_no_object(parts: tuple[tuple[int, str], ...], code: str) -> None:
    world = world_with()
    upload = world.step(BUCKET, r.CreateMultipartUpload("a", "x/y"))
    for number, body in ((1, "one"), (2, "two")):
        world.step(BUCKET, r.UploadPart(upload, number, body))
    assert world.step(BUCKET, r.CompleteMultipartUpload(upload, parts)).code == code
    assert world.step(BUCKET, r.UploadPart(upload, 10_001, "x")).code == "InvalidArgument"
    assert [part.part_number for part in world.step(BUCKET, r.ListParts(upload))] == [1, 2]
    assert world.step(BUCKET, r.AbortMultipartUpload(upload)) is None
    assert world.sent == []
    assert world.db.execute("SELECT * FROM s3_parts").fetchall() == []


# --- restores and lifecycle -----------------------------------------------------------------------


def test_an_archived_object_is_read_while_it_is_restored() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x", properties=c.Properties(storage_class="GLACIER")))
    assert world.step(BUCKET, c.GetObject("a")).code == "InvalidObjectState"
    assert world.step(BUCKET, r.RestoreObject("a", 2, "Expedited")) == 202
    assert world.step(BUCKET, r.RestoreObject("a", 2)).code == "RestoreAlreadyInProgress"
    world.until(START_MS + HOUR_MS)
    until = midnight_after(START_MS + 5 * 60_000 + 2 * DAY_MS)
    assert world.step(BUCKET, c.HeadObject("a")).restore_until_ms == until
    assert world.step(BUCKET, c.GetObject("a")).body == "x"
    assert world.step(BUCKET, r.RestoreObject("a", 3)) == 200
    world.until(until)
    assert world.step(BUCKET, c.GetObject("a")).body == "x"
    world.until(until + DAY_MS)
    assert world.step(BUCKET, c.GetObject("a")).code == "InvalidObjectState"
    assert [name for name, _ in records(world)] == [
        "ObjectCreated:Put", "ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete",
    ]  # fmt: skip
    completed = next(record for name, record in records(world) if name == "ObjectRestore:Completed")
    assert completed["glacierEventData"] == {
        "restoreEventData": {
            "lifecycleRestorationExpiryTime": "2025-11-23T00:00:00.000Z",
            "lifecycleRestoreStorageClass": "GLACIER",
        }
    }
    assert completed["userIdentity"]["principalId"].startswith("AmazonCustomer:A")
    assert completed["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}


def test_an_archived_object_is_not_copied() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x", properties=c.Properties(storage_class="DEEP_ARCHIVE")))
    refused = world.step(BUCKET, r.CopyObject(BUCKET, "a", "b"))
    assert (refused.code, refused.status) == ("ObjectNotInActiveTierError", 403)


@pytest.mark.parametrize(
    ("storage_class", "tier", "code"),
    [("STANDARD", "Standard", "InvalidObjectState"), ("DEEP_ARCHIVE", "Expedited", "InvalidArgument")],
)
def test_restores_that_are_refused(storage_class: str, tier: str, code: str) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x", properties=c.Properties(storage_class=storage_class)))
    assert world.step(BUCKET, r.RestoreObject("a", 1, tier)).code == code


def test_objects_expire_at_the_midnight_after_their_days() -> None:
    world = world_with(lifecycle_rules=[{"prefix": "tmp/", "expiration": {"days": 2}}])
    world.step(BUCKET, c.put_object("tmp/a", "x"))
    world.step(BUCKET, c.put_object("kept", "x"))
    due = midnight_after(START_MS + 2 * DAY_MS)
    world.until(due - 1)
    assert len(world.step(BUCKET, c.ListObjects()).objects) == 2
    world.until(due)
    assert [one.key for one in world.step(BUCKET, c.ListObjects()).objects] == ["kept"]
    assert [name for name, _ in records(world)][2:] == ["LifecycleExpiration:Delete"]
    assert world.notes[-2].details["rule"] == "rule-1"


def test_more_objects_than_a_step_takes_expire_at_once() -> None:
    world = world_with(lifecycle_rules=[{"expiration": {"days": 1}}])
    for n in range(1201):
        world.step(BUCKET, c.put_object(f"{n}", ""))
    world.until(START_MS + 3 * DAY_MS)
    assert world.step(BUCKET, c.ListObjects()).objects == ()
    assert sum(name == "LifecycleExpiration:Delete" for name, _ in records(world)) == 1201


def test_earlier_versions_markers_and_uploads_expire() -> None:
    rule = {
        "expiration": {"expired_object_delete_marker": True},
        "noncurrent_version_expiration": {"noncurrent_days": 1},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
    }
    world = world_with(versioning="enabled", lifecycle_rules=[rule])
    world.step(BUCKET, c.put_object("a", b"\xff"))
    world.step(BUCKET, c.DeleteObject("a"))
    world.step(BUCKET, r.CreateMultipartUpload("b", "x/y"))
    world.until(START_MS + 5 * DAY_MS)
    assert world.step(BUCKET, r.ListObjectVersions()).versions == ()
    assert world.step(BUCKET, r.ListMultipartUploads()) == ()
    assert [name for name, _ in records(world)][2:] == ["LifecycleExpiration:Delete"] * 2
    world.check()


def test_rules_leave_files_and_say_so_once() -> None:
    world = world_with(lifecycle_rules=[{"expiration": {"days": 1}}])
    world.step(BUCKET, c.PutObject("f", 1, "e" * 32, file=c.FileIdentity(1, 1)))
    world.until(START_MS + 2 * DAY_MS + HOUR_MS)
    assert [one.key for one in world.step(BUCKET, c.ListObjects()).objects] == ["f"]
    assert [note.kind for note in world.notes].count("LifecycleSkipped") == 1


# --- conditions and ranges ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (c.Conditions(if_none_match="*"), "PreconditionFailed"),
        (c.Conditions(if_none_match="x"), "NotImplemented"),
        (c.Conditions(if_match="x"), "PreconditionFailed"),
        (c.Conditions(if_match='"9dd4e461268c8034f5c8564e155c67a6"'), None),
        (c.Conditions(if_match="*"), None),
    ],
)
def test_conditional_writes(conditions: c.Conditions, code: str | None) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x"))
    reply = world.step(BUCKET, c.put_object("a", "y", conditions=conditions))
    assert (reply.code if isinstance(reply, Refused) else None) == code
    assert len(world.sent) == (1 if code else 2)
    missing = world.step(BUCKET, c.put_object("b", "y", conditions=conditions))
    expected = {"*": None, "x": "NotImplemented"}.get(conditions.if_none_match or "", "NoSuchKey")
    assert (missing.code if isinstance(missing, Refused) else None) == expected


@pytest.mark.parametrize(
    ("text", "body", "shown"),
    [
        ("bytes=0-1", b"01", "bytes 0-1/10"),
        ("bytes=8-20", b"89", "bytes 8-9/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-20", b"0123456789", "bytes 0-9/10"),
        ("bytes=0-1,3-4", "0123456789", None),
        ("bytes=4-2", "0123456789", None),
        ("items=0-1", "0123456789", None),
    ],
)
def test_ranges(text: str, body: str | bytes, shown: str | None) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "0123456789"))
    got = world.step(BUCKET, c.GetObject("a", range=text))
    assert (got.body, got.content_range) == (body, shown)


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=-0"])
def test_ranges_beyond_the_end(text: str) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "0123456789"))
    reply = world.step(BUCKET, c.GetObject("a", range=text))
    assert (reply.code, reply.status) == ("InvalidRange", 416)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (c.Conditions(if_match="x"), 412),
        (c.Conditions(if_none_match='"9dd4e461268c8034f5c8564e155c67a6"'), 304),
        (c.Conditions(if_none_match="x", if_modified_since_ms=START_MS), None),
        (c.Conditions(if_modified_since_ms=START_MS), 304),
        (c.Conditions(if_modified_since_ms=START_MS - 1000), None),
        (c.Conditions(if_unmodified_since_ms=START_MS - 1000), 412),
    ],
)
def test_conditional_reads(conditions: c.Conditions, status: int | None) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x"))
    reply = world.step(BUCKET, c.GetObject("a", conditions=conditions))
    assert (reply.status if isinstance(reply, Refused) else None) == status


# --- copies and properties ------------------------------------------------------------------------


def test_copies_keep_metadata_and_tags_unless_told_otherwise() -> None:
    world = world_with()
    given = c.Properties((("By", "me"),), (("k", "v"),))
    world.step(BUCKET, c.put_object("a", b"\xff", content_type="x/y", properties=given))
    world.step(BUCKET, r.CopyObject(BUCKET, "a", "b"))
    world.step(BUCKET, r.CopyObject(BUCKET, "a", "c", properties=c.Properties(), tags=()))
    b, other = (world.step(BUCKET, c.GetObject(key)) for key in "bc")
    assert (b.body, b.info.content_type, b.info.metadata, b.info.tags) == (
        b"\xff", "x/y", (("by", "me"),), (("k", "v"),),
    )  # fmt: skip
    assert (other.info.metadata, other.info.tags) == ((), ())
    assert world.step(BUCKET, r.CopyObject(BUCKET, "a", "a")).code == "InvalidRequest"
    assert world.step(BUCKET, r.CopyObject(BUCKET, "nothing", "a")).code == "NoSuchKey"
    assert world.step(BUCKET, r.CopyObject(NAMES.bucket("none"), "a", "a")).code == "NoSuchBucket"
    etag = c.Conditions(if_none_match=b.info.etag)
    assert world.step(BUCKET, r.CopyObject(BUCKET, "a", "d", source_conditions=etag)).status == 412
    world.check()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (c.Properties(storage_class="COLD"), "InvalidStorageClass"),
        (c.Properties((("a", "x" * 2048),)), "MetadataTooLarge"),
        (c.Properties(tags=tuple((str(n), "") for n in range(11))), "BadRequest"),
        (c.Properties(tags=(("", "x"),)), "InvalidTag"),
        (c.Properties(tags=(("a", "x" * 257),)), "InvalidTag"),
        (c.Properties(tags=(("aws:a", "x"),)), "InvalidTag"),
        (c.Properties(tags=(("a", "x"), ("a", "y"))), "InvalidTag"),
    ],
)
def test_properties_that_are_refused(given: c.Properties, code: str) -> None:
    assert world_with().step(BUCKET, c.put_object("a", "x", properties=given)).code == code

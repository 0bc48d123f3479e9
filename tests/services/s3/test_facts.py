"""What records say of bucket, caller and object, and what they do not: facts that the tables beside do not show."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest

from simtriggers.aws.arn import Names
from simtriggers.kernel.service import Description
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, S3Trigger, bucket_resource
from simtriggers.services.s3.events import MEMBERS, event_problem
from tests.simulated import HANDLERS, kinds, world

from .test_events import BUCKET, BUS, RULES, everything, on_the_bus, records, world_with
from .world import START_MS, World

MD5_OF_SOMETHING = "437b930db84b8079c2dd804a71936b5f"


def only(world: World) -> dict[str, Any]:
    (sent,) = world.sent
    (record,) = sent.record["Records"]
    return dict(record)


# --- the envelope ---------------------------------------------------------------------------------


def test_region_and_account_are_the_buckets_own() -> None:
    names = Names("210987654321", "eu-west-1")
    world = World(targets=(names.queue("q"),))
    config = BucketConfig.model_validate({"notifications": [{"queue": "q", "id": "mine"}]})
    world.step(*bucket_resource(names, "inbox", config))
    world.step(names.bucket("inbox"), c.put_object("a", "something"))
    record = only(world)
    assert (record["eventSource"], record["awsRegion"], record["eventName"]) == (
        "aws:s3",
        "eu-west-1",
        "ObjectCreated:Put",
    )
    assert record["eventTime"] == "2025-11-20T09:15:27.304Z"
    assert list(record["s3"]) == ["s3SchemaVersion", "configurationId", "bucket", "object"]
    assert (record["s3"]["s3SchemaVersion"], record["s3"]["configurationId"]) == ("1.0", "mine")
    bucket = record["s3"]["bucket"]
    assert (bucket["name"], bucket["arn"]) == ("inbox", "arn:aws:s3:::inbox")
    assert bucket["ownerIdentity"]["principalId"].startswith("A")
    assert not bucket["ownerIdentity"]["principalId"].isdigit()
    item = record["s3"]["object"]
    assert (item["size"], item["eTag"]) == (9, MD5_OF_SOMETHING)
    assert type(item["size"]) is int
    assert 16 <= len(item["sequencer"]) <= 18
    assert item["sequencer"] == item["sequencer"].upper()
    int(item["sequencer"], 16)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, ("AWS:AIDA", "127.0.0.1")),
        (c.Caller("AWS:AROAX:me", "203.0.113.24"), ("AWS:AROAX:me", "203.0.113.24")),
        (c.Caller("A3I5XTEXAMAI3E"), ("A3I5XTEXAMAI3E", "127.0.0.1")),
    ],
)
def test_who_acted_and_from_where(given: c.Caller | None, shown: tuple[str, str]) -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x", caller=given))
    record = only(world)
    assert record["userIdentity"]["principalId"].startswith(shown[0])
    assert record["requestParameters"]["sourceIPAddress"] == shown[1]
    ids = record["responseElements"]
    assert list(ids) == ["x-amz-request-id", "x-amz-id-2"]
    assert world.notes[0].details["request_id"] == ids["x-amz-request-id"]


def test_only_tags_of_aws_show_and_only_from_2_5_on() -> None:
    tags = {"team": "shop", "aws:cloudformation:stack-name": "shop"}
    for version, shown in (("classic", None), ("unified", {"aws:cloudformation:stack-name": "shop"})):
        world = world_with(bus=True, tags=tags, event_version=version)
        world.step(BUCKET, c.put_object("a", "x"))
        ((_, record),) = records(world)
        assert record["s3"]["bucket"].get("awsGeneratedTags") == shown
        (event,) = on_the_bus(world)
        assert event["detail"]["bucket"].get("aws-generated-tags") == shown
    world = world_with(tags={"team": "shop"}, event_version="2.6")
    world.step(BUCKET, c.put_object("a", "x"))
    assert (only(world)["eventVersion"], list(only(world)["s3"]["bucket"])) == (
        "2.6",
        ["name", "ownerIdentity", "arn"],
    )


def test_nothing_is_ever_null() -> None:
    world = world_with(bus=True, versioning="enabled", lifecycle_rules=RULES)
    everything(world)
    assert len(world.sent) > 30
    assert [sent.record for sent in world.sent if "null" in json.dumps(sent.record)] == []


def test_a_transition_says_where_to() -> None:
    world = world_with(lifecycle_rules=RULES)
    world.step(BUCKET, c.put_object("cold/a", "x"))
    world.sent.clear()
    world.until(START_MS + 5 * 86_400_000)
    record = only(world)
    assert record["eventName"] == "LifecycleTransition"
    assert record["lifecycleEventData"] == {"transitionEventData": {"destinationStorageClass": "STANDARD_IA"}}
    assert record["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
    assert list(record)[-1] == "lifecycleEventData"


# --- what raises events, and what does not --------------------------------------------------------


def test_what_fails_is_not_told() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("", "x"))
    world.step(BUCKET, c.put_object("a", "x", conditions=c.Conditions(if_match="x")))
    world.step(BUCKET, r.CopyObject(BUCKET, "none", "a"))
    world.step(BUCKET, r.PutObjectTagging("none", (("k", "v"),)))
    world.step(BUCKET, r.RestoreObject("none", 1))
    world.step(BUCKET, r.CompleteMultipartUpload("none", ((1, "x"),)))
    assert world.sent == []


def test_tags_that_come_with_a_put_are_not_told() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("a", "x", properties=c.Properties(tags=(("k", "v"),))))
    assert [name for name, _ in records(world)] == ["ObjectCreated:Put"]
    assert world.step(BUCKET, r.GetObjectTagging("a")) == (("k", "v"),)


def test_parts_that_are_copied_end_in_the_same_event_as_parts_that_are_sent() -> None:
    world = world_with()
    world.step(BUCKET, c.put_object("source", "0123456789"))
    upload = world.step(BUCKET, r.CreateMultipartUpload("a", "x/y"))
    etag = world.step(BUCKET, r.UploadPartCopy(upload, 1, BUCKET, "source", source_range="bytes=2-4"))
    world.step(BUCKET, r.CompleteMultipartUpload(upload, ((1, etag),)))
    assert [name for name, _ in records(world)] == ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload"]
    assert world.step(BUCKET, c.GetObject("a")).body == "234"


def test_the_etag_of_one_part() -> None:
    world = world_with()
    upload = world.step(BUCKET, r.CreateMultipartUpload("a", "x/y"))
    etag = world.step(BUCKET, r.UploadPart(upload, 1, "something"))
    put = world.step(BUCKET, r.CompleteMultipartUpload(upload, ((1, etag),)))
    assert (etag, put.etag) == (MD5_OF_SOMETHING, f"{md5(bytes.fromhex(etag)).hexdigest()}-1")


def test_a_delete_of_rules_is_no_removal() -> None:
    world = World(targets=(f"{BUCKET}",))
    queue = Names().queue("q")
    world.targets[queue] = Description(queue, "queue")
    told = [{"queue": "q", "events": ["s3:ObjectRemoved:*"]}]
    config = {"notifications": told, "lifecycle_rules": [{"expiration": {"days": 1}}]}
    world.step(*bucket_resource(Names(), "uploads", BucketConfig.model_validate(config)))
    world.step(BUCKET, c.put_object("a", "x"))
    world.until(START_MS + 3 * 86_400_000)
    assert world.step(BUCKET, c.ListObjects()).objects == ()
    assert world.sent == []


NOT_HERE = [
    "s3:Replication:*",
    "s3:Replication:OperationNotTracked",
    "s3:ReducedRedundancyLostObject",
    "s3:IntelligentTiering",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectRetention:Put",
]


@pytest.mark.parametrize("name", NOT_HERE)
def test_events_that_nothing_raises_are_refused_by_name(name: str) -> None:
    assert name in MEMBERS
    assert "is not supported yet: nothing in simtriggers raises it" in str(event_problem(name))
    with pytest.raises(ValueError, match="is not supported yet"):
        S3Trigger.model_validate({"s3": "b", "events": [name]})


@pytest.mark.parametrize("name", ["s3:*", "s3:TestEvent", "s3:ObjectAcl:*", "ObjectCreated:Put"])
def test_names_that_the_api_does_not_take(name: str) -> None:
    assert name not in MEMBERS
    assert "is not an S3 event" in str(event_problem(name))


# --- EventBridge ----------------------------------------------------------------------------------


def test_the_bus_gets_everything_with_keys_as_they_are_and_no_test_event() -> None:
    world = World(targets=(Names().queue("q"),))
    world.targets[BUS] = Description(BUS, "event_bus")
    told = [{"queue": "q", "events": ["s3:ObjectRemoved:*"], "suffix": ".csv"}]
    config = {"notifications": told, "eventbridge": True, "test_event": True}
    world.step(*bucket_resource(Names(), "uploads", BucketConfig.model_validate(config)))
    world.step(BUCKET, c.put_object("a b+é.txt", "something"))
    assert [sent.arn for sent in world.sent] == [Names().queue("q"), BUS]
    event = world.sent[-1].record
    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    ]  # fmt: skip
    assert (event["version"], event["source"], event["detail-type"]) == ("0", "aws.s3", "Object Created")
    assert (event["account"], event["region"]) == (Names().account, Names().region)
    assert (event["time"], event["resources"]) == ("2025-11-20T09:15:27Z", ["arn:aws:s3:::uploads"])
    detail = event["detail"]
    assert list(detail) == [
        "version", "bucket", "object", "request-id", "requester", "source-ip-address", "reason",
    ]  # fmt: skip
    assert list(detail["object"]) == ["key", "size", "etag", "sequencer"]
    assert (detail["object"]["key"], detail["object"]["etag"]) == ("a b+é.txt", MD5_OF_SOMETHING)


def test_versions_on_the_bus() -> None:
    world = world_with(bus=True, versioning="enabled", event_version="unified")
    put = world.step(BUCKET, c.put_object("a", "x"))
    marker = world.step(BUCKET, c.DeleteObject("a"))
    world.step(BUCKET, c.DeleteObject("a", version_id=put.version_id))
    created, marked, deleted = (event["detail"] for event in on_the_bus(world))
    assert [detail["event-version"] for detail in (created, marked, deleted)] == ["1.1"] * 3
    assert created["object"]["version-id"] == put.version_id
    assert list(marked["object"]) == ["key", "etag", "version-id", "sequencer"]
    assert marked["object"]["version-id"] == marker.version_id
    assert (marked["deletion-type"], deleted["deletion-type"]) == ("Delete Marker Created", "Permanently Deleted")
    assert list(deleted["object"]) == ["key", "version-id", "sequencer"]


# --- in a simulation ------------------------------------------------------------------------------

TARGETS = """
buckets:
  uploads:
    notifications:
      - {queue: told, prefix: q/, id: to-queue}
      - {topic: news, prefix: t/}
      - {function: fails, prefix: f/}
queues: {told: {}, copies: {}}
topics: {news: {subscriptions: [{queue: copies}]}}
functions:
  fails: {stub: [{raises: {type: KeyError, message: x}}]}
"""


def test_queues_topics_and_functions_get_the_same_record_each_in_its_way() -> None:
    with world(TARGETS) as sim:
        uploads = sim.bucket("uploads")
        for key in ("q/a", "t/a", "f/a"):
            uploads.put(key, "x")
        sim.run_until_idle()
        (message,) = sim.queue("told").receive()
        body = json.loads(message.body)
        assert (list(body), len(body["Records"]), message.message_attributes) == (["Records"], 1, ())
        assert body["Records"][0]["s3"]["configurationId"] == "to-queue"
        (copied,) = sim.queue("copies").receive()
        envelope = json.loads(copied.body)
        assert (envelope["Type"], envelope["Subject"]) == ("Notification", "Amazon S3 Notification")
        assert json.loads(envelope["Message"])["Records"][0]["s3"]["object"]["key"] == "t/a"
        # Asynchronously: two more attempts, a minute and two after the first.
        started = kinds(sim, "InvocationStarted")
        assert len(started) == 3
        event = json.loads(sim.engine.reader.payload(started[0].details["payload"]))
        assert event["Records"][0]["s3"]["object"]["key"] == "f/a"


def test_the_trace_header_of_a_request_goes_along_to_queues() -> None:
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with world(TARGETS) as sim:
        command = c.put_object("q/a", "x", caller=c.Caller(trace_header=header))
        sim.engine.ask(sim.names.bucket("uploads"), command)
        sim.bucket("uploads").put("q/b", "x")
        sim.run_until_idle()
        first, second = sim.queue("told").receive(2)
        assert dict(first.attributes)["AWSTraceHeader"] == header
        assert "AWSTraceHeader" not in dict(second.attributes)


ON_THE_BUS = """
buckets: {uploads: {eventbridge: true, notifications: [{queue: told}]}}
queues: {told: {}, q: {}}
rules: {all: {event_pattern: {source: [aws.s3]}, targets: [{queue: q}]}}
"""


@pytest.mark.parametrize(
    ("caller", "address"), [(None, "127.0.0.1"), (c.Caller("AWS:AROAX:me", "203.0.113.24"), "203.0.113.24")]
)
def test_the_event_on_the_bus_is_of_the_request_that_caused_it(caller: c.Caller | None, address: str) -> None:
    with world(ON_THE_BUS) as sim:
        answer = sim.engine.ask(sim.names.bucket("uploads"), c.put_object("a", "something", caller=caller))
        sim.run_until_idle()
        (row,) = [row for row in sim.trace if "request_id" in row.details]
        (message,) = sim.queue("q").receive()
        (told,) = sim.queue("told").receive()
        (record,) = json.loads(told.body)["Records"]
        request_id = record["responseElements"]["x-amz-request-id"]
        assert row.details["request_id"] == request_id
        event = json.loads(message.body)
        assert (event["account"], event["region"], event["resources"]) == (
            sim.names.account,
            sim.names.region,
            [sim.names.bucket("uploads")],
        )
        assert event["detail"] == {
            "version": "0",
            "bucket": {"name": "uploads"},
            "object": {
                "key": "a",
                "size": 9,
                "etag": answer.etag,
                "sequencer": record["s3"]["object"]["sequencer"],
            },
            "request-id": request_id,
            "requester": sim.names.account,
            "source-ip-address": address,
            "reason": "PutObject",
        }


def test_a_handler_that_writes_into_its_own_bucket_is_stopped() -> None:
    text = "buckets: {store: {}}\nfunctions: {loops: {handler: buckets.again, triggers: [{s3: store}]}}\n"
    with world(text, folder=HANDLERS, check_invariants=False) as sim:
        sim.bucket("store").put("a", "x")
        idle = sim.run_until_idle("1s")
        assert idle.reason in ("horizon", "limit")
        assert len(kinds(sim, "InvocationStarted")) > 100

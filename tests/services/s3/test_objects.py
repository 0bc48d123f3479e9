"""What puts, deletes and files do to a bucket and what they send: tables in fixtures/cases/s3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.arn import name_of
from simtriggers.aws.contracts import RemoveResource
from simtriggers.kernel.effects import Deliver, Refused
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3.config import BucketConfig, bucket_resource
from simtriggers.services.s3.objects import DELIVERY, KEY_LIMIT

from .world import NAMES, START_MS, World

CASES = Path(__file__).parents[3] / "fixtures/cases/s3"
BUCKET = NAMES.bucket("uploads")
TARGETS = (NAMES.queue("ingest"), NAMES.function("parse"))


def world_with(config: dict[str, Any]) -> World:
    world = World(targets=TARGETS)
    arn, put = bucket_resource(NAMES, "uploads", BucketConfig.model_validate(config))
    assert world.step(arn, put) == 1
    world.notes.clear()
    return world


def do(world: World, step: dict[str, Any]) -> Any:
    if "delete" in step:
        return world.step(BUCKET, c.DeleteObject(step["delete"]))
    if "gone" in step:
        return world.step(BUCKET, c.FileGone(step["gone"]))
    body = bytes.fromhex(step["hex"]) if "hex" in step else step["body"]
    if "put" in step:
        return world.step(BUCKET, c.put_object(step["put"], body))
    raw = body.encode()
    file = c.FileIdentity(step["inode"], step["mtime_ns"])
    return world.step(BUCKET, c.PutObject(step["file"], len(raw), c.content_md5(raw), file=file))


@pytest.mark.parametrize("case", YAML(typ="safe").load(CASES / "objects.yaml"), ids=lambda case: case["name"])
def test_objects(case: dict[str, Any]) -> None:
    world = world_with({"notifications": case["notifications"]})
    for step in case["do"]:
        world.now_ms += 1
        do(world, step)
    sent = []
    for one in world.sent:
        (record,) = one.record["Records"]
        item = record["s3"]["object"]
        configuration = record["s3"]["configurationId"]
        sent.append([record["eventName"], item["key"], item.get("size"), configuration, name_of(one.arn)])
    assert sent == case["sent"]
    assert [[note.kind, note.subject] for note in world.notes] == case["notes"]
    listed = world.step(BUCKET, c.ListObjects())
    assert [[one.key, one.size, one.etag, one.place] for one in listed.objects] == case["objects"]
    world.check()


def test_a_put_as_a_whole() -> None:
    world = world_with(
        {"notifications": [{"queue": "ingest", "suffix": ".csv"}, {"function": "parse", "suffix": ".x"}]}
    )
    reply = world.step(BUCKET, c.put_object("in/a b.csv", "héllo", caller=c.Caller(source_ip="203.0.113.24")), cause=77)
    assert (reply.etag, reply.changed) == ("be50e8478cf24ff3595bc7307fb91b50", True)
    created, matched = world.notes
    (sent,) = world.sent
    (record,) = sent.record["Records"]
    assert (created.cause, matched.cause, sent.cause) == (77, created.id, matched.id)
    assert created.details == {
        "size": 6,
        "etag": reply.etag,
        "sequencer": reply.sequencer,
        "request_id": record["responseElements"]["x-amz-request-id"],
        "place": "database",
        "body_payload": created.details["body_payload"],
    }
    assert world.payloads[created.details["body_payload"]] == "héllo"
    assert matched.details == {
        "event": "ObjectCreated:Put",
        "notification": "ingest-1",
        "target": NAMES.queue("ingest"),
        "not_matched": 1,
        "revision": 1,
        "payload": matched.details["payload"],
    }
    (effect,) = world.decisions[-1].effects
    assert effect == Deliver(
        NAMES.queue("ingest"),
        matched.details["payload"],
        DELIVERY,
        matched.id,
        context=(("source", BUCKET),),
    )
    assert record["requestParameters"] == {"sourceIPAddress": "203.0.113.24"}
    assert record["awsRegion"] == "us-east-1"
    assert record["s3"]["object"] == {
        "key": "in/a+b.csv",
        "size": 6,
        "eTag": c.content_md5("héllo".encode()),
        "sequencer": reply.sequencer,
    }
    stored = world.step(BUCKET, c.GetObject("in/a b.csv"))
    assert stored == c.StoredObject(
        c.ObjectInfo("in/a b.csv", 6, reply.etag, START_MS, "binary/octet-stream", "database", created.id),
        "héllo",
    )


def test_bytes_come_back_as_bytes_and_utf8_as_text() -> None:
    world = world_with({})
    world.step(BUCKET, c.put_object("raw", b"\xff\x00"))
    world.step(BUCKET, c.put_object("text", "é".encode()))
    assert world.step(BUCKET, c.GetObject("raw")).body == b"\xff\x00"
    assert world.step(BUCKET, c.GetObject("text")).body == "é"


def test_sequencers_grow_even_when_time_does_not() -> None:
    world = world_with({})
    marks = []
    for shift in (0, 0, 0, -5, 0, 1):
        world.now_ms += shift
        marks.append(world.step(BUCKET, c.put_object("a", "x")).sequencer)
        world.step(BUCKET, c.DeleteObject("a"))
    assert marks == sorted(set(marks))


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (c.put_object("", "x"), Refused("InvalidArgument", "An object's key cannot be empty")),
        (
            c.put_object("é" * 513, "x"),
            Refused(
                "KeyTooLongError",
                "Your key is too long",
                fields=(("Size", "1026"), ("MaxSizeAllowed", "1024")),
            ),
        ),
        (
            c.GetObject("a"),
            Refused("NoSuchKey", "The specified key does not exist.", 404, fields=(("Key", "a"),)),
        ),
        (c.HeadObject("a"), Refused("404", "Not Found", 404)),
        (c.CommitWrite("0"), Refused("InternalError", "There is no such write in the journal.", 500)),
    ],
)
def test_refusals(command: Any, refused: Refused) -> None:
    world = world_with({})
    assert world.step(BUCKET, command) == refused
    assert world.notes == []


def test_the_longest_key_is_taken() -> None:
    world = world_with({})
    assert world.step(BUCKET, c.put_object("é" * (KEY_LIMIT // 2), "x")).changed


@pytest.mark.parametrize(
    "command",
    [
        c.put_object("a", "x"),
        c.DeleteObject("a"),
        c.GetObject("a"),
        c.ListObjects(),
        c.FileGone("a"),
        c.IndexFiles(()),
        c.ForgetFiles(()),
        c.ListFiles(),
        c.FolderScanned(0, 0, 0),
        c.FileSkipped("a", "socket"),
        c.BeginWrite("put", "a", "file"),
        c.CommitWrite("0"),
        c.AbortWrite("0", "x"),
        c.ListWrites(),
        RemoveResource(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_no_such_bucket(command: Any) -> None:
    assert World().step(BUCKET, command).code == "NoSuchBucket"


def test_an_unwired_bucket_keeps_objects_and_sends_nothing() -> None:
    world = world_with({"notifications": [{"queue": "ingest"}]})
    world.step(BUCKET, RemoveResource(wiring_only=True))
    world.step(BUCKET, c.put_object("a", "x"))
    assert world.sent == []
    assert world.step(BUCKET, c.GetObject("a")).body == "x"


def test_removing_a_bucket_removes_its_rows_alone() -> None:
    world = world_with({})
    other, put = bucket_resource(NAMES, "other", BucketConfig())
    world.step(other, put)
    for arn in (BUCKET, other):
        world.step(arn, c.put_object("a", b"\xff"))
        world.step(arn, c.BeginWrite("delete", "a", "file"))
    world.step(BUCKET, RemoveResource())
    for table in ("s3_buckets", "s3_objects", "s3_blobs", "s3_writes"):
        assert world.db.execute(f"SELECT DISTINCT bucket FROM {table}").fetchall() == [(other,)]
    world.check()


# --- listing --------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("a/b0é\U0001f680\U0010ffff"), min_size=1, max_size=4),
        unique=True,
        max_size=12,
    ),
    st.text("a/b\U0010ffff", max_size=2),
    st.integers(1, 5),
)
def test_pages_hold_a_prefix_once_in_utf8_order(keys: list[str], prefix: str, limit: int) -> None:
    world = world_with({})
    for key in keys:
        world.step(BUCKET, c.put_object(key, ""))
    found: list[str] = []
    while True:
        page = world.step(BUCKET, c.ListObjects(prefix, found[-1] if found else "", limit))
        found += [one.key for one in page.objects]
        assert len(page.objects) <= limit
        if not page.truncated:
            break
    wanted = sorted((key for key in keys if key.startswith(prefix)), key=str.encode)
    assert found == wanted


# --- files ----------------------------------------------------------------------------------------


def state(key: str, body: str = "x", inode: int = 1, mtime_ns: int = 1) -> c.FileState:
    return c.FileState(key, len(body), c.content_md5(body.encode()), c.FileIdentity(inode, mtime_ns))


def test_indexing_raises_nothing_and_is_remembered() -> None:
    world = world_with({"notifications": [{"queue": "ingest"}]})
    files = (state("a"), state("d/b", "yy", 2), state("d0", "z", 3))
    assert world.step(BUCKET, c.IndexFiles(files)) == 3
    assert world.notes == []
    assert world.step(BUCKET, c.ListFiles()) == c.FileList(False, files, False)
    assert world.step(BUCKET, c.ListFiles(after="a", limit=1)) == c.FileList(False, files[1:2], True)
    one = files[1]
    put = c.PutObject(one.key, one.size, one.etag, file=one.file)
    assert world.step(BUCKET, put) == c.ObjectPut(one.etag, "", changed=False)
    assert world.step(BUCKET, c.FileGone("d")) == c.Gone(False, ("d/b",))
    world.step(BUCKET, c.ForgetFiles(("a", "d/b")))
    assert world.step(BUCKET, c.ListFiles()).files == files[2:]
    assert world.sent == []


def test_another_folder_is_not_scanned_yet() -> None:
    world = World()
    arn, put = bucket_resource(NAMES, "uploads", BucketConfig(), folder="/data/in")
    world.step(arn, put)
    world.step(arn, c.FolderScanned(1, 0, 0))
    assert world.notes[-1].details == {"folder": "/data/in", "indexed": 1, "put": 0, "removed": 0}
    assert world.step(arn, c.ListFiles()).scanned
    assert world.step(*bucket_resource(NAMES, "uploads", BucketConfig(), folder="/data/other")) == 2
    assert not world.step(arn, c.ListFiles()).scanned


# --- the journal ----------------------------------------------------------------------------------


def begin_put(world: World, key: str = "a") -> str:
    file, caller = c.FileIdentity(9, 90), c.Caller("", "203.0.113.9", "Root=1")
    id = world.step(BUCKET, c.BeginWrite("put", key, "file", 1, "e" * 32, file, "/tmp/t", caller=caller))
    assert isinstance(id, str)
    return id


def test_a_journalled_put_is_told_once_before_and_after_its_commit() -> None:
    world = world_with({"notifications": [{"queue": "ingest"}]})
    id = begin_put(world)
    echo = c.PutObject("a", 1, "e" * 32, file=c.FileIdentity(9, 90))
    assert world.step(BUCKET, echo).changed is False
    assert world.sent == []
    assert world.step(BUCKET, c.CommitWrite(id)).changed
    assert world.step(BUCKET, echo).changed is False
    (sent,) = world.sent
    assert sent.record["Records"][0]["requestParameters"] == {"sourceIPAddress": "203.0.113.9"}
    assert sent.context == (("source", BUCKET), ("system_attribute:AWSTraceHeader", "Root=1"))
    assert world.step(BUCKET, c.ListWrites()) == ()


def test_another_file_of_the_same_name_is_told_although_a_put_is_under_way() -> None:
    world = world_with({"notifications": [{"queue": "ingest"}]})
    begin_put(world)
    assert world.step(BUCKET, c.PutObject("a", 1, "f" * 32, file=c.FileIdentity(10, 90))).changed


def test_a_journalled_delete_is_told_by_its_commit() -> None:
    world = world_with({"notifications": [{"queue": "ingest", "events": ["s3:ObjectRemoved:*"]}]})
    world.step(BUCKET, c.PutObject("a", 1, "e" * 32, file=c.FileIdentity(9, 90)))
    id = world.step(BUCKET, c.BeginWrite("delete", "a", "file"))
    assert world.step(BUCKET, c.FileGone("a")) == c.Gone(False, ())
    assert world.step(BUCKET, c.CommitWrite(id)) == c.ObjectDeleted(True)
    assert world.step(BUCKET, c.FileGone("a")) == c.Gone(False, ())
    assert world.events() == [("ObjectRemoved:Delete", "a", None)]


def test_an_aborted_write_leaves_a_reason_and_nothing_else() -> None:
    world = world_with({})
    id = begin_put(world)
    (pending,) = world.step(BUCKET, c.ListWrites())
    assert pending == c.PendingWrite(id, "put", "a", 1, "e" * 32, c.FileIdentity(9, 90), "file", "/tmp/t")
    world.step(BUCKET, c.AbortWrite(id, "the rename did not happen"))
    assert [(note.kind, note.details["reason"]) for note in world.notes] == [
        ("WriteAborted", "the rename did not happen")
    ]
    assert world.step(BUCKET, c.ListWrites()) == ()
    assert world.step(BUCKET, c.ListObjects()).objects == ()

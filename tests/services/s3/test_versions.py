"""Versioned buckets: what becomes of versions and markers, and a model of S3's own rules to compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.kernel.effects import Refused
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, bucket_resource
from simtriggers.services.s3.removal import EMPTY_MD5

from .world import NAMES, START_MS, World

BUCKET = NAMES.bucket("uploads")
QUEUE = NAMES.queue("ingest")
EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def configure(world: World, versioning: str | None) -> None:
    config = {"versioning": versioning, "notifications": [{"queue": "ingest", "events": EVENTS}]}
    world.step(*bucket_resource(NAMES, "uploads", BucketConfig.model_validate(config)))


def world_with(versioning: str | None) -> World:
    world = World(targets=(QUEUE,))
    configure(world, versioning)
    world.notes.clear()
    return world


def put(world: World, key: str, body: str | bytes) -> c.ObjectPut:
    world.now_ms += 1
    reply = world.step(BUCKET, c.put_object(key, body))
    assert isinstance(reply, c.ObjectPut)
    return reply


def objects_sent(world: World) -> list[tuple[str, dict[str, Any]]]:
    records = [record for sent in world.sent for (record,) in [sent.record["Records"]]]
    return [(each["eventName"], each["s3"]["object"]) for each in records]


def listed(world: World) -> list[tuple[str, str, bool, bool]]:
    page = world.step(BUCKET, r.ListObjectVersions())
    return [(one.key, one.version_id, one.is_latest, one.delete_marker) for one in page.versions]


def test_the_life_of_a_versioned_key() -> None:
    world = world_with("enabled")
    one, two = put(world, "a", "first"), put(world, "a", b"\xff2")
    assert one.version_id is not None
    assert two.version_id is not None
    assert len(one.version_id) == len(two.version_id) == 32
    marker = world.step(BUCKET, c.DeleteObject("a"))
    assert (marker.existed, marker.delete_marker) == (True, True)
    assert listed(world) == [
        ("a", marker.version_id, True, True),
        ("a", two.version_id, False, False),
        ("a", one.version_id, False, False),
    ]
    gone = Refused(
        "NoSuchKey", "The specified key does not exist.", 404, fields=(("Key", "a"), ("DeleteMarker", "true"))
    )
    assert world.step(BUCKET, c.GetObject("a")) == gone
    assert world.step(BUCKET, c.GetObject("a", one.version_id)).body == "first"
    assert world.step(BUCKET, c.GetObject("a", two.version_id)).body == b"\xff2"
    assert world.step(BUCKET, c.GetObject("a", marker.version_id)).status == 405
    assert world.step(BUCKET, c.ListObjects()).objects == ()
    world.check()

    again = world.step(BUCKET, c.DeleteObject("a", version_id=marker.version_id))
    assert again == c.ObjectDeleted(True, marker.version_id, True)
    assert world.step(BUCKET, c.GetObject("a")).body == b"\xff2"
    assert listed(world)[0] == ("a", two.version_id, True, False)
    world.step(BUCKET, c.DeleteObject("a", version_id=two.version_id))
    assert world.step(BUCKET, c.GetObject("a")).body == "first"
    world.step(BUCKET, c.DeleteObject("a", version_id=one.version_id))
    assert listed(world) == []
    world.check()

    found = objects_sent(world)
    names = [name for name, _ in found]
    assert names == [
        "ObjectCreated:Put",
        "ObjectCreated:Put",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRemoved:Delete",
        "ObjectRemoved:Delete",
        "ObjectRemoved:Delete",
    ]
    ids = [one.version_id, two.version_id, marker.version_id, marker.version_id, two.version_id, one.version_id]
    assert [item["versionId"] for _, item in found] == ids
    assert list(found[0][1]) == ["key", "size", "eTag", "versionId", "sequencer"]
    assert list(found[2][1]) == ["key", "eTag", "versionId", "sequencer"]
    assert found[2][1]["eTag"] == EMPTY_MD5
    assert list(found[3][1]) == ["key", "versionId", "sequencer"]
    marks = [item["sequencer"] for _, item in found]
    assert marks == sorted(set(marks))


def test_suspended_versioning_has_a_null_version_that_events_do_not_name() -> None:
    world = world_with(None)
    first = put(world, "a", "before")
    assert first.version_id is None
    configure(world, "enabled")
    kept = put(world, "a", "kept")
    configure(world, "suspended")
    null = put(world, "a", "null")
    assert null.version_id == "null"
    assert listed(world) == [("a", "null", True, False), ("a", kept.version_id, False, False)]
    assert put(world, "a", "null again").version_id == "null"
    assert len(listed(world)) == 2
    marker = world.step(BUCKET, c.DeleteObject("a"))
    assert marker.version_id == "null"
    assert listed(world) == [("a", "null", True, True), ("a", kept.version_id, False, False)]
    assert put(world, "a", "back").version_id == "null"
    assert listed(world) == [("a", "null", True, False), ("a", kept.version_id, False, False)]
    assert [item.get("versionId") for _, item in objects_sent(world)] == [
        None, kept.version_id, None, None, None, None,
    ]  # fmt: skip
    assert objects_sent(world)[-2][0] == "ObjectRemoved:DeleteMarkerCreated"
    world.check()


def test_a_missing_version_is_answered_and_not_told() -> None:
    world = world_with("enabled")
    reply = world.step(BUCKET, c.DeleteObject("a", version_id="x" * 32))
    assert reply == c.ObjectDeleted(False, "x" * 32, False)
    assert world.sent == []
    assert [note.kind for note in world.notes] == ["ObjectNotFound"]
    assert world.step(BUCKET, c.GetObject("a", "x" * 32)).code == "NoSuchVersion"
    assert world.step(BUCKET, c.DeleteObject("a", version_id="x")) == Refused(
        "InvalidArgument",
        "Invalid version id specified",
        fields=(("ArgumentName", "versionId"), ("ArgumentValue", "x")),
    )


@pytest.mark.parametrize("versioning", [None, "enabled"])
def test_many_are_deleted_with_an_event_each(versioning: str | None) -> None:
    world = world_with(versioning)
    put(world, "a", b"\xff")
    reply = world.step(BUCKET, r.DeleteObjects((("a", ""), ("b c", ""))))
    assert [one.existed for one in reply.deleted] == [True, False]
    assert [item["key"] for _, item in objects_sent(world)] == ["a", "a", "b+c"]
    marks = [item["sequencer"] for _, item in objects_sent(world)]
    assert marks == sorted(set(marks))
    world.check()


def test_all_versions_of_a_key_are_deleted_in_one_request() -> None:
    world = world_with("enabled")
    ids = [put(world, "a", str(n)).version_id for n in range(4)]
    world.step(BUCKET, r.DeleteObjects(tuple(("a", str(each)) for each in reversed(ids))))
    assert listed(world) == []
    world.check()


@pytest.mark.parametrize("objects", [(), (("a", ""), ("a", "")), tuple((str(n), "") for n in range(1001))])
def test_lists_that_cannot_be_deleted(objects: tuple[tuple[str, str], ...]) -> None:
    assert world_with(None).step(BUCKET, r.DeleteObjects(objects)).code == "MalformedXML"


def test_versions_come_in_pages() -> None:
    world = world_with("enabled")
    for key in ("a", "a", "b", "a", "c"):
        put(world, key, "x")
    whole = world.step(BUCKET, r.ListObjectVersions()).versions
    found: list[r.VersionInfo] = []
    while True:
        last = found[-1] if found else None
        markers = (last.key, last.version_id) if last else ("", "")
        page = world.step(BUCKET, r.ListObjectVersions("", *markers, limit=2))
        found += page.versions
        if not page.truncated:
            break
    assert tuple(found) == whole
    assert [one.key for one in whole] == ["a", "a", "a", "b", "c"]
    assert [one.last_modified_ms for one in whole[:3]] == [START_MS + 4, START_MS + 2, START_MS + 1]


# --- a model ------------------------------------------------------------------------------------


@dataclass
class Model:
    """What S3 says of one key: (id, body or None for a marker), newest last."""

    versions: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, id: str, body: str | None, versioning: str | None) -> None:
        if versioning != "enabled":
            self.versions = [one for one in self.versions if one[0] != "null"]
        self.versions.append((id, body))


ACTS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(["x", "yy", "\ufffe"])),
    st.tuples(st.just("delete"), st.just("")),
    st.tuples(st.just("delete_version"), st.integers(0, 5)),
    st.tuples(st.just("versioning"), st.sampled_from(["enabled", "suspended"])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=14))
def test_versions_are_as_a_model_has_them(acts: list[tuple[str, Any]]) -> None:
    world = world_with("enabled")
    model, versioning = Model(), "enabled"
    for act, item in acts:
        if act == "versioning":
            versioning = item
            configure(world, item)
        elif act == "put":
            model.add(str(put(world, "k", item).version_id), item, versioning)
        elif act == "delete":
            model.add(world.step(BUCKET, c.DeleteObject("k")).version_id, None, versioning)
        elif item < len(model.versions):
            id, body = model.versions.pop(item)
            reply = world.step(BUCKET, c.DeleteObject("k", version_id=id))
            assert reply == c.ObjectDeleted(True, id, body is None)
    there = [(id, latest, marker) for _, id, latest, marker in listed(world)]
    newest_first = list(reversed(model.versions))
    assert there == [(id, n == 0, body is None) for n, (id, body) in enumerate(newest_first)]
    current = newest_first[0][1] if newest_first else None
    got = world.step(BUCKET, c.GetObject("k"))
    assert (got.body if isinstance(got, c.StoredObject) else None) == current
    world.check()

"""Random sequences of requests against a small model of S3: contents, versions, events, sequencers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, bucket_resource

from .world import NAMES, World

BUCKET = NAMES.bucket("uploads")
EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
KEYS = st.sampled_from(["a", "b/c d"])
BODIES = st.sampled_from(["", "x", "yy", b"\xff"])
ACTS = st.one_of(
    st.tuples(st.just("put"), KEYS, BODIES),
    st.tuples(st.just("copy"), KEYS, KEYS),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("delete version"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("bring back"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("versioning"), st.sampled_from(["enabled", "suspended"]), st.none()),
    st.tuples(st.just("delete version"), KEYS, st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([-5, 1, 1000]), st.none()),
)
Version = tuple[str, str | bytes | None]
"""An id and a content, None for a delete marker."""


@dataclass
class Model:
    """What S3 says should be there, the newest version of a key last; and what it should have told."""

    versioning: str | None
    keys: dict[str, list[Version]] = field(default_factory=dict)
    told: list[tuple[str, str, str | None]] = field(default_factory=list)

    def of(self, key: str) -> list[Version]:
        return self.keys.setdefault(key, [])

    def current(self, key: str) -> str | bytes | None:
        return self.of(key)[-1][1] if self.of(key) else None

    def add(self, event: str, key: str, id: str | None, body: str | bytes | None) -> None:
        """A version or marker; without versioning it replaces the one that is there, as a null version does."""
        if self.versioning is None:
            self.keys[key] = []
        elif self.versioning == "suspended":
            self.keys[key] = [one for one in self.of(key) if one[0] != "null"]
        if body is not None or self.versioning is not None:
            self.of(key).append((id or "null", body))
        self.told.append((event, key, None if id in (None, "null") else id))


def configure(world: World, versioning: str | None) -> None:
    given = {"versioning": versioning, "notifications": [{"queue": "told", "events": EVENTS}]}
    world.step(*bucket_resource(NAMES, "uploads", BucketConfig.model_validate(given)))


def act(world: World, model: Model, what: str, key: Any, more: Any) -> None:
    """Do it in both."""
    if what == "versioning":
        if model.versioning is not None:
            model.versioning = key
            configure(world, key)
    elif what == "wait":
        world.now_ms += key
    elif what == "put":
        put = world.step(BUCKET, c.put_object(key, more))
        model.add("ObjectCreated:Put", key, put.version_id, more)
    elif what == "delete":
        gone = world.step(BUCKET, c.DeleteObject(key))
        kind = "Delete" if model.versioning is None else "DeleteMarkerCreated"
        model.add(f"ObjectRemoved:{kind}", key, gone.version_id, None)
    elif what == "copy":
        _copy(world, model, key, "", more, model.current(key))
    elif model.of(key) and model.versioning is not None:
        place = -1 - more % len(model.of(key))  # the newest first
        id, body = model.of(key)[place]
        if what == "bring back":
            _copy(world, model, key, id, key, body)
        else:
            world.step(BUCKET, c.DeleteObject(key, version_id=id))
            del model.of(key)[place]
            model.told.append(("ObjectRemoved:Delete", key, None if id == "null" else id))


def _copy(world: World, model: Model, source: str, id: str, key: str, body: str | bytes | None) -> None:
    reply = world.step(BUCKET, r.CopyObject(BUCKET, source, key, id))
    if body is None or (source == key and not id):
        assert reply.code in ("NoSuchKey", "MethodNotAllowed", "InvalidRequest")
    else:
        model.add("ObjectCreated:Copy", key, reply.version_id, body)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["enabled", "enabled", None]), st.lists(ACTS, min_size=10, max_size=25))
def test_a_bucket_is_as_the_model_has_it(versioning: str | None, acts: list[tuple[str, Any, Any]]) -> None:
    world, model = World(targets=(NAMES.queue("told"),)), Model(versioning)
    configure(world, versioning)
    for what, key, more in acts:
        act(world, model, what, key, more)
        world.check()
        for each in model.keys:
            got = world.step(BUCKET, c.GetObject(each))
            assert (got.body if isinstance(got, c.StoredObject) else None) == model.current(each)
    there = [one.key for one in world.step(BUCKET, c.ListObjects()).objects]
    assert there == sorted(key for key in model.keys if model.current(key) is not None)
    versions = world.step(BUCKET, r.ListObjectVersions()).versions
    assert [(one.key, one.version_id, one.delete_marker) for one in versions] == [
        (key, id if versioning else "null", body is None)
        for key in sorted(model.keys)
        for id, body in reversed(model.keys[key])
    ]
    items = [sent.record["Records"][0]["s3"]["object"] for sent in world.sent]
    names = [sent.record["Records"][0]["eventName"] for sent in world.sent]
    told = [
        (name, item["key"].replace("+", " "), item.get("versionId")) for name, item in zip(names, items, strict=True)
    ]
    assert told == model.told
    for key in model.keys:
        marks = [item["sequencer"] for item in items if item["key"].replace("+", " ") == key]
        assert marks == sorted(set(marks), key=lambda mark: mark.ljust(32, "0"))

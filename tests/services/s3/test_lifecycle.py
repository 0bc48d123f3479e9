"""Lifecycle rules run by the clock: a table in fixtures/cases/s3/lifecycle.yaml, and what is refused of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, bucket_resource
from simtriggers.services.s3.lifecycle_rules import DAY_MS

from .world import NAMES, World

CASES = Path(__file__).parents[3] / "fixtures/cases/s3"
BUCKET = NAMES.bucket("uploads")


def world_with(rules: list[dict[str, Any]], versioning: str | None = None) -> World:
    world = World(targets=(NAMES.queue("told"),))
    told = {"queue": "told", "events": ["s3:LifecycleExpiration:*", "s3:LifecycleTransition"]}
    config = {"notifications": [told], "versioning": versioning, "lifecycle_rules": rules}
    world.step(*bucket_resource(NAMES, "uploads", BucketConfig.model_validate(config)))
    return world


def do(world: World, step: dict[str, Any]) -> None:
    world.now_ms += 1
    if "days" in step:
        world.until(world.now_ms + step["days"] * DAY_MS)
    elif "delete" in step:
        world.step(BUCKET, c.DeleteObject(step["delete"]))
    elif "upload" in step:
        world.step(BUCKET, r.CreateMultipartUpload(step["upload"], "text/plain"))
    else:
        tags = tuple(step.get("tags", {}).items())
        given = c.Properties(tags=tags, storage_class=step.get("class", "STANDARD"))
        world.step(BUCKET, c.put_object(step["put"], "x" * step.get("size", 1), properties=given))


def left(world: World) -> list[str]:
    versions = world.step(BUCKET, r.ListObjectVersions()).versions
    return [f"{one.key} {'marker' if one.delete_marker else one.storage_class}" for one in versions]


@pytest.mark.parametrize("case", YAML(typ="safe").load(CASES / "lifecycle.yaml"), ids=lambda case: case["name"])
def test_rules(case: dict[str, Any]) -> None:
    world = world_with(case["rules"], case.get("versioning"))
    for step in case["do"]:
        do(world, step)
    assert [[event, key] for event, key, _ in world.events()] == case["events"]
    assert left(world) == case["left"]
    assert [one.key for one in world.step(BUCKET, r.ListMultipartUploads())] == case.get("uploads", [])
    world.check()


def test_more_objects_than_a_step_takes_move_although_colder_ones_match() -> None:
    world = world_with([{"transitions": [{"days": 1, "storage_class": "GLACIER"}]}])
    for number in range(1100):
        kept_in = "DEEP_ARCHIVE" if number < 600 else "STANDARD"
        world.step(BUCKET, c.put_object(f"{number:04}", "", properties=c.Properties(storage_class=kept_in)))
    world.until(world.now_ms + 3 * DAY_MS)
    assert len(world.sent) == 500


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({}, "At least one action"),
        ({"expiration": {}}, "write days, or date, or"),
        ({"expiration": {"days": 1, "date": "2026-01-01"}}, "write days, or date, or"),
        ({"expiration": {"days": 1, "expired_object_delete_marker": True}}, "write days, or date, or"),
        ({"expiration": {"days": 0}}, "greater than or equal to 1"),
        ({"expiration": {"date": "2026-01-01T10:00:00Z"}}, "'Date' must be at midnight GMT"),
        ({"expiration": {"date": "soon"}}, "'soon' is not a date; write one such as 2026-03-01"),
        ({"transitions": [{"storage_class": "GLACIER"}]}, "write days, or date"),
        ({"transitions": [{"days": 1, "storage_class": "STANDARD"}]}, "Input should be"),
        (
            {"expiration": {"days": 3}, "transitions": [{"days": 3, "storage_class": "GLACIER"}]},
            "'Days' in the Expiration action must be greater",
        ),
        (
            {"expiration": {"date": "2026-01-01"}, "transitions": [{"date": "2026-01-01", "storage_class": "GLACIER"}]},
            "'Date' in the Expiration action must be later",
        ),
        (
            {"expiration": {"date": "2026-01-01"}, "transitions": [{"days": 1, "storage_class": "GLACIER"}]},
            "Found mixed 'Date' and 'Days'",
        ),
        (
            {"object_size_greater_than": "1KB", "object_size_less_than": 1024, "expiration": {"days": 1}},
            "'ObjectSizeLessThan' has to be a value greater",
        ),
        (
            {"tags": {"a": "b"}, "abort_incomplete_multipart_upload": {"days_after_initiation": 1}},
            "AbortIncompleteMultipartUpload cannot be specified with Tags",
        ),
        (
            {"object_size_less_than": 9, "abort_incomplete_multipart_upload": {"days_after_initiation": 1}},
            "AbortIncompleteMultipartUpload cannot be specified with Object Size",
        ),
        (
            {"tags": {"a": "b"}, "expiration": {"expired_object_delete_marker": True}},
            "ExpiredObjectDeleteMarker cannot be specified with Tags",
        ),
        (
            {"noncurrent_version_expiration": {"noncurrent_days": 1, "newer_noncurrent_versions": 101}},
            "less than or equal to 100",
        ),
    ],
)
def test_rules_that_are_refused(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BucketConfig.model_validate({"lifecycle_rules": [rule]})
    assert problem in str(caught.value)

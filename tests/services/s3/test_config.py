"""The YAML of buckets and triggers, and what S3 refuses of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from simtriggers.aws.contracts import PutResource
from simtriggers.kernel.effects import Refused
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3.config import (
    BucketConfig,
    S3Trigger,
    bucket_notifications,
    bucket_resource,
    overlap_of,
    parse_bucket,
)
from simtriggers.services.s3.events import MEMBERS, Notification, bucket_name_problem, find_overlap

from .world import NAMES, World

CASES = Path(__file__).parents[3] / "fixtures/cases/s3"
ARNS = {"q": NAMES.queue("q"), "f": NAMES.function("f")}
MESSAGES = {
    "same": "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
    "ambiguous": "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the"
    " prefixes are overlapping for the same event type.",
}


def put_with(world: World, notifications: list[dict[str, Any]]) -> Any:
    arn, put = bucket_resource(NAMES, "uploads", BucketConfig())
    return world.step(arn, PutResource(put.kind, put.name, {**put.config, "notifications": notifications}))


def row(id: str, arn: str, event: str = "s3:ObjectCreated:*", prefix: str = "", suffix: str = "") -> dict[str, Any]:
    return {"id": id, "arn": arn, "events": [event], "prefix": prefix, "suffix": suffix}


@pytest.mark.parametrize("case", YAML(typ="safe").load(CASES / "notifications.yaml"), ids=lambda case: case["name"])
def test_overlaps(case: dict[str, Any]) -> None:
    world = World(targets=tuple(ARNS.values()))
    rows = [row(str(n), ARNS[one[0]], *one[1:]) for n, one in enumerate(case["given"])]
    for order in (rows, rows[::-1]):
        reply = put_with(world, order)
        if case["refused"] is None:
            assert isinstance(reply, int)
        else:
            assert reply == Refused("InvalidArgument", MESSAGES[case["refused"]])


FILTERS = st.text(st.sampled_from("ab"), max_size=3)
NOTIFICATIONS = st.builds(
    Notification,
    st.just("n"),
    st.just("arn"),
    st.sampled_from([("s3:ObjectCreated:*",), ("s3:ObjectCreated:Put",), ("s3:ObjectRemoved:*",)]),
    FILTERS,
    FILTERS,
)


@given(NOTIFICATIONS, NOTIFICATIONS, st.text(st.sampled_from("ab"), min_size=6, max_size=8))
def test_without_an_overlap_no_event_reaches_two(one: Notification, two: Notification, key: str) -> None:
    if one.types() & two.types() and one.matches_key(key) and two.matches_key(key):
        assert find_overlap([one, two]) is not None


def test_missing_destinations_are_all_named() -> None:
    world = World(targets=(ARNS["q"],))
    queue, function, table = NAMES.queue("nowhere"), NAMES.function("nobody"), "arn:aws:dynamodb:us-east-1:1:table/t"
    reply = put_with(
        world,
        [
            row("1", ARNS["q"], prefix="a/"),
            row("2", queue, prefix="b/"),
            row("3", function, prefix="c/"),
            row("4", table, prefix="d/"),
        ],
    )
    assert reply == Refused(
        "InvalidArgument",
        "Unable to validate the following destination configurations",
        fields=(
            ("ArgumentName1", queue),
            ("ArgumentValue1", "The destination queue does not exist"),
            ("ArgumentName2", f"{function}, null"),
            ("ArgumentValue2", f"Not authorized to invoke function [{function}]"),
            ("ArgumentName3", table),
            ("ArgumentValue3", "dynamodb cannot be the target of a notification"),
        ),
    )
    assert world.notes == []
    assert world.resource(NAMES.bucket("uploads")) is None


def test_a_text_that_is_no_arn() -> None:
    assert put_with(World(), [row("1", "queue")]) == Refused(
        "InvalidArgument",
        "The ARN could not be parsed",
        fields=(("ArgumentName", "Queue"), ("ArgumentValue", "queue")),
    )


def test_an_unknown_event() -> None:
    reply = put_with(World(targets=(ARNS["q"],)), [row("1", ARNS["q"], "s3:*")])
    assert (reply.code, reply.fields[-1]) == ("InvalidArgument", ("ArgumentValue", "s3:*"))


def test_revisions_count_changes_only() -> None:
    world = World(targets=(NAMES.function("parse"),))
    plain = bucket_resource(NAMES, "uploads", BucketConfig())
    trigger = ("parse", S3Trigger(s3="uploads"))
    wired = bucket_resource(NAMES, "uploads", BucketConfig(), triggers=[trigger])
    assert [world.step(*put) for put in (plain, plain, wired, wired, plain)] == [1, 1, 2, 2, 3]
    assert [note.kind for note in world.notes] == ["BucketCreated", "BucketChanged", "BucketChanged"]
    world.step(plain[0], c.put_object("a", "x"))
    assert world.step(*plain) == 3
    assert world.step(plain[0], c.GetObject("a")).body == "x"


def test_triggers_and_notifications_come_together() -> None:
    config = BucketConfig.model_validate(
        {"notifications": [{"queue": "ingest", "suffix": ".json"}, {"function": "audit", "id": "mine"}]}
    )
    trigger = S3Trigger.model_validate({"s3": "uploads", "events": ["s3:ObjectRemoved:Delete"], "prefix": "in/"})
    assert bucket_notifications(NAMES, config, [("parse", trigger)]) == (
        Notification("ingest-1", NAMES.queue("ingest"), ("s3:ObjectCreated:*",), "", ".json"),
        Notification("mine", NAMES.function("audit"), ("s3:ObjectCreated:*",)),
        Notification("parse-3", NAMES.function("parse"), ("s3:ObjectRemoved:Delete",), "in/"),
    )
    overlap = overlap_of(NAMES, config, [("parse", trigger)])
    assert overlap is not None
    assert (overlap.first.id, overlap.second.id) == ("ingest-1", "mine")


def test_what_is_written_is_what_is_read() -> None:
    config = BucketConfig.model_validate(
        {
            "folder": "./in",
            "initial_files": "events",
            "changes_while_down": "index",
            "quiet_period": "2s",
            "polling": True,
            "ignore": ["*.x"],
            "event_version": "unified",
        }
    )
    settings = parse_bucket(bucket_resource(NAMES, "uploads", config, folder="/abs/in")[1].config)
    assert (settings.folder, settings.initial_files, settings.changes_while_down) == (
        "/abs/in",
        "events",
        "index",
    )
    assert (settings.quiet_period_ms, settings.polling, settings.ignore) == (2000, True, ("*.x",))
    assert settings.facts.event_version == "unified"
    assert settings.notifications == ()


@pytest.mark.parametrize(
    ("model", "text", "problem"),
    [
        (S3Trigger, {"s3": "b", "events": ["s3:ObjectCreated"]}, "is not an S3 event"),
        (S3Trigger, {"s3": "b", "events": ["s3:*"]}, "is not an S3 event"),
        (S3Trigger, {"s3": "b", "events": ["s3:IntelligentTiering"]}, "is not supported yet"),
        (S3Trigger, {"s3": "b", "events": ["s3:Replication:*"]}, "is not supported yet"),
        (S3Trigger, {"s3": "b", "events": []}, "at least 1 item"),
        (S3Trigger, {"s3": "b", "prefix": "my docs/"}, "write 'my+docs/'"),
        (S3Trigger, {"s3": "b", "suffix": "é"}, "write '%C3%A9'"),
        (S3Trigger, {"s3": "b", "suffix": "x" * 1025}, "1,024 characters"),
        (S3Trigger, {"s3": "b", "sufix": ".csv"}, "Extra inputs"),
        (BucketConfig, {"notifications": [{}]}, "name one target"),
        (BucketConfig, {"notifications": [{"queue": "q", "function": "f"}]}, "name one target"),
        (BucketConfig, {"event_version": "2.1"}, "'classic', 'unified' or '2.6'"),
        (BucketConfig, {"versioning": True}, "'enabled' or 'suspended'"),
        (BucketConfig, {"lifecycle_rules": [{}]}, "At least one action"),
        (BucketConfig, {"lifecycle_rules": [{"expiration": {}}]}, "write days, or"),
        (
            BucketConfig,
            {
                "lifecycle_rules": [
                    {"expiration": {"days": 3}, "transitions": [{"days": 3, "storage_class": "GLACIER"}]}
                ]
            },
            "must be greater than",
        ),
        (BucketConfig, {"notifications": [{"topic": "t", "queue": "q"}]}, "name one target"),
        (BucketConfig, {"initial_files": "index", "quiet_period": "soon"}, "not a duration"),
        (BucketConfig, {"ignore": ["a/b"]}, "write one name"),
        (BucketConfig, {"ignore": ["/"]}, "write one name"),
    ],
)
def test_wrong_yaml_is_refused(model: type[S3Trigger | BucketConfig], text: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(text)
    assert problem in str(caught.value)


def test_the_whole_list_of_events() -> None:
    assert len(MEMBERS) == 31
    assert MEMBERS["s3:ObjectCreated:*"] == (
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
    )
    assert MEMBERS["s3:ObjectAcl:Put"] == ("ObjectAcl:Put",)


@pytest.mark.parametrize("name", ["abc", "my.bucket-1", "a" * 63, "123"])
def test_bucket_names(name: str) -> None:
    assert bucket_name_problem(name) is None


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upload", "a_b", "-ab", "ab-", "a..b", "192.168.5.4", "xn--a"])
def test_impossible_bucket_names(name: str) -> None:
    assert bucket_name_problem(name) is not None
    arn, put = bucket_resource(NAMES, name, BucketConfig())
    assert World().step(arn, put).code == "InvalidBucketName"

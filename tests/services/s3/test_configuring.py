"""PutBucketNotificationConfiguration as the API has it: what is taken, what comes back, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.kernel.effects import Refused
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.config import BucketConfig, bucket_resource

from .world import NAMES, World

CASES = Path(__file__).parents[3] / "fixtures/cases/s3"
BUCKET, QUEUE, TOPIC, FUNCTION = NAMES.bucket("uploads"), NAMES.queue("q"), NAMES.topic("t"), NAMES.function("f")
CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


def world_with(**config: Any) -> World:
    world = World(targets=(QUEUE, TOPIC, FUNCTION))
    world.step(*bucket_resource(NAMES, "uploads", BucketConfig.model_validate(config)))
    world.notes.clear()
    return world


def put(world: World, configuration: dict[str, Any], *, skip: bool = False) -> Any:
    return world.step(BUCKET, r.PutBucketNotificationConfiguration(configuration, skip))


def get(world: World) -> Any:
    return world.step(BUCKET, r.GetBucketNotificationConfiguration())


def filtered(*rules: tuple[str, str]) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}}


def test_what_is_put_comes_back_and_replaces_all_that_was_there() -> None:
    world = world_with(notifications=[{"queue": "q", "suffix": ".csv"}])
    assert get(world) == {
        "QueueConfigurations": [
            {"Id": "q-1", "QueueArn": QUEUE, "Events": [CREATED], "Filter": filtered(("Suffix", ".csv"))}
        ]
    }
    whole = {
        "TopicConfigurations": [{"Id": "a", "TopicArn": TOPIC, "Events": [REMOVED]}],
        "QueueConfigurations": [
            {"Id": "b", "QueueArn": QUEUE, "Events": [CREATED], "Filter": filtered(("Prefix", ""))}
        ],
        "LambdaFunctionConfigurations": [{"Id": "c", "LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectAcl:Put"]}],
        "EventBridgeConfiguration": {},
    }
    assert put(world, whole) is None
    assert get(world) == whole
    world.sent.clear()
    world.step(BUCKET, c.put_object("a.csv", "x"))
    world.step(BUCKET, c.DeleteObject("a.csv"))
    assert [sent.arn for sent in world.sent] == [QUEUE, TOPIC]
    assert put(world, {}) is None
    assert get(world) == {}
    world.sent.clear()
    world.step(BUCKET, c.put_object("a.csv", "x"))
    assert world.sent == []


def test_names_of_rules_come_in_any_case_and_empty_values_stay() -> None:
    world = world_with()
    rules = filtered(("SUFFIX", ""), ("pReFiX", "in/"))
    assert put(world, {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": [CREATED], "Filter": rules}]}) is None
    (found,) = get(world)["QueueConfigurations"]
    assert found["Filter"] == filtered(("Suffix", ""), ("Prefix", "in/"))
    assert len(found["Id"]) == 48
    world.step(BUCKET, c.put_object("out/a", "x"))
    world.step(BUCKET, c.put_object("in/a", "x"))
    (event, record) = (sent.record for sent in world.sent)
    assert event["Event"] == "s3:TestEvent"
    assert record["Records"][0]["s3"]["configurationId"] == found["Id"]


@pytest.mark.parametrize("case", YAML(typ="safe").load(CASES / "configurations.yaml"), ids=lambda case: case["name"])
def test_configurations_that_are_refused(case: dict[str, Any]) -> None:
    world = world_with(notifications=[{"queue": "q"}])
    before = get(world)
    refused = case["refused"]
    fields = tuple((name, text) for name, text in refused.get("fields", {}).items())
    expected = Refused(refused["code"], refused["message"], fields=fields)
    assert put(world, case["given"], skip=case.get("skip", False)) == expected
    assert get(world) == before
    assert world.notes == []


def test_destinations_need_not_be_there_when_their_validation_is_skipped() -> None:
    world = world_with()
    missing = {"QueueConfigurations": [{"Id": "x", "QueueArn": NAMES.queue("later"), "Events": [CREATED]}]}
    assert put(world, missing).code == "InvalidArgument"
    assert put(world, missing, skip=True) is None
    assert get(world) == missing


def test_no_such_bucket() -> None:
    assert put(World(), {}).code == "NoSuchBucket"
    assert get(World()).code == "NoSuchBucket"


# --- the test event ------------------------------------------------------------------------------


def test_each_saving_is_told_to_queues_and_topics_and_to_no_function() -> None:
    world = world_with()
    whole = {
        "TopicConfigurations": [{"TopicArn": TOPIC, "Events": [REMOVED]}],
        "QueueConfigurations": [{"QueueArn": QUEUE, "Events": [CREATED]}],
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectAcl:Put"]}],
    }
    put(world, whole)
    put(world, whole)
    assert [(sent.arn, sent.record["Event"]) for sent in world.sent] == [
        (TOPIC, "s3:TestEvent"),
        (QUEUE, "s3:TestEvent"),
    ] * 2
    changed, *told = world.notes[:3]
    assert (changed.kind, [(one.kind, one.cause) for one in told]) == (
        "BucketChanged",
        [("TestEventSent", changed.id)] * 2,
    )
    put(world, {"QueueConfigurations": whole["QueueConfigurations"], "Wrong": []})
    assert len(world.sent) == 4


@pytest.mark.parametrize(
    ("test_event", "live", "declaring", "requesting"),
    [(None, True, 1, 1), (None, False, 0, 1), (True, False, 1, 1), (False, True, 0, 0)],
)
def test_who_is_told_of_what_a_project_declares(
    test_event: bool | None, live: bool, declaring: int, requesting: int
) -> None:
    world = World(targets=(QUEUE, FUNCTION))
    config = BucketConfig.model_validate({"test_event": test_event, "notifications": [{"queue": "q"}]})
    for _ in range(2):
        world.step(*bucket_resource(NAMES, "uploads", config, test_events=live))
    assert len(world.sent) == declaring
    put(world, {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": [REMOVED]}]})
    assert len(world.sent) == declaring + requesting

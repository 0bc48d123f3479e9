"""What topics, subscriptions and messages are accepted: the tables of fixtures/cases/sns."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.services.sns import commands as c
from tests.services.sns.world import NAMES, World, cases

PUBLISH, SUBSCRIBE, TOPICS = cases("publish.yaml"), cases("subscribe.yaml"), cases("topics.yaml")


@pytest.mark.parametrize("case", PUBLISH, ids=[case["name"] for case in PUBLISH])
def test_publish(case: dict[str, Any]) -> None:
    world = World()
    fifo = case.get("fifo", False)
    topic = world.topic("orders.fifo" if fifo else "orders", {"queue": "jobs"}, **case.get("topic", {}))
    members = dict(case["entry"])
    if "repeat" in members:
        letter, count = members.pop("repeat")
        members["message"] = letter * count
    members["message_attributes"] = tuple(map(tuple, members.get("message_attributes", ())))
    found = world.publish(topic, members.pop("message"), **members)
    if "refused" in case:
        assert isinstance(found, Refused)
        assert (found.code, found.message) == (case["refused"], case["says"])
        assert world.arrived == [] and world.rows("MessagePublished") == []
        return
    assert isinstance(found, c.PublishResult)
    assert (found.sequence_number is not None) is fifo
    assert len(world.arrived) == 1


@pytest.mark.parametrize("case", SUBSCRIBE, ids=[case["name"] for case in SUBSCRIBE])
def test_subscribe(case: dict[str, Any]) -> None:
    world = World()
    topic = world.topic("orders.fifo" if case.get("fifo") else "orders", **case.get("topic", {}))
    pairs = tuple(case.get("attributes", {}).items())
    command = c.Subscribe(case["protocol"], case["endpoint"], pairs)
    found = world.engine.ask(topic, command)
    if "says" in case:
        assert isinstance(found, Refused)
        assert (found.code, found.message) == ("InvalidParameter", case["says"])
        assert world.count("sns_subscriptions") == 0
        return
    pending = case.get("pending", False)
    assert (found == "pending confirmation") is pending
    [listed] = world.engine.ask(topic, c.ListSubscriptionsByTopic()).subscriptions
    assert (listed.subscription_arn == "PendingConfirmation") is pending
    arn = world.engine.ask(topic, c.Subscribe(case["protocol"], case["endpoint"], pairs, True))
    assert arn.startswith(f"{topic}:")
    shown = world.attributes(arn)
    assert pairs == tuple((name, shown[name]) for name, _ in pairs)
    assert shown["PendingConfirmation"] == str(pending).lower()


@pytest.mark.parametrize("case", TOPICS, ids=[case["name"] for case in TOPICS])
def test_create_topic(case: dict[str, Any]) -> None:
    world = World()
    letter, _, count = case["topic"].partition("*")
    arn = NAMES.topic(letter * int(count or 1))
    pairs = tuple(case["attributes"].items())
    found = world.engine.ask(arn, c.CreateTopic(pairs))
    if "says" in case:
        assert isinstance(found, Refused) and found.message == case["says"]
        assert world.engine.ask(arn, c.GetTopicAttributes()).code == "NotFound"
        return
    assert found == arn
    shown = world.attributes(arn)
    assert pairs == tuple((name, shown[name]) for name, _ in pairs)
    assert world.engine.ask(arn, c.CreateTopic(pairs)) == arn
    other = world.engine.ask(arn, c.CreateTopic((("DisplayName", "another"),)))
    assert other.message == "Invalid parameter: Attributes Reason: Topic already exists with different attributes"


@pytest.mark.parametrize(
    "ids, code",
    [
        ([], "EmptyBatchRequest"),
        ([str(n) for n in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a", "b c"], "InvalidBatchEntryId"),
        (["x" * 81], "InvalidBatchEntryId"),
    ],
    ids=[
        "EmptyBatchRequest",
        "TooManyEntriesInBatchRequest",
        "BatchEntryIdsNotDistinct",
        "InvalidBatchEntryId",
        "an id of 81 characters",
    ],
)
def test_batches_that_are_refused(ids: list[str], code: str) -> None:
    world = World()
    topic = world.topic("orders")
    found = world.engine.ask(topic, c.PublishBatch(tuple(c.PublishEntry("x", name) for name in ids)))
    assert isinstance(found, Refused) and found.code == code
    if code == "TooManyEntriesInBatchRequest":
        assert found.message == "The batch request contains more entries than permissible."
    if code == "InvalidBatchEntryId":
        assert found.message.endswith(f"contains an impermissible character: {ids[-1]}")


def test_a_batch_that_is_too_long() -> None:
    world = World()
    topic = world.topic("orders")
    entries = (c.PublishEntry("x" * 131_072, "1"), c.PublishEntry("y" * 131_073, "2"))
    assert world.engine.ask(topic, c.PublishBatch(entries)).code == "BatchRequestTooLong"
    assert world.rows("MessagePublished") == []


GROUP = "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
DEDUPLICATION = (
    "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId"
    " provided explicitly"
)
EMPTY = "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."
NULL = (
    "1 validation error detected: Value null at"
    " 'publishBatchRequestEntries.2.member.messageAttributes.a.member.dataType' failed to satisfy"
    " constraint: Member must not be null"
)
NO_DEFAULT = "Invalid parameter: Message Structure - No default entry in JSON message body"


@pytest.mark.parametrize(
    "fifo, members, code, says",
    [
        (True, {"message_deduplication_id": "d2"}, "InvalidParameter", GROUP),
        (True, {"message_group_id": "g"}, "InvalidParameter", DEDUPLICATION),
        (False, {"message_attributes": (("a", "String", ""),)}, "ParameterValueInvalid", EMPTY),
        (False, {"message_attributes": (("a", "", "x"),)}, "ValidationError", NULL),
        (False, {"message_structure": "json"}, "InvalidParameter", NO_DEFAULT),
    ],
    ids=["no group", "no deduplication id", "an empty attribute", "no type", "structure without default"],
)
def test_an_entry_refuses_its_whole_batch(fifo: bool, members: dict[str, Any], code: str, says: str) -> None:
    world = World()
    topic = world.topic("orders.fifo" if fifo else "orders", {"queue": "jobs"})
    good = {"message_group_id": "g", "message_deduplication_id": "d1"} if fifo else {}
    entries = (c.PublishEntry("{}", "1", **good), c.PublishEntry("{}", "2", **members))
    found = world.engine.ask(topic, c.PublishBatch(entries))
    world.engine.run_until_idle()
    assert (found.code, found.message) == (code, says)
    assert world.arrived == [] and world.rows("MessagePublished") == []


def test_a_batch_with_a_bad_entry() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "filter_policy": {"a": ["x"]}})
    good = c.PublishEntry("one", "1", message_attributes=(("a", "String", "x"),))
    found = world.engine.ask(topic, c.PublishBatch((good, c.PublishEntry("", "2"), c.PublishEntry("three", "3"))))
    world.engine.run_until_idle()
    assert [each.id for each in found.successful] == ["1", "3"]
    assert found.failed == (c.PublishFailure("2", "InvalidParameter", "Invalid parameter: Empty message"),)
    assert [body["Message"] for body in world.bodies()] == ["one"], "each entry is filtered alone"
    assert len({each.message_id for each in found.successful}) == 2

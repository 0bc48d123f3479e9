"""Requests beside publishing and subscribing: pages of lists, tags, permissions, text messages to telephones; and
the Python API, which offers all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simtriggers.errors import AwsFault
from simtriggers.kernel.effects import Refused
from simtriggers.services.sns import commands as c
from tests.services.sns.world import NAMES, QUEUE, World
from tests.simulated import world as simulation

SERVICE = NAMES.service("sns")


def pages(world: World, arn: str, command: type[Any]) -> list[Any]:
    """Every page of a list."""
    found = [world.engine.ask(arn, command())]
    while found[-1].next_token is not None:
        found.append(world.engine.ask(arn, command(found[-1].next_token)))
    return found


# --- lists --------------------------------------------------------------------------------------


def test_topics_come_a_hundred_to_a_page() -> None:
    world = World()
    made = [world.topic(f"t{number:03}") for number in range(200)]
    found = pages(world, SERVICE, c.ListTopics)
    assert [len(page.arns) for page in found] == [100, 100]
    assert [arn for page in found for arn in page.arns] == made


def test_subscriptions_come_a_hundred_to_a_page() -> None:
    world = World()
    world.engine.checkers.clear()
    topic = world.topic("orders", *({"function": f"f{number}"} for number in range(201)))
    other = world.topic("others", {"queue": "jobs"})
    of_topic, of_all = pages(world, topic, c.ListSubscriptionsByTopic), pages(world, SERVICE, c.ListSubscriptions)
    assert [len(page.subscriptions) for page in of_topic] == [100, 100, 1]
    assert [len(page.subscriptions) for page in of_all] == [100, 100, 2]
    endpoints = [each.endpoint for page in of_topic for each in page.subscriptions]
    assert endpoints == [NAMES.function(f"f{number}") for number in range(201)]
    assert of_all[-1].subscriptions[-1].topic_arn == other


@pytest.mark.parametrize("token", ["%", "bm9uc2Vuc2U=", "ä"])
def test_a_token_that_no_page_had(token: str) -> None:
    world = World()
    topic = world.topic("orders")
    assert world.engine.ask(topic, c.ListSubscriptionsByTopic(token)).message == "Invalid parameter: NextToken"
    if token != "bm9uc2Vuc2U=":
        assert world.engine.ask(SERVICE, c.ListTopics(token)).message == "Invalid parameter: NextToken"


# --- tags ---------------------------------------------------------------------------------------


def test_tags() -> None:
    world = World()
    topic = world.topic("orders", tags={"team": "a"})
    ask = world.engine.ask
    assert ask(topic, c.TagResource((("stage", "test"), ("team", "b")))) is None
    assert ask(topic, c.ListTagsForResource()) == c.Tags((("stage", "test"), ("team", "b")))
    assert ask(topic, c.UntagResource(("team", "nothing"))) is None
    assert ask(topic, c.ListTagsForResource()) == c.Tags((("stage", "test"),))
    assert not {"Tags", "tags"} & world.attributes(topic).keys()


@pytest.mark.parametrize(
    "tags, code",
    [
        ([("a", "1"), ("a", "2")], "InvalidParameter"),
        ([(str(number), "") for number in range(51)], "TagLimitExceeded"),
        ([("", "x")], "ValidationError"),
        ([("k" * 129, "x")], "ValidationError"),
        ([("k", "x" * 257)], "ValidationError"),
    ],
)
def test_tags_that_are_refused(tags: list[tuple[str, str]], code: str) -> None:
    world = World()
    topic = world.topic("orders")
    found = world.engine.ask(topic, c.TagResource(tuple(tags)))
    assert isinstance(found, Refused) and found.code == code
    assert world.engine.ask(topic, c.ListTagsForResource()) == c.Tags(())
    assert world.engine.ask(NAMES.topic("new"), c.CreateTopic(tags=tuple(tags))).code == code


def test_a_topic_is_created_with_its_tags() -> None:
    world = World()
    topic = NAMES.topic("orders")
    ask = world.engine.ask
    assert ask(topic, c.CreateTopic(tags=(("team", "a"),))) == topic
    assert ask(topic, c.ListTagsForResource()) == c.Tags((("team", "a"),))
    assert ask(topic, c.CreateTopic()) == topic
    other = ask(topic, c.CreateTopic(tags=(("team", "b"),)))
    assert other.message == "Invalid parameter: Tags Reason: Topic already exists with different tags"


@pytest.mark.parametrize("command", [c.TagResource(()), c.UntagResource(()), c.ListTagsForResource()])
def test_tags_of_no_topic(command: Any) -> None:
    found = World().engine.ask(NAMES.topic("nowhere"), command)
    assert (found.code, found.message, found.status) == ("ResourceNotFound", "Resource does not exist", 404)


# --- permissions --------------------------------------------------------------------------------


def test_permissions_are_statements_of_the_policy() -> None:
    world = World()
    topic = world.topic("orders")
    ask = world.engine.ask
    assert ask(topic, c.AddPermission("one", ("111111111111",), ("Publish",))) is None
    both = c.AddPermission("two", ("111111111111", "222222222222"), ("Publish", "Subscribe"))
    assert ask(topic, both) is None
    statements = json.loads(world.attributes(topic)["Policy"])["Statement"]
    assert statements[0]["Sid"] == "__default_statement_ID"
    assert statements[1:] == [
        {
            "Sid": "one",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "SNS:Publish",
            "Resource": topic,
        },
        {
            "Sid": "two",
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]},
            "Action": ["SNS:Publish", "SNS:Subscribe"],
            "Resource": topic,
        },
    ]
    assert ask(topic, both).message == "Invalid parameter: Statement already exists"
    assert ask(topic, c.RemovePermission("one")) is None
    assert ask(topic, c.RemovePermission("one")) is None
    left = json.loads(world.attributes(topic)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in left] == ["__default_statement_ID", "two"]


@pytest.mark.parametrize(
    "command, says",
    [
        (
            c.AddPermission("x", ("111111111111",), ("*",)),
            "Invalid parameter: Policy statement action out of service scope!",
        ),
        (
            c.AddPermission("", ("111111111111",), ("Publish",)),
            "1 validation error detected: label, account ids and action names must not be empty",
        ),
    ],
)
def test_permissions_that_are_refused(command: Any, says: str) -> None:
    world = World()
    topic = world.topic("orders")
    assert world.engine.ask(topic, command).message == says
    assert world.engine.ask(NAMES.topic("nowhere"), command).code == "NotFound"


def test_data_protection_is_refused_by_name() -> None:
    world = World()
    topic = world.topic("orders")
    assert world.engine.ask(topic, c.GetDataProtectionPolicy()) == ""
    assert world.engine.ask(topic, c.PutDataProtectionPolicy("{}")).code == "UnsupportedOperation"
    assert world.engine.ask(NAMES.topic("nowhere"), c.GetDataProtectionPolicy()).code == "NotFound"


# --- telephones ---------------------------------------------------------------------------------


def test_a_text_message_to_a_telephone_is_a_row() -> None:
    world = World()
    texts = json.dumps({"default": "long", "sms": "short"})
    done = world.engine.ask(SERVICE, c.PublishToPhone("+15550100", c.PublishEntry("hello")))
    world.engine.ask(SERVICE, c.PublishToPhone("+15550100", c.PublishEntry(texts, message_structure="json")))
    first, second = world.rows("OutboxEntry")
    assert (first.subject, first.details["protocol"], first.details["to"]) == (done.message_id, "sms", "+15550100")
    bodies = [world.engine.reader.payload(row.details["payload"]) for row in (first, second)]
    assert bodies == ["hello", "short"]


@pytest.mark.parametrize(
    "number, entry, says",
    [
        ("15550100", c.PublishEntry("x"), "PhoneNumber Reason: 15550100 is not valid to publish to"),
        ("mum", c.PublishEntry("x"), "PhoneNumber Reason: mum is not valid to publish to"),
        ("+15550100", c.PublishEntry(""), "Empty message"),
        ("+15550100", c.PublishEntry("x" * 262_145), "Message too long"),
    ],
)
def test_text_messages_that_are_refused(number: str, entry: c.PublishEntry, says: str) -> None:
    world = World()
    assert world.engine.ask(SERVICE, c.PublishToPhone(number, entry)).message == f"Invalid parameter: {says}"
    assert world.rows("OutboxEntry") == []


# --- the Python API -----------------------------------------------------------------------------


def test_the_python_api() -> None:
    with simulation("topics: {news: {tags: {team: a}}}\nqueues: {jobs: {}}\n") as sim:
        topic = sim.topic("news")
        arn = topic.subscribe("sqs", QUEUE, {"RawMessageDelivery": "true"})
        assert topic.subscription_attributes(arn)["RawMessageDelivery"] == "true"
        topic.set_subscription_attribute(arn, "FilterPolicy", '{"kind": ["order"]}')
        entries = [
            c.PublishEntry("one", "1", message_attributes=(("kind", "String", "order"),)),
            c.PublishEntry("two", "2"),
        ]
        assert [each.id for each in topic.publish_batch(entries).successful] == ["1", "2"]
        sim.run_until_idle()
        assert [message.body for message in sim.queue("jobs").messages()] == ["one"]
        topic.set_attribute("DisplayName", "News")
        assert topic.attributes()["DisplayName"] == "News"
        topic.tag({"stage": "test"})
        topic.untag(["team"])
        assert topic.tags() == {"stage": "test"}
        topic.add_permission("x", ["111111111111"], ["Publish"])
        topic.remove_permission("x")
        assert [each.subscription_arn for each in topic.subscriptions().subscriptions] == [arn]
        assert topic.subscribe("email", "a@example.com") == "pending confirmation"
        pending = topic.subscribe("email", "a@example.com", return_subscription_arn=True)
        token = sim.sns.subscriptions().subscriptions[1].token
        assert token is not None and topic.confirm_subscription(token) == pending
        topic.unsubscribe(arn)
        assert topic.attributes()["SubscriptionsDeleted"] == "1"
        assert sim.sns.topics().arns == (topic.arn,)
        assert sim.sns.publish_to_phone("+15550100", {"a": 1}).message_id == sim.trace[-1].subject
        with pytest.raises(AwsFault, match="Subscription does not exist"):
            topic.subscription_attributes(arn)


FIELD = "The message attribute 'X' with type '{}' must use field '{}'."
NO_VALUE = (
    "The message attribute 'X' must contain non-empty message attribute value for message attribute type 'String'."
)
NO_TYPE = (
    "1 validation error detected: Value null at 'messageAttributes.X.member.dataType' failed to satisfy constraint:"
    " Member must not be null"
)
ODD = (
    "The message attribute 'X' has an invalid message attribute type, the set of supported type prefixes is Binary,"
    " Number, and String."
)


@pytest.mark.parametrize(
    "given, says",
    [
        ({"DataType": "String", "BinaryValue": b"a"}, FIELD.format("String", "String")),
        ({"DataType": "Number", "BinaryValue": b"1"}, FIELD.format("Number", "String")),
        ({"DataType": "Binary", "StringValue": "a"}, FIELD.format("Binary", "Binary")),
        ({"DataType": "String"}, NO_VALUE),
        ({"DataType": "String", "StringValue": "", "BinaryValue": b"a"}, NO_VALUE),
        ({"DataType": "Stringy", "BinaryValue": b"a"}, ODD),
        ({"StringValue": "a"}, NO_TYPE),
    ],
)
def test_a_value_stands_in_its_field(given: dict[str, Any], says: str) -> None:
    with simulation("topics: {orders: {}}\n") as sim:
        for publish in (
            lambda attributes: sim.topic("orders").publish("x", message_attributes=attributes),
            lambda attributes: sim.sns.publish_to_phone("+15550100", "x", message_attributes=attributes),
        ):
            with pytest.raises(AwsFault) as caught:
                publish({"X": given})
            code = "ValidationError" if says == NO_TYPE else "ParameterValueInvalid"
            assert (caught.value.code, caught.value.status, caught.value.message) == (code, 400, says)


@pytest.mark.parametrize(
    "arn, says",
    [
        ("orders", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws:sns", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 3"),
        ("arn:aws:sqs:us-east-1:123456789012:jobs", "SubscriptionArn"),
        ("arn:aws:sns:us-east-1:123456789012:orders", "SubscriptionId"),
    ],
)
def test_what_is_no_arn_of_a_subscription(arn: str, says: str) -> None:
    with simulation("topics: {orders: {}}\n") as sim:
        topic = sim.topic("orders")
        for ask in (
            topic.unsubscribe,
            topic.subscription_attributes,
            lambda arn: topic.set_subscription_attribute(arn, "RawMessageDelivery", "true"),
        ):
            with pytest.raises(AwsFault) as caught:
                ask(arn)
            assert (caught.value.code, caught.value.message) == ("InvalidParameter", f"Invalid parameter: {says}")

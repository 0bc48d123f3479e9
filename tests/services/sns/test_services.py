"""Topics with the real queues and functions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.envelopes import SnsSqsEnvelope
from aws_lambda_powertools.utilities.parser.models import SnsModel, SqsModel
from pydantic import BaseModel

from simtriggers.services.sns import commands as c
from simtriggers.services.sns.config import (
    SnsTrigger,
    SubscriptionConfig,
    TopicConfig,
    subscription_resource,
    topic_resource,
    trigger_resource,
)
from simtriggers.services.sns.service import SERVICE as SNS
from tests.services.lambda_ import world as lambda_world
from tests.services.sns.world import NAMES

ATTRIBUTES = (("tenant", "String", "acme"), ("total", "Number", "42"), ("thumb", "Binary", "AgME"))


class Order(BaseModel):
    """What a message says."""

    order: str


class World(lambda_world.World):
    """Functions, queues and a topic."""

    def topic(self, *subscriptions: dict[str, Any]) -> str:
        arn, command = topic_resource(NAMES, "orders", TopicConfig())
        assert self.put((arn, command)) == 1
        for config in subscriptions:
            made = subscription_resource(NAMES, arn, SubscriptionConfig.model_validate(config))
            assert self.put(made) == 1
        return arn


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    real = lambda_world.VirtualEngine
    monkeypatch.setattr(lambda_world, "VirtualEngine", lambda services, **more: real([*services, SNS], **more))
    return World()


def publish(world: World, topic: str, message: str = "hello", **members: Any) -> Any:
    result = world.engine.ask(topic, c.Publish(c.PublishEntry(message, **members)))
    world.engine.run_until_idle()
    return result


def test_a_function_is_invoked_with_the_event(world: World) -> None:
    world.function("parse")
    topic = world.topic()
    assert world.put(trigger_resource(NAMES, "parse", SnsTrigger(sns="orders"))) == 1
    result = publish(world, topic, message_attributes=ATTRIBUTES)
    [event] = world.events("parse")
    record = SnsModel.model_validate(event).Records[0]
    assert (record.Sns.MessageId, record.Sns.Message) == (result.message_id, "hello")
    assert event["Records"][0]["Sns"]["Subject"] is None
    accepted = world.rows("AsyncEventAccepted")[0]
    assert json.loads(world.engine.reader.payload(accepted.details["payload"])) == event


def test_a_failing_function_is_no_failure_of_the_topic(world: World) -> None:
    world.function("parse", "fail")
    world.queue("letters")
    topic = world.topic({"function": "parse", "redrive_policy": {"dead_letter_target": "letters"}})
    publish(world, topic)
    assert len(world.starts_ms("parse")) == 3
    assert world.receive("arn:aws:sqs:us-east-1:123456789012:letters") == ()


def test_a_missing_function_is_a_dead_letter(world: World) -> None:
    letters = world.queue("letters")
    topic = world.topic({"function": "gone", "redrive_policy": {"dead_letter_target": "letters"}})
    publish(world, topic)
    [letter] = world.receive(letters)
    assert json.loads(letter.body)["Message"] == "hello"
    assert letter.message_attributes == ()


@pytest.mark.parametrize("letters", [True, False])
def test_a_missing_queue_is_tried_once(world: World, letters: bool) -> None:
    queue = world.queue("letters")
    redrive = {"redrive_policy": {"dead_letter_target": "letters"}} if letters else {}
    topic = world.topic({"queue": "gone", **redrive})
    result = publish(world, topic)
    assert len(world.rows("DeliveryFailed")) == 1
    assert [json.loads(letter.body)["MessageId"] for letter in world.receive(queue)] == [result.message_id] * letters
    assert len(world.rows("DeliveryDropped")) == (0 if letters else 1)


@pytest.mark.parametrize(
    "members",
    [
        {"message": "a\0b"},
        {"message_attributes": (("AWS.SNS.SMS.SenderId", "String", "x"),)},
        {"message_attributes": (("n", "Number", "abc"),)},
    ],
    ids=["a character that XML forbids", "a reserved name", "no number"],
)
def test_what_a_raw_queue_refuses_is_tried_once(world: World, members: dict[str, Any]) -> None:
    queue, other = world.queue("jobs"), world.queue("enveloped")
    topic = world.topic({"queue": "jobs", "raw_message_delivery": True}, {"queue": "enveloped"})
    result = publish(world, topic, **members)
    assert (len(world.receive(queue)), len(world.receive(other))) == (0, 1)
    assert len(world.rows("DeliveryFailed")) == 1
    assert [row.subject for row in world.rows("DeliveryDropped")] == [result.message_id]


def test_a_queue_gets_the_envelope_and_its_function_the_record(world: World) -> None:
    world.queue("jobs")
    world.function("parse")
    world.mapping("parse", "jobs")
    topic = world.topic({"queue": "jobs"})
    publish(world, topic, '{"order": "o-1"}', message_attributes=ATTRIBUTES)
    [event] = world.events("parse")
    assert SqsModel.model_validate(event).Records[0].messageAttributes == {}
    assert SnsSqsEnvelope().parse(event, Order) == [Order(order="o-1")]


def test_a_raw_queue_gets_the_message_with_its_attributes(world: World) -> None:
    queue = world.queue("jobs")
    topic = world.topic({"queue": "jobs", "raw_message_delivery": True})
    publish(world, topic, message_attributes=ATTRIBUTES)
    [message] = world.receive(queue)
    assert message.body == "hello"
    assert message.message_attributes == tuple(sorted(ATTRIBUTES))


def test_eleven_attributes_lose_a_raw_message(world: World) -> None:
    queue, letters = world.queue("jobs"), world.queue("letters")
    raw = {"queue": "jobs", "raw_message_delivery": True, "redrive_policy": {"dead_letter_target": "letters"}}
    topic = world.topic(raw)
    publish(world, topic, message_attributes=tuple((f"a{number}", "String", "x") for number in range(11)))
    assert world.receive(queue) == ()
    [letter] = world.receive(letters)
    assert letter.body == "hello"

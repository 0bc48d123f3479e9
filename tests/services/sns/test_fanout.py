"""From a publish to queues, functions and people: shapes, filters, attributes, retries, dead letters."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from simtriggers.engine.faults import TargetFault
from simtriggers.explain.book import StateBook
from simtriggers.kernel.effects import Refused
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.fanout import filter_mismatch
from simtriggers.services.sns.records import SENDER_ID
from tests.services.sns.world import DOWN, FUNCTION, GONE, LETTERS, NAMES, QUEUE, REDRIVE, START_MS, World
from tests.support import trace_text

ATTRIBUTES = (("tenant", "String", "acme"), ("thumb", "Binary", "AgME"))


def test_an_enveloped_message_has_no_attributes_of_its_own() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"})
    result = world.publish(topic, "hello", subject="S", message_attributes=ATTRIBUTES)
    [arrival] = world.arrived
    assert arrival.context == {"source": topic, "subject": result.message_id, "sender_id": SENDER_ID}
    body = json.loads(arrival.text)
    assert (body["MessageId"], body["Subject"], body["Message"]) == (result.message_id, "S", "hello")
    assert body["Timestamp"] == "2026-11-20T09:15:27.304Z"
    assert body["MessageAttributes"]["thumb"] == {"Type": "Binary", "Value": "AgME"}


def test_a_raw_message_has_them_and_nothing_else() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "raw_message_delivery": True})
    world.publish(topic, "hello", subject="S", message_attributes=ATTRIBUTES)
    [arrival] = world.arrived
    assert arrival.text == "hello"
    attributes = {name: text for name, text in arrival.context.items() if name.startswith("message_attribute:")}
    assert attributes == {"message_attribute:tenant": "String:acme", "message_attribute:thumb": "Binary:AgME"}


def test_a_trace_header_goes_along_in_both_modes() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"queue": "raw", "raw_message_delivery": True})
    world.publish(topic, trace_header="Root=1-5759e988-bd862e3fe1be46a994272793")
    headers = {each.context["system_attribute:AWSTraceHeader"] for each in world.arrived}
    assert (len(world.arrived), headers) == (2, {"Root=1-5759e988-bd862e3fe1be46a994272793"})


def test_a_group_of_a_standard_topic_goes_to_queues_only() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"function": "parse"})
    world.publish(topic, message_group_id="tenant-1")
    assert [each.context.get("group_id") for each in world.arrived] == ["tenant-1", None]


def test_each_protocol_gets_its_own_text() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"function": "parse"}, {"email": "a@example.com"})
    texts = {"default": "d", "sqs": "for queues", "email": 7}
    world.publish(topic, json.dumps(texts), message_structure="json")
    [queued], [event] = world.bodies(QUEUE), world.bodies(FUNCTION)
    assert (queued["Message"], event["Records"][0]["Sns"]["Message"]) == ("for queues", "d")
    mail = world.rows("OutboxEntry")[-1]
    assert world.engine.reader.payload(mail.details["payload"]) == "d"


def test_mail_and_text_messages_are_rows() -> None:
    world = World()
    subscriptions: list[dict[str, Any]] = [
        {"email": "a@example.com"},
        {"email_json": "b@example.com"},
        {"sms": "+15550100"},
        {"arn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/log", "raw_message_delivery": True},
    ]
    topic = world.topic("orders", *subscriptions)
    before = len(world.rows("OutboxEntry"))
    assert before == 2, "each address was asked to confirm"
    world.publish(topic, "hello")
    rows = [row.details for row in world.rows("OutboxEntry")[before:]]
    assert [(row["protocol"], row["to"]) for row in rows] == [
        ("email", "a@example.com"),
        ("email-json", "b@example.com"),
        ("sms", "+15550100"),
        ("firehose", "arn:aws:firehose:us-east-1:123456789012:deliverystream/log"),
    ]
    assert rows[0]["subject"] == "AWS Notification Message"
    texts = [world.engine.reader.payload(row["payload"]) for row in rows]
    assert texts[0] == texts[2] == texts[3] == "hello"
    assert json.loads(texts[1])["Message"] == "hello"


# --- filters ------------------------------------------------------------------------------------


def test_filters_decide_who_gets_it() -> None:
    world = World()
    topic = world.topic(
        "orders",
        {"queue": "all"},
        {"queue": "a", "filter_policy": {"store": ["a"]}},
        {"queue": "b", "filter_policy": {"store": ["b"]}},
        {"queue": "body", "filter_policy": {"n": [{"numeric": [">", 5]}]}, "filter_policy_scope": "MessageBody"},
    )
    result = world.publish(topic, '{"n": 7}', message_attributes=(("store", "String", "a"),))
    assert [each.arn for each in world.arrived] == [NAMES.queue(name) for name in ("all", "a", "body")]
    [published] = world.rows("MessagePublished")
    [summary] = world.rows("SubscriptionsNotMatched")
    assert published.details["matched"] == 3
    assert (summary.cause, summary.subject, summary.details) == (
        published.id,
        result.message_id,
        {"not_matched": 1, "of": 4, "revision": 4},
    )
    assert [row.cause for row in world.rows("SubscriptionMatched")] == [published.id] * 3


def test_what_is_filtered_out_is_no_dead_letter() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "filter_policy": {"a": ["x"]}, "redrive_policy": REDRIVE})
    world.publish(topic)
    assert world.arrived == [] and world.rows("DeliveryFailed", "DeliveryDropped") == []


def test_a_changed_policy_holds_at_once_and_an_empty_one_is_none() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs", filter_policy={"a": ["x"]})
    assert world.attributes(arn)["FilterPolicyScope"] == "MessageAttributes"
    ask = world.engine.ask
    assert ask(arn, c.SetSubscriptionAttributes("FilterPolicy", "{}")) is None
    assert not {"FilterPolicy", "FilterPolicyScope"} & world.attributes(arn).keys()
    world.publish(topic, "one")
    assert ask(arn, c.SetSubscriptionAttributes("FilterPolicy", '{"a":["y"]}')) is None
    world.publish(topic, "two")
    assert [body["Message"] for body in world.bodies()] == ["one"]


def test_why_not() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs", filter_policy={"store": ["a"]})
    settings = world.engine.reader.resource(arn)
    assert settings is not None
    assert filter_mismatch(settings.config, (("store", "String", "a"),), "x") is None
    assert filter_mismatch(settings.config, (), "x") == 'store is absent, the policy wants ["a"]'


# --- retries and dead letters -------------------------------------------------------------------


def test_the_four_phases_of_a_queue_that_is_down() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"})
    world.refusals[QUEUE] = [DOWN] * 20 + [None]  # type: ignore[list-item]
    world.publish(topic)
    times = [row.at_ms - START_MS for row in world.rows("DeliveryFailed")]
    delays = [later - sooner for sooner, later in pairwise(times)]
    full = [0, 0, 0, 1000, 1000, *(round(1000 * 20 ** (n / 9)) for n in range(10)), 20_000, 20_000, 20_000, 20_000]
    assert len(delays) == len(full) == 19
    assert all(delay <= most and delay >= most * 0.8 - 1 for delay, most in zip(delays, full, strict=True))
    assert len(world.arrived) == 1


def test_a_queue_that_is_gone_is_not_tried_again() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "redrive_policy": REDRIVE})
    world.refusals[QUEUE] = [GONE]
    result = world.publish(topic, "hello")
    [letter] = world.arrived
    assert (letter.at_ms, letter.arn) == (0, LETTERS)
    body = json.loads(letter.text)
    assert (body["Type"], body["MessageId"]) == ("Notification", result.message_id)
    assert not [name for name in letter.context if name.startswith("message_attribute:")]
    assert len(world.rows("DeliveryFailed")) == 1


def test_without_a_dead_letter_queue_it_is_dropped() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"})
    world.refusals[QUEUE] = [GONE]
    result = world.publish(topic)
    [dropped] = world.rows("DeliveryDropped")
    assert dropped.subject == result.message_id


def test_the_dead_letter_of_a_function_is_the_envelope() -> None:
    world = World()
    topic = world.topic("orders", {"function": "parse", "redrive_policy": REDRIVE})
    world.refusals[FUNCTION] = [Refused("ResourceNotFoundException", "gone", status=404)]
    world.publish(topic, "hello")
    [letter] = world.bodies(LETTERS)
    assert (letter["Type"], letter["Message"]) == ("Notification", "hello")
    assert "UnsubscribeURL" in letter and "Records" not in letter
    assert letter["UnsubscribeURL"].endswith(world.engine.reader.resources("subscription")[0].arn)


def test_the_dead_letter_of_a_raw_subscription_is_raw() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "raw_message_delivery": True, "redrive_policy": REDRIVE})
    world.refusals[QUEUE] = [GONE]
    world.publish(topic, "hello", message_attributes=(("a", "String", "x"),))
    [letter] = world.arrived
    assert (letter.text, letter.context["message_attribute:a"]) == ("hello", "String:x")


def test_eleven_attributes_are_too_many_for_a_raw_message() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs", "raw_message_delivery": True, "redrive_policy": REDRIVE})
    world.refusals[QUEUE] = [Refused("InvalidParameterValue", "Number of message attributes [11] exceeds")]
    many = tuple((f"a{number}", "String", "x") for number in range(11))
    world.publish(topic, "hello", message_attributes=many)
    [letter] = world.arrived
    assert (letter.arn, letter.text, letter.at_ms) == (LETTERS, "hello", 0)
    assert not [name for name in letter.context if name.startswith("message_attribute:")]


def test_a_declared_fault_of_a_queue() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"})
    world.engine.faults.targets = (TargetFault(QUEUE, "down", START_MS, START_MS + 1500),)
    world.publish(topic)
    [arrival] = world.arrived
    assert 1500 <= arrival.at_ms <= 2500


# --- publishing ---------------------------------------------------------------------------------


def test_another_service_publishes_a_text() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"})
    world.deliver(topic, '{"Records":[]}', source="arn:aws:s3:::uploads", subject_line="Amazon S3 Notification")
    [body] = world.bodies()
    assert (body["Subject"], body["Message"]) == ("Amazon S3 Notification", '{"Records":[]}')


def test_no_such_topic() -> None:
    world = World()
    found = world.engine.ask(NAMES.topic("nowhere"), c.Publish(c.PublishEntry("x")))
    assert (found.code, found.message, found.status) == ("NotFound", "Topic does not exist", 404)


@pytest.mark.parametrize(
    "subscription, texts",
    [({"function": "f"}, 2), ({"queue": "q"}, 2), ({"queue": "q", "raw_message_delivery": True}, 1)],
    ids=["function", "queue", "raw"],
)
def test_a_thousand_subscriptions_store_one_text_of_each_shape(subscription: dict[str, Any], texts: int) -> None:
    world = World()
    world.engine.checkers.clear()
    [kind] = subscription.keys() - {"raw_message_delivery"}
    topic = world.topic("orders", *({**subscription, kind: f"t{number}"} for number in range(1000)))
    size = 100_000
    world.publish(topic, "x" * size)
    assert len(world.arrived) == 1000
    stored = world.engine.connection.execute("SELECT sum(length(body)), count(*) FROM payloads").fetchone()
    assert stored[1] == texts, "the message, and one template of the event or the envelope"
    assert stored[0] < texts * size + 5_000
    found = {each.text for each in world.arrived}
    assert len(found) == (1 if texts == 1 else 1000)
    if kind == "function":
        arns = {json.loads(text)["Records"][0]["EventSubscriptionArn"] for text in found}
        assert len(arns) == 1000 and all(arn.startswith(f"{topic}:") for arn in arns)


def test_texts_of_templates_can_be_looked_up_later() -> None:
    world = World()
    topic = world.topic("orders", {"function": "parse", "redrive_policy": REDRIVE})
    world.refusals[FUNCTION] = [GONE]
    world.publish(topic, "hello")
    [failed] = world.rows("DeliveryFailed")
    book = StateBook(world.engine.connection)
    text = book.payload(failed.details["payload"])
    assert text is not None and text == world.engine.reader.payload(failed.details["payload"])
    assert json.loads(text)["Records"][0]["EventSubscriptionArn"].startswith(topic)
    assert book.payload("0" * 32 + "~x") is None


def test_two_runs_are_the_same() -> None:
    def run() -> str:
        world = World(seed=7)
        topic = world.topic("orders", {"queue": "jobs"}, {"endpoint": "https://example.com/hook"})
        world.refusals[QUEUE] = [DOWN, DOWN, DOWN, DOWN, None]
        world.publish(topic, "hello")
        return trace_text(world.engine)

    assert run() == run()


@pytest.mark.parametrize("text", ["\x1a", "~", "a\x1ab~c", '"\\'])
def test_odd_messages_arrive_as_they_are(text: str) -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"queue": "raw", "raw_message_delivery": True})
    world.publish(topic, text)
    assert json.loads(world.arrived[0].text)["Message"] == text
    assert world.arrived[1].text == text

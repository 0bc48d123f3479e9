"""Topics and subscriptions as resources: attributes, confirmation, lists, ends."""

from __future__ import annotations

import json

import pytest

from simtriggers.aws.contracts import PutResource, RemoveResource
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.config import SubscriptionConfig, TopicConfig, subscription_resource, topic_resource
from tests.services.sns.world import LETTERS, NAMES, QUEUE, World

URL = "https://example.com/hook"
DAY_MS = 86_400_000


# --- topics -------------------------------------------------------------------------------------


def test_attributes_of_a_new_topic() -> None:
    world = World()
    shown = world.attributes(world.topic("orders"))
    policy = json.loads(shown.pop("Policy"))
    assert policy["Statement"][0]["Resource"] == NAMES.topic("orders")
    assert json.loads(shown.pop("EffectiveDeliveryPolicy")) == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }
    assert shown == {
        "TopicArn": NAMES.topic("orders"),
        "Owner": "123456789012",
        "DisplayName": "",
        "SubscriptionsConfirmed": "0",
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
    }


def test_attributes_of_a_fifo_topic() -> None:
    world = World()
    shown = world.attributes(world.topic("orders.fifo", content_based_deduplication=True))
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", "true")
    assert shown["FifoThroughputScope"] == "Topic"


def test_subscriptions_are_counted() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"queue": "more"})
    arn = world.subscribe(topic, queue="third")
    world.subscribe(topic, endpoint=URL, confirm=False)
    world.engine.ask(arn, c.Unsubscribe())
    shown = world.attributes(topic)
    counts = [shown[f"Subscriptions{kind}"] for kind in ("Confirmed", "Pending", "Deleted")]
    assert counts == ["2", "1", "1"]


def test_setting_an_attribute_of_a_topic() -> None:
    world = World()
    topic = world.topic("orders")
    ask = world.engine.ask
    assert ask(topic, c.SetTopicAttributes("DisplayName", "Orders")) is None
    assert world.attributes(topic)["DisplayName"] == "Orders"
    assert ask(topic, c.SetTopicAttributes("DisplayName", "x" * 100)) is None
    assert ask(topic, c.SetTopicAttributes("DisplayName", "x" * 101)).code == "InvalidParameter"
    assert ask(topic, c.SetTopicAttributes("SignatureVersion", "9")).message == (
        "Invalid parameter: SignatureVersion: Invalid value [9]."
    )
    assert ask(topic, c.SetTopicAttributes("Colour", "red")).message == "Invalid parameter: AttributeName"
    assert ask(topic, c.SetTopicAttributes("FifoTopic", "true")).message == "Invalid parameter: AttributeName"
    assert ask(NAMES.topic("nowhere"), c.SetTopicAttributes("DisplayName", "x")).code == "NotFound"
    declared = "SELECT declared_by FROM resources WHERE arn = ?"
    assert world.engine.connection.execute(declared, (topic,)).fetchone() == ("project",), "it stays the project's"


def test_putting_the_same_again_changes_nothing() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs")
    rows = len(world.rows())
    assert world.engine.ask(*topic_resource(NAMES, "orders", TopicConfig())) == 1
    again = SubscriptionConfig.model_validate({"queue": "jobs"})
    assert world.engine.ask(*subscription_resource(NAMES, topic, again)) == 1
    assert len(world.rows()) == rows
    changed = SubscriptionConfig.model_validate({"queue": "jobs", "raw_message_delivery": True})
    assert world.engine.ask(*subscription_resource(NAMES, topic, changed)) == 2
    assert world.attributes(arn)["RawMessageDelivery"] == "true"


def test_lists() -> None:
    world = World()
    first, second = world.topic("a", {"queue": "jobs"}), world.topic("b", {"queue": "jobs"})
    service = NAMES.service("sns")
    assert world.engine.ask(service, c.ListTopics()) == c.Listed((first, second))
    everything = world.engine.ask(service, c.ListSubscriptions()).subscriptions
    assert [each.topic_arn for each in everything] == [first, second]
    [only] = world.engine.ask(second, c.ListSubscriptionsByTopic()).subscriptions
    assert only == everything[1]
    assert (only.protocol, only.endpoint, only.owner) == ("sqs", QUEUE, "123456789012")
    assert world.engine.ask(NAMES.topic("c"), c.ListSubscriptionsByTopic()).code == "NotFound"


def test_a_removed_topic_takes_its_subscriptions_along() -> None:
    world = World()
    topic = world.topic("orders", {"queue": "jobs"}, {"queue": "more"})
    assert world.engine.ask(topic, RemoveResource()) is None
    assert world.count("resources") == world.count("sns_subscriptions") == world.count("sns_topics") == 0
    assert world.publish(topic).code == "NotFound"
    assert world.engine.ask(topic, RemoveResource()) is None, "deleting nothing is no error"


def test_what_is_no_longer_declared_gets_nothing_and_comes_back() -> None:
    world = World()
    topic = world.topic("orders")
    made = subscription_resource(NAMES, topic, SubscriptionConfig.model_validate({"queue": "jobs"}))
    world.engine.ask(*made)
    world.engine.ask(made[0], RemoveResource(wiring_only=True))
    world.publish(topic, "lost")
    assert world.engine.ask(*made) == 3
    world.publish(topic, "found")
    assert [body["Message"] for body in world.bodies()] == ["found"]


def test_other_kinds_are_refused() -> None:
    world = World()
    assert world.engine.ask(NAMES.topic("x"), PutResource("queue", "x", {})).code == "UnsupportedOperation"
    lost = subscription_resource(NAMES, NAMES.topic("x"), SubscriptionConfig.model_validate({"queue": "jobs"}))
    assert world.engine.ask(*lost).code == "NotFound"


def test_the_network_address_of_links_can_be_set() -> None:
    world = World()
    arn, command = topic_resource(NAMES, "orders", TopicConfig(), base_url="http://localhost:4566")
    world.engine.ask(arn, command)
    world.subscribe(arn, queue="jobs")
    world.publish(arn)
    [body] = world.bodies()
    assert body["SigningCertURL"].startswith("http://localhost:4566/SimpleNotificationService-")
    assert body["UnsubscribeURL"].startswith("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=")


# --- subscriptions ------------------------------------------------------------------------------


def test_attributes_of_a_subscription() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs")
    assert world.attributes(arn) == {
        "SubscriptionArn": arn,
        "TopicArn": topic,
        "Owner": "123456789012",
        "SubscriptionPrincipal": "arn:aws:iam::123456789012:user/simtriggers",
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "PendingConfirmation": "false",
        "ConfirmationWasAuthenticated": "true",
        "RawMessageDelivery": "false",
    }
    described = world.engine.reader.describe(arn)
    assert described is not None and described.kind == "subscription"
    assert world.engine.reader.describe(NAMES.topic("nowhere")) is None


def test_subscribing_again() -> None:
    world = World()
    topic = world.topic("orders")
    ask = world.engine.ask
    raw = (("RawMessageDelivery", "true"),)
    arn = ask(topic, c.Subscribe("sqs", QUEUE, raw))
    assert ask(topic, c.Subscribe("sqs", QUEUE, raw)) == arn
    assert ask(topic, c.Subscribe("sqs", QUEUE)) == arn
    other = ask(topic, c.Subscribe("sqs", QUEUE, (("RawMessageDelivery", "false"),)))
    assert (
        other.message == "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )
    assert ask(NAMES.topic("nowhere"), c.Subscribe("sqs", QUEUE)).message == "Topic does not exist"


DIFFERENT = "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"


@pytest.mark.parametrize(
    "first, again, same",
    [
        ({}, {"RawMessageDelivery": "false"}, True),
        ({}, {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": "{}", "RedrivePolicy": ""}, True),
        ({}, {"FilterPolicyScope": "MessageBody"}, False),
        ({"FilterPolicy": '{"a":["b"]}'}, {"FilterPolicyScope": "MessageAttributes"}, True),
        ({"FilterPolicy": '{"a":["b"],"c":[1]}'}, {"FilterPolicy": '{ "c": [1], "a": ["b"] }'}, True),
        ({"FilterPolicy": '{"a":[1]}'}, {"FilterPolicy": '{"a":[true]}'}, False),
        ({"FilterPolicy": '{"a":["b"]}'}, {"FilterPolicy": "{}"}, False),
        ({"RawMessageDelivery": "true"}, {"FilterPolicy": "{}"}, True),
        ({"RedrivePolicy": json.dumps({"deadLetterTargetArn": LETTERS})}, {"RedrivePolicy": "{}"}, False),
    ],
)
def test_subscribing_again_with_defaults(first: dict[str, str], again: dict[str, str], same: bool) -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.engine.ask(topic, c.Subscribe("sqs", QUEUE, tuple(first.items())))
    found = world.engine.ask(topic, c.Subscribe("sqs", QUEUE, tuple(again.items())))
    assert (found if same else found.message) == (arn if same else DIFFERENT)


@pytest.mark.parametrize(
    "name, first, again, same",
    [
        ("orders", {}, {"SignatureVersion": "1", "DisplayName": "", "FifoTopic": "false"}, True),
        ("orders", {}, {"ContentBasedDeduplication": "false", "MaximumMessageSize": "262144"}, True),
        ("orders", {}, {"FifoThroughputScope": "Topic", "ArchivePolicy": "{}", "DeliveryPolicy": ""}, True),
        ("orders", {}, {"SignatureVersion": "2"}, False),
        ("orders", {"SignatureVersion": "2"}, {"SignatureVersion": "1"}, False),
        ("orders", {"Policy": '{"Version":"x","Statement":[]}'}, {"Policy": '{"Statement": [], "Version": "x"}'}, True),
        ("orders", {"Policy": "{}"}, {"Policy": "{"}, False),
        ("orders.fifo", {"FifoTopic": "true"}, {"FifoTopic": "false"}, False),
        ("orders.fifo", {"FifoTopic": "true"}, {"ContentBasedDeduplication": "false"}, True),
    ],
)
def test_creating_again_with_defaults(name: str, first: dict[str, str], again: dict[str, str], same: bool) -> None:
    world = World()
    arn = NAMES.topic(name)
    assert world.engine.ask(arn, c.CreateTopic(tuple(first.items()))) == arn
    found = world.engine.ask(arn, c.CreateTopic(tuple(again.items())))
    text = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    assert (found if same else found.message) == (arn if same else text)


def test_the_policy_that_a_topic_has_by_itself_is_a_default() -> None:
    world = World()
    topic = world.topic("orders")
    policy = world.attributes(topic)["Policy"]
    assert world.engine.ask(topic, c.CreateTopic((("Policy", json.dumps(json.loads(policy), indent=1)),))) == topic


def test_setting_attributes_of_a_subscription() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs")
    ask = world.engine.ask
    policy = json.dumps({"deadLetterTargetArn": LETTERS})
    assert ask(arn, c.SetSubscriptionAttributes("RedrivePolicy", policy)) is None
    assert json.loads(world.attributes(arn)["RedrivePolicy"]) == {"deadLetterTargetArn": LETTERS}
    assert ask(arn, c.SetSubscriptionAttributes("RedrivePolicy", "")) is None
    assert "RedrivePolicy" not in world.attributes(arn)
    refused = {
        ("RawMessageDelivery", "maybe"): "RawMessageDelivery: Invalid value [maybe]. Must be true or false.",
        ("FilterPolicy", '{"a":"x"}'): 'FilterPolicy: "a" must be an object or an array',
        ("Colour", "red"): "AttributeName",
    }
    for pair, says in refused.items():
        assert ask(arn, c.SetSubscriptionAttributes(*pair)).message == f"Invalid parameter: {says}"
    nobody = f"{topic}:00000000-0000-4000-a000-000000000000"
    assert ask(nobody, c.SetSubscriptionAttributes("RawMessageDelivery", "true")).code == "NotFound"
    assert ask(nobody, c.GetSubscriptionAttributes()).message == "Subscription does not exist"


def test_unsubscribing() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs")
    assert world.engine.ask(arn, c.Unsubscribe()) is None
    assert world.engine.ask(arn, c.Unsubscribe()) is None, "an unknown one succeeds"
    world.publish(topic)
    assert world.arrived == []


def test_the_first_201_filter_policies() -> None:
    world = World()
    topic = world.topic("orders", *({"queue": f"q{n}", "filter_policy": {"a": ["x"]}} for n in range(200)))
    found = world.engine.ask(topic, c.Subscribe("sqs", QUEUE, (("FilterPolicy", '{"a":["x"]}'),)))
    assert (found.code, found.status) == ("FilterPolicyLimitExceeded", 403)
    assert world.engine.ask(topic, c.Subscribe("sqs", QUEUE)).startswith(topic)


@pytest.mark.parametrize("name, config", [("orders.fifo", {}), ("orders", {"maximum_message_size": "1MB"})])
def test_topics_with_a_hundred_subscriptions_at_most(name: str, config: dict[str, str]) -> None:
    world = World()
    topic = world.topic(name, *({"queue": f"q{n}"} for n in range(100)), **config)
    found = world.engine.ask(topic, c.Subscribe("sqs", QUEUE))
    assert (found.code, found.status) == ("SubscriptionLimitExceeded", 403)


def test_the_filter_policies_of_an_account() -> None:
    world = World()
    topic = world.topic("orders")
    world.engine.checkers.clear()
    rows = [(f"{NAMES.topic('others')}:{number}",) for number in range(9_999)]
    world.engine.connection.executemany(
        "INSERT INTO sns_subscriptions (arn, topic, protocol, endpoint, pending, authenticated, filtered, next_send_ms)"
        " VALUES (?, 'others', 'sqs', '', 0, 1, 1, 0)",
        rows,
    )
    policy = (("FilterPolicy", '{"a":["x"]}'),)
    assert world.engine.ask(topic, c.Subscribe("sqs", QUEUE, policy)).startswith(topic)
    assert world.engine.ask(topic, c.Subscribe("sqs", LETTERS, policy)).code == "FilterPolicyLimitExceeded"
    assert world.engine.ask(topic, c.Subscribe("sqs", LETTERS)).startswith(topic)


@pytest.mark.parametrize(
    "subscriptions, says",
    [
        ([{"queue": f"q{number}"} for number in range(100)], None),
        ([{"queue": f"q{number}"} for number in range(101)], "the topic has more than 100 subscriptions"),
        ([{"email": "a@b"}], "the topic has subscriptions that are not of SQS, Lambda or Firehose"),
    ],
)
def test_raising_the_size_of_messages(subscriptions: list[dict[str, str]], says: str | None) -> None:
    world = World()
    topic = world.topic("orders", *subscriptions)
    found = world.engine.ask(topic, c.SetTopicAttributes("MaximumMessageSize", "262145"))
    assert (found and found.message) == (says and f"Invalid parameter: MaximumMessageSize: {says}")
    again = world.engine.ask(*topic_resource(NAMES, "orders", TopicConfig(maximum_message_size=1_048_576)))
    assert isinstance(again, int) is (says is None)


def test_the_scope_and_the_policy_must_fit_each_other() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, queue="jobs", filter_policy={"a": {"b": ["x"]}}, filter_policy_scope="MessageBody")
    ask = world.engine.ask
    refused = ask(arn, c.SetSubscriptionAttributes("FilterPolicyScope", "MessageAttributes"))
    assert refused.message == (
        "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
    )
    assert ask(arn, c.SetSubscriptionAttributes("FilterPolicy", "{}")) is None
    assert ask(arn, c.SetSubscriptionAttributes("FilterPolicyScope", "MessageAttributes")) is None
    assert "FilterPolicyScope" not in world.attributes(arn), "it is shown only while there is a policy"


# --- confirmation -------------------------------------------------------------------------------


def test_an_endpoint_confirms_by_its_token() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, endpoint=URL, confirm=False)
    world.publish(topic, "too early")
    [(_, request)] = world.requests
    assert dict(request.headers)["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    body = json.loads(request.body)
    shown = world.attributes(arn)
    assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("true", "false")
    assert world.engine.ask(topic, c.ConfirmSubscription("nonsense")).message == "Invalid parameter: Token"
    assert world.engine.ask(topic, c.ConfirmSubscription(body["Token"])) == arn
    assert world.engine.ask(topic, c.ConfirmSubscription(body["Token"])) == arn
    assert world.attributes(arn)["PendingConfirmation"] == "false"
    world.publish(topic, "in time")
    assert json.loads(world.requests[-1][1].body)["Message"] == "in time"


def test_a_token_is_valid_for_two_days() -> None:
    world = World()
    topic = world.topic("orders")
    world.subscribe(topic, endpoint=URL, confirm=False)
    [pending] = world.engine.ask(topic, c.ListSubscriptionsByTopic()).subscriptions
    assert pending.subscription_arn == "PendingConfirmation"
    world.engine.advance(2 * DAY_MS)
    assert world.engine.ask(topic, c.ConfirmSubscription(pending.token)).message == "Invalid parameter: Token"
    assert world.engine.ask(topic, c.Subscribe("https", URL)) == "pending confirmation"
    token = world.engine.ask(topic, c.ListSubscriptionsByTopic()).subscriptions[0].token
    world.engine.advance(2 * DAY_MS - 1)
    assert world.engine.ask(topic, c.ConfirmSubscription(token)).startswith(topic)


def test_an_unsubscribed_endpoint_can_come_back() -> None:
    world = World()
    topic = world.topic("orders")
    arn = world.subscribe(topic, endpoint=URL, filter_policy={"a": ["x"]})
    world.engine.ask(arn, c.Unsubscribe())
    world.engine.run_until_idle()
    [(_, request)] = world.requests
    headers, body = dict(request.headers), json.loads(request.body)
    assert headers["x-amz-sns-message-type"] == body["Type"] == "UnsubscribeConfirmation"
    assert headers["x-amz-sns-subscription-arn"] == arn and arn in body["Message"]
    assert world.engine.ask(topic, c.ConfirmSubscription(body["Token"])) == arn
    assert world.attributes(arn)["FilterPolicy"] == '{"a":["x"]}'
    assert world.count("sns_requests") == 0


def test_a_queue_of_another_account_is_asked_too() -> None:
    world = World()
    topic = world.topic("orders")
    queue = "arn:aws:sqs:us-east-1:999999999999:jobs"
    assert world.engine.ask(topic, c.Subscribe("sqs", queue)) == "pending confirmation"
    world.engine.run_until_idle()
    [body] = world.bodies(queue)
    assert body["Type"] == "SubscriptionConfirmation"
    assert world.engine.ask(topic, c.ConfirmSubscription(body["Token"], True)).startswith(topic)
    world.publish(topic, "hello")
    assert world.bodies(queue)[1]["Message"] == "hello"

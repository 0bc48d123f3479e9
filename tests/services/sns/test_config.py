"""Topics, subscriptions and triggers as YAML: what is accepted, what it becomes, what is said against it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from simtriggers.errors import UserError
from simtriggers.services.sns.config import (
    SnsTrigger,
    SubscriptionConfig,
    TopicConfig,
    subscription_resource,
    topic_resource,
    trigger_resource,
)
from simtriggers.services.sns.settings import parse_subscription
from tests.services.sns.world import FUNCTION, LETTERS, NAMES, QUEUE, World

TOPIC = NAMES.topic("orders")
RETRY = {"min_delay_target": "1s", "max_delay_target": "1m", "num_retries": 5, "backoff_function": "exponential"}


def subscription(**config: Any) -> dict[str, Any]:
    return subscription_resource(NAMES, TOPIC, SubscriptionConfig.model_validate(config))[1].config


def test_a_topic() -> None:
    config = TopicConfig.model_validate(
        {
            "display_name": "Orders",
            "signature_version": 2,
            "maximum_message_size": "512KB",
            "delivery_policy": {
                "http": {
                    "default_healthy_retry_policy": RETRY,
                    "disable_subscription_overrides": True,
                    "default_throttle_policy": {"max_receives_per_second": 5},
                    "default_request_policy": {"header_content_type": "application/json"},
                }
            },
        }
    )
    arn, command = topic_resource(NAMES, "orders", config)
    assert arn == TOPIC
    assert command.config == {
        "display_name": "Orders",
        "signature_version": "2",
        "maximum_message_size": 524_288,
        "delivery_policy": {
            "http": {
                "defaultHealthyRetryPolicy": {
                    "backoffFunction": "exponential",
                    "maxDelayTarget": 60,
                    "minDelayTarget": 1,
                    "numRetries": 5,
                },
                "defaultRequestPolicy": {"headerContentType": "application/json"},
                "defaultThrottlePolicy": {"maxReceivesPerSecond": 5},
                "disableSubscriptionOverrides": True,
            }
        },
    }
    assert World().engine.ask(arn, command) == 1


def test_a_fifo_topic() -> None:
    config = TopicConfig.model_validate(
        {
            "content_based_deduplication": True,
            "fifo_throughput_scope": "MessageGroup",
            "archive_policy": {"message_retention_period": 30},
        }
    )
    command = topic_resource(NAMES, "orders.fifo", config)[1]
    assert command.config == {
        "content_based_deduplication": True,
        "fifo_throughput_scope": "MessageGroup",
        "fifo_topic": True,
        "archive_policy": {"MessageRetentionPeriod": "30"},
    }


@pytest.mark.parametrize(
    "name, config",
    [
        ("a.b", {}),
        ("x" * 257, {}),
        ("", {}),
        ("orders", {"fifo_topic": True}),
        ("orders.fifo", {"fifo_topic": False}),
        ("orders", {"content_based_deduplication": True}),
        ("orders", {"archive_policy": {"message_retention_period": 1}}),
    ],
)
def test_names_that_cannot_be(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        topic_resource(NAMES, name, TopicConfig.model_validate(config))


@pytest.mark.parametrize(
    "given, protocol, endpoint",
    [
        ({"queue": "jobs"}, "sqs", QUEUE),
        ({"function": "parse"}, "lambda", FUNCTION),
        ({"endpoint": "http://a/b"}, "http", "http://a/b"),
        ({"endpoint": "https://a/b"}, "https", "https://a/b"),
        ({"email": "a@b"}, "email", "a@b"),
        ({"email_json": "a@b"}, "email-json", "a@b"),
        ({"sms": "+15550100"}, "sms", "+15550100"),
        ({"arn": QUEUE}, "sqs", QUEUE),
        ({"arn": "arn:aws:lambda:eu-west-1:1:function:f"}, "lambda", "arn:aws:lambda:eu-west-1:1:function:f"),
    ],
)
def test_endpoints(given: dict[str, str], protocol: str, endpoint: str) -> None:
    assert subscription(**given) == {"topic_arn": TOPIC, "protocol": protocol, "endpoint": endpoint}


def test_everything_of_a_subscription() -> None:
    found = subscription(
        queue="jobs",
        raw_message_delivery=True,
        filter_policy={"store": ["a", {"prefix": "b"}], "n": [1, 2.5, None, True]},
        filter_policy_scope="MessageBody",
        redrive_policy={"dead_letter_target": "letters"},
        replay_policy={"starting_point": "2026-01-01T00:00:00Z", "ending_point": "2026-01-02T00:00:00Z"},
    )
    assert found == {
        "topic_arn": TOPIC,
        "protocol": "sqs",
        "endpoint": QUEUE,
        "filter_policy": '{"store":["a",{"prefix":"b"}],"n":[1,2.5,null,true]}',
        "filter_policy_scope": "MessageBody",
        "redrive_policy": {"deadLetterTargetArn": LETTERS},
        "raw_message_delivery": True,
        "replay_policy": {
            "PointType": "Timestamp",
            "StartingPoint": "2026-01-01T00:00:00Z",
            "EndingPoint": "2026-01-02T00:00:00Z",
        },
    }
    settings = parse_subscription(json.loads(json.dumps(found)))
    assert settings.replay is not None and settings.filter is not None and settings.dead_letter == LETTERS


def test_a_trigger() -> None:
    trigger = SnsTrigger.model_validate(
        {"sns": "orders", "filter_policy": '{"a":["x"]}', "redrive_policy": {"dead_letter_target_arn": LETTERS}}
    )
    arn, command = trigger_resource(NAMES, "parse", trigger)
    assert arn.startswith(f"{TOPIC}:") and arn.endswith(command.name)
    assert command.config == {
        "topic_arn": TOPIC,
        "protocol": "lambda",
        "endpoint": FUNCTION,
        "filter_policy": '{"a":["x"]}',
        "redrive_policy": {"deadLetterTargetArn": LETTERS},
    }
    again = trigger_resource(NAMES, "parse", SnsTrigger(sns=TOPIC))
    assert again[0] == arn


@pytest.mark.parametrize(
    "config, says",
    [
        ({}, "a subscription has one of"),
        ({"queue": "a", "function": "b"}, "a subscription has one of"),
        ({"endpoint": "example.com"}, "is not a URL of http or https"),
        ({"arn": "arn:aws:s3:::b"}, "is not the ARN of a queue, a function or a Firehose stream"),
        ({"queue": "a", "filter_policy": {"k": "v"}}, '"k" must be an object or an array'),
        ({"queue": "a", "filter_policy": "nonsense"}, "failed to parse JSON"),
        ({"queue": "a", "filter_policy": {"k": [float("nan")]}}, "the filter policy cannot be JSON"),
        ({"queue": "a", "filter_policy": {"k": {"l": ["x"]}}}, "does not support nested filter policy"),
        ({"queue": "a", "filter_policy_scope": "Body"}, "'MessageAttributes' or 'MessageBody'"),
        ({"queue": "a", "redrive_policy": {}}, "name the dead-letter queue once"),
        ({"queue": "a", "delivery_policy": {}}, "delivery_policy is for endpoints of http and https"),
        ({"function": "a", "raw_message_delivery": True}, "functions always get the whole event"),
        (
            {"endpoint": "http://a", "delivery_policy": {"healthy_retry_policy": {"num_retries": 101}}},
            "numRetries must be between 0 and 100",
        ),
        (
            {"endpoint": "http://a", "delivery_policy": {"healthy_retry_policy": {"num_no_delay_retries": 4}}},
            "the sum of the retries of its phases",
        ),
        ({"queue": "a", "colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_said_against_a_subscription(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SubscriptionConfig.model_validate(config)
    assert says in str(caught.value)

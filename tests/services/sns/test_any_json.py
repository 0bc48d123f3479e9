"""Whatever JSON an attribute is given, it is taken or refused in AWS's words; nothing breaks, then or later."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.kernel.effects import Refused
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.settings import RETRY_KEYS
from tests.services.sns.world import LETTERS, NAMES, QUEUE, World

WORDS = st.sampled_from(
    [
        "http", "defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy", "healthyRetryPolicy",
        "disableSubscriptionOverrides", "throttlePolicy", "requestPolicy", "maxReceivesPerSecond", "headerContentType",
        "numRetries", "minDelayTarget", "maxDelayTarget", "backoffFunction", "deadLetterTargetArn", "maxReceiveCount",
        "MessageRetentionPeriod", "PointType", "StartingPoint", "EndingPoint", "Statement", "Sid", "$or", "exists",
        "numeric", "prefix", "anything-but", "cidr", "equals-ignore-case", "k",
    ]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | WORDS | st.text(max_size=3)
LEAVES |= st.sampled_from(["Timestamp", "2026-01-01T00:00:00Z", LETTERS, ">", "=", "linear", "10.0.0.0/8"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
RETRY = st.dictionaries(
    st.sampled_from([*RETRY_KEYS, "k"]), LEAVES | st.lists(LEAVES, max_size=1), min_size=1, max_size=3
)
PARTS = st.sampled_from(["HealthyRetryPolicy", "ThrottlePolicy", "RequestPolicy"])
HTTP = st.dictionaries(PARTS.map("default".__add__), RETRY | JSON, min_size=1, max_size=2)
OWN = st.dictionaries(PARTS.map(lambda name: name[0].lower() + name[1:]), RETRY | JSON, min_size=1, max_size=2)
ONE = st.dictionaries(WORDS, LEAVES | JSON, min_size=1, max_size=2)
ANY = JSON | ONE | HTTP | OWN | st.fixed_dictionaries({"http": HTTP | JSON})
TOPIC = ["DeliveryPolicy", "ArchivePolicy", "Policy", "MaximumMessageSize", "FifoThroughputScope", "DisplayName"]
SUBSCRIPTION = ["DeliveryPolicy", "FilterPolicy", "RedrivePolicy", "ReplayPolicy", "RawMessageDelivery"]


@pytest.mark.parametrize("name", TOPIC)
@given(value=ANY)
@settings(max_examples=60, deadline=None)
def test_a_topic(name: str, value: Any) -> None:
    world = World()
    topic = world.topic("orders.fifo", {"queue": "jobs.fifo"}, content_based_deduplication=True)
    found = world.engine.ask(topic, c.SetTopicAttributes(name, json.dumps(value)))
    assert found is None or isinstance(found, Refused)
    world.attributes(topic)
    world.engine.ask(topic, c.AddPermission("x", ("111111111111",), ("Publish",)))
    published = world.publish(topic, "hello", message_group_id="g")
    assert isinstance(published, c.PublishResult)
    assert len(world.arrived) == 1


@pytest.mark.parametrize("name", SUBSCRIPTION)
@pytest.mark.parametrize("protocol, endpoint", [("sqs", QUEUE), ("https", "https://example.com/hook")])
@given(value=ANY)
@settings(max_examples=60, deadline=None)
def test_a_subscription(name: str, protocol: str, endpoint: str, value: Any) -> None:
    world = World()
    topic = world.topic("orders")
    found = world.engine.ask(topic, c.Subscribe(protocol, endpoint, ((name, json.dumps(value)),), True))
    assert isinstance(found, (str, Refused))
    if isinstance(found, str):
        world.attributes(found)
        world.statuses[endpoint] = [200, 500]
        world.confirm(topic)
        world.publish(topic, json.dumps({"k": value}), message_attributes=(("k", "String", "x"),))


def test_a_replay_of_any_shape_is_refused_or_done() -> None:
    world = World()
    topic = world.topic("orders.fifo", archive_policy={"message_retention_period": 1})
    for start in (5, None, [], {}, "2026-01-01", "", True):
        policy = json.dumps({"PointType": "Timestamp", "StartingPoint": start})
        found = world.engine.ask(topic, c.Subscribe("sqs", NAMES.queue("jobs.fifo"), (("ReplayPolicy", policy),)))
        assert isinstance(found, Refused) and found.message.endswith(
            "ReplayPolicy: StartingPoint and EndingPoint must be timestamps"
        ), start

"""HTTP/S endpoints: what is sent, what answers mean, retries, throttling, restarts."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from simtriggers.engine.retention import trim
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.endpoints import TIMEOUT_MS, is_retryable
from simtriggers.services.sns.service import SERVICE
from tests.services.sns.world import LETTERS, NAMES, REDRIVE, START_MS, World

URL = "https://example.com/hook"
FAST = {"healthy_retry_policy": {"min_delay_target": 1, "max_delay_target": 4, "num_retries": 5,
                                 "num_no_delay_retries": 1, "num_max_delay_retries": 1}}  # fmt: skip


def world_with(**subscription: Any) -> tuple[World, str]:
    world = World()
    topic = world.topic("orders", {"endpoint": URL, **subscription})
    return world, topic


def times(world: World) -> list[int]:
    """When each request was sent, after the first one."""
    first = world.requests[0][0]
    return [at_ms - first for at_ms, _ in world.requests]


def test_a_notification() -> None:
    world, topic = world_with()
    result = world.publish(topic, "hello", subject="S")
    [(_, request)] = world.requests
    assert (request.method, request.url, request.timeout_ms) == ("POST", URL, TIMEOUT_MS)
    headers = dict(request.headers)
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert headers["x-amz-sns-message-id"] == result.message_id
    assert headers["x-amz-sns-subscription-arn"] == request.arn
    body = json.loads(request.body)
    assert (body["Type"], body["Message"], body["Subject"]) == ("Notification", "hello", "S")
    assert body["UnsubscribeURL"].endswith(request.arn)
    [sent], [done] = world.rows("HttpRequestSent")[-1:], world.rows("HttpRequestSucceeded")[-1:]
    assert (done.cause, done.subject, done.details["status"]) == (sent.id, result.message_id, 200)
    assert world.count("sns_requests") == 0


def test_raw_delivery() -> None:
    policy = {"request_policy": {"header_content_type": "application/json"}}
    world, topic = world_with(raw_message_delivery=True, delivery_policy=policy)
    world.publish(topic, "hello", message_attributes=(("a", "String", "x"),))
    [(_, request)] = world.requests
    headers = dict(request.headers)
    assert (request.body, headers["Content-Type"]) == ("hello", "application/json")
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert not [name for name in headers if "attribute" in name]


@pytest.mark.parametrize(
    "status, again", [(0, True), (500, True), (503, True), (429, True), (400, False), (404, False), (301, False)]
)
def test_which_errors_are_tried_again(status: int, again: bool) -> None:
    assert is_retryable(status) is again
    world, topic = world_with()
    world.statuses[URL] = [status, 204]
    world.publish(topic)
    assert len(world.requests) == (2 if again else 1)
    assert len(world.rows("DeliveryDropped")) == (0 if again else 1)
    details = world.rows("DeliveryFailed")[0].details
    shown = (str(status), f"HTTP status {status}") if status else ("NoResponse", "timeout")
    assert (details["code"], details["message"], details["target"]) == (*shown, URL)
    assert world.count("sns_requests") == 0


def test_the_default_retries() -> None:
    world, topic = world_with()
    world.statuses[URL] = [500]
    world.publish(topic)
    found = times(world)
    assert len(found) == 4
    assert all(16_000 <= later - sooner <= 20_005 for sooner, later in pairwise(found))


def test_the_four_phases() -> None:
    world, topic = world_with(delivery_policy=FAST)
    world.statuses[URL] = [500]
    world.publish(topic)
    found = times(world)
    delays = [later - sooner - 5 for sooner, later in pairwise(found)]
    assert len(delays) == 5
    assert all(most * 0.8 - 1 <= delay <= most for delay, most in zip(delays, [0, 1000, 2500, 4000, 4000], strict=True))


def test_what_nobody_took_is_a_dead_letter() -> None:
    world, topic = world_with(delivery_policy=FAST, redrive_policy=REDRIVE)
    world.statuses[URL] = [500]
    result = world.publish(topic, "hello")
    [letter] = world.bodies(LETTERS)
    assert letter["MessageId"] == result.message_id
    assert letter == json.loads(world.requests[0][1].body)
    failed, sent = world.rows("DeliveryFailed")[-1], world.rows("DeliverySentToDeadLetterQueue")[-1]
    assert (sent.cause, sent.details["reason"]) == (failed.id, "MaximumRetryAttempts")
    assert len(world.rows("DeliveryFailed")) == 6


def test_a_raw_dead_letter_has_its_attributes() -> None:
    world, topic = world_with(raw_message_delivery=True, redrive_policy=REDRIVE)
    world.statuses[URL] = [404]
    world.publish(topic, "hello", message_attributes=(("a", "String", "x"),))
    [letter] = world.arrived
    assert (letter.arn, letter.text, letter.context["message_attribute:a"]) == (LETTERS, "hello", "String:x")


def test_the_topic_may_forbid_own_policies() -> None:
    world = World()
    http = {
        "default_healthy_retry_policy": {"num_retries": 1, "min_delay_target": 2, "max_delay_target": 2},
        "disable_subscription_overrides": True,
    }
    topic = world.topic("orders", delivery_policy={"http": http})
    arn = world.subscribe(topic, endpoint=URL, delivery_policy=FAST)
    effective = json.loads(world.attributes(arn)["EffectiveDeliveryPolicy"])
    assert effective["healthyRetryPolicy"]["numRetries"] == 1
    world.statuses[URL] = [500]
    world.publish(topic)
    assert len(world.requests) == 2
    allowed = json.dumps({"http": {"disableSubscriptionOverrides": False}})
    world.engine.ask(topic, c.SetTopicAttributes("DeliveryPolicy", allowed))
    assert json.loads(world.attributes(arn)["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["numRetries"] == 5


def test_so_many_requests_a_second() -> None:
    world, topic = world_with(delivery_policy={"throttle_policy": {"max_receives_per_second": 3}})
    entries = tuple(c.PublishEntry(str(number), str(number)) for number in range(4))
    world.engine.ask(topic, c.PublishBatch(entries))
    world.engine.ask(topic, c.Publish(c.PublishEntry("4")))
    world.engine.run_until_idle()
    assert times(world) == [0, 334, 668, 1002, 1336]
    assert [json.loads(request.body)["Message"] for _, request in world.requests] == list("01234")


def test_after_a_pause_the_throttle_is_open() -> None:
    world, topic = world_with(delivery_policy={"throttle_policy": {"max_receives_per_second": 1}})
    world.publish(topic)
    world.engine.advance(60_000)
    world.publish(topic)
    assert times(world) == [0, 60_005]


def test_what_waits_for_an_endpoint_that_was_unsubscribed_is_dropped() -> None:
    world, topic = world_with(raw_message_delivery=True)
    world.statuses[URL] = [500, 200]
    world.engine.ask(topic, c.Publish(c.PublishEntry("hello")))
    world.engine.advance(1000)
    arn = world.requests[0][1].arn
    world.engine.ask(arn, c.Unsubscribe())
    world.engine.run_until_idle()
    [dropped] = world.rows("DeliveryDropped")
    assert dropped.details["rule"] == "the subscription was deleted"
    assert [dict(request.headers)["x-amz-sns-message-type"] for _, request in world.requests] == [
        "Notification",
        "UnsubscribeConfirmation",
    ]
    assert world.count("sns_requests") == 0


def test_a_request_that_a_restart_cut_off_is_sent_again() -> None:
    world, topic = world_with()
    world.answering = False
    world.engine.ask(topic, c.Publish(c.PublishEntry("hello")))
    world.engine.advance(100)
    world.answering = True
    world.engine.restart(NAMES.service)
    world.engine.run_until_idle()
    (_, first), (_, second) = world.requests
    assert (first.attempt, second.attempt) == (1, 1)
    assert second.incarnation == world.engine.incarnation != first.incarnation
    assert world.rows("HttpRequestInterrupted") and world.count("sns_requests") == 0
    world.answer(first, 500)
    world.engine.run_until_idle()
    assert world.rows("StaleResult")[-1].subject == first.request_id
    assert len(world.requests) == 2


def test_a_confirmation_is_retried_and_then_dropped() -> None:
    world = World()
    topic = world.topic("orders")
    world.statuses[URL] = [500]
    world.subscribe(topic, confirm=False, endpoint=URL, redrive_policy=REDRIVE)
    world.engine.run_until_idle()
    assert len(world.requests) == 4
    assert world.arrived == [], "a confirmation is no dead letter"
    assert world.rows("DeliveryDropped")[-1].at_ms > START_MS


def test_what_is_forgotten_is_not_the_text_of_a_waiting_request() -> None:
    world, topic = world_with()
    world.answering = False
    world.engine.ask(topic, c.Publish(c.PublishEntry("hello")))
    connection, reader = world.engine.connection, world.engine.reader
    [(digest,)] = connection.execute("SELECT payload FROM sns_requests").fetchall()
    world.engine.flush()
    connection.execute("COMMIT")
    trimmed = trim(connection, before_ms=1 << 60, payload_columns=SERVICE.payload_columns)
    reader.forget_all()
    assert trimmed.payloads == 2, "the message itself, and the request to confirm"
    assert json.loads(reader.payload(digest))["Message"] == "hello"

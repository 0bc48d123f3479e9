"""What a function gets from a queue, and what its runs mean for the messages: the whole way, with real queues."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

from simtriggers.services.sqs.commands import SendMessage
from tests.services.lambda_.world import World
from tests.services.sqs.world import FIXTURES
from tests.support import START_MS

TRACE = "Root=1-691ed86f-0a1b2c3d4e5f60718293a4b5;Parent=53995c3f42cd8ad8;Sampled=1"
THREE = (("tenant", "String", "acme"), ("retries", "Number", "3"), ("thumb", "Binary", "AgME"))
GIVEN = {"messageId", "receiptHandle", "eventSourceARN", "awsRegion"}
"""What a queue of another name, region and day has otherwise."""


def worked(name: str) -> Any:
    example = json.loads((FIXTURES / "sqs" / name).read_text("utf-8"))
    return example["event"]["Records"][0]


def alike(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same members in the same order, all of the same kind, and the same but for what the world gives."""
    assert list(found) == list(expected)
    assert list(found["attributes"]) == list(expected["attributes"])
    for name, value in expected.items():
        if name == "attributes":
            assert all(type(found[name][key]) is type(value[key]) for key in value)
        elif name not in GIVEN:
            assert found[name] == value
    assert all(isinstance(found[name], str) for name in GIVEN)


@pytest.mark.parametrize(
    ("name", "window"), [("event-no-attributes.json", 0), ("event-batching-window.json", 1)], ids=["none", "1 s"]
)
def test_the_worked_event_without_attributes_comes_out_of_a_mapping(name: str, window: int) -> None:
    expected = worked(name)
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    world.mapping("ship", "orders", maximum_batching_window=window)
    world.send(queue, expected["body"])
    world.engine.run_until_idle()
    [event] = world.events("ship")
    [found] = event["Records"]
    alike(found, expected)
    SqsModel.model_validate(event)


def test_the_worked_event_with_attributes_comes_out_of_a_mapping_the_second_time() -> None:
    expected = worked("event-attributes-second-receive.json")
    world = World()
    queue = world.queue("orders")
    world.function("ship", "fail", "ok")
    world.mapping("ship", "orders")
    trace = (("AWSTraceHeader", "String", TRACE),)
    sent = world.engine.ask(queue, SendMessage(expected["body"], message_attributes=THREE, system_attributes=trace))
    world.engine.run_until_idle()
    first, second = (event["Records"][0] for event in world.events("ship"))
    alike(second, expected)
    assert second["md5OfMessageAttributes"] == sent.md5_of_message_attributes == expected["md5OfMessageAttributes"]
    assert second["attributes"]["AWSTraceHeader"] == TRACE
    assert first["attributes"] | {"ApproximateReceiveCount": "2"} == second["attributes"]
    SqsModel.model_validate(world.events("ship")[1])


@pytest.mark.parametrize("outcome", ["fail", "timeout", "exit"])
def test_what_was_not_handled_comes_back_when_its_visibility_timeout_is_over(outcome: str) -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work", outcome, "ok", timeout="3s")
    world.mapping("work", "jobs")
    world.send(queue, "a", "b")
    world.engine.run_until(START_MS + 29_999)
    assert world.count("sqs_messages") == 2, "nothing is deleted"
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 30_000]
    before, after = (event["Records"] for event in world.events("work"))
    assert [record["messageId"] for record in after] == [record["messageId"] for record in before]
    for old, new in zip(before, after, strict=True):
        assert new["receiptHandle"] != old["receiptHandle"]
        assert old["attributes"] | {"ApproximateReceiveCount": "2"} == new["attributes"]
        assert new["attributes"]["ApproximateFirstReceiveTimestamp"] == str(START_MS)
    assert world.count("sqs_messages") == 0


@pytest.mark.parametrize("response", ["null", '"done"', '{"statusCode":500}', "[1,2]", "no JSON"])
def test_whatever_is_returned_without_reports_is_a_success(response: str) -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs")
    world.runtime.scripts["work"] = [("ok", response)]
    world.send(queue, "a")
    world.engine.run_until_idle()
    assert (len(world.events("work")), world.count("sqs_messages")) == (1, 0)


def test_a_functions_own_dead_letter_queue_and_destinations_get_no_batches() -> None:
    world = World()
    for name in ("letters", "failed", "done", "dead"):
        world.queue(name)
    queue = world.queue("jobs", redrive_policy={"dead_letter_target": "dead", "max_receive_count": 1})
    own = {"on_failure": {"queue": "failed"}, "on_success": {"queue": "done"}}
    world.function("work", "fail", "ok", dead_letter_config={"target": "letters"}, event_invoke_config=own)
    world.mapping("work", "jobs")
    world.send(queue, "bad")
    world.engine.run_until_idle()
    world.send(queue, "good")
    world.engine.run_until_idle()
    depth = "SELECT queue, count(*) FROM sqs_messages GROUP BY queue ORDER BY queue"
    assert [(arn.rsplit(":", 1)[1], n) for arn, n in world.engine.connection.execute(depth)] == [("dead", 1)]
    assert world.rows("DestinationSent", "DeadLetterSent") == []


def test_an_event_from_a_dead_letter_queue_says_where_it_came_from() -> None:
    world = World()
    world.queue("dead")
    queue = world.queue("jobs", redrive_policy={"dead_letter_target": "dead", "max_receive_count": 1})
    world.function("work", "fail")
    world.function("look")
    world.mapping("work", "jobs")
    world.mapping("look", "dead")
    world.send(queue, "poison")
    world.engine.run_until_idle()
    [event] = world.events("look")
    [record] = SqsModel.model_validate(event).Records
    attributes = event["Records"][0]["attributes"]
    assert (attributes["ApproximateReceiveCount"], list(attributes)[-1]) == ("2", "DeadLetterQueueSourceArn")
    assert attributes["DeadLetterQueueSourceArn"] == queue
    assert record.eventSourceARN.endswith(":dead")

"""What a turn sends to which target, with context attributes, retries and dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from simtriggers.aws.contracts import RemoveResource
from simtriggers.engine.faults import TargetFault
from simtriggers.kernel.effects import RetryPolicy
from simtriggers.kernel.retries import RetryAt, next_attempt
from simtriggers.services.scheduler.records import Execution, bus_event, default_notification
from simtriggers.services.scheduler.settings import parse_target
from tests.services.scheduler.world import (
    BUS,
    FUNCTION,
    HOUR,
    JOBS,
    LETTERS,
    NAMES,
    SCHEDULE,
    START,
    TOPIC,
    World,
    event,
)

NOW = "at(2026-01-15T12:34:56)"
SEND = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"
URL = NAMES.queue_url("jobs")


def universal(service: str, action: str) -> str:
    return f"arn:aws:scheduler:::aws-sdk:{service}:{action}"


def test_the_default_notification() -> None:
    execution = Execution(NAMES.schedule("rotate-keys"), "0" * 16, "2026-03-02T06:30:00Z")
    text = default_notification(event_id="a0c1", account="123456789012", region="eu-west-1", execution=execution)
    assert text == (
        '{"version":"0","id":"a0c1","detail-type":"Scheduled Event","source":"aws.scheduler","account":"123456789012",'
        '"time":"2026-03-02T06:30:00Z","region":"eu-west-1",'
        '"resources":["arn:aws:scheduler:us-east-1:123456789012:schedule/default/rotate-keys"],"detail":"{}"}'
    )
    assert EventBridgeModel.model_validate(json.loads(text)).source == "aws.scheduler"


# --- templated targets --------------------------------------------------------------------------


@pytest.mark.parametrize("target", [JOBS, TOPIC, FUNCTION])
def test_without_an_input_a_target_gets_the_default_notification(target: str) -> None:
    world = World()
    world.create(NOW, target)
    world.engine.run_until_idle()
    [fired] = world.rows("ScheduleFired")
    found = event(world.engine.reader.payload(fired.details["payload"]))
    assert (found["source"], found["detail"], found["resources"]) == ("aws.scheduler", "{}", [SCHEDULE])
    sent = {JOBS: "MessageSent", TOPIC: "MessagePublished"}.get(target)
    if sent is None:
        assert [json.loads(text) for _, _, text in world.functions.taken] == [found]
    else:
        assert world.rows(sent)[0].details["payload"] == fired.details["payload"]


def test_an_input_is_the_whole_text() -> None:
    world = World()
    world.create(NOW, JOBS, name="a", target_input="not JSON, and no need to be")
    world.create(NOW, FUNCTION, name="b", target_input='{"job": [1, 2.50]}')
    world.engine.run_until_idle()
    assert world.bodies() == ["not JSON, and no need to be"]
    assert world.functions.taken == [(START, FUNCTION, '{"job": [1, 2.50]}')]


def test_a_fifo_queue_gets_the_group() -> None:
    world = World()
    world.create(NOW, NAMES.queue("groups.fifo"), target_sqs_parameters={"message_group_id": "g"}, target_input="x")
    world.engine.run_until_idle()
    [message] = world.messages("groups.fifo")
    assert (message.body, dict(message.attributes)["MessageGroupId"]) == ("x", "g")


@pytest.mark.parametrize("shuffle", range(4))
def test_turns_of_one_group_keep_their_order(shuffle: int) -> None:
    """Other orders of what happens at one millisecond are explored, but never within a group."""
    world = World(shuffle_ties=shuffle)
    for number in range(8):
        group = {"message_group_id": "g"}
        queue = NAMES.queue("groups.fifo")
        world.create(NOW, queue, name=f"n{number}", target_sqs_parameters=group, target_input=str(number))
    world.engine.run_until_idle()
    sent = [row.details["payload"] for row in world.rows("MessageSent")]
    assert len(set(sent)) == 8
    assert sent == [row.details["payload"] for row in world.rows("ScheduleFired")]


def test_a_bus_gets_an_event_of_the_given_source_and_type() -> None:
    world = World()
    parameters = {"detail_type": "Rotation due", "source": "ops.keys"}
    world.create(NOW, BUS, target_event_bridge_parameters=parameters, target_input='{"key": "k1", "n": 1.50}')
    world.engine.run_until_idle()
    [(when, arn, text)] = world.buses.taken
    found = event(text)
    assert (when, arn) == (START, BUS)
    assert list(found) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    ]  # fmt: skip
    assert found | {"id": ""} == {
        "version": "0",
        "id": "",
        "detail-type": "Rotation due",
        "source": "ops.keys",
        "account": "123456789012",
        "time": "2026-01-15T12:34:56Z",
        "region": "us-east-1",
        "resources": [SCHEDULE],
        "detail": {"key": "k1", "n": 1.5},
    }
    assert EventBridgeModel.model_validate(found).detail_type == "Rotation due"


# --- universal targets --------------------------------------------------------------------------


def test_sqs_send_message() -> None:
    world = World()
    request = {
        "QueueUrl": URL,
        "MessageBody": "hello",
        "DelaySeconds": 30,
        "MessageAttributes": {"tenant": {"DataType": "String", "StringValue": "acme"}},
    }
    world.create(NOW, SEND, target_input=json.dumps(request))
    world.engine.run_until_idle()
    assert world.messages() == []
    world.advance(30_000)
    [message] = world.messages()
    assert (message.body, message.message_attributes) == ("hello", (("tenant", "String", "acme"),))


def test_sqs_send_message_to_a_fifo_queue() -> None:
    world = World()
    request = {
        "QueueUrl": NAMES.queue_url("groups.fifo"),
        "MessageBody": "hello",
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    }
    world.create(NOW, SEND, target_input=json.dumps(request))
    world.engine.run_until_idle()
    [message] = world.messages("groups.fifo")
    found = dict(message.attributes)
    assert (message.body, found["MessageGroupId"], found["MessageDeduplicationId"]) == ("hello", "g", "d")


def test_sns_publish() -> None:
    world = World()
    request = {
        "TopicArn": TOPIC,
        "Message": json.dumps({"default": "plain", "sqs": "for queues"}),
        "Subject": "News",
        "MessageStructure": "json",
    }
    world.create(NOW, universal("sns", "publish"), target_input=json.dumps(request))
    world.engine.run_until_idle()
    [published] = world.rows("MessagePublished")
    assert (published.details["subject"], published.details["message_structure"]) == ("News", "json")


@pytest.mark.parametrize("name", ["work", FUNCTION])
def test_lambda_invoke(name: str) -> None:
    world = World()
    request = {"FunctionName": name, "InvocationType": "Event", "Payload": '{"a":1}'}
    world.create(NOW, universal("lambda", "invoke"), target_input=json.dumps(request))
    world.engine.run_until_idle()
    assert world.functions.taken == [(START, FUNCTION, '{"a":1}')]


def test_eventbridge_put_events() -> None:
    world = World()
    entries = [
        {"Source": "ops", "DetailType": "One", "Detail": '{"n": 1}'},
        {
            "Source": "ops",
            "DetailType": "Two",
            "Detail": "{}",
            "EventBusName": "other",
            "Resources": ["arn:x"],
            "Time": "2022-01-01T00:00:00.5+01:00",
        },
    ]
    world.create(NOW, universal("eventbridge", "putEvents"), target_input=json.dumps({"Entries": entries}))
    world.engine.run_until_idle()
    found = [(arn, event(text)) for _, arn, text in world.buses.taken]
    assert [arn for arn, _ in found] == [BUS, NAMES.event_bus("other")]
    assert [each["detail"] for _, each in found] == [{"n": 1}, {}]
    assert [(each["time"], each["resources"]) for _, each in found] == [
        ("2026-01-15T12:34:56Z", []),
        ("2021-12-31T23:00:00Z", ["arn:x"]),
    ]
    assert found[0][1]["id"] != found[1][1]["id"]
    assert world.rows("ScheduleFired")[0].details["targets"] == 2


# --- context attributes -------------------------------------------------------------------------

CONTEXT = (
    "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.execution-id>"
    " <aws.scheduler.attempt-number> <aws.scheduler.unknown>"
)


def test_context_attributes_are_replaced_anywhere() -> None:
    world = World()
    world.create("cron(0 13 * * ? *)", target_input=CONTEXT, window=15)
    world.advance(HOUR)
    [body] = world.bodies()
    [fired] = world.rows("ScheduleFired")
    arn, time, execution, attempt, unknown = body.split()
    assert (arn, time, attempt, unknown) == (SCHEDULE, "2026-01-15T13:00:00Z", "1", "<aws.scheduler.unknown>")
    assert execution == fired.subject
    assert len(execution) == 16 and set(execution) <= set("0123456789abcdef")
    assert fired.at_ms % HOUR, "the time is the scheduled one and not the actual one"


@pytest.mark.parametrize("kind", ["queue", "function", "bus", "universal"])
def test_the_attempt_number_counts_from_one(kind: str) -> None:
    """Each attempt sends its own number, wherever it stands."""
    world = World()
    text = '{"attempt": "<aws.scheduler.attempt-number>", "note": "é"}'
    keys: dict[str, Any] = {"target_input": text}
    target = {"queue": JOBS, "function": FUNCTION, "bus": BUS, "universal": SEND}[kind]
    if kind == "bus":
        keys["target_event_bridge_parameters"] = {"detail_type": "x", "source": "y"}
    if kind == "universal":
        keys["target_input"] = json.dumps({"QueueUrl": URL, "MessageBody": text})
    arn = JOBS if kind == "universal" else target
    world.engine.faults.targets = (TargetFault(arn, "down", until_ms=START + 2_000),)
    world.create(NOW, target, **keys)
    world.engine.run_until_idle()
    tries = len(world.rows("DeliveryFailed"))
    assert tries == 2
    taken = world.functions.taken + world.buses.taken
    [arrived] = world.bodies() if not taken else [text for _, _, text in taken]
    found = event(arrived)
    assert (found["detail"] if kind == "bus" else found) == {"attempt": "3", "note": "é"}


def test_an_attempt_number_beside_the_text() -> None:
    world = World()
    request = {"TopicArn": TOPIC, "Message": "m", "Subject": "attempt <aws.scheduler.attempt-number>"}
    world.create(NOW, universal("sns", "publish"), target_input=json.dumps(request))
    world.engine.run_until_idle()
    assert [row.details["subject"] for row in world.rows("MessagePublished")] == ["attempt 1"]


def test_an_attempt_number_that_is_no_text() -> None:
    world = World()
    world.create(NOW, FUNCTION, target_input='{"attempt": <aws.scheduler.attempt-number>}')
    world.engine.run_until_idle()
    assert [text for _, _, text in world.functions.taken] == ['{"attempt": 1}']


# --- retries and dead letters -------------------------------------------------------------------


def test_the_default_retries_take_about_a_day() -> None:
    policy = parse_target({"arn": JOBS}).policy
    assert (policy.maximum_retries, policy.maximum_age_ms) == (185, 86_400_000)
    now_ms, attempts = 0, 1
    while isinstance(
        following := next_attempt(policy, attempts=attempts, first_ms=0, now_ms=now_ms, chance=0.5), RetryAt
    ):
        now_ms, attempts = following.at_ms, attempts + 1
    assert 20 * HOUR < now_ms <= 24 * HOUR


def test_a_retry_policy_of_its_own() -> None:
    row = {"arn": JOBS, "retry_policy": {"maximum_event_age_in_seconds": 60, "maximum_retry_attempts": 0}}
    assert parse_target(row).policy == RetryPolicy("scheduler", 0, 60_000, base_ms=1000, cap_ms=540_000, jitter=0.2)


def test_a_queue_that_is_gone_is_not_tried_again() -> None:
    world = World()
    world.ask(JOBS, RemoveResource())
    world.create(NOW, target_input="work", target_dead_letter_config={"arn": LETTERS})
    world.engine.run_until_idle()
    [fired] = world.rows("ScheduleFired")
    [letter] = world.messages("letters")
    assert letter.body == "work"
    assert {name: text for name, _, text in letter.message_attributes} == {
        "ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue",
        "ERROR_MESSAGE": "The specified queue does not exist.",
        "EXECUTION_ID": fired.subject,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULED_TIME": "2026-01-15T12:34:56Z",
        "SCHEDULE_ARN": SCHEDULE,
        "TARGET_ARN": JOBS,
    }
    assert {kind for _, kind, _ in letter.message_attributes} == {"String"}


def test_retries_that_are_used_up() -> None:
    world = World()
    world.engine.faults.targets = (TargetFault(JOBS, "down"),)
    retry = {"maximum_retry_attempts": 3}
    world.create(NOW, target_retry_policy=retry, target_dead_letter_config={"arn": LETTERS})
    world.engine.run_until_idle()
    found = world.attributes()
    assert (found["EXHAUSTED_RETRY_CONDITION"], found["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "3")
    assert 5_600 <= world.engine.now_ms - START <= 7_000  # 1 + 2 + 4 s, up to a fifth less


def test_an_event_that_gets_too_old() -> None:
    world = World()
    world.engine.faults.targets = (TargetFault(JOBS, "down"),)
    retry = {"maximum_event_age_in_seconds": 300}
    world.create(NOW, target_retry_policy=retry, target_dead_letter_config={"arn": LETTERS})
    world.engine.run_until_idle()
    assert world.attributes()["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"


def test_a_target_that_comes_back_in_time() -> None:
    world = World()
    world.engine.faults.targets = (TargetFault(JOBS, "down", until_ms=START + HOUR),)
    world.create(NOW, target_input="work", target_dead_letter_config={"arn": LETTERS})
    world.engine.run_until_idle()
    assert (world.bodies(), world.bodies("letters")) == (["work"], [])


def test_the_dead_letter_of_a_universal_target_is_its_request() -> None:
    world = World()
    world.engine.faults.targets = (TargetFault(JOBS, "down"),)
    request = json.dumps({"QueueUrl": URL, "MessageBody": "attempt <aws.scheduler.attempt-number>"})
    world.create(
        NOW,
        SEND,
        target_input=request,
        target_retry_policy={"maximum_retry_attempts": 2},
        target_dead_letter_config={"arn": LETTERS},
    )
    world.engine.run_until_idle()
    [letter] = world.messages("letters")
    assert json.loads(letter.body) == {"QueueUrl": URL, "MessageBody": "attempt 3"}
    assert {name: text for name, _, text in letter.message_attributes}["TARGET_ARN"] == SEND


def test_without_a_dead_letter_queue_it_is_dropped() -> None:
    world = World()
    world.ask(JOBS, RemoveResource())
    world.create(NOW)
    world.engine.run_until_idle()
    assert [row.details["rule"] for row in world.rows("DeliveryDropped")] == ["no dead-letter queue; not retryable"]


def test_a_bus_event_is_minified() -> None:
    text = bus_event(
        event_id="i",
        detail_type="t",
        source="s",
        account="1",
        time="2026-01-15T12:00:00Z",
        region="r",
        resources=(),
        detail={"a": [1, {"b": None}]},
    )
    assert text.endswith('"resources":[],"detail":{"a":[1,{"b":null}]}}')

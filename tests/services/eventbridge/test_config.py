"""Schedule triggers as a project writes them, and the rules that they become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import PutResource
from simtriggers.aws.schedules import parse_schedule
from simtriggers.kernel.effects import RetryPolicy, payload
from simtriggers.kernel.retries import RetryAt, next_attempt
from simtriggers.services.eventbridge.checks import check_rule
from simtriggers.services.eventbridge.config import (
    InputTransformer,
    RuleConfig,
    ScheduleTrigger,
    declared_rule,
    rule_name,
    rule_resource,
)
from simtriggers.services.eventbridge.config_buses import ApiDestinationConfig, destination_resource
from simtriggers.services.eventbridge.destinations import parse_destination
from simtriggers.services.eventbridge.settings import RuleSettings, RuleTarget, parse_rule

NAMES = Names()
LETTERS = NAMES.queue("letters")


def trigger(**keys: Any) -> ScheduleTrigger:
    return ScheduleTrigger.model_validate({"schedule": "rate(5 minutes)", **keys})


def test_a_trigger_becomes_a_rule() -> None:
    found = trigger(
        name="often",
        input={"job": "é"},
        enabled=False,
        retry_policy={"maximum_retry_attempts": 2, "maximum_event_age": "10m"},
        dead_letter_target="letters",
    )
    arn, command = rule_resource(NAMES, "nightly", 1, found)
    assert arn == "arn:aws:events:us-east-1:123456789012:rule/often"
    assert command == PutResource(
        "rule",
        "often",
        {
            "schedule_expression": "rate(5 minutes)",
            "state": "DISABLED",
            "rate_starts": "after_interval",
            "targets": [
                {
                    "id": "nightly",
                    "arn": "arn:aws:lambda:us-east-1:123456789012:function:nightly",
                    "input": '{"job":"é"}',
                    "retry_policy": {"maximum_retry_attempts": 2, "maximum_event_age_in_seconds": 600},
                    "dead_letter_arn": LETTERS,
                }
            ],
        },
    )
    assert check_rule(command) is None
    target = RuleTarget(
        id="nightly",
        arn=NAMES.function("nightly"),
        input=payload('{"job":"é"}'),
        policy=RetryPolicy("eventbridge", 2, 600_000, base_ms=1000, cap_ms=540_000, jitter=0.2),
        dead_letter=LETTERS,
    )
    stored = json.loads(json.dumps(command.config))
    assert parse_rule(stored) == RuleSettings(parse_schedule("rate(5 minutes)"), False, (target,), True)


def test_defaults_are_those_of_aws() -> None:
    _, command = rule_resource(NAMES, "nightly", 2, trigger())
    assert command.name == "nightly-schedule-2"
    settings = parse_rule(command.config)
    assert (settings.enabled, settings.takes_event) == (True, True)
    [target] = settings.targets
    assert (target.input, target.dead_letter) == (None, None)
    assert (target.policy.maximum_retries, target.policy.maximum_age_ms) == (185, 86_400_000)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_the_default_retries_take_about_a_day(chance: float) -> None:
    [target] = parse_rule(rule_resource(NAMES, "f", 1, trigger())[1].config).targets
    now_ms, attempts = 0, 1
    while isinstance(
        following := next_attempt(target.policy, attempts=attempts, first_ms=0, now_ms=now_ms, chance=chance),
        RetryAt,
    ):
        now_ms, attempts = following.at_ms, attempts + 1
    assert 20 * 3_600_000 < now_ms <= 24 * 3_600_000
    assert 155 <= attempts - 1 <= 185


@pytest.mark.parametrize(
    "given, text",
    [
        (None, None),
        ({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'),
        ([], "[]"),
        (5, "5"),
        ('{"a": 1}', '{"a": 1}'),
        ('"text"', '"text"'),
        ("null", "null"),
    ],
)
def test_inputs(given: object, text: str | None) -> None:
    assert trigger(input=given).input == text


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"schedule": "rate(1 minutes)"}, "not 'minutes' (column 8); write rate(1 minute)"),
        ({"schedule": 5}, "valid string"),
        ({"name": "my rule"}, "'my rule' is not a rule's name; write 1-64 of A-Z a-z 0-9 . - _"),
        ({"name": "a" * 65}, "is not a rule's name"),
        (
            {"input": "text"},
            "the input is not JSON: Expecting value: line 1 column 1 (char 0); write a string in",
        ),
        ({"input": "NaN"}, "JSON has no NaN"),
        ({"input": float("nan")}, "the input cannot be JSON"),
        ({"input": "[" * 5000 + "]" * 5000}, "the input has 10000 characters, more than 8192"),
        ({"retry_policy": {"maximum_retry_attempts": 186}}, "less than or equal to 185"),
        ({"retry_policy": {"maximum_retry_attempts": -1}}, "greater than or equal to 0"),
        ({"retry_policy": {"maximum_retry_attempts": True}}, "valid integer"),
        ({"retry_policy": {"maximum_event_age": "59s"}}, "greater than or equal to 60"),
        ({"retry_policy": {"maximum_event_age": "25h"}}, "less than or equal to 86400"),
        ({"enabled": "maybe"}, "valid boolean"),
        ({"timezone": "Europe/Berlin"}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        trigger(**keys)
    [error] = caught.value.errors()
    assert message in error["msg"]
    assert error["loc"][-1] == next(iter(keys.get("retry_policy", keys)))


def test_what_scheduler_has_is_named_and_not_only_unknown() -> None:
    assert "EventBridge Scheduler" in ScheduleTrigger.NOT_YET["timezone"]


def test_long_function_names() -> None:
    longest = "f" * 64
    names = {
        rule_name(longest, 1, trigger()),
        rule_name(longest, 12, trigger()),
        rule_name("f" * 63, 1, trigger()),
    }
    assert len(names) == 3
    assert all(len(name) <= 64 for name in names)
    assert rule_name("f" * 53, 1, trigger()) == "f" * 53 + "-schedule-1"
    assert rule_name(longest, 1, trigger(name="mine")) == "mine"


# --- rules, buses, destinations -----------------------------------------------------------------


def test_a_rule_of_a_bus_becomes_a_resource() -> None:
    rule = RuleConfig.model_validate(
        {
            "event_bus_name": "shop",
            "event_pattern": {"source": ["a"]},
            "description": "d",
            "targets": [
                {"queue": "q.fifo", "sqs_parameters": {"message_group_id": "g"}, "dead_letter_target": "letters"},
                {"id": "two", "arn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "input_path": "$.detail"},
            ],
        }
    )
    retries = {"maximum_retry_attempts": 185, "maximum_event_age_in_seconds": 86_400}
    assert declared_rule(NAMES, "r", rule) == (
        "arn:aws:events:us-east-1:123456789012:rule/shop/r",
        PutResource(
            "rule",
            "r",
            {
                "state": "ENABLED",
                "rate_starts": "after_interval",
                "targets": [
                    {
                        "id": "target-1",
                        "arn": NAMES.queue("q.fifo"),
                        "input": None,
                        "retry_policy": retries,
                        "dead_letter_arn": LETTERS,
                        "sqs_parameters": {"message_group_id": "g"},
                    },
                    {
                        "id": "two",
                        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
                        "input": None,
                        "retry_policy": retries,
                        "dead_letter_arn": None,
                        "input_path": "$.detail",
                    },
                ],
                "event_pattern": '{"source":["a"]}',
                "description": "d",
            },
        ),
    )


def test_an_api_destination_sends_300_requests_a_second() -> None:
    found = ApiDestinationConfig.model_validate({"connection": "c", "invocation_endpoint": "https://x.example"})
    arn, command = destination_resource(NAMES, "d", found)
    assert parse_destination(command.config).rate == 300
    assert arn == NAMES.api_destination("d") != NAMES.api_destination("e")
    assert arn.startswith("arn:aws:events:us-east-1:123456789012:api-destination/d/")


@pytest.mark.parametrize(
    "template, text",
    [
        ({"a": "<a>", "b": ["<a>", "x <a>"], "c": 1}, '{"a":<a>,"b":[<a>,"x <a>"],"c":1}'),
        ('{"a": "<a>"}', '{"a": "<a>"}'),
        ('"text <a>"', '"text <a>"'),
    ],
)
def test_a_template_as_yaml(template: object, text: str) -> None:
    found = InputTransformer.model_validate({"input_paths_map": {"a": "$.id"}, "input_template": template})
    assert found.input_template == text

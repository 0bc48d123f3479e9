"""Schedules, triggers and groups as a project writes them, and what they become."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import PutResource
from simtriggers.services.scheduler.checks import check_schedule
from simtriggers.services.scheduler.config import (
    ScheduleConfig,
    ScheduleGroupConfig,
    ScheduleV2Trigger,
    group_resource,
    schedule_name,
    schedule_resource,
    trigger_resource,
)
from simtriggers.services.scheduler.settings import parse_settings

NAMES = Names()


def schedule(**keys: Any) -> ScheduleConfig:
    return ScheduleConfig.model_validate(
        {"schedule_expression": "rate(5 minutes)", "target": {"queue": "jobs"}, **keys}
    )


def trigger(**keys: Any) -> ScheduleV2Trigger:
    return ScheduleV2Trigger.model_validate({"schedule_v2": "rate(5 minutes)", **keys})


def test_a_schedule_becomes_a_resource() -> None:
    found = schedule(
        schedule_expression="cron(0 2 * * ? *)",
        schedule_expression_timezone="Europe/Berlin",
        flexible_time_window={"maximum_window": "15m"},
        start_date="2026-02-01T00:00:00+01:00",
        end_date="2026-03-01T00:00:00Z",
        state="DISABLED",
        group_name="night",
        action_after_completion="DELETE",
        description="clean up",
        kms_key_arn="k",
        target={
            "queue": "jobs.fifo",
            "input": {"job": "é"},
            "retry_policy": {"maximum_retry_attempts": 2, "maximum_event_age": "10m"},
            "dead_letter_target": "letters",
            "role_arn": "arn:aws:iam::123456789012:role/r",
            "sqs_parameters": {"message_group_id": "g"},
        },
    )
    arn, command = schedule_resource(NAMES, "rotate", found)
    assert arn == "arn:aws:scheduler:us-east-1:123456789012:schedule/night/rotate"
    assert command == PutResource(
        "schedule",
        "rotate",
        {
            "schedule_expression": "cron(0 2 * * ? *)",
            "schedule_expression_timezone": "Europe/Berlin",
            "start_date": "2026-01-31T23:00:00Z",
            "end_date": "2026-03-01T00:00:00Z",
            "state": "DISABLED",
            "action_after_completion": "DELETE",
            "description": "clean up",
            "kms_key_arn": "k",
            "flexible_time_window": {"mode": "FLEXIBLE", "maximum_window_in_minutes": 15},
            "target": {
                "arn": NAMES.queue("jobs.fifo"),
                "role_arn": "arn:aws:iam::123456789012:role/r",
                "input": '{"job":"é"}',
                "retry_policy": {"maximum_event_age_in_seconds": 600, "maximum_retry_attempts": 2},
                "dead_letter_config": {"arn": NAMES.queue("letters")},
                "sqs_parameters": {"message_group_id": "g"},
            },
        },
    )
    assert check_schedule(arn, command.config, now_ms=0, declared=True) is None
    settings = parse_settings(command.config)
    assert (settings.window_ms, settings.deletes, settings.enabled) == (900_000, True, False)


def test_defaults_are_those_of_aws() -> None:
    _, command = schedule_resource(NAMES, "rotate", schedule())
    assert command.config == {
        "schedule_expression": "rate(5 minutes)",
        "schedule_expression_timezone": "UTC",
        "state": "ENABLED",
        "action_after_completion": "NONE",
        "flexible_time_window": {"mode": "OFF"},
        "target": {
            "arn": NAMES.queue("jobs"),
            "role_arn": "arn:aws:iam::123456789012:role/simtriggers",
            "retry_policy": {"maximum_event_age_in_seconds": 86_400, "maximum_retry_attempts": 185},
        },
    }


@pytest.mark.parametrize(
    ("target", "arn"),
    [
        ({"function": "f"}, NAMES.function("f")),
        ({"queue": "q"}, NAMES.queue("q")),
        ({"topic": "t"}, NAMES.topic("t")),
        (
            {"event_bus": "default", "event_bridge_parameters": {"detail_type": "x", "source": "y"}},
            NAMES.event_bus("default"),
        ),
        ({"arn": "arn:aws:sqs:eu-west-1:123456789012:q"}, "arn:aws:sqs:eu-west-1:123456789012:q"),
    ],
)
def test_targets(target: dict[str, Any], arn: str) -> None:
    _, command = schedule_resource(NAMES, "rotate", schedule(target=target))
    assert command.config["target"]["arn"] == arn
    assert check_schedule(NAMES.schedule("rotate"), command.config, now_ms=0, declared=True) is None


@pytest.mark.parametrize(
    ("given", "text"),
    [(None, None), ({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'), (5, "5"), ("plain", "plain")],
)
def test_inputs(given: object, text: str | None) -> None:
    assert schedule(target={"queue": "jobs", "input": given}).target.input == text
    assert trigger(input=given).input == text


@pytest.mark.parametrize(
    ("given", "minutes"), [({}, None), ({"mode": "OFF"}, None), ({"mode": "FLEXIBLE", "maximum_window": "1d"}, 1440)]
)
def test_windows(given: dict[str, str], minutes: int | None) -> None:
    stored = schedule(flexible_time_window=given).flexible_time_window.stored()
    assert stored.get("maximum_window_in_minutes") == minutes


def test_a_date_that_yaml_has_read() -> None:
    assert schedule(start_date=datetime(2026, 2, 1, 12, tzinfo=UTC)).start_date == "2026-02-01T12:00:00Z"
    assert schedule(start_date=datetime(2026, 2, 1, 12)).start_date == "2026-02-01T12:00:00Z"


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ({"schedule_expression": "rate(10)"}, "schedule_expression", "Invalid Schedule Expression rate(10)."),
        (
            {"schedule_expression_timezone": "CEST"},
            "schedule_expression_timezone",
            "no time zone 'CEST'; write an IANA",
        ),
        ({"start_date": "2026-02-01"}, "start_date", "'2026-02-01' is not a time with a zone; write 2026-01-15T12"),
        ({"end_date": 5}, "end_date", "valid string"),
        (
            {"start_date": "2026-02-02T00:00:00Z", "end_date": "2026-02-01T23:00:00-01:00"},
            "end_date",
            "is not after the start_date, 2026-02-02T00:00:00Z; write a later time",
        ),
        ({"group_name": "my group"}, "group_name", "is no name of EventBridge Scheduler"),
        ({"flexible_time_window": {"maximum_window": "90s"}}, "flexible_time_window", "whole number of minutes"),
        ({"flexible_time_window": {"mode": "FLEXIBLE"}}, "flexible_time_window", "needs a maximum_window; write"),
        ({"flexible_time_window": {"mode": "OFF", "maximum_window": "5m"}}, "flexible_time_window", "remove one"),
        ({"flexible_time_window": {"maximum_window": "25h"}}, "maximum_window", "less than or equal to 86400000"),
        ({"target": {}}, "target", "exactly one of function, queue, topic, event_bus, arn"),
        ({"target": {"queue": "a", "topic": "b"}}, "target", "exactly one of"),
        ({"target": {"queue": "a.fifo"}}, "target", "a FIFO queue needs a group; write sqs_parameters"),
        ({"target": {"event_bus": "default"}}, "target", "write event_bridge_parameters"),
        ({"target": {"queue": "a", "input": float("nan")}}, "input", "the input cannot be JSON"),
        ({"target": {"queue": "a", "retry_policy": {"maximum_retry_attempts": 186}}}, "maximum_retry_attempts", "185"),
        ({"target": {"queue": "a", "retry_policy": {"maximum_event_age": "59s"}}}, "maximum_event_age", "equal to 60"),
        ({"rate_starts": "at_once"}, "rate_starts", "Extra inputs are not permitted"),
    ],
)
def test_mistakes(keys: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        schedule(**keys)
    [error] = caught.value.errors()
    assert message in error["msg"]
    assert error["loc"][-1] == place


# --- triggers and groups ------------------------------------------------------------------------


def test_a_trigger_becomes_a_schedule_for_its_function() -> None:
    found = trigger(
        name="nightly", group_name="night", input='{"a": 1}', dead_letter_target="letters", state="DISABLED"
    )
    arn, command = trigger_resource(NAMES, "work", 1, found)
    assert (arn, command.name) == (NAMES.schedule("nightly", "night"), "nightly")
    assert command.config["target"] == {
        "arn": NAMES.function("work"),
        "role_arn": "arn:aws:iam::123456789012:role/simtriggers",
        "retry_policy": {"maximum_event_age_in_seconds": 86_400, "maximum_retry_attempts": 185},
        "input": '{"a": 1}',
        "dead_letter_config": {"arn": NAMES.queue("letters")},
    }
    assert (command.config["schedule_expression"], command.config["state"]) == ("rate(5 minutes)", "DISABLED")


def test_a_trigger_has_time_zones_and_at() -> None:
    assert trigger(schedule_v2="at(2026-02-01T00:00:00)").schedule_v2 == "at(2026-02-01T00:00:00)"
    with pytest.raises(ValidationError, match="Invalid Schedule Expression"):
        trigger(schedule_v2="rate(5 weeks)", schedule_expression_timezone="Europe/Berlin")


def test_names_of_triggers() -> None:
    longest = "f" * 64
    assert schedule_name("work", 2, trigger()) == "work-schedule-2"
    assert schedule_name(longest, 1, trigger(name="mine")) == "mine"
    found = {schedule_name(longest, 1, trigger()), schedule_name("f" * 63, 1, trigger())}
    assert len(found) == 2
    assert all(len(name) <= 64 for name in found)


def test_a_group_becomes_a_resource() -> None:
    config = ScheduleGroupConfig.model_validate({"tags": {"team": "ops"}})
    assert group_resource(NAMES, "night", config) == (
        "arn:aws:scheduler:us-east-1:123456789012:schedule-group/night",
        PutResource("schedule_group", "night", {"tags": {"team": "ops"}}),
    )
    with pytest.raises(ValidationError, match="at most 50"):
        ScheduleGroupConfig.model_validate({"tags": {str(number): "" for number in range(51)}})

"""Attributes of dead-lettered deliveries, from fixtures/cases/eventbridge/dead_letters.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.aws.dead_letters import dead_letter_attributes

FILE = Path(__file__).parents[2] / "fixtures" / "cases" / "eventbridge" / "dead_letters.yaml"
ROWS = YAML(typ="safe").load(FILE)
RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"
TARGET = "arn:aws:lambda:us-east-1:123456789012:function:nightly"


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_eventbridge(row: dict[str, Any]) -> None:
    context = (("source", RULE), ("rule_arn", RULE), ("target_arn", TARGET))
    found = dead_letter_attributes("eventbridge", context=context, target_arn=TARGET, **row["given"])
    expected = {"RULE_ARN": RULE, "TARGET_ARN": TARGET, **row["expect"]}
    assert found == tuple((f"message_attribute:{name}", f"String:{text}") for name, text in expected.items())


def test_other_policies_have_none() -> None:
    given = {"error_code": "Boom", "error_message": "", "condition": None, "retries": 0}
    assert dead_letter_attributes("s3", context=(), target_arn=TARGET, **given) == ()


SCHEDULE = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/rotate"
OF_SCHEDULE = (
    ("schedule_arn", SCHEDULE),
    ("target_arn", TARGET),
    ("scheduled_time", "2026-01-15T12:34:00Z"),
    ("execution_id", "d32c5dddcf5bb8c3"),
)


def of_scheduler(**given: Any) -> dict[str, str]:
    found = dead_letter_attributes("scheduler", context=OF_SCHEDULE, target_arn="arn:of-the-delivery", **given)
    assert all(name.startswith("message_attribute:") and text.startswith("String:") for name, text in found)
    return {name.removeprefix("message_attribute:"): text.removeprefix("String:") for name, text in found}


def test_a_call_of_scheduler() -> None:
    given = {"error_code": "Boom", "error_message": "a: b", "condition": "MaximumRetryAttempts", "retries": 3}
    assert of_scheduler(**given) == {
        "ERROR_CODE": "Boom",
        "ERROR_MESSAGE": "a: b",
        "EXECUTION_ID": "d32c5dddcf5bb8c3",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "3",
        "SCHEDULED_TIME": "2026-01-15T12:34:00Z",
        "SCHEDULE_ARN": SCHEDULE,
        "TARGET_ARN": TARGET,
    }


def test_a_failure_of_scheduler_itself() -> None:
    found = of_scheduler(error_code="InternalFailure", error_message="x", condition=None, retries=0)
    assert (found["ERROR_CODE"], found["ERROR_MESSAGE"]) == (
        "AWS.Scheduler.InternalServerError",
        "Unexpected error occurred while processing the request",
    )
    assert "EXHAUSTED_RETRY_CONDITION" not in found

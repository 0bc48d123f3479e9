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

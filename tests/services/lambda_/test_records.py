"""Documents that Lambda writes, against recorded ones: same members, same order, same types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simtriggers.kernel.clock import parse_iso
from simtriggers.services.lambda_ import concurrency, records

FIXTURES = Path(__file__).parents[3] / "fixtures/lambda"


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    assert found["source"] and found["date"]
    return found


def compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("name", ["on_failure_record", "on_success_record", "zero_reserved_record"])
def test_destination_record(name: str) -> None:
    found = fixture(name)
    given = found["given"]
    made = records.destination_record(
        now_ms=parse_iso(given["at"]),
        request_id=given["request_id"],
        function_arn=given["function_arn"],
        condition=given["condition"],
        invoke_count=given["invoke_count"],
        request=json.dumps(given["request"]),
        response=None if given["response"] is None else json.dumps(given["response"]),
    )
    assert made == compact(found["document"])


def test_dead_letter_message() -> None:
    found = fixture("dead_letter_message")
    given = found["given"]
    _, message = records.error_of(json.dumps(given["error"]))
    context = records.dead_letter_context(
        given["function_arn"], given["request_id"], code=given["code"], message=message
    )
    attributes = {
        name.removeprefix("message_attribute:"): {
            "StringValue": text.partition(":")[2],
            "DataType": text.partition(":")[0],
        }
        for name, text in context
        if name.startswith("message_attribute:")
    }
    assert attributes == found["document"]["MessageAttributes"]
    assert list(attributes) == list(found["document"]["MessageAttributes"])


def test_an_error_message_is_made_to_fit_and_left_out_when_empty() -> None:
    def message(text: str) -> str | None:
        context = records.dead_letter_context("arn", "id", code=200, message=text)
        return dict(context).get("message_attribute:ErrorMessage")

    assert message("é" * 600) == "String:" + "é" * 512
    assert message("\x1b[31mred\x1b[0m\nline\ufffe") == "String:?[31mred?[0m\nline?", "a queue refuses these"
    assert message("") is None


def test_timeout_document() -> None:
    found = fixture("timeout")
    assert records.timeout_document(**found["given"]) == compact(found["document"])


def test_throttle() -> None:
    found = fixture("throttle")
    refused = concurrency.throttled(concurrency.RESERVED_FULL)
    body = {**dict(refused.fields), "message": refused.message}
    assert (refused.status, compact(body)) == (found["given"]["status"], compact(found["document"]))


@pytest.mark.parametrize("depth", [900, 980, 1000, 5000])
def test_a_payload_nested_too_deeply_to_be_read_becomes_a_text(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    made = records.destination_record(
        now_ms=0, request_id="r", function_arn="f", condition="Success", invoke_count=1, request=nested, response=nested
    )
    assert f'"responsePayload":"{nested}"' in made or f'"responsePayload":{nested}' in made
    assert (f'"requestPayload":"{nested}"' in made) is (f'"responsePayload":"{nested}"' in made)
    assert records.error_of(nested) == ("", "")


def test_a_payload_that_is_no_json_becomes_a_text() -> None:
    made = records.destination_record(
        now_ms=0, request_id="r", function_arn="f", condition="Success", invoke_count=1, request="oops", response="1"
    )
    assert json.loads(made)["requestPayload"] == "oops"

"""The asynchronous queue: retries, ages, throttles, destinations, dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.contracts import RemoveResource, Run
from simtriggers.kernel.effects import Refused
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS

CASES = Path(__file__).parents[3] / "fixtures/cases/lambda_"
SCHEDULE = YAML(typ="safe").load(CASES / "async_schedule.yaml")["cases"]


@pytest.mark.parametrize("case", SCHEDULE, ids=lambda case: case["name"])
def test_schedule(case: dict[str, Any]) -> None:
    world = World()
    ended = world.queue("ended")
    busy_ms = case.get("busy_ms")
    function = world.function(
        "work",
        *(["ok"] if busy_ms else []),
        *case["outcomes"],
        event_invoke_config={
            **case.get("config", {}),
            "on_success": {"queue": "ended"},
            "on_failure": {"queue": "ended"},
        },
        **({"reserved_concurrent_executions": case["reserved"]} if "reserved" in case else {}),
    )
    if busy_ms:
        world.runtime.lasts_ms["work"] = [busy_ms]
        world.engine.submit(function, Run(world.text("{}")))
        world.engine.run_until(START_MS)
    world.deliver(function, '{"orderId": "o-1042"}')
    world.engine.run_until(START_MS + 400_000)
    (end,) = world.rows("DestinationSent")
    (message,) = world.receive(ended)
    record = json.loads(message.body)
    found = {
        "starts_ms": world.starts_ms("work")[1 if busy_ms else 0 :],
        "ends": {
            "condition": record["requestContext"]["condition"],
            "count": record["requestContext"]["approximateInvokeCount"],
            "at_ms": end.at_ms - START_MS,
        },
    }
    assert found == {"starts_ms": case["starts_ms"], "ends": case["ends"]}
    assert record["requestPayload"] == {"orderId": "o-1042"}
    ran = bool(case["ends"]["count"])
    assert ("responsePayload" in record, "responseContext" in record) == (ran, ran)
    assert len({begun.request_id for _, begun in world.runtime.started[1 if busy_ms else 0 :]}) <= 1
    assert world.count("lambda_invocations") == 0


def test_both_dead_letter_queue_and_on_failure_get_the_event() -> None:
    world = World()
    letters, failed = world.queue("letters"), world.queue("failed")
    function = world.function(
        "work",
        "fail",
        event_invoke_config={"on_failure": {"queue": "failed"}, "maximum_retry_attempts": 0},
        dead_letter_config={"target": "letters"},
    )
    world.deliver(function, '{"orderId": "o-1042"}')
    world.engine.run_until_idle()
    request_id = world.runtime.started[0][1].request_id
    (letter,) = world.receive(letters)
    assert letter.body == '{"orderId": "o-1042"}'
    assert set(letter.message_attributes) == {
        ("RequestID", "String", request_id),
        ("ErrorCode", "Number", "200"),
        ("ErrorMessage", "String", "card declined"),
    }
    (record,) = world.receive(failed)
    assert json.loads(record.body)["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{function}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert [row.kind for row in world.rows() if row.subject == request_id] == [
        "AsyncEventAccepted",
        "InvocationStarted",
        "InvocationFailed",
        "DestinationSent",
        "DeadLetterSent",
    ]


def test_the_record_in_a_queue_has_the_trace_header_of_its_invocation() -> None:
    world = World()
    ended, letters = world.queue("ended"), world.queue("letters")
    function = world.function(
        "work",
        "fail",
        event_invoke_config={"on_failure": {"queue": "ended"}},
        dead_letter_config={"target": "letters"},
    )
    world.deliver(function, "{}")
    world.engine.run_until_idle()
    headers = {dict(begun.environment)["_X_AMZN_TRACE_ID"] for _, begun in world.runtime.started}
    (record,) = world.receive(ended)
    # Three attempts of one event, and one trace of it.
    assert (len(world.runtime.started), headers) == (3, {dict(record.attributes)["AWSTraceHeader"]})
    (letter,) = world.receive(letters)
    assert "AWSTraceHeader" not in dict(letter.attributes)


def test_a_function_as_destination_gets_the_record_as_its_event() -> None:
    world = World()
    world.function("next")
    function = world.function("work", event_invoke_config={"on_success": {"function": "next"}})
    world.deliver(function, "{}")
    world.engine.run_until_idle()
    (record,) = world.events("next")
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"ok": True}


def test_an_event_with_nowhere_to_go_is_dropped_by_a_rule_that_is_named() -> None:
    world = World()
    function = world.function("work", "fail", event_invoke_config={"maximum_retry_attempts": 0})
    world.deliver(function, "{}")
    world.engine.run_until_idle()
    (row,) = world.rows("AsyncEventDropped")
    assert row.details["condition"] == "RetriesExhausted"
    assert row.details["rule"] == "no on-failure destination and no dead-letter queue is configured"
    (failed,) = world.rows("InvocationFailed")
    assert row.cause == failed.id


def test_each_row_names_what_led_to_it() -> None:
    world = World()
    function = world.function("work", "fail", "ok")
    world.deliver(function, "{}")
    world.engine.run_until_idle()
    rows = world.rows()
    chain = [row.kind for row in rows]
    assert chain == [
        "AsyncEventAccepted",
        "InvocationStarted",
        "InvocationFailed",
        "RetryScheduled",
        "InvocationStarted",
        "InvocationSucceeded",
    ]
    assert [row.cause for row in rows[1:]] == [row.id for row in rows[:-1]]
    assert rows[3].details["due_ms"] == START_MS + 60_001


def test_invoke_as_event_answers_with_the_request_id_at_once() -> None:
    world = World()
    function = world.function("work")
    request_id = world.engine.ask(function, Run(world.text("{}"), "Event"))
    assert world.engine.now_ms == START_MS
    assert request_id == world.runtime.started[0][1].request_id


def test_an_event_of_more_than_a_megabyte_is_refused() -> None:
    world = World()
    function = world.function("work")
    body = '"' + "x" * (1024 * 1024) + '"'
    assert world.engine.ask(function, Run(world.text(body), "Event")) == Refused(
        "RequestTooLargeException",
        "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        status=413,
    )
    world.deliver(function, body)
    world.engine.run_until_idle()
    assert [row.kind for row in world.rows()] == ["DeliveryFailed", "DeliveryDropped"]


def test_removing_a_function_drops_what_it_had_queued() -> None:
    world = World()
    function = world.function("work", "fail")
    world.deliver(function, "{}")
    world.engine.run_until(START_MS + 1000)
    world.engine.ask(function, RemoveResource())
    assert world.rows()[-1].kind == "AsyncEventDropped"
    assert world.rows()[-1].details["rule"] == "the function was removed"
    assert world.engine.agenda.entries() == []
    assert (world.count("lambda_invocations"), world.count("lambda_environments")) == (0, 0)


_script = st.lists(st.sampled_from(["ok", "fail", "timeout", "exit"]), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(
    scripts=st.lists(_script, min_size=1, max_size=4),
    retries=st.integers(0, 2),
    age_s=st.sampled_from([60, 90, 21_600]),
    on_failure=st.booleans(),
    letters=st.booleans(),
    on_success=st.booleans(),
    restart_s=st.sampled_from([None, 0, 60, 90]),
    shuffle=st.sampled_from([None, 1, 2]),
)
def test_every_event_ends_exactly_once(
    scripts: list[list[str]],
    retries: int,
    age_s: int,
    on_failure: bool,
    letters: bool,
    on_success: bool,
    restart_s: int | None,
    shuffle: int | None,
) -> None:
    world = World(shuffle_ties=shuffle)
    for name in ("failed", "letters", "succeeded"):
        world.queue(name)
    invoke: dict[str, Any] = {"maximum_retry_attempts": retries, "maximum_event_age": age_s}
    if on_failure:
        invoke["on_failure"] = {"queue": "failed"}
    if on_success:
        invoke["on_success"] = {"queue": "succeeded"}
    function = world.function(
        "work",
        *(item for script in scripts for item in script),
        event_invoke_config=invoke,
        dead_letter_config={"target": "letters"} if letters else None,
        reserved_concurrent_executions=2,
        duration="3s",
        timeout="5s",
    )
    for number in range(len(scripts)):
        world.deliver(function, json.dumps({"n": number}))
    if restart_s is not None:
        world.engine.run_until(START_MS + 1000 * restart_s + 1000)
        world.engine.restart(NAMES.service)
    world.engine.run_until_idle()
    rows = world.rows()
    accepted = [row.subject for row in rows if row.kind == "AsyncEventAccepted"]
    assert len(accepted) == len(scripts)
    for request_id in accepted:
        of_event = [row for row in rows if row.subject == request_id]
        kinds = [row.kind for row in of_event]
        succeeded = kinds.count("InvocationSucceeded")
        conditions = [row.details["condition"] for row in of_event if row.kind == "DestinationSent"]
        assert succeeded <= 1
        assert kinds.count("InvocationFailed") + succeeded <= 1 + retries
        if succeeded:
            assert conditions == (["Success"] if on_success else [])
            assert "DeadLetterSent" not in kinds and "AsyncEventDropped" not in kinds
        else:
            assert len(conditions) == int(on_failure)
            assert kinds.count("DeadLetterSent") == int(letters)
            assert kinds.count("AsyncEventDropped") == int(not on_failure and not letters)
    assert world.count("lambda_invocations") == 0

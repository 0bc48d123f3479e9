"""Synchronous invocations, environments, concurrency, restarts, stubs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from simtriggers.aws.contracts import Ran, RemoveResource, Run
from simtriggers.kernel.effects import Refused, payload
from simtriggers.services.lambda_ import limits, transitions
from simtriggers.services.lambda_.service import SERVICE
from simtriggers.services.logs.commands import GetLogEvents
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS, Rows

FIFO = NAMES.queue("jobs.fifo")


def invoke(world: World, function: str, body: str = "{}", **more: Any) -> Any:
    return world.engine.ask(function, Run(world.text(body), **more))


def test_the_answer_of_a_synchronous_invocation() -> None:
    world = World()
    function = world.function("work", duration="50ms")
    world.runtime.logs = ("hello",)
    ran = invoke(world, function, '{"n":1}')
    begun = world.runtime.started[0][1]
    report = "Duration: 50.00 ms\tBilled Duration: 50 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"
    tail = (
        f"START RequestId: {begun.request_id} Version: $LATEST\nhello\nEND RequestId: {begun.request_id}\n"
        f"REPORT RequestId: {begun.request_id}\t{report}\n"
    )
    done = world.rows("InvocationSucceeded")[0]
    assert ran == Ran(begun.request_id, payload('{"ok":true}').digest, None, "$LATEST", tail, done.id)
    assert done.details == {
        "function": "work",
        "attempt": 1,
        "duration_ms": 50.0,
        "billed_ms": 50,
        "memory_mb": 128,
        "max_memory_mb": 40,
        "response_payload": payload('{"ok":true}').digest,
    }
    started, lines = world.rows("InvocationStarted", "LogLines")
    assert (lines.cause, done.cause, lines.details["lines"]) == (started.id, started.id, ["hello"])


def test_what_a_runtime_is_given() -> None:
    world = World()
    function = world.function("work", timeout="10s", init_duration="200ms", environment={"STAGE": "dev", "TZ": "UTC"})
    invoke(world, function, '{"n":1}')
    begun = world.runtime.started[0][1]
    stream = begun.log_stream_name
    assert re.fullmatch(r"2026/01/15/\[\$LATEST\][0-9a-f]{32}", stream)
    assert (begun.event, begun.cold, begun.attempt, begun.memory_mb) == ('{"n":1}', True, 1, 128)
    assert begun.deadline_ms == START_MS + 200 + 10_000
    assert (begun.invoked_function_arn, begun.log_group_name) == (function, "/aws/lambda/work")
    variables = dict(begun.environment)
    assert variables["STAGE"] == "dev"
    assert variables["TZ"] == "UTC"
    assert variables["AWS_LAMBDA_LOG_STREAM_NAME"] == stream
    assert variables["AWS_ACCESS_KEY_ID"] == "ASIASIMTRIGGERSFAKE0"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", variables["_X_AMZN_TRACE_ID"])
    assert set(variables) >= limits.RESERVED_VARIABLES - {"AWS_ACCESS_KEY"}


@pytest.mark.parametrize(
    "run, error",
    [
        ({"body": "{oops"}, ("InvalidRequestContentException", 400, "Could not parse request body into json")),
        (
            {"body": '"' + "x" * limits.SYNC_PAYLOAD_BYTES + '"'},
            (
                "RequestTooLargeException",
                413,
                "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)",
            ),
        ),
        (
            {"client_context": "x" * 3584},
            ("InvalidRequestContentException", 400, "Client context must be no more than 3583 bytes."),
        ),
    ],
    ids=["not JSON", "too large", "context too large"],
)
def test_requests_that_are_refused(run: dict[str, Any], error: tuple[str, int, str]) -> None:
    world = World()
    refused = invoke(world, world.function("work"), **run)
    assert (refused.code, refused.status, refused.retryable) == (*error[:2], False)
    assert refused.message.startswith(error[2])
    assert world.count("lambda_invocations") == 0


def test_an_unknown_function() -> None:
    world = World()
    arn = NAMES.function("nobody")
    expected = Refused("ResourceNotFoundException", f"Function not found: {arn}:$LATEST", status=404)
    assert invoke(world, arn) == expected
    world.deliver(arn, "{}")
    world.engine.run_until_idle()
    assert [row.kind for row in world.rows()] == ["DeliveryFailed", "DeliveryDropped"]


# --- environments -------------------------------------------------------------------------------


def environments(world: World) -> list[tuple[str, bool]]:
    """Environments in order of use, numbered A, B, …, with whether they were cold."""
    names: dict[str, str] = {}
    found = []
    for _, begun in world.runtime.started:
        name = names.setdefault(begun.environment_id, chr(ord("A") + len(names)))
        found.append((name, begun.cold))
    return found


def test_a_warm_environment_is_used_again() -> None:
    world = World()
    function = world.function("work", init_duration="100ms")
    for _ in range(3):
        invoke(world, function)
    assert environments(world) == [("A", True), ("A", False), ("A", False)]
    assert [begun.init_duration_ms for _, begun in world.runtime.started] == [100, 0, 0]


def test_one_invocation_at_a_time_in_an_environment_and_the_last_used_first() -> None:
    world = World()
    function = world.function("work")
    world.runtime.lasts_ms["work"] = [10, 20]
    world.deliver(function, "{}")
    world.deliver(function, "{}")
    world.engine.run_until_idle()
    invoke(world, function)
    assert environments(world) == [("A", True), ("B", True), ("B", False)]


@pytest.mark.parametrize(
    "outcome, expected",
    [
        ("fail", [("A", True), ("A", False)]),
        ("timeout", [("A", True), ("A", True)]),
        ("exit", [("A", True), ("A", True)]),
    ],
)
def test_a_timeout_or_an_exit_resets_the_environment(outcome: str, expected: list[tuple[str, bool]]) -> None:
    world = World()
    function = world.function("work", outcome)
    for _ in range(2):
        assert invoke(world, function).function_error == "Unhandled"
    assert environments(world) == expected


def test_new_settings_mean_new_environments_and_the_same_settings_do_not() -> None:
    world = World()
    function = world.function("work")
    invoke(world, function)
    assert world.put(world.function_resource("work")) == 1
    invoke(world, function)
    assert world.put(world.function_resource("work", environment={"NEW": "yes"})) == 2
    invoke(world, function)
    assert environments(world) == [("A", True), ("A", False), ("B", True)]
    assert world.count("lambda_environments") == 1


def test_an_environment_is_given_up_after_ten_idle_minutes() -> None:
    world = World()
    function = world.function("work")
    invoke(world, function)
    world.engine.advance(limits.IDLE_ENVIRONMENT_MS)
    invoke(world, function)
    world.engine.advance(limits.IDLE_ENVIRONMENT_MS + 1)
    invoke(world, function)
    assert environments(world) == [("A", True), ("A", False), ("B", True)]
    assert world.count("lambda_environments") == 1


# --- concurrency --------------------------------------------------------------------------------


def submit(world: World, function: str, times: int) -> None:
    digest = world.text("{}")
    for _ in range(times):
        world.engine.submit(function, Run(digest))
    world.engine.run_until(world.engine.now_ms)


def test_reserved_concurrency_is_a_cap() -> None:
    world = World()
    function = world.function("work", reserved_concurrent_executions=2, duration="1s")
    submit(world, function, 3)
    assert len(world.runtime.started) == 2
    refused = invoke(world, function)
    assert (refused.code, refused.status, refused.retryable) == ("TooManyRequestsException", 429, True)
    assert dict(refused.fields) == {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}


def test_reserved_concurrency_is_a_guarantee() -> None:
    world = World()
    guarded = world.function("guarded", reserved_concurrent_executions=900, duration="1s")
    other = world.function("other", duration="1s")
    world.engine.checkers.clear()
    submit(world, other, 101)
    assert len(world.starts_ms("other")) == 100
    assert dict(invoke(world, other).fields)["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert invoke(world, guarded).function_error is None
    world.engine.run_until_idle()
    assert invoke(world, other).function_error is None


def test_a_hundred_must_stay_unreserved() -> None:
    world = World()
    world.function("a", reserved_concurrent_executions=500)
    message = (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below"
        " its minimum value of [100]."
    )
    refused = Refused("InvalidParameterValueException", message)
    assert world.put(world.function_resource("b", reserved_concurrent_executions=401)) == refused
    assert world.put(world.function_resource("b", reserved_concurrent_executions=400)) == 1
    world.engine.ask(NAMES.function("a"), RemoveResource())
    assert world.put(world.function_resource("b", reserved_concurrent_executions=900)) == 2


# --- what does not go as planned ------------------------------------------------------------------


def test_results_of_ended_or_unknown_invocations_change_nothing() -> None:
    world = World()
    function = world.function("work", duration="1s")
    world.engine.submit(function, Run(world.text("{}")))
    world.engine.run_until(START_MS + 10)
    begun = world.runtime.started[0][1]
    for attempt, incarnation in ((2, begun.incarnation), (1, begun.incarnation + 1)):
        other = replace(begun, attempt=attempt, incarnation=incarnation)
        world.engine.submit(function, world.runtime.ended(other, "ok", "1"))
    world.engine.run_until_idle()
    world.engine.submit(function, world.runtime.ended(begun, "ok", "1"))
    world.engine.run_until_idle()
    assert [row.kind for row in world.rows()] == [
        "InvocationStarted",
        "StaleResult",
        "StaleResult",
        "InvocationSucceeded",
        "StaleResult",
    ]


def test_a_restart_runs_events_again_without_using_up_a_retry() -> None:
    world = World()
    function = world.function("work", "fail", duration="10s", timeout="20s")
    world.deliver(function, "{}")
    world.engine.run_until(START_MS + 4000)
    world.engine.restart(NAMES.service)
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 4000, 74_000, 204_000]
    assert [begun.attempt for _, begun in world.runtime.started] == [1, 2, 3, 4]
    assert len({begun.request_id for _, begun in world.runtime.started}) == 1
    assert world.rows("AsyncEventDropped")[0].details["condition"] == "RetriesExhausted"


def test_a_restart_keeps_the_times_of_retries() -> None:
    world = World()
    function = world.function("work", "fail", "ok")
    world.deliver(function, "{}")
    world.engine.run_until(START_MS + 30_000)
    world.engine.restart(NAMES.service)
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 60_001]
    assert world.runtime.started[1][1].cold


def test_the_outcomes_of_a_stub_follow_each_other_and_the_last_repeats() -> None:
    world = World()
    function = world.function(
        "work", stub=[{"returns": {"n": 1}}, {"raises": {"type": "E", "message": "m"}}, {"exits": 3}]
    )
    for _ in range(4):
        invoke(world, function)
    assert [begun.stub for _, begun in world.runtime.started] == [
        ("returns", '{"n": 1}'),
        ("raises", "E", "m"),
        ("exits", "3"),
        ("exits", "3"),
    ]
    assert world.runtime.started[0][1].code.runtime == "stub"


def test_the_log_of_an_invocation() -> None:
    world = World()
    function = world.function("work", "fail", init_duration="100ms")
    world.runtime.logs = ("one\n", "two")
    request_id = invoke(world, function).request_id
    invoke(world, function)
    group = NAMES.log_group("/aws/lambda/work")
    lines = world.engine.ask(group, GetLogEvents(request_id=request_id))
    assert [line.message.split()[0] for line in lines] == ["INIT_START", "START", "one", "two", "END", "REPORT"]
    assert [line.at_ms - START_MS for line in lines] == [0, 0, 1, 1, 1, 1]
    assert {line.stream for line in lines} == {world.runtime.started[0][1].log_stream_name}
    assert len(world.engine.ask(group, GetLogEvents())) == 11


@pytest.mark.parametrize(
    "change, message",
    [
        ({"timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than"),
        (
            {"memory_size": 64},
            "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater",
        ),
        ({"environment": {"AWS_REGION": "x"}}, "Lambda was unable to configure your environment variables"),
        ({"environment": {"BIG": "x" * 4096}}, "Lambda was unable to configure your environment variables"),
        ({"on_success": FIFO}, f"The destination ARN {FIFO} is invalid."),
        ({"on_failure": FIFO}, f"The destination ARN {FIFO} is invalid."),
        ({"dead_letter": FIFO}, f"Invalid dead letter ARN: {FIFO} is a FIFO queue."),
    ],
    ids=["timeout", "memory", "reserved variable", "large environment", "on success", "on failure", "dead letter"],
)
def test_settings_that_an_sdk_could_send_are_checked_again(change: dict[str, Any], message: str) -> None:
    rows = Rows(SERVICE)
    arn, command = World.function_resource("work")
    made = type(command)(command.kind, command.name, {**command.config, **change})
    refused = rows.step(arn, made).reply
    assert isinstance(refused, Refused)
    assert message in refused.message
    assert rows.table("resources") == []


def test_a_refused_transition_says_what_was_tried_on_what() -> None:
    with pytest.raises(AssertionError, match="invocation 1 is queued and cannot succeed; history: none"):
        transitions.move(transitions.QUEUED, "succeed", entity="invocation 1", history="none")


def test_every_state_of_the_table_can_be_reached_and_left_or_is_an_end() -> None:
    before = {state for state, _ in transitions.TABLE}
    after = set(transitions.TABLE.values())
    assert before - after == {transitions.ACCEPTED}
    assert after - before == {
        transitions.SUCCEEDED,
        transitions.FAILED,
        transitions.INTERRUPTED,
        transitions.REFUSED,
        transitions.DROPPED,
    }

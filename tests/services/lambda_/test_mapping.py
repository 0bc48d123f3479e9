"""Event source mappings over real queues: batches, windows, failures, throttles, restarts, switching off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.contracts import Ran, RemoveResource, Run
from simtriggers.engine.faults import FaultPlan, TargetFault
from simtriggers.kernel.effects import Refused
from simtriggers.services.lambda_.config import SqsTrigger
from simtriggers.services.lambda_.settings import mapping_resource
from simtriggers.services.sqs.config import QueueConfig, queue_resource
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS

CASES = Path(__file__).parents[3] / "fixtures/cases/lambda_"
ERRORS = YAML(typ="safe").load(CASES / "mapping_errors.yaml")["cases"]


def bodies(event: Any) -> list[str]:
    return [record["body"] for record in event["Records"]]


def run_to(world: World, ms: int) -> None:
    world.engine.run_until(START_MS + ms)


def depth(world: World, queue: str) -> int:
    return int(
        world.engine.connection.execute("SELECT count(*) FROM sqs_messages WHERE queue = ?", (queue,)).fetchone()[0]
    )


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["name"])
def test_what_aws_refuses(case: dict[str, Any]) -> None:
    world = World()
    world.queue("jobs", visibility_timeout=case.get("visibility_s", 60))
    world.function("work", timeout=case.get("timeout_s", 3))
    arn, command = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))
    if "twin" in case:
        twin = {**command.config, "uuid": case["twin"], "arn": NAMES.event_source_mapping(case["twin"])}
        assert world.put((twin["arn"], replace(command, config=twin))) == 1
    reply = world.put((arn, replace(command, config={**command.config, **case.get("mapping", {})})))
    if case["error"] is None:
        assert reply == 1
    else:
        code, status, message = case["error"]
        assert reply == Refused(code, message, status=status)


def test_the_visibility_timeout_is_checked_when_a_mapping_is_updated_too() -> None:
    world = World()
    world.queue("jobs", visibility_timeout=60)
    world.function("work", timeout=30)
    arn, command = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))
    assert world.put((arn, command)) == 1
    assert world.put(queue_resource(NAMES, "jobs", QueueConfig(visibility_timeout=29))) == 2
    assert world.put((arn, command)) == 1, "nothing is updated"
    refused = world.put((arn, replace(command, config={**command.config, "batch_size": 5})))
    text = "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds"
    assert refused == Refused("InvalidParameterValueException", text)
    world.put(queue_resource(NAMES, "jobs", QueueConfig(visibility_timeout=30)))
    assert world.put((arn, replace(command, config={**command.config, "batch_size": 5}))) == 2


def test_a_batch_is_handled_and_deleted() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work", duration="50ms")
    mapping = world.mapping("work", "jobs")
    world.send(queue, *"abc")
    world.engine.run_until_idle()
    (event,) = world.events("work")
    assert bodies(event) == ["a", "b", "c"]
    assert "md5OfMessageAttributes" not in event["Records"][0]
    assert depth(world, queue) == 0
    (started,) = world.rows("BatchStarted")
    received = [row.id for row in world.rows("MessageReceived")]
    assert started.details["causes"] == received
    assert started.details["records"] == [record["messageId"] for record in event["Records"]]
    invoked, done = world.rows("InvocationStarted", "BatchSucceeded")
    assert (invoked.cause, done.subject) == (started.id, f"batch-{started.id}")
    assert len(world.rows("MessageDeleted")) == 3
    assert world.engine.agenda.foreground == 0
    assert mapping == done.arn


def test_five_batches_run_at_first_and_one_more_every_200_ms_of_backlog() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work", duration="1s")
    world.mapping("work", "jobs", batch_size=1)
    world.send(queue, *map(str, range(12)))
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0] * 5 + [200, 400, 600, 800] + [1000] * 3
    assert depth(world, queue) == 0


def test_maximum_concurrency_caps_the_batches_in_flight() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work", duration="1s")
    world.mapping("work", "jobs", batch_size=1, maximum_concurrency=2)
    world.send(queue, *map(str, range(4)))
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 0, 1000, 1000]


def test_a_failed_batch_comes_back_after_the_visibility_timeout_until_redrive() -> None:
    world = World()
    dead = world.queue("dead")
    queue = world.queue(
        "jobs", visibility_timeout="30s", redrive_policy={"dead_letter_target": "dead", "max_receive_count": 2}
    )
    world.function("work", "fail")
    world.mapping("work", "jobs")
    message_id = world.send_one(queue, "poison")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 30_000]
    assert [message.body for message in world.receive(dead)] == ["poison"]
    failed = world.rows("RecordFailed")
    assert [(row.subject, row.details["reason"]) for row in failed] == [(message_id, "the function failed")] * 2
    by_id = {row.id: row for row in world.rows()}
    batch = by_id[failed[0].cause]
    assert (batch.kind, by_id[batch.cause].kind) == ("BatchFailed", "InvocationFailed")


def test_a_function_that_is_down_lets_a_batch_go_until_its_visibility_timeout() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    function = world.function("work")
    world.mapping("work", "jobs")
    world.engine.faults = FaultPlan(targets=(TargetFault(function, "down", until_ms=START_MS + 20_000),))
    world.send(queue, "a")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [30_000]
    (released,) = world.rows("BatchReleased")
    assert released.details["reason"] == "ServiceUnavailable: The target is down (a declared fault)."
    # What a client asks of it is not a delivery.
    assert isinstance(world.engine.ask(function, Run(world.text("{}"))), Ran)


def test_partial_failure_settles_the_others() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work")
    world.mapping("work", "jobs", function_response_types=["ReportBatchItemFailures"])
    good, bad = world.send_one(queue, "good"), world.send_one(queue, "bad")
    world.runtime.scripts["work"] = [
        ("ok", json.dumps({"batchItemFailures": [{"itemIdentifier": bad}]})),
        ("ok", "null"),
    ]
    world.engine.run_until_idle()
    assert [bodies(event) for event in world.events("work")] == [["good", "bad"], ["bad"]]
    assert world.starts_ms("work") == [0, 30_000]
    (partial,) = world.rows("BatchPartiallyFailed")
    assert partial.details == {
        "request_id": world.runtime.started[0][1].request_id,
        "records": 2,
        "failed": [bad],
        "succeeded": [good],
        "reason": "reported in batchItemFailures",
    }
    assert depth(world, queue) == 0


def test_without_the_flag_the_response_is_ignored() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs")
    message_id = world.send_one(queue, "x")
    world.runtime.scripts["work"] = [("ok", json.dumps({"batchItemFailures": [{"itemIdentifier": message_id}]}))]
    world.engine.run_until_idle()
    assert depth(world, queue) == 0


# --- windows ------------------------------------------------------------------------------------


def test_a_window_collects_until_it_is_over() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs", batch_size=100, maximum_batching_window="5s")
    run_to(world, 1000)
    world.send(queue, "a")
    run_to(world, 3000)
    world.send(queue, "b", "c")
    run_to(world, 5999)
    assert world.starts_ms("work") == []
    assert world.count("lambda_collected") == 3
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [6000]
    (event,) = world.events("work")
    assert bodies(event) == ["a", "b", "c"]
    assert event["Records"][0]["md5OfMessageAttributes"] is None
    assert (world.count("lambda_collected"), depth(world, queue)) == (0, 0)
    again_ms = world.engine.now_ms - START_MS
    world.send(queue, "d")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [6000, again_ms + 5000]


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs", batch_size=3, maximum_batching_window="5s")
    world.send(queue, "a", "b", "c", "d")
    run_to(world, 100)
    assert [bodies(event) for event in world.events("work")] == [["a", "b", "c"]]
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 5000]
    assert depth(world, queue) == 0


def test_a_window_longer_than_the_visibility_timeout_hides_records_for_longer() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work", "fail", "ok", timeout="10s")
    world.mapping("work", "jobs", batch_size=100, maximum_batching_window="25s")
    world.send(queue, "a")
    world.engine.run_until_idle()
    # Received at 0, hidden for 25 + 10 + 30 s; failed at 25.001 s, so back at 65 s, in a window of its own.
    assert world.starts_ms("work") == [25_000, 90_000]


def test_records_of_more_than_six_megabytes_become_two_batches() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs", batch_size=10, maximum_batching_window="5s")
    for number in range(8):
        world.send_one(queue, f"{number}" + "x" * 1_000_000)
    run_to(world, 4000)
    assert [len(event["Records"]) for event in world.events("work")] == [6]
    world.engine.run_until_idle()
    assert [len(event["Records"]) for event in world.events("work")] == [6, 2]
    assert depth(world, queue) == 0


# --- throttles, restarts, switching off -----------------------------------------------------------


def test_a_throttled_batch_is_tried_again_until_its_visibility_timeout() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    function = world.function("work", reserved_concurrent_executions=1)
    world.mapping("work", "jobs")
    world.runtime.lasts_ms["work"] = [40_000]
    world.engine.submit(function, Run(world.text("{}")))
    run_to(world, 0)
    world.send(queue, "a")
    run_to(world, 29_000)
    waits = [row.details["retry_at_ms"] - START_MS for row in world.rows("BatchThrottled")]
    assert waits == [1000, 3000, 7000, 15_000]
    (released,) = world.rows("BatchReleased")
    assert released.at_ms - START_MS == 15_000
    world.engine.run_until_idle()
    # Visible again at 30 s, with its count raised; throttled at 30, 31, 33 and 37 s; free from 40 s on.
    assert world.starts_ms("work") == [0, 45_000]
    (_, event) = world.events("work")
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_a_restart_brings_interrupted_records_back_by_their_visibility_timeout() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work", duration="10s", timeout="20s")
    world.mapping("work", "jobs")
    world.send(queue, "a")
    run_to(world, 5000)
    world.engine.restart(NAMES.service)
    run_to(world, 5000)
    assert [row.kind for row in world.rows()][-3:] == ["InvocationInterrupted", "BatchReleased", "RecordFailed"]
    assert world.count("lambda_batches") == 0
    world.send(queue, "b")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0, 5000, 30_000]
    assert depth(world, queue) == 0


def test_the_same_settings_at_a_restart_do_not_poll_twice() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    made = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))
    assert [world.put(made), world.put(made)] == [1, 1]
    world.engine.restart(NAMES.service)
    assert world.put(made) == 1
    assert list(world.engine.agenda.parked().values()) == [1]
    world.send(queue, "a")
    world.engine.run_until_idle()
    assert len(world.events("work")) == 1


def test_a_disabled_mapping_takes_nothing_and_goes_on_when_enabled() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work")
    off = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", enabled=False))
    assert world.put(off) == 1
    world.send(queue, "a")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == []
    assert world.rows("MappingDisabled")
    assert world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))) == 2
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0]
    assert world.put(off) == 3
    world.send(queue, "b")
    world.engine.run_until_idle()
    assert world.starts_ms("work") == [0]
    assert depth(world, queue) == 1


def test_a_removed_mapping_polls_no_more_and_can_come_back() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work")
    mapping = world.mapping("work", "jobs", batch_size=100, maximum_batching_window="5s")
    world.send(queue, "a")
    run_to(world, 1000)
    world.engine.ask(mapping, RemoveResource())
    world.engine.run_until_idle()
    assert (world.starts_ms("work"), world.count("lambda_collected")) == ([], 0)
    world.mapping("work", "jobs")
    world.engine.run_until_idle()
    assert len(world.events("work")) == 1
    assert depth(world, queue) == 0


def test_a_poll_that_a_disabled_mapping_left_behind_takes_no_message() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work")
    world.function("other")
    mapping = world.mapping("work", "jobs")
    run_to(world, 10)
    assert world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", enabled=False))) == 2
    message_id = world.send_one(queue, "a")
    world.engine.run_until_idle()
    assert world.rows("MessageReceived", "RecordsReleased") == []
    assert [message.message_id for message in world.receive(queue)] == [message_id]
    world.engine.advance(30_000)
    assert world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))) == 3
    world.engine.run_until_idle()
    world.engine.ask(mapping, RemoveResource())
    world.mapping("other", "jobs")
    world.send(queue, "b")
    world.engine.run_until_idle()
    # The removed mapping waited first; the one behind it gets what it was woken for.
    assert [[bodies(event) for event in world.events(name)] for name in ("work", "other")] == [[["a"]], [["b"]]]
    assert depth(world, queue) == 0


def test_a_queue_that_is_gone_is_asked_again_after_a_minute() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work")
    world.mapping("work", "jobs", batch_size=1)
    world.send(queue, "a")
    world.engine.run_until_idle()
    gone_ms = world.engine.now_ms
    world.engine.ask(queue, RemoveResource())
    world.engine.advance(30_000)
    (refused,) = world.rows("PollRefused")
    assert refused.details["retry_at_ms"] == gone_ms + 60_000
    world.queue("jobs")
    world.engine.advance(120_000)
    world.send(queue, "b")
    world.engine.run_until_idle()
    assert [bodies(event) for event in world.events("work")] == [["a"], ["b"]]


def test_a_function_that_is_gone_lets_its_records_go() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    function = world.function("work")
    world.mapping("work", "jobs")
    world.engine.ask(function, RemoveResource())
    world.send(queue, "a")
    world.engine.advance(1000)
    (released,) = world.rows("BatchReleased")
    assert released.details["reason"] == f"ResourceNotFoundException: Function not found: {function}:$LATEST"
    assert depth(world, queue) == 1


# --- properties -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    sends=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 12)), min_size=1, max_size=5),
    script=st.lists(st.sampled_from(["ok", "fail", "timeout", "exit"]), min_size=1, max_size=6),
    batch_size=st.integers(1, 10),
    window_s=st.sampled_from([0, 1, 7]),
    concurrency=st.sampled_from([None, 2]),
    reserved=st.sampled_from([None, 1, 3]),
    restart_s=st.sampled_from([None, 3, 11]),
    shuffle=st.sampled_from([None, 1, 2]),
)
def test_every_message_is_handled_in_the_end(
    sends: list[tuple[int, int]],
    script: list[str],
    batch_size: int,
    window_s: int,
    concurrency: int | None,
    reserved: int | None,
    restart_s: int | None,
    shuffle: int | None,
) -> None:
    world = World(shuffle_ties=shuffle)
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work", *script, "ok", duration="2s", timeout="5s", reserved_concurrent_executions=reserved)
    world.mapping(
        "work", "jobs", batch_size=batch_size, maximum_batching_window=window_s, maximum_concurrency=concurrency
    )
    acts = sorted([(at, 0, count) for at, count in sends] + ([(restart_s, 1, 0)] if restart_s is not None else []))
    sent = 0
    for at, is_restart, count in acts:
        run_to(world, 1000 * at)
        if is_restart:
            world.engine.restart(NAMES.service)
        else:
            world.send(queue, *(str(sent + number) for number in range(count)))
            sent += count
    idle = world.engine.run_until_idle()
    assert idle.reason == "idle"
    handled = {body for event in world.events("work") for body in bodies(event)}
    assert handled == {str(number) for number in range(sent)}
    assert depth(world, queue) == 0
    assert (world.count("lambda_batches"), world.count("lambda_collected")) == (0, 0)
    assert list(world.engine.agenda.parked().values()) == [1]

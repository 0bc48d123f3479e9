"""The Python API: queues, buckets, functions and time, from outside and from handlers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import Poll
from simtriggers.errors import AwsFault, Deadlock, SimtriggersError, UserError
from simtriggers.services.sqs.commands import SendEntry
from simtriggers.simulation import AsyncSimulation, Simulation, current
from tests.simulated import QUEUE, START_S, kinds, world

# --- queues -------------------------------------------------------------------------------------


def test_a_queue_in_virtual_time() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        sent = queue.send("hello", message_attributes={"tenant": {"DataType": "String", "StringValue": "acme"}})
        (message,) = queue.receive()
        assert (message.message_id, message.body) == (sent.message_id, "hello")
        assert message.message_attributes == (("tenant", "String", "acme"),)
        assert dict(message.attributes)["ApproximateReceiveCount"] == "1"
        assert queue.receive() == [], "it is hidden"
        sim.advance("29s")
        assert queue.receive() == []
        sim.advance(1)
        (again,) = queue.receive()
        assert (again.body, dict(again.attributes)["ApproximateReceiveCount"]) == ("hello", "2")
        queue.change_visibility(again, 0)
        (third,) = queue.receive(visibility_timeout=5)
        queue.delete(third)
        assert queue.messages() == []
        assert sim.elapsed_ms == 30_000


def test_a_long_poll_takes_virtual_time_until_something_is_there() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        assert queue.receive(wait_time_seconds=20) == []
        assert sim.elapsed_ms == 20_000
        queue.send("later", delay_seconds=7)
        assert [message.body for message in queue.receive(wait_time_seconds=20)] == ["later"]
        assert sim.now == "2026-01-15T12:00:27.000Z"


def test_batches_and_purge() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        done = queue.send_batch([SendEntry("a", "1"), SendEntry("b", "2"), SendEntry("c", "3", delay_seconds=901)])
        assert ([each.id for each in done.successful], [each.id for each in done.failed]) == (["a", "b"], ["c"])
        assert len(queue.receive(10)) == 2
        queue.send({"json": True})  # type: ignore[arg-type]
        assert queue.messages()[-1].body == '{"json":true}'
        counts = queue.attributes()
        assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("1", "2")
        queue.purge()
        sim.run_until_idle()
        assert queue.messages() == []


FIFO = """
queues:
  orders.fifo:
    fifo_queue: true
    visibility_timeout: 10s
    redrive_policy: {dead_letter_target: dlq.fifo, max_receive_count: 1}
  dlq.fifo: {fifo_queue: true}
"""


def test_a_fifo_queue() -> None:
    with world(FIFO) as sim:
        queue = sim.queue("orders.fifo")
        first = queue.send("a", message_group_id="g", message_deduplication_id="d")
        assert queue.send("a", message_group_id="g", message_deduplication_id="d") == first
        with pytest.raises(AwsFault, match="MessageGroupId"):
            queue.send("a")
        (one,) = queue.receive(receive_request_attempt_id="x")
        (again,) = queue.receive(receive_request_attempt_id="x")
        assert (one, queue.receive()) == (again, [])
        sim.advance("10s")
        with pytest.raises(AwsFault, match="expired"):
            queue.delete(one)


def test_dead_letters_are_moved_back_by_a_task() -> None:
    with world(FIFO) as sim:
        queue, letters = sim.queue("orders.fifo"), sim.queue("dlq.fifo")
        for n in range(3):
            queue.send(n, message_group_id="g", message_deduplication_id=f"d{n}")
        queue.receive(10)
        sim.advance("10s")
        queue.receive(10)
        handle = letters.start_message_move_task(max_number_of_messages_per_second=1)
        sim.advance("1s")
        (task,) = letters.list_message_move_tasks()
        assert (task.status, task.task_handle, task.approximate_number_of_messages_moved) == ("RUNNING", handle, 1)
        sim.restart()
        sim.advance("1s")
        assert letters.cancel_message_move_task(handle) == 2
        sim.advance("1s")
        assert [message.body for message in queue.messages()] == ["0", "1"]
        letters.start_message_move_task("orders.fifo")
        sim.run_until_idle()
        assert [message.body for message in queue.messages()] == ["0", "1", "2"]
        assert [task.status for task in letters.list_message_move_tasks(10)] == ["COMPLETED", "CANCELLED"]


def test_attributes_and_tags_of_a_queue_can_be_set() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        queue.set_attributes({"DelaySeconds": "7"})
        assert queue.attributes()["DelaySeconds"] == "7"
        queue.tag({"team": "a", "cost": "b"})
        queue.untag(["cost"])
        assert queue.tags() == {"team": "a"}
        assert queue.url() == "https://sqs.us-east-1.amazonaws.com/123456789012/work"


def test_message_attributes_are_short_or_as_boto3_has_them() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        queue.send("x", message_attributes={"text": "a", "number": 1.5, "raw": b"\x00"})
        queue.send(
            "x",
            message_attributes={
                "text": {"DataType": "String", "StringValue": "a"},
                "number": {"DataType": "Number", "StringValue": "1.5"},
                "raw": {"DataType": "Binary", "BinaryValue": "AA=="},
            },
        )
        short, long = queue.receive(10)
        assert short.message_attributes == long.message_attributes
        assert short.md5_of_message_attributes == long.md5_of_message_attributes
        assert {name: value for name, _, value in short.message_attributes}["raw"] == "AA=="
        with pytest.raises(UserError, match="the message attribute flag is True"):
            queue.send("x", message_attributes={"flag": True})


def test_what_aws_refuses_is_an_aws_fault() -> None:
    with world(QUEUE) as sim:
        queue = sim.queue("work")
        for call, code in [
            (lambda: queue.send(""), "MissingParameter"),
            (lambda: queue.receive(11), "InvalidParameterValue"),
            (lambda: queue.send("x", delay_seconds=901), "InvalidParameterValue"),
            (lambda: queue.delete("not-a-handle"), "ReceiptHandleIsInvalid"),
            (lambda: queue.send("x", message_attributes={"a": {"DataType": "Odd", "StringValue": "1"}}), ""),
        ]:
            with pytest.raises(AwsFault) as caught:
                call()
            assert code in caught.value.code
            assert caught.value.message
            assert caught.value.status == 400


@pytest.mark.parametrize(
    "given, field",
    [({"DataType": "String", "BinaryValue": b"1"}, "String"), ({"DataType": "Binary", "StringValue": "1"}, "Binary")],
)
def test_the_value_of_an_attribute_stands_in_its_field(given: dict[str, Any], field: str) -> None:
    with world(QUEUE) as sim:
        with pytest.raises(AwsFault) as caught:
            sim.queue("work").send("x", message_attributes={"a": given})
        text = f"The message attribute 'a' with type '{field}' must use field '{field}'."
        assert (caught.value.code, caught.value.message) == ("InvalidParameterValue", text)
        assert sim.queue("work").messages() == []


def test_an_unknown_name_says_which_there_are() -> None:
    with world() as sim:
        for call, text in [
            (lambda: sim.queue("wrok"), "the project has no queue 'wrok'\n  queues: work, results, ring"),
            (lambda: sim.bucket("no"), "the project has no bucket 'no'\n  buckets: store"),
            (lambda: sim.invoke("ecko"), "the project has no function 'ecko'"),
        ]:
            with pytest.raises(UserError) as caught:
                call()
            assert str(caught.value).startswith(text)


# --- buckets ------------------------------------------------------------------------------------


def test_a_bucket() -> None:
    with world() as sim:
        bucket = sim.bucket("store")
        put = bucket.put("a/x.txt", "text", content_type="text/plain")
        bucket.put("a/y.bin", b"\x00\xff")
        bucket.put("b", "")
        bucket.put("json", {"a": ["ä", None]})
        assert bucket.get("json") == '{"a":["ä",null]}'.encode()
        bucket.delete("json")
        assert [info.key for info in bucket.list()] == ["a/x.txt", "a/y.bin", "b"]
        assert [info.key for info in bucket.list("a/")] == ["a/x.txt", "a/y.bin"]
        assert (bucket.get("a/x.txt"), bucket.get("a/y.bin"), bucket.get("b")) == (b"text", b"\x00\xff", b"")
        assert bucket.head("a/x.txt").size == 4
        assert bucket.head("a/x.txt").etag.strip('"') == put.etag.strip('"')
        bucket.delete("a/x.txt")
        bucket.delete("never there")
        assert [info.key for info in bucket.list()] == ["a/y.bin", "b"]
        with pytest.raises(AwsFault) as caught:
            bucket.get("a/x.txt")
        assert (caught.value.code, caught.value.status) == ("NoSuchKey", 404)


# --- functions ----------------------------------------------------------------------------------


def test_invocations() -> None:
    with world() as sim:
        answer = sim.invoke("echo", {"a": [1, "ä"]})
        assert (answer.status_code, answer.function_error) == (200, None)
        assert answer.payload == {"event": {"a": [1, "ä"]}, "request_id": answer.request_id}
        assert sim.invoke("echo").payload["event"] == {}
        assert "END RequestId" in answer.log_tail
        queued = sim.invoke("echo", 7, invocation_type="Event")
        assert (queued.status_code, queued.payload) == (202, None)
        sim.run_until_idle()
        assert [row.subject for row in kinds(sim, "InvocationSucceeded")][-1] == queued.request_id


@pytest.mark.parametrize("wrong", [b"x", {1, 2}, float("nan"), {"a": float("inf")}])
def test_what_json_does_not_have_is_refused(wrong: Any) -> None:
    with world() as sim:
        for call in (sim.queue("work").send, lambda event: sim.invoke("echo", event)):
            with pytest.raises(UserError, match=r"this cannot be JSON: .*\n  fix: give a value that JSON has"):
                call(wrong)
        assert [row for row in sim.trace if row.kind in ("MessageSent", "InvocationStarted")] == []


def test_other_invocation_types_are_named() -> None:
    with world() as sim, pytest.raises(UserError, match="there is no invocation type 'DryRun' here"):
        sim.invoke("echo", invocation_type="DryRun")


def test_a_throttled_invocation_is_lambdas_error() -> None:
    with world() as sim:
        with pytest.raises(AwsFault) as caught:
            sim.invoke("closed", {})
        error = caught.value
        assert (error.code, error.status, error.message) == ("TooManyRequestsException", 429, "Rate Exceeded.")
        assert error.fields["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_a_nested_invocation_takes_its_time_and_its_error_comes_back() -> None:
    with world() as sim:
        answer = sim.invoke("chain", {"depth": 2})
        inner = answer.payload["inner"]
        assert inner["error"] == "Unhandled"
        assert inner["inner"]["errorMessage"] == "the bottom"
        # two levels sleep a second each, and each of the three takes the modelled millisecond
        assert sim.elapsed_ms == 2003
        started = kinds(sim, "InvocationStarted")
        assert [row.at_ms - sim.start_ms for row in started] == [0, 1000, 2000]
        assert [row.cause for row in started[1:]] == [row.id for row in started[:-1]], "each by the one before"


def test_calls_of_a_handler_have_its_time_and_its_cause() -> None:
    with world() as sim:
        answer = sim.invoke("works", {})
        start = START_S
        assert answer.payload == {"body": "from the handler", "at": start + 5.0, "after": start + 25.0, "read": "hello"}
        (started,) = kinds(sim, "InvocationStarted")
        (sent,) = kinds(sim, "MessageSent")
        (put,) = kinds(sim, "ObjectCreated")
        assert (sent.at_ms - sim.start_ms, sent.cause) == (0, started.id)
        assert (put.at_ms - sim.start_ms, put.cause) == (25_000, started.id)


def test_overlapping_handlers_interleave() -> None:
    with world() as sim:
        for seconds in (300, 2, 100):
            sim.invoke("sleeper", {"seconds": seconds, "name": f"{seconds} s"}, invocation_type="Event")
        idle = sim.run_until_idle()
        assert idle.reason == "idle"
        assert [message.body for message in sim.queue("results").messages()] == ["2 s", "100 s", "300 s"]
        sent = kinds(sim, "MessageSent")
        assert [row.at_ms - sim.start_ms for row in sent] == [2000, 100_000, 300_000]
        lines = [line for row in kinds(sim, "LogLines") for line in row.details["lines"]]
        assert lines == ["slept 2 s", "slept 100 s", "slept 300 s"]
        assert len({row.details["environment"] for row in kinds(sim, "InvocationStarted")}) == 3


def test_a_function_that_feeds_its_own_queue_ends_at_the_limit_or_the_horizon() -> None:
    text = QUEUE.replace("work", "ring") + (
        "functions: {loop: {handler: app.loop, timeout: 5s, duration: 2s,"
        " triggers: [{sqs: ring, maximum_concurrency: 5}]}}\n"
    )
    with world(text) as sim:
        sim.queue("ring").send("1")
        idle = sim.run_until_idle("2m")
        assert idle.reason == "horizon"
        assert any("function:loop" in text or "queue" in text or "ring" in text for text in idle.pending)
        assert 118_000 <= sim.elapsed_ms <= 120_000
        # at most five batches at once, of two seconds each
        assert 60 <= len(kinds(sim, "InvocationStarted")) <= 305
        assert sim.engine.run_until_idle(max_steps=50, horizon_ms=86_400_000).reason == "limit"


def test_a_batching_window_collects() -> None:
    text = QUEUE + (
        "functions: {count: {handler: app.count,"
        " triggers: [{sqs: work, batch_size: 100, maximum_batching_window: 10s}]}}\n"
    )
    with world(text) as sim:
        for number in range(4):
            sim.queue("work").send(str(number))
            sim.advance("2s")
        sim.run_until_idle()
        (batch,) = kinds(sim, "BatchStarted")
        assert (batch.at_ms - sim.start_ms, len(batch.details["records"])) == (10_000, 4)


# --- time ---------------------------------------------------------------------------------------


def test_why_a_run_stops() -> None:
    hourly = '{schedule: "rate(1 hour)", rate_starts: at_once}'
    text = QUEUE + "functions: {echo: {handler: app.echo, triggers: [" + hourly + "]}}\n"
    with world(text) as sim:
        idle = sim.run_until_idle()
        assert idle.reason == "idle"
        assert len(kinds(sim, "ScheduleFired")) == 1
        sim.advance("5h")
        assert len(kinds(sim, "ScheduleFired")) == 6
        sim.queue("work").send("x", delay_seconds=900)
        assert sim.run_until_idle("10m").reason in ("idle", "horizon")


@pytest.mark.parametrize("wrong", ["soon", "-1s", -1, float("nan"), "", True])
def test_a_duration_that_is_none_is_refused(wrong: Any) -> None:
    with world(QUEUE) as sim, pytest.raises(UserError, match=r"is not a duration\n  fix: write 250ms, 30s"):
        sim.advance(wrong)


def test_a_name_that_the_project_does_not_have_finds_the_nearest() -> None:
    with world(QUEUE) as sim:
        for call in (sim.queue, sim.bucket, sim.invoke):
            with pytest.raises(UserError, match=r"the project has no .* 'jbs'"):
                call("jbs")
        with pytest.raises(UserError, match=r"queues: work\n  fix: did you mean 'work'\?"):
            sim.queue("wrk")


@pytest.mark.parametrize("runtime", ["inline", "process", "stub"])
@pytest.mark.parametrize(("init", "billed"), [(None, [1, 1]), ("0ms", [1, 1]), ("400ms", [401, 1])])
def test_a_cold_start_is_billed_as_it_is_modelled(
    tmp_path: Path, runtime: str, init: str | None, billed: list[int]
) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): return 1\n")
    function: dict[str, Any] = {"runtime": runtime, **({"init_duration": init} if init else {})}
    function |= {"stub": [{"returns": 1}]} if runtime == "stub" else {"handler": "app.handler"}
    (tmp_path / "simtriggers.yaml").write_text(json.dumps({"functions": {"f": function}}))
    with Simulation.load(tmp_path) as sim:
        sim.invoke("f")
        sim.invoke("f")
        assert [row.details["billed_ms"] for row in sim.trace if row.kind == "InvocationSucceeded"] == billed


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(UserError, match=r"start: .* is not a time with a zone\n  fix: write one such as"):
        world(QUEUE, start="2026-01-15T12:00:00")


@pytest.mark.parametrize("call", [["advance", "1s"], ["run_until_idle"], ["restart"], ["snapshot"], ["fork"]])
def test_a_handler_cannot_move_time_nor_replace_the_world(call: list[str]) -> None:
    with world() as sim:
        answer = sim.invoke("asks", {"call": call[0], "arguments": call[1:]})
        assert answer.function_error is None
        refusal = f"{call[0]}() is for outside of handlers, which let time pass with time.sleep alone"
        assert answer.payload == f"SimtriggersError: {refusal}"
        assert sim.elapsed_ms == 1


def test_current_is_for_handlers() -> None:
    with world(QUEUE), pytest.raises(SimtriggersError, match="for handlers that run in process"):
        current()


def test_a_run_that_can_never_proceed_says_who_waits_for_what() -> None:
    text = QUEUE + "functions: {echo: {handler: app.echo}}\n"
    with world(text) as sim, pytest.raises(Deadlock) as caught:
        sim.engine.ask(sim.names.queue("work"), Poll(1))
    text = str(caught.value)
    assert "the run can never proceed" in text
    assert "Poll" in text and sim.names.queue("work") in text


# --- coroutines ---------------------------------------------------------------------------------


def test_the_same_calls_awaited() -> None:
    async def story() -> tuple[str, list[str]]:
        with world() as inner:
            async with AsyncSimulation(inner) as sim:
                queue, bucket = sim.queue("work"), sim.bucket("store")
                await queue.send("a")
                (message,) = await queue.receive(wait_time_seconds=5)
                await queue.change_visibility(message, 0)
                (message,) = await queue.receive()
                await queue.delete(message)
                await bucket.put("k", b"v")
                assert await bucket.get("k") == b"v"
                assert [info.key for info in await bucket.list()] == ["k"]
                await bucket.delete("k")
                assert (await sim.invoke("echo", 1)).payload["event"] == 1
                with pytest.raises(AwsFault):
                    await sim.invoke("closed")
                await sim.invoke("sleeper", {"seconds": 9, "name": "n"}, invocation_type="Event")
                await sim.advance("2s")
                assert (await sim.run_until_idle()).reason == "idle"
                return inner.now, [each.body for each in await sim.queue("results").messages()]

    assert asyncio.run(story()) == ("2026-01-15T12:00:09.002Z", ["n"])


def test_a_project_is_loaded_by_file_or_folder(tmp_path: Path) -> None:
    (tmp_path / "simtriggers.yaml").write_text("queues: {q: {}}\n")
    for path in (tmp_path, tmp_path / "simtriggers.yaml"):
        with Simulation.load(path) as sim:
            assert sim.queue("q").messages() == []
    with pytest.raises(UserError, match=r"there is no simtriggers\.yaml"):
        Simulation.load(tmp_path / "..")
    with pytest.raises(UserError, match="not read yet"):
        Simulation.load("template.json")

"""Dead-letter redrive: what a move task moves, how fast, where to, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs import moves
from simtriggers.services.sqs.config import QueueConfig
from tests.services.sqs.world import NAMES, World, shown

POLICY = {"dead_letter_target": "dlq", "max_receive_count": 1}
PARAMETER = ("InvalidParameterValue", 400, {"QueryErrorCode": "InvalidParameterValueException"})
SOURCE: dict[str, Any] = {"visibility_timeout": 10, "redrive_policy": POLICY}


def world_of(number: int, **queues: dict[str, Any]) -> World:
    """So many dead letters of the queue `q`, m0, m1, …"""
    world = World({"dlq": {}, "q": SOURCE, "other": {}, **queues})
    dead(world, "q", [f"m{n}" for n in range(number)])
    return world


def dead(world: World, queue: str, bodies: list[str], group: str | None = None) -> None:
    """Make messages dead letters by receiving them once too often."""
    for body in bodies:
        world.send(queue, body, message_group_id=group)
    for _ in bodies:
        world.receive(queue)
    world.engine.advance(10_000)
    while world.counts(queue)[0]:
        world.receive(queue, 10)


def start(world: World, destination: str | None = None, rate: int | None = None, source: str = "dlq") -> Any:
    arn = None if destination is None else NAMES.queue(destination)
    return world.ask(source, c.StartMessageMoveTask(arn, rate))


def task(world: World, source: str = "dlq") -> c.MoveTask:
    found: c.MoveTask = world.ask(source, c.ListMessageMoveTasks()).results[0]
    return found


def test_messages_go_back_to_where_they_came_from_as_new_ones() -> None:
    world = world_of(2)
    old = dict(world.ids)
    began_ms = world.engine.now_ms
    handle = start(world).task_handle
    assert task(world) == c.MoveTask("RUNNING", NAMES.queue("dlq"), None, 0, 2, began_ms, None, None, handle)
    assert world.engine.run_until_idle().reason == "idle"
    assert (world.counts("dlq"), world.counts("q")) == ([0, 0, 0], [2, 0, 0])
    assert task(world) == c.MoveTask("COMPLETED", NAMES.queue("dlq"), None, 2, 2, began_ms)
    got = world.receive("q", 10)
    assert shown(got) == ["m0 1", "m1 1"]
    for message in got.messages:
        attributes = dict(message.attributes)
        assert message.message_id not in old.values()
        assert attributes["SentTimestamp"] == str(began_ms + moves.TICK_MS)
        assert "DeadLetterQueueSourceArn" not in attributes
    assert [kind for _, kind, _, _ in world.rows("m0")][-2:] == ["MessageMovedToDeadLetterQueue", "MessageRedriven"]
    assert world.broken() == []


def test_the_new_message_is_caused_by_the_old_one() -> None:
    world = world_of(1)
    redriven_to = start(world)
    assert isinstance(redriven_to, c.MoveTaskStarted)
    world.engine.run_until_idle()
    row, kind, _, details = world.rows("m0")[-1]
    assert kind == "MessageRedriven"
    world.ids["new"] = details["message_id"]
    (sent,) = world.rows("new")
    assert sent[1:3] == ("MessageSent", row)


def test_another_destination_and_its_delay() -> None:
    world = world_of(1, other={"delay_seconds": 30})
    start(world, "other")
    world.engine.advance(1000)
    assert (world.counts("dlq"), world.counts("other")) == ([0, 0, 0], [0, 0, 1])
    assert task(world).destination_arn == NAMES.queue("other")
    assert world.broken() == [], "its retention is looked after"


def test_several_sources() -> None:
    world = world_of(1, q2=SOURCE)
    dead(world, "q2", ["x"])
    start(world)
    world.engine.run_until_idle()
    assert (world.counts("q"), world.counts("q2")) == ([1, 0, 0], [1, 0, 0])


def test_a_rate_is_kept_second_by_second() -> None:
    world = world_of(5)
    start(world, rate=2)
    moved = []
    for _ in range(4):
        moved.append(task(world).approximate_number_of_messages_moved)
        world.engine.advance(1000)
    assert moved == [0, 2, 4, 5]
    assert (task(world).status, task(world).max_number_of_messages_per_second) == ("COMPLETED", 2)


def test_what_comes_back_to_the_dead_letter_queue_meanwhile_is_not_moved_again() -> None:
    world = world_of(3)
    start(world, rate=1)
    for _ in range(3):
        world.engine.advance(1000)
        world.receive("q", 10)
    world.engine.advance(10_000)
    world.receive("q", 10)
    assert world.counts("dlq") == [3, 0, 0]
    assert task(world).status == "COMPLETED"
    world.engine.advance(60_000)
    assert world.counts("dlq") == [3, 0, 0]


def test_what_fails_again_while_the_task_runs_is_not_moved_again() -> None:
    world = world_of(2)
    start(world, rate=1)
    world.engine.advance(1000)
    (message,) = world.receive("q").messages
    world.ask("q", c.ChangeMessageVisibility(message.receipt_handle, 0))
    assert shown(world.receive("q")) == []
    assert world.counts("dlq") == [2, 0, 0]
    world.engine.advance(60_000)
    assert (world.counts("dlq"), world.counts("q")) == ([1, 0, 0], [1, 0, 0])
    assert task(world).approximate_number_of_messages_moved == 2


def test_what_is_in_flight_in_the_dead_letter_queue_stays() -> None:
    world = world_of(2)
    world.receive("dlq")
    start(world)
    world.engine.run_until_idle()
    assert world.counts("q") == [1, 0, 0]
    assert task(world).approximate_number_of_messages_moved == 1


def test_a_waiting_poll_gets_what_is_moved() -> None:
    world = world_of(1)
    start(world)
    began_ms = world.engine.now_ms
    assert shown(world.receive("q", wait_time_seconds=20)) == ["m0 1"]
    assert world.engine.now_ms == began_ms + moves.TICK_MS


def test_retention_starts_anew() -> None:
    world = World({"dlq": {}, "q": {**SOURCE, "message_retention_period": 60}})
    dead(world, "q", ["m"])
    world.engine.advance(40_000)
    start(world)
    world.engine.advance(1000)
    world.engine.advance(59_999)
    assert world.counts("q") == [1, 0, 0]
    world.engine.advance(1)
    assert world.counts("q") == [0, 0, 0]


# --- FIFO ---------------------------------------------------------------------------------------


def test_groups_keep_their_order_and_get_new_numbers() -> None:
    policy = {"dead_letter_target": "dlq.fifo", "max_receive_count": 1}
    fifo = {"fifo_queue": True, "content_based_deduplication": True}
    world = World({"dlq.fifo": fifo, "q.fifo": {**fifo, "visibility_timeout": 10, "redrive_policy": policy}})
    for group in ("g1", "g2"):
        for n in range(3):
            world.send("q.fifo", f"{group}/{n}", message_group_id=group)
    assert len(world.receive("q.fifo", 10).messages) == 6
    world.engine.advance(10_000)
    world.receive("q.fifo", 10)
    assert world.counts("dlq.fifo") == [6, 0, 0]
    # The group that is in use stays as a whole, so that its order is kept.
    assert shown(world.receive("dlq.fifo")) == ["g1/0 2"]
    start(world, source="dlq.fifo", rate=2)
    world.engine.run_until_idle(horizon_ms=20_000)
    assert (world.counts("dlq.fifo"), world.counts("q.fifo")) == ([2, 1, 0], [3, 0, 0])
    last = world.send("q.fifo", "last", message_group_id="g2")
    got = world.receive("q.fifo", 10)
    assert shown(got) == ["g2/0 1", "g2/1 1", "g2/2 1", "last 1"]
    numbers = [int(dict(message.attributes)["SequenceNumber"]) for message in got.messages]
    assert numbers == sorted(numbers)
    assert str(numbers[-1]) == last.sequence_number
    assert world.broken() == []


# --- how it ends --------------------------------------------------------------------------------


def test_a_cancelled_task_stops_at_its_next_turn() -> None:
    world = world_of(5)
    handle = start(world, rate=1).task_handle
    world.engine.advance(2500)
    assert world.ask("dlq", c.CancelMessageMoveTask(handle)) == c.MoveTaskCancelled(2)
    assert (task(world).status, task(world).task_handle) == ("CANCELLING", None)
    assert world.ask("dlq", c.CancelMessageMoveTask(handle)).message == "Only active tasks can be cancelled."
    assert isinstance(start(world), Refused)
    world.engine.advance(500)
    assert (task(world).status, task(world).approximate_number_of_messages_moved) == ("CANCELLED", 2)
    assert world.counts("dlq") == [3, 0, 0]
    assert isinstance(start(world), c.MoveTaskStarted)
    results = world.ask("dlq", c.ListMessageMoveTasks(10)).results
    assert [each.status for each in results] == ["RUNNING", "CANCELLED"]


def test_a_destination_that_is_deleted_meanwhile_fails_the_task() -> None:
    world = world_of(5)
    start(world, "other", 1)
    world.engine.advance(3000)
    world.remove("other")
    world.engine.advance(1000)
    found = task(world)
    assert (found.status, found.approximate_number_of_messages_moved) == ("FAILED", 3)
    assert found.failure_reason == "AWS.SimpleQueueService.NonExistentQueue"
    assert world.counts("dlq") == [2, 0, 0]


def test_a_message_that_came_from_nowhere_fails_the_task() -> None:
    world = world_of(1)
    world.send("dlq", "direct")
    start(world)
    world.engine.advance(1000)
    assert (task(world).status, task(world).failure_reason) == ("FAILED", "CouldNotDetermineMessageSource")
    assert (world.counts("dlq"), world.counts("q")) == ([1, 0, 0], [1, 0, 0])


def test_a_task_runs_36_hours_at_most() -> None:
    world = World({"dlq": {}, "q": SOURCE})
    for n in range(3):
        dead(world, "q", [f"m{n}"])
    start(world, rate=1)
    world.engine.connection.execute("UPDATE sqs_move_tasks SET started_ms = started_ms - 129600000")
    world.engine.advance(1000)
    assert (task(world).status, task(world).failure_reason) == ("FAILED", "MoveTaskTimedOut")


def test_a_task_goes_with_its_queue() -> None:
    world = world_of(3)
    start(world, rate=1)
    world.remove("dlq")
    world.engine.run_until_idle()
    assert world.ask("dlq", c.ListMessageMoveTasks()).code == "ResourceNotFoundException"
    assert world.counts("q") == [0, 0, 0]


@pytest.mark.parametrize("status", ["RUNNING", "COMPLETED", "CANCELLING", "CANCELLED", "FAILED"])
@pytest.mark.parametrize("event", ["moved", "nothing left", "cancel", "failed", "stop"])
def test_what_can_become_of_a_task(status: str, event: str) -> None:
    expected = {
        ("RUNNING", "moved"): "RUNNING",
        ("RUNNING", "nothing left"): "COMPLETED",
        ("RUNNING", "cancel"): "CANCELLING",
        ("RUNNING", "failed"): "FAILED",
        ("CANCELLING", "stop"): "CANCELLED",
    }.get((status, event))
    if expected is not None:
        assert moves.following(status, event) == expected
    else:
        with pytest.raises(AssertionError, match=f"{status} cannot be told: {event}"):
            moves.following(status, event)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "destination", "rate", "code", "text"),
    [
        (
            "other",
            None,
            None,
            "InvalidParameterValue",
            "Source queue must be configured as a Dead Letter Queue.",
        ),
        (
            "nowhere",
            None,
            None,
            "ResourceNotFoundException",
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (
            "dlq",
            "nowhere",
            None,
            "ResourceNotFoundException",
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        ),
        ("dlq", "dlq", None, "InvalidParameterValue", None),
        ("dlq", "x.fifo", None, "InvalidParameterValue", None),
        ("dlq", None, 0, "InvalidParameterValue", None),
        ("dlq", None, 501, "InvalidParameterValue", None),
    ],
)
def test_a_task_that_is_refused(
    source: str, destination: str | None, rate: int | None, code: str, text: str | None
) -> None:
    world = world_of(1)
    world.put("x.fifo", QueueConfig(fifo_queue=True))
    refused = start(world, destination, rate, source)
    assert (refused.code, refused.message) == (code, text or refused.message)
    assert refused.status == (404 if code == "ResourceNotFoundException" else 400)


def test_one_task_at_a_time_for_a_queue() -> None:
    world = world_of(2)
    start(world, rate=1)
    refused = start(world)
    assert (refused.code, refused.status, dict(refused.fields)) == PARAMETER
    assert refused.message == (
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
    )


def test_a_hundred_tasks_at_a_time() -> None:
    queues: dict[str, Any] = {}
    for n in range(101):
        queues[f"d{n}"] = {}
        queues[f"s{n}"] = {"redrive_policy": {"dead_letter_target": f"d{n}", "max_receive_count": 1}}
    world = World(queues)
    answers = [start(world, source=f"d{n}") for n in range(101)]
    assert [type(answer) for answer in answers[:100]] == [c.MoveTaskStarted] * 100
    refused = answers[100]
    assert (refused.code, refused.status, dict(refused.fields)) == PARAMETER
    assert refused.message == "There are already 100 active tasks in this account."


@pytest.mark.parametrize(
    ("handle", "code", "text"),
    [
        ("garbage", "InvalidParameterValue", "Value for parameter TaskHandle is invalid."),
        ("e30=", "InvalidParameterValue", "Value for parameter TaskHandle is invalid."),
        (
            moves.task_handle("t", NAMES.queue("other")),
            "ResourceNotFoundException",
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (moves.task_handle("t", NAMES.queue("dlq")), "ResourceNotFoundException", "Task does not exist."),
    ],
)
def test_a_handle_that_means_no_task(handle: str, code: str, text: str) -> None:
    refused = world_of(0).ask("dlq", c.CancelMessageMoveTask(handle))
    assert (refused.code, refused.message) == (code, text)


@pytest.mark.parametrize("number", [0, 11])
def test_how_many_tasks_are_listed(number: int) -> None:
    assert world_of(0).ask("dlq", c.ListMessageMoveTasks(number)).code == "InvalidParameterValue"
    assert world_of(0).ask("dlq", c.ListMessageMoveTasks(10)) == c.MoveTasks(())

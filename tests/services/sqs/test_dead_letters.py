"""A message on its way to the dead-letter queue: what it keeps, what is new, and when it goes."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.kernel.codec import to_json
from simtriggers.services.sqs import commands as c
from tests.services.sqs.world import NAMES, World, shown

ATTRIBUTES = (("tenant", "String", "acme"), ("thumb", "Binary", "AgME"))
TRACE = (("AWSTraceHeader", "String", "Root=1-691ed86f-0a1b2c3d4e5f60718293a4b5"),)
POLICY = {"dead_letter_target": "dlq", "max_receive_count": 3}
FIFO_POLICY = {"dead_letter_target": "dlq.fifo", "max_receive_count": 3}
STANDARD: dict[str, Any] = {"dlq": {}, "q": {"visibility_timeout": 10, "redrive_policy": POLICY}}
FIFO: dict[str, Any] = {
    "dlq.fifo": {"fifo_queue": True},
    "q.fifo": {"fifo_queue": True, "visibility_timeout": 10, "redrive_policy": FIFO_POLICY},
}


def received(world: World, queue: str) -> Any:
    got = world.receive(queue, message_attribute_names=("All",)).messages
    return got[0] if got else None


def dead(world: World, queue: str) -> Any:
    """Receive three times, ten seconds apart; the fourth attempt moves the message. Returns the first receive."""
    first = received(world, queue)
    for count in (2, 3):
        world.engine.advance(10_000)
        again = received(world, queue)
        assert dict(again.attributes)["ApproximateReceiveCount"] == str(count)
        assert again.receipt_handle != first.receipt_handle
    world.engine.advance(10_000)
    assert world.counts(queue) == [1, 0, 0], "nothing moves without an attempt"
    assert received(world, queue) is None
    return first


def test_a_dead_letter_keeps_all_but_its_handle_and_says_where_it_came_from() -> None:
    world = World(STANDARD)
    world.engine.advance(5)
    sent = world.send("q", "grüße", message_attributes=ATTRIBUTES, system_attributes=TRACE)
    world.engine.advance(2)
    first, letter = dead(world, "q"), received(world, "dlq")
    assert (letter.message_id, letter.body) == (sent.message_id, "grüße")
    assert (letter.md5_of_body, letter.md5_of_message_attributes) == (
        sent.md5_of_body,
        sent.md5_of_message_attributes,
    )
    assert letter.message_attributes == ATTRIBUTES
    assert letter.receipt_handle != first.receipt_handle
    assert dict(letter.attributes) == {
        **dict(first.attributes),
        "AWSTraceHeader": TRACE[0][2],
        "SentTimestamp": "5",
        "ApproximateFirstReceiveTimestamp": "7",
        "ApproximateReceiveCount": "4",
        "DeadLetterQueueSourceArn": NAMES.queue("q"),
    }
    assert "DeadLetterQueueSourceArn" not in dict(first.attributes)


def test_a_fifo_dead_letter_has_a_new_time_number_and_deduplication_id() -> None:
    world = World(FIFO)
    given = {"message_group_id": "g", "message_deduplication_id": "d", "message_attributes": ATTRIBUTES}
    sent = world.send("q.fifo", "x", **given, system_attributes=TRACE)
    first, letter = dead(world, "q.fifo"), received(world, "dlq.fifo")
    assert (letter.message_id, letter.message_attributes) == (sent.message_id, ATTRIBUTES)
    found = dict(letter.attributes)
    assert found == {
        **dict(first.attributes),
        "SentTimestamp": "30000",
        "ApproximateReceiveCount": "4",
        "MessageDeduplicationId": sent.message_id,
        "SequenceNumber": found["SequenceNumber"],
        "DeadLetterQueueSourceArn": NAMES.queue("q.fifo"),
    }
    assert len(found["SequenceNumber"]) == 20


def test_a_dead_letter_queue_that_is_received_from_counts_on() -> None:
    world = World(STANDARD)
    world.send("q", "x")
    dead(world, "q")
    counts = []
    for _ in range(2):
        (message,) = world.receive("dlq").messages
        counts.append(dict(message.attributes)["ApproximateReceiveCount"])
        world.engine.advance(30_000)
    assert counts == ["4", "5"]


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_message_is_returned_as_often_as_the_policy_says(most: int) -> None:
    policy = {"dead_letter_target": "dlq", "max_receive_count": most}
    world = World({"dlq": {}, "q": {"visibility_timeout": 1, "redrive_policy": policy}})
    world.send("q", "x")
    for count in range(1, most + 1):
        assert shown(world.receive("q")) == [f"x {count}"]
        world.engine.advance(1000)
    assert shown(world.receive("q")) == []
    assert shown(world.receive("dlq")) == [f"x {most + 1}"]


def test_a_receive_takes_one_message_unless_told_otherwise() -> None:
    world = World({"q": {}})
    for body in "abc":
        world.send("q", body)
    assert [message.body for message in world.ask("q", c.ReceiveMessage()).messages] == ["a"]


@pytest.mark.parametrize("queue", ["q", "q.fifo"])
def test_a_queue_that_is_its_own_dead_letter_queue_goes_round(queue: str) -> None:
    """Each round gives the message as often as the policy says; the attempt that ends it gives nothing, and the
    message stays."""
    fifo: dict[str, Any] = {"fifo_queue": True} if queue == "q.fifo" else {}
    group: dict[str, Any] = {"message_group_id": "g", "message_deduplication_id": "d"} if fifo else {}
    world = World({queue: {"visibility_timeout": 10, **fifo}})
    policy = to_json({"deadLetterTargetArn": NAMES.queue(queue), "maxReceiveCount": 2})
    assert world.ask(queue, c.SetQueueAttributes((("RedrivePolicy", policy),))) is None
    sent = world.send(queue, "x", **group)
    got: list[tuple[str, str | None] | None] = []
    for _ in range(6):
        message = received(world, queue)
        if message is None:
            assert world.counts(queue) == [1, 0, 0], "at once visible again, as in any dead-letter queue"
            got.append(None)
            continue
        assert message.message_id == sent.message_id
        shown_ = dict(message.attributes)
        got.append((shown_["ApproximateReceiveCount"], shown_.get("DeadLetterQueueSourceArn")))
        world.engine.advance(10_000)
    itself = NAMES.queue(queue)
    assert got == [("1", None), ("2", None), None, ("3", itself), ("4", itself), None]
    assert [kind for _, kind, _, _ in world.rows("x")].count("MessageMovedToDeadLetterQueue") == 2

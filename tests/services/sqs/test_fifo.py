"""FIFO queues: what sends are refused, batches, deliveries, polls of a mapping, and very many groups."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.aws.contracts import Poll, Polled, Settle
from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs import fifo_store, sequence
from tests.services.sqs.test_queue import deliver
from tests.services.sqs.world import NAMES, World, shown

Q = NAMES.queue("q.fifo")
FIFO: dict[str, Any] = {"fifo_queue": True}
BY_CONTENT: dict[str, Any] = {"fifo_queue": True, "content_based_deduplication": True}


def send(body: str, group: str | None = "g", dedup: str | None = None, **more: Any) -> c.SendMessage:
    return c.SendMessage(body, message_group_id=group, message_deduplication_id=dedup, **more)


# --- what is refused ----------------------------------------------------------------------------

ID = "{0} can only include alphanumeric and punctuation characters. 1 to 128 in length."


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (send("a", None, "d"), "MissingParameter", "The request must contain the parameter MessageGroupId."),
        (send("a", "", "d"), "MissingParameter", "The request must contain the parameter MessageGroupId."),
        (
            send("a"),
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided"
            " explicitly",
        ),
        (
            send("a", "g g", "d"),
            "InvalidParameterValue",
            f"Value g g for parameter MessageGroupId is invalid. Reason: {ID.format('MessageGroupId')}",
        ),
        (
            send("a", "g", "é"),
            "InvalidParameterValue",
            f"Value é for parameter MessageDeduplicationId is invalid. Reason: {ID.format('MessageDeduplicationId')}",
        ),
        (
            send("a", "g", "d", delay_seconds=2),
            "InvalidParameterValue",
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid"
            " for this queue type.",
        ),
        (send("a", "x" * 129, "d"), "InvalidParameterValue", None),
        (send("a", "g", "x" * 129), "InvalidParameterValue", None),
    ],
)
def test_a_fifo_message_that_is_refused(command: c.SendMessage, code: str, text: str | None) -> None:
    world = World({"q.fifo": FIFO})
    refused = world.ask("q.fifo", command)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == (code, text or refused.message)
    assert world.counts("q.fifo") == [0, 0, 0]


def test_the_longest_ids_and_all_their_characters() -> None:
    world = World({"q.fifo": FIFO})
    every = "".join(map(chr, range(33, 127)))
    assert isinstance(world.ask("q.fifo", send("a", every, "x" * 128)), c.SendResult)
    (message,) = world.receive("q.fifo").messages
    assert dict(message.attributes)["MessageGroupId"] == every


def test_a_standard_queue_takes_a_group_and_no_deduplication_id() -> None:
    world = World({"q": {}})
    assert isinstance(world.ask("q", send("a")), c.SendResult)
    refused = world.ask("q", send("a", "g", "d"))
    assert refused.message == (
        "Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not"
        " valid for this queue type."
    )
    assert "MessageGroupId" in world.ask("q", send("a", "g g")).message
    assert world.receive("q", receive_request_attempt_id="x").code == "InvalidParameterValue"


@pytest.mark.parametrize("attempt", ["", "a b", "x" * 129])
def test_an_attempt_id_that_is_none(attempt: str) -> None:
    world = World({"q.fifo": FIFO})
    refused = world.receive("q.fifo", receive_request_attempt_id=attempt)
    assert refused.message.endswith(ID.format("ReceiveRequestAttemptId"))


# --- ids and numbers ----------------------------------------------------------------------------


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_sequence_numbers_have_20_digits_and_grow(one: int, other: int) -> None:
    numbers = [sequence.sequence_number(each) for each in (one, other)]
    assert {len(each) for each in numbers} == {20}
    assert (numbers[0] < numbers[1]) is (one < other)


def test_the_content_is_what_counts_and_not_the_attributes() -> None:
    world = World({"q.fifo": BY_CONTENT})
    first = world.ask("q.fifo", send("grüße", message_attributes=(("a", "String", "1"),)))
    again = world.ask("q.fifo", send("grüße", message_attributes=(("a", "String", "2"),)))
    assert (again.message_id, again.sequence_number) == (first.message_id, first.sequence_number)
    assert again.md5_of_message_attributes != first.md5_of_message_attributes
    (message,) = world.receive("q.fifo", 10).messages
    assert dict(message.attributes)["MessageDeduplicationId"] == sha256("grüße".encode()).hexdigest()
    assert dict(message.attributes)["SequenceNumber"] == first.sequence_number


# --- batches ------------------------------------------------------------------------------------


def test_a_batch_keeps_its_order_finds_its_own_duplicates_and_fails_by_entry() -> None:
    world = World({"q.fifo": {**FIFO, "maximum_message_size": 1024}})
    entries = (
        c.SendEntry("1", "a", message_group_id="g", message_deduplication_id="d1"),
        c.SendEntry("2", "b", message_group_id="h", message_deduplication_id="d1"),
        c.SendEntry("3", "x" * 1025, message_group_id="g", message_deduplication_id="d2"),
        c.SendEntry("4", "c", message_group_id="g", message_deduplication_id="d 3"),
        c.SendEntry("5", "d", 5, message_group_id="g", message_deduplication_id="d4"),
        c.SendEntry("6", "e", message_group_id="g", message_deduplication_id="d5"),
    )
    result: c.BatchResult = world.ask("q.fifo", c.SendMessageBatch(entries))
    sent = {done.id: done.sent for done in result.successful}
    assert list(sent) == ["1", "2", "6"]
    assert [(failure.id, failure.code) for failure in result.failed] == [
        (name, "InvalidParameterValue") for name in ("3", "4", "5")
    ]
    assert all(sent.values())
    assert sent["2"].message_id == sent["1"].message_id
    assert sent["2"].sequence_number == sent["1"].sequence_number
    assert int(sent["6"].sequence_number) > int(sent["1"].sequence_number)
    assert shown(world.receive("q.fifo", 10)) == ["a 1", "e 1"]


def test_a_batch_of_duplicates_alone_changes_nothing() -> None:
    world = World({"q.fifo": FIFO})
    world.ask("q.fifo", send("a", "g", "d"))
    before = world.engine.connection.execute("SELECT * FROM sqs_queues").fetchall()
    entry = c.SendEntry("1", "b", message_group_id="g", message_deduplication_id="d")
    assert len(world.ask("q.fifo", c.SendMessageBatch((entry,))).successful) == 1
    assert world.engine.connection.execute("SELECT * FROM sqs_queues").fetchall() == before


@pytest.mark.parametrize(
    ("group", "dedup", "text"),
    [
        (None, "d", "The request must contain the parameter MessageGroupId."),
        (
            "g",
            None,
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided"
            " explicitly",
        ),
    ],
    ids=["group", "deduplication id"],
)
def test_an_incomplete_entry_refuses_the_whole_batch(group: str | None, dedup: str | None, text: str) -> None:
    """Recorded on AWS: an error of the request, where another mistake is one of its entry."""
    world = World({"q.fifo": FIFO})
    entries = (
        c.SendEntry("1", "a", message_group_id="g", message_deduplication_id="d1"),
        c.SendEntry("2", "b", message_group_id=group, message_deduplication_id=dedup),
    )
    refused = world.ask("q.fifo", c.SendMessageBatch(entries))
    assert (refused.code, refused.message) == ("InvalidParameterValue", text)
    assert world.counts("q.fifo") == [0, 0, 0]


def test_batches_of_deletions_and_changes_fail_by_entry() -> None:
    world = World({"q.fifo": {**BY_CONTENT, "visibility_timeout": 10}})
    for body in "abc":
        world.send("q.fifo", body, message_group_id=body)
    a, b, _ = (message.receipt_handle for message in world.receive("q.fifo", 3).messages)
    world.ask("q.fifo", c.ChangeMessageVisibility(b, 60))
    world.engine.advance(10_000)
    deletions = (c.DeleteEntry("1", a), c.DeleteEntry("2", b))
    result = world.ask("q.fifo", c.DeleteMessageBatch(deletions))
    assert [done.id for done in result.successful] == ["2"]
    assert [(failure.id, failure.code) for failure in result.failed] == [("1", "InvalidParameterValue")]
    changes = c.ChangeMessageVisibilityBatch((c.VisibilityEntry("1", a, 5),))
    assert world.ask("q.fifo", changes).failed[0].code == "AWS.SimpleQueueService.MessageNotInflight"


# --- deliveries and polls -----------------------------------------------------------------------


def test_a_delivery_brings_its_group_and_deduplication_id() -> None:
    world = World({"q.fifo": FIFO})
    context = (("group_id", "g"), ("deduplication_id", "d"))
    for _ in range(2):
        deliver(world, "hello", *context, queue="q.fifo")
    (message,) = world.receive("q.fifo", 10).messages
    attributes = dict(message.attributes)
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("g", "d")


def test_a_delivery_without_a_group_is_refused_for_good() -> None:
    world = World({"q.fifo": BY_CONTENT})
    (kind, details), *_ = deliver(world, "hello", queue="q.fifo")
    assert (kind, details["code"]) == ("DeliveryFailed", "MissingParameter")
    assert "retry_at_ms" not in details


def test_a_poll_locks_its_groups_until_all_of_a_batch_is_settled() -> None:
    world = World({"q.fifo": BY_CONTENT})
    for body in ("g1/a1", "g2/b1", "g1/a2", "g3/c1"):
        world.send("q.fifo", body, message_group_id=body[:2])
    first: Polled = world.ask("q.fifo", Poll(3, 0))
    assert [(record.group_id, json.loads(record.json)["body"]) for record in first.records] == [
        ("g1", "g1/a1"),
        ("g1", "g1/a2"),
        ("g2", "g2/b1"),
    ]
    world.send("q.fifo", "g1/a3", message_group_id="g1")
    second: Polled = world.ask("q.fifo", Poll(10, 0))
    assert [record.group_id for record in second.records] == ["g3"]
    world.ask("q.fifo", Settle(((first.records[0].id, first.records[0].receipt),)))
    assert world.ask("q.fifo", Poll(10, 0)) == Polled(())
    world.ask("q.fifo", Settle(((first.records[1].id, first.records[1].receipt),)))
    assert [record.group_id for record in world.ask("q.fifo", Poll(10, 0)).records] == ["g1"]


def test_settling_after_the_timeout_deletes_nothing_and_says_so() -> None:
    world = World({"q.fifo": {**BY_CONTENT, "visibility_timeout": 1}})
    world.send("q.fifo", "a", message_group_id="g")
    (record,) = world.ask("q.fifo", Poll(1, 0)).records
    world.engine.advance(1000)
    assert world.ask("q.fifo", Settle(((record.id, record.receipt),))) is None
    assert world.counts("q.fifo") == [1, 0, 0]
    assert world.rows("a")[-1][1] == "MessageDeleteIgnored"


def test_more_than_120000_in_flight_give_nothing_and_no_error() -> None:
    world = World({"q.fifo": BY_CONTENT})
    world.send("q.fifo", "first", message_group_id="g")
    run = world.engine.connection
    row = run.execute("SELECT payload FROM sqs_messages").fetchone()
    run.executemany(
        "INSERT INTO sqs_messages (queue, message_id, payload, size, md5_of_body, sender_id, sent_ms, visible_ms,"
        " receive_count, receives_before, first_received_ms, received_ms, cause, group_id, deduplication_id, sequence,"
        " head) VALUES (?, ?, ?, 1, '', '', 0, 30000, 1, 0, 0, 0, 0, ?, ?, ?, 1)",
        ((Q, f"id{n}", row[0], f"other{n}", f"d{n}", n) for n in range(2, 120_002)),
    )
    assert shown(world.receive("q.fifo")) == []
    assert shown(world.receive("q.fifo", wait_time_seconds=2)) == []


# --- very many groups ---------------------------------------------------------------------------


def blocked(groups: int) -> World:
    """A queue with so many groups that have a message in flight and one behind it, and a few free ones."""
    world = World({"q.fifo": {**BY_CONTENT, "visibility_timeout": 43_200}})
    for n in range(groups):
        world.engine.submit(Q, send(f"a{n}", f"g{n}"))
    world.engine.run_until(0)
    taken = 0
    while taken < groups:
        taken += len(world.ask("q.fifo", Poll(10_000, 0)).records)
    for n in range(groups):
        world.engine.submit(Q, send(f"b{n}", f"g{n}"))
    world.engine.run_until(0)
    return world


def test_a_receive_looks_at_no_blocked_group() -> None:
    """Counted in steps of SQLite's machine, not in time: 10,000 blocked groups cost no more than 10."""
    steps: list[int] = []
    for groups in (10, 10_000):
        world = blocked(groups)
        world.send("q.fifo", "free", message_group_id="free")
        counted = [0]

        def count(counted: list[int] = counted) -> int:
            counted[0] += 1
            return 0

        connection = world.engine.connection
        connection.set_progress_handler(count, 1)
        assert shown(world.receive("q.fifo", 10)) == ["free 1"]
        connection.set_progress_handler(None, 0)
        steps.append(counted[0])
    assert steps[1] < 2 * steps[0] + 50, steps


def test_the_statements_of_groups_walk_an_index_and_sort_nothing() -> None:
    world = World({"q.fifo": FIFO})
    statements = {
        fifo_store.READY_HEADS: (Q, -1, -1, 0, 10),
        fifo_store.NEXT_HEAD: (Q, 0),
        fifo_store.OF_GROUP: (Q, "g", 0, 0, 10),
        fifo_store.SEEN: (Q, "d", "g", 0),
        fifo_store.FORGET_OLD_SENDS: (Q, 0),
        fifo_store.PROMOTE: (Q, "g"),
        fifo_store.LATEST_OF_TENANT: (Q, "g"),
        fifo_store.VISIBLE_OF_TENANT: (Q, -1, -1, 0, 0, "g", 10),
        fifo_store.TASK: (Q, "t"),
    }
    for statement, params in statements.items():
        plan = world.engine.connection.execute("EXPLAIN QUERY PLAN " + statement.sql, params).fetchall()
        steps = [row[3] for row in plan]
        known = ("SEARCH", "LIST", "SCALAR", "CORRELATED", "USE", "MULTI")
        assert not any("TEMP B-TREE" in step or step.startswith("SCAN sqs") for step in steps), (statement, steps)
        assert all(step.startswith(known) or "SCALAR" in step for step in steps), (statement, steps)

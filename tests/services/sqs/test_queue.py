"""Batches, deliveries, polls of a mapping, receipts, settings and limits of a standard queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simtriggers.aws.contracts import Delivery, Poll, Polled, PutResource, Settle
from simtriggers.errors import UserError
from simtriggers.kernel.codec import decode, encode
from simtriggers.kernel.effects import Refused, RetryPolicy, payload
from simtriggers.kernel.ids import Ids
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs import receipts, store
from simtriggers.services.sqs.config import QueueConfig, in_order, queue_resource
from tests.services.sqs.world import NAMES, World, shown

Q = NAMES.queue("q")
POLICY = RetryPolicy("test", maximum_retries=0, maximum_age_ms=0)
MIB = 1024 * 1024


# --- batches ------------------------------------------------------------------------------------


def test_one_bad_entry_of_a_batch_fails_alone() -> None:
    world = World({"q": {"maximum_message_size": 1024}})
    entries = (
        c.SendEntry("good", "a"),
        c.SendEntry("empty", ""),
        c.SendEntry("long", "x" * 1025),
        c.SendEntry("late", "b", 901),
        c.SendEntry("binary", "c", message_attributes=(("a", "Binary", "?"),)),
        c.SendEntry("surrogate", "\ud800"),
    )
    result: c.BatchResult = world.ask("q", c.SendMessageBatch(entries))
    assert [done.id for done in result.successful] == ["good"]
    assert [(failure.id, failure.code) for failure in result.failed] == [
        ("empty", "MissingParameter"),
        ("long", "InvalidParameterValue"),
        ("late", "InvalidParameterValue"),
        ("binary", "InvalidParameterValue"),
        ("surrogate", "InvalidMessageContents"),
    ]
    assert result.failed[1].message == (
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    )
    assert world.counts("q") == [1, 0, 0]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(n) for n in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
        ([""], "InvalidBatchEntryId"),
        (["x" * 81], "InvalidBatchEntryId"),
    ],
)
def test_the_form_of_a_batch_is_checked_as_a_whole(ids: list[str], code: str) -> None:
    world = World({"q": {}})
    commands = [
        c.SendMessageBatch(tuple(c.SendEntry(name, "a") for name in ids)),
        c.DeleteMessageBatch(tuple(c.DeleteEntry(name, "x") for name in ids)),
        c.ChangeMessageVisibilityBatch(tuple(c.VisibilityEntry(name, "x", 0) for name in ids)),
    ]
    for command in commands:
        refused = world.ask("q", command)
        assert (refused.code, dict(refused.fields)["QueryErrorCode"]) == (f"AWS.SimpleQueueService.{code}", code)
    assert world.counts("q") == [0, 0, 0]


@pytest.mark.parametrize(("size", "accepted"), [(MIB // 2, True), (MIB // 2 + 1, False)])
def test_a_batch_is_at_most_one_mib_altogether(size: int, accepted: bool) -> None:
    world = World({"q": {}})
    entries = (c.SendEntry("1", "x" * (MIB // 2 - 10), None, (("abc", "String", "d"),)), c.SendEntry("2", "x" * size))
    result = world.ask("q", c.SendMessageBatch(entries))
    if accepted:
        assert len(result.successful) == 2
    else:
        assert result.code == "AWS.SimpleQueueService.BatchRequestTooLong"
        assert result.message.endswith(f"You have sent {MIB + 1} bytes.")


def test_batches_of_deletions_and_changes() -> None:
    world = World({"q": {}})
    for body in "abcd":
        world.send("q", body)
    a, b, d, _ = (message.receipt_handle for message in world.receive("q", 4).messages)
    deletions = (c.DeleteEntry("1", a), c.DeleteEntry("2", "garbage"), c.DeleteEntry("3", a))
    result = world.ask("q", c.DeleteMessageBatch(deletions))
    assert [done.id for done in result.successful] == ["1", "3"]
    assert [(failure.id, failure.code) for failure in result.failed] == [("2", "ReceiptHandleIsInvalid")]
    changes = (
        c.VisibilityEntry("1", b, 0),
        c.VisibilityEntry("2", a, 0),
        c.VisibilityEntry("3", d, 43201),
    )
    result = world.ask("q", c.ChangeMessageVisibilityBatch(changes))
    assert [done.id for done in result.successful] == ["1"]
    assert [failure.id for failure in result.failed] == ["2", "3"]
    assert world.counts("q") == [1, 2, 0]


# --- deliveries ---------------------------------------------------------------------------------


def deliver(world: World, body: str, *context: tuple[str, str], queue: str = "q") -> list[tuple[str, dict[str, Any]]]:
    """Deliver a text as the engine would; returns what the trace says of it."""
    text = payload(body)
    world.engine.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (text.digest, text.body))
    cause = world.engine.note("Sent", "outside", 0, {})
    world.engine.submit(NAMES.queue(queue), Delivery(text.digest, POLICY, 1, 0, None, context), cause=cause)
    world.engine.run_until(world.engine.now_ms)
    world.engine.flush()
    rows = world.engine.connection.execute(
        "SELECT kind, cause, details FROM trace WHERE id > ? ORDER BY id", (cause,)
    ).fetchall()
    assert rows[0][1] == cause
    return [(kind, json.loads(details)) for kind, _, details in rows]


def test_a_delivery_is_a_send() -> None:
    world = World({"q": {"delay_seconds": 5}})
    context = (
        ("source", "arn:aws:s3:::b"),
        ("message_attribute:RULE_ARN", "String:arn:aws:events:x"),
        ("message_attribute:n", "Number:3"),
        ("system_attribute:AWSTraceHeader", "Root=1"),
    )
    ((kind, details),) = deliver(world, "hello", *context)
    assert kind == "MessageSent"
    assert details["message_attributes"] == {"RULE_ARN": "arn:aws:events:x", "n": "3"}
    world.engine.advance(5000)
    (message,) = world.receive("q", message_attribute_names=("All",)).messages
    assert message.body == "hello"
    assert message.message_attributes == (("RULE_ARN", "String", "arn:aws:events:x"), ("n", "Number", "3"))
    assert dict(message.attributes)["AWSTraceHeader"] == "Root=1"


@pytest.mark.parametrize(
    ("body", "context", "code"),
    [
        ("", (), "MissingParameter"),
        ("\x01", (), "InvalidMessageContents"),
        ("x" * 1025, (), "InvalidParameterValue"),
        ("x", (("group_id", "g g"),), "InvalidParameterValue"),
        ("x", (("deduplication_id", "d"),), "InvalidParameterValue"),
    ],
)
def test_a_delivery_that_is_no_message_is_refused_for_good(
    body: str, context: tuple[tuple[str, str], ...], code: str
) -> None:
    world = World({"q": {"maximum_message_size": 1024}})
    (kind, details), *_ = deliver(world, body, *context)
    assert (kind, details["code"]) == ("DeliveryFailed", code)
    assert "retry_at_ms" not in details


def test_a_delivery_to_no_queue_is_refused_for_good() -> None:
    (kind, details), *_ = deliver(World({}), "x")
    assert (kind, details["code"]) == ("DeliveryFailed", "AWS.SimpleQueueService.NonExistentQueue")


# --- polls of a mapping -------------------------------------------------------------------------


def test_a_poll_takes_more_than_ten_and_settle_deletes_what_is_named() -> None:
    world = World({"q": {"visibility_timeout": 10}})
    for n in range(250):
        world.send("q", f"m{n}")
    polled: Polled = world.ask("q", Poll(1000, 0, visibility_timeout_ms=60_000))
    assert [json.loads(record.json)["body"] for record in polled.records] == [f"m{n}" for n in range(250)]
    kept, done = polled.records[0], polled.records[1:]
    assert world.ask("q", Settle(tuple((record.id, record.receipt) for record in done))) is None
    assert world.counts("q") == [0, 1, 0]
    world.engine.advance(59_999)
    assert world.ask("q", Poll(10, 0)) == Polled(())
    world.engine.advance(1)
    assert [record.id for record in world.ask("q", Poll(10, 0)).records] == [kept.id]


def test_records_are_caused_by_their_own_receive() -> None:
    world = World({"q": {}})
    for body in "ab":
        world.send("q", body)
    polled: Polled = world.ask("q", Poll(10, 0))
    received = [world.rows(body)[-1] for body in "ab"]
    assert [(row, kind) for row, kind, _, _ in received] == [
        (record.cause, "MessageReceived") for record in polled.records
    ]
    assert [cause for _, _, cause, _ in received] == [world.rows(body)[0][0] for body in "ab"]


def test_a_poll_without_end_waits_for_ever_and_does_not_keep_the_run_going() -> None:
    world = World({"q": {}})
    got: list[tuple[int, Any]] = []
    engine = world.engine
    engine.request(Q, Poll(10), 0, lambda answer: got.append((engine.now_ms, answer)))
    assert engine.run_until_idle().reason == "idle"
    assert engine.now_ms == 0
    engine.advance(30 * 86_400_000)
    assert got == []
    world.send("q", "a")
    engine.run_until(engine.now_ms)
    assert [(at, len(answer.records)) for at, answer in got] == [(30 * 86_400_000, 1)]


def test_a_poll_fits_into_one_invocation() -> None:
    world = World({"q": {}})
    for _ in range(10):
        world.send("q", '"' * (MIB - 1))
    taken = []
    while records := world.ask("q", Poll(10, 0)).records:
        assert sum(len(record.json.encode()) for record in records) <= 6 * MIB
        taken.append(len(records))
    assert taken == [2, 2, 2, 2, 2]
    assert world.counts("q") == [0, 10, 0]


def test_settle_passes_over_a_receipt_of_another_queue_and_says_so() -> None:
    world = World({"q": {}, "other": {}})
    world.send("q", "a")
    (record,) = world.ask("q", Poll(1, 0)).records
    assert world.ask("other", Settle(((record.id, record.receipt),))) is None
    assert world.counts("q") == [0, 1, 0]
    assert [kind for _, kind, _, _ in world.rows("a")][-1] == "MessageDeleteIgnored"


def test_a_receive_moves_very_many_and_still_finds_the_one_behind_them() -> None:
    policy = {"dead_letter_target": "dlq", "max_receive_count": 1}
    world = World({"dlq": {}, "q": {"visibility_timeout": 1, "redrive_policy": policy}})
    for n in range(2500):
        world.engine.submit(Q, c.SendMessage(f"m{n}"))
    world.engine.run_until(0)
    assert len(world.ask("q", Poll(10_000, 0)).records) == 2500
    world.engine.advance(1000)
    world.send("q", "last")
    assert shown(world.receive("q", wait_time_seconds=1)) == ["last 1"]
    assert world.engine.now_ms == 1000
    assert world.counts("dlq") == [2500, 0, 0]


# --- receipts -----------------------------------------------------------------------------------


@given(st.integers(1, 2**48), st.integers(1, 2**31), st.integers(4, 51), st.characters(max_codepoint=300))
def test_a_receipt_says_what_it_was_given_and_a_changed_one_says_nothing(
    seq: int, count: int, place: int, letter: str
) -> None:
    handle = receipts.issue(Q, seq, count, Ids(1))
    assert len(handle) == 52
    assert receipts.read(Q, handle) == (seq, count)
    assert receipts.read(Q + "x", handle) is None
    changed = handle[:place] + letter + handle[place + 1 :]
    assert receipts.read(Q, changed) == ((seq, count) if changed == handle else None)


@given(st.text())
def test_any_other_text_is_no_receipt(text: str) -> None:
    assert receipts.read(Q, text) is None
    assert receipts.read(Q, "AQEB" + text) is None


def test_a_handle_of_a_deleted_message_never_means_a_later_one() -> None:
    world = World({"q": {}})
    world.send("q", "a")
    (a,) = world.receive("q").messages
    world.ask("q", c.DeleteMessage(a.receipt_handle))
    world.send("q", "b")
    world.receive("q")
    world.ask("q", c.DeleteMessage(a.receipt_handle))
    assert world.counts("q") == [0, 1, 0]


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"content_based_deduplication": True}, "content_based_deduplication is for FIFO queues"),
        ({"deduplication_scope": "queue"}, "deduplication_scope is for FIFO queues"),
        ({"fifo_queue": True, "fifo_throughput_limit": "perMessageGroupId"}, "needs deduplication_scope: messageGroup"),
        ({"fifo_queue": "yes"}, "valid boolean"),
        ({"policy": "[]"}, "policy is not a JSON object"),
        ({"kms_master_key_id": "k", "sqs_managed_sse_enabled": True}, "exclude each other"),
        ({"kms_data_key_reuse_period_seconds": 60}, "needs kms_master_key_id"),
        ({"tags": {"": "x"}}, "at least 1 character"),
        ({"visibilty_timeout": 3}, "Extra inputs are not permitted"),
        ({"visibility_timeout": "13h"}, "less than or equal to 43200"),
        ({"delay_seconds": "500ms"}, "whole number of seconds"),
        ({"maximum_message_size": "2MB"}, "less than or equal to 1048576"),
        ({"redrive_policy": {"max_receive_count": 3}}, "name the dead-letter queue once"),
        ({"redrive_policy": {"dead_letter_target": "d"}}, "Field required"),
        ({"redrive_policy": {"dead_letter_target": "d", "max_receive_count": 0}}, "greater than or equal to 1"),
        ({"redrive_allow_policy": {"redrive_permission": "byQueue"}}, "needs source_queues"),
        ({"redrive_allow_policy": {"source_queues": ["a"]}}, "needs source_queues"),
    ],
)
def test_a_wrong_setting_is_named(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        QueueConfig(**config)


def test_a_queue_from_the_project_file() -> None:
    config = QueueConfig(
        visibility_timeout="1m",
        redrive_policy={"dead_letter_target": "dlq", "max_receive_count": 3},
        redrive_allow_policy={"redrive_permission": "byQueue", "source_queues": ["a"]},
    )
    arn, command = queue_resource(NAMES, "q", config)
    assert (arn, command.kind, command.name) == (Q, "queue", "q")
    assert command.config == {
        "visibility_timeout": 60,
        "delay_seconds": 0,
        "message_retention_period": 345600,
        "maximum_message_size": 1048576,
        "receive_message_wait_time_seconds": 0,
        "redrive_policy": {"dead_letter_target_arn": NAMES.queue("dlq"), "max_receive_count": 3},
        "redrive_allow_policy": {"redrive_permission": "byQueue", "source_queue_arns": [NAMES.queue("a")]},
    }
    assert decode(encode(command)) == command


@pytest.mark.parametrize(
    ("name", "fifo", "words"),
    [
        ("q.fifo", False, "needs fifo_queue: true"),
        ("q", True, "ends in .fifo"),
        ("a b", False, "letters, digits"),
        (f"{'q' * 76}.fifo", True, "1 to 80"),
    ],
)
def test_a_name_that_no_queue_can_have(name: str, fifo: bool, words: str) -> None:
    with pytest.raises(UserError, match=words):
        queue_resource(NAMES, name, QueueConfig(fifo_queue=fifo))


def dead(target: str) -> QueueConfig:
    return QueueConfig(redrive_policy={"dead_letter_target": target, "max_receive_count": 1})


def test_dead_letter_queues_are_made_first() -> None:
    queues = {"a": dead("b"), "b": dead("c"), "d": dead("elsewhere"), "c": QueueConfig()}
    assert in_order(queues) == ["c", "b", "a", "d"]
    with pytest.raises(UserError, match="a -> b -> a"):
        in_order({"x": dead("a"), "a": dead("b"), "b": dead("a")})


def test_putting_equal_settings_again_changes_nothing() -> None:
    world = World({"q": {}})
    assert world.put("q", QueueConfig()) == 1
    assert world.put("q", QueueConfig(visibility_timeout=5)) == 2
    assert world.engine.reader.describe(Q).visibility_timeout_ms == 5000
    assert world.remove("q", wiring_only=True) is None
    assert world.engine.reader.resource(Q).wired is False
    assert world.put("q", QueueConfig(visibility_timeout=5)) == 4
    assert world.engine.reader.resource(Q).wired is True


def test_describe_knows_no_queue_that_is_not_there() -> None:
    assert World({}).engine.reader.describe(Q) is None


def test_queue_attributes_have_aws_names_and_are_texts() -> None:
    world = World({"dlq": {}})
    world.engine.advance(5500)
    policy = {"dead_letter_target": "dlq", "max_receive_count": 3}
    world.put("q", QueueConfig(redrive_policy=policy, redrive_allow_policy={"redrive_permission": "denyAll"}))
    world.engine.advance(1000)
    world.put("q", QueueConfig(redrive_policy=policy, delay_seconds=7))
    world.send("q", "a")
    assert dict(world.ask("q", c.GetQueueAttributes()).attributes) == {
        "QueueArn": Q,
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "1",
        "CreatedTimestamp": "5",
        "LastModifiedTimestamp": "6",
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "7",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "RedrivePolicy": f'{{"deadLetterTargetArn":"{NAMES.queue("dlq")}","maxReceiveCount":3}}',
    }
    named = world.ask("q", c.GetQueueAttributes(("DelaySeconds", "RedriveAllowPolicy")))
    assert named == c.QueueAttributes((("DelaySeconds", "7"),))
    unset = world.ask("q", c.GetQueueAttributes(("Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")))
    assert unset == c.QueueAttributes(())
    assert world.ask("q", c.GetQueueAttributes(("Colour",))).code == "InvalidAttributeName"


def test_peeking_changes_nothing() -> None:
    world = World({"q": {}})
    for body, delay in (("a", 0), ("b", 0), ("c", 60)):
        world.send("q", body, delay_seconds=delay)
    world.receive("q")
    before = world.counts("q")
    peeked: c.Peeked = world.ask("q", c.PeekMessages(2))
    assert [(m.body, m.state, m.receive_count) for m in peeked.messages] == [("a", "in flight", 1), ("b", "visible", 0)]
    assert peeked.total == 3
    assert peeked.messages[0].cause == world.rows("a")[-1][0]
    assert world.counts("q") == before


# --- size ---------------------------------------------------------------------------------------


def fill(world: World, queue: str, count: int, *, visible_ms: int, received_ms: int | None) -> None:
    """Many messages at once, as rows."""
    text = payload("x")
    run = world.engine.connection
    run.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (text.digest, text.body))
    received = 0 if received_ms is None else 1
    run.executemany(
        "INSERT INTO sqs_messages (queue, message_id, payload, size, md5_of_body, sender_id, sent_ms,"
        " visible_ms, receive_count, receives_before, first_received_ms, received_ms, cause)"
        " VALUES (?, ?, ?, 1, '', '', 0, ?, ?, 0, ?, ?, 0)",
        (
            (NAMES.queue(queue), f"{queue}{n}", text.digest, visible_ms, received, received_ms, received_ms)
            for n in range(count)
        ),
    )


def test_no_more_than_120000_messages_are_in_flight() -> None:
    world = World({"q": {}})
    fill(world, "q", 119_997, visible_ms=30_000, received_ms=0)
    for body in "abcde":
        world.send("q", body)
    assert shown(world.receive("q", 10)) == ["a 1", "b 1", "c 1"]
    assert world.counts("q") == [2, 120_000, 0]
    refused = world.receive("q", 10)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.status) == ("OverLimit", 403)
    assert shown(world.receive("q", 10, wait_time_seconds=2)) == []
    assert world.engine.now_ms == 2000
    world.ask("q", c.DeleteMessage(world.handles["a", 1]))
    assert shown(world.receive("q", 10, wait_time_seconds=20)) == ["d 1"]
    assert world.engine.now_ms == 2000


def test_the_hot_statements_walk_an_index_and_sort_nothing() -> None:
    world = World({"q": {}})
    statements = {
        store.VISIBLE: (Q, -1, -1, 0, 0, 10),
        store.NEXT_VISIBLE: (Q, 0),
        store.IN_FLIGHT: (Q, 0),
        store.BY_SEQ: (1,),
        store.BY_SEQS: ("[1]",),
        store.STATE: (Q,),
    }
    for statement, params in statements.items():
        plan = world.engine.connection.execute("EXPLAIN QUERY PLAN " + statement.sql, params).fetchall()
        steps = [row[3] for row in plan]
        assert not any("TEMP B-TREE" in step or "SCAN sqs" in step for step in steps), (statement, steps)
        assert any(step.startswith("SEARCH") for step in steps)


def test_a_put_of_another_kind_of_settings_is_refused() -> None:
    world = World({})
    refused = world.ask("q", PutResource("queue", "q", {"colour": 1}))
    assert (refused.code, refused.message) == ("InvalidAttributeName", "Unknown Attribute colour.")

"""The shapes of received messages: worked examples field by field, and readers of other people."""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from hashlib import md5
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel
from botocore.parsers import create_parser
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st
from moto.sqs.models import Message

from simtriggers.aws.contracts import Poll, Polled
from simtriggers.aws.digests import md5_of_body, md5_of_message_attributes
from simtriggers.kernel.codec import to_json
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs import records
from simtriggers.services.sqs.store import Candidate
from tests.services.sqs.world import FIXTURES, World

EXAMPLES = {path.name: json.loads(path.read_text("utf-8")) for path in sorted((FIXTURES / "sqs").glob("*.json"))}
EVENTS = [name for name, example in EXAMPLES.items() if "event" in example]
ORDERS = "arn:aws:sqs:eu-west-1:123456789012:orders"
TRACE = ("AWSTraceHeader", "String", "Root=1-691ed86f-0a1b2c3d4e5f60718293a4b5")
THREE = (("tenant", "String", "acme"), ("retries", "Number", "3"), ("thumb", "Binary", "AgME"))


def candidate(message: dict[str, Any]) -> Candidate:
    """A row as the queue would have it, with its digests computed."""
    attributes = [tuple(item) for item in message["attributes"]]
    return Candidate(
        seq=1,
        message_id=message["message_id"],
        body=message["body"],
        size=0,
        attributes=to_json(attributes) if attributes else None,
        trace_header=message["trace_header"],
        md5_of_body=md5_of_body(message["body"]),
        md5_of_attributes=md5_of_message_attributes(attributes),
        sender_id=message["sender_id"],
        sent_ms=message["sent_ms"],
        visible_ms=0,
        receive_count=0,
        receives_before=0,
        first_received_ms=None,
        dead_letter_source=message["dead_letter_source"],
        cause=0,
        span=1,
        group_id=message.get("group_id"),
        deduplication_id=message.get("deduplication_id"),
        sequence=message.get("sequence"),
    )


def as_json(message: c.Message) -> dict[str, Any]:
    """A received message as the wire has it: what SDKs read."""
    attributes = {
        name: {"BinaryValue" if kind.startswith("Binary") else "StringValue": value, "DataType": kind}
        for name, kind, value in message.message_attributes
    }
    digests = {"MD5OfMessageAttributes": message.md5_of_message_attributes, "MessageAttributes": attributes}
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
        "Attributes": dict(message.attributes),
        **(digests if attributes else {}),
    }


def test_every_example_names_its_source() -> None:
    assert len(EXAMPLES) == 5
    assert all(example["source"] and example["about"] for example in EXAMPLES.values())


@pytest.mark.parametrize("name", EVENTS)
def test_worked_event(name: str) -> None:
    example = EXAMPLES[name]
    text = records.event_record(example.get("queue", ORDERS), candidate(example["message"]), **example["receive"])
    # As texts: the order of keys counts.
    assert '{"Records":[' + text + "]}" == to_json(example["event"])


def test_the_worked_fifo_event_comes_out_of_a_queue() -> None:
    (expected,) = EXAMPLES["event-fifo.json"]["event"]["Records"]
    world = World({"orders.fifo": {"fifo_queue": True, "content_based_deduplication": True}})
    world.send("orders.fifo", expected["body"], message_group_id="order-1001")
    (record,) = world.ask("orders.fifo", Poll(10, 0)).records
    found = json.loads(record.json)
    (read,) = SqsModel.model_validate({"Records": [found]}).Records
    assert read.attributes.MessageGroupId == "order-1001"
    assert list(found) == list(expected)
    assert list(found["attributes"]) == list(expected["attributes"])
    for name in ("SequenceNumber", "MessageGroupId", "MessageDeduplicationId"):
        assert found["attributes"][name] == expected["attributes"][name]
    assert found["md5OfBody"] == expected["md5OfBody"]


def test_worked_receive_from_a_dead_letter_queue() -> None:
    example = EXAMPLES["receive-from-dead-letter-queue.json"]
    message = records.received_message(
        candidate(example["message"]),
        attribute_names=("All",),
        message_attribute_names=("All",),
        **example["receive"],
    )
    assert {"Messages": [as_json(message)]} == example["response"]


@pytest.mark.parametrize("null_md5", [False, True])
def test_polled_records_are_read_by_powertools(null_md5: bool) -> None:
    world = World({"q": {}})
    world.send("q", '{"n": 1}')
    world.send("q", "grüße", message_attributes=THREE, system_attributes=(TRACE,))
    polled: Polled = world.ask("q", Poll(10, 0, null_md5_of_message_attributes=null_md5))
    event = {"Records": [json.loads(record.json) for record in polled.records]}
    plain, full = SqsModel.model_validate(event).Records
    assert (plain.body, plain.messageId) == ('{"n": 1}', world.ids['{"n": 1}'])
    assert ("md5OfMessageAttributes" in event["Records"][0]) is null_md5
    assert full.attributes.AWSTraceHeader == TRACE[2]
    assert full.messageAttributes["thumb"].binaryValue == "AgME"
    assert [record.id for record in polled.records] == [plain.messageId, full.messageId]
    assert [record.receipt for record in polled.records] == [plain.receiptHandle, full.receiptHandle]


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ((), []),
        (("All",), ["Foo", "foo.bar", "foo.baz"]),
        ((".*",), ["Foo", "foo.bar", "foo.baz"]),
        (("foo.*",), ["foo.bar", "foo.baz"]),
        (("foo.bar.*",), ["foo.bar"]),
        (("bar.*",), []),
        (("Foo", "nothing"), ["Foo"]),
        (("foo",), []),
    ],
)
def test_message_attributes_are_selected_by_name_and_the_digest_covers_what_is_returned(
    names: tuple[str, ...], given: list[str]
) -> None:
    world = World({"q": {}})
    attributes = tuple((name, "String", "x") for name in ("foo.baz", "Foo", "foo.bar"))
    world.send("q", "a", message_attributes=attributes)
    (message,) = world.receive("q", message_attribute_names=names).messages
    expected = [item for item in sorted(attributes) if item[0] in given]
    assert list(message.message_attributes) == expected
    assert message.md5_of_message_attributes == md5_of_message_attributes(expected)


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ((), {}),
        (("SentTimestamp",), {"SentTimestamp": "0"}),
        (("ApproximateReceiveCount", "SequenceNumber"), {"ApproximateReceiveCount": "1"}),
        (
            ("All",),
            {
                "AWSTraceHeader": TRACE[2],
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "0",
                "SenderId": "AIDASIMTRIGGERSSENDER",
                "ApproximateFirstReceiveTimestamp": "7",
            },
        ),
    ],
)
def test_system_attributes_are_those_asked_for(names: tuple[str, ...], given: dict[str, str]) -> None:
    world = World({"q": {}})
    world.send("q", "a", system_attributes=(TRACE,))
    world.engine.advance(7)
    (message,) = world.receive("q", attribute_names=names).messages
    assert dict(message.attributes) == given


# --- as boto3 reads it ----------------------------------------------------------------------------


def digest_of(attributes: dict[str, Any]) -> str:
    """The MD5 of message attributes as SDKs that check it compute it: lengths of 4 bytes, names in order."""
    raw = bytearray()
    for name in sorted(attributes):
        kind = attributes[name]["DataType"]
        for text in (name, kind):
            raw += struct.pack("!I", len(text.encode())) + text.encode()
        binary = attributes[name].get("BinaryValue")
        value = attributes[name]["StringValue"].encode() if binary is None else binary
        raw += bytes([1 if binary is None else 2]) + struct.pack("!I", len(value)) + value
    return md5(raw).hexdigest()


def test_botocore_reads_what_is_received_and_its_digests_hold() -> None:
    shape = get_session().get_service_model("sqs").operation_model("ReceiveMessage").output_shape
    world = World({"q": {}})
    world.send("q", "grüße 😀", message_attributes=THREE, system_attributes=(TRACE,))
    world.send("q", "plain")
    result = world.receive("q", 10, message_attribute_names=("All",))
    text = to_json({"Messages": list(map(as_json, result.messages))}).encode()
    parsed = create_parser("json").parse({"body": text, "headers": {}, "status_code": 200}, shape)
    full, plain = parsed["Messages"]
    assert set(full) == set(shape.members["Messages"].member.members)
    assert set(plain) == set(full) - {"MessageAttributes", "MD5OfMessageAttributes"}
    assert full["MessageAttributes"]["thumb"] == {"BinaryValue": b64decode("AgME"), "DataType": "Binary"}
    for message in (full, plain):
        assert message["MD5OfBody"] == md5(message["Body"].encode()).hexdigest()
    assert full["MD5OfMessageAttributes"] == digest_of(full["MessageAttributes"])


# --- digests ------------------------------------------------------------------------------------

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), min_size=1, max_size=20)
STRINGS = st.tuples(st.sampled_from(["String", "String.json", "String.x"]), TEXTS)
NUMBERS = st.tuples(st.sampled_from(["Number", "Number.int"]), st.integers(-(10**30), 10**30).map(str))
BINARIES = st.tuples(
    st.sampled_from(["Binary", "Binary.png"]),
    st.binary(min_size=1, max_size=20).map(lambda raw: b64encode(raw).decode()),
)


@given(
    body=TEXTS,
    attributes=st.dictionaries(st.text(LETTERS, min_size=1, max_size=12), STRINGS | NUMBERS | BINARIES, max_size=10),
)
def test_digests_are_those_that_moto_computes(body: str, attributes: dict[str, tuple[str, str]]) -> None:
    """moto's own implementation, on what is sent and on what comes back. (boto3 itself checks no digest.)"""
    world = World({"q": {}})
    given_ = tuple((name, kind, value) for name, (kind, value) in attributes.items())
    sent = world.send("q", body, message_attributes=given_)
    (got,) = world.receive("q", message_attribute_names=("All",)).messages
    other = Message("id", got.body)
    for name, kind, value in got.message_attributes:
        binary = kind.startswith("Binary")
        shown = {"BinaryValue": b64decode(value)} if binary else {"StringValue": value}
        other.message_attributes[name] = {"DataType": kind, **shown}
    expected = other.attribute_md5 if attributes else None
    assert (sent.md5_of_body, got.md5_of_body) == (other.body_md5, other.body_md5)
    assert (sent.md5_of_message_attributes, got.md5_of_message_attributes) == (expected, expected)

"""The shapes of received messages: worked examples field by field, and readers of other people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

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
    )


def test_every_example_names_its_source() -> None:
    assert len(EXAMPLES) == 4
    assert all(example["source"] and example["about"] for example in EXAMPLES.values())


@pytest.mark.parametrize("name", EVENTS)
def test_worked_event(name: str) -> None:
    example = EXAMPLES[name]
    text = records.event_record(ORDERS, candidate(example["message"]), **example["receive"])
    # As texts: the order of keys counts.
    assert '{"Records":[' + text + "]}" == to_json(example["event"])


def test_worked_receive_from_a_dead_letter_queue() -> None:
    example = EXAMPLES["receive-from-dead-letter-queue.json"]
    message = records.received_message(
        candidate(example["message"]),
        attribute_names=("All",),
        message_attribute_names=("All",),
        **example["receive"],
    )
    assert records.receive_response(c.ReceiveResult((message,))) == example["response"]


def test_an_empty_receive_has_no_messages_key() -> None:
    assert records.receive_response(c.ReceiveResult(())) == {}


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

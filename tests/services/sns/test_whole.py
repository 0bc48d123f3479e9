"""Topics with the real queues of a simulation: what a consumer sees of a notification."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simtriggers.engine.faults import FaultPlan, TargetFault
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.records import SENDER_ID
from simtriggers.simulation import Simulation
from tests.services.sns.world import NAMES
from tests.simulated import world as simulation

PROJECT = """
topics:
  news:
    subscriptions:
      - {queue: plain}
      - {queue: raw, raw_message_delivery: true}
  ordered.fifo:
    content_based_deduplication: true
    subscriptions:
      - {queue: jobs.fifo}
      - {queue: bare.fifo, raw_message_delivery: true}
      - {queue: plain}
queues: {plain: {}, raw: {}, jobs.fifo: {fifo_queue: true}, bare.fifo: {fifo_queue: true}}
"""
GROUPS = {"MessageGroupId", "MessageDeduplicationId", "SequenceNumber"}


def only(sim: Simulation, queue: str) -> tuple[Any, dict[str, str]]:
    """The one message of a queue, and its system attributes."""
    sim.run_until_idle()
    [message] = sim.queue(queue).receive(10)
    return message, dict(message.attributes)


def test_a_message_of_a_queue_has_its_own_id_and_the_senders() -> None:
    with simulation(PROJECT) as sim:
        published = sim.topic("news").publish("hello", subject="S", message_attributes={"a": "x"})
        message, attributes = only(sim, "plain")
        bare, raw = only(sim, "raw")
        body = json.loads(message.body)
        ids = {message.message_id, bare.message_id, published.message_id}
        assert body["MessageId"] == published.message_id and len(ids) == 3
        assert attributes["SenderId"] == raw["SenderId"] == SENDER_ID
        assert message.message_attributes == ()
        assert (bare.body, bare.message_attributes) == ("hello", (("a", "String", "x"),))
        assert not GROUPS & (attributes.keys() | raw.keys())


@pytest.mark.parametrize("queue", ["plain", "raw"])
def test_a_group_of_a_standard_topic_is_a_system_attribute(queue: str) -> None:
    with simulation(PROJECT) as sim:
        sim.topic("news").publish("hello", message_group_id="tenant-1")
        _, attributes = only(sim, queue)
        assert attributes["MessageGroupId"] == "tenant-1"


@pytest.mark.parametrize("queue", ["jobs.fifo", "bare.fifo"])
def test_a_fifo_queue_needs_no_deduplication_of_its_own(queue: str) -> None:
    with simulation(PROJECT) as sim:
        published = sim.topic("ordered.fifo").publish("Test", message_group_id="g")
        again = sim.topic("ordered.fifo").publish("Test", message_group_id="g")
        assert again == published
        message, attributes = only(sim, queue)
        assert attributes["MessageGroupId"] == "g"
        assert attributes["MessageDeduplicationId"].startswith("532eaabd9574880d")
        assert len(attributes["SequenceNumber"]) == len(str(published.sequence_number)) == 20
        assert attributes["SequenceNumber"] != published.sequence_number
        if queue == "jobs.fifo":
            assert json.loads(message.body)["SequenceNumber"] == published.sequence_number


def test_a_standard_queue_of_a_fifo_topic_has_no_group() -> None:
    with simulation(PROJECT) as sim:
        sim.topic("ordered.fifo").publish("Test", message_group_id="g")
        _, attributes = only(sim, "plain")
        assert not GROUPS & attributes.keys()


@pytest.mark.parametrize(
    "subscription, body",
    [
        ({"queue": "gone"}, None),
        ({"queue": "gone", "raw_message_delivery": True}, "hello"),
        ({"function": "note"}, None),
    ],
)
def test_a_dead_letter_has_no_error_attributes(subscription: dict[str, Any], body: str | None) -> None:
    text = {
        "topics": {"news": {"subscriptions": [{**subscription, "redrive_policy": {"dead_letter_target": "lost"}}]}},
        "queues": {"gone": {}, "lost": {}},
        "functions": {"note": {"stub": [{"returns": 1}]}},
    }
    with simulation(json.dumps(text)) as sim:
        target = subscription.get("queue", "note")
        arn = NAMES.queue("gone") if target == "gone" else NAMES.function("note")
        sim.set_faults(FaultPlan(targets=(TargetFault(arn, "missing"),)))
        published = sim.topic("news").publish("hello", message_attributes={"a": "x"})
        letter, _ = only(sim, "lost")
        if body is not None:
            assert (letter.body, letter.message_attributes) == (body, (("a", "String", "x"),))
            return
        document = json.loads(letter.body)
        assert letter.message_attributes == ()
        assert (document["Type"], document["MessageId"]) == ("Notification", published.message_id)
        assert {"SigningCertURL", "UnsubscribeURL"} <= document.keys()
        assert not {"Records", "Sns", "SigningCertUrl"} & document.keys()


def test_a_trace_header_is_a_system_attribute() -> None:
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with simulation(PROJECT) as sim:
        entry = c.PublishEntry("hello", trace_header=header)
        sim.engine.ask(NAMES.topic("news"), c.Publish(entry))
        for queue in ("plain", "raw"):
            _, attributes = only(sim, queue)
            assert attributes["AWSTraceHeader"] == header


def test_a_restart_and_a_snapshot_keep_the_line() -> None:
    with simulation(PROJECT) as sim:
        down = TargetFault(NAMES.queue("jobs.fifo"), "down", sim.start_ms, sim.start_ms + 30_000)
        sim.set_faults(FaultPlan(targets=(down,)))
        topic = sim.topic("ordered.fifo")
        topic.publish("one", message_group_id="g")
        sim.advance("9s")
        sim.restore(sim.snapshot())
        topic.publish("two", message_group_id="g")
        sim.restart()
        sim.advance("9s")
        topic.publish("three", message_group_id="g")
        assert sim.queue("jobs.fifo").messages() == []
        sim.run_until_idle()
        found = [json.loads(message.body)["Message"] for message in sim.queue("jobs.fifo").messages()]
        failed = {row.subject for row in sim.trace if row.kind == "DeliveryFailed"}
    assert found == ["one", "two", "three"]
    assert len(failed) == 1, "those that wait are not tried"

"""FIFO topics: groups, deduplication, sequence numbers, archive and replay."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from simtriggers.aws.contracts import RemoveResource
from simtriggers.kernel.clock import iso_ms
from simtriggers.services.sns import commands as c
from simtriggers.services.sns.config import SubscriptionConfig, subscription_resource
from tests.services.sns.world import DOWN, GONE, NAMES, QUEUE, START_MS, World

FIFO_QUEUE = NAMES.queue("jobs.fifo")
DAY_MS = 86_400_000


def fifo(*subscriptions: dict[str, Any], **config: Any) -> tuple[World, str]:
    world = World()
    return world, world.topic("orders.fifo", *(subscriptions or ({"queue": "jobs.fifo"},)), **config)


def send(world: World, topic: str, text: str, *, group: str = "g", dedup: str | None = None) -> Any:
    return world.publish(topic, text, message_group_id=group, message_deduplication_id=dedup)


def messages(world: World, arn: str = FIFO_QUEUE) -> list[str]:
    return [body["Message"] for body in world.bodies(arn)]


def test_what_a_fifo_queue_gets() -> None:
    world, topic = fifo()
    result = send(world, topic, "step-1", group="o-1", dedup="d-1")
    [arrival] = world.arrived
    assert (arrival.context["group_id"], arrival.context["deduplication_id"]) == ("o-1", "d-1")
    body = json.loads(arrival.text)
    assert body["SequenceNumber"] == result.sequence_number == "10000000000000001000"
    assert not {"SignatureVersion", "Signature", "SigningCertURL"} & body.keys()
    described = world.engine.reader.describe(topic)
    assert described is not None and described.fifo
    [row] = world.rows("MessagePublished")
    assert (row.details["group_id"], row.details["sequence_number"]) == ("o-1", "10000000000000001000")


def test_sequence_numbers_have_twenty_digits_and_grow() -> None:
    world, topic = fifo()
    numbers = [send(world, topic, str(n), dedup=str(n)).sequence_number for n in range(3)]
    assert numbers == sorted(set(numbers)) and {len(number) for number in numbers} == {20}


def test_a_standard_queue_gets_neither_group_nor_deduplication_id() -> None:
    world, topic = fifo({"queue": "jobs"})
    send(world, topic, "x", dedup="d")
    [arrival] = world.arrived
    assert arrival.arn == QUEUE
    assert not {"group_id", "deduplication_id"} & arrival.context.keys()
    assert "SequenceNumber" in json.loads(arrival.text)


def test_content_based_deduplication() -> None:
    world, topic = fifo(content_based_deduplication=True)
    send(world, topic, "Test")
    [arrival] = world.arrived
    assert arrival.context["deduplication_id"].startswith("532eaabd9574880d")
    assert arrival.context["deduplication_id"] == hashlib.sha256(b"Test").hexdigest()


@pytest.mark.parametrize(
    "after_ms, group, scope, twice",
    [
        (299_999, "g", "Topic", False),
        (300_000, "g", "Topic", True),
        (0, "other", "Topic", False),
        (0, "other", "MessageGroup", True),
        (0, "g", "MessageGroup", False),
    ],
)
def test_deduplication(after_ms: int, group: str, scope: str, twice: bool) -> None:
    world, topic = fifo(fifo_throughput_scope=scope)
    first = send(world, topic, "one", dedup="d")
    world.engine.advance(after_ms)
    second = send(world, topic, "two", group=group, dedup="d")
    assert messages(world) == (["one", "two"] if twice else ["one"])
    assert (first == second) is not twice
    assert len(world.rows("MessageDeduplicated")) == (0 if twice else 1)


@pytest.mark.parametrize("before, after", [("Topic", "MessageGroup"), ("MessageGroup", "Topic")])
def test_an_id_keeps_the_scope_under_which_it_was_published(before: str, after: str) -> None:
    world, topic = fifo(fifo_throughput_scope=before)
    send(world, topic, "one", dedup="d")
    world.engine.ask(topic, c.SetTopicAttributes("FifoThroughputScope", after))
    send(world, topic, "same group", dedup="d")
    send(world, topic, "other group", group="other", dedup="d")
    assert messages(world) == (["one"] if before == "Topic" else ["one", "other group"])


def test_deduplication_within_a_batch() -> None:
    world, topic = fifo(content_based_deduplication=True)
    entries = tuple(c.PublishEntry(text, name, message_group_id="g") for name, text in zip("abc", "xyx", strict=True))
    found = world.engine.ask(topic, c.PublishBatch(entries))
    world.engine.run_until_idle()
    assert messages(world) == ["x", "y"]
    assert [each.id for each in found.successful] == ["a", "b", "c"]
    assert found.successful[0].message_id == found.successful[2].message_id


def test_old_deduplication_ids_are_forgotten() -> None:
    world, topic = fifo()
    send(world, topic, "one", dedup="1")
    world.engine.advance(300_000)
    send(world, topic, "two", dedup="2")
    assert world.count("sns_deduplication") == 1


def test_a_fifo_dead_letter_keeps_its_group() -> None:
    redrive = {"dead_letter_target": "letters.fifo"}
    world, topic = fifo({"queue": "jobs.fifo", "raw_message_delivery": True, "redrive_policy": redrive})
    world.refusals[FIFO_QUEUE] = [GONE]
    send(world, topic, "x", group="g-1", dedup="d-1")
    [letter] = world.arrived
    assert letter.arn == NAMES.queue("letters.fifo")
    assert (letter.context["group_id"], letter.context["deduplication_id"]) == ("g-1", "d-1")


def test_shuffled_ties_keep_the_order_of_a_group() -> None:
    for shuffle in range(5):
        world = World()
        world.engine.agenda._shuffle_seed = shuffle
        topic = world.topic("orders.fifo", {"queue": "jobs.fifo"}, content_based_deduplication=True)
        entries = tuple(c.PublishEntry(str(n), str(n), message_group_id=str(n % 2)) for n in range(10))
        world.engine.ask(topic, c.PublishBatch(entries))
        world.engine.run_until_idle()
        found = messages(world)
        assert [text for text in found if int(text) % 2] == ["1", "3", "5", "7", "9"]
        assert [text for text in found if not int(text) % 2] == ["0", "2", "4", "6", "8"]


# --- archive ------------------------------------------------------------------------------------


def archived(days: int = 30) -> tuple[World, str]:
    """A topic with three archived messages, an hour apart, and no subscriptions."""
    world = World()
    topic = world.topic("orders.fifo", archive_policy={"message_retention_period": days})
    for number in range(3):
        send(world, topic, f"m{number}", dedup=str(number))
        world.engine.advance(3_600_000)
    return world, topic


def test_a_replay() -> None:
    world, topic = archived()
    assert world.attributes(topic)["BeginningArchiveTime"] == iso_ms(START_MS)
    arn = world.subscribe(topic, queue="jobs.fifo", replay_policy={"starting_point": iso_ms(START_MS + 3_600_000)})
    assert messages(world) == ["m1", "m2"]
    first = world.bodies()[0]
    assert (first["Replayed"], first["Timestamp"]) == (True, iso_ms(START_MS + 3_600_000))
    assert first["MessageId"] == world.rows("MessagePublished")[1].subject
    assert world.attributes(arn)["ReplayStatus"] == "Completed"
    send(world, topic, "m3", dedup="3")
    assert messages(world) == ["m1", "m2", "m3"]
    assert "Replayed" not in world.bodies()[-1]


def test_the_states_of_a_replay() -> None:
    world = World()
    topic = world.topic("orders.fifo", archive_policy={"message_retention_period": 1})
    for number in range(250):
        put(world, topic, str(number))
    arn, command = subscription_resource(
        NAMES,
        topic,
        SubscriptionConfig.model_validate(
            {"queue": "jobs.fifo", "replay_policy": {"starting_point": iso_ms(START_MS)}}
        ),
    )
    world.engine.submit(arn, command)
    states: list[str] = []
    while (entry := world.engine.agenda.pop()) is not None:
        world.engine.step(entry)
        states += world.engine.connection.execute("SELECT replay_status FROM sns_subscriptions").fetchone()
    assert list(dict.fromkeys(states)) == ["Pending", "In progress", "Completed"]


def test_a_replay_with_an_end_gets_nothing_new() -> None:
    world, topic = archived()
    end = iso_ms(START_MS + 3_600_000)
    policy = {"starting_point": iso_ms(START_MS), "ending_point": end}
    world.subscribe(topic, queue="jobs.fifo", replay_policy=policy)
    send(world, topic, "m3", dedup="3")
    assert messages(world) == ["m0", "m1"]


def test_a_replay_is_filtered() -> None:
    world = World()
    topic = world.topic("orders.fifo", archive_policy={"message_retention_period": 1})
    for name in "ab":
        members = {"message_group_id": "g", "message_deduplication_id": name}
        world.publish(topic, name, message_attributes=(("k", "String", name),), **members)
    replay = {"starting_point": iso_ms(START_MS)}
    world.subscribe(topic, queue="jobs.fifo", filter_policy={"k": ["b"]}, replay_policy=replay)
    assert messages(world) == ["b"]
    assert [row.details["matched"] for row in world.rows("MessageReplayed")] == [0, 1]


def test_a_long_replay_keeps_its_order() -> None:
    world = World()
    topic = world.topic("orders.fifo", archive_policy={"message_retention_period": 1})
    for number in range(250):
        entry = c.PublishEntry(str(number), message_group_id="g", message_deduplication_id=str(number))
        world.engine.ask(topic, c.Publish(entry))
    world.subscribe(topic, queue="jobs.fifo", replay_policy={"starting_point": iso_ms(START_MS)})
    assert messages(world) == [str(number) for number in range(250)]


def test_a_subscription_can_be_told_to_replay() -> None:
    world, topic = archived()
    arn = world.subscribe(topic, queue="jobs.fifo")
    assert world.arrived == []
    policy = {"PointType": "Timestamp", "StartingPoint": iso_ms(START_MS)}
    assert world.engine.ask(arn, c.SetSubscriptionAttributes("ReplayPolicy", json.dumps(policy))) is None
    world.engine.run_until_idle()
    assert messages(world) == ["m0", "m1", "m2"]
    assert json.loads(world.attributes(arn)["ReplayPolicy"]) == policy
    world.engine.ask(arn, c.SetSubscriptionAttributes("ReplayPolicy", "{}"))
    assert not {"ReplayPolicy", "ReplayStatus"} & world.attributes(arn).keys()


@pytest.mark.parametrize(
    "policy, says",
    [
        ({"PointType": "Sequence", "StartingPoint": "2026-01-01T00:00:00Z"}, "PointType must be Timestamp"),
        ({"PointType": "Timestamp"}, "StartingPoint and EndingPoint must be timestamps"),
        ({"PointType": "Timestamp", "StartingPoint": "yesterday"}, "StartingPoint and EndingPoint must be timestamps"),
        (
            {"PointType": "Timestamp", "StartingPoint": "2026-01-02T00:00:00Z", "EndingPoint": "2026-01-01T00:00:00Z"},
            "EndingPoint must not be before StartingPoint",
        ),
    ],
)
def test_bad_replays(policy: dict[str, str], says: str) -> None:
    world, topic = archived()
    arn = world.subscribe(topic, queue="jobs.fifo")
    found = world.engine.ask(arn, c.SetSubscriptionAttributes("ReplayPolicy", json.dumps(policy)))
    assert found.message == f"Invalid parameter: ReplayPolicy: {says}"


def test_archived_messages_are_forgotten() -> None:
    world, topic = archived(days=1)
    world.engine.advance(DAY_MS)
    send(world, topic, "m3", dedup="3")
    assert world.count("sns_archive") == 1
    world.engine.ask(topic, c.SetTopicAttributes("ArchivePolicy", "{}"))
    assert world.count("sns_archive") == 0


def test_an_archive_keeps_its_topic() -> None:
    world, topic = archived()
    assert world.engine.ask(topic, RemoveResource()).code == "InvalidParameter"
    world.engine.ask(topic, c.SetTopicAttributes("ArchivePolicy", "{}"))
    assert world.engine.ask(topic, RemoveResource()) is None


# --- failed deliveries --------------------------------------------------------------------------


def put(world: World, topic: str, text: str, group: str = "g") -> None:
    """Publish, and let nothing follow yet."""
    entry = c.PublishEntry(text, message_group_id=group, message_deduplication_id=text)
    assert isinstance(world.engine.ask(topic, c.Publish(entry)), c.PublishResult)


def test_a_message_that_is_tried_again_holds_back_its_group_and_no_other() -> None:
    world, topic = fifo({"queue": "jobs.fifo"}, {"queue": "more.fifo"})
    world.refusals[FIFO_QUEUE] = [DOWN] * 7 + [None]  # type: ignore[list-item]
    for text in ("a1", "a2"):
        put(world, topic, text, "a")
    world.engine.advance(500)
    put(world, topic, "b1", "b")
    world.engine.advance(100)
    put(world, topic, "a3", "a")
    world.engine.run_until_idle()
    assert messages(world, NAMES.queue("more.fifo")) == ["a1", "a2", "b1", "a3"], "each subscription for itself"
    found = messages(world)
    assert [text for text in found if text[0] == "a"] == ["a1", "a2", "a3"]
    assert len(found) == 4
    times = {json.loads(each.text)["Message"]: each.at_ms for each in world.arrived if each.arn == FIFO_QUEUE}
    assert times["b1"] < times["a1"] == times["a2"] == times["a3"]
    failed = world.rows("DeliveryFailed")
    assert {row.subject for row in failed} == {
        row.subject
        for row in world.rows("MessagePublished")
        if world.engine.reader.payload(row.details["payload"]) in ("a1", "b1")
    }, "those that wait are not tried"


def test_what_is_given_up_lets_the_next_one_go() -> None:
    redrive = {"dead_letter_target": "letters.fifo"}
    world, topic = fifo({"queue": "jobs.fifo", "redrive_policy": redrive})
    world.refusals[FIFO_QUEUE] = [DOWN, DOWN, GONE, None]
    for text in ("one", "two", "three"):
        put(world, topic, text)
    world.engine.run_until_idle()
    assert messages(world, NAMES.queue("letters.fifo")) == ["one"]
    assert messages(world) == ["two", "three"]


@pytest.mark.parametrize("shuffle", range(4))
def test_shuffled_ties_keep_the_order_of_a_group_that_is_tried_again(shuffle: int) -> None:
    world = World()
    world.engine.agenda._shuffle_seed = shuffle
    topic = world.topic("orders.fifo", {"queue": "jobs.fifo"})
    world.refusals[FIFO_QUEUE] = [DOWN] * 5 + [None]  # type: ignore[list-item]
    for number in range(6):
        put(world, topic, f"{number}", str(number % 2))
    world.engine.run_until_idle()
    found = messages(world)
    assert [text for text in found if int(text) % 2] == ["1", "3", "5"]
    assert [text for text in found if not int(text) % 2] == ["0", "2", "4"]

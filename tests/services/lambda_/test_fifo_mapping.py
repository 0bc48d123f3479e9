"""Mappings on FIFO queues: order in a group, one batch of a group at a time, and what a failure holds up."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.engine.engine import Engine
from simtriggers.kernel.agenda import Entry
from simtriggers.services.sqs.commands import SendMessage
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS


class OneBatchOfAGroup:
    """A checker of every step: the batches in flight have no message group in common."""

    def __init__(self, world: World) -> None:
        self.most = 0
        world.engine.checkers.append(self)

    def __call__(self, engine: Engine, entry: Entry) -> list[str]:
        taken: dict[str, int] = {}
        batches = engine.connection.execute(
            "SELECT b.batch_id, p.body FROM lambda_batches b JOIN payloads p ON p.digest = b.payload"
            " ORDER BY b.batch_id"
        ).fetchall()
        self.most = max(self.most, len(batches))
        for batch_id, body in batches:
            for group in {record["attributes"]["MessageGroupId"] for record in json.loads(body)["Records"]}:
                if group in taken:
                    return [f"batches {taken[group]} and {batch_id} both have records of group {group}"]
                taken[group] = batch_id
        return []


def fifo(world: World, **config: Any) -> str:
    return world.queue("jobs.fifo", fifo_queue=True, content_based_deduplication=True, **config)


def send(world: World, queue: str, *bodies: str) -> list[str]:
    """Messages whose group is their first letter; returns their ids."""
    return [world.engine.ask(queue, SendMessage(body, message_group_id=body[0])).message_id for body in bodies]


def batches(world: World) -> list[tuple[int, list[str]]]:
    """When each batch started, and its bodies."""
    return [
        (at_ms - START_MS, [record["body"] for record in json.loads(begun.event)["Records"]])
        for at_ms, begun in world.runtime.started
    ]


def test_groups_run_in_parallel_and_each_in_order() -> None:
    world = World()
    queue = fifo(world)
    world.function("work", duration="1s")
    watch = OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo", batch_size=2)
    send(world, queue, "a1", "b1", "c1", "a2", "b2", "c2", "a3")
    world.engine.run_until_idle()
    assert batches(world) == [(0, ["a1", "a2"]), (0, ["b1", "b2"]), (0, ["c1", "c2"]), (1000, ["a3"])]
    assert watch.most == 3


def test_a_batch_may_mix_groups() -> None:
    world = World()
    queue = fifo(world)
    world.function("work", duration="1s")
    OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo")
    send(world, queue, "a1", "b1", "a2")
    world.engine.run_until(START_MS + 500)
    send(world, queue, "a3", "b2", "c1")
    world.engine.run_until_idle()
    assert batches(world) == [(0, ["a1", "a2", "b1"]), (500, ["c1"]), (1000, ["a3", "b2"])]


def test_maximum_concurrency_caps_groups() -> None:
    world = World()
    queue = fifo(world)
    world.function("work", duration="1s")
    watch = OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo", batch_size=1, maximum_concurrency=2)
    send(world, queue, "a1", "b1", "c1")
    world.engine.run_until_idle()
    assert [at_ms for at_ms, _ in batches(world)] == [0, 0, 1000]
    assert watch.most == 2


def test_more_groups_than_five_start_at_once() -> None:
    world = World()
    queue = fifo(world)
    world.function("work", duration="1s")
    world.mapping("work", "jobs.fifo", batch_size=1)
    send(world, queue, *(f"{group}1" for group in "abcdefgh"))
    world.engine.run_until_idle()
    assert [at_ms for at_ms, _ in batches(world)] == [0] * 8
    assert world.rows("MappingScaled") == []


def test_a_failing_batch_holds_up_its_groups_alone() -> None:
    world = World()
    queue = fifo(world, visibility_timeout="30s")
    world.function("work", "fail", "ok", duration="1s")
    OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo", batch_size=1)
    send(world, queue, "a1")
    world.engine.run_until(START_MS + 2000)
    send(world, queue, "a2", "b1")
    world.engine.run_until_idle()
    assert batches(world) == [(0, ["a1"]), (2000, ["b1"]), (30_000, ["a1"]), (31_000, ["a2"])]


def test_a_partial_response_deletes_the_unlisted_records_that_come_later() -> None:
    world = World()
    queue = fifo(world, visibility_timeout="30s")
    world.function("work")
    world.mapping("work", "jobs.fifo", function_response_types=["ReportBatchItemFailures"])
    ids = send(world, queue, "a1", "a2", "a3")
    reported = json.dumps({"batchItemFailures": [{"itemIdentifier": ids[1]}]})
    world.runtime.scripts["work"] = [("ok", reported), ("ok", "null")]
    world.engine.run_until_idle()
    # Lambda does not report what follows the failure: a3 has overtaken a2 for good.
    assert batches(world) == [(0, ["a1", "a2", "a3"]), (30_000, ["a2"])]
    assert world.count("sqs_messages") == 0


def test_a_group_goes_on_when_its_poison_is_in_the_dead_letter_queue() -> None:
    world = World()
    world.queue("dead.fifo", fifo_queue=True)
    queue = fifo(
        world,
        visibility_timeout="30s",
        redrive_policy={"dead_letter_target": "dead.fifo", "max_receive_count": 2},
    )
    world.function("work", "fail", "fail", "ok")
    OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo", batch_size=1)
    send(world, queue, "a1", "a2")
    world.engine.run_until_idle()
    assert batches(world) == [(0, ["a1"]), (30_000, ["a1"]), (60_000, ["a2"])]
    assert [message.body for message in world.receive(NAMES.queue("dead.fifo"))] == ["a1"]


def test_filters_drop_records_of_a_group_and_free_it() -> None:
    world = World()
    queue = fifo(world)
    world.function("work")
    world.mapping("work", "jobs.fifo", batch_size=1, filter_criteria=[{"attributes": {"MessageGroupId": ["b"]}}])
    send(world, queue, "a1", "b1", "a2", "b2")
    world.engine.run_until_idle()
    assert [bodies for _, bodies in batches(world)] == [["b1"], ["b2"]]
    assert world.count("sqs_messages") == 0
    assert len(world.rows("RecordFiltered")) == 2


@settings(max_examples=25, deadline=None)
@given(
    sends=st.lists(
        st.tuples(st.integers(0, 20), st.lists(st.sampled_from("abcd"), min_size=1, max_size=8)),
        min_size=1,
        max_size=4,
    ),
    script=st.lists(st.sampled_from(["ok", "ok", "fail", "timeout"]), min_size=1, max_size=6),
    batch_size=st.integers(1, 10),
    concurrency=st.sampled_from([None, 2]),
    reserved=st.sampled_from([None, 1]),
    restart_s=st.sampled_from([None, 3]),
    shuffle=st.sampled_from([None, 1]),
)
def test_order_holds_in_every_group_whatever_fails(
    sends: list[tuple[int, list[str]]],
    script: list[str],
    batch_size: int,
    concurrency: int | None,
    reserved: int | None,
    restart_s: int | None,
    shuffle: int | None,
) -> None:
    world = World(shuffle_ties=shuffle)
    queue = fifo(world, visibility_timeout="30s")
    world.function("work", *script, "ok", duration="2s", timeout="5s", reserved_concurrent_executions=reserved)
    watch = OneBatchOfAGroup(world)
    world.mapping("work", "jobs.fifo", batch_size=batch_size, maximum_concurrency=concurrency)
    sent: dict[str, list[str]] = {}
    for at_s, groups in sorted([*sends, *([(restart_s, [])] if restart_s is not None else [])]):
        world.engine.run_until(START_MS + 1000 * at_s)
        if not groups:
            world.engine.restart(NAMES.service)
        for group in groups:
            body = f"{group}{len(sent.setdefault(group, []))}"
            sent[group].append(body)
            send(world, queue, body)
    assert world.engine.run_until_idle().reason == "idle"
    first_seen: dict[str, list[str]] = {}
    for _, found in batches(world):
        for body in found:
            seen = first_seen.setdefault(body[0], [])
            if body not in seen:
                seen.append(body)
    assert first_seen == sent
    assert world.count("sqs_messages") == world.count("lambda_batches") == 0
    assert watch.most <= min(len(sent), concurrency or len(sent))

"""Fair queues: a noisy tenant's messages wait while others have any. Nothing is ordered, locked or deduplicated."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.aws.contracts import Poll
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.selection import noisy_tenants
from tests.services.sqs.world import NAMES, World, shown

Q = NAMES.queue("q")


def world_of(*in_flight: tuple[str | None, int], at_ms: int = 0, **config: Any) -> World:
    """A queue in which so many messages of each tenant are in flight."""
    world = World({"q": {"visibility_timeout": 3600, **config}})
    world.engine.advance(at_ms)
    for tenant, number in in_flight:
        for n in range(number):
            world.engine.submit(Q, c.SendMessage(f"{tenant}-{n}", message_group_id=tenant))
    world.engine.run_until(world.engine.now_ms)
    total = sum(number for _, number in in_flight)
    assert len(world.ask("q", Poll(10_000, 0)).records) == total
    return world


def noisy(world: World) -> set[str]:
    world.engine.reader.now_ms = world.engine.now_ms
    return set(noisy_tenants(world.engine.reader, Q))


@pytest.mark.parametrize(
    ("in_flight", "found"),
    [
        ([("a", 29), ("b", 5)], ""),
        ([("a", 30), ("b", 5)], "a"),
        ([("a", 30), ("b", 270)], "b"),
        ([("a", 31), ("b", 270)], "ab"),
        ([("a", 30), (None, 269)], "a"),
        ([("a", 30), (None, 270)], ""),
        ([(None, 100)], ""),
    ],
    ids=str,
)
def test_who_is_noisy_by_what_is_in_flight(in_flight: list[tuple[str | None, int]], found: str) -> None:
    """More than 10% of it, and at least 30; what has no group is a tenant of its own."""
    assert noisy(world_of(*in_flight)) == set(found)


def test_who_is_noisy_by_the_time_that_its_messages_take() -> None:
    world = world_of(("slow", 1))
    world.engine.advance(89_000)
    for n in range(9):
        world.send("q", f"quick{n}", message_group_id="quick")
    assert len(world.ask("q", Poll(10, 0)).records) == 9
    world.engine.advance(1000)
    # 90 s of slow's one message, 9 s of quick's nine: 91% and 9%.
    assert noisy(world) == {"slow"}


def test_a_noisy_tenants_messages_come_last() -> None:
    world = world_of(("noisy", 30), ("quiet", 1))
    for body, tenant in (("n1", "noisy"), ("n2", "noisy"), ("q1", "quiet"), ("x", None), ("q2", "quiet")):
        world.send("q", body, message_group_id=tenant)
    assert shown(world.receive("q", 2)) == ["q1 1", "x 1"]
    assert shown(world.receive("q", 3)) == ["q2 1", "n1 1", "n2 1"]


def test_of_several_noisy_ones_the_one_with_fewest_in_flight_comes_first() -> None:
    world = world_of(("a", 40), ("b", 30), ("c", 50))
    for body, tenant in (("a1", "a"), ("b1", "b"), ("c1", "c"), ("quiet", "d")):
        world.send("q", body, message_group_id=tenant)
    assert shown(world.receive("q", 10)) == ["quiet 1", "b1 1", "a1 1", "c1 1"]


def test_it_ends_when_the_tenant_has_less_in_flight() -> None:
    world = World({"q": {"visibility_timeout": 3600}})
    for n in range(30):
        world.send("q", f"m{n}", message_group_id="a")
    handles = [(record.id, record.receipt) for record in world.ask("q", Poll(100, 0)).records]
    assert noisy(world) == {"a"}
    for _, receipt in handles[:1]:
        world.ask("q", c.DeleteMessage(receipt))
    assert noisy(world) == set()


def test_it_ends_after_five_minutes_without_a_send() -> None:
    world = world_of(("a", 30))
    world.engine.advance(299_999)
    assert noisy(world) == {"a"}
    world.send("q", "late", message_group_id="a")
    world.engine.advance(1)
    assert noisy(world) == {"a"}
    world.engine.advance(299_999)
    assert noisy(world) == set()


def test_without_anybody_noisy_the_order_is_that_of_sending() -> None:
    world = World({"q": {}})
    for body, tenant in (("a", "t1"), ("b", None), ("c", "t2"), ("d", "t1")):
        world.send("q", body, message_group_id=tenant)
    assert shown(world.receive("q", 10)) == ["a 1", "b 1", "c 1", "d 1"]
    world.send("q", "a", message_group_id="t1")
    assert shown(world.receive("q", 10)) == ["a 1"]


def test_a_tenants_name_is_a_system_attribute() -> None:
    world = World({"q": {}})
    world.send("q", "a", message_group_id="acme")
    (message,) = world.receive("q").messages
    assert dict(message.attributes)["MessageGroupId"] == "acme"
    assert "SequenceNumber" not in dict(message.attributes)
    world.engine.advance(30_000)
    (record,) = world.ask("q", Poll(1, 0)).records
    assert '"MessageGroupId":"acme"' in record.json
    assert record.group_id is None


def test_exhausted_messages_of_noisy_tenants_are_moved() -> None:
    policy = {"dead_letter_target": "dlq", "max_receive_count": 1}
    world = World({"dlq": {}, "q": {"visibility_timeout": 10, "redrive_policy": policy}})
    for n in range(3):
        world.send("q", f"old{n}", message_group_id="noisy")
    assert len(world.receive("q", 10).messages) == 3
    world.engine.advance(10_000)
    for n in range(30):
        world.engine.submit(Q, c.SendMessage(f"m{n}", message_group_id="noisy"))
    world.engine.run_until(world.engine.now_ms)
    assert len(world.ask("q", Poll(100, 0)).records) == 30
    assert world.counts("dlq") == [3, 0, 0]
    assert world.broken() == []


def test_a_long_backlog_is_not_walked_for_the_others() -> None:
    """In steps of SQLite's machine: counting 100 times the backlog is all that may cost more."""
    steps: list[int] = []
    for backlog in (100, 10_000):
        world = world_of(("noisy", 30))
        for n in range(backlog):
            world.engine.submit(Q, c.SendMessage(f"m{n}", message_group_id="noisy"))
        world.engine.run_until(0)
        world.send("q", "quiet", message_group_id="quiet")
        counted = [0]

        def count(counted: list[int] = counted) -> int:
            counted[0] += 1
            return 0

        world.engine.connection.set_progress_handler(count, 1)
        assert shown(world.receive("q", 1)) == ["quiet 1"]
        world.engine.connection.set_progress_handler(None, 0)
        steps.append(counted[0])
    assert steps[1] - steps[0] < 10 * 9900, steps

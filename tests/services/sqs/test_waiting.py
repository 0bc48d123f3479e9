"""Polls that wait cost nothing: counted in steps of the engine, not in time."""

from __future__ import annotations

from typing import Any

from simtriggers.aws.contracts import Poll
from simtriggers.kernel.agenda import Entry
from simtriggers.kernel.codec import type_name
from simtriggers.services.sqs import commands as c
from tests.services.sqs.world import NAMES, World

Q = NAMES.queue("q")
DAY_MS = 86_400_000


def counted(world: World) -> list[str]:
    """The commands of every step from now on, as they come."""
    steps: list[str] = []

    def note(_engine: Any, entry: Entry) -> list[str]:
        steps.append(type_name(entry.command))
        return []

    world.engine.checkers.append(note)
    return steps


def waiting(world: World, number: int, command: Any) -> list[Any]:
    """So many requests that are parked; their answers come into the list."""
    answers: list[Any] = []
    for _ in range(number):
        world.engine.request(Q, command, 0, answers.append)
    world.engine.run_until(world.engine.now_ms)
    assert (list(world.engine.agenda.parked().values()), answers) == ([number], [])
    return answers


def test_fifty_mappings_that_wait_take_no_step_and_a_send_wakes_one() -> None:
    world = World({"q": {}, "other": {}})
    answers = waiting(world, 50, Poll(10))
    steps = counted(world)
    world.engine.advance(DAY_MS)
    assert steps == []
    world.send("other", "x")
    assert steps == ["sqs.SendMessage"]
    world.send("q", "a")
    world.engine.run_until(world.engine.now_ms)
    assert steps[1:] == ["sqs.SendMessage", "aws.Poll"]
    assert [len(answer.records) for answer in answers] == [1]
    world.engine.advance(29_999)
    assert len(steps) == 3
    assert list(world.engine.agenda.parked().values()) == [49]


def test_fifty_long_polls_take_one_step_each_at_their_end() -> None:
    world = World({"q": {}})
    answers = waiting(world, 50, c.ReceiveMessage(wait_time_seconds=20))
    steps = counted(world)
    world.engine.advance(19_999)
    assert steps == []
    world.engine.advance(1)
    assert steps == ["sqs.ReceiveMessage"] * 50
    assert answers == [c.ReceiveResult(())] * 50


def test_a_message_in_flight_wakes_who_waits_once_and_not_by_looking() -> None:
    world = World({"q": {"visibility_timeout": 3600}})
    world.send("q", "a")
    world.receive("q")
    waiting(world, 50, Poll(10))
    steps = counted(world)
    world.engine.advance(3_599_999)
    assert steps == []
    world.engine.advance(1)
    assert len(steps) <= 50, "each looks once at most"

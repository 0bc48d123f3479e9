"""How many batches of a mapping may be in flight: as values, and in whole worlds that are watched at every step."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.aws.contracts import Run
from simtriggers.engine.engine import Engine
from simtriggers.kernel.agenda import Entry
from simtriggers.services.lambda_.config import SqsTrigger
from simtriggers.services.lambda_.scaling import (
    AT_REST,
    Bounds,
    Scale,
    allowed_at,
    backed_off,
    bounds_of,
    next_growth_ms,
    rested,
    saturated,
)
from simtriggers.services.lambda_.settings import mapping_resource
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS

TABLE = YAML(typ="safe").load(Path(__file__).parents[3] / "fixtures/cases/lambda_/scaling.yaml")


def made(given: dict[str, Any]) -> Bounds:
    pollers = given.get("pollers")
    return bounds_of(
        fifo=given.get("fifo", False),
        maximum_concurrency=given.get("maximum_concurrency"),
        pollers=None if pollers is None else tuple(pollers),
    )


@pytest.mark.parametrize("case", TABLE["bounds"], ids=lambda case: case["name"])
def test_bounds(case: dict[str, Any]) -> None:
    assert made(case["given"]) == Bounds(*case["expect"])


@pytest.mark.parametrize("case", TABLE["stories"], ids=lambda case: case["name"])
def test_story(case: dict[str, Any]) -> None:
    bounds, scale = made(case.get("bounds", {})), AT_REST
    for step in case["steps"]:
        if "saturated" in step:
            now_ms = step["saturated"]
            scale = saturated(scale, bounds, now_ms)
            assert next_growth_ms(scale, bounds) == step["next"], step
        elif "rested" in step:
            since_ms, now_ms = step["rested"]
            scale = rested(scale, bounds, since_ms=since_ms, now_ms=now_ms, in_flight=step["in_flight"])
        elif "backed_off" in step:
            now_ms = step["backed_off"]
            scale = backed_off(scale, bounds, now_ms)
        else:
            now_ms = step["look"]
        assert allowed_at(scale, bounds, now_ms) == step["allowed"], step


def test_a_mapping_that_is_as_at_the_start_takes_no_room_in_the_state() -> None:
    bounds = made({})
    grown = Scale(9, 0)
    assert rested(grown, bounds, since_ms=0, now_ms=60_000, in_flight=0) is AT_REST
    assert rested(AT_REST, bounds, since_ms=0, now_ms=60_000, in_flight=0) is AT_REST


@given(
    given=st.sampled_from([row["given"] for row in TABLE["bounds"]]),
    steps=st.lists(st.tuples(st.sampled_from("srbl"), st.integers(0, 5000), st.integers(0, 60)), max_size=20),
)
def test_the_number_stays_within_its_bounds_and_never_outruns_its_pace(
    given: dict[str, Any], steps: list[tuple[str, int, int]]
) -> None:
    bounds, scale, now_ms = made(given), AT_REST, 0
    for kind, later_ms, in_flight in steps:
        before, then_ms = allowed_at(scale, bounds, now_ms), now_ms
        now_ms += later_ms
        if kind == "s":
            scale = saturated(scale, bounds, now_ms)
        elif kind == "r":
            scale = rested(scale, bounds, since_ms=then_ms, now_ms=now_ms, in_flight=in_flight)
        elif kind == "b":
            scale = backed_off(scale, bounds, now_ms)
        allowed = allowed_at(scale, bounds, now_ms)
        assert min(bounds.floor, bounds.initial) <= allowed <= bounds.ceiling
        assert allowed - before <= (now_ms - then_ms) // bounds.interval_ms + 1


# --- whole worlds ---------------------------------------------------------------------------------


class Watch:
    """A checker of every step: no batch starts beyond what the stored state allows, nor beyond what AWS's pace
    allows at all since the start of the world."""

    def __init__(self, world: World, mapping: str) -> None:
        self.most = 0
        self._world = world
        self._mapping = mapping
        self._ids: set[int] = set()
        world.engine.checkers.append(self)

    def __call__(self, engine: Engine, entry: Entry) -> list[str]:
        there = {row[0] for row in engine.connection.execute("SELECT batch_id FROM lambda_batches ORDER BY batch_id")}
        started, self._ids = there - self._ids, there
        self.most = max(self.most, len(there))
        found = engine.reader.resource(self._mapping)
        if not started or found is None:
            return []
        bounds: Bounds = found.config.bounds
        row = engine.connection.execute(
            "SELECT allowed, growing_ms FROM lambda_mappings WHERE mapping_arn = ?", (self._mapping,)
        ).fetchone()
        allowed = allowed_at(Scale(*row), bounds, engine.now_ms)
        fastest = bounds.initial + (engine.now_ms - START_MS) // bounds.interval_ms
        most = min(allowed, fastest, bounds.ceiling)
        return [f"{len(there)} batches are in flight, {most} may be"] if len(there) > most else []


def run_to(world: World, ms: int) -> None:
    world.engine.run_until(START_MS + ms)


def scaled(world: World) -> list[tuple[int, int, int, str]]:
    return [
        (row.at_ms - START_MS, row.details["from"], row.details["to"], row.details["reason"])
        for row in world.rows("MappingScaled")
    ]


def test_a_backlog_grows_to_the_maximum_concurrency_and_no_further() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="10s", timeout="20s")
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1, maximum_concurrency=8))
    world.send(queue, *map(str, range(30)))
    world.engine.run_until_idle()
    assert watch.most == 8
    assert world.starts_ms("work")[:10] == [0] * 5 + [200, 400, 600] + [10_000] * 2
    assert scaled(world) == [
        (200, 5, 6, "a backlog lasts"),
        (400, 6, 7, "a backlog lasts"),
        (600, 7, 8, "a backlog lasts"),
    ]


def test_a_minute_of_backlog_brings_300_more() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="10m")
    world.function("work", duration="100s", timeout="2m")
    world.engine.checkers.clear()  # with 305 batches in flight the SQL of the others takes a minute
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1))
    world.send(queue, *map(str, range(400)))
    run_to(world, 60_000)
    assert watch.most == world.count("lambda_batches") == 305
    world.engine.run_until_idle()
    assert len(world.events("work")) == 400


def test_without_a_backlog_nothing_grows() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="10s", timeout="20s")
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1))
    world.send(queue, *map(str, range(5)))
    world.engine.run_until_idle()
    assert (watch.most, scaled(world)) == (5, [])
    world.send(queue, *map(str, range(6)))
    begun_ms = world.engine.now_ms - START_MS
    world.engine.run_until_idle()
    assert world.starts_ms("work")[5:] == [begun_ms] * 5 + [begun_ms + 200]


def test_an_idle_mapping_is_back_at_five() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="2s", timeout="20s")
    world.mapping("work", "jobs", batch_size=1)
    world.send(queue, *map(str, range(40)))
    world.engine.run_until_idle()
    world.engine.advance(60_000)
    begun_ms = world.engine.now_ms - START_MS
    world.send(queue, *map(str, range(10)))
    run_to(world, begun_ms)
    assert world.starts_ms("work")[40:] == [begun_ms] * 5


def test_provisioned_pollers_take_ten_batches_each_at_once() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="10s", timeout="20s")
    config = {"minimum_pollers": 2, "maximum_pollers": 3}
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1, provisioned_poller_config=config))
    world.send(queue, *map(str, range(50)))
    run_to(world, 9999)
    assert world.starts_ms("work") == [0] * 20 + [60 * number for number in range(1, 11)]
    world.engine.run_until_idle()
    assert watch.most == 30


def failing_batches(**config: Any) -> tuple[list[int], list[tuple[int, int, int, str]]]:
    """How many batches started at each second (every one fails, after 100 ms), and the rows about scaling."""
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", "fail", duration="100ms")
    Watch(world, world.mapping("work", "jobs", batch_size=1, maximum_concurrency=5, **config))
    world.send(queue, *map(str, range(100)))
    run_to(world, 499)
    starts = world.starts_ms("work")
    return [sum(start == at_ms for start in starts) for at_ms in (0, 100, 200, 300, 400)], scaled(world)


def test_errors_take_batches_away_down_to_two() -> None:
    starts, rows = failing_batches()
    assert starts == [5, 2, 2, 2, 2]
    assert [row[1:] for row in rows[:3]] == [
        (5, 4, "a batch failed"),
        (4, 3, "a batch failed"),
        (3, 2, "a batch failed"),
    ]


def test_errors_take_nothing_away_when_failures_are_reported() -> None:
    assert failing_batches(function_response_types=["ReportBatchItemFailures"]) == ([5, 5, 5, 5, 5], [])


def test_throttles_take_batches_away() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    function = world.function("work", timeout="20s", reserved_concurrent_executions=1)
    mapping = world.mapping("work", "jobs", batch_size=1)
    watch = Watch(world, mapping)
    world.runtime.lasts_ms["work"] = [2500]
    world.engine.submit(function, Run(world.text("{}")))
    run_to(world, 0)
    world.send(queue, *map(str, range(20)))
    run_to(world, 0)
    # Throttled one after the other, in the same millisecond; each took one away before the next was polled.
    assert scaled(world)[-1][1:] == (3, 2, "a batch was throttled")
    assert watch.most == 3
    world.engine.run_until_idle()
    assert {event["Records"][0]["body"] for event in world.events("work")[1:]} == set(map(str, range(20)))


def test_new_bounds_start_anew() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="10s", timeout="20s")
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1))
    world.send(queue, *map(str, range(40)))
    run_to(world, 2000)
    assert watch.most == 15
    less = mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", batch_size=1, maximum_concurrency=3))
    assert world.put(less) == 2
    run_to(world, 10_000)
    run_to(world, 12_000)
    assert world.count("lambda_batches") == 3
    world.engine.run_until_idle()
    assert len(world.events("work")) == 40


def test_other_bounds_do_not_keep_what_had_grown() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="5m")
    world.function("work", duration="10s", timeout="20s")
    config = {"minimum_pollers": 2, "maximum_pollers": 4}
    watch = Watch(world, world.mapping("work", "jobs", batch_size=1, provisioned_poller_config=config))
    world.send(queue, *map(str, range(50)))
    run_to(world, 1000)
    assert watch.most == 36
    assert world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", batch_size=1))) == 2
    row = world.engine.connection.execute("SELECT allowed FROM lambda_mappings").fetchone()
    assert row == (None,)
    world.engine.run_until_idle()
    assert len(world.events("work")) == 50


def test_a_restart_is_no_error() -> None:
    world = World()
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function("work", duration="10s", timeout="20s")
    world.mapping("work", "jobs")
    world.send(queue, "a")
    run_to(world, 1000)
    world.engine.restart(NAMES.service)
    run_to(world, 1000)
    assert world.rows("BatchReleased")
    row = world.engine.connection.execute("SELECT allowed, growing_ms FROM lambda_mappings").fetchone()
    assert row == (None, None)


@settings(max_examples=25, deadline=None)
@given(
    sends=st.lists(st.tuples(st.integers(0, 8000), st.integers(1, 40)), min_size=1, max_size=4),
    script=st.lists(st.sampled_from(["ok", "ok", "fail", "timeout"]), min_size=1, max_size=8),
    lasts_ms=st.sampled_from([1, 150, 900]),
    batch_size=st.integers(1, 3),
    window_s=st.sampled_from([0, 1]),
    config=st.sampled_from(
        [
            {},
            {"maximum_concurrency": 2},
            {"maximum_concurrency": 7},
            {"provisioned_poller_config": {"minimum_pollers": 2, "maximum_pollers": 3}},
            {"function_response_types": ["ReportBatchItemFailures"]},
        ]
    ),
    reserved=st.sampled_from([None, 1, 6]),
    restart_ms=st.sampled_from([None, 1300]),
    shuffle=st.sampled_from([None, 1]),
)
def test_no_batch_starts_beyond_what_is_allowed(
    sends: list[tuple[int, int]],
    script: list[str],
    lasts_ms: int,
    batch_size: int,
    window_s: int,
    config: dict[str, Any],
    reserved: int | None,
    restart_ms: int | None,
    shuffle: int | None,
) -> None:
    world = World(shuffle_ties=shuffle)
    queue = world.queue("jobs", visibility_timeout="30s")
    world.function(
        "work", *script, "ok", duration=f"{lasts_ms}ms", timeout="2s", reserved_concurrent_executions=reserved
    )
    mapping = world.mapping("work", "jobs", batch_size=batch_size, maximum_batching_window=window_s, **config)
    watch = Watch(world, mapping)
    numbers = itertools.count()
    acts = sorted([*sends, *([(restart_ms, 0)] if restart_ms is not None else [])])
    for at_ms, count in acts:
        run_to(world, at_ms)
        if count:
            world.send(queue, *(str(next(numbers)) for _ in range(count)))
        else:
            world.engine.restart(NAMES.service)
    assert world.engine.run_until_idle().reason == "idle"
    handled = {record["body"] for event in world.events("work") for record in event["Records"]}
    assert handled == {str(number) for number in range(next(numbers))}
    assert world.count("sqs_messages") == world.count("lambda_batches") == world.count("lambda_collected") == 0
    assert watch.most >= 1

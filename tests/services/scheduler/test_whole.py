"""Schedules in a project, from its file to what its functions, queues and buses get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from simtriggers.cli.plan import plan
from simtriggers.kernel.clock import parse_iso
from simtriggers.project.load import parse_yaml
from simtriggers.project.model import Project, ProjectFile, _names
from simtriggers.project.validate import validate
from simtriggers.simulation import AsyncSimulation, AwsFault, Simulation

PROJECT = """
queues: {jobs: {}, seen: {}, failed: {}, "steps.fifo": {fifo_queue: true, content_based_deduplication: true}}
topics: {news: {subscriptions: [{queue: seen, raw_message_delivery: true}]}}
event_buses: {ops: {}}
rules:
  due:
    event_bus_name: ops
    event_pattern: {source: [ops.keys], detail: {key: [k1]}}
    targets: [{queue: seen}]
functions:
  clean:
    stub: [{raises: {type: ValueError, message: dirt}}, {returns: done}]
    event_invoke_config: {on_success: {queue: seen}}
    triggers:
      - {schedule_v2: "at(2026-01-15T13:00:00)", input: {due: "<aws.scheduler.scheduled-time>"}}
schedule_groups: {night: {tags: {team: ops}}}
schedules:
  queue: {schedule_expression: "at(2026-01-15T13:01:00)", group_name: night, target: {queue: jobs}}
  fifo:
    schedule_expression: "at(2026-01-15T13:02:00)"
    target: {queue: steps.fifo, input: step, sqs_parameters: {message_group_id: g}}
  topic: {schedule_expression: "at(2026-01-15T13:03:00)", target: {topic: news, input: "told"}}
  bus:
    schedule_expression: "at(2026-01-15T13:04:00)"
    target: {event_bus: ops, input: {key: k1}, event_bridge_parameters: {detail_type: Due, source: ops.keys}}
  put:
    schedule_expression: "at(2026-01-15T13:05:00)"
    target:
      arn: "arn:aws:scheduler:::aws-sdk:eventbridge:putEvents"
      input: {Entries: [{EventBusName: ops, Source: ops.keys, DetailType: Put, Detail: '{"key": "k1"}'}]}
  lost:
    schedule_expression: "at(2026-01-15T13:06:00)"
    target: {arn: "arn:aws:lambda:us-east-1:123456789012:function:gone", dead_letter_target: failed}
"""


def simulation(**options: Any) -> Simulation:
    model = validate(ProjectFile, parse_yaml(PROJECT, "simtriggers.yaml"))
    return Simulation(Project(model, Path(), _names(model)), check_invariants=True, **options)


def bodies(sim: Simulation, queue: str) -> list[str]:
    return [message.body for message in sim.queue(queue).messages()]


def test_every_kind_of_target() -> None:
    with simulation() as sim:
        assert sim.run_until_idle().reason == "idle"
        [notification] = bodies(sim, "jobs")
        event = EventBridgeModel.model_validate(json.loads(notification))
        assert (event.source, event.resources) == ("aws.scheduler", [sim.names.schedule("queue", "night")])
        assert bodies(sim, "steps.fifo") == ["step"]
        done, told, due, put = bodies(sim, "seen")
        # The function failed once: Lambda's own retry followed, and the schedule's call was long over.
        assert json.loads(done)["requestPayload"] == {"due": "2026-01-15T13:00:00Z"}
        assert json.loads(done)["requestContext"]["approximateInvokeCount"] == 2
        assert told == "told"
        found = [EventBridgeModel.model_validate(json.loads(text)) for text in (due, put)]
        assert [(each.detail_type, each.detail) for each in found] == [("Due", {"key": "k1"}), ("Put", {"key": "k1"})]
        assert found[0].resources == [sim.names.schedule("bus")]
        [letter] = sim.queue("failed").messages()
        codes = {name: text for name, _, text in letter.message_attributes}
        assert codes["ERROR_CODE"] == "ResourceNotFoundException"
        assert codes["TARGET_ARN"] == sim.names.function("gone")


def test_a_run_is_the_same_after_a_snapshot() -> None:
    with simulation(seed=5) as one, simulation(seed=5) as other:
        one.advance("61m")
        one.restore(one.snapshot())
        one.restart()
        one.run_until_idle()
        other.advance("61m")
        other.restart()
        other.run_until_idle()
        rows = [[(row.at_ms, row.kind, row.subject) for row in sim.trace] for sim in (one, other)]
        assert rows[0] == rows[1]


def test_the_python_api() -> None:
    with simulation() as sim:
        assert sim.schedule_group("night").tags() == {"team": "ops"}
        sim.schedule_group("night").tag({"stage": "test"})
        sim.schedule_group("night").untag(["team"])
        assert sim.schedule_group("night").tags() == {"stage": "test"}
        assert [group.name for group in sim.scheduler.groups().schedule_groups] == ["default", "night"]
        assert sim.schedule("queue", "night").get().state == "ENABLED"
        handle = sim.schedule("mine")
        arn = handle.create(
            "rate(1 hour)", {"arn": sim.queue("jobs").arn, "input": "x"}, end_date="2026-01-15T13:30:00Z"
        )
        assert arn == sim.names.schedule("mine") == handle.arn
        sim.advance("1h")
        assert bodies(sim, "jobs") == ["x", "x"]
        handle.update("rate(1 hour)", {"arn": sim.queue("jobs").arn}, state="DISABLED")
        assert [each.name for each in sim.scheduler.schedules(state="DISABLED").schedules] == ["mine"]
        handle.delete()
        with pytest.raises(AwsFault) as caught:
            handle.get()
        assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("call", ["create", "get"])
def test_the_async_api(call: str) -> None:
    import asyncio

    async def main() -> None:
        sim = AsyncSimulation(simulation())
        async with sim:
            if call == "create":
                await sim.schedule_group("day").create({"a": "b"})
                await sim.schedule("mine", "day").create("rate(1 hour)", {"arn": sim.queue("jobs").arn})
                page = await sim.scheduler.schedules(group_name="day")
                assert [each.name for each in page.schedules] == ["mine"]
            else:
                assert (await sim.schedule("bus").get()).target["event_bridge_parameters"]["source"] == "ops.keys"

    asyncio.run(main())


def test_the_plan_shows_the_next_turns() -> None:
    text = """
    queues: {jobs: {}}
    functions:
      clean:
        stub: [{returns: 1}]
        triggers: [{schedule_v2: "cron(30 2 * * ? *)", schedule_expression_timezone: America/New_York}]
    schedules:
      off: {schedule_expression: "rate(1 hour)", state: DISABLED, target: {queue: jobs}}
      soon:
        schedule_expression: "rate(1 hour)"
        start_date: "2026-03-07T12:00:00Z"
        end_date: "2026-03-07T14:00:00Z"
        flexible_time_window: {maximum_window: 5m}
        target: {queue: jobs}
    """
    model = validate(ProjectFile, parse_yaml(text, "simtriggers.yaml"))
    found = plan(Project(model, Path(), _names(model)), parse_iso("2026-03-07T00:00:00Z"))["schedules"]
    assert [(row["scheduler"], row["targets"], row["window_ms"], row["next"]) for row in found] == [
        (
            "default/clean-schedule-1",
            ["clean"],
            0,
            ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z", "2026-03-10T06:30:00Z"],
        ),
        ("default/off", ["jobs"], 0, []),
        ("default/soon", ["jobs"], 300_000, ["2026-03-07T12:00:00Z", "2026-03-07T13:00:00Z"]),
    ]

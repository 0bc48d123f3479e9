"""Mappings as the API shows them: states, and the JSON of their configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.services.lambda_.commands import GetEventSourceMapping, MappingDescription
from simtriggers.services.lambda_.config import SqsTrigger
from simtriggers.services.lambda_.describing import answered_state, configuration
from simtriggers.services.lambda_.settings import MappingSettings, mapping_resource, parse_mapping
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS

ON: MappingSettings = parse_mapping(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs"))[1].config)
OFF = replace(ON, enabled=False)


@pytest.mark.parametrize(
    "before, after, expected",
    [
        (None, ON, "Creating"),
        (None, OFF, "Disabled"),
        (ON, ON, "Updating"),
        (OFF, OFF, "Updating"),
        (OFF, ON, "Enabling"),
        (ON, OFF, "Disabling"),
        (ON, None, "Deleting"),
    ],
)
def test_the_state_in_the_answer(before: MappingSettings | None, after: MappingSettings | None, expected: str) -> None:
    assert answered_state(before, after) == expected


def described(world: World, mapping: str) -> MappingDescription:
    found: MappingDescription = world.engine.ask(mapping, GetEventSourceMapping())
    return found


def test_a_mapping_is_enabled_then_disabling_then_disabled() -> None:
    world = World()
    queue = world.queue("jobs")
    world.function("work", duration="10s", timeout="20s")
    mapping = world.mapping("work", "jobs")
    world.send(queue, "a")
    world.engine.run_until(START_MS + 1000)
    states = [described(world, mapping).state]
    world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs", enabled=False)))
    found = described(world, mapping)
    states.append(found.state)
    assert (found.state_transition_reason, found.last_modified_ms) == ("USER_INITIATED", START_MS + 1000)
    world.engine.run_until_idle()
    states.append(described(world, mapping).state)
    world.put(mapping_resource(NAMES, "work", SqsTrigger(sqs="jobs")))
    states.append(described(world, mapping).state)
    assert states == ["Enabled", "Disabling", "Disabled", "Enabled"]


@pytest.mark.parametrize(
    "config, more",
    [
        ({}, {}),
        (
            {"batch_size": 50, "maximum_batching_window": "5s", "maximum_concurrency": 7},
            {"BatchSize": 50, "MaximumBatchingWindowInSeconds": 5, "ScalingConfig": {"MaximumConcurrency": 7}},
        ),
        (
            {"provisioned_poller_config": {}, "function_response_types": ["ReportBatchItemFailures"]},
            {
                "ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 200},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        ),
        (
            {"filter_criteria": [{"body": {"a": [1]}}]},
            {"FilterCriteria": {"Filters": [{"Pattern": '{"body":{"a":[1]}}'}]}},
        ),
    ],
    ids=["smallest", "window and concurrency", "pollers and reports", "filters"],
)
def test_the_configuration_as_json(config: dict[str, Any], more: dict[str, Any]) -> None:
    world = World()
    queue = world.queue("jobs")
    function = world.function("work")
    mapping = world.mapping("work", "jobs", **config)
    shown = configuration(described(world, mapping))
    assert shown == {
        "BatchSize": 10,
        "EventSourceArn": queue,
        "EventSourceMappingArn": mapping,
        "FunctionArn": function,
        "FunctionResponseTypes": [],
        "LastModified": START_MS / 1000,
        "MaximumBatchingWindowInSeconds": 0,
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
        "UUID": mapping.rsplit(":", 1)[1],
        **more,
    }
    assert list(shown) == sorted(shown)
    assert configuration(described(world, mapping), state="Creating")["State"] == "Creating"


def test_an_unknown_mapping() -> None:
    world = World()
    refused = world.engine.ask(NAMES.event_source_mapping("nobody"), GetEventSourceMapping())
    assert refused == Refused("ResourceNotFoundException", "The resource you requested does not exist.", 404)

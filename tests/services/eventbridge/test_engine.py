"""Scheduled rules in the engine, with real queues as targets and dead-letter queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import PutResource
from simtriggers.engine.faults import TargetFault
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.clock import parse_iso
from simtriggers.services.eventbridge.config import ScheduleTrigger, rule_resource
from simtriggers.services.eventbridge.service import SERVICE as EVENTS
from simtriggers.services.sqs.commands import ReceiveMessage
from simtriggers.services.sqs.config import QueueConfig, queue_resource
from simtriggers.services.sqs.service import SERVICE as SQS

NAMES = Names()
START = parse_iso("2026-01-15T12:34:56Z")
RULE = NAMES.rule("often")
GONE = NAMES.function("gone")


@pytest.fixture
def engine() -> VirtualEngine:
    engine = VirtualEngine([SQS, EVENTS], start_ms=START, seed=1)
    for name in ("jobs", "letters"):
        arn, command = queue_resource(NAMES, name, QueueConfig())
        engine.ask(arn, command)
    return engine


def put(engine: VirtualEngine, schedule: str, target: str, **keys: Any) -> None:
    """A rule `often` for a function, led to another target."""
    given = {"name": "often", "schedule": schedule, "rate_starts": "at_once", "dead_letter_target": "letters", **keys}
    arn, command = rule_resource(NAMES, "gone", 1, ScheduleTrigger.model_validate(given))
    targets = [{**row, "arn": target} for row in command.config["targets"]]
    done = engine.ask(arn, PutResource(command.kind, command.name, {**command.config, "targets": targets}))
    assert isinstance(done, int)


def received(engine: VirtualEngine, queue: str) -> list[Any]:
    command = ReceiveMessage(10, wait_time_seconds=0, message_attribute_names=("All",))
    return list(engine.ask(NAMES.queue(queue), command).messages)


def test_events_reach_a_queue(engine: VirtualEngine) -> None:
    put(engine, "rate(20 minutes)", NAMES.queue("jobs"))
    assert engine.run_until_idle().reason == "idle"
    engine.advance(3_600_000)
    times = [json.loads(message.body)["time"] for message in received(engine, "jobs")]
    assert times == [f"2026-01-15T{at}:56Z" for at in ("12:34", "12:54", "13:14", "13:34")]


def test_an_idle_run_does_not_wait_for_later_turns(engine: VirtualEngine) -> None:
    put(engine, "cron(0 2 * * ? *)", NAMES.queue("jobs"))
    idle = engine.run_until_idle()
    assert (idle.reason, idle.now_ms) == ("idle", START)
    assert any(line.startswith("2026-01-16T02:00:00.000Z") and RULE in line for line in idle.pending)


def test_a_missing_function_goes_to_the_dead_letter_queue_at_once(engine: VirtualEngine) -> None:
    put(engine, "rate(1 day)", GONE)
    engine.run_until_idle()
    [letter] = received(engine, "letters")
    event = json.loads(letter.body)
    assert (event["detail-type"], event["resources"]) == ("Scheduled Event", [RULE])
    found = {name: (data_type, text) for name, data_type, text in letter.message_attributes}
    assert found == {
        "RULE_ARN": ("String", RULE),
        "TARGET_ARN": ("String", GONE),
        "ERROR_CODE": ("String", "NO_RESOURCE"),
        "ERROR_MESSAGE": ("String", "No service here has such an ARN."),
        "RETRY_ATTEMPTS": ("String", "0"),
    }


def test_a_restart_keeps_the_phase(engine: VirtualEngine) -> None:
    put(engine, "rate(1 hour)", NAMES.queue("jobs"))
    engine.advance(600_000)
    engine.restart(NAMES.service)
    put(engine, "rate(1 hour)", NAMES.queue("jobs"))
    engine.advance(3_600_000)
    times = [json.loads(message.body)["time"] for message in received(engine, "jobs")]
    assert times == ["2026-01-15T12:34:56Z", "2026-01-15T13:34:56Z"]


def test_a_target_that_stays_down_uses_up_its_retries(engine: VirtualEngine) -> None:
    jobs = NAMES.queue("jobs")
    engine.faults.targets = (TargetFault(jobs, "down"),)
    put(engine, "rate(1 day)", jobs, retry_policy={"maximum_retry_attempts": 3})
    engine.run_until_idle()
    [letter] = received(engine, "letters")
    found = {name: text for name, _, text in letter.message_attributes}
    assert (found["ERROR_CODE"], found["EXHAUSTED_RETRY_CONDITION"]) == ("ERROR_FROM_TARGET", "MaximumRetryAttempts")
    assert (found["TARGET_ARN"], found["RETRY_ATTEMPTS"]) == (jobs, "3")
    assert 5_600 <= engine.now_ms - START <= 7_000  # 1 + 2 + 4 s, up to a fifth less


def test_a_target_that_stays_down_for_longer_than_an_event_may_live(engine: VirtualEngine) -> None:
    jobs = NAMES.queue("jobs")
    engine.faults.targets = (TargetFault(jobs, "down"),)
    put(engine, "cron(0 13 15 1 ? 2026)", jobs, retry_policy={"maximum_event_age": "5m"})
    engine.advance(3_600_000)
    [letter] = received(engine, "letters")
    found = {name: text for name, _, text in letter.message_attributes}
    assert found["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    assert found["RETRY_ATTEMPTS"] in ("8", "9")


def test_a_target_that_comes_back_in_time(engine: VirtualEngine) -> None:
    jobs = NAMES.queue("jobs")
    engine.faults.targets = (TargetFault(jobs, "down", until_ms=START + 60_000),)
    put(engine, "rate(1 day)", jobs)
    engine.run_until_idle()
    [message] = received(engine, "jobs")
    assert json.loads(message.body)["time"] == "2026-01-15T12:34:56Z"
    assert received(engine, "letters") == []

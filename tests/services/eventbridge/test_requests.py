"""Requests about buses, rules and targets, in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.errors import AwsFault
from simtriggers.services.eventbridge import commands as eb
from simtriggers.simulation import Simulation

from .world import bodies, events, kinds, world

PATTERN = {"source": ["shop"]}


def refused(call: Any, *args: Any, **keys: Any) -> tuple[str, str]:
    with pytest.raises(AwsFault) as caught:
        call(*args, **keys)
    return caught.value.code, caught.value.message


def target(sim: Simulation, **keys: Any) -> dict[str, Any]:
    return {"id": "q", "arn": sim.names.queue("q"), **keys}


# --- buses --------------------------------------------------------------------------------------


def test_the_default_bus_is_always_there() -> None:
    with world("") as sim:
        assert [each.name for each in sim.events.event_buses()] == ["default", "shop"]
        assert sim.event_bus().describe() == eb.EventBusDescription("default", sim.names.event_bus())
        assert refused(sim.event_bus().delete) == ("ValidationException", "Cannot delete event bus default.")


def test_making_and_deleting_a_bus() -> None:
    with world("") as sim:
        arn = sim.events.create_event_bus("other", description="for tests")
        assert arn == "arn:aws:events:us-east-1:123456789012:event-bus/other"
        assert refused(sim.events.create_event_bus, "shop") == (
            "ResourceAlreadyExistsException",
            "Event bus shop already exists.",
        )
        sim.event_bus("shop").delete()
        sim.event_bus("shop").delete()
        assert refused(sim.event_bus("shop").describe) == (
            "ResourceNotFoundException",
            "Event bus shop does not exist.",
        )
        assert [each.name for each in sim.events.event_buses("ot")] == ["other"]


def test_a_bus_with_rules_is_not_deleted() -> None:
    with world("") as sim:
        sim.event_bus("shop").put_rule("r", PATTERN)
        assert refused(sim.event_bus("shop").delete)[0] == "ValidationException"
        sim.event_bus("shop").delete_rule("r")
        sim.event_bus("shop").delete()


@pytest.mark.parametrize(
    "name, part", [("a b", "regular expression"), ("b" * 257, "less than or equal to 256"), ("a/b", "'/'")]
)
def test_names_of_buses(name: str, part: str) -> None:
    with world("") as sim:
        code, message = refused(sim.events.create_event_bus, name)
        assert code == "ValidationException" and part in message


def test_a_bus_keeps_its_policy() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_permission("one", "111122223333")
        bus.put_permission("two", "*")
        bus.put_permission("one", "444455556666")
        policy = bus.describe().policy or ""
        assert policy.index('"two"') < policy.index('"one"')
        assert "111122223333" not in policy and "arn:aws:iam::444455556666:root" in policy
        bus.remove_permission("two")
        assert '"two"' not in (bus.describe().policy or "")
        assert refused(bus.remove_permission, "two")[0] == "ResourceNotFoundException"
        bus.remove_permission()
        assert bus.describe().policy is None


# --- rules --------------------------------------------------------------------------------------


def test_arns_of_rules() -> None:
    with world("") as sim:
        assert sim.event_bus().put_rule("r", PATTERN) == "arn:aws:events:us-east-1:123456789012:rule/r"
        assert sim.event_bus("shop").put_rule("r", PATTERN) == "arn:aws:events:us-east-1:123456789012:rule/shop/r"


def test_a_rule_is_described() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        arn = bus.put_rule("r", '{"source": ["shop"]}', state="DISABLED", description="why")
        assert bus.describe_rule("r") == eb.RuleDescription(
            "r", arn, "shop", "DISABLED", '{"source": ["shop"]}', description="why"
        )
        assert refused(bus.describe_rule, "none") == (
            "ResourceNotFoundException",
            "Rule none does not exist on EventBus shop.",
        )
        assert refused(sim.event_bus().describe_rule, "r") == (
            "ResourceNotFoundException",
            "Rule r does not exist on EventBus default.",
        )


def test_put_rule_keeps_the_targets() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", {"source": ["other"]}, description="gone with the next one")
        bus.put_targets("r", target(sim))
        bus.put_rule("r", PATTERN)
        assert [row["id"] for row in bus.targets("r")] == ["q"]
        assert bus.describe_rule("r").description is None
        bus.put_event("shop", "x")
        sim.run_until_idle()
        assert len(bodies(sim)) == 1


def test_a_rule_has_a_pattern_or_a_schedule_or_both() -> None:
    with world("") as sim:
        bus = sim.event_bus()
        assert refused(bus.put_rule, "r") == (
            "ValidationException",
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        )
        bus.put_rule("r", PATTERN, schedule_expression="rate(1 hour)")
        bus.put_targets("r", target(sim))
        bus.put_event("shop", "x")
        sim.run_until_idle()
        sim.advance("1h")
        assert [event["detail-type"] for event in events(sim)] == ["x", "Scheduled Event"]
        bus.put_rule("r", PATTERN)
        sim.advance("2h")
        assert len(events(sim)) == 2


def test_schedules_are_for_the_default_bus() -> None:
    with world("") as sim:
        assert refused(sim.event_bus("shop").put_rule, "r", schedule_expression="rate(1 hour)") == (
            "ValidationException",
            "ScheduleExpression is supported only on the default event bus.",
        )


def test_a_bus_that_is_not_there() -> None:
    with world("") as sim:
        gone = sim.event_bus("shop")
        gone.delete()
        wanted = ("ResourceNotFoundException", "Event bus shop does not exist.")
        assert refused(gone.put_rule, "r", PATTERN) == wanted
        assert refused(gone.put_targets, "r", target(sim)) == wanted
        assert refused(gone.rules) == wanted


def test_deleting_a_rule() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        bus.put_targets("r", target(sim))
        assert refused(bus.delete_rule, "r") == (
            "ValidationException",
            "Rule can't be deleted since it has targets.",
        )
        bus.remove_targets("r", "q")
        bus.delete_rule("r")
        bus.delete_rule("r")
        assert bus.rules() == []


def test_enabling_and_disabling() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        bus.put_targets("r", target(sim))
        bus.disable_rule("r")
        bus.disable_rule("r")
        bus.put_event("shop", "unseen")
        bus.enable_rule("r")
        bus.put_event("shop", "seen")
        sim.run_until_idle()
        assert [event["detail-type"] for event in events(sim)] == ["seen"]
        assert kinds(sim).count("RuleChanged") == 3
        assert refused(bus.enable_rule, "none")[0] == "ResourceNotFoundException"


def test_lists() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        for name in ("b", "a", "ab"):
            bus.put_rule(name, PATTERN)
        bus.put_targets("b", target(sim))
        sim.event_bus().put_rule("a-of-default", PATTERN)
        assert [rule.name for rule in bus.rules()] == ["a", "ab", "b"]
        assert [rule.name for rule in bus.rules("a")] == ["a", "ab"]
        assert bus.rule_names_by_target(sim.names.queue("q")) == ["b"]
        assert [rule.name for rule in sim.event_bus().rules()] == ["a-of-default"]


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"name": "a b"}, "Member must satisfy regular expression pattern"),
        ({"name": "r" * 65}, "length less than or equal to 64"),
        (
            {"event_pattern": "{" + " " * 4096},
            "at 'eventPattern' failed to satisfy constraint: Member must have length",
        ),
        ({"event_pattern": '{"a": "b"}'}, 'Event pattern is not valid. Reason: "a" must be an object or an array'),
        ({"state": "OFF"}, "[ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]"),
        ({"description": "d" * 513}, "at 'description'"),
    ],
)
def test_refused_rules(keys: dict[str, Any], message: str) -> None:
    with world("") as sim:
        given = {"name": "r", "event_pattern": PATTERN, **keys}
        assert message in refused(sim.event_bus("shop").put_rule, **given)[1]
        assert sim.event_bus("shop").rules() == []


# --- targets ------------------------------------------------------------------------------------


def test_a_target_of_the_same_id_is_replaced() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        assert bus.put_targets("r", target(sim, input="1"), target(sim, id="two")) == eb.TargetsResult()
        bus.put_targets("r", target(sim, input={"n": 2}))
        bus.put_event("shop", "x")
        sim.run_until_idle()
        assert bodies(sim)[0] == '{"n":2}'
        assert [row["id"] for row in bus.targets("r")] == ["q", "two"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": 5}, "id' failed to satisfy constraint: Member must be a string"),
        ({"input_path": 5}, "inputPath' failed to satisfy constraint: Member must be a string"),
        ({"retry_policy": [1]}, "retryPolicy' failed to satisfy constraint: Member must be a structure"),
        (
            {"retry_policy": {"maximum_retry_attempts": "x"}},
            "retryPolicy.maximumRetryAttempts' failed to satisfy constraint: Member must be an integer",
        ),
    ],
)
def test_members_of_wrong_types(changes: dict[str, Any], problem: str) -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        text = f"1 validation error detected: Value at 'targets.1.member.{problem}"
        assert refused(bus.put_targets, "r", {**target(sim), **changes}) == ("ValidationException", text)


def test_a_dead_letter_queue_as_the_api_has_it() -> None:
    with world("") as sim:
        bus, letters = sim.event_bus("shop"), sim.names.queue("dlq")
        bus.put_rule("r", PATTERN)
        bus.put_targets("r", {**target(sim), "dead_letter_config": {"arn": letters}})
        assert [row["dead_letter_arn"] for row in bus.targets("r")] == [letters]
        far = {"arn": letters.replace("us-east-1", "eu-west-1")}
        text = "Parameter DeadLetterConfig.Arn is not valid. Reason: the queue must be in the Region of the rule."
        wanted = ("ValidationException", text)
        assert refused(bus.put_targets, "r", {**target(sim), "dead_letter_config": far}) == wanted


def test_five_targets_at_most() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        bus.put_targets("r", *[target(sim, id=f"t{number}") for number in range(4)])
        wanted = ("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        assert refused(bus.put_targets, "r", target(sim, id="t4"), target(sim, id="t5")) == wanted
        bus.put_targets("r", target(sim, id="t4"), target(sim, id="t0"))
        assert len(bus.targets("r")) == 5


def test_removing_targets() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        bus.put_targets("r", target(sim), target(sim, id="two"))
        result = bus.remove_targets("r", "q", "none")
        assert result.failed_entry_count == 1
        assert [(each.target_id, each.error_code) for each in result.failed_entries] == [
            ("none", "ResourceNotFoundException")
        ]
        assert [row["id"] for row in bus.targets("r")] == ["two"]
        assert refused(bus.put_targets, "gone", target(sim)) == (
            "ResourceNotFoundException",
            "Rule gone does not exist on EventBus shop.",
        )


@pytest.mark.parametrize(
    "keys, message",
    [
        (
            {"input": "1", "input_path": "$"},
            "Only one of Input, InputPath, or InputTransformer must be provided for target q.",
        ),
        (
            {"input_transformer": {"input_template": '"<x>"'}},
            "InputTemplate for target q contains invalid placeholder x.",
        ),
        ({"retry_policy": {"maximum_retry_attempts": 186}}, "Member must have value less than or equal to 185"),
        ({"retry_policy": {"maximum_event_age_in_seconds": 59}}, "Member must have value greater than or equal to 60"),
        ({"input": "x" * 8193}, "at 'targets.1.member.input' failed"),
        ({"input_path": "$." + "x" * 256}, "at 'targets.1.member.inputPath' failed"),
        ({"id": "t" * 65}, "at 'targets.1.member.id' failed"),
        ({"id": None}, "Value null at 'targets.1.member.id' failed to satisfy constraint: Member must not be null"),
        ({"arn": None}, "Value null at 'targets.1.member.arn' failed to satisfy constraint: Member must not be null"),
        (
            {"input_transformer": {"input_paths_map": {}}},
            "Value null at 'targets.1.member.inputTransformer.inputTemplate' failed to satisfy constraint",
        ),
    ],
)
def test_refused_targets(keys: dict[str, Any], message: str) -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        assert message in refused(bus.put_targets, "r", target(sim, **keys))[1]
        assert bus.targets("r") == []


def test_a_hundred_paths_at_most() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", PATTERN)
        transformer = {"input_paths_map": {f"v{n}": "$.id" for n in range(101)}, "input_template": '"x"'}
        _, message = refused(bus.put_targets, "r", target(sim, input_transformer=transformer))
        assert "inputPathsMap" in message and "less than or equal to 100" in message


# --- patterns -----------------------------------------------------------------------------------

EVENT = {
    "id": "1", "account": "123456789012", "source": "shop", "time": "2026-01-15T12:00:00Z", "region": "us-east-1",
    "resources": [], "detail-type": "x", "detail": {"total": 5},
}  # fmt: skip


def test_test_event_pattern() -> None:
    with world("") as sim:
        assert sim.events.test_event_pattern({"detail": {"total": [5]}}, EVENT) is True
        assert sim.events.test_event_pattern({"detail": {"total": [6]}}, EVENT) is False
        assert refused(sim.events.test_event_pattern, {"a": 1}, EVENT)[0] == "InvalidEventPatternException"


@pytest.mark.parametrize(
    "event",
    [
        "text",
        "[]",
        '"x"',
        *[{key: item for key, item in EVENT.items() if key != gone} for gone in EVENT if gone != "detail"],
    ],
)
def test_an_event_without_its_envelope_is_not_tested(event: Any) -> None:
    with world("") as sim:
        assert refused(sim.events.test_event_pattern, {"source": ["shop"]}, event) == (
            "ValidationException",
            "Parameter Event is not valid.",
        )


def test_a_policy_has_a_length() -> None:
    with world("") as sim:
        arn = sim.names.event_bus("shop")
        wanted = f'{{"a":"{"x" * (10_240 - 8)}"}}'
        assert sim.engine.ask(arn, eb.PutPermission(policy=wanted)) is None
        found = sim.engine.ask(arn, eb.PutPermission(policy=wanted + " "))
        assert found.code == "PolicyLengthExceededException"
        assert sim.event_bus("shop").describe().policy == wanted
        assert sim.engine.ask(arn, eb.PutPermission(policy="{")).code == "ValidationException"

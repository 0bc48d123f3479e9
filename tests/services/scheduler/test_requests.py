"""The operations that clients call: on schedules, on groups, on tags, with AWS's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.kernel.effects import Refused
from simtriggers.services.scheduler import commands as c
from simtriggers.services.scheduler.service import SERVICE
from tests.services.scheduler.world import HOUR, JOBS, LETTERS, NAMES, SCHEDULE, World

CASES = Path(__file__).parents[3] / "fixtures" / "cases" / "scheduler"
ROWS = YAML(typ="safe").load(CASES / "refused.yaml")
ALL = NAMES.service("scheduler")
NIGHT = NAMES.schedule_group("night")


def request(changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The ARN and the members of a request with some changes; a number as a text is its length."""
    found: dict[str, Any] = {
        "schedule_expression": "rate(1 hour)",
        "target": {"arn": JOBS},
        "flexible_time_window": {"mode": "OFF"},
    }
    for path, item in changes.items():
        *above, last = path.split(".")
        owner = found
        for step in above:
            owner = owner[step]
        owner[last] = item
    for owner, key, letter in ((found, "description", "d"), (found["target"], "input", "i")):
        if isinstance(owner.get(key), int):
            owner[key] = letter * owner[key]
    group = found["target"].get("sqs_parameters", {})
    if isinstance(group.get("message_group_id"), int):
        group["message_group_id"] = "g" * group["message_group_id"]
    return NAMES.schedule(found.pop("name", "rotate"), found.pop("group", "default")), found


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_refused(row: dict[str, Any]) -> None:
    world = World()
    arn, members = request(row["set"])
    reply = world.ask(arn, c.CreateSchedule(**members))
    assert isinstance(reply, Refused), row["why"]
    assert reply.code == row["code"]
    begin, cut, _ = row["message"].partition("…")
    assert reply.message.startswith(begin) if cut and row["message"].endswith("…") else reply.message == row["message"]
    assert world.rows("ScheduleStarted") == []


def test_what_is_not_refused() -> None:
    world = World()
    arn, members = request({})
    assert world.ask(arn, c.CreateSchedule(**members)) == SCHEDULE


@pytest.mark.parametrize("start", ["2026-01-15T12:29:56Z", "2026-01-15T12:34:56Z"])
def test_a_start_date_of_up_to_five_minutes_ago(start: str) -> None:
    assert World().create("rate(1 hour)", start_date=start) == SCHEDULE


def test_one_time_schedules_take_any_dates() -> None:
    dates = {"start_date": "2020-01-01T00:00:00Z", "end_date": "2019-01-01T00:00:00Z"}
    assert World().create("at(2026-02-01T00:00:00)", **dates) == SCHEDULE


# --- schedules ----------------------------------------------------------------------------------


def test_get_shows_all_settings() -> None:
    world = World()
    world.create(
        "cron(0 2 * * ? *)",
        schedule_expression_timezone="Europe/Berlin",
        start_date="2026-02-01T00:00:00Z",
        end_date="2026-03-01T00:00:00Z",
        state="DISABLED",
        action_after_completion="DELETE",
        description="clean up",
        kms_key_arn="arn:aws:kms:us-east-1:123456789012:key/k",
        window=15,
        target_role_arn="arn:aws:iam::123456789012:role/r",
        target_input="x",
        target_retry_policy={"maximum_retry_attempts": 3},
        target_dead_letter_config={"arn": LETTERS},
    )
    world.advance(HOUR)
    assert world.ask(SCHEDULE, c.GetSchedule()) == c.ScheduleDescription(
        arn=SCHEDULE,
        name="rotate",
        group_name="default",
        schedule_expression="cron(0 2 * * ? *)",
        schedule_expression_timezone="Europe/Berlin",
        state="DISABLED",
        flexible_time_window={"mode": "FLEXIBLE", "maximum_window_in_minutes": 15},
        target={
            "arn": JOBS,
            "role_arn": "arn:aws:iam::123456789012:role/r",
            "input": "x",
            "retry_policy": {"maximum_event_age_in_seconds": 86_400, "maximum_retry_attempts": 3},
            "dead_letter_config": {"arn": LETTERS},
        },
        action_after_completion="DELETE",
        creation_date="2026-01-15T12:34:56.000Z",
        last_modification_date="2026-01-15T12:34:56.000Z",
        start_date="2026-02-01T00:00:00Z",
        end_date="2026-03-01T00:00:00Z",
        description="clean up",
        kms_key_arn="arn:aws:kms:us-east-1:123456789012:key/k",
    )


def test_update_replaces_everything() -> None:
    world = World()
    world.create("rate(1 hour)", description="old", window=5, target_input="x")
    world.advance(HOUR)
    assert world.update("rate(2 hours)", LETTERS) == SCHEDULE
    found = world.ask(SCHEDULE, c.GetSchedule())
    assert (found.schedule_expression, found.description) == ("rate(2 hours)", None)
    assert found.flexible_time_window == {"mode": "OFF"}
    assert (found.target["arn"], "input" in found.target) == (LETTERS, False)
    assert (found.creation_date, found.last_modification_date) == (
        "2026-01-15T12:34:56.000Z",
        "2026-01-15T13:34:56.000Z",
    )


def test_a_schedule_of_that_name_exists() -> None:
    world = World()
    world.create("rate(1 hour)", client_token="once")
    reply = world.create("rate(1 hour)")
    assert (reply.code, reply.message, reply.status) == ("ConflictException", "Schedule rotate already exists.", 409)
    assert world.create("rate(1 hour)", client_token="other").code == "ConflictException"
    assert world.create("rate(1 hour)", client_token="once") == SCHEDULE
    world.update("rate(2 hours)")
    assert world.create("rate(1 hour)", client_token="once") == SCHEDULE
    assert world.ask(SCHEDULE, c.GetSchedule()).schedule_expression == "rate(2 hours)"


@pytest.mark.parametrize("command", [c.GetSchedule(), c.DeleteSchedule()])
def test_a_schedule_that_there_is_not(command: Any) -> None:
    world = World()
    reply = world.ask(SCHEDULE, command)
    assert (reply.code, reply.message, reply.status) == (
        "ResourceNotFoundException",
        "Schedule rotate does not exist.",
        404,
    )
    reply = world.ask(NAMES.schedule("rotate", "night"), command)
    assert (reply.code, reply.message) == ("ResourceNotFoundException", "Schedule group night does not exist.")
    assert world.update("rate(1 hour)").code == "ResourceNotFoundException"


def test_delete() -> None:
    world = World()
    world.create("rate(1 hour)")
    world.engine.run_until_idle()
    assert world.ask(SCHEDULE, c.DeleteSchedule()) is None
    world.advance(5 * HOUR)
    assert len(world.times()) == 1
    assert world.kinds()[-1] == "ScheduleDeleted"
    assert world.create("rate(1 hour)") == SCHEDULE


def names(reply: Any) -> list[str]:
    return [f"{each.group_name}/{each.name}" for each in reply.schedules]


def test_list() -> None:
    world = World()
    world.ask(NIGHT, c.CreateScheduleGroup())
    for name, group, state in (("b", "default", "ENABLED"), ("a", "night", "DISABLED"), ("ab", "default", "ENABLED")):
        world.create("cron(0 2 * * ? *)", name=name, group=group, state=state)
    assert names(world.ask(ALL, c.ListSchedules())) == ["default/ab", "default/b", "night/a"]
    assert names(world.ask(ALL, c.ListSchedules(group_name="night"))) == ["night/a"]
    assert names(world.ask(ALL, c.ListSchedules(name_prefix="a"))) == ["default/ab", "night/a"]
    assert names(world.ask(ALL, c.ListSchedules(state="DISABLED"))) == ["night/a"]
    first = world.ask(ALL, c.ListSchedules(max_results=2))
    assert first.next_token is not None
    second = world.ask(ALL, c.ListSchedules(max_results=2, next_token=first.next_token))
    assert (names(first), names(second), second.next_token) == (["default/ab", "default/b"], ["night/a"], None)
    assert first.schedules[0] == c.ScheduleSummary(
        NAMES.schedule("ab"), "ab", "default", "ENABLED", JOBS, "2026-01-15T12:34:56.000Z", "2026-01-15T12:34:56.000Z"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (c.ListSchedules(max_results=101), "Value '101' at 'maxResults' failed to satisfy constraint"),
        (c.ListSchedules(max_results=0), "Value '0' at 'maxResults' failed to satisfy constraint"),
        (c.ListSchedules(name_prefix="a b"), "Value 'a b' at 'namePrefix' failed to satisfy constraint"),
        (c.ListSchedules(group_name="night"), "Schedule group night does not exist."),
        (c.ListSchedules(next_token="?"), "Invalid NextToken."),
        (c.ListScheduleGroups(max_results=101), "Value '101' at 'maxResults' failed to satisfy constraint"),
    ],
)
def test_bad_lists(command: Any, message: str) -> None:
    assert message in World().ask(ALL, command).message


# --- groups -------------------------------------------------------------------------------------


def test_groups() -> None:
    world = World()
    assert world.ask(NIGHT, c.CreateScheduleGroup()) == NIGHT
    reply = world.ask(NIGHT, c.CreateScheduleGroup())
    assert (reply.code, reply.message) == ("ConflictException", "Schedule group night already exists.")
    made = "2026-01-15T12:34:56.000Z"
    assert world.ask(NIGHT, c.GetScheduleGroup()) == c.ScheduleGroupDescription(NIGHT, "night", "ACTIVE", made, made)
    listed = world.ask(ALL, c.ListScheduleGroups())
    assert [group.name for group in listed.schedule_groups] == ["default", "night"]
    assert world.ask(ALL, c.ListScheduleGroups(name_prefix="n")).schedule_groups[0].arn == NIGHT
    assert world.ask(ALL, c.ListScheduleGroups(max_results=1)).next_token is not None
    default = world.ask(NAMES.schedule_group("default"), c.GetScheduleGroup())
    assert (default.name, default.state) == ("default", "ACTIVE")


def test_the_same_token_makes_a_group_once() -> None:
    world = World()
    assert world.ask(NIGHT, c.CreateScheduleGroup(client_token="once")) == NIGHT
    world.ask(NIGHT, c.TagScheduleGroup((("team", "ops"),)))
    assert world.ask(NIGHT, c.CreateScheduleGroup(client_token="once")) == NIGHT
    assert world.ask(NIGHT, c.CreateScheduleGroup(client_token="other")).code == "ConflictException"
    assert world.ask(NIGHT, c.ListScheduleGroupTags()) == (("team", "ops"),)


def test_a_group_is_deleted_with_its_schedules() -> None:
    world = World()
    world.ask(NIGHT, c.CreateScheduleGroup())
    world.create("rate(1 hour)", group="night")
    world.create("rate(1 hour)", name="other")
    world.engine.run_until_idle()
    assert world.ask(NIGHT, c.DeleteScheduleGroup()) is None
    world.advance(2 * HOUR)
    assert (len(world.times()), len(world.times("other"))) == (1, 3)
    assert names(world.ask(ALL, c.ListSchedules())) == ["default/other"]
    assert [row.details for row in world.rows("ScheduleGroupDeleted")] == [{"schedules": 1}]


@pytest.mark.parametrize(
    ("name", "command", "code", "message"),
    [
        ("default", c.DeleteScheduleGroup(), "ValidationException", "The default schedule group cannot be deleted."),
        ("default", c.CreateScheduleGroup(), "ConflictException", "Schedule group default already exists."),
        ("night", c.DeleteScheduleGroup(), "ResourceNotFoundException", "Schedule group night does not exist."),
        ("night", c.GetScheduleGroup(), "ResourceNotFoundException", "Schedule group night does not exist."),
        ("night", c.ListScheduleGroupTags(), "ResourceNotFoundException", "Schedule group night does not exist."),
        ("a b", c.CreateScheduleGroup(), "ValidationException", "1 validation error detected: Value 'a b' at 'name'"),
    ],
)
def test_bad_groups(name: str, command: Any, code: str, message: str) -> None:
    reply = World().ask(NAMES.schedule_group(name), command)
    assert (reply.code, reply.message[: len(message)]) == (code, message)


def test_tags_of_a_group() -> None:
    world = World()
    world.ask(NIGHT, c.CreateScheduleGroup((("team", "ops"),)))
    world.ask(NIGHT, c.TagScheduleGroup((("stage", "test"), ("team", "dev"))))
    assert world.ask(NIGHT, c.ListScheduleGroupTags()) == (("stage", "test"), ("team", "dev"))
    assert world.ask(NIGHT, c.UntagScheduleGroup(("team", "none"))) is None
    assert world.ask(NIGHT, c.ListScheduleGroupTags()) == (("stage", "test"),)
    many = tuple((f"k{number}", "") for number in range(50))
    assert world.ask(NIGHT, c.TagScheduleGroup(many)).code == "ValidationException"


def test_every_operation_of_the_api_is_there() -> None:
    known = {cls.__name__ for cls in SERVICE.rules}
    assert {f"{verb}Schedule" for verb in ("Create", "Update", "Delete", "Get")} <= known
    assert {f"{verb}ScheduleGroup" for verb in ("Create", "Delete", "Get")} <= known
    assert {"ListSchedules", "ListScheduleGroups", "TagScheduleGroup", "UntagScheduleGroup"} <= known

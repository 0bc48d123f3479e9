"""Schedules, their groups and schedule triggers as people write them in YAML.

The models check form and ranges; `schedule_resource`, `trigger_resource` and `group_resource` turn them into the
commands that make the resources. Names are those of the Amazon EventBridge Scheduler API in snake_case.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.quantities import Milliseconds, Seconds, Settings
from ...aws.schedules import parse_schedule, zone_or_utc
from ...kernel.clock import iso_s, parse_iso
from ...kernel.effects import Refused
from .arns import DEFAULT_GROUP, GROUP, SCHEDULE
from .checks import check_schedule, is_name
from .settings import AGE_S, GROUP_TAGS, NAME_CHARACTERS, RETRIES, WINDOW_MINUTES

DEFAULT_ROLE = "simtriggers"
"""Whose role a schedule takes that names none; roles are kept and shown, not evaluated."""

_ONE_TARGET = ("function", "queue", "topic", "event_bus", "arn")
_NOT_SIMULATED = "{} is not simulated"


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a schedule or a group; None when nothing."""
    if is_name(name):
        return None
    return f"{name!r} is no name of EventBridge Scheduler: 1-{NAME_CHARACTERS} of A-Z a-z 0-9 . - _"


def _checked_name(name: str) -> str:
    problem = name_problem(name)
    if problem is not None:
        raise ValueError(f"{problem}; write another name")
    return name


def _date(found: object) -> object:
    """A time with a zone as ISO-8601 in UTC; YAML may have read it as a time already."""
    if isinstance(found, datetime):
        found = found.isoformat() + ("Z" if found.tzinfo is None else "")
    if not isinstance(found, str):
        return found
    try:
        return iso_s(parse_iso(found))
    except ValueError:
        raise ValueError(f"{found!r} is not a time with a zone; write 2026-01-15T12:00:00Z") from None


Name = Annotated[str, AfterValidator(_checked_name)]
Date = Annotated[str, BeforeValidator(_date)]


def _input_text(found: object) -> object:
    """The text of an input: a string as it is, anything else as JSON."""
    if found is None or isinstance(found, str):
        return found
    try:
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the input cannot be JSON ({error}); write a value that JSON has") from None


Input = Annotated[str | None, BeforeValidator(_input_text), WithJsonSchema({})]


# --- parts --------------------------------------------------------------------------------------


class ScheduleRetryPolicy(Settings):
    """How long Scheduler tries to call a target: whichever limit comes first."""

    maximum_retry_attempts: Annotated[int, Field(ge=RETRIES.low, le=RETRIES.high, strict=True)] = RETRIES.high
    maximum_event_age: Annotated[Seconds, Field(ge=AGE_S.low, le=AGE_S.high)] = AGE_S.high


class FlexibleTimeWindow(Settings):
    """The target is called once, at a random moment of the window that begins with the turn."""

    mode: Literal["OFF", "FLEXIBLE"] | None = None
    maximum_window: Annotated[Milliseconds, Field(ge=60_000, le=WINDOW_MINUTES.high * 60_000)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> FlexibleTimeWindow:
        if self.mode == "OFF" and self.maximum_window is not None:
            raise ValueError("a window that is OFF has no maximum_window; remove one of the two")
        if self.mode == "FLEXIBLE" and self.maximum_window is None:
            raise ValueError("a FLEXIBLE window needs a maximum_window; write maximum_window: 15m")
        if self.maximum_window is not None and self.maximum_window % 60_000:
            raise ValueError("maximum_window is not a whole number of minutes; write 15m")
        return self

    def stored(self) -> dict[str, Any]:
        """The row that settings have."""
        if self.maximum_window is None:
            return {"mode": "OFF"}
        return {"mode": "FLEXIBLE", "maximum_window_in_minutes": self.maximum_window // 60_000}


class SqsParameters(Settings):
    """What a queue's message gets besides its body."""

    message_group_id: Annotated[str, Field(min_length=1, max_length=128)]


class EventBridgeParameters(Settings):
    """What an event on a bus gets besides its detail."""

    detail_type: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(min_length=1, max_length=256)]


class _Delivered(Settings):
    """What every schedule says of its call."""

    input: Input = None
    retry_policy: ScheduleRetryPolicy = ScheduleRetryPolicy()
    dead_letter_target: str | None = None
    role_arn: str | None = None


class ScheduleTarget(_Delivered):
    """What a schedule calls: a function, queue, topic or bus of the project, or any ARN."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "ecs_parameters": _NOT_SIMULATED.format("Amazon ECS"),
        "kinesis_parameters": _NOT_SIMULATED.format("Kinesis"),
        "sage_maker_pipeline_parameters": _NOT_SIMULATED.format("SageMaker"),
    }

    function: str | None = None
    queue: str | None = None
    topic: str | None = None
    event_bus: str | None = None
    arn: str | None = None
    sqs_parameters: SqsParameters | None = None
    event_bridge_parameters: EventBridgeParameters | None = None

    @model_validator(mode="after")
    def _one_target(self) -> ScheduleTarget:
        if sum(getattr(self, key) is not None for key in _ONE_TARGET) != 1:
            raise ValueError(f"a target has exactly one of {', '.join(_ONE_TARGET)}")
        if self.queue is not None and self.queue.endswith(".fifo") and self.sqs_parameters is None:
            raise ValueError("a FIFO queue needs a group; write sqs_parameters: {message_group_id: …}")
        if self.event_bus is not None and self.event_bridge_parameters is None:
            raise ValueError("a bus needs more; write event_bridge_parameters: {detail_type: …, source: …}")
        return self


class _Timed(Settings):
    """When a schedule has its turns."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "omit_name": "a schedule here always has a name of its own",
        "permissions_boundary": "access is not evaluated: everybody may do everything",
        "tags": "tags are those of schedule groups",
    }

    schedule_expression_timezone: str = "UTC"
    flexible_time_window: FlexibleTimeWindow = FlexibleTimeWindow()
    start_date: Date | None = None
    end_date: Date | None = None
    state: Literal["ENABLED", "DISABLED"] = "ENABLED"
    group_name: Name = DEFAULT_GROUP
    action_after_completion: Literal["NONE", "DELETE"] = "NONE"
    description: Annotated[str, Field(max_length=512)] | None = None
    kms_key_arn: str | None = None

    @field_validator("schedule_expression_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zone_or_utc(name)
        except LookupError as error:
            raise ValueError(f"there is no time zone {name!r}; {error}") from None
        return name

    @field_validator("end_date")
    @classmethod
    def _after_start(cls, end: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("start_date")
        if end is not None and start is not None and end <= start:
            raise ValueError(f"{end} is not after the start_date, {start}; write a later time")
        return end

    def _stored(self, expression: str, target: dict[str, Any]) -> dict[str, Any]:
        found = {
            "schedule_expression": expression,
            "schedule_expression_timezone": self.schedule_expression_timezone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "state": self.state,
            "action_after_completion": self.action_after_completion,
            "description": self.description,
            "kms_key_arn": self.kms_key_arn,
            "flexible_time_window": self.flexible_time_window.stored(),
            "target": target,
        }
        return {name: item for name, item in found.items() if item is not None}


# --- a schedule, a trigger, a group -------------------------------------------------------------


def _checked_expression(text: str, info: ValidationInfo) -> str:
    # A time zone that is wrong is told where it stands.
    parse_schedule(text, kind="scheduler", timezone=info.data.get("schedule_expression_timezone", "UTC"))
    return text


class ScheduleConfig(_Timed):
    """A schedule of EventBridge Scheduler, in a project's `schedules`."""

    schedule_expression: str
    target: ScheduleTarget

    _valid = field_validator("schedule_expression")(_checked_expression)


class ScheduleV2Trigger(_Timed, _Delivered):
    """A function's trigger of kind `schedule_v2`, as SAM's ScheduleV2: a schedule of EventBridge Scheduler whose
    target the function is."""

    schedule_v2: str
    name: Name | None = None

    _valid = field_validator("schedule_v2")(_checked_expression)


class ScheduleGroupConfig(Settings):
    """A group of schedules."""

    tags: Annotated[dict[str, str], Field(max_length=GROUP_TAGS)] = {}


def schedule_name(function_name: str, index: int, trigger: ScheduleV2Trigger) -> str:
    """The trigger's own name, or `<function>-schedule-<index>`, cut with a hash where it is too long."""
    if trigger.name is not None:
        return trigger.name
    tail = f"-schedule-{index}"
    if len(function_name) + len(tail) > NAME_CHARACTERS:
        digest = blake2b(function_name.encode(), digest_size=4).hexdigest()
        function_name = f"{function_name[: NAME_CHARACTERS - len(tail) - 9]}-{digest}"
    return function_name + tail


def schedule_resource(names: Names, name: str, config: ScheduleConfig) -> tuple[str, PutResource]:
    """The ARN of a schedule and the command that makes it."""
    target = config.target
    row = _target(names, target_arn(names, target), target)
    if target.sqs_parameters is not None:
        row["sqs_parameters"] = {"message_group_id": target.sqs_parameters.message_group_id}
    if target.event_bridge_parameters is not None:
        events = target.event_bridge_parameters
        row["event_bridge_parameters"] = {"detail_type": events.detail_type, "source": events.source}
    arn = names.schedule(name, config.group_name)
    return arn, PutResource(SCHEDULE, name, config._stored(config.schedule_expression, row))


def target_arn(names: Names, target: ScheduleTarget) -> str:
    """The ARN of what a schedule calls."""
    if target.function is not None:
        return names.function(target.function)
    if target.queue is not None:
        return names.queue(target.queue)
    if target.topic is not None:
        return names.topic(target.topic)
    if target.event_bus is not None:
        return names.event_bus(target.event_bus)
    assert target.arn is not None
    return target.arn


def trigger_resource(
    names: Names, function_name: str, index: int, trigger: ScheduleV2Trigger
) -> tuple[str, PutResource]:
    """The ARN of a trigger's schedule and the command that makes it. `index` tells the schedules of one function
    apart."""
    name = schedule_name(function_name, index, trigger)
    row = _target(names, names.function(function_name), trigger)
    return names.schedule(name, trigger.group_name), PutResource(
        SCHEDULE, name, trigger._stored(trigger.schedule_v2, row)
    )


def _target(names: Names, arn: str, delivered: _Delivered) -> dict[str, Any]:
    policy, letters = delivered.retry_policy, delivered.dead_letter_target
    row: dict[str, Any] = {
        "arn": arn,
        "role_arn": delivered.role_arn or f"arn:aws:iam::{names.account}:role/{DEFAULT_ROLE}",
        "retry_policy": {
            "maximum_event_age_in_seconds": policy.maximum_event_age,
            "maximum_retry_attempts": policy.maximum_retry_attempts,
        },
    }
    if delivered.input is not None:
        row["input"] = delivered.input
    if letters is not None:
        row["dead_letter_config"] = {"arn": letters if letters.startswith("arn:") else names.queue(letters)}
    return row


def group_resource(names: Names, name: str, config: ScheduleGroupConfig) -> tuple[str, PutResource]:
    """The ARN of a group and the command that makes it."""
    return names.schedule_group(name), PutResource(GROUP, name, {"tags": config.tags})


def schedule_problem(arn: str, command: PutResource) -> Refused | None:
    """What Scheduler would answer to a project's schedule, as far as it can be told before a run; None: it takes it."""
    return check_schedule(arn, command.config, now_ms=0, declared=True)

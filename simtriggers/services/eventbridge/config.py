"""Rules with a schedule: as a project writes them, and as decisions use them.

A rule's settings are stored as JSON with AWS's names in snake_case: `schedule_expression`, `state`, and
`targets` of `id`, `arn`, `input`, `retry_policy` and `dead_letter_arn`. Rules live on the default bus.

Source: Amazon EventBridge API Reference, PutRule, PutTargets, Target, RetryPolicy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.limits import Limit, Range
from ...aws.quantities import Seconds, Settings
from ...aws.schedules import Schedule, parse_schedule
from ...kernel.effects import Payload, RetryPolicy, payload

KIND = "rule"

_PUT_RULE = "Amazon EventBridge API Reference, PutRule"
_PUT_TARGETS = "Amazon EventBridge API Reference, PutTargets"
_RETRY_POLICY = "Amazon EventBridge API Reference, RetryPolicy"

NAME_CHARACTERS = Limit(64, _PUT_RULE)
INPUT_CHARACTERS = Limit(8192, _PUT_TARGETS)
TARGETS = Limit(5, "Amazon EventBridge User Guide, Amazon EventBridge quotas")
RETRIES = Range(0, 185, _RETRY_POLICY)
AGE_S = Range(60, 86_400, _RETRY_POLICY)

# Unverified: AWS says "exponential back off and jitter" and no more. With these numbers the 185 retries
# take about a day, which is the other limit.
_BASE_MS, _CAP_MS, _JITTER = 1000, 540_000, 0.2

_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_SCHEDULER = "write schedule_v2 in place of schedule: time zones, dates and windows are EventBridge Scheduler's"


# --- as a project writes them -------------------------------------------------------------------


def is_name(text: str) -> bool:
    """Whether a rule or a target can have this name: 1 to 64 letters, digits, `.`, `-`, `_`."""
    return _NAME.fullmatch(text) is not None


def input_problem(text: str) -> str | None:
    """What PutTargets has against a target's Input; None when nothing."""
    if len(text) > INPUT_CHARACTERS:
        return f"the input has {len(text)} characters, more than {INPUT_CHARACTERS}"
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"the input is not JSON: {error}"
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _check_schedule(text: str) -> str:
    parse_schedule(text)
    return text


def _check_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name!r} is not a rule's name; write 1-{NAME_CHARACTERS} of A-Z a-z 0-9 . - _")
    return name


def _input_text(found: object) -> str | None:
    """The JSON text of an input: a string is JSON text already, as in AWS's Input."""
    if found is None:
        return None
    if isinstance(found, str):
        text = found
        fix = f"write a string in quotes twice, such as '{json.dumps(found)}'"
    else:
        fix = "write a value that JSON has"
        try:
            text = json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the input cannot be JSON ({error}); {fix}") from None
    problem = input_problem(text)
    if problem is not None:
        raise ValueError(f"{problem.replace('; ', ', ')}; {fix}")
    return text


class TargetRetryPolicy(Settings):
    """How long EventBridge tries to deliver to a target: whichever limit comes first.

    `maximum_retry_attempts` 0 to 185 (185); `maximum_event_age` 60 s to 24 h (24 h).
    """

    maximum_retry_attempts: Annotated[int, Field(ge=RETRIES.low, le=RETRIES.high, strict=True)] = RETRIES.high
    maximum_event_age: Annotated[Seconds, Field(ge=AGE_S.low, le=AGE_S.high)] = AGE_S.high


class ScheduleTrigger(Settings):
    """A function's trigger of kind `schedule`: a rule of the default bus whose target the function is.

    `schedule` is `rate(...)` or `cron(...)`, in UTC. `input` replaces the whole event: a JSON value, or a
    string that is JSON text; a bare `input:` (null) is no input. `rate_starts` says when a rate fires
    first: one interval after its rule was made, or at once. `name` is the rule's. `dead_letter_target`
    is the queue for events that could not be delivered.
    """

    NOT_YET: ClassVar[dict[str, str]] = {
        "timezone": _SCHEDULER,
        "schedule_expression_timezone": _SCHEDULER,
        "start_date": _SCHEDULER,
        "end_date": _SCHEDULER,
        "flexible_time_window": _SCHEDULER,
        "input_path": "input paths come with a later version; `input` replaces the whole event",
        "input_transformer": "input transformers come with a later version; `input` replaces the whole event",
        "bus": "AWS supports schedules on the default bus only",
        "event_bus_name": "AWS supports schedules on the default bus only",
    }

    schedule: Annotated[str, AfterValidator(_check_schedule)]
    name: Annotated[str, AfterValidator(_check_name)] | None = None
    input: Annotated[str | None, BeforeValidator(_input_text), WithJsonSchema({})] = None
    enabled: Annotated[bool, Field(strict=True)] = True
    rate_starts: Literal["after_interval", "at_once"] = "after_interval"
    retry_policy: TargetRetryPolicy = TargetRetryPolicy()
    dead_letter_target: str | None = None


def rule_name(function_name: str, index: int, trigger: ScheduleTrigger) -> str:
    """The trigger's own name, or `<function>-schedule-<index>`, cut with a hash where it is too long."""
    if trigger.name is not None:
        return trigger.name
    tail = f"-schedule-{index}"
    if len(function_name) + len(tail) > NAME_CHARACTERS:
        digest = blake2b(function_name.encode(), digest_size=4).hexdigest()
        function_name = f"{function_name[: NAME_CHARACTERS - len(tail) - 9]}-{digest}"
    return function_name + tail


def rule_resource(
    names: Names, function_name: str, index: int, trigger: ScheduleTrigger, dead_letter_arn: str | None
) -> tuple[str, PutResource]:
    """The ARN of a schedule trigger's rule and the command that makes it.

    `index` tells the triggers of one function apart. `dead_letter_arn` is that of `dead_letter_target`.
    """
    name = rule_name(function_name, index, trigger)
    target: dict[str, Any] = {
        "id": function_name,
        "arn": names.function(function_name),
        "input": trigger.input,
        "retry_policy": {
            "maximum_retry_attempts": trigger.retry_policy.maximum_retry_attempts,
            "maximum_event_age_in_seconds": trigger.retry_policy.maximum_event_age,
        },
        "dead_letter_arn": dead_letter_arn,
    }
    config = {
        "schedule_expression": trigger.schedule,
        "state": "ENABLED" if trigger.enabled else "DISABLED",
        "rate_starts": trigger.rate_starts,
        "targets": [target],
    }
    return names.rule(name), PutResource(KIND, name, config)


# --- as decisions use them ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A target of a rule. `input` replaces the event; None: the event itself."""

    id: str
    arn: str
    input: Payload | None
    policy: RetryPolicy
    dead_letter: str | None


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """A rule of the default bus with a schedule. `takes_event`: some target gets the event itself; `at_once`: a
    rate fires when its rule is made."""

    schedule: Schedule
    enabled: bool
    targets: tuple[RuleTarget, ...]
    takes_event: bool
    at_once: bool = False


def parse_rule(config: dict[str, Any]) -> RuleSettings:
    """A rule's settings from its stored JSON. Raises ScheduleError, KeyError, TypeError or ValueError for
    one that PutResource would have refused."""
    targets = tuple(_target(each) for each in config["targets"])
    return RuleSettings(
        schedule=parse_schedule(config["schedule_expression"]),
        enabled=config["state"] == "ENABLED",
        targets=targets,
        takes_event=any(target.input is None for target in targets),
        at_once=config.get("rate_starts") == "at_once",
    )


def _target(row: dict[str, Any]) -> RuleTarget:
    limits = row["retry_policy"]
    policy = RetryPolicy(
        "eventbridge",
        maximum_retries=limits["maximum_retry_attempts"],
        maximum_age_ms=limits["maximum_event_age_in_seconds"] * 1000,
        base_ms=_BASE_MS,
        cap_ms=_CAP_MS,
        jitter=_JITTER,
    )
    text = row["input"]
    return RuleTarget(
        id=row["id"],
        arn=row["arn"],
        input=None if text is None else payload(text),
        policy=policy,
        dead_letter=row["dead_letter_arn"],
    )

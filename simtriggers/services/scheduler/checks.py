"""What AWS has against a schedule or a group, in its words. Pure.

Source: Amazon EventBridge Scheduler API Reference, CreateSchedule and UpdateSchedule; that a start date cannot
be more than 5 minutes old is told by users who met the error. Unverified: which of several problems is named
first, and the texts about windows, end dates and time zones.
"""

from __future__ import annotations

import re
from typing import Any

from ...aws.arn import name_of
from ...aws.member_types import missing_member, type_problem
from ...aws.schedules import ScheduleError, parse_schedule
from ...aws.schedules.zoned import At
from ...kernel.clock import parse_iso
from ...kernel.effects import Refused
from . import errors
from .arns import group_name_of, names_at
from .settings import (
    AGE_S,
    DESCRIPTION_CHARACTERS,
    INPUT_BYTES,
    NAME_CHARACTERS,
    RETRIES,
    TIMEZONE_CHARACTERS,
    WINDOW_MINUTES,
    parse_target,
)
from .targets import problem_of

START_AGE_MS = 300_000
"""How old a start date can be."""

_NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")
_NAME_RULE = "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"
_DEAD_LETTER = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+")
_SOURCE = re.compile(r"(?!aws\.)[/.\-_A-Za-z0-9]+")

_KEYS = {
    "schedule_expression", "schedule_expression_timezone", "start_date", "end_date", "state",
    "action_after_completion", "description", "kms_key_arn", "flexible_time_window", "target", "client_token",
    "modified_ms",
}  # fmt: skip
_TARGET_KEYS = {
    "arn", "role_arn", "input", "retry_policy", "dead_letter_config", "sqs_parameters", "event_bridge_parameters",
}  # fmt: skip
_REQUIRED = (
    "schedule_expression", "schedule_expression_timezone", "state", "action_after_completion", "flexible_time_window",
    "flexible_time_window.mode", "target", "target.arn",
)  # fmt: skip
_TYPES: dict[str, type] = {
    **dict.fromkeys(sorted(_KEYS - {"flexible_time_window", "target", "modified_ms"}), str),
    "flexible_time_window": dict,
    "flexible_time_window.mode": str,
    "flexible_time_window.maximum_window_in_minutes": int,
    "target": dict,
    **dict.fromkeys(("target.arn", "target.role_arn", "target.input"), str),
    "target.retry_policy": dict,
    "target.retry_policy.maximum_retry_attempts": int,
    "target.retry_policy.maximum_event_age_in_seconds": int,
    "target.dead_letter_config": dict,
    "target.dead_letter_config.arn": str,
    "target.sqs_parameters": dict,
    "target.sqs_parameters.message_group_id": str,
    "target.event_bridge_parameters": dict,
    "target.event_bridge_parameters.detail_type": str,
    "target.event_bridge_parameters.source": str,
}
_PARAMETERS = (
    ("sqs_parameters", "message_group_id", 128),
    ("event_bridge_parameters", "detail_type", 128),
    ("event_bridge_parameters", "source", 256),
)


def is_name(text: str) -> bool:
    """Whether a schedule or a group can have this name: 1 to 64 letters, digits, `-`, `_`, `.`."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str, member: str) -> Refused | None:
    """What is wrong with the name of a schedule or a group."""
    if len(text) > NAME_CHARACTERS:
        rule = f"Member must have length less than or equal to {NAME_CHARACTERS}"
        return errors.constraint(text, member, rule)
    return None if is_name(text) else errors.constraint(text, member, _NAME_RULE)


def check_schedule(arn: str, config: dict[str, Any], *, now_ms: int, declared: bool) -> Refused | None:
    """Why the schedule of this ARN cannot have these settings, or None.

    `declared`: they stand in a project, whose start date may have passed since it was written.
    """
    refused = _check_types(config)
    if refused is not None:
        return refused
    extra = sorted((config.keys() - _KEYS) | (config["target"].keys() - _TARGET_KEYS))
    if extra:
        return errors.not_simulated(f"{', '.join(extra)} of a schedule")
    return (
        check_name(name_of(arn), "name")
        or check_name(group_name_of(arn), "groupName")
        or _check_when(config, now_ms=now_ms, declared=declared)
        or _check_words(config)
        or _check_window(config["flexible_time_window"])
        or _check_target(config["target"])
        or problem_of(parse_target(config["target"]), names_at(arn))
    )


def _check_types(config: dict[str, Any]) -> Refused | None:
    """What has a wrong type, or is missing. Unverified: the words for a wrong type."""
    wrong = type_problem(config, _TYPES)
    if wrong is not None:
        return errors.invalid(
            f"1 validation error detected: Value at '{wrong[0]}' failed to satisfy constraint: {wrong[1]}"
        )
    absent = missing_member(config, _REQUIRED)
    return None if absent is None else errors.absent(absent)


def _check_when(config: dict[str, Any], *, now_ms: int, declared: bool) -> Refused | None:
    timezone = config["schedule_expression_timezone"]
    if not 1 <= len(timezone) <= TIMEZONE_CHARACTERS:
        bound = f"less than or equal to {TIMEZONE_CHARACTERS}" if timezone else "greater than or equal to 1"
        rule = f"Member must have length {bound}"
        return errors.constraint(timezone, "scheduleExpressionTimezone", rule)
    try:
        schedule = parse_schedule(config["schedule_expression"], kind="scheduler", timezone=timezone)
    except ScheduleError as error:
        return errors.invalid(str(error))
    except LookupError as error:
        return errors.invalid(f"Invalid Schedule Expression Timezone {timezone}. {error}")
    moments: dict[str, int | None] = {}
    for member in ("start_date", "end_date"):
        text = config.get(member)
        try:
            moments[member] = None if text is None else parse_iso(text)
        except ValueError:
            return errors.invalid(f"{member} is {text!r}, which is not a time with a zone.")
    start_ms, end_ms = moments["start_date"], moments["end_date"]
    if isinstance(schedule, At):
        return None
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        return errors.invalid("The EndDate you specify must be after the StartDate.")
    if start_ms is not None and start_ms < now_ms - START_AGE_MS and not declared:
        return errors.invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    return None


def _check_words(config: dict[str, Any]) -> Refused | None:
    for key, member, known in (
        ("state", "state", ("ENABLED", "DISABLED")),
        ("action_after_completion", "actionAfterCompletion", ("NONE", "DELETE")),
    ):
        if config[key] not in known:
            rule = f"Member must satisfy enum value set: [{', '.join(known)}]"
            return errors.constraint(config[key], member, rule)
    description = config.get("description") or ""
    if len(description) > DESCRIPTION_CHARACTERS:
        rule = f"Member must have length less than or equal to {DESCRIPTION_CHARACTERS}"
        return errors.constraint(description, "description", rule)
    return None


def _check_window(window: dict[str, Any]) -> Refused | None:
    mode, minutes = window.get("mode"), window.get("maximum_window_in_minutes")
    if mode not in ("OFF", "FLEXIBLE"):
        rule = "Member must satisfy enum value set: [OFF, FLEXIBLE]"
        return errors.constraint(mode, "flexibleTimeWindow.mode", rule)
    if minutes is not None and minutes not in WINDOW_MINUTES:
        bound = f"less than or equal to {WINDOW_MINUTES.high}"
        if minutes < WINDOW_MINUTES.low:
            bound = f"greater than or equal to {WINDOW_MINUTES.low}"
        member = "flexibleTimeWindow.maximumWindowInMinutes"
        return errors.constraint(minutes, member, f"Member must have value {bound}")
    if mode == "FLEXIBLE" and minutes is None:
        return errors.invalid("A MaximumWindowInMinutes must be specified when the flexible time window is FLEXIBLE.")
    if mode == "OFF" and minutes is not None:
        return errors.invalid("A MaximumWindowInMinutes cannot be specified when the flexible time window is OFF.")
    return None


def _check_target(row: dict[str, Any]) -> Refused | None:
    limits = row.get("retry_policy") or {}
    for key, member, allowed in (
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", AGE_S),
        ("maximum_retry_attempts", "maximumRetryAttempts", RETRIES),
    ):
        number = limits.get(key)
        if number is not None and number not in allowed:
            bound = f"less than or equal to {allowed.high}"
            if number < allowed.low:
                bound = f"greater than or equal to {allowed.low}"
            return errors.constraint(number, f"target.retryPolicy.{member}", f"Member must have value {bound}")
    letters = (row.get("dead_letter_config") or {}).get("arn")
    if letters is not None and not _DEAD_LETTER.fullmatch(letters):
        rule = f"Member must satisfy regular expression pattern: ^{_DEAD_LETTER.pattern}$"
        return errors.constraint(letters, "target.deadLetterConfig.arn", rule)
    text = row.get("input")
    if text is not None and not 1 <= len(text.encode("utf-8", "surrogatepass")) <= INPUT_BYTES:
        rule = f"Member must have length between 1 and {INPUT_BYTES}"
        return errors.constraint(f"{text[:20]}…", "target.input", rule)
    return _check_parameters(row)


def _check_parameters(row: dict[str, Any]) -> Refused | None:
    events = row.get("event_bridge_parameters")
    if events is not None and events.keys() < {"detail_type", "source"}:
        return errors.invalid("EventBridgeParameters must have DetailType and Source.")
    for key, name, longest in _PARAMETERS:
        text = (row.get(key) or {}).get(name)
        if text is not None and not 1 <= len(text) <= longest:
            rule = f"Member must have length between 1 and {longest}"
            return errors.constraint(text, f"target.{_camel(key)}.{_camel(name)}", rule)
    source = (events or {}).get("source")
    if source is not None and not _SOURCE.fullmatch(source):
        rule = r"Member must satisfy regular expression pattern: ^(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)$"
        return errors.constraint(source, "target.eventBridgeParameters.source", rule)
    return None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)

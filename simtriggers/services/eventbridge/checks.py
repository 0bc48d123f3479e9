"""What AWS has against a rule's settings, in its words. Pure.

Source: Amazon EventBridge API Reference, PutRule and PutTargets. AWS takes a rule and its targets in two
calls; here they are one resource, so the checks of both are made together.
"""

from __future__ import annotations

from typing import Any

from ...aws.contracts import PutResource
from ...aws.schedules import ScheduleError, parse_schedule
from ...kernel.effects import Refused
from .config import AGE_S, INPUT_CHARACTERS, KIND, NAME_CHARACTERS, RETRIES, TARGETS, input_problem, is_name

_KEYS = {"schedule_expression", "state", "targets"}
_OPTIONAL_KEYS = {"rate_starts"}
_TARGET_KEYS = {"id", "arn", "input", "retry_policy", "dead_letter_arn"}
_PATTERN = r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"


def check_rule(command: PutResource) -> Refused | None:
    """Why this rule cannot be made, or None.

    Unverified: the words for an input that is not JSON, and which of several problems AWS names first.
    """
    config = command.config
    if command.kind != KIND:
        return _not_supported(f"A {command.kind} of EventBridge")
    extra = sorted(
        (config.keys() - _KEYS - _OPTIONAL_KEYS)
        | {key for row in config["targets"] for key in row.keys() - _TARGET_KEYS}
    )
    if extra:
        return _not_supported(f"{', '.join(extra)} of a rule")
    if not is_name(command.name):
        return _name_refused(command.name, "name")
    try:
        parse_schedule(config["schedule_expression"])
    except ScheduleError as error:
        return _refused(str(error))
    if config["state"] not in ("ENABLED", "DISABLED"):
        rule = "Member must satisfy enum value set: [ENABLED, DISABLED]"
        return _constraint(config["state"], "state", rule)
    if len(config["targets"]) > TARGETS:
        message = "The requested resource exceeds the maximum number allowed."
        return Refused("LimitExceededException", message)
    for number, row in enumerate(config["targets"], start=1):
        refused = _check_target(row, f"targets.{number}.member")
        if refused is not None:
            return refused
    return None


def _check_target(row: dict[str, Any], place: str) -> Refused | None:
    if not is_name(row["id"]):
        return _name_refused(row["id"], f"{place}.id")
    for key, member, allowed in (
        ("maximum_retry_attempts", "maximumRetryAttempts", RETRIES),
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", AGE_S),
    ):
        number = row["retry_policy"][key]
        if number not in allowed:
            bound = f"less than or equal to {allowed.high}"
            if number < allowed.low:
                bound = f"greater than or equal to {allowed.low}"
            return _constraint(number, f"{place}.retryPolicy.{member}", f"Member must have value {bound}")
    text = row["input"]
    if text is not None and len(text) > INPUT_CHARACTERS:
        rule = f"Member must have length less than or equal to {INPUT_CHARACTERS}"
        return _constraint(text, f"{place}.input", rule)
    if text is not None and input_problem(text) is not None:
        return _refused(f"JSON syntax error in input for target {row['id']}.")
    return None


def _name_refused(name: str, member: str) -> Refused:
    if len(name) > NAME_CHARACTERS:
        return _constraint(name, member, f"Member must have length less than or equal to {NAME_CHARACTERS}")
    if not name:
        return _constraint(name, member, "Member must have length greater than or equal to 1")
    return _constraint(name, member, _PATTERN)


def _constraint(shown: object, member: str, rule: str) -> Refused:
    return _refused(f"1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: {rule}")


def _refused(message: str) -> Refused:
    return Refused("ValidationException", message)


def _not_supported(what: str) -> Refused:
    return Refused("UnsupportedOperation", f"{what} is not supported by simtriggers yet.")

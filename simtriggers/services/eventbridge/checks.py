"""What AWS has against a rule, its targets, or a bus, in its words. Pure.

Source: Amazon EventBridge API Reference, PutRule, PutTargets, CreateEventBus; texts as recorded on AWS, others marked.
AWS takes a rule and its targets in two calls; a project's rule is one resource, and passes the checks of both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.contracts import PutResource
from ...aws.event_pattern import CODE, PatternError, compile_pattern
from ...aws.input_transformer import RESERVED, parse_template
from ...aws.json_text import parsed
from ...aws.limits import Limit
from ...aws.member_types import type_problem
from ...aws.schedules import ScheduleError, parse_schedule
from ...kernel.effects import Refused
from . import errors
from .arns import DEFAULT, RULE, bus_name_of
from .settings import AGE_S, RETRIES, STATES

_PUT_RULE = "Amazon EventBridge API Reference, PutRule"
_PUT_TARGETS = "Amazon EventBridge API Reference, PutTargets"
_TRANSFORMER = "Amazon EventBridge API Reference, InputTransformer"

NAME_CHARACTERS = Limit(64, _PUT_RULE)
PATTERN_CHARACTERS = Limit(4096, _PUT_RULE)
SCHEDULE_CHARACTERS = Limit(256, _PUT_RULE)
DESCRIPTION_CHARACTERS = Limit(512, _PUT_RULE)
INPUT_CHARACTERS = Limit(8192, _PUT_TARGETS)
PATH_CHARACTERS = Limit(256, _PUT_TARGETS)
PATHS = Limit(100, _TRANSFORMER)
TARGETS = Limit(5, "Amazon EventBridge User Guide, Amazon EventBridge quotas")
BUS_NAME_CHARACTERS = Limit(256, "Amazon EventBridge API Reference, CreateEventBus")
POLICY_CHARACTERS = Limit(10_240, "Amazon EventBridge User Guide, Amazon EventBridge quotas")

_RULE_KEYS = frozenset(
    {"event_pattern", "schedule_expression", "state", "description", "role_arn", "rate_starts", "targets"}
)
_TARGET_KEYS = frozenset(
    {
        "id", "arn", "role_arn", "input", "input_path", "input_transformer", "sqs_parameters", "http_parameters",
        "retry_policy", "dead_letter_arn",
    }
)  # fmt: skip
_TARGET_TYPES: dict[str, type] = {
    **dict.fromkeys(("id", "arn", "role_arn", "input", "input_path", "dead_letter_arn"), str),
    "dead_letter_config": dict,
    "dead_letter_config.arn": str,
    "retry_policy": dict,
    "retry_policy.maximum_retry_attempts": int,
    "retry_policy.maximum_event_age_in_seconds": int,
    "input_transformer": dict,
    "input_transformer.input_paths_map": dict,
    "input_transformer.input_template": str,
    "sqs_parameters": dict,
    "sqs_parameters.message_group_id": str,
    "http_parameters": dict,
    "http_parameters.path_parameter_values": list,
    "http_parameters.header_parameters": dict,
    "http_parameters.query_string_parameters": dict,
}
_NAME = re.compile(r"[.\-_A-Za-z0-9]+")
_NAME_RULE = r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"
_BUS_NAME = re.compile(r"[/.\-_A-Za-z0-9]+")
_VARIABLE = re.compile(r"[A-Za-z0-9_-]+")
_TARGET_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:\d*:.+", re.DOTALL)


def is_name(text: str) -> bool:
    """Whether a rule or a target can have this name: 1 to 64 letters, digits, `.`, `-`, `_`."""
    return len(text) <= NAME_CHARACTERS and _NAME.fullmatch(text) is not None


def input_problem(text: str) -> str | None:
    """What PutTargets has against a target's Input; None when nothing."""
    if len(text) > INPUT_CHARACTERS:
        return f"the input has {len(text)} characters, more than {INPUT_CHARACTERS}"
    try:
        parsed(text)
    except (ValueError, RecursionError) as error:
        return f"the input is not JSON: {error}"
    return None


# --- rules --------------------------------------------------------------------------------------


def check_rule(command: PutResource, arn: str | None = None) -> Refused | None:
    """Why this rule of a project cannot be made, or None. `arn` is its own; None: one on the default bus.

    Unverified: the words for an input that is not JSON, and which of several problems AWS names first.
    """
    config = command.config
    if command.kind != RULE:
        return errors.not_supported(f"A resource {command.kind!r} of EventBridge")
    extra = sorted(
        (config.keys() - _RULE_KEYS) | {key for row in config["targets"] for key in row.keys() - _TARGET_KEYS}
    )
    if extra:
        return errors.not_supported(f"{', '.join(extra)} of a rule")
    bus = DEFAULT if arn is None else bus_name_of(arn)
    return check_rule_settings(command.name, config, bus) or check_targets(config["targets"], arn)


def check_rule_settings(name: str, config: dict[str, Any], bus: str) -> Refused | None:
    """What PutRule has against a rule of a bus that is there."""
    pattern, schedule = config.get("event_pattern"), config.get("schedule_expression")
    refused = check_name(name, "name")
    if refused is not None:
        return refused
    for text, member, most in (
        (pattern, "eventPattern", PATTERN_CHARACTERS),
        (schedule, "scheduleExpression", SCHEDULE_CHARACTERS),
        (config.get("description"), "description", DESCRIPTION_CHARACTERS),
    ):
        if text is not None and len(text) > most:
            return errors.constraint(text, member, f"Member must have length less than or equal to {most}")
    if config["state"] not in STATES:
        rule = f"Member must satisfy enum value set: [{', '.join(STATES)}]"
        return errors.constraint(config["state"], "state", rule)
    if pattern is None and schedule is None:
        return errors.missing("EventPattern", "ScheduleExpression")
    if schedule is not None and bus != DEFAULT:
        return errors.validation("ScheduleExpression is supported only on the default event bus.")
    if schedule is not None:
        try:
            parse_schedule(schedule)
        except ScheduleError as error:
            return errors.validation(str(error))
    return None if pattern is None else check_pattern(pattern)


def check_pattern(text: str) -> Refused | None:
    """What AWS has against an event pattern."""
    try:
        compile_pattern(text)
    except PatternError as error:
        return Refused(CODE, error.message)
    return None


def check_name(name: str, member: str) -> Refused | None:
    """What AWS has against the name of a rule or the id of a target."""
    if is_name(name):
        return None
    if len(name) > NAME_CHARACTERS:
        rule = f"Member must have length less than or equal to {NAME_CHARACTERS}"
        return errors.constraint(name, member, rule)
    if not name:
        return errors.constraint(name, member, "Member must have length greater than or equal to 1")
    return errors.constraint(name, member, _NAME_RULE)


# --- targets ------------------------------------------------------------------------------------


def check_target_types(rows: Sequence[Any]) -> Refused | None:
    """What PutTargets has against the types of these rows, as a request gives them. Unverified: the words."""
    for number, row in enumerate(rows, start=1):
        wrong = type_problem(row, _TARGET_TYPES, f"targets.{number}.member")
        if wrong is not None:
            text = f"1 validation error detected: Value at '{wrong[0]}' failed to satisfy constraint: {wrong[1]}"
            return errors.validation(text)
    return None


def check_targets(rows: list[dict[str, Any]], rule: str | None, *, there: int = 0) -> Refused | None:
    """What PutTargets has against these complete rows of the rule of this ARN, beside `there` others that stay."""
    if len(rows) + there > TARGETS:
        return errors.limit_exceeded()
    for number, row in enumerate(rows, start=1):
        refused = _check_target(row, f"targets.{number}.member") or _check_letters(row["dead_letter_arn"], rule)
        if refused is not None:
            return refused
    return None


def _check_target(row: dict[str, Any], place: str) -> Refused | None:
    """Unverified: the texts about ARNs, message groups and dead-letter queues."""
    extra = sorted(row.keys() - _TARGET_KEYS)
    if extra:
        return errors.not_supported(f"{extra[0]} of a target")
    for member in ("id", "arn"):
        if row.get(member) is None:
            return errors.absent(f"{place}.{member}")
    refused = check_name(row["id"], f"{place}.id") or _check_retry(row["retry_policy"], place)
    if refused is not None:
        return refused
    if not _TARGET_ARN.fullmatch(row["arn"]):
        return errors.parameter(row["arn"], "Provided Arn is not in correct format.")
    fifo = ":sqs:" in row["arn"] and row["arn"].endswith(".fifo")
    if fifo and not (row.get("sqs_parameters") or {}).get("message_group_id"):
        return errors.validation(f"Parameter(s) SqsParameters must be specified for target: {row['id']}.")
    return _check_input(row, place)


def _check_letters(letters: str | None, rule: str | None) -> Refused | None:
    if letters is None:
        return None
    if ":sqs:" not in letters or letters.endswith(".fifo"):
        return errors.parameter("DeadLetterConfig.Arn", "it must be the ARN of a standard SQS queue.")
    if rule is not None and region_and_account(letters)[0] != region_and_account(rule)[0]:
        return errors.parameter("DeadLetterConfig.Arn", "the queue must be in the Region of the rule.")
    return None


def _check_retry(policy: dict[str, Any], place: str) -> Refused | None:
    for key, member, allowed in (
        ("maximum_retry_attempts", "maximumRetryAttempts", RETRIES),
        ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", AGE_S),
    ):
        number = policy[key]
        if number not in allowed:
            bound = f"less than or equal to {allowed.high}"
            if number < allowed.low:
                bound = f"greater than or equal to {allowed.low}"
            return errors.constraint(number, f"{place}.retryPolicy.{member}", f"Member must have value {bound}")
    return None


def _check_input(row: dict[str, Any], place: str) -> Refused | None:
    text, path, transformer = row["input"], row.get("input_path"), row.get("input_transformer")
    if sum(each is not None for each in (text, path, transformer)) > 1:
        only = f"Only one of Input, InputPath, or InputTransformer must be provided for target {row['id']}."
        return errors.validation(only)
    for found, member, most in ((text, "input", INPUT_CHARACTERS), (path, "inputPath", PATH_CHARACTERS)):
        if found is not None and len(found) > most:
            rule = f"Member must have length less than or equal to {most}"
            return errors.constraint(found, f"{place}.{member}", rule)
    if text is not None and input_problem(text) is not None:
        return errors.validation(f"JSON syntax error in input for target {row['id']}.")
    return None if transformer is None else _check_transformer(transformer, row["id"], f"{place}.inputTransformer")


def _check_transformer(transformer: dict[str, Any], target: str, place: str) -> Refused | None:
    if transformer.get("input_template") is None:
        return errors.absent(f"{place}.inputTemplate")
    text, paths = transformer["input_template"], transformer.get("input_paths_map") or {}
    bound = "greater than or equal to 1" if not text else f"less than or equal to {INPUT_CHARACTERS}"
    if not 1 <= len(text) <= INPUT_CHARACTERS:
        return errors.constraint(text, f"{place}.inputTemplate", f"Member must have length {bound}")
    if len(paths) > PATHS:
        rule = f"Member must have length less than or equal to {PATHS}"
        return errors.constraint(paths, f"{place}.inputPathsMap", rule)
    for name in paths:
        if variable_problem(name) is not None:
            return errors.constraint(
                paths,
                f"{place}.inputPathsMap",
                f"Map keys must satisfy constraint: [{variable_problem(name)}]",
            )
    for name in parse_template(text).names():
        if name not in paths and name not in RESERVED:
            return errors.validation(f"InputTemplate for target {target} contains invalid placeholder {name}.")
    return None


def variable_problem(name: str) -> str | None:
    """Why no variable of an input transformer can have this name; None when one can. Unverified: AWS's words."""
    if not _VARIABLE.fullmatch(name) or len(name) > 256:
        return r"Member must satisfy regular expression pattern: [A-Za-z0-9\_\-]+"
    return "Member must not start with AWS" if name.upper().startswith("AWS") else None


# --- buses --------------------------------------------------------------------------------------


def bus_name_problem(name: str) -> str | None:
    """Why a bus cannot have this name, in one sentence; None when it can."""
    if not _BUS_NAME.fullmatch(name) or len(name) > BUS_NAME_CHARACTERS:
        return f"{name!r} is not a bus's name: 1-{BUS_NAME_CHARACTERS} letters, digits, '.', '-', '_'"
    if "/" in name:  # On AWS such a bus must be a partner's.
        return f"{name!r}: only buses of partners, aws.partner/…, have a / in their name"
    return None


def check_bus(arn: str, config: dict[str, Any]) -> Refused | None:
    """What CreateEventBus has against a bus. Unverified: the texts beside that of the name's characters."""
    name = name_of(arn)
    if arn.count("/") > 1:
        return errors.validation("Event bus name must not contain '/'.")
    if len(name) > BUS_NAME_CHARACTERS:
        rule = f"Member must have length less than or equal to {BUS_NAME_CHARACTERS}"
        return errors.constraint(name, "name", rule)
    if not _BUS_NAME.fullmatch(name):
        return errors.constraint(name, "name", r"Member must satisfy regular expression pattern: [/\.\-_A-Za-z0-9]+")
    text = config.get("description")
    if text is not None and len(text) > DESCRIPTION_CHARACTERS:
        rule = f"Member must have length less than or equal to {DESCRIPTION_CHARACTERS}"
        return errors.constraint(text, "description", rule)
    letters = config.get("dead_letter_arn")
    if letters is not None and (":sqs:" not in letters or letters.endswith(".fifo")):
        return errors.parameter("DeadLetterConfig.Arn", "it must be the ARN of a standard SQS queue.")
    if len(config.get("policy") or "") > POLICY_CHARACTERS:
        return Refused("PolicyLengthExceededException", f"The policy is longer than {POLICY_CHARACTERS} characters.")
    return None

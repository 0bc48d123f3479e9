"""Rules, their targets, and triggers of functions as people write them in YAML.

The models check form and ranges; `rule_resource` and `declared_rule` turn them into the commands that make the rules.
 Names are those of the Amazon EventBridge API in snake_case.
Source: Amazon EventBridge API Reference, PutRule, PutTargets; AWS SAM specification, EventBridgeRule and Schedule.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.event_pattern import PatternError, compile_pattern
from ...aws.input_transformer import BARE, RESERVED, parse_template
from ...aws.input_transformer_paths import parse_path
from ...aws.quantities import Seconds, Settings
from ...aws.schedules import parse_schedule
from .arns import DEFAULT, RULE
from .checks import INPUT_CHARACTERS, NAME_CHARACTERS, PATHS, input_problem, is_name, variable_problem
from .settings import AGE_S, DISABLED, ENABLED, RETRIES

_SCHEDULER = "write schedule_v2 in place of schedule: time zones, dates and windows are EventBridge Scheduler's"
_TARGETS = ("function", "queue", "topic", "event_bus", "api_destination", "log_group", "arn")
_TARGET_ARN = re.compile(
    r"arn:aws:(sqs:[^:]*:\d*:.|sns:[^:]*:\d*:.|lambda:[^:]*:\d*:function:.|logs:[^:]*:\d*:log-group:."
    r"|events:[^:]*:\d*:(event-bus|api-destination)/.)"
)


# --- parts --------------------------------------------------------------------------------------


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


def _pattern_text(found: object) -> object:
    """The JSON text of an event pattern: YAML as it is, or a string that is JSON already."""
    if not isinstance(found, dict | str):
        return found
    try:
        text = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"), ensure_ascii=False)
        compile_pattern(text)
    except PatternError as error:
        place = f" (line {error.line}, column {error.column} of its JSON)" if error.line else ""
        raise ValueError(f"the event pattern is not valid: {error.reason.replace('; ', ', ')}{place}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"the event pattern cannot be JSON: {error}") from None
    return text


def _path(text: str) -> str:
    if parse_path(text) is None:
        raise ValueError(f"{text!r} is not a path that EventBridge follows; write one such as $.detail.items[0].id")
    return text


PatternText = Annotated[str, BeforeValidator(_pattern_text), WithJsonSchema({"type": ["object", "string"]})]
"""An event pattern, as its JSON text; EventBridge's own checks are made."""

InputText = Annotated[str | None, BeforeValidator(_input_text), WithJsonSchema({})]
RuleName = Annotated[str, AfterValidator(_check_name)]
JsonPath = Annotated[str, Field(max_length=256), AfterValidator(_path)]
ScheduleText = Annotated[str, AfterValidator(_check_schedule)]


class TargetRetryPolicy(Settings):
    """How long EventBridge tries to deliver to a target: whichever limit comes first.

    `maximum_retry_attempts` 0 to 185 (185); `maximum_event_age` 60 s to 24 h (24 h).
    """

    maximum_retry_attempts: Annotated[int, Field(ge=RETRIES.low, le=RETRIES.high, strict=True)] = RETRIES.high
    maximum_event_age: Annotated[Seconds, Field(ge=AGE_S.low, le=AGE_S.high)] = AGE_S.high


def _template_text(found: object) -> object:
    """A template: text as AWS takes it; a mapping is the template's JSON, where a text `<name>` alone becomes the
    variable itself."""
    if not isinstance(found, dict):
        return found
    try:
        text = json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the template cannot be JSON: {error}") from None
    return re.sub(r'(?<=[:\[,])"(<[A-Za-z0-9_.-]+>)"(?=[,\]}])', r"\1", text)


class InputTransformer(Settings):
    """What a target gets in place of the event: a template with values at JSON paths of it."""

    input_paths_map: dict[str, JsonPath] = {}
    input_template: Annotated[
        str, BeforeValidator(_template_text), Field(min_length=1), WithJsonSchema({"type": ["object", "string"]})
    ]

    @model_validator(mode="after")
    def _valid(self) -> InputTransformer:
        if len(self.input_paths_map) > PATHS or len(self.input_template) > INPUT_CHARACTERS:
            raise ValueError(f"at most {PATHS} paths, and {INPUT_CHARACTERS} characters of template")
        for name in self.input_paths_map:
            if variable_problem(name) is not None:
                raise ValueError(f"{name!r} is not a variable's name; write letters, digits, - and _, not AWS… first")
        template = parse_template(self.input_template)
        if template.kind == BARE:
            raise ValueError("a template is a JSON object, or text in quotes; write '\"your text\"'")
        for name in template.names():
            if name not in self.input_paths_map and name not in RESERVED:
                raise ValueError(f"the template uses <{name}>, which input_paths_map does not have")
        return self


class TargetInput(Settings):
    """What every target of a rule may have: one of `input`, `input_path` and `input_transformer`; retries, and a queue
    for what could not be delivered."""

    input: InputText = None
    input_path: JsonPath | None = None
    input_transformer: InputTransformer | None = None
    retry_policy: TargetRetryPolicy = TargetRetryPolicy()
    dead_letter_target: str | None = None

    @model_validator(mode="after")
    def _one_input(self) -> TargetInput:
        given = [name for name in ("input", "input_path", "input_transformer") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; write one of them")
        return self

    def row(self, target_id: str, arn: str, names: Names) -> dict[str, Any]:
        """The target as it is stored."""
        letters = self.dead_letter_target
        if letters is not None and not letters.startswith("arn:"):
            letters = names.queue(letters)
        found: dict[str, Any] = {
            "id": target_id,
            "arn": arn,
            "input": self.input,
            "retry_policy": {
                "maximum_retry_attempts": self.retry_policy.maximum_retry_attempts,
                "maximum_event_age_in_seconds": self.retry_policy.maximum_event_age,
            },
            "dead_letter_arn": letters,
        }
        if self.input_path is not None:
            found["input_path"] = self.input_path
        if self.input_transformer is not None:
            found["input_transformer"] = {
                "input_paths_map": dict(self.input_transformer.input_paths_map),
                "input_template": self.input_transformer.input_template,
            }
        return found


# --- rules --------------------------------------------------------------------------------------


class RuleSqsParameters(Settings):
    """Of a target that is a FIFO queue, or a fair one: the message group of the events."""

    message_group_id: Annotated[str, Field(min_length=1, max_length=128)]


class HttpTargetParameters(Settings):
    """What a target adds to the requests of an API destination."""

    path_parameter_values: tuple[str, ...] = ()
    header_parameters: dict[str, str] = {}
    query_string_parameters: dict[str, str] = {}


class RuleTargetConfig(TargetInput):
    """A target of a rule: one of a function, a queue, a topic, an event bus, an API destination or a log group of the
    project, or the ARN of any such."""

    id: RuleName | None = None
    function: str | None = None
    queue: str | None = None
    topic: str | None = None
    event_bus: str | None = None
    api_destination: str | None = None
    log_group: str | None = None
    arn: str | None = None
    sqs_parameters: RuleSqsParameters | None = None
    http_parameters: HttpTargetParameters | None = None

    @model_validator(mode="after")
    def _one_target(self) -> RuleTargetConfig:
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a target is one of {', '.join(_TARGETS)}; found {' and '.join(given) or 'none'}")
        if self.arn is not None and not _TARGET_ARN.match(self.arn):
            raise ValueError(
                f"{self.arn!r} is not the ARN of a queue, topic, function, bus, API destination or log group;"
                " others are not simulated"
            )
        fifo = (self.queue or self.arn or "").endswith(".fifo") and self.topic is None
        if fifo and self.sqs_parameters is None:
            raise ValueError("a FIFO queue needs a message group; write sqs_parameters: {message_group_id: …}")
        if self.sqs_parameters is not None and self.queue is None and ":sqs:" not in (self.arn or ""):
            raise ValueError("sqs_parameters are for queues")
        is_http = self.api_destination is not None or ":api-destination/" in (self.arn or "")
        if self.http_parameters is not None and not is_http:
            raise ValueError("http_parameters are for API destinations")
        return self

    def target_arn(self, names: Names) -> str:
        """The ARN of the target."""
        makers = {
            "function": names.function,
            "queue": names.queue,
            "topic": names.topic,
            "event_bus": names.event_bus,
            "api_destination": names.api_destination,
            "log_group": names.log_group,
        }
        for name, make in makers.items():
            given: str | None = getattr(self, name)
            if given is not None:
                return make(given)
        assert self.arn is not None, "validated: one of them is there"
        return self.arn


class RuleConfig(Settings):
    """A rule of a bus: a pattern that events must match, or a schedule (on the default bus alone), or both."""

    event_bus_name: str = DEFAULT
    event_pattern: PatternText | None = None
    schedule_expression: ScheduleText | None = None
    description: Annotated[str, Field(max_length=512)] | None = None
    state: Literal["ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"] = "ENABLED"
    rate_starts: Literal["after_interval", "at_once"] = "after_interval"
    targets: Annotated[tuple[RuleTargetConfig, ...], Field(max_length=5)] = ()

    @model_validator(mode="after")
    def _whole(self) -> RuleConfig:
        if self.event_pattern is None and self.schedule_expression is None:
            raise ValueError("a rule has event_pattern or schedule_expression, or both")
        if self.schedule_expression is not None and self.event_bus_name != DEFAULT:
            raise ValueError("ScheduleExpression is supported only on the default event bus")
        ids = [target_id(number, each) for number, each in enumerate(self.targets, start=1)]
        twice = next((each for number, each in enumerate(ids) if each in ids[:number]), None)
        if twice is not None:
            raise ValueError(f"two targets have the id {twice!r}; write another id for one of them")
        return self


def target_id(number: int, target: RuleTargetConfig) -> str:
    """The target's own id, or `target-<number>`."""
    return target.id if target.id is not None else f"target-{number}"


def declared_rule(names: Names, name: str, rule: RuleConfig) -> tuple[str, PutResource]:
    """The ARN of a rule of the project's `rules` and the command that makes it."""
    rows: list[dict[str, Any]] = []
    for number, target in enumerate(rule.targets, start=1):
        row = target.row(target_id(number, target), target.target_arn(names), names)
        if target.sqs_parameters is not None:
            row["sqs_parameters"] = {"message_group_id": target.sqs_parameters.message_group_id}
        if target.http_parameters is not None:
            row["http_parameters"] = {
                "path_parameter_values": list(target.http_parameters.path_parameter_values),
                "header_parameters": dict(target.http_parameters.header_parameters),
                "query_string_parameters": dict(target.http_parameters.query_string_parameters),
            }
        rows.append(row)
    config: dict[str, Any] = {"state": rule.state, "rate_starts": rule.rate_starts, "targets": rows}
    for key in ("event_pattern", "schedule_expression", "description"):
        if getattr(rule, key) is not None:
            config[key] = getattr(rule, key)
    return names.rule(name, rule.event_bus_name), PutResource(RULE, name, config)


# --- triggers -----------------------------------------------------------------------------------


class ScheduleTrigger(TargetInput):
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
        "bus": "AWS supports schedules on the default bus only",
        "event_bus_name": "AWS supports schedules on the default bus only",
    }

    schedule: ScheduleText
    name: RuleName | None = None
    enabled: Annotated[bool, Field(strict=True)] = True
    rate_starts: Literal["after_interval", "at_once"] = "after_interval"


class EventBridgeTrigger(TargetInput):
    """A function's trigger of kind `event_bridge_rule`, which is the pattern: a rule whose target the function is, on
    the default bus or another."""

    event_bridge_rule: PatternText
    event_bus_name: str = DEFAULT
    name: RuleName | None = None
    enabled: Annotated[bool, Field(strict=True)] = True


def rule_name(function_name: str, index: int, trigger: ScheduleTrigger | EventBridgeTrigger) -> str:
    """The trigger's own name, or `<function>-schedule-<index>` (`-rule-` of a pattern), cut with a hash where it is
    too long."""
    if trigger.name is not None:
        return trigger.name
    tail = f"-{'schedule' if isinstance(trigger, ScheduleTrigger) else 'rule'}-{index}"
    if len(function_name) + len(tail) > NAME_CHARACTERS:
        digest = blake2b(function_name.encode(), digest_size=4).hexdigest()
        function_name = f"{function_name[: NAME_CHARACTERS - len(tail) - 9]}-{digest}"
    return function_name + tail


def rule_resource(
    names: Names, function_name: str, index: int, trigger: ScheduleTrigger | EventBridgeTrigger
) -> tuple[str, PutResource]:
    """The ARN of a trigger's rule and the command that makes it. `index` tells the triggers of one function apart."""
    name = rule_name(function_name, index, trigger)
    target = trigger.row(function_name, names.function(function_name), names)
    config: dict[str, Any] = {"state": ENABLED if trigger.enabled else DISABLED, "targets": [target]}
    if isinstance(trigger, ScheduleTrigger):
        config |= {"schedule_expression": trigger.schedule, "rate_starts": trigger.rate_starts}
        return names.rule(name), PutResource(RULE, name, config)
    config["event_pattern"] = trigger.event_bridge_rule
    return names.rule(name, trigger.event_bus_name), PutResource(RULE, name, config)

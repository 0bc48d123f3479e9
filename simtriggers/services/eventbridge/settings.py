"""Settings of rules and their targets as decisions use them, and buses'.

A resource row holds JSON with AWS's names in snake_case. A rule's: `event_pattern` (its text), `schedule_expression`,
`state`, `description`, `role_arn`, `rate_starts` and `targets`; a target's: `id`, `arn`, one of `input`, `input_path`
and `input_transformer`, `sqs_parameters`, `http_parameters`, `retry_policy`, `dead_letter_arn`, `role_arn`.

Source: Amazon EventBridge API Reference, PutRule, PutTargets, Target, RetryPolicy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...aws.event_pattern import Pattern, compile_pattern
from ...aws.input_transformer import Template, parse_template
from ...aws.limits import Range
from ...aws.schedules import Schedule, parse_schedule
from ...kernel.effects import Payload, RetryPolicy, payload

SERVICE_NAME = "events"

_RETRY_POLICY = "Amazon EventBridge API Reference, RetryPolicy"
RETRIES = Range(0, 185, _RETRY_POLICY)
AGE_S = Range(60, 86_400, _RETRY_POLICY)

# Unverified: AWS says "exponential back off and jitter" and no more. With these numbers the 185 retries
# take about a day, which is the other limit.
_BASE_MS, _CAP_MS, _JITTER = 1000, 540_000, 0.2

ENABLED, DISABLED = "ENABLED", "DISABLED"
STATES = (ENABLED, DISABLED, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


@dataclass(frozen=True, slots=True)
class HttpParameters:
    """What a rule adds to the requests to an API destination: values for the `*` of its URL, headers, query."""

    path: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A target of a rule. `input` replaces the event, `input_path` is a part of it, `template` is filled with values at
    `paths`; None: the event itself. `group_id` is the message group of a FIFO queue."""

    id: str
    arn: str
    input: Payload | None
    policy: RetryPolicy
    dead_letter: str | None
    input_path: str | None = None
    template: Template | None = None
    paths: tuple[tuple[str, str], ...] = ()
    group_id: str | None = None
    http: HttpParameters = HttpParameters()

    @property
    def takes_event(self) -> bool:
        """Whether the event is needed to make what it gets, or its dead letter."""
        return self.input is None or self.dead_letter is not None


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """A rule: a schedule, a pattern, or both. `takes_event`: some target needs the event itself; `at_once`: a
    rate fires when its rule is made. `stored` is the JSON these settings were read from."""

    schedule: Schedule | None
    enabled: bool
    targets: tuple[RuleTarget, ...]
    takes_event: bool
    at_once: bool = False
    pattern: Pattern | None = None
    stored: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def parse_rule(config: dict[str, Any]) -> RuleSettings:
    """A rule's settings from its stored JSON. Raises ScheduleError, PatternError, KeyError, TypeError or ValueError
    for one that PutResource would have refused."""
    targets = tuple(_target(each) for each in config["targets"])
    schedule, pattern = config.get("schedule_expression"), config.get("event_pattern")
    return RuleSettings(
        schedule=None if schedule is None else parse_schedule(schedule),
        enabled=config["state"] != DISABLED,
        targets=targets,
        takes_event=any(target.takes_event for target in targets),
        at_once=config.get("rate_starts") == "at_once",
        pattern=None if pattern is None else compile_pattern(pattern),
        stored=config,
    )


def complete_target(row: dict[str, Any]) -> dict[str, Any]:
    """A target as a request gives it, with what every stored one has, a flat `dead_letter_arn` too."""
    limits = row.get("retry_policy") or {}
    retries, age_s = limits.get("maximum_retry_attempts"), limits.get("maximum_event_age_in_seconds")
    letters = row.get("dead_letter_config") or {}
    return {
        **{key: item for key, item in row.items() if key != "dead_letter_config"},
        "input": row.get("input"),
        "retry_policy": {
            "maximum_retry_attempts": RETRIES.high if retries is None else retries,
            "maximum_event_age_in_seconds": AGE_S.high if age_s is None else age_s,
        },
        "dead_letter_arn": letters.get("arn") or row.get("dead_letter_arn"),
    }


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
    text, transformer, http = row["input"], row.get("input_transformer"), row.get("http_parameters") or {}
    return RuleTarget(
        id=row["id"],
        arn=row["arn"],
        input=None if text is None else payload(text),
        policy=policy,
        dead_letter=row["dead_letter_arn"],
        input_path=row.get("input_path"),
        template=None if transformer is None else parse_template(transformer["input_template"]),
        paths=() if transformer is None else tuple((transformer.get("input_paths_map") or {}).items()),
        group_id=(row.get("sqs_parameters") or {}).get("message_group_id"),
        http=HttpParameters(
            tuple(http.get("path_parameter_values") or ()),
            tuple((http.get("header_parameters") or {}).items()),
            tuple((http.get("query_string_parameters") or {}).items()),
        ),
    )


# --- buses --------------------------------------------------------------------------------------

PUT_EVENTS_BYTES = 1_048_576
"""The default of a request's size. Source: Amazon EventBridge API Reference, PutEvents; 262,144 until 2025."""


@dataclass(frozen=True, slots=True)
class BusSettings:
    """An event bus. `request_bytes` is the largest PutEvents request, of which the default bus's counts."""

    description: str | None
    policy: str | None
    dead_letter: str | None
    request_bytes: int
    stored: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def parse_bus(config: dict[str, Any]) -> BusSettings:
    """A bus's settings from its stored JSON; a key that is absent has AWS's default."""
    return BusSettings(
        description=config.get("description"),
        policy=config.get("policy"),
        dead_letter=config.get("dead_letter_arn"),
        request_bytes=config.get("maximum_request_size", PUT_EVENTS_BYTES),
        stored=config,
    )

"""Settings of schedules as decisions use them, and as they are stored.

A resource row holds JSON with AWS's names in snake_case: `schedule_expression`, `schedule_expression_timezone`,
`start_date` and `end_date` (ISO-8601), `state`, `action_after_completion`, `description`, `kms_key_arn`,
`flexible_time_window` of `mode` and `maximum_window_in_minutes`, and `target` of `arn`, `role_arn`, `input`,
`retry_policy`, `dead_letter_config`, `sqs_parameters`, `event_bridge_parameters`. Beside these, `modified_ms`
and `client_token`.

Source: Amazon EventBridge Scheduler API Reference, CreateSchedule, Target, RetryPolicy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...aws.limits import Limit, Range
from ...aws.schedules import parse_schedule
from ...aws.schedules.timetable import Timetable
from ...kernel.clock import parse_iso
from ...kernel.effects import RetryPolicy

_CREATE = "Amazon EventBridge Scheduler API Reference, CreateSchedule"
_RETRY_POLICY = "Amazon EventBridge Scheduler API Reference, RetryPolicy"

NAME_CHARACTERS = Limit(64, _CREATE)
TIMEZONE_CHARACTERS = Limit(50, _CREATE)
DESCRIPTION_CHARACTERS = Limit(512, _CREATE)
INPUT_BYTES = Limit(262_144, "Amazon EventBridge Scheduler User Guide, Quotas")
WINDOW_MINUTES = Range(1, 1440, "Amazon EventBridge Scheduler API Reference, FlexibleTimeWindow")
RETRIES = Range(0, 185, _RETRY_POLICY)
AGE_S = Range(60, 86_400, _RETRY_POLICY)
LISTED = Range(1, 100, "Amazon EventBridge Scheduler API Reference, ListSchedules, MaxResults")
GROUP_TAGS = Limit(50, "Amazon EventBridge Scheduler User Guide, Managing a schedule group")

# Unverified: AWS says "exponential backoff" and no more. With these numbers the 185 retries take about a day,
# which is the other limit.
_BASE_MS, _CAP_MS, _JITTER = 1000, 540_000, 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """What a schedule calls. `arn` is as it was given: of a resource, or a universal target's. `input` None:
    the default notification."""

    arn: str
    input: str | None
    policy: RetryPolicy
    dead_letter: str | None
    message_group_id: str | None = None
    detail_type: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """A schedule. `window_ms` 0: there is no flexible window. `deletes`: it is deleted after its last turn.
    `stored` is the JSON these settings were read from."""

    timetable: Timetable
    timezone: str
    enabled: bool
    window_ms: int
    deletes: bool
    target: Target
    modified_ms: int = field(compare=False)
    stored: dict[str, Any] = field(compare=False)

    @property
    def trigger(self) -> tuple[Timetable, bool]:
        """What decides when it has its turns: as long as this stays, pending turns stay."""
        return self.timetable, self.enabled


def parse_settings(config: dict[str, Any]) -> ScheduleSettings:
    """A schedule's settings from its stored JSON. Raises ScheduleError, LookupError, TypeError or ValueError for
    one that would have been refused."""
    timezone = config["schedule_expression_timezone"]
    schedule = parse_schedule(config["schedule_expression"], kind="scheduler", timezone=timezone)
    window = config["flexible_time_window"]
    return ScheduleSettings(
        timetable=Timetable(schedule, _moment(config.get("start_date")), _moment(config.get("end_date"))),
        timezone=timezone,
        enabled=config["state"] == "ENABLED",
        window_ms=window["maximum_window_in_minutes"] * 60_000 if window["mode"] == "FLEXIBLE" else 0,
        deletes=config["action_after_completion"] == "DELETE",
        target=parse_target(config["target"]),
        modified_ms=config.get("modified_ms", 0),
        stored=config,
    )


def _moment(text: str | None) -> int | None:
    return None if text is None else parse_iso(text)


def parse_target(row: dict[str, Any]) -> Target:
    """A target from its stored row."""
    limits = row.get("retry_policy") or {}
    events = row.get("event_bridge_parameters") or {}
    return Target(
        arn=row["arn"],
        input=row.get("input"),
        policy=RetryPolicy(
            "scheduler",
            maximum_retries=_given(limits.get("maximum_retry_attempts"), RETRIES.high),
            maximum_age_ms=_given(limits.get("maximum_event_age_in_seconds"), AGE_S.high) * 1000,
            base_ms=_BASE_MS,
            cap_ms=_CAP_MS,
            jitter=_JITTER,
        ),
        dead_letter=(row.get("dead_letter_config") or {}).get("arn"),
        message_group_id=(row.get("sqs_parameters") or {}).get("message_group_id"),
        detail_type=events.get("detail_type"),
        source=events.get("source"),
    )


def _given(number: int | None, default: int) -> int:
    return default if number is None else number


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """A group of schedules. Tags are (key, text) pairs by key; `declared_by` is `project` or `sdk`."""

    tags: tuple[tuple[str, str], ...]
    declared_by: str
    modified_ms: int
    client_token: str | None = None


def parse_group(config: dict[str, Any]) -> GroupSettings:
    """A group's settings from its stored JSON."""
    tags = tuple(sorted(config["tags"].items()))
    return GroupSettings(tags, config["declared_by"], config["modified_ms"], config.get("client_token"))

"""What can be asked of schedules, of their groups, and of EventBridge Scheduler itself, as operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .aws.arn import Names
from .operations import Operation
from .services.scheduler import commands as c

OFF: Mapping[str, Any] = {"mode": "OFF"}


def _same(reply: Any) -> Any:
    return reply


class ScheduleOperations:
    """Operations of one schedule, which need not exist yet.

    A target is a mapping of `arn`, `role_arn`, `input`, `retry_policy` (`maximum_event_age_in_seconds`,
    `maximum_retry_attempts`), `dead_letter_config` (`arn`), `sqs_parameters` (`message_group_id`),
    `event_bridge_parameters` (`detail_type`, `source`); a window one of `mode` and `maximum_window_in_minutes`.
    Dates are ISO-8601 times with a zone.
    """

    def __init__(self, names: Names, name: str, group_name: str = "default") -> None:
        self.name = name
        self.arn = names.schedule(name, group_name)

    def create(
        self,
        schedule_expression: str,
        target: Mapping[str, Any],
        *,
        schedule_expression_timezone: str = "UTC",
        flexible_time_window: Mapping[str, Any] = OFF,
        start_date: str | None = None,
        end_date: str | None = None,
        state: str = "ENABLED",
        action_after_completion: str = "NONE",
        description: str | None = None,
        client_token: str | None = None,
    ) -> Operation[str]:
        """CreateSchedule; returns its ARN."""
        command = c.CreateSchedule(
            schedule_expression,
            dict(target),
            dict(flexible_time_window),
            schedule_expression_timezone,
            start_date,
            end_date,
            state,
            action_after_completion,
            description,
            client_token=client_token,
        )
        return Operation(self.arn, command, _same)

    def update(
        self,
        schedule_expression: str,
        target: Mapping[str, Any],
        *,
        schedule_expression_timezone: str = "UTC",
        flexible_time_window: Mapping[str, Any] = OFF,
        start_date: str | None = None,
        end_date: str | None = None,
        state: str = "ENABLED",
        action_after_completion: str = "NONE",
        description: str | None = None,
    ) -> Operation[str]:
        """UpdateSchedule: what is left out gets its default; returns its ARN."""
        command = c.UpdateSchedule(
            schedule_expression,
            dict(target),
            dict(flexible_time_window),
            schedule_expression_timezone,
            start_date,
            end_date,
            state,
            action_after_completion,
            description,
        )
        return Operation(self.arn, command, _same)

    def get(self) -> Operation[c.ScheduleDescription]:
        """GetSchedule."""
        return Operation(self.arn, c.GetSchedule(), _same)

    def delete(self) -> Operation[None]:
        """DeleteSchedule."""
        return Operation(self.arn, c.DeleteSchedule(), _same)


class ScheduleGroupOperations:
    """Operations of one group of schedules, which need not exist yet."""

    def __init__(self, names: Names, name: str) -> None:
        self.name = name
        self.arn = names.schedule_group(name)

    def create(self, tags: Mapping[str, str] | None = None) -> Operation[str]:
        """CreateScheduleGroup; returns its ARN."""
        return Operation(self.arn, c.CreateScheduleGroup(tuple((tags or {}).items())), _same)

    def get(self) -> Operation[c.ScheduleGroupDescription]:
        """GetScheduleGroup."""
        return Operation(self.arn, c.GetScheduleGroup(), _same)

    def delete(self) -> Operation[None]:
        """DeleteScheduleGroup, with all its schedules."""
        return Operation(self.arn, c.DeleteScheduleGroup(), _same)

    def tags(self) -> Operation[dict[str, str]]:
        """ListTagsForResource."""
        return Operation(self.arn, c.ListScheduleGroupTags(), dict)

    def tag(self, tags: Mapping[str, str]) -> Operation[None]:
        """TagResource."""
        return Operation(self.arn, c.TagScheduleGroup(tuple(tags.items())), _same)

    def untag(self, keys: Iterable[str]) -> Operation[None]:
        """UntagResource."""
        return Operation(self.arn, c.UntagScheduleGroup(tuple(keys)), _same)


class SchedulerOperations:
    """Operations of EventBridge Scheduler that belong to no schedule."""

    def __init__(self, names: Names) -> None:
        self.name = "scheduler"
        self.arn = names.service("scheduler")

    def schedules(
        self,
        *,
        group_name: str | None = None,
        name_prefix: str | None = None,
        state: str | None = None,
        next_token: str | None = None,
        max_results: int = 100,
    ) -> Operation[c.SchedulePage]:
        """ListSchedules: by group and name, and the token of the next page."""
        command = c.ListSchedules(group_name, name_prefix, state, next_token, max_results)
        return Operation(self.arn, command, _same)

    def groups(
        self, *, name_prefix: str | None = None, next_token: str | None = None, max_results: int = 100
    ) -> Operation[c.ScheduleGroupPage]:
        """ListScheduleGroups: by name, and the token of the next page."""
        return Operation(self.arn, c.ListScheduleGroups(name_prefix, next_token, max_results), _same)

"""What can be asked of EventBridge Scheduler, and what it answers.

Names and members are those of the Amazon EventBridge Scheduler API in snake_case. Commands about a schedule or
a group go to its ARN, lists to the service's own. Targets and windows are rows as `settings` describes; times
are ISO-8601 with a zone.
"""

from __future__ import annotations

from typing import Any

from ...kernel.codec import Overdue, command, value

# --- what happens -------------------------------------------------------------------------------


@command(Overdue.SKIP)
class ScheduleFires:
    """A turn of the schedule has come, or had come at `scheduled_ms` while nothing was running."""

    scheduled_ms: int


@command(Overdue.SKIP)
class WindowFires:
    """The moment within the flexible window of a turn. `created_ms` is when the schedule was made: one of the
    same name that was made since is another one."""

    scheduled_ms: int
    execution_id: str
    created_ms: int


@command(Overdue.RUN)
class ScheduleCompletes:
    """The window of the last turn, at `last_ms`, is over: whatever had been drawn before it has been called."""

    last_ms: int
    created_ms: int


# --- schedules ----------------------------------------------------------------------------------


@command(Overdue.RUN)
class CreateSchedule:
    """Make the schedule of this ARN; answered with its ARN (str). The same `client_token` makes it once."""

    schedule_expression: str
    target: dict[str, Any]
    flexible_time_window: dict[str, Any]
    schedule_expression_timezone: str = "UTC"
    start_date: str | None = None
    end_date: str | None = None
    state: str = "ENABLED"
    action_after_completion: str = "NONE"
    description: str | None = None
    kms_key_arn: str | None = None
    client_token: str | None = None


@command(Overdue.RUN)
class UpdateSchedule:
    """Change all settings of the schedule: what is left out gets its default. Answered with its ARN (str). To do
    it twice is to do it once, with or without a ClientToken."""

    schedule_expression: str
    target: dict[str, Any]
    flexible_time_window: dict[str, Any]
    schedule_expression_timezone: str = "UTC"
    start_date: str | None = None
    end_date: str | None = None
    state: str = "ENABLED"
    action_after_completion: str = "NONE"
    description: str | None = None
    kms_key_arn: str | None = None


@command(Overdue.RUN)
class DeleteSchedule:
    """Delete the schedule; answered with None."""


@command(Overdue.RUN)
class GetSchedule:
    """The schedule; answered with ScheduleDescription."""


@value
class ScheduleDescription:
    """A schedule with all its settings."""

    arn: str
    name: str
    group_name: str
    schedule_expression: str
    schedule_expression_timezone: str
    state: str
    flexible_time_window: dict[str, Any]
    target: dict[str, Any]
    action_after_completion: str
    creation_date: str
    last_modification_date: str
    start_date: str | None = None
    end_date: str | None = None
    description: str | None = None
    kms_key_arn: str | None = None


@command(Overdue.RUN)
class ListSchedules:
    """Schedules by group and name, to the service's ARN; answered with SchedulePage."""

    group_name: str | None = None
    name_prefix: str | None = None
    state: str | None = None
    next_token: str | None = None
    max_results: int = 100


@value
class ScheduleSummary:
    """A schedule in a list."""

    arn: str
    name: str
    group_name: str
    state: str
    target_arn: str
    creation_date: str
    last_modification_date: str


@value
class SchedulePage:
    """Some schedules; with `next_token` there are more."""

    schedules: tuple[ScheduleSummary, ...]
    next_token: str | None = None


# --- groups -------------------------------------------------------------------------------------


@command(Overdue.RUN)
class CreateScheduleGroup:
    """Make the group of this ARN; answered with its ARN (str). Tags are (key, text) pairs."""

    tags: tuple[tuple[str, str], ...] = ()
    client_token: str | None = None


@command(Overdue.RUN)
class DeleteScheduleGroup:
    """Delete the group with all its schedules; answered with None."""


@command(Overdue.RUN)
class GetScheduleGroup:
    """The group; answered with ScheduleGroupDescription."""


@value
class ScheduleGroupDescription:
    """A group. The default one was there before anything happened: it has no dates."""

    arn: str
    name: str
    state: str = "ACTIVE"
    creation_date: str | None = None
    last_modification_date: str | None = None


@command(Overdue.RUN)
class ListScheduleGroups:
    """Groups by name, to the service's ARN; answered with ScheduleGroupPage."""

    name_prefix: str | None = None
    next_token: str | None = None
    max_results: int = 100


@value
class ScheduleGroupPage:
    """Some groups; with `next_token` there are more."""

    schedule_groups: tuple[ScheduleGroupDescription, ...]
    next_token: str | None = None


@command(Overdue.RUN)
class TagScheduleGroup:
    """TagResource: add tags to the group, or replace their texts; answered with None."""

    tags: tuple[tuple[str, str], ...]


@command(Overdue.RUN)
class UntagScheduleGroup:
    """UntagResource: take tags from the group; answered with None."""

    keys: tuple[str, ...]


@command(Overdue.RUN)
class ListScheduleGroupTags:
    """ListTagsForResource; answered with (key, text) pairs by key."""

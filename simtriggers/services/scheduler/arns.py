"""What the ARNs of EventBridge Scheduler say: `schedule/GROUP/NAME` and `schedule-group/NAME`."""

from __future__ import annotations

from functools import lru_cache

from ...aws.arn import Names, region_and_account

SERVICE_NAME = "scheduler"
SCHEDULE, GROUP = "schedule", "schedule_group"
DEFAULT_GROUP = "default"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
"""How the ARN of a universal target begins; then come service and action: `sqs:sendMessage`."""


@lru_cache(maxsize=4096)
def kind_of(arn: str) -> str:
    """`schedule` or `schedule_group`; empty for the service itself and for what has no such form."""
    parts = arn.split(":", 5)[-1].split("/")
    if parts[0] == "schedule" and len(parts) == 3:
        return SCHEDULE
    return GROUP if parts[0] == "schedule-group" and len(parts) == 2 else ""


@lru_cache(maxsize=4096)
def group_name_of(arn: str) -> str:
    """The group of a schedule's ARN, or a group's own name."""
    return arn.split(":", 5)[5].split("/")[1]


@lru_cache(maxsize=4096)
def names_at(arn: str) -> Names:
    """The names of the account and region that an ARN is in."""
    region, account = region_and_account(arn)
    return Names(account, region)


def group_of(schedule_arn: str) -> str:
    """The ARN of the group that a schedule is in."""
    return names_at(schedule_arn).schedule_group(group_name_of(schedule_arn))

"""The schedules of EventBridge Scheduler in a project: its own, and those of functions' triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..aws.contracts import PutResource
from ..errors import UserError
from ..services.scheduler.config import (
    ScheduleV2Trigger,
    group_resource,
    schedule_problem,
    schedule_resource,
    trigger_resource,
)
from .load import Document, KeyPath

if TYPE_CHECKING:
    from ..aws.arn import Names
    from .model import Project, Resources

Placed = tuple[KeyPath, str, PutResource]
"""Where it stands in the file, its ARN, and the command that makes it."""


def group_resources(names: Names, resources: Resources) -> Iterator[tuple[str, PutResource]]:
    """The commands that make the groups."""
    for name, group in resources.schedule_groups.items():
        yield group_resource(names, name, group)


def schedule_resources(names: Names, resources: Resources) -> Iterator[Placed]:
    """The commands that make the schedules, in the order of the file: the functions' first."""
    for name, function in resources.functions.items():
        number = 0
        for index, trigger in enumerate(function.triggers):
            if isinstance(trigger, ScheduleV2Trigger):
                number += 1
                yield ("functions", name, "triggers", index), *trigger_resource(names, name, number, trigger)
    for name, schedule in resources.schedules.items():
        yield ("schedules", name), *schedule_resource(names, name, schedule)


def bad_schedules(project: Project, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Two schedules of one name in a group, and what Scheduler would refuse."""
    seen: set[str] = set()
    for place, arn, command in schedule_resources(project.names, project.resources):
        path = (*at, *place)
        if arn in seen:
            yield document.error(path, f"two schedules have the name {command.name!r}", fix="rename one of them")
        seen.add(arn)
        refused = schedule_problem(arn, command)
        if refused is not None:
            yield document.error(path, f"{command.name}: {refused.message}", fix="correct it, or take the key out")

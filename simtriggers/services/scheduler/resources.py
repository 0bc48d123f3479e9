"""What a project declares here: a schedule or a group, told apart by its ARN."""

from __future__ import annotations

from ...aws.contracts import PutResource
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import errors, groups, rules
from .arns import GROUP, SCHEDULE, kind_of

View = rules.ScheduleView | groups.GroupView | None


def view_put(read: Reader, entry: Entry) -> View:
    """What making a schedule or a group needs."""
    if kind_of(entry.arn) == SCHEDULE:
        return rules.view_schedule(read, entry)
    return groups.view_group(read, entry) if kind_of(entry.arn) == GROUP else None


def view_remove(read: Reader, entry: Entry) -> View:
    """What removing one needs."""
    return groups.view_whole_group(read, entry) if kind_of(entry.arn) == GROUP else view_put(read, entry)


def decide_put(view: View, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource: replies with the revision."""
    command: PutResource = entry.command
    if isinstance(view, rules.ScheduleView) and command.kind == SCHEDULE:
        return rules.decide_put(view, entry, now_ms=now_ms, ids=ids)
    if isinstance(view, groups.GroupView) and command.kind == GROUP:
        return groups.decide_put(view, entry, now_ms=now_ms, ids=ids)
    return Decision(reply=errors.not_simulated(f"A {command.kind} of EventBridge Scheduler"))


def decide_remove(view: View, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource: replies with None."""
    if isinstance(view, rules.ScheduleView):
        return rules.decide_remove(view, entry, now_ms=now_ms, ids=ids)
    if isinstance(view, groups.GroupView):
        return groups.decide_remove(view, entry, now_ms=now_ms, ids=ids)
    return Decision()

"""Groups of schedules: a project's and a client's. The default group is always there.

Source: Amazon EventBridge Scheduler API Reference, CreateScheduleGroup, DeleteScheduleGroup, GetScheduleGroup,
ListScheduleGroups, TagResource.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of
from ...aws.contracts import PutResource
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.effects import Decision, Note, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import errors
from .arns import DEFAULT_GROUP, GROUP, SCHEDULE, SERVICE_NAME, group_name_of, names_at
from .checks import check_name
from .commands import (
    CreateScheduleGroup,
    ListScheduleGroups,
    ScheduleGroupDescription,
    ScheduleGroupPage,
    TagScheduleGroup,
    UntagScheduleGroup,
)
from .requests import check_list, page
from .rules import removed
from .settings import GROUP_TAGS, GroupSettings


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group (None: there is none) and the ARNs of its schedules."""

    group: Resource | None
    schedules: tuple[str, ...] = ()


def view_group(read: Reader, entry: Entry) -> GroupView:
    """The group that the entry is about."""
    return GroupView(read.resource(entry.arn))


def view_whole_group(read: Reader, entry: Entry) -> GroupView:
    """The group with its schedules."""
    name = group_name_of(entry.arn)
    within = tuple(each.arn for each in read.resources(SCHEDULE) if group_name_of(each.arn) == name)
    return GroupView(read.resource(entry.arn), within)


# --- making and removing ------------------------------------------------------------------------


def decide_put(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Make a group of a project or bring it up to date; replies with its revision."""
    command: PutResource = entry.command
    return _put(view, entry, command.config["tags"], command.declared_by, now_ms=now_ms, ids=ids)


def _put(
    view: GroupView,
    entry: Entry,
    tags: dict[str, str],
    declared_by: str,
    *,
    token: str | None = None,
    now_ms: int,
    ids: Ids,
) -> Decision:
    name, old = name_of(entry.arn), view.group
    refused = check_name(name, "name")
    if refused is None and name == DEFAULT_GROUP:
        refused = errors.group_exists(name)
    if refused is None and len(tags) > GROUP_TAGS:
        refused = errors.constraint(f"{len(tags)} tags", "tags", f"Member must have length at most {GROUP_TAGS}")
    if refused is not None:
        return Decision(reply=refused)
    if old is not None and old.wired and dict(old.config.tags) == tags:
        return Decision(reply=old.revision)
    write = resources.put(
        entry.arn,
        service=SERVICE_NAME,
        kind=GROUP,
        name=name,
        config={"tags": tags, "declared_by": declared_by, "modified_ms": now_ms, "client_token": token},
        declared_by=declared_by,
        now_ms=now_ms,
    )
    kind = "ScheduleGroupCreated" if old is None else "ScheduleGroupChanged"
    note = Note(ids.row_id(), kind, entry.arn, name, entry.cause, {"tags": len(tags)})
    return Decision(reply=1 if old is None else old.revision + 1, writes=[write], notes=[note], touched=[entry.arn])


def decide_create(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateScheduleGroup: replies with the ARN. The same ClientToken makes it once."""
    command: CreateScheduleGroup = entry.command
    if view.group is not None:
        token = command.client_token
        repeated = token is not None and view.group.config.client_token == token
        return Decision(reply=entry.arn if repeated else errors.group_exists(name_of(entry.arn)))
    decision = _put(view, entry, dict(command.tags), "sdk", token=command.client_token, now_ms=now_ms, ids=ids)
    if not isinstance(decision.reply, Refused):
        decision.reply = entry.arn
    return decision


def decide_delete(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DeleteScheduleGroup: the group and its schedules go at once; replies with None."""
    name = name_of(entry.arn)
    if name == DEFAULT_GROUP:
        return Decision(reply=errors.default_group_stays())
    if view.group is None:
        return Decision(reply=errors.no_such_group(name))
    return decide_remove(view, entry, now_ms=now_ms, ids=ids)


def decide_remove(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Remove a group with its schedules; removing one that does not exist is no error."""
    if view.group is None:
        return Decision()
    details = {"schedules": len(view.schedules)}
    note = Note(ids.row_id(), "ScheduleGroupDeleted", entry.arn, name_of(entry.arn), entry.cause, details)
    decision = Decision(writes=[resources.remove(entry.arn)], notes=[note], touched=[entry.arn])
    for arn in view.schedules:
        each = removed(arn, ids=ids, cause=note.id, reason="its group is deleted")
        decision.writes += each.writes
        decision.effects += each.effects
        decision.notes += each.notes
        decision.touched += each.touched
    return decision


# --- looking ------------------------------------------------------------------------------------


def decide_get(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetScheduleGroup: replies with ScheduleGroupDescription."""
    name = name_of(entry.arn)
    if view.group is not None:
        return Decision(reply=_described(view.group))
    return Decision(reply=_default(entry.arn) if name == DEFAULT_GROUP else errors.no_such_group(name))


def _default(near: str) -> ScheduleGroupDescription:
    return ScheduleGroupDescription(names_at(near).schedule_group(DEFAULT_GROUP), DEFAULT_GROUP)


def _described(group: Resource) -> ScheduleGroupDescription:
    settings: GroupSettings = group.config
    made, changed = iso_ms(group.created_ms), iso_ms(settings.modified_ms)
    return ScheduleGroupDescription(group.arn, group.name, "ACTIVE", made, changed)


def view_groups(read: Reader, entry: Entry) -> tuple[Resource, ...]:
    """All groups but the default one."""
    return tuple(read.resources(GROUP))


def decide_list(view: tuple[Resource, ...], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListScheduleGroups: replies with ScheduleGroupPage."""
    command: ListScheduleGroups = entry.command
    refused = check_list(command.max_results, command.name_prefix, "namePrefix")
    if refused is not None:
        return Decision(reply=refused)
    every = sorted([_default(entry.arn), *map(_described, view)], key=lambda each: each.name)
    found = [each for each in every if each.name.startswith(command.name_prefix or "")]
    shown = page(found, [each.arn for each in found], command.next_token, command.max_results)
    return Decision(reply=shown if isinstance(shown, Refused) else ScheduleGroupPage(*shown))


# --- tags ---------------------------------------------------------------------------------------


def decide_tag(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """TagResource and UntagResource: reply with None."""
    if view.group is None:
        return Decision(reply=errors.no_such_group(name_of(entry.arn)))
    command: TagScheduleGroup | UntagScheduleGroup = entry.command
    tags: dict[str, Any] = dict(view.group.config.tags)
    if isinstance(command, TagScheduleGroup):
        tags |= dict(command.tags)
    else:
        tags = {key: text for key, text in tags.items() if key not in command.keys}
    settings: GroupSettings = view.group.config
    decision = _put(view, entry, tags, settings.declared_by, token=settings.client_token, now_ms=now_ms, ids=ids)
    if not isinstance(decision.reply, Refused):
        decision.reply = None
    return decision


def decide_tags(view: GroupView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListTagsForResource: replies with (key, text) pairs."""
    if view.group is None:
        return Decision(reply=errors.no_such_group(name_of(entry.arn)))
    return Decision(reply=view.group.config.tags)

"""The operations on schedules that a client calls: create, update, get, list, delete.

A project's own schedules come by PutResource (rules.py); what an SDK makes ends in the same rows.
Source: Amazon EventBridge Scheduler API Reference.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, fields
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.effects import Decision, Refused, Statement
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import errors
from .arns import DEFAULT_GROUP, SCHEDULE, group_name_of, names_at
from .checks import check_name
from .commands import (
    CreateSchedule,
    ListSchedules,
    ScheduleDescription,
    SchedulePage,
    ScheduleSummary,
    UpdateSchedule,
)
from .rules import ScheduleView, put, removed, view_schedule
from .settings import LISTED, ScheduleSettings

DECLARED_BY = Statement("scheduler.select_declared_by", "SELECT declared_by FROM resources WHERE arn = ?")


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A schedule with its group, and who declared it."""

    schedule: ScheduleView
    declared_by: str


def view_change(read: Reader, entry: Entry) -> ChangeView:
    """What CreateSchedule and UpdateSchedule need."""
    row = read.one(DECLARED_BY, entry.arn)
    return ChangeView(view_schedule(read, entry), "sdk" if row is None else str(row[0]))


def _config(command: CreateSchedule | UpdateSchedule) -> dict[str, Any]:
    found = {field.name: getattr(command, field.name) for field in fields(command)}
    return {name: item for name, item in found.items() if item is not None}


def decide_create(view: ChangeView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateSchedule: replies with the ARN. Unverified: only a repetition with the same ClientToken succeeds."""
    command: CreateSchedule = entry.command
    old = view.schedule.schedule
    if old is not None and old.wired:
        token = command.client_token
        repeated = token is not None and old.config.stored.get("client_token") == token
        return Decision(reply=entry.arn if repeated else errors.schedule_exists(old.name))
    return _answered(put(view.schedule, entry, _config(command), "sdk", now_ms=now_ms, ids=ids), entry.arn)


def decide_update(view: ChangeView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """UpdateSchedule: replies with the ARN. What the request leaves out gets its default."""
    missing = _missing(view.schedule, entry)
    if missing is not None:
        return Decision(reply=missing)
    config = _config(entry.command)
    assert view.schedule.schedule is not None
    token = view.schedule.schedule.config.stored.get("client_token")
    if token is not None:
        config["client_token"] = token
    return _answered(put(view.schedule, entry, config, view.declared_by, now_ms=now_ms, ids=ids), entry.arn)


def _answered(decision: Decision, arn: str) -> Decision:
    if not isinstance(decision.reply, Refused):
        decision.reply = arn
    return decision


def _missing(view: ScheduleView, entry: Entry) -> Refused | None:
    """Why there is no such schedule."""
    if not view.in_group:
        return errors.no_such_group(group_name_of(entry.arn))
    return errors.no_such_schedule(entry.arn.rpartition("/")[2]) if view.schedule is None else None


def decide_delete(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DeleteSchedule: replies with None."""
    missing = _missing(view, entry)
    if missing is not None:
        return Decision(reply=missing)
    return removed(entry.arn, ids=ids, cause=entry.cause, reason="deleted")


def decide_get(view: ScheduleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetSchedule: replies with ScheduleDescription."""
    missing = _missing(view, entry)
    if missing is not None:
        return Decision(reply=missing)
    assert view.schedule is not None
    return Decision(reply=_described(view.schedule))


def _described(schedule: Resource) -> ScheduleDescription:
    settings: ScheduleSettings = schedule.config
    stored = settings.stored
    return ScheduleDescription(
        arn=schedule.arn,
        name=schedule.name,
        group_name=group_name_of(schedule.arn),
        schedule_expression=stored["schedule_expression"],
        schedule_expression_timezone=settings.timezone,
        state=stored["state"],
        flexible_time_window=stored["flexible_time_window"],
        target=_target(settings),
        action_after_completion=stored["action_after_completion"],
        creation_date=iso_ms(schedule.created_ms),
        last_modification_date=iso_ms(settings.modified_ms),
        start_date=stored.get("start_date"),
        end_date=stored.get("end_date"),
        description=stored.get("description"),
        kms_key_arn=stored.get("kms_key_arn"),
    )


def _target(settings: ScheduleSettings) -> dict[str, Any]:
    """A target as AWS shows it: with the retry policy that holds, and without what was not given."""
    policy = settings.target.policy
    limits = {
        "maximum_event_age_in_seconds": policy.maximum_age_ms // 1000,
        "maximum_retry_attempts": policy.maximum_retries,
    }
    shown = {**settings.stored["target"], "retry_policy": limits}
    return {name: item for name, item in shown.items() if item is not None}


# --- lists --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListView:
    """All schedules by group and name, and whether the group that was asked for exists."""

    schedules: tuple[Resource, ...]
    in_group: bool


def view_list(read: Reader, entry: Entry) -> ListView:
    """What ListSchedules needs."""
    command: ListSchedules = entry.command
    group = command.group_name
    if group is None or group == DEFAULT_GROUP:
        there = True
    else:
        there = read.resource(names_at(entry.arn).schedule_group(group)) is not None
    found = sorted(read.resources(SCHEDULE), key=lambda each: (group_name_of(each.arn), each.name))
    return ListView(tuple(found), there)


def decide_list(view: ListView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListSchedules: replies with SchedulePage."""
    command: ListSchedules = entry.command
    refused = check_list(command.max_results, command.name_prefix, "namePrefix")
    if refused is None and not view.in_group:
        refused = errors.no_such_group(command.group_name or "")
    if refused is not None:
        return Decision(reply=refused)
    found = [
        _summary(each)
        for each in view.schedules
        if command.group_name in (None, group_name_of(each.arn))
        and each.name.startswith(command.name_prefix or "")
        and command.state in (None, each.config.stored["state"])
    ]
    shown = page(found, [each.arn for each in found], command.next_token, command.max_results)
    return Decision(reply=shown if isinstance(shown, Refused) else SchedulePage(*shown))


def check_list(max_results: int, prefix: str | None, member: str) -> Refused | None:
    """What is wrong with a request for a list."""
    if max_results not in LISTED:
        bound = f"less than or equal to {LISTED.high}"
        if max_results < LISTED.low:
            bound = f"greater than or equal to {LISTED.low}"
        return errors.constraint(max_results, "maxResults", f"Member must have value {bound}")
    return None if prefix is None else check_name(prefix, member)


def page(
    items: list[Any], keys: list[str], token: str | None, most: int
) -> tuple[tuple[Any, ...], str | None] | Refused:
    """The items that follow a token (None: the first ones), and the token of the next. `keys` tell items apart."""
    start = 0
    if token is not None:
        try:
            last = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return errors.invalid("Invalid NextToken.")  # Unverified: the text.
        start = next((place + 1 for place, key in enumerate(keys) if key == last), len(keys))
    shown = tuple(items[start : start + most])
    following = None
    if start + most < len(items):
        following = base64.b64encode(keys[start + most - 1].encode()).decode()
    return shown, following


def _summary(schedule: Resource) -> ScheduleSummary:
    settings: ScheduleSettings = schedule.config
    return ScheduleSummary(
        schedule.arn,
        schedule.name,
        group_name_of(schedule.arn),
        settings.stored["state"],
        settings.target.arn,
        iso_ms(schedule.created_ms),
        iso_ms(settings.modified_ms),
    )

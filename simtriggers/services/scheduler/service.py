"""EventBridge Scheduler as the engine sees it: schedules and their groups."""

from __future__ import annotations

from ...aws.contracts import PutResource, RemoveResource
from ...kernel.service import Rule, Service
from . import commands as c
from . import groups, requests, resources, rules
from .arns import GROUP, SCHEDULE, SERVICE_NAME
from .settings import parse_group, parse_settings

SERVICE = Service(
    name=SERVICE_NAME,
    rules={
        PutResource: Rule(resources.view_put, resources.decide_put),
        RemoveResource: Rule(resources.view_remove, resources.decide_remove),
        c.ScheduleFires: Rule(rules.view_schedule, rules.decide_fires, rules.decide_missed),
        c.WindowFires: Rule(rules.view_schedule, rules.decide_window, rules.decide_window_missed),
        c.ScheduleCompletes: Rule(rules.view_schedule, rules.decide_completes),
        c.CreateSchedule: Rule(requests.view_change, requests.decide_create),
        c.UpdateSchedule: Rule(requests.view_change, requests.decide_update),
        c.DeleteSchedule: Rule(rules.view_schedule, requests.decide_delete),
        c.GetSchedule: Rule(rules.view_schedule, requests.decide_get),
        c.ListSchedules: Rule(requests.view_list, requests.decide_list),
        c.CreateScheduleGroup: Rule(groups.view_group, groups.decide_create),
        c.DeleteScheduleGroup: Rule(groups.view_whole_group, groups.decide_delete),
        c.GetScheduleGroup: Rule(groups.view_group, groups.decide_get),
        c.ListScheduleGroups: Rule(groups.view_groups, groups.decide_list),
        c.TagScheduleGroup: Rule(groups.view_group, groups.decide_tag),
        c.UntagScheduleGroup: Rule(groups.view_group, groups.decide_tag),
        c.ListScheduleGroupTags: Rule(groups.view_group, groups.decide_tags),
    },
    parsers={SCHEDULE: parse_settings, GROUP: parse_group},
    describe=rules.describe,
)

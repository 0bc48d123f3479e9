"""`simtriggers plan`: what triggers what, and when schedules fire. Runs nothing and opens no state."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..aws.arn import name_of
from ..aws.filter_policy import ATTRIBUTES
from ..aws.schedules import fires, parse_schedule
from ..errors import UserError
from ..kernel.clock import WallClock, iso_s, parse_iso
from ..project.buses import declared_rules, rules_of_functions
from ..project.model import FunctionDeclaration, Project, load_project, s3_triggers
from ..project.schedules import schedule_resources
from ..services.eventbridge.arns import DEFAULT, bus_name_of
from ..services.eventbridge.settings import DISABLED
from ..services.lambda_.config import SqsTrigger, Target
from ..services.s3.config import BucketConfig, bucket_notifications
from ..services.scheduler.settings import parse_settings
from ..services.scheduler.targets import resources_of
from ..services.sns.config import SnsTrigger, subscription_resource, trigger_resource
from ..services.sqs.config import QueueConfig
from .plan_text import Plan, lines

_FIRES = 3


@click.command("plan")
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.option("--after", metavar="TIME", help="Show fires after this ISO time.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(project: Path | None, after: str | None, as_json: bool) -> None:
    """Show what triggers what in PROJECT (default: here), and the next fires of its schedules. Run nothing."""
    try:
        after_ms = WallClock().now_ms() if after is None else parse_iso(after)
    except ValueError:
        raise UserError(f"{after!r} is not a time with a zone", fix="write 2026-01-15T12:00:00Z") from None
    made = plan(load_project(project), after_ms)
    click.echo(json.dumps(made, ensure_ascii=False, indent=2) if as_json else "\n".join(lines(made)))


def plan(project: Project, after_ms: int) -> Plan:
    """The wiring as JSON: `buckets`, `queues`, `topics`, `event_buses`, `functions`, `mappings`, `rules` (with a
    pattern) and `schedules`, in file order.

    Durations are milliseconds; `next` are the first fires after `after_ms`. A rate is counted from there.
    """
    resources = project.resources
    sections = ("buckets", "queues", "topics", "event_buses", "mappings", "rules", "schedules", "functions")
    made: Plan = {section: [] for section in sections}
    for name, bucket in resources.buckets.items():
        made["buckets"].append(_bucket(project, name, bucket))
    made["queues"] += [_queue(name, queue) for name, queue in resources.queues.items()]
    made["topics"] += _topics(project)
    for name, function in resources.functions.items():
        made["functions"].append(_function(name, function))
        for trigger in function.triggers:
            if isinstance(trigger, SqsTrigger):
                made["mappings"].append(_mapping(name, trigger))
        for arn, command in rules_of_functions(project.names, name, function):
            _add_rule(made, arn, command.config, after_ms, function=name)
    for arn, command in declared_rules(project.names, resources):
        _add_rule(made, arn, command.config, after_ms)
    for _, arn, command in schedule_resources(project.names, resources):
        made["schedules"].append(_of_scheduler(arn, command.config, after_ms))
    made["event_buses"] += _buses(project, made["rules"])
    return made


def _short(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


def _bucket(project: Project, name: str, bucket: BucketConfig) -> dict[str, Any]:
    found = bucket_notifications(project.names, bucket, s3_triggers(project.resources, name))
    targets = [
        {"target": _short(one.arn), "events": list(one.events), "prefix": one.prefix, "suffix": one.suffix}
        for one in found
    ]
    return {
        "name": name,
        "folder": bucket.folder,
        "versioning": bucket.versioning,
        "eventbridge": bucket.eventbridge,
        "notifications": targets,
    }


def _queue(name: str, queue: QueueConfig) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "visibility_timeout_ms": queue.visibility_timeout * 1000}
    policy = queue.redrive_policy
    if policy is not None:
        row["dead_letter_queue"] = policy.dead_letter_target or policy.dead_letter_target_arn
        row["max_receive_count"] = policy.max_receive_count
    return row


def _topics(project: Project) -> list[dict[str, Any]]:
    """The topics with their subscriptions, also those of functions' triggers; a topic that only a trigger names comes
    last, by its ARN."""
    names, resources = project.names, project.resources
    made: dict[str, dict[str, Any]] = {
        names.topic(name): {"name": name, "subscriptions": []} for name in resources.topics
    }
    commands = [
        subscription_resource(names, names.topic(name), each)
        for name, topic in resources.topics.items()
        for each in topic.subscriptions
    ]
    commands += [
        trigger_resource(names, name, trigger)
        for name, function in resources.functions.items()
        for trigger in function.triggers
        if isinstance(trigger, SnsTrigger)
    ]
    for _, command in commands:
        arn = command.config["topic_arn"]
        made.setdefault(arn, {"name": arn, "subscriptions": []})["subscriptions"].append(_subscription(command.config))
    return list(made.values())


def _subscription(config: dict[str, Any]) -> dict[str, Any]:
    endpoint, letters = config["endpoint"], config.get("redrive_policy")
    return {
        "endpoint": name_of(endpoint) if endpoint.startswith("arn:") else endpoint,
        "protocol": config["protocol"],
        "filter_policy": config.get("filter_policy"),
        "filter_policy_scope": config.get("filter_policy_scope", ATTRIBUTES),
        "raw_message_delivery": config.get("raw_message_delivery", False),
        "dead_letter_queue": None if letters is None else _short(letters["deadLetterTargetArn"]),
    }


def _buses(project: Project, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The declared event buses, and the default one where buckets or rules use it, each with its rules' names."""
    resources = project.resources
    used = [row["event_bus"] for row in rules]
    if any(bucket.eventbridge for bucket in resources.buckets.values()):
        used.append(DEFAULT)
    made = []
    for name in dict.fromkeys([*resources.event_buses, *used]):
        bus = resources.event_buses.get(name)
        letters = None if bus is None else bus.dead_letter_target
        own = [row["rule"] for row in rules if row["event_bus"] == name]
        made.append({"name": name, "rules": own, "dead_letter_queue": None if letters is None else _short(letters)})
    return made


def _function(name: str, function: FunctionDeclaration) -> dict[str, Any]:
    invoke, letters = function.event_invoke_config, function.dead_letter_config
    return {
        "name": name,
        "handler": function.handler or "a stub",
        "timeout_ms": function.timeout * 1000,
        "asynchronous_retries": invoke.maximum_retry_attempts,
        "on_success": _target(invoke.on_success),
        "on_failure": _target(invoke.on_failure),
        "dead_letter_queue": None if letters is None else letters.target,
    }


def _target(target: Target | None) -> str | None:
    return None if target is None else target.queue or target.function or target.event_bus or target.arn


def _mapping(function: str, trigger: SqsTrigger) -> dict[str, Any]:
    return {
        "queue": trigger.sqs,
        "function": function,
        "batch_size": trigger.batch_size,
        "window_ms": trigger.maximum_batching_window * 1000,
        "report_batch_item_failures": bool(trigger.function_response_types),
        "enabled": trigger.enabled,
    }


def _add_rule(made: Plan, arn: str, config: dict[str, Any], after_ms: int, *, function: str = "") -> None:
    """A rule of EventBridge: to the rules if it has a pattern, to the schedules if it has one. `function` is the one
    whose trigger it is."""
    enabled = config["state"] != DISABLED
    to: dict[str, Any] = {"function": function}
    if not function:
        to = {"targets": [_short(target["arn"]) for target in config["targets"]]}
    name = name_of(arn)
    if "event_pattern" in config:
        pattern = config["event_pattern"]
        row = {"rule": name, "event_bus": bus_name_of(arn), "pattern": pattern, **to, "enabled": enabled}
        made["rules"].append(row)
    if "schedule_expression" in config:
        schedule = parse_schedule(config["schedule_expression"])
        upcoming = [iso_s(at_ms) for at_ms in islice(fires(schedule, after_ms), _FIRES)] if enabled else []
        made["schedules"].append({"rule": name, "schedule": schedule.text, **to, "enabled": enabled, "next": upcoming})


def _of_scheduler(arn: str, config: dict[str, Any], after_ms: int) -> dict[str, Any]:
    """A schedule of EventBridge Scheduler; a rate without a start date is counted from `after_ms`."""
    settings = parse_settings(config)
    upcoming: list[str] = []
    next_ms = settings.timetable.first_ms(after_ms) if settings.enabled else None
    while next_ms is not None and len(upcoming) < _FIRES:
        upcoming.append(iso_s(next_ms))
        next_ms = settings.timetable.next_ms(next_ms, phase_ms=next_ms)
    targets = [_short(each) for each in resources_of(arn, settings.target)]
    return {
        "scheduler": arn.partition("schedule/")[2],
        "schedule": config["schedule_expression"],
        "timezone": settings.timezone,
        "targets": targets,
        "window_ms": settings.window_ms,
        "enabled": settings.enabled,
        "next": upcoming,
    }

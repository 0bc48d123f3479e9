"""`simtriggers plan`: what triggers what, and when schedules fire. Runs nothing and opens no state."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..aws.arn import name_of
from ..aws.schedules import fires, parse_schedule
from ..errors import UserError
from ..explain.texts import duration
from ..kernel.clock import WallClock, iso_s, parse_iso
from ..project.buses import declared_rules, rules_of_functions
from ..project.model import FunctionDeclaration, Project, load_project, s3_triggers
from ..project.schedules import schedule_resources
from ..services.eventbridge.arns import bus_name_of
from ..services.eventbridge.settings import DISABLED
from ..services.lambda_.config import SqsTrigger, Target
from ..services.s3.config import bucket_notifications
from ..services.scheduler.settings import parse_settings
from ..services.scheduler.targets import resources_of

_FIRES = 3

Plan = dict[str, list[dict[str, Any]]]


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
    click.echo(json.dumps(made, ensure_ascii=False, indent=2) if as_json else "\n".join(_text(made)))


def plan(project: Project, after_ms: int) -> Plan:
    """The wiring as JSON: `buckets`, `queues`, `functions`, `mappings`, `rules` (with a pattern) and `schedules`, in
    file order.

    Durations are milliseconds; `next` are the first fires after `after_ms`. A rate is counted from there.
    """
    resources = project.resources
    made: Plan = {"buckets": [], "queues": [], "mappings": [], "rules": [], "schedules": [], "functions": []}
    for name, bucket in resources.buckets.items():
        found = bucket_notifications(project.names, bucket, s3_triggers(resources, name))
        targets = [
            {"target": _short(one.arn), "events": list(one.events), "prefix": one.prefix, "suffix": one.suffix}
            for one in found
        ]
        made["buckets"].append({"name": name, "folder": bucket.folder, "notifications": targets})
    for name, queue in resources.queues.items():
        policy = queue.redrive_policy
        row: dict[str, Any] = {"name": name, "visibility_timeout_ms": queue.visibility_timeout * 1000}
        if policy is not None:
            row["dead_letter_queue"] = policy.dead_letter_target or policy.dead_letter_target_arn
            row["max_receive_count"] = policy.max_receive_count
        made["queues"].append(row)
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
    return made


def _short(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


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


# --- as text ------------------------------------------------------------------------------------


def _text(made: Plan) -> list[str]:
    sections = (
        ("buckets", _bucket_lines),
        ("queues", _queue_lines),
        ("mappings", _mapping_lines),
        ("rules", _rule_lines),
        ("schedules", _schedule_lines),
        ("functions", _function_lines),
    )
    lines: list[str] = []
    for name, shown in sections:
        if made[name]:
            lines += [f"{name}:", *(f"  {line}" for row in made[name] for line in shown(row))]
    return lines or ["the project declares nothing"]


def _bucket_lines(row: dict[str, Any]) -> list[str]:
    place = f" (folder {row['folder']})" if row["folder"] else ""
    lines = [f"{row['name']}{place}" + ("" if row["notifications"] else " notifies nobody")]
    for one in row["notifications"]:
        limits = [f"{key} {one[key]}" for key in ("prefix", "suffix") if one[key]]
        lines.append(f"  → {one['target']}  {', '.join([*one['events'], *limits])}")
    return lines


def _queue_lines(row: dict[str, Any]) -> list[str]:
    text = f"{row['name']}  visibility timeout {duration(row['visibility_timeout_ms'])}"
    if "dead_letter_queue" in row:
        text += f" → {row['dead_letter_queue']} after {row['max_receive_count']} receives"
    return [text]


def _mapping_lines(row: dict[str, Any]) -> list[str]:
    window = f", window {duration(row['window_ms'])}" if row["window_ms"] else ""
    partial = ", reports partial failures" if row["report_batch_item_failures"] else ""
    off = "" if row["enabled"] else " (disabled)"
    return [f"{row['queue']} → {row['function']}  batches of {row['batch_size']}{window}{partial}{off}"]


def _rule_lines(row: dict[str, Any]) -> list[str]:
    to = row["function"] if "function" in row else ", ".join(row["targets"]) or "nothing"
    return [f"{row['event_bus']}: {row['pattern']} → {to}{'' if row['enabled'] else ' (disabled)'}"]


def _schedule_lines(row: dict[str, Any]) -> list[str]:
    where = row.get("timezone", "UTC")
    text = row["schedule"] if where == "UTC" else f"{row['schedule']} in {where}"
    text += f" → {row['function'] if 'function' in row else ', '.join(row['targets'])}"
    if not row["enabled"]:
        return [f"{text} (disabled)"]
    window = f", each within {duration(row['window_ms'])}" if row.get("window_ms") else ""
    return [f"{text}  next {', '.join(row['next']) or 'never again'}{window}"]


def _function_lines(row: dict[str, Any]) -> list[str]:
    lines = [f"{row['name']}  {row['handler']}, timeout {duration(row['timeout_ms'])}"]
    ends = (("on success", "on_success"), ("on failure", "on_failure"), ("dead letters", "dead_letter_queue"))
    kept = [f"{words} → {row[key]}" for words, key in ends if row[key]]
    if kept:
        lines.append(f"  as an event: {row['asynchronous_retries']} retries, {', '.join(kept)}")
    return lines

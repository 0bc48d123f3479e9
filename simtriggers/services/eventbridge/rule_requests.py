"""Requests about rules and their targets.

Source: Amazon EventBridge API Reference, PutRule, DeleteRule, EnableRule, DescribeRule, ListRules, PutTargets,
RemoveTargets, ListTargetsByRule, ListRuleNamesByTarget; texts as recorded on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import commands, errors, store
from .arns import RULE, bus_arn, bus_name_of, bus_of
from .checks import check_rule_settings, check_target_types, check_targets
from .commands import FailedTarget, TargetsResult
from .rules import put_rule, remove_rule, view_rule
from .settings import DISABLED, ENABLED, complete_target


@dataclass(frozen=True, slots=True)
class RequestView:
    """A rule (None: there is none), whether its bus is there, and who declared it."""

    rule: Resource | None
    bus: bool
    declared_by: str = "sdk"


def view_request(read: Reader, entry: Entry) -> RequestView:
    """The rule that a request is about."""
    found = view_rule(read, entry)
    declared = read.one(store.DECLARED_BY, entry.arn)
    return RequestView(found.rule, found.bus, "sdk" if declared is None else declared[0])


def _missing(view: RequestView, arn: str) -> Refused | None:
    """What is said when the bus or the rule is not there."""
    if not view.bus:
        return errors.no_such_bus(bus_name_of(arn))
    return errors.no_such_rule(name_of(arn), bus_name_of(arn)) if view.rule is None else None


def _put(view: RequestView, entry: Entry, config: dict[str, Any], reply: Any, *, now_ms: int, ids: Ids) -> Decision:
    decision = put_rule(view.rule, entry, config, declared_by=view.declared_by, now_ms=now_ms, ids=ids)
    decision.reply = reply
    return decision


# --- rules --------------------------------------------------------------------------------------


def decide_put_rule(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutRule: replies with the ARN. What is not given goes; the targets stay."""
    command: commands.PutRule = entry.command
    given = {
        "event_pattern": command.event_pattern,
        "schedule_expression": command.schedule_expression,
        "state": command.state,
        "description": command.description,
        "role_arn": command.role_arn,
    }
    before: dict[str, Any] = {} if view.rule is None else view.rule.config.stored
    config = {name: item for name, item in given.items() if item is not None}
    config["targets"] = before.get("targets", [])
    if "rate_starts" in before:
        config["rate_starts"] = before["rate_starts"]
    refused = check_rule_settings(name_of(entry.arn), config, bus_name_of(entry.arn))
    if refused is None and not view.bus:
        refused = errors.no_such_bus(bus_name_of(entry.arn))
    return Decision(reply=refused) if refused else _put(view, entry, config, entry.arn, now_ms=now_ms, ids=ids)


def decide_delete_rule(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DeleteRule: replies with None, also when there is no such rule."""
    if not view.bus:
        return Decision(reply=errors.no_such_bus(bus_name_of(entry.arn)))
    if view.rule is None:
        return Decision()
    if view.rule.config.targets:
        return Decision(reply=errors.validation("Rule can't be deleted since it has targets."))
    return remove_rule(view.rule, entry, wiring_only=False, ids=ids)


def decide_switch(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """EnableRule and DisableRule: replies with None."""
    refused = _missing(view, entry.arn)
    if refused is not None or view.rule is None:
        return Decision(reply=refused)
    state = ENABLED if isinstance(entry.command, commands.EnableRule) else DISABLED
    if view.rule.config.enabled == (state == ENABLED):
        return Decision()
    return _put(view, entry, {**view.rule.config.stored, "state": state}, None, now_ms=now_ms, ids=ids)


def decide_describe(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DescribeRule: replies with RuleDescription."""
    refused = _missing(view, entry.arn)
    return Decision(reply=refused if refused is not None or view.rule is None else _description(view.rule))


def _description(rule: Resource) -> commands.RuleDescription:
    stored = rule.config.stored
    return commands.RuleDescription(
        rule.name,
        rule.arn,
        bus_name_of(rule.arn),
        stored["state"],
        stored.get("event_pattern"),
        stored.get("schedule_expression"),
        stored.get("description"),
        stored.get("role_arn"),
    )


def view_list(read: Reader, entry: Entry) -> list[Resource] | Refused:
    """The rules of the bus that a list asks about, by name."""
    arn = bus_arn(entry.arn, entry.command.event_bus_name)
    if read.resource(arn) is None:
        return errors.no_such_bus(name_of(arn))
    return sorted((rule for rule in read.resources(RULE) if bus_of(rule.arn) == arn), key=lambda rule: rule.name)


def decide_list_rules(view: list[Resource] | Refused, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListRules: replies with a tuple of RuleDescription."""
    if isinstance(view, Refused):
        return Decision(reply=view)
    prefix = entry.command.name_prefix
    return Decision(reply=tuple(_description(rule) for rule in view if rule.name.startswith(prefix)))


def decide_names_by_target(view: list[Resource] | Refused, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListRuleNamesByTarget: replies with a tuple of names."""
    if isinstance(view, Refused):
        return Decision(reply=view)
    arn = entry.command.target_arn
    return Decision(reply=tuple(rule.name for rule in view if any(target.arn == arn for target in rule.config.targets)))


# --- targets ------------------------------------------------------------------------------------


def decide_put_targets(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutTargets: replies with TargetsResult; one of the same id is replaced."""
    command: commands.PutTargets = entry.command
    refused = _missing(view, entry.arn)
    if refused is not None or view.rule is None:
        return Decision(reply=refused)
    refused = check_target_types(command.targets)
    if refused is not None:
        return Decision(reply=refused)
    given = [complete_target(row) for row in command.targets]
    new = {row.get("id"): row for row in given}
    there = {row["id"]: row for row in view.rule.config.stored["targets"]}
    refused = check_targets(given, entry.arn, there=len(there.keys() - new.keys()))
    if refused is not None:
        return Decision(reply=refused)
    config = {**view.rule.config.stored, "targets": list({**there, **new}.values())}
    return _put(view, entry, config, TargetsResult(), now_ms=now_ms, ids=ids)


def decide_remove_targets(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveTargets: replies with TargetsResult. Unverified: the entry for an id that is not there."""
    command: commands.RemoveTargets = entry.command
    refused = _missing(view, entry.arn)
    if refused is not None or view.rule is None:
        return Decision(reply=refused)
    there = {row["id"]: row for row in view.rule.config.stored["targets"]}
    failed = tuple(
        FailedTarget(each, "ResourceNotFoundException", f"Rule {view.rule.name} does not have a target {each}.")
        for each in command.ids
        if each not in there
    )
    kept = [row for row in there.values() if row["id"] not in command.ids]
    config = {**view.rule.config.stored, "targets": kept}
    return _put(view, entry, config, TargetsResult(len(failed), failed), now_ms=now_ms, ids=ids)


def decide_list_targets(view: RequestView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ListTargetsByRule: replies with a tuple of rows."""
    refused = _missing(view, entry.arn)
    if refused is not None or view.rule is None:
        return Decision(reply=refused)
    return Decision(reply=tuple(view.rule.config.stored["targets"]))


RULES = {
    commands.PutRule: Rule(view_request, decide_put_rule),
    commands.DeleteRule: Rule(view_request, decide_delete_rule),
    commands.EnableRule: Rule(view_request, decide_switch),
    commands.DisableRule: Rule(view_request, decide_switch),
    commands.DescribeRule: Rule(view_request, decide_describe),
    commands.ListRules: Rule(view_list, decide_list_rules),
    commands.ListRuleNamesByTarget: Rule(view_list, decide_names_by_target),
    commands.PutTargets: Rule(view_request, decide_put_targets),
    commands.RemoveTargets: Rule(view_request, decide_remove_targets),
    commands.ListTargetsByRule: Rule(view_request, decide_list_targets),
}

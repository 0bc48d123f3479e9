"""What a project says of EventBridge: buses, rules, archives, API destinations, and triggers that are rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..aws.arn import Names
from ..aws.contracts import PutResource
from ..errors import UserError
from ..services.eventbridge.archives import archive_name_problem
from ..services.eventbridge.arns import DEFAULT
from ..services.eventbridge.checks import NAME_CHARACTERS, bus_name_problem, is_name
from ..services.eventbridge.config import (
    EventBridgeTrigger,
    ScheduleTrigger,
    TargetInput,
    declared_rule,
    rule_name,
    rule_resource,
)
from ..services.eventbridge.config_buses import (
    archive_resource,
    bus_resource,
    connection_resource,
    destination_resource,
)
from .load import Document, KeyPath

if TYPE_CHECKING:
    from .model import FunctionDeclaration, Resources

RuleTrigger = ScheduleTrigger | EventBridgeTrigger
Made = list[tuple[str, PutResource]]

_TARGETS = {
    "function": "functions",
    "queue": "queues",
    "topic": "topics",
    "event_bus": "event_buses",
    "api_destination": "api_destinations",
}
"""The keys of a rule's target that are names of the project, and their sections."""


def rule_triggers(function: FunctionDeclaration) -> list[tuple[int, int, RuleTrigger]]:
    """A function's triggers that are rules: place among the triggers, number among its kind from 1, trigger."""
    found: list[tuple[int, int, RuleTrigger]] = []
    numbers: dict[type[RuleTrigger], int] = {ScheduleTrigger: 0, EventBridgeTrigger: 0}
    for index, each in enumerate(function.triggers):
        if isinstance(each, ScheduleTrigger | EventBridgeTrigger):
            numbers[type(each)] += 1
            found.append((index, numbers[type(each)], each))
    return found


# --- as resources -------------------------------------------------------------------------------


def buses_and_destinations(names: Names, resources: Resources) -> Made:
    """Buses, connections, API destinations and archives, in an order in which each finds what it names."""
    made = [bus_resource(names, name, bus) for name, bus in resources.event_buses.items()]
    made += [connection_resource(names, name, each) for name, each in resources.connections.items()]
    made += [destination_resource(names, name, each) for name, each in resources.api_destinations.items()]
    return made + [archive_resource(names, name, each) for name, each in resources.archives.items()]


def rules_of_functions(names: Names, name: str, function: FunctionDeclaration) -> Made:
    """The rules of a function's triggers."""
    return [rule_resource(names, name, number, trigger) for _, number, trigger in rule_triggers(function)]


def declared_rules(names: Names, resources: Resources) -> Made:
    """The rules of the section `rules`."""
    return [declared_rule(names, name, rule) for name, rule in resources.rules.items()]


# --- names --------------------------------------------------------------------------------------


def references_of_buses(resources: Resources) -> Iterator[tuple[str, KeyPath, str]]:
    """Every name in the sections about EventBridge that must be declared: its section, its place, the name."""
    for name, bus in resources.event_buses.items():
        if bus.dead_letter_target is not None:
            yield "queues", ("event_buses", name, "dead_letter_target"), bus.dead_letter_target
    for name, archive in resources.archives.items():
        yield from _bus(("archives", name), archive.event_bus_name)
    for name, destination in resources.api_destinations.items():
        yield "connections", ("api_destinations", name, "connection"), destination.connection
    for name, rule in resources.rules.items():
        yield from _bus(("rules", name), rule.event_bus_name)
        for index, target in enumerate(rule.targets):
            place: KeyPath = ("rules", name, "targets", index)
            for key, section in _TARGETS.items():
                named = getattr(target, key)
                if named is not None and (key, named) != ("event_bus", DEFAULT):
                    yield section, (*place, key), named
            yield from _letters(place, target)


def references_of_trigger(place: KeyPath, trigger: RuleTrigger) -> Iterator[tuple[str, KeyPath, str]]:
    """The names that a trigger which is a rule mentions."""
    if isinstance(trigger, EventBridgeTrigger):
        yield from _bus(place, trigger.event_bus_name)
    yield from _letters(place, trigger)


def _bus(place: KeyPath, name: str) -> Iterator[tuple[str, KeyPath, str]]:
    if name != DEFAULT:
        yield "event_buses", (*place, "event_bus_name"), name


def _letters(place: KeyPath, target: TargetInput) -> Iterator[tuple[str, KeyPath, str]]:
    if target.dead_letter_target is not None:
        yield "queues", (*place, "dead_letter_target"), target.dead_letter_target


def raw_places(names: dict[str, list[str]], most: int) -> Iterator[tuple[str, KeyPath]]:
    """Where such names may stand in a file that has other mistakes; `names` are those declared in each section, and of
    lists `most` items are looked at."""
    for name in names["event_buses"]:
        yield "queues", ("event_buses", name, "dead_letter_target")
    for name in names["archives"]:
        yield "event_buses", ("archives", name, "event_bus_name")
    for name in names["api_destinations"]:
        yield "connections", ("api_destinations", name, "connection")
    for name in names["rules"]:
        yield "event_buses", ("rules", name, "event_bus_name")
        for index in range(most):
            place: KeyPath = ("rules", name, "targets", index)
            yield "queues", (*place, "dead_letter_target")
            for key, section in _TARGETS.items():
                yield section, (*place, key)
    for name in names["functions"]:
        for index in range(most):
            yield "event_buses", ("functions", name, "triggers", index, "event_bus_name")


def bad_event_names(resources: Resources, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Names that AWS does not take for a bus, a rule, an archive, a connection or an API destination."""
    for name in resources.event_buses:
        problem = bus_name_problem(name)
        if problem is not None:
            yield document.error((*at, "event_buses", name), problem, fix="rename the bus", key=True)
    for name in resources.archives:
        problem = archive_name_problem(name)
        if problem is not None:
            yield document.error((*at, "archives", name), problem, fix="rename the archive", key=True)
    for section, what in (
        ("rules", "a rule"),
        ("connections", "a connection"),
        ("api_destinations", "an API destination"),
    ):
        for name in getattr(resources, section):
            if not is_name(name):
                problem = f"{name!r} is not the name of {what}: 1-{NAME_CHARACTERS} letters, digits, '.', '-', '_'"
                yield document.error((*at, section, name), problem, fix="rename it", key=True)


def bad_rules(names: Names, resources: Resources, document: Document, at: KeyPath) -> Iterator[UserError]:
    """Rules of one bus with the same name, and dead-letter queues that EventBridge does not take."""
    rules: set[str] = set()
    for place, arn, targets in _all_rules(names, resources):
        if arn in rules:
            problem = f"two rules of a bus have the name {arn.rsplit('/', 1)[-1]!r}"
            yield document.error((*at, *place), problem, fix="rename one of them")
        rules.add(arn)
        for where, target in targets:
            if (target.dead_letter_target or "").endswith(".fifo"):
                yield document.error(
                    (*at, *where, "dead_letter_target"),
                    f"{target.dead_letter_target!r} is a FIFO queue",
                    rule="EventBridge sends dead letters to standard queues only",
                    fix="name a standard queue",
                )


def _all_rules(names: Names, resources: Resources) -> Iterator[tuple[KeyPath, str, list[tuple[KeyPath, TargetInput]]]]:
    """Every rule: its place, its ARN, and its targets with their places."""
    for name, rule in resources.rules.items():
        place: KeyPath = ("rules", name)
        targets = [((*place, "targets", index), each) for index, each in enumerate(rule.targets)]
        yield place, names.rule(name, rule.event_bus_name), [*targets]
    for name, function in resources.functions.items():
        for index, number, trigger in rule_triggers(function):
            where: KeyPath = ("functions", name, "triggers", index)
            bus = trigger.event_bus_name if isinstance(trigger, EventBridgeTrigger) else DEFAULT
            yield where, names.rule(rule_name(name, number, trigger), bus), [(where, trigger)]

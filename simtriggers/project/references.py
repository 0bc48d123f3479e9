"""Names that a project's file mentions: each must be declared in its section, or is told with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UserError
from ..services.eventbridge.config import EventBridgeTrigger, ScheduleTrigger
from ..services.lambda_.config import SqsTrigger, Target
from ..services.s3.config import S3Trigger
from ..services.scheduler.arns import DEFAULT_GROUP
from ..services.scheduler.config import ScheduleV2Trigger
from .buses import raw_places, references_of_buses, references_of_trigger
from .load import Document, KeyPath, suggest
from .validate import dotted

if TYPE_CHECKING:
    from .model import FunctionDeclaration, Resources

SECTIONS = (
    "buckets", "queues", "topics", "functions", "event_buses", "rules", "archives", "connections", "api_destinations",
    "schedule_groups",
)  # fmt: skip
_ITEMS_LOOKED_AT = 100


def singular(section: str) -> str:
    """What one thing of a section is called: `queue`, `event bus`."""
    return {"event_buses": "event bus", "api_destinations": "API destination"}.get(section, section[:-1])


def references(resources: Resources) -> Iterator[tuple[str, KeyPath, str]]:
    """Every name that must be declared: the section it must be in, where it stands, the name."""
    for name, queue in resources.queues.items():
        policy, allow = queue.redrive_policy, queue.redrive_allow_policy
        if policy is not None and policy.dead_letter_target is not None:
            yield (
                "queues",
                ("queues", name, "redrive_policy", "dead_letter_target"),
                policy.dead_letter_target,
            )
        for index, source in enumerate(allow.source_queues if allow is not None else ()):
            yield "queues", ("queues", name, "redrive_allow_policy", "source_queues", index), source
    for name, bucket in resources.buckets.items():
        for index, notification in enumerate(bucket.notifications):
            place: KeyPath = ("buckets", name, "notifications", index)
            if notification.queue is not None:
                yield "queues", (*place, "queue"), notification.queue
            if notification.function is not None:
                yield "functions", (*place, "function"), notification.function
            if notification.topic is not None:
                yield "topics", (*place, "topic"), notification.topic
    yield from _references_of_topics(resources)
    for section, path, name in references_of_buses(resources):
        if not name.startswith("arn:"):
            yield section, path, name
    yield from _references_of_schedules(resources)
    for name, function in resources.functions.items():
        yield from _references_of_function(name, function)


def _references_of_topics(resources: Resources) -> Iterator[tuple[str, KeyPath, str]]:
    for name, topic in resources.topics.items():
        for index, subscription in enumerate(topic.subscriptions):
            place: KeyPath = ("topics", name, "subscriptions", index)
            if subscription.queue is not None:
                yield "queues", (*place, "queue"), subscription.queue
            if subscription.function is not None:
                yield "functions", (*place, "function"), subscription.function
            redrive = subscription.redrive_policy
            if redrive is not None and redrive.dead_letter_target is not None:
                yield "queues", (*place, "redrive_policy", "dead_letter_target"), redrive.dead_letter_target


def _references_of_schedules(resources: Resources) -> Iterator[tuple[str, KeyPath, str]]:
    for name, schedule in resources.schedules.items():
        target = schedule.target
        place: KeyPath = ("schedules", name)
        for key, section in (("function", "functions"), ("queue", "queues"), ("topic", "topics")):
            if getattr(target, key) is not None:
                yield section, (*place, "target", key), getattr(target, key)
        if target.event_bus not in (None, "default"):
            yield "event_buses", (*place, "target", "event_bus"), str(target.event_bus)
        if target.dead_letter_target is not None and not target.dead_letter_target.startswith("arn:"):
            yield "queues", (*place, "target", "dead_letter_target"), target.dead_letter_target
        if schedule.group_name != DEFAULT_GROUP:
            yield "schedule_groups", (*place, "group_name"), schedule.group_name


def _references_of_function(name: str, function: FunctionDeclaration) -> Iterator[tuple[str, KeyPath, str]]:
    for index, trigger in enumerate(function.triggers):
        place: KeyPath = ("functions", name, "triggers", index)
        if isinstance(trigger, S3Trigger):
            yield "buckets", (*place, "s3"), trigger.s3
        elif isinstance(trigger, SqsTrigger):
            if not trigger.sqs.startswith("arn:"):
                yield "queues", (*place, "sqs"), trigger.sqs
        elif isinstance(trigger, ScheduleTrigger | EventBridgeTrigger):
            for section, path, named in references_of_trigger(place, trigger):
                if not named.startswith("arn:"):
                    yield section, path, named
        elif isinstance(trigger, ScheduleV2Trigger):
            if trigger.dead_letter_target is not None and not trigger.dead_letter_target.startswith("arn:"):
                yield "queues", (*place, "dead_letter_target"), trigger.dead_letter_target
            if trigger.group_name != DEFAULT_GROUP:
                yield "schedule_groups", (*place, "group_name"), trigger.group_name
        else:
            if not trigger.sns.startswith("arn:"):
                yield "topics", (*place, "sns"), trigger.sns
            redrive = trigger.redrive_policy
            if redrive is not None and redrive.dead_letter_target is not None:
                yield "queues", (*place, "redrive_policy", "dead_letter_target"), redrive.dead_letter_target
    invoke: KeyPath = ("functions", name, "event_invoke_config")
    for key in ("on_success", "on_failure"):
        target: Target | None = getattr(function.event_invoke_config, key)
        if target is not None and target.queue is not None:
            yield "queues", (*invoke, key, "queue"), target.queue
        elif target is not None and target.function is not None:
            yield "functions", (*invoke, key, "function"), target.function
        elif target is not None and target.event_bus not in (None, "default"):
            yield "event_buses", (*invoke, key, "event_bus"), str(target.event_bus)
    letters = function.dead_letter_config
    if letters is not None and not letters.target.startswith("arn:"):
        yield "queues", ("functions", name, "dead_letter_config", "target"), letters.target


def dangling(document: Document, path: KeyPath, section: str, name: str, known: list[str]) -> UserError:
    """The error of a name that its section does not declare; `known` are those that it does."""
    fix = suggest(name, known) or f"declare {name!r} under {section}, or name one that is there"
    rule = f"{section} in this file: {', '.join(known)}" if known else f"this file declares no {section}"
    return document.error(path, f"{dotted(path)} names {name!r}, which is not declared", rule=rule, fix=fix)


def dangling_in_data(document: Document) -> list[UserError]:
    """Dangling names of a file that has other mistakes too, found in the raw data, so that one run shows all."""
    data = document.data if isinstance(document.data, dict) else {}
    sections = {name: data.get(name) for name in (*SECTIONS, "schedules")}
    known = {name: list(each) if isinstance(each, dict) else [] for name, each in sections.items()}
    known["event_buses"].append("default")
    found: list[UserError] = []
    for section, path in _raw_reference_places(sections):
        name = document.get(path)
        if isinstance(name, str) and not name.startswith("arn:") and name not in known[section]:
            found.append(dangling(document, path, section, name, known[section]))
    return found


def _raw_reference_places(sections: dict[str, object]) -> Iterator[tuple[str, KeyPath]]:
    def names(section: str) -> list[str]:
        found = sections[section]
        return list(found) if isinstance(found, dict) else []

    for name in names("queues"):
        yield "queues", ("queues", name, "redrive_policy", "dead_letter_target")
    for name in names("buckets"):
        for index in range(_ITEMS_LOOKED_AT):
            yield "queues", ("buckets", name, "notifications", index, "queue")
            yield "functions", ("buckets", name, "notifications", index, "function")
            yield "topics", ("buckets", name, "notifications", index, "topic")
    for name in names("topics"):
        for index in range(_ITEMS_LOOKED_AT):
            place: KeyPath = ("topics", name, "subscriptions", index)
            yield "queues", (*place, "queue")
            yield "functions", (*place, "function")
            yield "queues", (*place, "redrive_policy", "dead_letter_target")
    for name in names("functions"):
        for index in range(_ITEMS_LOOKED_AT):
            yield "buckets", ("functions", name, "triggers", index, "s3")
            yield "queues", ("functions", name, "triggers", index, "sqs")
            yield "topics", ("functions", name, "triggers", index, "sns")
            yield "queues", ("functions", name, "triggers", index, "dead_letter_target")
            yield "queues", ("functions", name, "triggers", index, "redrive_policy", "dead_letter_target")
        for key in ("on_success", "on_failure"):
            yield "queues", ("functions", name, "event_invoke_config", key, "queue")
            yield "functions", ("functions", name, "event_invoke_config", key, "function")
            yield "event_buses", ("functions", name, "event_invoke_config", key, "event_bus")
        yield "queues", ("functions", name, "dead_letter_config", "target")
    for name in names("schedules"):
        for key, section in (("function", "functions"), ("queue", "queues"), ("topic", "topics")):
            yield section, ("schedules", name, "target", key)
        yield "event_buses", ("schedules", name, "target", "event_bus")
        yield "queues", ("schedules", name, "target", "dead_letter_target")
    yield from raw_places({section: names(section) for section in SECTIONS}, _ITEMS_LOOKED_AT)

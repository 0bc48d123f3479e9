"""Which of the two kinds of resource a command is about: a topic, or a subscription, which is below one."""

from __future__ import annotations

from typing import Any

from ...aws.contracts import PutResource
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import errors, subscriptions, topics
from .settings import SUBSCRIPTION, TOPIC


def is_subscription(arn: str) -> bool:
    """Whether an ARN is a subscription's: a topic's with one more part."""
    return arn.count(":") > 5


def view_put(read: Reader, entry: Entry) -> Any:
    """What making or changing a resource of that kind needs."""
    return (
        subscriptions.view_subscription(read, entry) if is_subscription(entry.arn) else topics.view_topic(read, entry)
    )


def decide_put(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource."""
    command: PutResource = entry.command
    decide = subscriptions.decide_put if is_subscription(entry.arn) else topics.decide_put
    if command.kind != (SUBSCRIPTION if is_subscription(entry.arn) else TOPIC):
        return Decision(reply=errors.not_supported(f"A {command.kind} of SNS"))
    return decide(view, entry, now_ms=now_ms, ids=ids)


def view_remove(read: Reader, entry: Entry) -> Any:
    """What removing a resource of that kind needs."""
    if is_subscription(entry.arn):
        return subscriptions.view_subscription(read, entry)
    return topics.view_remove(read, entry)


def decide_remove(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource."""
    if is_subscription(entry.arn):
        return subscriptions.decide_remove(view, entry, now_ms=now_ms, ids=ids)
    return topics.decide_remove(view, entry, now_ms=now_ms, ids=ids)

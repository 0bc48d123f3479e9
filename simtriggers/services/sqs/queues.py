"""Queues as resources: making, changing and removing them.

Settings are checked as SetQueueAttributes checks them, and refused in AWS's words; YAML has been checked by
config.py before, with its line and column. Changes hold at once, where AWS takes up to 15 minutes for a
retention period. Source: Amazon SQS API Reference, CreateQueue, SetQueueAttributes and DeleteQueue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.contracts import PutResource, RemoveResource
from ...aws.limits import SQS, Range
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import CancelTimer, Decision, Effect, Note, Refused, Timer, Wake, Write
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import errors
from .commands import ExpireMessages
from .config import KIND, SERVICE_NAME, QueueSettings, parse_settings
from .send import RETENTION_TIMER, WAKE_ALL
from .store import ALL_OF_QUEUE, DELETE_ALL, FORGET_STATE, SET_SWEEP, STATE, Leaving

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{SQS.queue_name_length}}}")
_RANGES: dict[str, tuple[str, Range]] = {
    "visibility_timeout": ("VisibilityTimeout", SQS.visibility_timeout_s),
    "delay_seconds": ("DelaySeconds", SQS.delay_s),
    "message_retention_period": ("MessageRetentionPeriod", SQS.message_retention_period_s),
    "maximum_message_size": ("MaximumMessageSize", SQS.maximum_message_size),
    "receive_message_wait_time_seconds": ("ReceiveMessageWaitTimeSeconds", SQS.wait_time_s),
}


def describe(read: Reader, arn: str) -> Description | None:
    """What other services may know of a queue: its visibility timeout, and that it is not FIFO."""
    queue = read.resource(arn)
    if queue is None:
        return None
    return Description(arn, KIND, fifo=False, visibility_timeout_ms=queue.config.visibility_timeout_ms)


@dataclass(frozen=True, slots=True)
class PutView:
    """The queue as it is (None: to be made), the dead-letter queue its new policy names (None: none, or
    there is no such queue), and when its retention timer is due."""

    queue: Resource | None
    dead_letter: Resource | None
    sweep_ms: int | None


def view_put(read: Reader, entry: Entry) -> PutView:
    """The queue and the dead-letter queue that the command names."""
    policy = entry.command.config.get("redrive_policy")
    target = policy.get("dead_letter_target_arn") if isinstance(policy, dict) else None
    state = read.one(STATE, entry.arn)
    return PutView(
        read.resource(entry.arn),
        read.resource(target) if isinstance(target, str) else None,
        state[0] if state else None,
    )


def decide_put(view: PutView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource: replies with the revision that now holds; equal settings change nothing."""
    command: PutResource = entry.command
    problem = check_settings(entry.arn, command.config, view.dead_letter)
    if problem is not None:
        return Decision(reply=problem)
    old = view.queue
    if old is not None and old.wired and old.config.stored == command.config:
        return Decision(reply=old.revision)
    kind = "QueueCreated" if old is None else "QueueUpdated"
    note = Note(ids.row_id(), kind, entry.arn, command.name, entry.cause, {"settings": command.config})
    decision = Decision(
        reply=1 if old is None else old.revision + 1,
        writes=[
            resources.put(
                entry.arn,
                service=SERVICE_NAME,
                kind=KIND,
                name=command.name,
                config=command.config,
                declared_by=command.declared_by,
                now_ms=now_ms,
            )
        ],
        notes=[note],
        touched=[entry.arn],
    )
    if old is not None and view.sweep_ms is not None:
        settings: QueueSettings = parse_settings(command.config)
        if settings.retention_ms != old.config.retention_ms:
            # The timer was set for the old period; the sweep finds out when the next message expires.
            decision.writes.append(Write(SET_SWEEP, (entry.arn, now_ms)))
            decision.effects.append(Timer(RETENTION_TIMER, now_ms, ExpireMessages(), note.id, background=True))
    return decision


def check_settings(arn: str, config: dict[str, Any], dead_letter: Resource | None) -> Refused | None:
    """What AWS says against these settings of the queue `arn`; None when they hold."""
    name = name_of(arn)
    if name.endswith(".fifo"):
        return errors.not_supported(f"A FIFO queue ({name})")
    if not _NAME.fullmatch(name):
        return errors.invalid_value(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    for key, setting in config.items():
        if key in _RANGES:
            shown, allowed = _RANGES[key]
            if isinstance(setting, bool) or setting not in allowed:
                return errors.invalid_attribute(shown)
        elif key == "fifo_queue":
            return errors.not_supported("A FIFO queue (FifoQueue)")
        elif key not in ("redrive_policy", "redrive_allow_policy"):
            return errors.unknown_attribute(key)
    policy = config.get("redrive_policy")
    problem = None if policy is None else _check_redrive(arn, policy, dead_letter)
    if problem is not None:
        return problem
    allow = config.get("redrive_allow_policy")
    return None if allow is None else _check_redrive_allow(allow)


def _check_redrive(arn: str, policy: dict[str, Any], dead_letter: Resource | None) -> Refused | None:
    """Unverified: the text for a dead-letter queue whose RedriveAllowPolicy says no."""
    shown = to_json(
        {
            "deadLetterTargetArn": policy.get("dead_letter_target_arn"),
            "maxReceiveCount": policy.get("max_receive_count"),
        }
    )
    for key, wire in (
        ("dead_letter_target_arn", "deadLetterTargetArn"),
        ("max_receive_count", "maxReceiveCount"),
    ):
        if policy.get(key) in (None, ""):
            reason = f"Redrive policy does not contain mandatory attribute: {wire}."
            return errors.invalid_parameter("RedrivePolicy", shown, reason)
    count, allowed = policy["max_receive_count"], SQS.max_receive_count
    number = int(count) if isinstance(count, str) and count.isascii() and count.isdigit() else count
    if isinstance(number, bool) or number not in allowed:
        reason = (
            f"Invalid value for maxReceiveCount: {count}, valid values are from {allowed.low} to"
            f" {allowed.high} both inclusive."
        )
        return errors.invalid_parameter("RedrivePolicy", shown, reason)
    target = policy["dead_letter_target_arn"]
    if not isinstance(target, str) or target.count(":") < 5 or target.split(":")[2] != SERVICE_NAME:
        return errors.invalid_parameter("RedrivePolicy", shown, "Invalid value for deadLetterTargetArn.")
    if region_and_account(target) != region_and_account(arn):
        reason = "Dead-letter target owner should be same as the source."
        return errors.invalid_parameter("RedrivePolicy", shown, reason)
    if dead_letter is None:
        return errors.invalid_parameter("RedrivePolicy", shown, "Dead letter target does not exist.")
    sources = dead_letter.config.allowed_sources
    if sources is not None and arn not in sources:
        reason = f"Queue {name_of(target)} does not allow this queue to use it as a dead letter queue."
        return errors.invalid_parameter("RedrivePolicy", shown, reason)
    return None


def _check_redrive_allow(allow: dict[str, Any]) -> Refused | None:
    permission = allow.get("redrive_permission")
    sources = allow.get("source_queue_arns", [])
    fits = isinstance(sources, list) and bool(sources) == (permission == "byQueue")
    if permission not in ("allowAll", "denyAll", "byQueue") or not fits:
        return errors.invalid_attribute("RedriveAllowPolicy")
    return errors.invalid_attribute("RedriveAllowPolicy") if len(sources) > SQS.redrive_source_queues else None


# --- removal ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoveView:
    """The queue, and the messages that go with it."""

    queue: Resource | None
    messages: tuple[Leaving, ...]


def view_remove(read: Reader, entry: Entry) -> RemoveView:
    """The queue and all of its messages, unless only its wiring goes."""
    queue = read.resource(entry.arn)
    if queue is None or entry.command.wiring_only:
        return RemoveView(queue, ())
    return RemoveView(queue, tuple(map(Leaving._make, read.all(ALL_OF_QUEUE, entry.arn))))


def decide_remove(view: RemoveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource: replies with None. A queue triggers nothing by itself, so that without its wiring it
    is what it was; a removed queue's messages are dropped, one row each."""
    command: RemoveResource = entry.command
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    if command.wiring_only:
        note = Note(ids.row_id(), "QueueNoLongerDeclared", entry.arn, view.queue.name, entry.cause)
        return Decision(writes=[resources.unwire(entry.arn)], notes=[note], touched=[entry.arn])
    note = Note(
        ids.row_id(),
        "QueueDeleted",
        entry.arn,
        view.queue.name,
        entry.cause,
        {"messages": len(view.messages)},
    )
    effects: list[Effect] = [CancelTimer(RETENTION_TIMER), Wake(entry.arn, WAKE_ALL)]
    return Decision(
        writes=[
            Write(DELETE_ALL, (entry.arn,)),
            Write(FORGET_STATE, (entry.arn,)),
            resources.remove(entry.arn),
        ],
        effects=effects,
        notes=[note, *dropped(entry.arn, view.messages, rule="QueueDeleted", by=note.id, ids=ids)],
        touched=[entry.arn],
    )


def dropped(queue: str, messages: tuple[Leaving, ...], *, rule: str, by: int, ids: Ids) -> list[Note]:
    """One MessageDropped row for each message that a queue loses, with the rule and row that say why."""
    return [
        Note(ids.row_id(), "MessageDropped", queue, message.message_id, message.cause, {"rule": rule, "by": by})
        for message in messages
    ]

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
from .config import FIFO_SUFFIX, KIND, SERVICE_NAME, QueueSettings, parse_settings
from .fifo_store import FORGET_ATTEMPTS, FORGET_DELETED, FORGET_SENDS, FORGET_TASKS, SET_DELAY, SET_DELETED
from .send import RETENTION_TIMER, WAKE_ALL
from .store import ALL_OF_QUEUE, DELETE_ALL, FORGET_STATE, SET_SWEEP, STATE, Leaving

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{SQS.queue_name_length}}}")
_RANGES: dict[str, tuple[str, Range]] = {
    "visibility_timeout": ("VisibilityTimeout", SQS.visibility_timeout_s),
    "delay_seconds": ("DelaySeconds", SQS.delay_s),
    "message_retention_period": ("MessageRetentionPeriod", SQS.message_retention_period_s),
    "maximum_message_size": ("MaximumMessageSize", SQS.maximum_message_size),
    "receive_message_wait_time_seconds": ("ReceiveMessageWaitTimeSeconds", SQS.wait_time_s),
    "kms_data_key_reuse_period_seconds": ("KmsDataKeyReusePeriodSeconds", SQS.kms_reuse_s),
}
_CHOICES: dict[str, tuple[str, tuple[object, ...]]] = {
    "fifo_queue": ("FifoQueue", (True, False)),
    "content_based_deduplication": ("ContentBasedDeduplication", (True, False)),
    "deduplication_scope": ("DeduplicationScope", ("queue", "messageGroup")),
    "fifo_throughput_limit": ("FifoThroughputLimit", ("perQueue", "perMessageGroupId")),
    "sqs_managed_sse_enabled": ("SqsManagedSseEnabled", (True, False)),
}
_SCOPES = ("deduplication_scope", "fifo_throughput_limit")
_REDRIVE_KEYS = (("dead_letter_target_arn", "deadLetterTargetArn"), ("max_receive_count", "maxReceiveCount"))
_OTHERS = ("redrive_policy", "redrive_allow_policy", "policy", "kms_master_key_id", "tags")


def describe(read: Reader, arn: str) -> Description | None:
    """What other services may know of a queue: its visibility timeout, and whether it is FIFO."""
    queue = read.resource(arn)
    if queue is None:
        return None
    return Description(arn, KIND, fifo=queue.config.fifo, visibility_timeout_ms=queue.config.visibility_timeout_ms)


@dataclass(frozen=True, slots=True)
class PutView:
    """The queue as it is (None: to be made), the dead-letter queue its new policy names (None: none, or
    there is no such queue), and when its retention timer is due."""

    queue: Resource | None
    dead_letter: Resource | None
    sweep_ms: int | None


def view_put(read: Reader, entry: Entry) -> PutView:
    """The queue and the dead-letter queue that the command names."""
    return put_view(read, entry.arn, entry.command.config)


def put_view(read: Reader, arn: str, config: dict[str, Any]) -> PutView:
    """What settings of a queue are checked against."""
    policy = config.get("redrive_policy")
    target = policy.get("dead_letter_target_arn") if isinstance(policy, dict) else None
    state = read.one(STATE, arn)
    return PutView(
        read.resource(arn),
        read.resource(target) if isinstance(target, str) else None,
        state[0] if state else None,
    )


def decide_put(view: PutView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource: replies with the revision that now holds; equal settings change nothing."""
    command: PutResource = entry.command
    return put(view, entry, command.config, command.declared_by, now_ms=now_ms, ids=ids)


def put(
    view: PutView,
    entry: Entry,
    config: dict[str, Any],
    declared_by: str,
    *,
    now_ms: int,
    ids: Ids,
    sent_policy: str | None = None,
) -> Decision:
    """Make the queue of the entry's ARN, or give it these settings as a whole. `sent_policy` is the RedrivePolicy
    as a client wrote it, for the refusal that repeats it."""
    old = view.queue
    problem = check_settings(entry.arn, config, view.dead_letter, sent_policy)
    if problem is None and old is not None and bool(config.get("fifo_queue")) != old.config.fifo:
        problem = errors.attribute_value("FifoQueue", "Modifying queue type is not supported.")
    if problem is not None:
        return Decision(reply=problem)
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    name = name_of(entry.arn)
    kind = "QueueCreated" if old is None else "QueueUpdated"
    note = Note(ids.row_id(), kind, entry.arn, name, entry.cause, {"settings": config})
    row = resources.put(
        entry.arn, service=SERVICE_NAME, kind=KIND, name=name, config=config, declared_by=declared_by, now_ms=now_ms
    )
    decision = Decision(reply=1 if old is None else old.revision + 1, writes=[row], notes=[note], touched=[entry.arn])
    if old is None:
        decision.writes.append(Write(FORGET_DELETED, (entry.arn,)))
        return decision
    before: QueueSettings = old.config
    settings = parse_settings(config)
    if view.sweep_ms is not None and settings.retention_ms != before.retention_ms:
        # The timer was set for the old period; the sweep finds out when the next message expires.
        decision.writes.append(Write(SET_SWEEP, (entry.arn, now_ms)))
        decision.effects.append(Timer(RETENTION_TIMER, now_ms, ExpireMessages(), note.id, background=True))
    if settings.fifo and settings.delay_ms != before.delay_ms:
        # On a FIFO queue a new delay holds for the messages that are there; a standard queue's keep theirs.
        decision.writes.append(Write(SET_DELAY, (settings.delay_ms, entry.arn)))
        decision.effects.append(Wake(entry.arn, WAKE_ALL))
    return decision


def check_settings(
    arn: str, config: dict[str, Any], dead_letter: Resource | None, sent_policy: str | None = None
) -> Refused | None:
    """What AWS says against these settings of the queue `arn`; None when they hold."""
    problem = _check_name(name_of(arn), config) or _check_values(config)
    if problem is not None:
        return problem
    policy = config.get("redrive_policy")
    problem = None if policy is None else _check_redrive(arn, policy, dead_letter, sent_policy)
    if problem is not None:
        return problem
    allow = config.get("redrive_allow_policy")
    return None if allow is None else _check_redrive_allow(allow)


def _check_name(name: str, config: dict[str, Any]) -> Refused | None:
    if config.get("fifo_queue"):
        if (
            name.endswith(FIFO_SUFFIX)
            and _NAME.fullmatch(name[: -len(FIFO_SUFFIX)])
            and len(name) <= SQS.queue_name_length
        ):
            return None
        return errors.invalid_value(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores,"
            " must end with .fifo suffix and be 1 to 80 in length."
        )
    if not _NAME.fullmatch(name):
        return errors.invalid_value(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    return None


def _check_values(config: dict[str, Any]) -> Refused | None:
    fifo = config.get("fifo_queue", False)
    for key, setting in config.items():
        if key in _RANGES:
            wire, allowed = _RANGES[key]
            if isinstance(setting, bool) or setting not in allowed:
                return errors.invalid_attribute(wire)
        elif key in _CHOICES:
            wire, choices = _CHOICES[key]
            if key in _SCOPES and not fifo:
                return errors.fifo_only(wire)
            if key == "content_based_deduplication" and not fifo:
                return errors.unknown_attribute(wire)
            if not any(setting is choice or (setting == choice and type(choice) is str) for choice in choices):
                return errors.invalid_attribute(wire)
        elif key not in _OTHERS:
            return errors.unknown_attribute(key)
    if config.get("fifo_throughput_limit") == "perMessageGroupId" and (
        config.get("deduplication_scope") != "messageGroup"
    ):
        reason = "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."
        return errors.attribute_value("FifoThroughputLimit", reason)
    if config.get("kms_master_key_id") and config.get("sqs_managed_sse_enabled"):
        return errors.both_encryptions()
    return None


def _check_redrive(arn: str, policy: dict[str, Any], dead_letter: Resource | None, sent: str | None) -> Refused | None:
    """A refusal shows the policy as it was sent. Unverified: the texts for a dead-letter queue whose
    RedriveAllowPolicy says no, and for one of the other type."""
    shown = sent or to_json({wire: policy[key] for key, wire in _REDRIVE_KEYS if key in policy})
    for key, wire in _REDRIVE_KEYS:
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
    if dead_letter.config.fifo != name_of(arn).endswith(FIFO_SUFFIX):
        reason = "Dead-letter queue must be same type of queue as the source."
        return errors.invalid_parameter("RedrivePolicy", shown, reason)
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
    if queue is None or (type(entry.command) is RemoveResource and entry.command.wiring_only):
        return RemoveView(queue, ())
    return RemoveView(queue, tuple(map(Leaving._make, read.all(ALL_OF_QUEUE, entry.arn))))


def decide_remove(view: RemoveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource and DeleteQueue: reply with None. A queue triggers nothing by itself, so that without its
    wiring it is what it was; a removed queue's messages are dropped, one row each."""
    if view.queue is None:
        return Decision(reply=errors.no_such_queue())
    if type(entry.command) is RemoveResource and entry.command.wiring_only:
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
            *(Write(statement, (entry.arn,)) for statement in _OF_A_QUEUE),
            Write(SET_DELETED, (entry.arn, now_ms)),
            resources.remove(entry.arn),
        ],
        effects=effects,
        notes=[note, *dropped(entry.arn, view.messages, rule="QueueDeleted", by=note.id, ids=ids)],
        touched=[entry.arn],
    )


_OF_A_QUEUE = (DELETE_ALL, FORGET_STATE, FORGET_SENDS, FORGET_ATTEMPTS, FORGET_TASKS)


def dropped(queue: str, messages: tuple[Leaving, ...], *, rule: str, by: int, ids: Ids) -> list[Note]:
    """One MessageDropped row for each message that a queue loses, with the rule and row that say why."""
    return [
        Note(ids.row_id(), "MessageDropped", queue, message.message_id, message.cause, {"rule": rule, "by": by})
        for message in messages
    ]

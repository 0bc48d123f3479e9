"""A queue's settings: as people write them in YAML, and as decisions use them.

`QueueConfig` checks the file; `queue_resource` turns it into the command that makes the queue; what is
stored is the JSON of that command, and `parse_settings` reads it back. Names and ranges are those of
SetQueueAttributes in snake_case; a bare number is in AWS's unit (seconds, bytes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.limits import SQS
from ...aws.quantities import Bytes, Seconds, Settings
from ...errors import UserError
from ...kernel.codec import to_json

KIND = "queue"
SERVICE_NAME = "sqs"

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?")
FIFO_SUFFIX = ".fifo"
_FIFO_KEYS = ("content_based_deduplication", "deduplication_scope", "fifo_throughput_limit")
VisibilityTimeout = Annotated[Seconds, Field(ge=SQS.visibility_timeout_s.low, le=SQS.visibility_timeout_s.high)]
RetentionPeriod = Annotated[
    Seconds, Field(ge=SQS.message_retention_period_s.low, le=SQS.message_retention_period_s.high)
]
Delay = Annotated[Seconds, Field(ge=SQS.delay_s.low, le=SQS.delay_s.high)]
WaitTime = Annotated[Seconds, Field(ge=SQS.wait_time_s.low, le=SQS.wait_time_s.high)]
MessageSize = Annotated[Bytes, Field(ge=SQS.maximum_message_size.low, le=SQS.maximum_message_size.high)]
KeyReuse = Annotated[Seconds, Field(ge=SQS.kms_reuse_s.low, le=SQS.kms_reuse_s.high)]
TagKey = Annotated[str, Field(min_length=1, max_length=SQS.tag_key_length)]
TagValue = Annotated[str, Field(max_length=SQS.tag_value_length)]
ReceiveCount = Annotated[int, Field(ge=SQS.max_receive_count.low, le=SQS.max_receive_count.high)]


class RedrivePolicy(Settings):
    """Where messages go that were received too often.

    `dead_letter_target` is the name of a queue of the project, `dead_letter_target_arn` any queue's ARN:
    one of the two. A message is returned `max_receive_count` times; the next receive moves it.
    """

    dead_letter_target: str | None = None
    dead_letter_target_arn: str | None = None
    max_receive_count: ReceiveCount

    @model_validator(mode="after")
    def _one_target(self) -> RedrivePolicy:
        if (self.dead_letter_target is None) == (self.dead_letter_target_arn is None):
            raise ValueError("name the dead-letter queue once: dead_letter_target or dead_letter_target_arn")
        return self


class RedriveAllowPolicy(Settings):
    """Which queues may use this one as their dead-letter queue. `source_queues` are names,
    `source_queue_arns` ARNs; both only with `byQueue`."""

    redrive_permission: Literal["allowAll", "denyAll", "byQueue"] = "allowAll"
    source_queues: tuple[str, ...] = ()
    source_queue_arns: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sources_fit(self) -> RedriveAllowPolicy:
        count = len(self.source_queues) + len(self.source_queue_arns)
        if (self.redrive_permission == "byQueue") != bool(count):
            raise ValueError("redrive_permission byQueue, and only that, needs source_queues or source_queue_arns")
        if count > SQS.redrive_source_queues:
            raise ValueError(f"at most {SQS.redrive_source_queues} source queues, found {count}")
        return self


class QueueConfig(Settings):
    """A queue in the project file. Every key is optional and has AWS's default.

    A FIFO queue has `fifo_queue: true` and a name that ends in `.fifo`. `policy` (a mapping, or its JSON text)
    and the keys of encryption are kept and shown as AWS shows them; nothing is refused or encrypted.
    """

    visibility_timeout: VisibilityTimeout = 30
    delay_seconds: Delay = 0
    message_retention_period: RetentionPeriod = 345_600
    maximum_message_size: MessageSize = 1_048_576
    receive_message_wait_time_seconds: WaitTime = 0
    redrive_policy: RedrivePolicy | None = None
    redrive_allow_policy: RedriveAllowPolicy | None = None
    fifo_queue: Annotated[bool, Field(strict=True)] = False
    content_based_deduplication: Annotated[bool, Field(strict=True)] = False
    deduplication_scope: Literal["queue", "messageGroup"] = "queue"
    fifo_throughput_limit: Literal["perQueue", "perMessageGroupId"] = "perQueue"
    policy: dict[str, Any] | str | None = None
    kms_master_key_id: str | None = None
    kms_data_key_reuse_period_seconds: KeyReuse | None = None
    sqs_managed_sse_enabled: Annotated[bool, Field(strict=True)] | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=SQS.tags)] = {}

    @model_validator(mode="after")
    def _fits(self) -> QueueConfig:
        fifo_only = [key for key in _FIFO_KEYS if key in self.model_fields_set]
        if fifo_only and not self.fifo_queue:
            raise ValueError(f"{fifo_only[0]} is for FIFO queues; write fifo_queue: true, or leave it out")
        if self.fifo_throughput_limit == "perMessageGroupId" and self.deduplication_scope != "messageGroup":
            raise ValueError("fifo_throughput_limit perMessageGroupId needs deduplication_scope: messageGroup")
        if self.kms_master_key_id is not None and self.sqs_managed_sse_enabled:
            raise ValueError("kms_master_key_id and sqs_managed_sse_enabled exclude each other; write one of them")
        if self.kms_data_key_reuse_period_seconds is not None and self.kms_master_key_id is None:
            raise ValueError("kms_data_key_reuse_period_seconds needs kms_master_key_id")
        if isinstance(self.policy, str) and not is_json_object(self.policy):
            raise ValueError("policy is not a JSON object; write it as a mapping, or as its JSON text")
        return self


def is_json_object(text: str) -> bool:
    """Whether a text is a JSON object, as a policy must be."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def queue_name_problem(name: str, fifo: bool = False) -> str | None:
    """Why a queue cannot have this name, in one sentence; None when it can.

    Source: Amazon SQS API Reference, CreateQueue, QueueName.
    """
    if not _NAME.fullmatch(name) or len(name) > SQS.queue_name_length:
        longest = SQS.queue_name_length
        return f"{name!r}: a queue's name is 1 to {longest} letters, digits, hyphens and underscores"
    if name.endswith(FIFO_SUFFIX) and not fifo:
        return f"{name!r}: a name that ends in .fifo needs fifo_queue: true; a standard queue's does not end so"
    if fifo and not name.endswith(FIFO_SUFFIX):
        return f"{name!r}: the name of a FIFO queue ends in .fifo"
    return None


_ALWAYS_STORED = {
    "visibility_timeout",
    "delay_seconds",
    "message_retention_period",
    "maximum_message_size",
    "receive_message_wait_time_seconds",
}
_STORED_WHEN_SET = {
    *("fifo_queue", *_FIFO_KEYS, "tags"),
    *("kms_master_key_id", "kms_data_key_reuse_period_seconds", "sqs_managed_sse_enabled"),
}


def queue_resource(names: Names, name: str, config: QueueConfig) -> tuple[str, PutResource]:
    """The ARN of a queue and the command that makes it. Raises UserError for a name that cannot be.

    A queue's dead-letter queue must exist before it: see `in_order`.
    """
    problem = queue_name_problem(name, config.fifo_queue)
    if problem is not None:
        raise UserError(problem, fix="rename the queue")
    stored: dict[str, Any] = config.model_dump(include=_ALWAYS_STORED)
    stored |= config.model_dump(include=_STORED_WHEN_SET, exclude_defaults=True)
    if config.policy is not None:
        stored["policy"] = config.policy if isinstance(config.policy, str) else to_json(config.policy)
    policy = config.redrive_policy
    if policy is not None:
        target = policy.dead_letter_target_arn or names.queue(policy.dead_letter_target or "")
        stored["redrive_policy"] = {
            "dead_letter_target_arn": target,
            "max_receive_count": policy.max_receive_count,
        }
    allow = config.redrive_allow_policy
    if allow is not None:
        sources = [*map(names.queue, allow.source_queues), *allow.source_queue_arns]
        stored["redrive_allow_policy"] = {
            "redrive_permission": allow.redrive_permission,
            "source_queue_arns": sources,
        }
    return names.queue(name), PutResource(KIND, name, stored)


def in_order(queues: Mapping[str, QueueConfig]) -> list[str]:
    """The names with every dead-letter queue before the queues that use it.

    Raises UserError when queues are each other's dead-letter queues in a circle (such a set can be made
    on AWS only by changing a queue afterwards), and when a queue and its dead-letter queue are of two types.
    """
    for name, config in queues.items():
        policy = config.redrive_policy
        letters = queues.get(policy.dead_letter_target or "") if policy is not None else None
        if policy is not None and letters is not None and letters.fifo_queue != config.fifo_queue:
            kind, other = ("FIFO", "standard") if config.fifo_queue else ("standard", "FIFO")
            raise UserError(
                f"{name} is a {kind} queue, and its dead-letter queue {policy.dead_letter_target} a {other} queue",
                fix=f"name a {kind} queue",
            )
    ordered: list[str] = []
    for name in queues:
        path: list[str] = []
        following: str | None = name
        while following is not None and following in queues and following not in ordered:
            if following in path:
                circle = " -> ".join([*path[path.index(following) :], following])
                raise UserError(
                    f"the queues {circle} are each other's dead-letter queues",
                    fix="let the last one have no redrive_policy",
                )
            path.append(following)
            policy = queues[following].redrive_policy
            following = policy.dead_letter_target if policy is not None else None
        ordered += reversed(path)
    return ordered


# --- what decisions use -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Redrive:
    """A redrive policy: the dead-letter queue's ARN, and how often a message is returned before."""

    dead_letter_arn: str
    max_receive_count: int


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """A queue's settings, complete. `allowed_sources` None: any queue may use it as dead-letter queue;
    else the ARNs of those that may. `stored` is the JSON they were read from. Of a FIFO queue: `content_based`
    says that the body gives the deduplication id, `by_group` that an id counts within its group alone."""

    visibility_timeout_ms: int
    delay_ms: int
    retention_ms: int
    maximum_message_size: int
    wait_ms: int
    redrive: Redrive | None
    allowed_sources: tuple[str, ...] | None
    stored: dict[str, Any]
    fifo: bool = False
    content_based: bool = False
    by_group: bool = False


def parse_settings(stored: dict[str, Any]) -> QueueSettings:
    """Settings from a resource row's JSON; a key that is absent has AWS's default."""
    policy = stored.get("redrive_policy")
    redrive = Redrive(policy["dead_letter_target_arn"], int(policy["max_receive_count"])) if policy else None
    allow = stored.get("redrive_allow_policy") or {"redrive_permission": "allowAll"}
    allowed = None if allow["redrive_permission"] == "allowAll" else tuple(allow.get("source_queue_arns", ()))
    return QueueSettings(
        visibility_timeout_ms=1000 * stored.get("visibility_timeout", 30),
        delay_ms=1000 * stored.get("delay_seconds", 0),
        retention_ms=1000 * stored.get("message_retention_period", 345_600),
        maximum_message_size=stored.get("maximum_message_size", 1_048_576),
        wait_ms=1000 * stored.get("receive_message_wait_time_seconds", 0),
        redrive=redrive,
        allowed_sources=allowed,
        stored=stored,
        fifo=bool(stored.get("fifo_queue")),
        content_based=bool(stored.get("content_based_deduplication")),
        by_group=stored.get("deduplication_scope") == "messageGroup",
    )

"""Topics, subscriptions and topic triggers as people write them in YAML.

The models check form and ranges; `topic_resource` and `subscription_resource` turn them into the commands
that make the resources. Names are those of the Amazon SNS API in snake_case.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.filter_policy import ATTRIBUTES
from ...aws.filter_policy_syntax import parse_filter_policy
from ...aws.quantities import Bytes, Seconds, Settings
from ...errors import UserError
from .checks import (
    ARCHIVE_DAYS,
    KEY_CHARACTERS,
    MESSAGE_BYTES,
    TAGS,
    TOPIC_NAME,
    VALUE_CHARACTERS,
    retry_problem,
)
from .settings import SUBSCRIPTION, TOPIC
from .subscriptions import subscription_arn

_NOT_SIMULATED = "encryption and tracing are not simulated: leave it out"


def _policy_text(found: object) -> object:
    """The JSON text of a filter policy: YAML as it is, or a string that is JSON already."""
    if isinstance(found, dict):
        try:
            return json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the filter policy cannot be JSON: {error}") from None
    return found


PolicyText = Annotated[str, BeforeValidator(_policy_text), WithJsonSchema({"type": ["object", "string"]})]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _wire(model: Settings) -> dict[str, Any]:
    """A model under AWS's own names, without what was left out."""
    found: dict[str, Any] = {}
    for name in model.model_fields_set:
        value = getattr(model, name)
        if value is not None:
            found[_camel(name)] = _wire(value) if isinstance(value, Settings) else value
    return dict(sorted(found.items()))


# --- delivery policies --------------------------------------------------------------------------


class RetrySettings(Settings):
    """How requests to an HTTP/S endpoint are retried: without delay, after the least delay, with growing
    delays, after the greatest one. Retries that are in none of the other phases are in the third."""

    min_delay_target: Seconds = 20
    max_delay_target: Seconds = 20
    num_retries: int = 3
    num_no_delay_retries: int = 0
    num_min_delay_retries: int = 0
    num_max_delay_retries: int = 0
    backoff_function: Literal["linear", "arithmetic", "geometric", "exponential"] = "linear"

    @model_validator(mode="after")
    def _valid(self) -> RetrySettings:
        problem = retry_problem(_wire(self))
        if problem is not None:
            raise ValueError(problem)
        return self


class ThrottleSettings(Settings):
    """How many requests a second an endpoint gets at most."""

    max_receives_per_second: Annotated[int, Field(ge=1)]


class RequestSettings(Settings):
    """What requests look like."""

    header_content_type: str


class SubscriptionDeliveryPolicy(Settings):
    """The delivery policy of one HTTP/S subscription."""

    healthy_retry_policy: RetrySettings | None = None
    throttle_policy: ThrottleSettings | None = None
    request_policy: RequestSettings | None = None


class HttpPolicy(Settings):
    """The part of a topic's delivery policy that is about HTTP/S endpoints."""

    default_healthy_retry_policy: RetrySettings | None = None
    disable_subscription_overrides: bool = False
    default_throttle_policy: ThrottleSettings | None = None
    default_request_policy: RequestSettings | None = None


class TopicDeliveryPolicy(Settings):
    """The delivery policy of a topic."""

    http: HttpPolicy


# --- subscriptions ------------------------------------------------------------------------------


class SubscriptionRedrivePolicy(Settings):
    """Where a message goes that a subscription's endpoint did not take: the name of a queue of the project,
    or any queue's ARN."""

    dead_letter_target: str | None = None
    dead_letter_target_arn: str | None = None

    @model_validator(mode="after")
    def _one_target(self) -> SubscriptionRedrivePolicy:
        if (self.dead_letter_target is None) == (self.dead_letter_target_arn is None):
            raise ValueError("name the dead-letter queue once: dead_letter_target or dead_letter_target_arn")
        return self


class ReplayPolicy(Settings):
    """Which messages of a FIFO topic's archive a subscription gets again: ISO-8601 times. With an
    `ending_point` it gets nothing new afterwards."""

    starting_point: str
    ending_point: str | None = None


class _Filtered(Settings):
    """What every subscription may have."""

    filter_policy: PolicyText | None = None
    filter_policy_scope: Literal["MessageAttributes", "MessageBody"] = "MessageAttributes"
    redrive_policy: SubscriptionRedrivePolicy | None = None

    @model_validator(mode="after")
    def _valid_policy(self) -> _Filtered:
        if self.filter_policy is not None:
            parse_filter_policy(self.filter_policy, self.filter_policy_scope)
        return self


class SnsTrigger(_Filtered):
    """A function's trigger of kind `sns`: it subscribes to a topic, by its name in the project or its ARN."""

    sns: str


_ENDPOINTS = ("queue", "function", "endpoint", "email", "email_json", "sms", "arn")
_ARN_PROTOCOLS = {"sqs": "sqs", "lambda": "lambda", "firehose": "firehose"}


class SubscriptionConfig(_Filtered):
    """A subscription of a topic to one of: a queue or a function of the project, an `endpoint` (a URL), an
    address for `email` or `email_json`, a telephone number for `sms`, or the ARN of a queue, a function or a
    Firehose stream."""

    queue: str | None = None
    function: str | None = None
    endpoint: str | None = None
    email: str | None = None
    email_json: str | None = None
    sms: str | None = None
    arn: str | None = None
    raw_message_delivery: bool = False
    delivery_policy: SubscriptionDeliveryPolicy | None = None
    replay_policy: ReplayPolicy | None = None

    @model_validator(mode="after")
    def _one_endpoint(self) -> SubscriptionConfig:
        given = [name for name in _ENDPOINTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a subscription has one of {', '.join(_ENDPOINTS)}")
        if self.endpoint is not None and not re.match(r"https?://[^\s/]", self.endpoint):
            raise ValueError(f"{self.endpoint!r} is not a URL of http or https")
        if self.arn is not None and not re.match(r"arn:aws:(sqs|lambda|firehose):[^:]*:[^:]*:.", self.arn):
            raise ValueError(f"{self.arn!r} is not the ARN of a queue, a function or a Firehose stream")
        if self.delivery_policy is not None and self.endpoint is None:
            raise ValueError("delivery_policy is for endpoints of http and https; queues and functions have AWS's own")
        if self.raw_message_delivery and (self.function is not None or ":lambda:" in (self.arn or "")):
            raise ValueError("raw_message_delivery: functions always get the whole event")
        return self

    def target(self, names: Names) -> tuple[str, str]:
        """Protocol and endpoint, as Subscribe takes them."""
        if self.queue is not None:
            return "sqs", names.queue(self.queue)
        if self.function is not None:
            return "lambda", names.function(self.function)
        if self.endpoint is not None:
            return self.endpoint.partition(":")[0], self.endpoint
        if self.arn is not None:
            return _ARN_PROTOCOLS[self.arn.split(":")[2]], self.arn
        for protocol, address in (("email", self.email), ("email-json", self.email_json), ("sms", self.sms)):
            if address is not None:
                return protocol, address
        raise AssertionError("validated: one of them is there")


# --- topics -------------------------------------------------------------------------------------


class ArchivePolicy(Settings):
    """How many days a FIFO topic keeps its messages for replays."""

    message_retention_period: Annotated[int, Field(ge=ARCHIVE_DAYS.low, le=ARCHIVE_DAYS.high)]


TagKey = Annotated[str, Field(min_length=1, max_length=KEY_CHARACTERS)]
TagValue = Annotated[str, Field(max_length=VALUE_CHARACTERS)]


class TopicConfig(Settings):
    """A topic in the project file. A FIFO topic's name ends in `.fifo`; `fifo_topic` may say so too."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "kms_master_key_id": _NOT_SIMULATED,
        "tracing_config": _NOT_SIMULATED,
        "data_protection_policy": "data protection is not simulated: leave it out",
        "policy": "access policies are not enforced; an SDK can store one with SetTopicAttributes",
    }

    display_name: Annotated[str, Field(max_length=100)] = ""
    fifo_topic: bool | None = None
    content_based_deduplication: bool = False
    fifo_throughput_scope: Literal["Topic", "MessageGroup"] = "Topic"
    signature_version: Literal[1, 2] = 1
    maximum_message_size: Annotated[Bytes, Field(ge=MESSAGE_BYTES.low, le=MESSAGE_BYTES.high)] = 262_144
    delivery_policy: TopicDeliveryPolicy | None = None
    archive_policy: ArchivePolicy | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=TAGS)] = {}
    subscriptions: tuple[SubscriptionConfig, ...] = ()


def topic_name_problem(name: str, config: TopicConfig) -> str | None:
    """Why a topic cannot have this name, in one sentence; None when it can."""
    fifo = name.endswith(".fifo")
    if config.fifo_topic is not None and config.fifo_topic != fifo:
        return f"{name!r}: the name of a FIFO topic ends in .fifo, and no other does"
    if not TOPIC_NAME.fullmatch(name.removesuffix(".fifo")) or len(name) > 256:
        return f"{name!r}: a topic's name is 1 to 256 letters, digits, hyphens and underscores"
    if not fifo and (config.content_based_deduplication or config.archive_policy is not None):
        return f"{name!r}: only a FIFO topic deduplicates and archives; end its name in .fifo"
    return None


def topic_resource(
    names: Names, name: str, config: TopicConfig, *, base_url: str | None = None
) -> tuple[str, PutResource]:
    """The ARN of a topic and the command that makes it, without its subscriptions.

    `base_url` is where the links in its messages lead; None: AWS's own address. Raises UserError for a name
    that cannot be.
    """
    problem = topic_name_problem(name, config)
    if problem is not None:
        raise UserError(problem, fix="rename the topic")
    stored = config.model_dump(exclude_defaults=True, exclude={"delivery_policy", "archive_policy", "subscriptions"})
    stored.pop("fifo_topic", None)
    if "signature_version" in stored:
        stored["signature_version"] = str(stored["signature_version"])
    if name.endswith(".fifo"):
        stored["fifo_topic"] = True
    if config.delivery_policy is not None:
        stored["delivery_policy"] = _wire(config.delivery_policy)
    if config.archive_policy is not None:
        stored["archive_policy"] = {"MessageRetentionPeriod": str(config.archive_policy.message_retention_period)}
    if base_url is not None:
        stored["base_url"] = base_url
    return names.topic(name), PutResource(TOPIC, name, stored)


def subscription_resource(names: Names, topic_arn: str, config: SubscriptionConfig) -> tuple[str, PutResource]:
    """The ARN of a subscription of a topic and the command that makes it. The topic must be there before."""
    protocol, endpoint = config.target(names)
    stored = _stored(names, topic_arn, protocol, endpoint, config)
    if config.raw_message_delivery:
        stored["raw_message_delivery"] = True
    if config.delivery_policy is not None:
        stored["delivery_policy"] = _wire(config.delivery_policy)
    if config.replay_policy is not None:
        replay = config.replay_policy
        stored["replay_policy"] = {"PointType": "Timestamp", "StartingPoint": replay.starting_point}
        if replay.ending_point is not None:
            stored["replay_policy"]["EndingPoint"] = replay.ending_point
    return _command(stored)


def trigger_resource(names: Names, function_name: str, trigger: SnsTrigger) -> tuple[str, PutResource]:
    """The ARN of a topic trigger's subscription and the command that makes it."""
    topic_arn = trigger.sns if trigger.sns.startswith("arn:") else names.topic(trigger.sns)
    return _command(_stored(names, topic_arn, "lambda", names.function(function_name), trigger))


def _stored(names: Names, topic_arn: str, protocol: str, endpoint: str, config: _Filtered) -> dict[str, Any]:
    stored: dict[str, Any] = {"topic_arn": topic_arn, "protocol": protocol, "endpoint": endpoint}
    if config.filter_policy is not None:
        stored["filter_policy"] = config.filter_policy
        if config.filter_policy_scope != ATTRIBUTES:
            stored["filter_policy_scope"] = config.filter_policy_scope
    redrive = config.redrive_policy
    if redrive is not None:
        target = redrive.dead_letter_target_arn or names.queue(redrive.dead_letter_target or "")
        stored["redrive_policy"] = {"deadLetterTargetArn": target}
    return stored


def _command(stored: dict[str, Any]) -> tuple[str, PutResource]:
    arn = subscription_arn(stored["topic_arn"], stored["protocol"], stored["endpoint"])
    return arn, PutResource(SUBSCRIPTION, arn.rsplit(":", 1)[1], stored)

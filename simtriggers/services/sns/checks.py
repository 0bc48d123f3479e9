"""What AWS has against the settings of a topic or a subscription, in its words. Pure.

Checked are the stored forms, so that a project's YAML and an SDK's attributes pass through the same rules.
Source: Amazon SNS API Reference, CreateTopic, Subscribe; Amazon SNS Developer Guide, "Creating an HTTP/S
delivery policy" and "Amazon SNS dead-letter queues"; texts as recorded on AWS, others marked.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...aws.arn import name_of, region_and_account
from ...aws.backoff import BACKOFF_FUNCTIONS, TOTAL_RETRY_TIME_S, delivery_policy_delays
from ...aws.filter_policy import ATTRIBUTES
from ...aws.filter_policy_syntax import FilterPolicyError, check_scope, parse_filter_policy
from ...aws.limits import Limit, Range
from ...kernel.clock import parse_iso
from ...kernel.effects import Refused
from . import errors
from .settings import DEFAULT_MESSAGE_BYTES, RETRY_KEYS, TopicSettings, retry_policy_of

TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
MESSAGE_BYTES = Range(1024, 1_048_576, "Amazon SNS API Reference, SetTopicAttributes, MaximumMessageSize")
LARGE_SUBSCRIPTIONS = Limit(100, "Amazon SNS API Reference, SetTopicAttributes, MaximumMessageSize")
FILTER_POLICIES = Limit(200, "Amazon SNS Developer Guide, Filter policy constraints in Amazon SNS")
ACCOUNT_FILTER_POLICIES = Limit(10_000, "Amazon SNS Developer Guide, Filter policy constraints in Amazon SNS")
FIFO_SUBSCRIPTIONS = Limit(100, "Amazon SNS endpoints and quotas")  # Unverified
ARCHIVE_DAYS = Range(1, 365, "Amazon SNS Developer Guide, Message archiving for FIFO topics")
MAX_DELAY_S = Range(1, 3600, "Amazon SNS Developer Guide, Creating an HTTP/S delivery policy")
MAX_RETRIES = Range(0, 100, "Amazon SNS Developer Guide, Creating an HTTP/S delivery policy")

TAGS = Limit(50, "Amazon SNS Developer Guide, Amazon SNS topic tagging")
KEY_CHARACTERS = Limit(128, "Amazon SNS API Reference, Tag")
VALUE_CHARACTERS = Limit(256, "Amazon SNS API Reference, Tag")

PROTOCOLS = frozenset({"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"})
_LARGE_PROTOCOLS = frozenset({"sqs", "lambda", "firehose"})
_RAW_PROTOCOLS = frozenset({"sqs", "http", "https", "firehose"})
_ENDPOINT_ARNS = {"sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose", "application": "Application"}
_TOPIC_KEYS = frozenset(
    {
        "display_name", "fifo_topic", "content_based_deduplication", "fifo_throughput_scope", "signature_version",
        "maximum_message_size", "delivery_policy", "archive_policy", "policy", "base_url", "tags",
    }
)  # fmt: skip


def subscription_arn_problem(arn: str) -> Refused | None:
    """What AWS says to a text that is no ARN of a subscription; None when it may be one."""
    parts = arn.split(":")
    if len(parts) < 6:
        text = f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {len(parts)}"
        return errors.invalid_parameter(text)
    if parts[2] != "sns":  # Unverified: the text
        return errors.invalid_parameter("SubscriptionArn")
    return errors.invalid_parameter("SubscriptionId") if len(parts) == 6 else None


# --- topics -------------------------------------------------------------------------------------


def check_topic(arn: str, config: dict[str, Any], *, reason: str = "Attributes Reason: ") -> Refused | None:
    """What AWS says against these settings of the topic `arn`; None when they hold."""
    name = name_of(arn)
    fifo = config.get("fifo_topic", False)
    if not TOPIC_NAME.fullmatch(name.removesuffix(".fifo") if fifo else name) or len(name) > 256:
        return errors.invalid_parameter("Topic Name")
    if fifo and not name.endswith(".fifo"):
        return errors.invalid_parameter("Topic Name")
    extra = sorted(config.keys() - _TOPIC_KEYS)
    if extra:
        return errors.not_supported(f"The setting {extra[0]} of a topic")
    if not fifo:
        for key, shown in (
            ("content_based_deduplication", "ContentBasedDeduplication"),
            ("fifo_throughput_scope", "FifoThroughputScope"),
            ("archive_policy", "ArchivePolicy"),
        ):
            if config.get(key):  # Unverified: the text
                return errors.invalid_parameter(f"{reason}{shown} is only valid for FIFO topics")
    return _check_topic_values(config, reason)


def _check_topic_values(config: dict[str, Any], reason: str) -> Refused | None:
    """Unverified: all texts but those of the delivery policy's caller."""
    if len(config.get("display_name", "")) > 100:
        return errors.invalid_parameter(f"{reason}DisplayName must be at most 100 characters")
    if str(config.get("signature_version", "1")) not in ("1", "2"):
        return errors.invalid_parameter(f"{reason}SignatureVersion: Invalid value [{config['signature_version']}].")
    scope = config.get("fifo_throughput_scope", "Topic")
    if scope not in ("Topic", "MessageGroup"):
        return errors.invalid_parameter(f"{reason}FifoThroughputScope: Invalid value [{scope}].")
    size = config.get("maximum_message_size", DEFAULT_MESSAGE_BYTES)
    if size not in MESSAGE_BYTES:
        return errors.invalid_parameter(f"{reason}MaximumMessageSize: Invalid value [{size}].")
    archive = config.get("archive_policy")
    if archive:
        days = str(archive.get("MessageRetentionPeriod", ""))
        if archive.keys() != {"MessageRetentionPeriod"} or not days.isdigit() or int(days) not in ARCHIVE_DAYS:
            return errors.invalid_parameter(f"{reason}ArchivePolicy: MessageRetentionPeriod must be from 1 to 365")
    policy = config.get("policy")
    if policy is not None and not _is_policy(policy):
        return errors.invalid_parameter(f"{reason}Policy Error: null")
    delivery = config.get("delivery_policy")
    return None if not delivery else _check_topic_delivery(delivery, reason)


def _is_policy(text: str) -> bool:
    """Whether a text is an access policy by its form: an object, with a statement or a list of them if any."""
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(policy, dict):
        return False
    statements = policy.get("Statement", [])
    return all(isinstance(each, dict) for each in (statements if isinstance(statements, list) else [statements]))


def _check_topic_delivery(policy: dict[str, Any], reason: str) -> Refused | None:
    known = {
        "defaultHealthyRetryPolicy",
        "disableSubscriptionOverrides",
        "defaultThrottlePolicy",
        "defaultRequestPolicy",
    }
    http = policy.get("http")
    if policy.keys() != {"http"} or not isinstance(http, dict):
        return errors.invalid_parameter(f"{reason}DeliveryPolicy: http must be specified")
    return _check_delivery(
        http,
        known,
        ("defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy"),
        f"{reason}DeliveryPolicy: ",
        "http.",
    )


def with_tags(tags: dict[str, str], added: tuple[tuple[str, str], ...]) -> dict[str, str] | Refused:
    """Tags with others added or changed. Unverified: the texts for keys and values that are too long."""
    if len(dict(added)) < len(added):
        return errors.invalid_parameter("Duplicated keys are not allowed.")
    for key, text in added:
        if not 1 <= len(key) <= KEY_CHARACTERS:
            return errors.validation_error(f"a tag's key has 1 to {KEY_CHARACTERS} characters")
        if len(text) > VALUE_CHARACTERS:
            return errors.validation_error(f"a tag's value has at most {VALUE_CHARACTERS} characters")
    changed = {**tags, **dict(added)}
    if len(changed) > TAGS:
        return errors.too_many_tags()
    return changed


def check_large(size: int, subscriptions: int, others: int, reason: str) -> Refused | None:
    """Whether a topic with so many subscriptions, `others` of them to people and HTTP endpoints, can take messages of
    up to `size` bytes. Unverified: the texts."""
    if size <= DEFAULT_MESSAGE_BYTES:
        return None
    if subscriptions > LARGE_SUBSCRIPTIONS:
        text = f"MaximumMessageSize: the topic has more than {LARGE_SUBSCRIPTIONS} subscriptions"
        return errors.invalid_parameter(f"{reason}{text}")
    if others:
        text = "MaximumMessageSize: the topic has subscriptions that are not of SQS, Lambda or Firehose"
        return errors.invalid_parameter(f"{reason}{text}")
    return None


# --- delivery policies --------------------------------------------------------------------------


def _check_delivery(
    policy: dict[str, Any], known: set[str], names: tuple[str, str, str], before: str, path: str
) -> Refused | None:
    """The three parts of a delivery policy. Unverified: the texts."""
    unknown = sorted(policy.keys() - known)
    if unknown:
        return errors.invalid_parameter(f"{before}Unexpected JSON member: {path}{unknown[0]}")
    if not isinstance(policy.get("disableSubscriptionOverrides", False), bool):
        return errors.invalid_parameter(f"{before}{path}disableSubscriptionOverrides must be true or false")
    for name in names:
        if not isinstance(policy.get(name), dict | None):
            return errors.invalid_parameter(f"{before}{path}{name} must be a JSON object")
    retry, throttle, request = (policy.get(name) or {} for name in names)
    problem = retry_problem(retry)
    if problem is not None:
        return errors.invalid_parameter(f"{before}{path}{names[0]}.{problem}")
    rate = throttle.get("maxReceivesPerSecond")
    if throttle.keys() - {"maxReceivesPerSecond"} or rate is not None and not _whole(rate, 1):
        text = f"{before}{path}{names[1]}.maxReceivesPerSecond must be greater than or equal to 1"
        return errors.invalid_parameter(text)
    content_type = request.get("headerContentType", "text/plain")
    if request.keys() - {"headerContentType"} or not isinstance(content_type, str):
        return errors.invalid_parameter(f"{before}{path}{names[2]}.headerContentType is invalid")
    return None


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def retry_problem(retry: dict[str, Any]) -> str | None:
    """What is wrong with a healthyRetryPolicy, or None."""
    for key, value in retry.items():
        if key not in RETRY_KEYS:
            return f"{key} is unknown"
        if key == "backoffFunction":
            if value not in BACKOFF_FUNCTIONS:
                return f"{key} must be one of {', '.join(BACKOFF_FUNCTIONS)}"
        elif not _whole(value, 0):
            return f"{key} must be greater than or equal to 0"
    policy = retry_policy_of(retry)
    if policy.max_delay_target not in MAX_DELAY_S:
        return f"maxDelayTarget must be between {MAX_DELAY_S.low} and {MAX_DELAY_S.high}"
    if not 1 <= policy.min_delay_target <= policy.max_delay_target:
        return "minDelayTarget must be between 1 and maxDelayTarget"
    if policy.num_retries not in MAX_RETRIES:
        return f"numRetries must be between {MAX_RETRIES.low} and {MAX_RETRIES.high}"
    if policy.backoff_retries < 0:
        return "numRetries must be greater than or equal to the sum of the retries of its phases"
    if sum(count * delay for count, delay in delivery_policy_delays(policy)) > TOTAL_RETRY_TIME_S * 1000:
        return f"numRetries makes the total retry time greater than {TOTAL_RETRY_TIME_S} seconds"
    return None


# --- subscriptions ------------------------------------------------------------------------------


def check_endpoint(topic_arn: str, topic: TopicSettings, protocol: str, endpoint: str) -> Refused | None:
    """Whether the protocol exists, fits the endpoint, and fits the topic."""
    if protocol not in PROTOCOLS:
        return errors.invalid_parameter(f"Amazon SNS does not support this protocol string: {protocol}")
    service = _ENDPOINT_ARNS.get(protocol)
    expected = "sns" if protocol == "application" else protocol
    if service is not None and (endpoint.count(":") < 5 or endpoint.split(":")[2] != expected):
        return errors.invalid_parameter(f"{service} endpoint ARN")
    if protocol in ("http", "https") and not re.fullmatch(rf"{protocol}://[^\s/]+\S*", endpoint):
        return errors.invalid_parameter("Endpoint must match the specified protocol")  # Unverified
    if protocol.startswith("email") and not re.fullmatch(r"[^@\s]+@[^@\s]+", endpoint):
        return errors.invalid_parameter("Email address")  # Unverified
    if protocol == "sms" and not re.fullmatch(r"\+?[0-9 ().-]{3,20}", endpoint):
        return Refused("InvalidParameter", f"Invalid SMS endpoint: {endpoint}")
    fifo_queue = protocol == "sqs" and endpoint.endswith(".fifo")
    if fifo_queue and not topic.fifo:
        text = "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        return errors.invalid_parameter(text)
    if topic.fifo and protocol != "sqs":  # Unverified: the text
        return errors.invalid_parameter("Invalid parameter: Endpoint Reason: Please use SQS queue")
    if topic.maximum_message_size > DEFAULT_MESSAGE_BYTES and protocol not in _LARGE_PROTOCOLS:
        text = f"Protocol Reason: a topic with messages over 256 KB does not support {protocol}"
        return errors.invalid_parameter(text)
    return None


def check_subscription(
    config: dict[str, Any], topic: TopicSettings, *, reason: str = "Attributes Reason: "
) -> Refused | None:
    """What AWS says against a subscription's attributes; its endpoint has been checked."""
    raw = config.get("raw_message_delivery", False)
    if not isinstance(raw, bool):
        return errors.invalid_parameter(f"{reason}RawMessageDelivery: Invalid value [{raw}]. Must be true or false.")
    if raw and config["protocol"] not in _RAW_PROTOCOLS:  # Unverified: the text
        text = f"{reason}RawMessageDelivery: not supported for the protocol {config['protocol']}"
        return errors.invalid_parameter(text)
    try:
        scope = config.get("filter_policy_scope", ATTRIBUTES)
        check_scope(scope)
        if config.get("filter_policy") is not None:
            parse_filter_policy(config["filter_policy"], scope)
    except FilterPolicyError as error:
        return errors.invalid_parameter(f"{reason}{error}")
    if config.get("redrive_policy"):
        problem = _check_redrive(config, topic, f"{reason}RedrivePolicy: ")
        if problem is not None:
            return problem
    delivery = config.get("delivery_policy")
    if delivery:
        if config["protocol"] not in ("http", "https"):  # Unverified: the text
            return errors.invalid_parameter(f"{reason}DeliveryPolicy: only valid for the protocols http and https")
        names = ("healthyRetryPolicy", "throttlePolicy", "requestPolicy")
        problem = _check_delivery(delivery, set(names), names, f"{reason}DeliveryPolicy: ", "")
        if problem is not None:
            return problem
    replay = config.get("replay_policy")
    return None if not replay else _check_replay(replay, topic, reason)


def _check_redrive(config: dict[str, Any], topic: TopicSettings, before: str) -> Refused | None:
    target = config["redrive_policy"].get("deadLetterTargetArn")
    extra = sorted(config["redrive_policy"].keys() - {"deadLetterTargetArn"})
    if extra:  # maxReceiveCount and the like belong to queues
        return errors.invalid_parameter(f"{before}invalid JSON. Attribute {extra[0]} is unknown.")
    if not isinstance(target, str) or target.count(":") < 5 or target.split(":")[2] != "sqs":
        return errors.invalid_parameter(f"{before}deadLetterTargetArn is an invalid arn")
    if region_and_account(target) != region_and_account(config["topic_arn"]):  # Unverified: the text
        text = f"{before}deadLetterTargetArn must be in the account and region of the subscription"
        return errors.invalid_parameter(text)
    fifo = topic.fifo and config["endpoint"].endswith(".fifo")
    if fifo and not target.endswith(".fifo"):
        text = f"{before}must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
        return errors.invalid_parameter(text)
    if not fifo and target.endswith(".fifo"):  # Unverified: the text
        return errors.invalid_parameter(f"{before}must use a standard queue as DLQ for a standard Subscription.")
    return None


def _check_replay(policy: dict[str, Any], topic: TopicSettings, reason: str) -> Refused | None:
    """Unverified: the texts."""
    if topic.archive_days is None:
        return errors.invalid_parameter(f"{reason}ReplayPolicy: the topic has no ArchivePolicy")
    if policy.get("PointType") != "Timestamp" or policy.keys() - {"PointType", "StartingPoint", "EndingPoint"}:
        return errors.invalid_parameter(f"{reason}ReplayPolicy: PointType must be Timestamp")
    try:
        start_ms = parse_iso(policy["StartingPoint"])
        end_ms = parse_iso(policy["EndingPoint"]) if "EndingPoint" in policy else start_ms
    except (KeyError, TypeError, ValueError):
        return errors.invalid_parameter(f"{reason}ReplayPolicy: StartingPoint and EndingPoint must be timestamps")
    if end_ms < start_ms:
        return errors.invalid_parameter(f"{reason}ReplayPolicy: EndingPoint must not be before StartingPoint")
    return None

"""Settings of topics and subscriptions as decisions use them, and AWS's attributes as they are stored.

A resource row holds JSON with AWS's names in snake_case; policies in it are kept as AWS writes them, so that
they can be returned. Source: Amazon SNS API Reference, SetTopicAttributes and SetSubscriptionAttributes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...aws.backoff import HealthyRetryPolicy, http_retry_policy
from ...aws.filter_policy import ATTRIBUTES, FilterPolicy
from ...aws.filter_policy_syntax import parse_filter_policy
from ...kernel.clock import parse_iso
from ...kernel.effects import RetryPolicy

SERVICE_NAME = "sns"
TOPIC, SUBSCRIPTION = "topic", "subscription"

DEFAULT_MESSAGE_BYTES = 262_144
CONTENT_TYPE = "text/plain; charset=UTF-8"

RETRY_KEYS = {
    "minDelayTarget": "min_delay_target",
    "maxDelayTarget": "max_delay_target",
    "numRetries": "num_retries",
    "numNoDelayRetries": "num_no_delay_retries",
    "numMinDelayRetries": "num_min_delay_retries",
    "numMaxDelayRetries": "num_max_delay_retries",
    "backoffFunction": "backoff_function",
}
"""The keys of a healthyRetryPolicy, and the fields of HealthyRetryPolicy."""

DEFAULT_RETRY = HealthyRetryPolicy()


@dataclass(frozen=True, slots=True)
class HttpDelivery:
    """How an HTTP/S endpoint is served: retries, requests a second (None: as they come), Content-Type."""

    retry: RetryPolicy
    max_receives_per_second: int | None
    content_type: str


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """A topic. `archive_days` None: no archive. `base_url` begins the links in what it sends.
    `stored` is the JSON these settings were read from."""

    display_name: str
    fifo: bool
    content_based_deduplication: bool
    deduplicate_per_group: bool
    signature_version: str
    maximum_message_size: int
    http: HttpDelivery
    overrides: bool
    archive_days: int | None
    base_url: str
    stored: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    """Which archived messages a subscription gets again; `end_ms` None: all since, and then new ones."""

    start_ms: int
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """A subscription. `http` None: the topic's. `dead_letter` is a queue's ARN."""

    topic: str
    protocol: str
    endpoint: str
    raw: bool
    filter: FilterPolicy | None
    dead_letter: str | None
    http: HttpDelivery | None
    replay: Replay | None
    stored: dict[str, Any]


def base_url_of(region: str) -> str:
    """Where AWS's links lead in a region."""
    return f"https://sns.{region}.amazonaws.com"


def retry_policy_of(policy: dict[str, Any] | None) -> HealthyRetryPolicy:
    """A healthyRetryPolicy, with AWS's default for what it leaves out."""
    return HealthyRetryPolicy(**{RETRY_KEYS[key]: value for key, value in (policy or {}).items()})


def _http(retry: dict[str, Any] | None, throttle: dict[str, Any], request: dict[str, Any]) -> HttpDelivery:
    return HttpDelivery(
        http_retry_policy(retry_policy_of(retry)),
        throttle.get("maxReceivesPerSecond"),
        request.get("headerContentType", CONTENT_TYPE),
    )


def parse_topic(stored: dict[str, Any]) -> TopicSettings:
    """Settings from a topic row's JSON; a key that is absent has AWS's default."""
    http = (stored.get("delivery_policy") or {}).get("http", {})
    archive = stored.get("archive_policy") or {}
    return TopicSettings(
        display_name=stored.get("display_name", ""),
        fifo=stored.get("fifo_topic", False),
        content_based_deduplication=stored.get("content_based_deduplication", False),
        deduplicate_per_group=stored.get("fifo_throughput_scope", "Topic") == "MessageGroup",
        signature_version=str(stored.get("signature_version", "1")),
        maximum_message_size=stored.get("maximum_message_size", DEFAULT_MESSAGE_BYTES),
        http=_http(
            http.get("defaultHealthyRetryPolicy"),
            http.get("defaultThrottlePolicy") or {},
            http.get("defaultRequestPolicy") or {},
        ),
        overrides=not http.get("disableSubscriptionOverrides", False),
        archive_days=int(archive["MessageRetentionPeriod"]) if archive else None,
        base_url=stored["base_url"],
        stored=stored,
    )


def parse_subscription(stored: dict[str, Any]) -> SubscriptionSettings:
    """Settings from a subscription row's JSON. Its filter policy is compiled here, once per revision."""
    text = stored.get("filter_policy")
    delivery = stored.get("delivery_policy")
    replay = stored.get("replay_policy")
    return SubscriptionSettings(
        topic=stored["topic_arn"],
        protocol=stored["protocol"],
        endpoint=stored["endpoint"],
        raw=stored.get("raw_message_delivery", False),
        filter=None if text is None else parse_filter_policy(text, stored.get("filter_policy_scope", ATTRIBUTES)),
        dead_letter=(stored.get("redrive_policy") or {}).get("deadLetterTargetArn"),
        http=None
        if not delivery
        else _http(
            delivery.get("healthyRetryPolicy"),
            delivery.get("throttlePolicy") or {},
            delivery.get("requestPolicy") or {},
        ),
        replay=None if not replay else _replay(replay),
        stored=stored,
    )


def _replay(policy: dict[str, Any]) -> Replay:
    end = policy.get("EndingPoint")
    return Replay(parse_iso(policy["StartingPoint"]), None if end is None else parse_iso(end))


def http_delivery(topic: TopicSettings, subscription: SubscriptionSettings) -> HttpDelivery:
    """The subscription's own way of delivery, unless it has none or the topic forbids it."""
    return subscription.http if subscription.http is not None and topic.overrides else topic.http


def effective_delivery_policy(topic: TopicSettings) -> str:
    """EffectiveDeliveryPolicy of a topic: what it sets, and AWS's defaults."""
    http = (topic.stored.get("delivery_policy") or {}).get("http", {})
    shown: dict[str, Any] = {
        "defaultHealthyRetryPolicy": _shown_retry(http.get("defaultHealthyRetryPolicy")),
        "disableSubscriptionOverrides": not topic.overrides,
    }
    if http.get("defaultThrottlePolicy"):
        shown["defaultThrottlePolicy"] = http["defaultThrottlePolicy"]
    shown["defaultRequestPolicy"] = {"headerContentType": topic.http.content_type}
    return json.dumps({"http": shown}, separators=(",", ":"))


def effective_subscription_policy(topic: TopicSettings, subscription: SubscriptionSettings) -> str:
    """EffectiveDeliveryPolicy of an HTTP/S subscription."""
    own = subscription.stored.get("delivery_policy") if topic.overrides else None
    http = (topic.stored.get("delivery_policy") or {}).get("http", {})
    retry = own.get("healthyRetryPolicy") if own else http.get("defaultHealthyRetryPolicy")
    throttle = own.get("throttlePolicy") if own else http.get("defaultThrottlePolicy")
    shown = {
        "healthyRetryPolicy": _shown_retry(retry),
        "throttlePolicy": throttle or None,
        "requestPolicy": {"headerContentType": http_delivery(topic, subscription).content_type},
    }
    return json.dumps(shown, separators=(",", ":"))


def _shown_retry(policy: dict[str, Any] | None) -> dict[str, Any]:
    found = retry_policy_of(policy)
    return {key: getattr(found, field) for key, field in RETRY_KEYS.items()}

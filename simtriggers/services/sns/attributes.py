"""AWS's attributes of topics and subscriptions: texts to the JSON that is stored, and back.

Source: Amazon SNS API Reference, CreateTopic, SetTopicAttributes, Subscribe, SetSubscriptionAttributes.
"""

from __future__ import annotations

import json
from typing import Any

from ...aws.arn import region_and_account
from ...aws.filter_policy import ATTRIBUTES
from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import Refused
from . import errors
from .settings import (
    DEFAULT_MESSAGE_BYTES,
    SubscriptionSettings,
    TopicSettings,
    effective_delivery_policy,
    effective_subscription_policy,
)

_TEXT, _FLAG, _NUMBER, _JSON = "text", "flag", "number", "json"

TOPIC_ATTRIBUTES = {
    "DisplayName": ("display_name", _TEXT),
    "FifoTopic": ("fifo_topic", _FLAG),
    "ContentBasedDeduplication": ("content_based_deduplication", _FLAG),
    "FifoThroughputScope": ("fifo_throughput_scope", _TEXT),
    "SignatureVersion": ("signature_version", _TEXT),
    "MaximumMessageSize": ("maximum_message_size", _NUMBER),
    "DeliveryPolicy": ("delivery_policy", _JSON),
    "ArchivePolicy": ("archive_policy", _JSON),
    "Policy": ("policy", _TEXT),
}
SUBSCRIPTION_ATTRIBUTES = {
    "RawMessageDelivery": ("raw_message_delivery", _FLAG),
    "FilterPolicy": ("filter_policy", _TEXT),
    "FilterPolicyScope": ("filter_policy_scope", _TEXT),
    "RedrivePolicy": ("redrive_policy", _JSON),
    "DeliveryPolicy": ("delivery_policy", _JSON),
    "ReplayPolicy": ("replay_policy", _JSON),
    "SubscriptionRoleArn": ("subscription_role_arn", _TEXT),
}
DEFAULTS = {
    "display_name": "",
    "fifo_topic": False,
    "content_based_deduplication": False,
    "fifo_throughput_scope": "Topic",
    "signature_version": "1",
    "maximum_message_size": DEFAULT_MESSAGE_BYTES,
    "raw_message_delivery": False,
    "filter_policy_scope": ATTRIBUTES,
}
"""What a key has that is not stored; one that is not here has nothing then."""
_NOT_SUPPORTED = frozenset({"KmsMasterKeyId", "TracingConfig", "DataProtectionPolicy"})

POLICY_ACTIONS = (
    "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
    "ListSubscriptionsByTopic", "Publish",
)  # fmt: skip
"""What a statement of a topic's policy can be about."""


def with_attribute(
    config: dict[str, Any], known: dict[str, tuple[str, str]], name: str, text: str, *, reason: str
) -> dict[str, Any] | Refused:
    """A configuration with one attribute of AWS's set. An empty text or `{}` takes a policy away.

    `reason` stands between `Invalid parameter: ` and the text: `Attributes Reason: ` when something is made.
    """
    if name in _NOT_SUPPORTED or name.endswith(("FeedbackRoleArn", "FeedbackSampleRate")):
        return errors.not_supported(f"The attribute {name}")
    if name not in known:
        return errors.invalid_parameter("AttributeName" if not reason else f"{reason}Unknown attribute {name}")
    key, form = known[name]
    value: Any = text
    if form == _FLAG:
        if text.lower() not in ("true", "false"):
            return errors.invalid_parameter(f"{reason}{name}: Invalid value [{text}]. Must be true or false.")
        value = text.lower() == "true"
    elif form == _NUMBER:
        if not (text.isascii() and text.isdigit()):
            return errors.invalid_parameter(f"{reason}{name}: Invalid value [{text}].")
        value = int(text)
    elif form == _JSON:
        try:
            value = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return errors.invalid_parameter(f"{reason}{name}: failed to parse JSON.")
        if not isinstance(value, dict):
            return errors.invalid_parameter(f"{reason}{name}: failed to parse JSON.")
    changed = {**config, key: value}
    if value in ("", {}) and key != "display_name" or key == "filter_policy" and value.strip() == "{}":
        del changed[key]
    return changed


def with_attributes(
    config: dict[str, Any], known: dict[str, tuple[str, str]], pairs: tuple[tuple[str, str], ...]
) -> dict[str, Any] | Refused:
    """A new configuration with several attributes set."""
    for name, text in pairs:
        changed = with_attribute(config, known, name, text, reason="Attributes Reason: ")
        if type(changed) is Refused:
            return changed
        assert isinstance(changed, dict)
        config = changed
    return config


def is_same(
    stored: dict[str, Any],
    config: dict[str, Any],
    known: dict[str, tuple[str, str]],
    pairs: tuple[tuple[str, str], ...],
    **defaults: str,
) -> bool:
    """Whether the attributes that a request gives, `config` made of `pairs`, are those of what is there.

    What was never set has its default; `defaults` adds to them. Unverified: JSON counts by its value, not its text.
    """
    absent = {**DEFAULTS, **defaults}
    keys = [known[name][0] for name, _ in pairs]
    return all(_comparable(stored, key, absent) == _comparable(config, key, absent) for key in keys)


def _comparable(settings: dict[str, Any], key: str, absent: dict[str, Any]) -> str:
    value = settings.get(key)
    if value in (None, "", {}):
        value = absent.get(key)
    if key in ("filter_policy", "policy") and value is not None:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    elif key == "signature_version":
        value = str(value)
    return json.dumps(value, sort_keys=True)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else to_json(value) if isinstance(value, dict) else str(value)


def _shown(stored: dict[str, Any], known: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: _text_of(stored[key]) for name, (key, _) in known.items() if stored.get(key) is not None}


def topic_attributes(
    arn: str, settings: TopicSettings, *, confirmed: int, pending: int, deleted: int, archive_begins_ms: int | None
) -> tuple[tuple[str, str], ...]:
    """What GetTopicAttributes shows, all of it text."""
    account = region_and_account(arn)[1]
    found = {
        "TopicArn": arn,
        "Owner": account,
        "DisplayName": settings.display_name,
        "Policy": settings.stored.get("policy") or default_policy(arn, account),
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(pending),
        "SubscriptionsDeleted": str(deleted),
        "EffectiveDeliveryPolicy": effective_delivery_policy(settings),
    }
    if settings.fifo:
        found["ContentBasedDeduplication"] = _text_of(settings.content_based_deduplication)
        found["FifoThroughputScope"] = "MessageGroup" if settings.deduplicate_per_group else "Topic"
    if archive_begins_ms is not None:
        found["BeginningArchiveTime"] = iso_ms(archive_begins_ms)
    return tuple({**found, **_shown(settings.stored, TOPIC_ATTRIBUTES)}.items())


def default_policy(arn: str, account: str) -> str:
    """The access policy that a topic has by itself. Policies are kept and shown, not enforced."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in POLICY_ACTIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return to_json({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def subscription_attributes(
    arn: str,
    settings: SubscriptionSettings,
    topic: TopicSettings,
    *,
    pending: bool,
    authenticated: bool,
    replay_status: str | None,
) -> tuple[tuple[str, str], ...]:
    """What GetSubscriptionAttributes shows. The scope is shown only while a filter policy is set."""
    account = region_and_account(settings.topic)[1]
    found = {
        "SubscriptionArn": arn,
        "TopicArn": settings.topic,
        "Owner": account,
        "SubscriptionPrincipal": f"arn:aws:iam::{account}:user/simtriggers",
        "Protocol": settings.protocol,
        "Endpoint": settings.endpoint,
        "PendingConfirmation": _text_of(pending),
        "ConfirmationWasAuthenticated": _text_of(authenticated),
        "RawMessageDelivery": "false",
        **_shown(settings.stored, SUBSCRIPTION_ATTRIBUTES),
    }
    if settings.filter is None:
        found.pop("FilterPolicyScope", None)
    else:
        found["FilterPolicyScope"] = settings.stored.get("filter_policy_scope", ATTRIBUTES)
    if settings.protocol in ("http", "https"):
        found["EffectiveDeliveryPolicy"] = effective_subscription_policy(topic, settings)
    if replay_status is not None:
        found["ReplayStatus"] = replay_status
    return tuple(found.items())

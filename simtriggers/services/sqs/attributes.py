"""Queue attributes on the wire, where every value is a text, and the settings that are stored. Pure.

Source: Amazon SQS API Reference, CreateQueue, SetQueueAttributes and GetQueueAttributes.
"""

from __future__ import annotations

import json
from typing import Any

from ...kernel.codec import to_json
from ...kernel.effects import Refused
from . import errors
from .config import is_json_object

_NUMBERS = {
    "VisibilityTimeout": "visibility_timeout",
    "DelaySeconds": "delay_seconds",
    "MessageRetentionPeriod": "message_retention_period",
    "MaximumMessageSize": "maximum_message_size",
    "ReceiveMessageWaitTimeSeconds": "receive_message_wait_time_seconds",
    "KmsDataKeyReusePeriodSeconds": "kms_data_key_reuse_period_seconds",
}
_FLAGS = {
    "FifoQueue": "fifo_queue",
    "ContentBasedDeduplication": "content_based_deduplication",
    "SqsManagedSseEnabled": "sqs_managed_sse_enabled",
}
_TEXTS = {
    "DeduplicationScope": "deduplication_scope",
    "FifoThroughputLimit": "fifo_throughput_limit",
    "KmsMasterKeyId": "kms_master_key_id",
}
_REDRIVE = {"deadLetterTargetArn": "dead_letter_target_arn", "maxReceiveCount": "max_receive_count"}
_ALLOW = {"redrivePermission": "redrive_permission", "sourceQueueArns": "source_queue_arns"}
_REMOVABLE = ("RedrivePolicy", "RedriveAllowPolicy", "Policy", "KmsMasterKeyId")
"""What an empty text removes."""

UNSET_ATTRIBUTES = frozenset(
    {
        *("RedrivePolicy", "RedriveAllowPolicy", "Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"),
        *("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"),
    }
)
"""What a queue may have and does not show while it is not set."""

DEFAULTS: dict[str, Any] = {
    "visibility_timeout": 30,
    "delay_seconds": 0,
    "message_retention_period": 345_600,
    "maximum_message_size": 1_048_576,
    "receive_message_wait_time_seconds": 0,
    "kms_data_key_reuse_period_seconds": 300,
    "fifo_queue": False,
    "content_based_deduplication": False,
    "deduplication_scope": "queue",
    "fifo_throughput_limit": "perQueue",
    "sqs_managed_sse_enabled": True,
}
"""What holds for a setting that is not stored. Source: recorded from a queue made without attributes."""


def key_of(name: str) -> str | None:
    """The stored setting of an attribute; None for one that does not exist or cannot be set."""
    policies = {"RedrivePolicy": "redrive_policy", "RedriveAllowPolicy": "redrive_allow_policy", "Policy": "policy"}
    return _NUMBERS.get(name) or _FLAGS.get(name) or _TEXTS.get(name) or policies.get(name)


def parse(pairs: tuple[tuple[str, str], ...]) -> dict[str, Any] | Refused:
    """Stored settings from attributes; None is the value of a setting that an empty text removes.

    Ranges and what fits to what are checked with the settings as a whole.
    """
    settings: dict[str, Any] = {}
    for name, text in pairs:
        key = key_of(name)
        if key is None:
            return errors.unknown_attribute(name)
        if text == "" and name in _REMOVABLE:
            settings[key] = None
            continue
        value = _value(name, text)
        if isinstance(value, Refused):
            return value
        settings[key] = value
    return settings


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        plain = text.strip()
        return int(plain) if plain.isascii() and plain.isdigit() else errors.invalid_attribute(name)
    if name in _FLAGS:
        if name == "FifoQueue" and text.lower() == "false":
            return errors.unknown_attribute(name)
        lower = text.lower()
        return lower == "true" if lower in ("true", "false") else errors.invalid_attribute(name)
    if name in _TEXTS:
        return text
    if name == "Policy":
        return text if is_json_object(text) else errors.invalid_attribute(name)
    return _policy(name, text, _REDRIVE if name == "RedrivePolicy" else _ALLOW)


def _policy(name: str, text: str, keys: dict[str, str]) -> dict[str, Any] | Refused:
    """A redrive policy or redrive allow policy, its keys as they are stored. Unverified: the texts of errors."""
    if not is_json_object(text):
        words = "Redrive policy" if name == "RedrivePolicy" else "Redrive allow policy"
        return errors.invalid_parameter(name, text, f"{words} is not a valid JSON map.")
    found: dict[str, Any] = json.loads(text)
    unknown = [key for key in found if key not in keys]
    if unknown:
        return errors.invalid_parameter(name, text, f"Unexpected attribute: {unknown[0]}.")
    return canonical({keys[key]: value for key, value in found.items()})


def canonical(policy: dict[str, Any]) -> dict[str, Any]:
    """A policy in the one form in which equal policies are equal: a count that is given as a text as its number,
    and no empty list of sources."""
    found = {key: one for key, one in policy.items() if one != []}
    count = found.get("max_receive_count")
    if isinstance(count, str) and count.isascii() and count.isdigit():
        found["max_receive_count"] = int(count)
    return found


def merged(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Stored settings after changes. Naming a KMS key switches SQS's own encryption off, and the other way round
    when only one of them is named."""
    settings = {**stored, **changes}
    if changes.get("kms_master_key_id") and "sqs_managed_sse_enabled" not in changes:
        settings.pop("sqs_managed_sse_enabled", None)
    if changes.get("sqs_managed_sse_enabled") and "kms_master_key_id" not in changes:
        settings.pop("kms_master_key_id", None)
    return {key: value for key, value in settings.items() if value is not None}


def differing(stored: dict[str, Any], pairs: tuple[tuple[str, str], ...], wanted: dict[str, Any]) -> str | None:
    """The first of the attributes that has another value than the queue, or None."""
    for name, _ in pairs:
        key = key_of(name)
        assert key is not None, "unknown attributes are refused before"
        there = stored.get(key, DEFAULTS.get(key))
        if wanted[key] != (canonical(there) if isinstance(there, dict) else there):
            return name
    return None


def shown(stored: dict[str, Any]) -> dict[str, str]:
    """The attributes that depend on more than a number, as GetQueueAttributes shows them."""
    found: dict[str, str] = {}
    key = stored.get("kms_master_key_id")
    if key:
        found["KmsMasterKeyId"] = key
        reuse = stored.get("kms_data_key_reuse_period_seconds", DEFAULTS["kms_data_key_reuse_period_seconds"])
        found["KmsDataKeyReusePeriodSeconds"] = str(reuse)
    managed = not key and stored.get("sqs_managed_sse_enabled", True)
    found["SqsManagedSseEnabled"] = "true" if managed else "false"
    if stored.get("fifo_queue"):
        found["FifoQueue"] = "true"
        found["DeduplicationScope"] = stored.get("deduplication_scope", DEFAULTS["deduplication_scope"])
        found["FifoThroughputLimit"] = stored.get("fifo_throughput_limit", DEFAULTS["fifo_throughput_limit"])
        content_based = stored.get("content_based_deduplication", False)
        found["ContentBasedDeduplication"] = "true" if content_based else "false"
    policy = stored.get("redrive_policy")
    if policy is not None:
        target, count = policy["dead_letter_target_arn"], int(policy["max_receive_count"])
        found["RedrivePolicy"] = to_json({"deadLetterTargetArn": target, "maxReceiveCount": count})
    allow = stored.get("redrive_allow_policy")
    if allow is not None:
        document = {"redrivePermission": allow["redrive_permission"]}
        if allow.get("source_queue_arns"):
            document["sourceQueueArns"] = allow["source_queue_arns"]
        found["RedriveAllowPolicy"] = to_json(document)
    if stored.get("policy"):
        found["Policy"] = stored["policy"]
    return found

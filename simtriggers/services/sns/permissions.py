"""AddPermission and RemovePermission: statements of a topic's access policy, which is kept and not enforced.

Source: Amazon SNS API Reference, AddPermission and RemovePermission.
"""

from __future__ import annotations

import json
from typing import Any

from ...aws.arn import region_and_account
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Resource
from . import attributes, errors
from .commands import AddPermission, RemovePermission
from .topics import TopicView, put_topic


def _statements(topic: Resource) -> dict[str, Any]:
    text = topic.config.stored.get("policy") or attributes.default_policy(topic.arn, region_and_account(topic.arn)[1])
    policy: dict[str, Any] = json.loads(text)
    listed = policy.get("Statement", [])
    return {**policy, "Statement": listed if isinstance(listed, list) else [listed]}


def decide_add(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """AddPermission: replies with None. Unverified: the text for a label that there is already."""
    command: AddPermission = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    if not command.label or not command.aws_account_ids or not command.action_names:
        return Decision(reply=errors.validation_error("label, account ids and action names must not be empty"))
    if not set(command.action_names) <= set(attributes.POLICY_ACTIONS):
        return Decision(reply=errors.invalid_parameter("Policy statement action out of service scope!"))
    policy = _statements(view.topic)
    if any(statement.get("Sid") == command.label for statement in policy["Statement"]):
        return Decision(reply=errors.invalid_parameter("Statement already exists"))
    principals = [f"arn:aws:iam::{account}:root" for account in command.aws_account_ids]
    actions = [f"SNS:{name}" for name in command.action_names]
    policy["Statement"].append(
        {
            "Sid": command.label,
            "Effect": "Allow",
            "Principal": {"AWS": principals if len(principals) > 1 else principals[0]},
            "Action": actions if len(actions) > 1 else actions[0],
            "Resource": entry.arn,
        }
    )
    return _set(view, view.topic, entry, policy, now_ms=now_ms, ids=ids)


def decide_remove(view: TopicView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemovePermission: replies with None, also when no statement has the label."""
    command: RemovePermission = entry.command
    if view.topic is None:
        return Decision(reply=errors.no_such_topic())
    policy = _statements(view.topic)
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != command.label]
    if len(kept) == len(policy["Statement"]):
        return Decision()
    return _set(view, view.topic, entry, {**policy, "Statement": kept}, now_ms=now_ms, ids=ids)


def _set(view: TopicView, topic: Resource, entry: Entry, policy: dict[str, Any], *, now_ms: int, ids: Ids) -> Decision:
    config = {**topic.config.stored, "policy": json.dumps(policy, separators=(",", ":"))}
    decision = put_topic(
        view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )
    decision.reply = None
    return decision

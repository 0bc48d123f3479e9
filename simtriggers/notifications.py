"""What can be asked of topics, of their subscriptions, and of SNS itself, as operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .aws.arn import Names
from .operations import MessageAttributes, Operation, as_text, attributes, fault
from .services.sns import checks, errors
from .services.sns import commands as sns


def _same(reply: Any) -> Any:
    return reply


def _subscription(arn: str) -> str:
    """The ARN of a subscription as a request gives it. Raises AwsFault when it cannot be one."""
    problem = checks.subscription_arn_problem(arn)
    if problem is not None:
        raise fault(problem)
    return arn


class TopicOperations:
    """Operations of one topic and of its subscriptions, which are named by their ARNs."""

    def __init__(self, names: Names, name: str) -> None:
        self.name = name
        self.arn = names.topic(name)

    def publish(
        self,
        message: Any,
        *,
        subject: str | None = None,
        message_structure: Literal["json"] | None = None,
        message_attributes: MessageAttributes | None = None,
        message_group_id: str | None = None,
        message_deduplication_id: str | None = None,
    ) -> Operation[sns.PublishResult]:
        """Publish. A message that is no text is published as JSON."""
        entry = sns.PublishEntry(
            as_text(message),
            subject=subject,
            message_structure=message_structure,
            message_attributes=attributes(message_attributes, errors.invalid_value),
            message_group_id=message_group_id,
            message_deduplication_id=message_deduplication_id,
        )
        return Operation(self.arn, sns.Publish(entry), _same)

    def publish_batch(self, entries: list[sns.PublishEntry]) -> Operation[sns.PublishBatchResult]:
        """PublishBatch of 1 to 10 entries, each with an id."""
        return Operation(self.arn, sns.PublishBatch(tuple(entries)), _same)

    def attributes(self) -> Operation[dict[str, str]]:
        """GetTopicAttributes: texts by AWS's names."""
        return Operation(self.arn, sns.GetTopicAttributes(), lambda reply: dict(reply.attributes))

    def set_attribute(self, name: str, value: str) -> Operation[None]:
        """SetTopicAttributes: one of them; an empty text removes a policy."""
        return Operation(self.arn, sns.SetTopicAttributes(name, value), _same)

    def tags(self) -> Operation[dict[str, str]]:
        """ListTagsForResource."""
        return Operation(self.arn, sns.ListTagsForResource(), lambda reply: dict(reply.tags))

    def tag(self, tags: Mapping[str, str]) -> Operation[None]:
        """TagResource."""
        return Operation(self.arn, sns.TagResource(tuple(tags.items())), _same)

    def untag(self, keys: Iterable[str]) -> Operation[None]:
        """UntagResource."""
        return Operation(self.arn, sns.UntagResource(tuple(keys)), _same)

    def add_permission(self, label: str, account_ids: Iterable[str], actions: Iterable[str]) -> Operation[None]:
        """AddPermission: a statement of the topic's policy, which is kept and not enforced."""
        return Operation(self.arn, sns.AddPermission(label, tuple(account_ids), tuple(actions)), _same)

    def remove_permission(self, label: str) -> Operation[None]:
        """RemovePermission."""
        return Operation(self.arn, sns.RemovePermission(label), _same)

    def subscriptions(self, next_token: str | None = None) -> Operation[sns.Subscriptions]:
        """ListSubscriptionsByTopic: up to 100, and the token of the next page."""
        return Operation(self.arn, sns.ListSubscriptionsByTopic(next_token), _same)

    def subscribe(
        self,
        protocol: str,
        endpoint: str,
        attributes: Mapping[str, str] | None = None,
        *,
        return_subscription_arn: bool = False,
    ) -> Operation[str]:
        """Subscribe: the subscription's ARN, or `pending confirmation`. Attributes have AWS's names."""
        command = sns.Subscribe(protocol, endpoint, tuple((attributes or {}).items()), return_subscription_arn)
        return Operation(self.arn, command, _same)

    def confirm_subscription(self, token: str, *, authenticate_on_unsubscribe: bool = False) -> Operation[str]:
        """ConfirmSubscription with the token that the endpoint was sent; the subscription's ARN."""
        return Operation(self.arn, sns.ConfirmSubscription(token, authenticate_on_unsubscribe), _same)

    def unsubscribe(self, subscription_arn: str) -> Operation[None]:
        """Unsubscribe; fine for one that does not exist, as on AWS."""
        return Operation(_subscription(subscription_arn), sns.Unsubscribe(), _same)

    def subscription_attributes(self, subscription_arn: str) -> Operation[dict[str, str]]:
        """GetSubscriptionAttributes: texts by AWS's names."""
        return Operation(
            _subscription(subscription_arn), sns.GetSubscriptionAttributes(), lambda reply: dict(reply.attributes)
        )

    def set_subscription_attribute(self, subscription_arn: str, name: str, value: str) -> Operation[None]:
        """SetSubscriptionAttributes: one of them."""
        return Operation(_subscription(subscription_arn), sns.SetSubscriptionAttributes(name, value), _same)


class NotificationOperations:
    """Operations of SNS that belong to no topic."""

    def __init__(self, names: Names) -> None:
        self.name = "sns"
        self.arn = names.service("sns")

    def publish_to_phone(
        self, phone_number: str, message: Any, *, message_attributes: MessageAttributes | None = None
    ) -> Operation[sns.PublishResult]:
        """Publish with PhoneNumber (`+` and digits): an OutboxEntry row holds what would be sent."""
        entry = sns.PublishEntry(
            as_text(message), message_attributes=attributes(message_attributes, errors.invalid_value)
        )
        return Operation(self.arn, sns.PublishToPhone(phone_number, entry), _same)

    def topics(self, next_token: str | None = None) -> Operation[sns.Listed]:
        """ListTopics: up to 100 ARNs, and the token of the next page."""
        return Operation(self.arn, sns.ListTopics(next_token), _same)

    def subscriptions(self, next_token: str | None = None) -> Operation[sns.Subscriptions]:
        """ListSubscriptions: up to 100 of all topics, and the token of the next page."""
        return Operation(self.arn, sns.ListSubscriptions(next_token), _same)

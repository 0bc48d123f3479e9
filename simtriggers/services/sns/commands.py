"""What can be asked of a topic or a subscription, and what it answers.

Names and members are those of the Amazon SNS API in snake_case. Commands of a topic go to its ARN, those of
a subscription to the subscription's, and lists over all topics to the service's own. A message attribute is
a triple (name, data type, value), with base64 text as the value of a Binary type.
"""

from __future__ import annotations

from ...aws.digests import Attribute
from ...kernel.codec import Overdue, command, value

# --- publishing ---------------------------------------------------------------------------------


@value
class PublishEntry:
    """One message. `id` is the publisher's own name for it in a batch, and empty outside of one.

    `message_structure` is None or `json`; `trace_header` is an X-Ray header that goes along to queues.
    """

    message: str
    id: str = ""
    subject: str | None = None
    message_structure: str | None = None
    message_attributes: tuple[Attribute, ...] = ()
    message_group_id: str | None = None
    message_deduplication_id: str | None = None
    trace_header: str | None = None


@command(Overdue.RUN)
class Publish:
    """Publish a message to the topic; answered with PublishResult."""

    entry: PublishEntry


@command(Overdue.RUN)
class PublishBatch:
    """Publish 1 to 10 messages; answered with PublishBatchResult."""

    entries: tuple[PublishEntry, ...]


@command(Overdue.RUN)
class PublishToPhone:
    """Publish a text message to a telephone number (`+` and digits); to the service's ARN, answered with
    PublishResult."""

    phone_number: str
    entry: PublishEntry


@value
class PublishResult:
    """A message was accepted; `sequence_number` has 20 digits on a FIFO topic and is None on others."""

    message_id: str
    sequence_number: str | None = None
    id: str = ""


@value
class PublishFailure:
    """An entry that was refused, in AWS's words."""

    id: str
    code: str
    message: str
    sender_fault: bool = True


@value
class PublishBatchResult:
    """The answer to a batch: each entry is in one of the two."""

    successful: tuple[PublishResult, ...]
    failed: tuple[PublishFailure, ...]


# --- topics -------------------------------------------------------------------------------------


@command(Overdue.RUN)
class CreateTopic:
    """Make the topic of this ARN, from (name, text) pairs of AWS's attributes; answered with its ARN (str).

    One that exists is left as it is, and refused when its attributes or tags differ from these.
    """

    attributes: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


@command(Overdue.RUN)
class SetTopicAttributes:
    """Change one attribute of the topic; answered with None."""

    attribute_name: str
    attribute_value: str


@command(Overdue.RUN)
class GetTopicAttributes:
    """Settings and counts; answered with Attributes."""


@value
class Attributes:
    """(name, text) pairs under AWS's names."""

    attributes: tuple[tuple[str, str], ...]


@command(Overdue.RUN)
class ListTopics:
    """All topics, 100 to a page; to the service's ARN, answered with Listed."""

    next_token: str | None = None


@value
class Listed:
    """ARNs in order; `next_token` asks for the following page, None: there is none."""

    arns: tuple[str, ...]
    next_token: str | None = None


@command(Overdue.RUN)
class AddPermission:
    """Add a statement to the topic's policy; answered with None."""

    label: str
    aws_account_ids: tuple[str, ...]
    action_names: tuple[str, ...]


@command(Overdue.RUN)
class RemovePermission:
    """Take the statement of that label away; answered with None."""

    label: str


@command(Overdue.RUN)
class TagResource:
    """Add tags to the topic or change their values; answered with None."""

    tags: tuple[tuple[str, str], ...]


@command(Overdue.RUN)
class UntagResource:
    """Take tags away; those that are not there are passed over. Answered with None."""

    keys: tuple[str, ...]


@command(Overdue.RUN)
class ListTagsForResource:
    """The topic's tags; answered with Tags."""


@value
class Tags:
    """A topic's tags, by key."""

    tags: tuple[tuple[str, str], ...]


@command(Overdue.RUN)
class GetDataProtectionPolicy:
    """The topic's data protection policy, which no topic has here; answered with an empty text."""


@command(Overdue.RUN)
class PutDataProtectionPolicy:
    """Set a data protection policy; refused, since nothing is masked here."""

    data_protection_policy: str


# --- subscriptions ------------------------------------------------------------------------------


@command(Overdue.RUN)
class Subscribe:
    """Subscribe an endpoint to the topic; answered with its ARN (str), or `pending confirmation`."""

    protocol: str
    endpoint: str
    attributes: tuple[tuple[str, str], ...] = ()
    return_subscription_arn: bool = False


@command(Overdue.RUN)
class ConfirmSubscription:
    """Confirm the subscription that the token was sent for; to the topic, answered with its ARN (str)."""

    token: str
    authenticate_on_unsubscribe: bool = False


@command(Overdue.RUN)
class Unsubscribe:
    """End the subscription; answered with None, also when there is none."""


@command(Overdue.RUN)
class SetSubscriptionAttributes:
    """Change one attribute of the subscription; answered with None."""

    attribute_name: str
    attribute_value: str


@command(Overdue.RUN)
class GetSubscriptionAttributes:
    """Settings and state of the subscription; answered with Attributes."""


@command(Overdue.RUN)
class ListSubscriptionsByTopic:
    """The topic's subscriptions, 100 to a page; answered with Subscriptions."""

    next_token: str | None = None


@command(Overdue.RUN)
class ListSubscriptions:
    """All subscriptions, 100 to a page; to the service's ARN, answered with Subscriptions."""

    next_token: str | None = None


@value
class Subscription:
    """One line of a list; `subscription_arn` is `PendingConfirmation` until it is confirmed. `token` is what
    was sent for its confirmation: AWS never shows it, a scenario confirms with it."""

    subscription_arn: str
    topic_arn: str
    protocol: str
    endpoint: str
    owner: str
    token: str | None = None


@value
class Subscriptions:
    """Subscriptions in the order in which they were made; `next_token` asks for the following page."""

    subscriptions: tuple[Subscription, ...]
    next_token: str | None = None


# --- what SNS says to itself --------------------------------------------------------------------


@command(Overdue.RUN)
class SendRequest:
    """A request to an HTTP endpoint is due: the first of a throttled subscription, or a retry."""

    request_id: str


@command(Overdue.RUN)
class ReplayMessages:
    """Go on with the replay of a subscription, after the archived message numbered `after`, up to `last`."""

    after: int
    last: int

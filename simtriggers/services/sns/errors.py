"""The errors of Amazon SNS as values, in AWS's words.

Source: Amazon SNS API Reference, the Errors section of each action; texts as recorded on AWS.
"""

from __future__ import annotations

from ...aws.limits import Limit
from ...kernel.effects import Refused

BATCH_ENTRIES = Limit(10, "Amazon SNS API Reference, PublishBatch")


def invalid_parameter(text: str) -> Refused:
    """InvalidParameter, `Invalid parameter: ` and a text."""
    return Refused("InvalidParameter", f"Invalid parameter: {text}")


def invalid_value(text: str) -> Refused:
    """ParameterValueInvalid with its text alone: for message attributes."""
    return Refused("ParameterValueInvalid", text)


def validation_error(text: str) -> Refused:
    """ValidationError: a member that the API's model requires is missing."""
    return Refused("ValidationError", f"1 validation error detected: {text}")


def no_such_topic() -> Refused:
    """The ARN names no topic."""
    return Refused("NotFound", "Topic does not exist", status=404)


def no_such_subscription() -> Refused:
    """The ARN names no subscription."""
    return Refused("NotFound", "Subscription does not exist", status=404)


def no_such_resource() -> Refused:
    """The ARN whose tags are asked for names no topic."""
    return Refused("ResourceNotFound", "Resource does not exist", status=404)


def too_many_tags() -> Refused:
    """A topic's tags would be more than 50."""
    return Refused("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")


def bad_token() -> Refused:
    """A NextToken that no page had. Unverified: the text."""
    return invalid_parameter("NextToken")


def filter_policy_limit(limit: int) -> Refused:
    """One filter policy more than a topic or an account may have. Unverified: the text."""
    message = f"The number of filter policies may not be greater than {limit}"
    return Refused("FilterPolicyLimitExceeded", message, status=403)


def subscription_limit(limit: int) -> Refused:
    """One subscription more than a topic may have. Unverified: the text."""
    message = f"The number of subscriptions of a topic may not be greater than {limit}"
    return Refused("SubscriptionLimitExceeded", message, status=403)


def empty_batch() -> Refused:
    """A batch without entries."""
    return Refused("EmptyBatchRequest", "The batch request doesn't contain any entries.")


def too_many_entries() -> Refused:
    """A batch of more than 10."""
    return Refused("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")


def invalid_batch_id(name: str) -> Refused:
    """An entry's id is not 1 to 80 letters, digits, hyphens and underscores."""
    return Refused("InvalidBatchEntryId", f"The batch entry id contains an impermissible character: {name}")


def ids_not_distinct() -> Refused:
    """Two entries of a batch have the same id."""
    return Refused("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")


def batch_too_long(limit: int) -> Refused:
    """The messages of a batch are together too long; none of them is published."""
    message = f"The length of all the messages put together is more than the limit of {limit} bytes."
    return Refused("BatchRequestTooLong", message)


def not_supported(what: str) -> Refused:
    """Something that AWS can do and this simulator not: never accepted and ignored."""
    return Refused("UnsupportedOperation", f"{what} is not supported by simtriggers.")

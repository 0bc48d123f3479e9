"""AWS's quotas, as data: each is an int that knows the page it comes from. Never enforces anything.

A `Limit` is used as the number it is; messages to users are built from it, so that changing a number
here changes both the rule and its text.
"""

from __future__ import annotations

_QUOTAS_MESSAGES = "Amazon SQS Developer Guide, Amazon SQS message quotas"
_QUOTAS_QUEUES = "Amazon SQS Developer Guide, Amazon SQS standard queue quotas"
_SET_ATTRIBUTES = "Amazon SQS API Reference, SetQueueAttributes"
_RECEIVE = "Amazon SQS API Reference, ReceiveMessage"


class Limit(int):
    """A number with the name of the page that states it, in `source`."""

    source: str

    def __new__(cls, number: int, source: str) -> Limit:
        """The limit `number`, stated by the AWS page `source`."""
        limit = super().__new__(cls, number)
        limit.source = source
        return limit

    def __deepcopy__(self, memo: object) -> Limit:
        return self


class Range:
    """The least and the greatest value of a setting, both allowed, with the page that states them."""

    __slots__ = ("high", "low", "source")

    def __init__(self, low: int, high: int, source: str) -> None:
        self.low = low
        self.high = high
        self.source = source

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.low <= number <= self.high


class SQS:
    """Amazon SQS. Durations are seconds, sizes are bytes, as in AWS's own settings."""

    visibility_timeout_s = Range(0, 43_200, _SET_ATTRIBUTES)
    message_retention_period_s = Range(60, 1_209_600, _SET_ATTRIBUTES)
    delay_s = Range(0, 900, _SET_ATTRIBUTES)
    wait_time_s = Range(0, 20, _SET_ATTRIBUTES)
    maximum_message_size = Range(1024, 1_048_576, _SET_ATTRIBUTES)
    max_receive_count = Range(1, 1000, "Amazon SQS Developer Guide, Using dead-letter queues")
    redrive_source_queues = Limit(10, "Amazon SQS API Reference, SetQueueAttributes, RedriveAllowPolicy")
    received_messages = Range(1, 10, _RECEIVE)
    polled_messages = Limit(10_000, "AWS Lambda Developer Guide, Using Lambda with Amazon SQS, BatchSize")
    polled_bytes = Limit(6 * 1024 * 1024, "AWS Lambda Developer Guide, Lambda quotas, invocation payload")
    batch_entries = Limit(10, _QUOTAS_MESSAGES)
    batch_bytes = Limit(1_048_576, _QUOTAS_MESSAGES)
    message_attributes = Limit(10, _QUOTAS_MESSAGES)
    attribute_name_length = Limit(256, "Amazon SQS Developer Guide, Amazon SQS message metadata")
    attribute_type_length = Limit(256, "Amazon SQS Developer Guide, Amazon SQS message metadata")
    number_digits = Limit(38, "Amazon SQS Developer Guide, Amazon SQS message metadata")
    in_flight = Limit(120_000, "Amazon SQS Developer Guide, Amazon SQS visibility timeout")
    purge_interval_s = Limit(60, "Amazon SQS API Reference, PurgeQueue")
    queue_name_length = Limit(80, _QUOTAS_QUEUES)
    group_id_length = Limit(128, "Amazon SQS API Reference, SendMessage, MessageGroupId")
    deduplication_s = Limit(300, "Amazon SQS Developer Guide, Using the message deduplication ID")
    receive_attempt_s = Limit(300, "Amazon SQS API Reference, ReceiveMessage, ReceiveRequestAttemptId")
    recreation_s = Limit(60, "Amazon SQS API Reference, CreateQueue, QueueDeletedRecently")
    kms_reuse_s = Range(60, 86_400, _SET_ATTRIBUTES)
    listed_queues = Range(1, 1000, "Amazon SQS API Reference, ListQueues, MaxResults")
    tags = Limit(50, "Amazon SQS API Reference, TagQueue")
    tag_key_length = Limit(128, "AWS General Reference, Tagging your AWS resources")
    tag_value_length = Limit(256, "AWS General Reference, Tagging your AWS resources")
    moved_per_second = Range(1, 500, "Amazon SQS API Reference, StartMessageMoveTask")
    move_tasks = Limit(100, "Amazon SQS Developer Guide, dead-letter queue redrive")
    move_task_s = Limit(129_600, "Amazon SQS Developer Guide, dead-letter queue redrive")
    listed_move_tasks = Range(1, 10, "Amazon SQS API Reference, ListMessageMoveTasks, MaxResults")
    noisy_in_flight = Limit(30, "Amazon SQS Developer Guide, How Amazon SQS fair queues work")
    noisy_percent = Limit(10, "Amazon SQS Developer Guide, How Amazon SQS fair queues work")
    noisy_silence_s = Limit(300, "Amazon SQS Developer Guide, How Amazon SQS fair queues work")

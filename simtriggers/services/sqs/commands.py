"""What can be asked of a queue, and what it answers. Every command is addressed to the queue's ARN.

Names and members are those of the Amazon SQS API in snake_case. A message attribute is a triple
(name, data type, value), with base64 text as the value of a Binary type.
"""

from __future__ import annotations

from ...aws.digests import Attribute
from ...kernel.codec import Overdue, command, value

# --- sending ------------------------------------------------------------------------------------


@command(Overdue.RUN)
class SendMessage:
    """Put a message on the queue; answered with SendResult.

    `delay_seconds` None takes the queue's own. The only system attribute is AWSTraceHeader. A FIFO queue
    needs a group; on a standard queue a group names a tenant (fair queues).
    """

    body: str
    delay_seconds: int | None = None
    message_attributes: tuple[Attribute, ...] = ()
    system_attributes: tuple[Attribute, ...] = ()
    message_group_id: str | None = None
    message_deduplication_id: str | None = None


@value
class SendEntry:
    """One message of a batch; `id` is the sender's own name for it."""

    id: str
    body: str
    delay_seconds: int | None = None
    message_attributes: tuple[Attribute, ...] = ()
    system_attributes: tuple[Attribute, ...] = ()
    message_group_id: str | None = None
    message_deduplication_id: str | None = None


@command(Overdue.RUN)
class SendMessageBatch:
    """Put 1 to 10 messages on the queue; answered with BatchResult."""

    entries: tuple[SendEntry, ...]


@value
class SendResult:
    """A message was accepted. The digests are hexadecimal; None where there is nothing to digest.
    `sequence_number` is a FIFO queue's; a duplicate has the message id and number of the first send."""

    message_id: str
    md5_of_body: str
    md5_of_message_attributes: str | None = None
    md5_of_message_system_attributes: str | None = None
    sequence_number: str | None = None


@value
class BatchSuccess:
    """An entry that was done; `sent` is its result when it was a message to send."""

    id: str
    sent: SendResult | None = None


@value
class BatchFailure:
    """An entry that was refused, in AWS's words."""

    id: str
    code: str
    message: str
    sender_fault: bool = True


@value
class BatchResult:
    """The answer to a batch: each entry is in one of the two."""

    successful: tuple[BatchSuccess, ...]
    failed: tuple[BatchFailure, ...]


# --- receiving ----------------------------------------------------------------------------------


@command(Overdue.RUN)
class ReceiveMessage:
    """Take up to `max_number_of_messages` (1 to 10); answered with ReceiveResult.

    `visibility_timeout` and `wait_time_seconds` None take the queue's own. The names select what comes
    with a message: system attributes by name or `All`; message attributes by name, `prefix.*`, `.*` or
    `All`. `until_ms` is set by the queue itself while the request waits: the end of its wait.
    `receive_request_attempt_id` (FIFO): a retry within 5 minutes gets the same messages and handles.
    """

    max_number_of_messages: int = 1
    visibility_timeout: int | None = None
    wait_time_seconds: int | None = None
    attribute_names: tuple[str, ...] = ()
    message_attribute_names: tuple[str, ...] = ()
    until_ms: int | None = None
    receive_request_attempt_id: str | None = None


@value
class Message:
    """A received message. `attributes` are the system attributes asked for, as (name, text) pairs; the
    digest covers the message attributes that are returned, and is None when there are none."""

    message_id: str
    receipt_handle: str
    md5_of_body: str
    body: str
    attributes: tuple[tuple[str, str], ...] = ()
    md5_of_message_attributes: str | None = None
    message_attributes: tuple[Attribute, ...] = ()


@value
class ReceiveResult:
    """What a ReceiveMessage got; empty when there was nothing."""

    messages: tuple[Message, ...]


# --- settling -----------------------------------------------------------------------------------


@command(Overdue.RUN)
class DeleteMessage:
    """Be done with a received message; answered with None."""

    receipt_handle: str


@value
class DeleteEntry:
    """One deletion of a batch."""

    id: str
    receipt_handle: str


@command(Overdue.RUN)
class DeleteMessageBatch:
    """Be done with 1 to 10 received messages; answered with BatchResult."""

    entries: tuple[DeleteEntry, ...]


@command(Overdue.RUN)
class ChangeMessageVisibility:
    """Hide a received message for so many seconds from now, 0 to show it at once; answered with None."""

    receipt_handle: str
    visibility_timeout: int


@value
class VisibilityEntry:
    """One change of a batch."""

    id: str
    receipt_handle: str
    visibility_timeout: int


@command(Overdue.RUN)
class ChangeMessageVisibilityBatch:
    """Change the visibility of 1 to 10 received messages; answered with BatchResult."""

    entries: tuple[VisibilityEntry, ...]


# --- the queue itself ---------------------------------------------------------------------------

Pairs = tuple[tuple[str, str], ...]
"""(name, text) pairs: queue attributes under AWS's names, or tags."""


@command(Overdue.RUN)
class CreateQueue:
    """Make the queue of this ARN; answered with QueueUrl, also when it is there with equal attributes. For 60 s
    after a deletion its name is still taken; a project's own queues (PutResource) do not wait."""

    attributes: Pairs = ()
    tags: Pairs = ()


@command(Overdue.RUN)
class SetQueueAttributes:
    """Change the attributes that are named; an empty text removes a policy. Answered with None."""

    attributes: Pairs


@command(Overdue.RUN)
class GetQueueUrl:
    """Answered with QueueUrl."""


@value
class QueueUrl:
    """Where a queue is reached."""

    url: str


@command(Overdue.RUN)
class DeleteQueue:
    """Delete the queue and its messages; answered with None."""


@command(Overdue.RUN)
class ListQueues:
    """Queues by a prefix of their names, in order of the names; answered with QueueUrls.

    Addressed to any ARN of the service: its region and account are those that are listed. Without
    `max_results` there are at most 1,000 and no token.
    """

    prefix: str = ""
    max_results: int | None = None
    next_token: str | None = None


@command(Overdue.RUN)
class ListDeadLetterSourceQueues:
    """Queues whose redrive policy names this queue; answered with QueueUrls."""

    max_results: int | None = None
    next_token: str | None = None


@value
class QueueUrls:
    """Queues; `next_token` asks for those after them, None when there are none."""

    urls: tuple[str, ...]
    next_token: str | None = None


@command(Overdue.RUN)
class TagQueue:
    """Add tags or change their values; answered with None."""

    tags: Pairs


@command(Overdue.RUN)
class UntagQueue:
    """Remove tags; those that are not there are passed over. Answered with None."""

    keys: tuple[str, ...]


@command(Overdue.RUN)
class ListQueueTags:
    """Answered with QueueTags."""


@value
class QueueTags:
    """A queue's tags, by key."""

    tags: Pairs


@command(Overdue.RUN)
class PurgeQueue:
    """Delete every message, whether visible, delayed or in flight; answered with None."""


@command(Overdue.RUN)
class GetQueueAttributes:
    """Settings and counts; answered with QueueAttributes. `All` names every attribute."""

    attribute_names: tuple[str, ...] = ("All",)


@value
class QueueAttributes:
    """(name, text) pairs under AWS's names; numbers are decimal texts, policies JSON texts."""

    attributes: tuple[tuple[str, str], ...]


@command(Overdue.RUN)
class PeekMessages:
    """Show up to `limit` messages in the order they were sent, without receiving them; answered with
    Peeked. Not an AWS operation: it counts as no receive and changes nothing."""

    limit: int = 100


@value
class PeekedMessage:
    """A message as it lies in the queue. `state` is `visible`, `delayed` or `in flight`; `visible_ms` is
    when that ends or ended; `cause` is the latest trace row about the message."""

    message_id: str
    body: str
    state: str
    sent_ms: int
    visible_ms: int
    receive_count: int
    dead_letter_source: str | None
    message_attributes: tuple[Attribute, ...]
    cause: int
    message_group_id: str | None = None
    message_deduplication_id: str | None = None


@value
class Peeked:
    """What PeekMessages shows; `total` counts the messages of the queue, shown or not."""

    messages: tuple[PeekedMessage, ...]
    total: int


@command(Overdue.COALESCE)
class ExpireMessages:
    """Remove the messages that have reached the end of their retention. The queue sets this timer itself,
    one for the oldest message and not one for each."""


# --- moving dead letters back -------------------------------------------------------------------


@command(Overdue.RUN)
class StartMessageMoveTask:
    """Move this dead-letter queue's messages to `destination_arn`, or each to the queue it came from, as new
    messages. Answered with MoveTaskStarted."""

    destination_arn: str | None = None
    max_number_of_messages_per_second: int | None = None


@value
class MoveTaskStarted:
    """A move task runs; the handle cancels it."""

    task_handle: str


@command(Overdue.RUN)
class CancelMessageMoveTask:
    """Stop a move task of this queue; answered with MoveTaskCancelled. What was moved stays moved."""

    task_handle: str


@value
class MoveTaskCancelled:
    """How many messages a cancelled task had moved when it was asked to stop."""

    approximate_number_of_messages_moved: int


@command(Overdue.RUN)
class ListMessageMoveTasks:
    """The latest move tasks of this queue, the youngest first; answered with MoveTasks."""

    max_results: int = 1


@value
class MoveTask:
    """A move task as AWS shows it; `task_handle` only while it runs, `started_ms` in milliseconds."""

    status: str
    source_arn: str
    destination_arn: str | None
    approximate_number_of_messages_moved: int
    approximate_number_of_messages_to_move: int
    started_ms: int
    max_number_of_messages_per_second: int | None = None
    failure_reason: str | None = None
    task_handle: str | None = None


@value
class MoveTasks:
    """Move tasks of a queue."""

    results: tuple[MoveTask, ...]


@command(Overdue.RUN)
class MoveMessages:
    """Move the next messages of a task. The queue sets this timer itself."""

    task_id: str

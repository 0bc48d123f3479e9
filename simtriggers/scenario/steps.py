"""From a step to the operations that carry it out. The live endpoint and the scenario runner share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..aws.arn import Names
from ..notifications import TopicOperations
from ..operations import BucketOperations, FunctionOperations, Operation, QueueOperations, as_text
from .event_acts import of_events
from .model import InvokeStep, PublishStep, SendMessageStep, Step
from .numbered import Numbered
from .object_steps import PutObjectStep


def operations(
    step: Step, names: Names, folder: Path, payload_text: Callable[[str], str], start_ms: int | None = None
) -> Iterator[Operation[Any]]:
    """The operations of a step, one per repetition; none for `advance` and `restart`, which are not AWS's.

    `folder` is where the `file` of a put is found. `start_ms` is the scenario's start, from which times of events
    count; live there is none. Raises OSError when a file cannot be read, UserError for such a time without a start.
    """
    repeated = "times" in step.model_fields_set
    for number in range(1, step.times + 1):
        numbered = Numbered(number if repeated else None)
        if step.put_object is not None:
            put = step.put_object
            yield BucketOperations(names, put.bucket).put(
                numbered(put.key),
                _content(put, folder, numbered),
                metadata=numbered.inside(put.metadata),
                tags=numbered.inside(put.tags),
                storage_class=put.storage_class,
                if_none_match=put.if_none_match,
            )
        elif (of_object := _of_object(step, names, numbered)) is not None:
            yield of_object
        elif step.send_message is not None:
            yield _send(step.send_message, names, numbered)
        elif step.publish is not None:
            yield _publish(step.publish, names, numbered)
        elif step.purge is not None:
            yield QueueOperations(names, step.purge.queue).purge()
        elif step.redrive is not None:
            redrive = step.redrive
            yield QueueOperations(names, redrive.queue).start_message_move_task(
                redrive.destination, max_number_of_messages_per_second=redrive.rate
            )
        elif (of_event := of_events(step, names, numbered, start_ms)) is not None:
            yield of_event
        elif step.invoke is not None:
            yield _invoke(step.invoke, names, payload_text, numbered)


def _of_object(step: Step, names: Names, numbered: Numbered) -> Operation[Any] | None:
    """The acts on an object that is there, but for a put."""
    if (delete := step.delete_object) is not None:
        return BucketOperations(names, delete.bucket).delete(numbered(delete.key), delete.version_id)
    if (copy := step.copy_object) is not None:
        source_key, key = numbered(copy.source_key), numbered(copy.key)
        return BucketOperations(names, copy.bucket).copy(source_key, key, source_bucket=copy.source_bucket)
    if (tag := step.tag_object) is not None:
        return BucketOperations(names, tag.bucket).tag(numbered(tag.key), numbered.inside(tag.tags))
    if (untag := step.untag_object) is not None:
        return BucketOperations(names, untag.bucket).untag(numbered(untag.key))
    if (restore := step.restore_object) is not None:
        return BucketOperations(names, restore.bucket).restore(numbered(restore.key), restore.days, tier=restore.tier)
    return None


def _content(step: PutObjectStep, folder: Path, numbered: Numbered) -> str | bytes:
    if step.file is not None:
        return (folder / numbered(step.file)).read_bytes()
    if step.size is not None:
        return bytes(step.size)
    return "" if step.body is None else as_text(numbered.inside(step.body))


def _send(step: SendMessageStep, names: Names, numbered: Numbered) -> Operation[Any]:
    return QueueOperations(names, step.queue).send(
        as_text(numbered.inside(step.body)),
        delay_seconds=step.delay_seconds,
        message_attributes=numbered.inside(step.message_attributes),
        message_group_id=numbered.inside(step.message_group_id),
        message_deduplication_id=numbered.inside(step.message_deduplication_id),
    )


def _publish(step: PublishStep, names: Names, numbered: Numbered) -> Operation[Any]:
    return TopicOperations(names, step.topic).publish(
        as_text(numbered.inside(step.message)),
        subject=None if step.subject is None else numbered(step.subject),
        message_structure=step.message_structure,
        message_attributes=numbered.inside(step.message_attributes),
        message_group_id=step.message_group_id,
        message_deduplication_id=step.message_deduplication_id,
    )


def _invoke(step: InvokeStep, names: Names, payload_text: Callable[[str], str], numbered: Numbered) -> Operation[Any]:
    return FunctionOperations(names, step.function, payload_text).invoke(
        numbered.inside(step.event), invocation_type=step.invocation_type
    )

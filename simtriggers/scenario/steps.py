"""From a step to the operations that carry it out. The live endpoint and the scenario runner share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..aws.arn import Names
from ..operations import BucketOperations, FunctionOperations, Operation, QueueOperations, as_text
from .model import InvokeStep, PutObjectStep, SendMessageStep, Step


def operations(step: Step, names: Names, folder: Path, payload_text: Callable[[str], str]) -> Iterator[Operation[Any]]:
    """The operations of a step, one per repetition; none for `advance` and `restart`, which are not AWS's.

    `folder` is where the `file` of a put is found. Raises OSError when it cannot be read.
    """
    for number in range(1, step.times + 1):
        if step.put_object is not None:
            key = step.put_object.key.replace("{n}", str(number)) if step.times > 1 else step.put_object.key
            yield BucketOperations(names, step.put_object.bucket).put(key, _content(step.put_object, folder))
        elif step.delete_object is not None:
            yield BucketOperations(names, step.delete_object.bucket).delete(step.delete_object.key)
        elif step.send_message is not None:
            yield _send(step.send_message, names, number, step.times)
        elif step.invoke is not None:
            yield _invoke(step.invoke, names, payload_text)


def _content(step: PutObjectStep, folder: Path) -> str | bytes:
    if step.file is not None:
        return (folder / step.file).read_bytes()
    if step.size is not None:
        return bytes(step.size)
    return "" if step.body is None else as_text(step.body)


def _send(step: SendMessageStep, names: Names, number: int, times: int) -> Operation[Any]:
    body = as_text(step.body)
    if times > 1:
        body = body.replace("{n}", str(number))
    return QueueOperations(names, step.queue).send(
        body, delay_seconds=step.delay_seconds, message_attributes=step.message_attributes
    )


def _invoke(step: InvokeStep, names: Names, payload_text: Callable[[str], str]) -> Operation[Any]:
    return FunctionOperations(names, step.function, payload_text).invoke(
        step.event, invocation_type=step.invocation_type
    )

"""Text messages to a telephone number, without a topic: they leave the simulator as an OutboxEntry row.

Source: Amazon SNS API Reference, Publish, PhoneNumber; the text for a bad number as recorded on AWS.
"""

from __future__ import annotations

import re

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, payload
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import content, errors
from .commands import PublishResult, PublishToPhone
from .settings import DEFAULT_MESSAGE_BYTES

_E164 = re.compile(r"\+[0-9]{1,15}")


def view_nothing(read: Reader, entry: Entry) -> None:
    """A telephone number needs no rows."""


def decide_publish(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PublishToPhone: replies with PublishResult."""
    command: PublishToPhone = entry.command
    message = command.entry
    if not _E164.fullmatch(command.phone_number):
        text = f"PhoneNumber Reason: {command.phone_number} is not valid to publish to"
        return Decision(reply=errors.invalid_parameter(text))
    problem = content.check_message(message, DEFAULT_MESSAGE_BYTES)
    if problem is not None:
        return Decision(reply=problem)
    texts = content.structured(message.message) if message.message_structure is not None else None
    body = payload(message.message if not isinstance(texts, dict) else content.text_for("sms", texts))
    message_id = ids.uuid("sns.message_id")
    details = {"protocol": "sms", "to": command.phone_number, "payload": body.digest}
    note = Note(ids.row_id(), "OutboxEntry", entry.arn, message_id, entry.cause, details)
    return Decision(reply=PublishResult(message_id), notes=[note], payloads=[body])

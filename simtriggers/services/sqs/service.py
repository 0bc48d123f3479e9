"""Amazon SQS, standard queues: which rule answers which command."""

from __future__ import annotations

from ...aws.contracts import Delivery, Poll, PutResource, RemoveResource, Settle
from ...kernel.service import Rule, Service
from . import commands as c
from . import queues, receive, send, settle, store, upkeep
from .config import KIND, parse_settings

SERVICE = Service(
    name="sqs",
    rules={
        c.SendMessage: Rule(send.view_send, send.decide_send),
        c.SendMessageBatch: Rule(send.view_send, send.decide_send_batch),
        Delivery: Rule(send.view_send, send.decide_delivery),
        c.ReceiveMessage: Rule(receive.view_receive, receive.decide_receive),
        Poll: Rule(receive.view_receive, receive.decide_poll),
        c.DeleteMessage: Rule(settle.view_settle, settle.decide_delete),
        c.DeleteMessageBatch: Rule(settle.view_settle, settle.decide_delete_batch),
        Settle: Rule(settle.view_settle, settle.decide_settle),
        c.ChangeMessageVisibility: Rule(settle.view_settle, settle.decide_change_visibility),
        c.ChangeMessageVisibilityBatch: Rule(settle.view_settle, settle.decide_change_visibility_batch),
        PutResource: Rule(queues.view_put, queues.decide_put),
        RemoveResource: Rule(queues.view_remove, queues.decide_remove),
        c.PurgeQueue: Rule(upkeep.view_purge, upkeep.decide_purge),
        c.ExpireMessages: Rule(upkeep.view_expire, upkeep.decide_expire),
        c.GetQueueAttributes: Rule(upkeep.view_look, upkeep.decide_attributes),
        c.PeekMessages: Rule(upkeep.view_look, upkeep.decide_peek),
    },
    migrations=store.MIGRATIONS,
    parsers={KIND: parse_settings},
    describe=queues.describe,
    invariants=store.INVARIANTS,
    payload_columns=store.PAYLOAD_COLUMNS,
)

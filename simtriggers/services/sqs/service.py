"""Amazon SQS: which rule answers which command."""

from __future__ import annotations

from ...aws.contracts import Delivery, Poll, PutResource, RemoveResource, Settle
from ...kernel.service import Rule, Service
from . import commands as c
from . import moves, queues, receive, requests, selection, send, settle, store, upkeep
from .config import KIND, parse_settings

SERVICE = Service(
    name="sqs",
    rules={
        c.SendMessage: Rule(send.view_send, send.decide_send),
        c.SendMessageBatch: Rule(send.view_send, send.decide_send_batch),
        Delivery: Rule(send.view_send, send.decide_delivery),
        c.ReceiveMessage: Rule(selection.view_receive, receive.decide_receive),
        Poll: Rule(selection.view_receive, receive.decide_poll),
        c.DeleteMessage: Rule(settle.view_settle, settle.decide_delete),
        c.DeleteMessageBatch: Rule(settle.view_settle, settle.decide_delete_batch),
        Settle: Rule(settle.view_settle, settle.decide_settle),
        c.ChangeMessageVisibility: Rule(settle.view_settle, settle.decide_change_visibility),
        c.ChangeMessageVisibilityBatch: Rule(settle.view_settle, settle.decide_change_visibility_batch),
        PutResource: Rule(queues.view_put, queues.decide_put),
        RemoveResource: Rule(queues.view_remove, queues.decide_remove),
        c.CreateQueue: Rule(requests.view_change, requests.decide_create),
        c.SetQueueAttributes: Rule(requests.view_change, requests.decide_set),
        c.DeleteQueue: Rule(queues.view_remove, queues.decide_remove),
        c.GetQueueUrl: Rule(requests.view_queue, requests.decide_url),
        c.ListQueues: Rule(requests.view_list, requests.decide_list),
        c.ListDeadLetterSourceQueues: Rule(requests.view_list, requests.decide_list),
        c.TagQueue: Rule(requests.view_tag, requests.decide_tag),
        c.UntagQueue: Rule(requests.view_tag, requests.decide_untag),
        c.ListQueueTags: Rule(requests.view_queue, requests.decide_tags),
        c.StartMessageMoveTask: Rule(moves.view_start, moves.decide_start),
        c.CancelMessageMoveTask: Rule(moves.view_cancel, moves.decide_cancel),
        c.ListMessageMoveTasks: Rule(moves.view_list, moves.decide_list),
        c.MoveMessages: Rule(moves.view_move, moves.decide_move),
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
    bookkeeping={"MessageReceived": (Poll,), "MessageDeleted": (Settle,)},
)

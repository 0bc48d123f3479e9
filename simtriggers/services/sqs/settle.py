"""Settling what was received: deletions and changes of visibility, single, in a batch, and from a mapping.

A handle means one receive of one message. On a standard queue a deletion works after the visibility timeout
has run out as well; on a FIFO queue it is refused then. With a handle older than the latest receive AWS lets the
call succeed on a standard queue while the message may stay; here it always stays, and a row says so. Deleting twice
succeeds.

Source: Amazon SQS API Reference, DeleteMessage and ChangeMessageVisibility.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...aws.contracts import Settle
from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Wake, Write
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import errors, receipts
from .commands import (
    BatchFailure,
    BatchResult,
    BatchSuccess,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    DeleteMessage,
    DeleteMessageBatch,
)
from .fifo_store import PROMOTE
from .receipts import Receipt
from .send import WAKE_ALL, check_batch
from .store import BY_SEQ, BY_SEQS, CHANGE_VISIBILITY, DELETE, Found, Parameters

_LONGEST_MS = 1000 * SQS.visibility_timeout_s.high


@fixed
class SettleView:
    """Whether the queue exists, what the command's handles mean (None: this queue never gave it), and the
    messages they are of, by `seq`; those that are no longer in this queue are missing. `fifo`: it is one."""

    exists: bool
    receipts: Mapping[str, Receipt | None]
    found: Mapping[int, Found]
    fifo: bool = False


def view_settle(read: Reader, entry: Entry) -> SettleView:
    """The messages that the handles mean."""
    queue = read.resource(entry.arn)
    if queue is None:
        return SettleView(False, {}, {})
    known = {handle: receipts.read(entry.arn, handle) for handle in _handles(entry.command)}
    seqs = [receipt.seq for receipt in known.values() if receipt is not None]
    if not seqs:
        return SettleView(True, known, {})
    rows = read.all(BY_SEQ, seqs[0]) if len(seqs) == 1 else read.all(BY_SEQS, to_json(seqs))
    messages = map(Found._make, rows)
    here = {message.seq: message for message in messages if message.queue == entry.arn}
    return SettleView(True, known, here, queue.config.fifo)


def _handles(command: object) -> Iterable[str]:
    if type(command) is Settle:
        return [receipt for _, receipt in command.done]
    if type(command) is DeleteMessageBatch or type(command) is ChangeMessageVisibilityBatch:
        return [item.receipt_handle for item in command.entries]
    assert type(command) is DeleteMessage or type(command) is ChangeMessageVisibility
    return [command.receipt_handle]


# --- deletions ----------------------------------------------------------------------------------


def decide_delete(view: SettleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DeleteMessage: replies with None."""
    command: DeleteMessage = entry.command
    if not view.exists:
        return Decision(reply=errors.no_such_queue())
    deletions = _Deletions(view, entry, now_ms, ids)
    problem = deletions.add(command.receipt_handle)
    return Decision(reply=problem) if problem is not None else deletions.decision()


def decide_delete_batch(view: SettleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DeleteMessageBatch: replies with BatchResult."""
    command: DeleteMessageBatch = entry.command
    refused = _check_form(view, [item.id for item in command.entries])
    if refused is not None:
        return Decision(reply=refused)
    deletions = _Deletions(view, entry, now_ms, ids)
    done: list[BatchSuccess] = []
    failed: list[BatchFailure] = []
    for item in command.entries:
        _record(item.id, deletions.add(item.receipt_handle), done, failed)
    decision = deletions.decision()
    decision.reply = BatchResult(tuple(done), tuple(failed))
    return decision


def decide_settle(view: SettleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Settle: deletes what a mapping is done with; replies with None.

    A receipt that this queue never gave is passed over, which a row says.
    """
    command: Settle = entry.command
    if not view.exists:
        return Decision(reply=errors.no_such_queue())
    deletions = _Deletions(view, entry, now_ms, ids)
    for message_id, receipt in command.done:
        problem = deletions.add(receipt)
        if problem is not None:
            deletions.ignore(message_id, entry.cause, problem.message)
    return deletions.decision()


class _Deletions:
    """Collects the deletions of one decision; a message is deleted once, however often it is named."""

    def __init__(self, view: SettleView, entry: Entry, now_ms: int, ids: Ids) -> None:
        self._receipts = view.receipts
        self._found = view.found
        self._fifo = view.fifo
        self._groups: dict[str, Parameters] = {}
        self._entry = entry
        self._now_ms = now_ms
        self._ids = ids
        self._rows: dict[int, Parameters] = {}
        self._notes: list[Note] = []

    def add(self, handle: str) -> Refused | None:
        """Delete what the handle means, if it is still there and the handle is the latest. On a FIFO queue
        the message must be in flight by it."""
        receipt = self._receipts[handle]
        if receipt is None:
            return errors.bad_receipt_handle(handle)
        message = self._found.get(receipt.seq)
        if message is None or message.seq in self._rows:
            return None
        if self._fifo:
            if message.visible_ms <= self._now_ms or receipt.receive_count != message.receive_count:
                return errors.receipt_expired(handle)
            assert message.group_id is not None, "a FIFO message has a group"
            self._groups[message.group_id] = (self._entry.arn, message.group_id)
        elif receipt.receive_count != message.receive_count:
            reason = (
                f"the handle is of receive {receipt.receive_count}, and the message has been received"
                f" {message.receive_count} times"
            )
            self.ignore(message.message_id, message.cause, reason)
            return None
        self._rows[message.seq] = (message.seq,)
        details = {"receive_count": message.receive_count, "by": self._entry.cause}
        self._notes.append(
            Note(
                self._ids.row_id(),
                "MessageDeleted",
                self._entry.arn,
                message.message_id,
                message.cause,
                details,
            )
        )
        return None

    def ignore(self, message_id: str, cause: int, reason: str) -> None:
        """Say why a deletion does nothing."""
        details = {"reason": reason, "by": self._entry.cause}
        self._notes.append(
            Note(self._ids.row_id(), "MessageDeleteIgnored", self._entry.arn, message_id, cause, details)
        )

    def decision(self) -> Decision:
        """All of it; the reply is None."""
        writes = [Write(DELETE, list(self._rows.values()), many=True)] if self._rows else []
        decision = Decision(writes=writes, notes=self._notes)
        if self._groups:
            # What follows in a group may be taken now, by as many who wait.
            writes.append(Write(PROMOTE, list(self._groups.values()), many=True))
            decision.effects.append(Wake(self._entry.arn, len(self._groups)))
        return decision


# --- visibility ---------------------------------------------------------------------------------


def decide_change_visibility(view: SettleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ChangeMessageVisibility: replies with None."""
    command: ChangeMessageVisibility = entry.command
    if not view.exists:
        return Decision(reply=errors.no_such_queue())
    decision = Decision()
    problem = _change(decision, view, entry, command.receipt_handle, command.visibility_timeout, now_ms=now_ms, ids=ids)
    return Decision(reply=problem) if problem is not None else decision


def decide_change_visibility_batch(view: SettleView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """ChangeMessageVisibilityBatch: replies with BatchResult."""
    command: ChangeMessageVisibilityBatch = entry.command
    refused = _check_form(view, [item.id for item in command.entries])
    if refused is not None:
        return Decision(reply=refused)
    decision = Decision()
    done: list[BatchSuccess] = []
    failed: list[BatchFailure] = []
    for item in command.entries:
        problem = _change(decision, view, entry, item.receipt_handle, item.visibility_timeout, now_ms=now_ms, ids=ids)
        _record(item.id, problem, done, failed)
    decision.reply = BatchResult(tuple(done), tuple(failed))
    return decision


def _change(
    decision: Decision, view: SettleView, entry: Entry, handle: str, timeout_s: int, *, now_ms: int, ids: Ids
) -> Refused | None:
    """Add one change, counted from now and at most 12 hours after the receive.

    Unverified: AWS's answer for a handle older than the latest receive, and for a FIFO message whose
    timeout has run out.
    """
    if timeout_s not in SQS.visibility_timeout_s:
        return errors.visibility_out_of_range(timeout_s)
    receipt = view.receipts[handle]
    if receipt is None:
        return errors.bad_receipt_handle(handle)
    message = view.found.get(receipt.seq)
    if message is None or receipt.receive_count != message.receive_count:
        return errors.not_available_for_change(handle)
    if view.fifo and message.visible_ms <= now_ms:
        return errors.not_in_flight()
    assert message.received_ms is not None, f"message {message.seq} has a handle but no receive"
    visible_ms = now_ms + 1000 * timeout_s
    latest_ms = message.received_ms + _LONGEST_MS
    if timeout_s and visible_ms > latest_ms:
        return errors.visibility_beyond_limit(timeout_s)
    visible_ms = min(visible_ms, latest_ms)
    details = {"visibility_timeout": timeout_s, "visible_ms": visible_ms, "by": entry.cause}
    note = Note(ids.row_id(), "MessageVisibilityChanged", entry.arn, message.message_id, message.cause, details)
    decision.notes.append(note)
    decision.writes.append(Write(CHANGE_VISIBILITY, (visible_ms, note.id, message.seq)))
    decision.effects.append(Wake(entry.arn, WAKE_ALL, visible_ms) if timeout_s else Wake(entry.arn))
    return None


def _check_form(view: SettleView, names: list[str]) -> Refused | None:
    return check_batch(names) if view.exists else errors.no_such_queue()


def _record(name: str, problem: Refused | None, done: list[BatchSuccess], failed: list[BatchFailure]) -> None:
    if problem is None:
        done.append(BatchSuccess(name))
    else:
        failed.append(BatchFailure(name, problem.code, problem.message))

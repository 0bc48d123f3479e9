"""Which messages a receive may take, and in which order: the views of ReceiveMessage and Poll.

Standard queue: visible messages by (visible_ms, seq); when they have tenants, those of noisy ones last. FIFO queue:
the groups whose head is visible, by the head's (visible_ms, seq); of each group its first messages up to one that is
hidden. So a group yields nothing while its first message is in flight or delayed, whatever was sent since, and what
comes back before a message that is still hidden can be taken again.

Source: Amazon SQS Developer Guide, "FIFO queue delivery logic" and "How Amazon SQS fair queues work".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...aws.contracts import Poll
from ...aws.limits import SQS
from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import ReplyTo, Statement
from ...kernel.fixed import fixed
from ...kernel.service import Reader, Resource
from . import receipts
from .commands import ReceiveMessage
from .config import QueueSettings, Redrive
from .fifo_store import (
    ATTEMPT,
    IN_FLIGHT_BY_TENANT,
    LATEST_OF_TENANT,
    NEXT_HEAD,
    OF_GROUP,
    QUIET_TENANTS,
    READY_HEADS,
    RECEIVED,
    UNGROUPED,
    VISIBLE_OF_TENANT,
    VISIBLE_UNGROUPED,
)
from .store import IN_FLIGHT, NEXT_VISIBLE, STATE, VISIBLE, Candidate, candidates

MOST_CANDIDATES = 1000
"""So many messages one receive looks at, beyond those it returns: it moves no more than that, and the
next receive goes on."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """Where exhausted messages go; `sweep_ms` is when its retention timer is due, None if not set;
    `last_sequence` is the number of its latest FIFO message."""

    arn: str
    retention_ms: int
    sweep_ms: int | None
    last_sequence: int = 0


@fixed
class ReceiveView:
    """What a receive may see.

    `queue` None: there is none. `candidates` are visible messages, first the one to take first; `more`
    says that there are others after them. `dead_letter` None: the queue has no dead-letter queue, or it
    does not exist. `room` is how many more messages may be in flight. `next_visible_ms` is when the
    earliest hidden message appears; it is read only when no candidate can be returned. `repeated` are the
    messages and handles of an earlier receive with the same ReceiveRequestAttemptId. `gone`: who asked takes
    nothing any more.
    """

    queue: Resource | None
    candidates: tuple[Candidate, ...] = ()
    more: bool = False
    dead_letter: DeadLetterQueue | None = None
    room: int = SQS.in_flight
    next_visible_ms: int | None = None
    repeated: tuple[tuple[Candidate, str], ...] = ()
    repeated_until_ms: int = 0
    gone: bool = False


def view_receive(read: Reader, entry: Entry) -> ReceiveView:
    """Enough visible messages to return as many as are wanted, past those that will be moved."""
    queue = read.resource(entry.arn)
    if queue is None:
        return ReceiveView(None)
    asker = entry.reply_to
    if type(entry.command) is Poll and type(asker) is ReplyTo and read.describe(asker.arn) is None:
        return ReceiveView(queue, gone=True)
    settings: QueueSettings = queue.config
    redrive = settings.redrive
    count = wanted(entry.command)
    expired_ms = read.now_ms - settings.retention_ms
    if settings.fifo:
        repeated, until_ms = _repeated(read, entry)
        if repeated:
            return ReceiveView(queue, repeated=repeated, repeated_until_ms=until_ms)
        found, live, more = ready(read, entry.arn, count, expired_ms, redrive)
        following = NEXT_HEAD
    else:
        found, live, more = _page_through(read, VISIBLE, entry.arn, count, expired_ms, redrive)
        following = NEXT_VISIBLE
        if any([row.group_id is not None for row in found]):  # noqa: C419 (a list is faster for few)
            found, live, more = _fairly(read, entry.arn, count, expired_ms, redrive) or (found, live, more)
    room = int(SQS.in_flight)
    if found and found[0].span >= room:
        counted = read.one(IN_FLIGHT, entry.arn, read.now_ms)
        room -= counted[0] if counted else 0
    dead_letter = _dead_letter(read, redrive) if redrive is not None and live < len(found) else None
    hidden = read.one(following, entry.arn, read.now_ms) if not live else None
    return ReceiveView(queue, tuple(found), more, dead_letter, room, hidden[0] if hidden else None)


def wanted(command: ReceiveMessage | Poll) -> int:
    """How many messages a command asks for."""
    if type(command) is Poll:
        return max(1, min(command.max_records, SQS.polled_messages))
    assert type(command) is ReceiveMessage
    return max(1, min(command.max_number_of_messages, SQS.received_messages.high))


def is_exhausted(message: Candidate, redrive: Redrive | None) -> bool:
    """Whether the next receive moves this message instead of returning it.

    Only receives in the present queue count, so that a dead-letter queue can have a redrive policy of its
    own. Unverified for such chains.
    """
    return redrive is not None and message.receive_count - message.receives_before >= redrive.max_receive_count


def _page_through(
    read: Reader,
    statement: Statement,
    queue: str,
    count: int,
    expired_ms: int,
    redrive: Redrive | None,
    *more_params: Any,
) -> tuple[list[Candidate], int, bool]:
    """Candidates in the statement's order, how many of them are returned, and whether there are more."""
    found: list[Candidate] = []
    live = size = 0
    after = (-1, -1)
    more = True
    while more and live < count and size < SQS.polled_bytes and len(found) < count + MOST_CANDIDATES:
        page = min(count - live, _PAGE)
        rows = read.all(statement, queue, *after, read.now_ms, expired_ms, *more_params, page)
        more = len(rows) == page
        for row in candidates(read, rows):
            found.append(row)
            if redrive is None or not is_exhausted(row, redrive):
                live += 1
                size += row.size
        if found:
            after = (found[-1].visible_ms, found[-1].seq)
    return found, live, more


def _dead_letter(read: Reader, redrive: Redrive) -> DeadLetterQueue | None:
    target = read.resource(redrive.dead_letter_arn)
    if target is None:
        return None
    state = read.one(STATE, target.arn)
    sweep_ms, last_sequence = (state[0], state[2] or 0) if state else (None, 0)
    return DeadLetterQueue(target.arn, target.config.retention_ms, sweep_ms, last_sequence)


# --- FIFO queues --------------------------------------------------------------------------------


def ready(
    read: Reader, queue: str, count: int, expired_ms: int, redrive: Redrive | None
) -> tuple[list[Candidate], int, bool]:
    """Candidates of a FIFO queue, group by group, each in its order; how many of them are returned; and whether
    to look again when none is (there are more groups, or a group's next message is ready after a move)."""
    found: list[Candidate] = []
    live = 0
    after = (-1, -1)
    more = True
    while more and live < count and len(found) < count + MOST_CANDIDATES:
        page = min(count - live, _PAGE)
        heads = read.all(READY_HEADS, queue, *after, read.now_ms, page)
        more = len(heads) == page
        for group, visible_ms, seq in heads:
            after = (visible_ms, seq)
            if live >= count or len(found) >= count + MOST_CANDIDATES:
                break
            for message in _of_group(read, queue, group, count - live, expired_ms, redrive):
                found.append(message)
                live += not is_exhausted(message, redrive)
    return found, live, more or live < len(found)


def _of_group(
    read: Reader, queue: str, group: str, count: int, expired_ms: int, redrive: Redrive | None
) -> list[Candidate]:
    """The first messages of a group, up to one that is hidden, until `count` of them can be returned."""
    found: list[Candidate] = []
    live = last = 0
    while live < count and len(found) < count + MOST_CANDIDATES:
        page = min(count - live, _PAGE)
        rows = read.all(OF_GROUP, queue, group, last, expired_ms, page)
        for message in candidates(read, rows):
            if message.visible_ms > read.now_ms:
                return found
            found.append(message)
            live += not is_exhausted(message, redrive)
        if len(rows) < page:
            break
        last = found[-1].seq
    return found


def _repeated(read: Reader, entry: Entry) -> tuple[tuple[tuple[Candidate, str], ...], int]:
    """What the receive of the same attempt id got, if all of it is still as that receive left it."""
    command = entry.command
    if type(command) is not ReceiveMessage or command.receive_request_attempt_id is None:
        return (), 0
    row = read.one(ATTEMPT, entry.arn, command.receive_request_attempt_id, read.now_ms)
    if row is None:
        return (), 0
    known = {seq: (handle, visible_ms) for seq, handle, visible_ms in json.loads(row[0])}
    messages = candidates(read, read.all(RECEIVED, to_json(list(known)), entry.arn))
    for message in messages:
        handle, visible_ms = known[message.seq]
        receipt = receipts.read(entry.arn, handle)
        same = receipt is not None and receipt.receive_count == message.receive_count
        if not same or message.visible_ms != visible_ms or visible_ms <= read.now_ms:
            return (), 0
    if len(messages) != len(known):
        return (), 0
    by_seq = {message.seq: message for message in messages}
    return tuple((by_seq[seq], handle) for seq, (handle, _) in known.items()), row[1]


# --- fair queues --------------------------------------------------------------------------------


def _fairly(
    read: Reader, queue: str, count: int, expired_ms: int, redrive: Redrive | None
) -> tuple[list[Candidate], int, bool] | None:
    """Candidates with those of noisy tenants last, the tenant with fewest in flight first; None: nobody is noisy."""
    noisy = noisy_tenants(read, queue)
    if not noisy:
        return None
    found, live, more = _quiet(read, queue, count, expired_ms, redrive, noisy)
    for tenant in sorted(noisy, key=lambda name: (noisy[name], name)):
        if live >= count:
            break
        theirs, live_of_them, more_of_them = _page_through(
            read, VISIBLE_OF_TENANT, queue, count - live, expired_ms, redrive, tenant
        )
        found += theirs
        live, more = live + live_of_them, more or more_of_them
    return found, live, more


def _quiet(
    read: Reader, queue: str, count: int, expired_ms: int, redrive: Redrive | None, noisy: dict[str, int]
) -> tuple[list[Candidate], int, bool]:
    """Candidates of tenants that are not noisy, in the usual order, without a look at a noisy one's backlog."""
    # The first `count` messages belong to no more than `count` tenants.
    tenants = read.all(QUIET_TENANTS, queue, read.now_ms, to_json(sorted(noisy)), count + 1)
    parts = [
        _page_through(read, VISIBLE_OF_TENANT, queue, count, expired_ms, redrive, name) for (name,) in tenants[:count]
    ]
    ungrouped = read.one(UNGROUPED, queue)
    if ungrouped is not None and ungrouped[0]:
        parts.append(_page_through(read, VISIBLE_UNGROUPED, queue, count, expired_ms, redrive))
    merged = sorted((row for found, _, _ in parts for row in found), key=lambda row: (row.visible_ms, row.seq))
    kept: list[Candidate] = []
    live = 0
    for row in merged:
        if live >= count:
            break
        kept.append(row)
        live += not is_exhausted(row, redrive)
    more = len(tenants) > count or len(kept) < len(merged) or any(more for _, _, more in parts)
    return kept, live, more


def noisy_tenants(read: Reader, queue: str) -> dict[str, int]:
    """Tenants whose messages have to wait, with how many each has in flight.

    Noisy is who has more than 10% of what is in flight and at least 30 messages of it, or more than 10% of the
    time that what is in flight has taken so far; and who has sent something in the last 5 minutes. A message
    without a group is a tenant of its own, and quiet. AWS calls its thresholds approximate; "recent processing
    time" is here that of the messages in flight.
    """
    rows = read.all(IN_FLIGHT_BY_TENANT, read.now_ms, queue)
    all_in_flight, all_ms = sum(row[1] for row in rows), sum(row[2] for row in rows)
    found: dict[str, int] = {}
    for tenant, in_flight, took_ms in rows:
        by_count = in_flight >= SQS.noisy_in_flight and 100 * in_flight > SQS.noisy_percent * all_in_flight
        if tenant is None or not (by_count or 100 * took_ms > SQS.noisy_percent * all_ms):
            continue
        latest = read.one(LATEST_OF_TENANT, queue, tenant)
        if latest is not None and read.now_ms - latest[0] < 1000 * SQS.noisy_silence_s:
            found[tenant] = in_flight
    return found

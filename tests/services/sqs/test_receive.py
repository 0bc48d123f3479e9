"""The decision of a receive as a table of values: fixtures/cases/sqs/receive.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.aws.contracts import Poll, Polled
from simtriggers.kernel.agenda import ORDINARY, Entry
from simtriggers.kernel.effects import PARKED, Decision, Park, Timer, Wake
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Resource
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs import receipts, receive, selection
from simtriggers.services.sqs.config import parse_settings
from simtriggers.services.sqs.send import WAKE_ALL
from simtriggers.services.sqs.store import Candidate
from tests.services.sqs.world import NAMES, cases

NOW_MS = 1_000_000
Q, DLQ = NAMES.queue("q"), NAMES.queue("dlq")
CASES = cases("receive.yaml")


def view_of(case: dict[str, Any]) -> selection.ReceiveView:
    policy = {"dead_letter_target_arn": DLQ, "max_receive_count": 2}
    queue = Resource(Q, "queue", "q", parse_settings({"redrive_policy": policy}), 1, 0)
    candidates = tuple(
        Candidate(
            seq=number,
            message_id=f"id-{name}",
            body=name,
            size=1,
            attributes=None,
            trace_header=None,
            md5_of_body="md5",
            md5_of_attributes=None,
            sender_id="sender",
            sent_ms=500,
            visible_ms=900,
            receive_count=count,
            receives_before=0,
            first_received_ms=700 if count else None,
            dead_letter_source=None,
            cause=10 + number,
            span=1,
        )
        for number, (name, count) in enumerate(case.get("candidates", ()), 1)
    )
    dead_letter = selection.DeadLetterQueue(DLQ, 345_600_000, None) if case.get("dead_letter") else None
    more, room, following = case.get("more", False), case.get("room", 120_000), case.get("next_visible")
    return selection.ReceiveView(queue, candidates, more, dead_letter, room, following)


def wakes(decision: Decision) -> list[list[Any]]:
    names = {Q: "q", DLQ: "dlq"}
    found = [effect for effect in decision.effects if isinstance(effect, Wake)]
    return [[names[wake.key], "all" if wake.n == WAKE_ALL else wake.n, wake.at_ms] for wake in found]


@pytest.mark.parametrize("waits", ["request", "mapping"])
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_receive(case: dict[str, Any], waits: str) -> None:
    expect, number, wait_s = case["expect"], case.get("max", 1), case.get("wait", 0)
    view, ids = view_of(case), Ids(1)
    before = {message.body: message for message in view.candidates}
    if waits == "request":
        command: Any = c.ReceiveMessage(number, None, wait_s, ("All",))
        stored: Any = c.ReceiveMessage(number, None, wait_s, ("All",), until_ms=NOW_MS + 1000 * wait_s)
        decide: Any = receive.decide_receive
    else:
        command = stored = Poll(number, NOW_MS + 1000 * wait_s)
        decide = receive.decide_poll
    decision = decide(view, Entry(NOW_MS, ORDINARY, Q, command, 9), now_ms=NOW_MS, ids=ids)

    taken = [before[name] for name in expect.get("takes", ())]
    moved = [before[name] for name in expect.get("moves", ())]
    rows = {note.subject: note.id for note in decision.notes}
    assert [(note.kind, note.subject, note.cause, note.arn) for note in decision.notes] == [
        *(("MessageReceived", message.message_id, message.cause, Q) for message in taken),
        *(("MessageMovedToDeadLetterQueue", message.message_id, message.cause, Q) for message in moved),
    ]
    writes = {write.statement.name: list(write.rows) for write in decision.writes}
    assert writes.get("sqs.hide_message", []) == [
        (
            NOW_MS + 30_000,
            message.receive_count + 1,
            message.first_received_ms or NOW_MS,
            NOW_MS,
            rows[message.message_id],
            message.seq,
        )
        for message in taken
    ]
    assert writes.get("sqs.move_message", []) == [
        (DLQ, NOW_MS, Q, rows[message.message_id], message.seq) for message in moved
    ]
    assert wakes(decision) == expect.get("wakes", [])
    expires_ms = 500 + 345_600_000
    assert [effect for effect in decision.effects if isinstance(effect, Timer)] == (
        [Timer("retention", expires_ms, c.ExpireMessages(), 0, arn=DLQ, background=True)] if moved else []
    )
    if "parks" in expect:
        assert decision.reply is PARKED
        parks = [effect for effect in decision.effects if isinstance(effect, Park)]
        assert parks == [Park(Q, stored, *expect["parks"])]
    elif waits == "request":
        assert isinstance(decision.reply, c.ReceiveResult)
        check(taken, [(message.message_id, message.receipt_handle) for message in decision.reply.messages])
    else:
        assert isinstance(decision.reply, Polled)
        check(taken, [(record.id, record.receipt) for record in decision.reply.records])
        assert [record.cause for record in decision.reply.records] == [rows[m.message_id] for m in taken]


def check(taken: list[Candidate], got: list[tuple[str, str]]) -> None:
    """The answer holds these messages, each with a handle of this very receive."""
    assert [message_id for message_id, _ in got] == [message.message_id for message in taken]
    assert [receipts.read(Q, handle) for _, handle in got] == [
        (message.seq, message.receive_count + 1) for message in taken
    ]


def test_a_waiting_request_ends_at_the_deadline_it_carries() -> None:
    view, command = view_of({}), c.ReceiveMessage(1, None, 20, until_ms=NOW_MS)
    decision = receive.decide_receive(view, Entry(NOW_MS, ORDINARY, Q, command, 9), now_ms=NOW_MS, ids=Ids(1))
    assert decision == Decision(reply=c.ReceiveResult(()))

"""A standard queue with a dead-letter queue against a small model, driven by Hypothesis through the engine.

The model is a list of messages and AWS's rules as sentences; the queue is everything from the command to
the rows. After each step the counts agree, no invariant is broken, and at the end no message is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from tests.services.sqs.world import NAMES, World

ENDS = {"MessageDeleted", "MessageExpired"}
RETENTION_MS = {"q": 120_000, "dlq": 200_000}
HIDE_MS = 10_000
MAX_RECEIVE_COUNT = 2


@dataclass
class Modelled:
    """A message: where it is, when it is visible, and how often it was received (here, and in all)."""

    body: str
    queue: str
    order: int
    sent_ms: int
    visible_ms: int
    here: int = 0
    count: int = 0
    received_ms: int | None = None


@dataclass(frozen=True)
class Handle:
    """A receipt handle and what it is of."""

    text: str
    body: str
    count: int
    queue: str


@dataclass
class Model:
    """Rules of AWS, said as plainly as possible."""

    now_ms: int = 0
    messages: list[Modelled] = field(default_factory=list)

    def alive(self, queue: str) -> list[Modelled]:
        here = [m for m in self.messages if m.queue == queue]
        return [m for m in here if self.now_ms < m.sent_ms + RETENTION_MS[queue]]

    def counts(self, queue: str) -> list[int]:
        hidden = [m for m in self.alive(queue) if m.visible_ms > self.now_ms]
        flying = sum(m.here > 0 for m in hidden)
        return [len(self.alive(queue)) - len(hidden), flying, len(hidden) - flying]

    def receive(self, queue: str, number: int, hide_ms: int) -> list[Modelled]:
        got: list[Modelled] = []
        visible = [m for m in self.alive(queue) if m.visible_ms <= self.now_ms]
        for m in sorted(visible, key=lambda m: (m.visible_ms, m.order)):
            if len(got) == number:
                break
            if queue == "q" and m.here >= MAX_RECEIVE_COUNT:
                m.queue, m.visible_ms, m.here, m.received_ms = "dlq", self.now_ms, 0, None
                continue
            m.here, m.count, m.received_ms = m.here + 1, m.count + 1, self.now_ms
            m.visible_ms = self.now_ms + hide_ms
            got.append(m)
        return got

    def of(self, handle: Handle) -> Modelled | None:
        """The message, if the handle is of its latest receive in the queue where it is."""
        for m in self.messages:
            if (m.body, m.queue, m.count) == (handle.body, handle.queue, handle.count) and m.here:
                return m
        return None


class Queues(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 3))
    def start(self, seed: int) -> None:
        policy = {"dead_letter_target": "dlq", "max_receive_count": MAX_RECEIVE_COUNT}
        queue = {"visibility_timeout": 10, "message_retention_period": 120, "redrive_policy": policy}
        dlq = {"visibility_timeout": 10, "message_retention_period": 200}
        self.world = World({"q": queue, "dlq": dlq}, seed=seed)
        self.model = Model()
        self.handles: list[Handle] = []
        self.waiting: list[tuple[int, Any]] = []

    @rule(delay=st.sampled_from([0, 0, 0, 5, 30]), queue=st.sampled_from(["q", "q", "q", "dlq"]))
    def send(self, delay: int, queue: str) -> None:
        body = f"m{len(self.model.messages)}-{len(self.world.ids)}"
        sent = self.world.send(queue, body, delay_seconds=delay)
        assert isinstance(sent, c.SendResult)
        now_ms, order = self.model.now_ms, len(self.world.ids)
        self.model.messages.append(Modelled(body, queue, order, now_ms, now_ms + 1000 * delay))

    @rule(
        number=st.integers(1, 10),
        hide=st.sampled_from([None, None, 0, 3, 40]),
        queue=st.sampled_from(["q", "q", "dlq"]),
    )
    def receive(self, number: int, hide: int | None, queue: str) -> None:
        got = self.world.receive(queue, number, visibility_timeout=hide)
        expected = self.model.receive(queue, number, HIDE_MS if hide is None else 1000 * hide)
        counts = [int(dict(message.attributes)["ApproximateReceiveCount"]) for message in got.messages]
        assert [message.body for message in got.messages] == [m.body for m in expected]
        assert counts == [m.count for m in expected]
        for message, count in zip(got.messages, counts, strict=True):
            self.handles.append(Handle(message.receipt_handle, message.body, count, queue))
        assert len({handle.text for handle in self.handles}) == len(self.handles)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if not self.handles:
            return
        handle = data.draw(st.sampled_from(self.handles))
        assert self.world.ask(handle.queue, c.DeleteMessage(handle.text)) is None
        message = self.model.of(handle)
        if message is not None:
            self.model.messages.remove(message)

    @rule(data=st.data(), to=st.sampled_from([0, 1, 20, 43_200]))
    def change(self, data: st.DataObject, to: int) -> None:
        if not self.handles:
            return
        handle = data.draw(st.sampled_from(self.handles))
        got = self.world.ask(handle.queue, c.ChangeMessageVisibility(handle.text, to))
        message = self.model.of(handle)
        too_far = message is not None and self.model.now_ms + 1000 * to > (message.received_ms or 0) + 43_200_000
        if message is None or too_far:
            assert isinstance(got, Refused)
            assert got.code == "InvalidParameterValue"
        else:
            assert got is None
            message.visible_ms = self.model.now_ms + 1000 * to

    @rule(by_ms=st.sampled_from([1, 999, 3000, 10_000, 10_000, 31_000, 119_000]))
    def advance(self, by_ms: int) -> None:
        self.world.engine.advance(by_ms)
        self.model.now_ms += by_ms
        # A sweep may be a second late; until then a message past its retention can still be deleted.
        for message in list(self.model.messages):
            late_ms = self.model.now_ms - message.sent_ms - RETENTION_MS[message.queue]
            if late_ms >= 0:
                self.model.messages.remove(message)

    @rule(wait=st.integers(1, 20), queue=st.sampled_from(["q", "dlq"]))
    def long_poll(self, wait: int, queue: str) -> None:
        """A long poll is answered at the first moment at which a short one would be, or at its end."""
        got = self.world.receive(queue, 10, wait_time_seconds=wait)
        moments = {self.model.now_ms, self.model.now_ms + 1000 * wait}
        moments |= {m.visible_ms for m in self.model.messages if m.queue == queue}
        last_ms = self.model.now_ms + 1000 * wait
        for moment in sorted(at for at in moments if self.model.now_ms <= at <= last_ms):
            self.model.now_ms = moment
            expected = self.model.receive(queue, 10, HIDE_MS)
            if expected:
                break
        assert self.world.engine.now_ms == self.model.now_ms
        assert [message.body for message in got.messages] == [m.body for m in expected]
        for message in got.messages:
            count = int(dict(message.attributes)["ApproximateReceiveCount"])
            self.handles.append(Handle(message.receipt_handle, message.body, count, queue))
        self.advance(0)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "world"):
            return
        for queue in ("q", "dlq"):
            assert self.world.counts(queue) == self.model.counts(queue)
        assert self.world.broken() == []

    def teardown(self) -> None:
        """Nothing is lost: each message is in a queue, or its last row says why not; rows form a chain."""
        if not hasattr(self, "world"):
            return
        stored = dict(self.world.engine.connection.execute("SELECT message_id, queue FROM sqs_messages"))
        for body, message_id in self.world.ids.items():
            rows = [row for row in self.world.rows(body) if row[1] != "MessageDeleteIgnored"]
            assert (rows[-1][1] in ENDS) is (message_id not in stored), (body, rows)
            assert [cause for _, _, cause, _ in rows] == [0, *(row for row, _, _, _ in rows[:-1])]
        for message in self.model.messages:
            assert stored[self.world.ids[message.body]] == NAMES.queue(message.queue)


TestQueues = Queues.TestCase
TestQueues.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

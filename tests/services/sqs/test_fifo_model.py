"""A FIFO queue with a dead-letter queue against a small model, driven by Hypothesis through the engine.

The model says AWS's rules as sentences over a list: a group gives its messages in order, up to the first that is
hidden. Besides, what AWS promises is checked without the model: order in a group, no message while it is hidden,
no group while a message of it is in flight, unless one before it came back.
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

RETENTION_MS = {"q.fifo": 1_000_000, "dlq.fifo": 1_500_000}
HIDE_MS = 10_000
MAX_RECEIVE_COUNT = 2
DEDUPLICATION_MS = 300_000
GROUPS = ("g1", "g2", "g3")
ENDS = {"MessageDeleted", "MessageExpired", "MessageDropped"}


@dataclass
class Modelled:
    """A message: where it is, since when, when it is visible, and how often it was received (here, in all)."""

    body: str
    group: str
    queue: str
    sent_ms: int
    visible_ms: int
    order: int = 0
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
    by_group: bool = False
    delay_ms: int = 0
    orders: int = 0
    messages: list[Modelled] = field(default_factory=list)
    seen: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def in_order(self, queue: str) -> list[Modelled]:
        return sorted((m for m in self.messages if m.queue == queue), key=lambda m: m.order)

    def counts(self, queue: str) -> list[int]:
        hidden = [m for m in self.in_order(queue) if m.visible_ms > self.now_ms]
        flying = sum(m.here > 0 for m in hidden)
        return [len(self.in_order(queue)) - len(hidden), flying, len(hidden) - flying]

    def enqueue(self, message: Modelled) -> None:
        self.orders += 1
        message.order = self.orders
        if message not in self.messages:
            self.messages.append(message)

    def first(self, group: str, deduplication_id: str) -> str | None:
        """The body of the message that a send would repeat; remembers the send otherwise."""
        for scope in ("", group):
            at_ms, body = self.seen.get((scope, deduplication_id), (-DEDUPLICATION_MS, ""))
            if self.now_ms < at_ms + DEDUPLICATION_MS:
                return body
        return None

    def receive(self, queue: str, number: int, hide_ms: int) -> list[Modelled]:
        got: list[Modelled] = []
        heads: dict[str, Modelled] = {}
        for m in self.in_order(queue):
            heads.setdefault(m.group, m)
        ready = [m for m in heads.values() if m.visible_ms <= self.now_ms]
        for head in sorted(ready, key=lambda m: (m.visible_ms, m.order)):
            for m in [m for m in self.in_order(queue) if m.group == head.group]:
                if m.visible_ms > self.now_ms or len(got) == number:
                    break
                if queue == "q.fifo" and m.here >= MAX_RECEIVE_COUNT:
                    m.queue, m.visible_ms, m.here, m.received_ms = "dlq.fifo", self.now_ms, 0, None
                    m.sent_ms = self.now_ms
                    self.enqueue(m)
                    continue
                m.here, m.count, m.received_ms = m.here + 1, m.count + 1, self.now_ms
                m.visible_ms = self.now_ms + hide_ms
                got.append(m)
        return got

    def of(self, handle: Handle) -> Modelled | None:
        """The message that a handle is of, if it is in the same queue still."""
        for m in self.messages:
            if (m.body, m.queue) == (handle.body, handle.queue) and m.here:
                return m
        return None

    def expire(self) -> None:
        self.messages = [m for m in self.messages if self.now_ms < m.sent_ms + RETENTION_MS[m.queue]]


class FifoQueues(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 3), by_group=st.booleans(), delay=st.sampled_from([0, 0, 7]))
    def start(self, seed: int, by_group: bool, delay: int) -> None:
        policy = {"dead_letter_target": "dlq.fifo", "max_receive_count": MAX_RECEIVE_COUNT}
        self.config: dict[str, Any] = {
            "fifo_queue": True,
            "visibility_timeout": 10,
            "message_retention_period": 1000,
            "redrive_policy": policy,
            "delay_seconds": delay,
            "deduplication_scope": "messageGroup" if by_group else "queue",
        }
        dlq = {"fifo_queue": True, "visibility_timeout": 10, "message_retention_period": 1500}
        self.world = World({"q.fifo": self.config, "dlq.fifo": dlq}, seed=seed)
        self.model = Model(by_group=by_group, delay_ms=1000 * delay)
        self.handles: list[Handle] = []
        self.numbers: list[int] = []

    @rule(group=st.sampled_from(GROUPS), shared=st.sampled_from([None, None, None, "d1", "d2"]))
    def send(self, group: str, shared: str | None) -> None:
        body = f"m{len(self.world.ids)}"
        deduplication_id = shared or body
        first = self.model.first(group, deduplication_id)
        sent = self.world.send("q.fifo", body, message_group_id=group, message_deduplication_id=deduplication_id)
        assert isinstance(sent, c.SendResult)
        assert sent.sequence_number is not None
        assert len(sent.sequence_number) == 20
        if first is not None:
            assert sent.message_id == self.world.ids[first]
            return
        assert int(sent.sequence_number) > max(self.numbers, default=0)
        self.numbers.append(int(sent.sequence_number))
        now_ms = self.model.now_ms
        scope = group if self.model.by_group else ""
        self.model.seen[scope, deduplication_id] = (now_ms, body)
        self.model.enqueue(Modelled(body, group, "q.fifo", now_ms, now_ms + self.model.delay_ms))

    @rule(
        number=st.integers(1, 10),
        hide=st.sampled_from([None, None, 0, 3, 40]),
        queue=st.sampled_from(["q.fifo", "q.fifo", "dlq.fifo"]),
    )
    def receive(self, number: int, hide: int | None, queue: str) -> None:
        before = {m.body: (m.visible_ms, m.group, m.order) for m in self.model.in_order(queue)}
        got = self.world.receive(queue, number, visibility_timeout=hide)
        self.promised(got, before)
        expected = self.model.receive(queue, number, HIDE_MS if hide is None else 1000 * hide)
        self.take(got, expected, queue)

    def promised(self, got: c.ReceiveResult, before: dict[str, tuple[int, str, int]]) -> None:
        """What AWS promises, said without the model's own receive."""
        last: dict[str, int] = {}
        for message in got.messages:
            visible_ms, group, order = before[message.body]
            assert visible_ms <= self.model.now_ms, "nothing is delivered while it is hidden"
            assert order > last.get(group, 0), "a group keeps its order"
            last[group] = order
            earlier = [at_ms for at_ms, theirs, place in before.values() if theirs == group and place < order]
            assert all(at_ms <= self.model.now_ms for at_ms in earlier), "nothing overtakes what is hidden"

    def take(self, got: c.ReceiveResult, expected: list[Modelled], queue: str) -> None:
        counts = [int(dict(message.attributes)["ApproximateReceiveCount"]) for message in got.messages]
        assert [message.body for message in got.messages] == [m.body for m in expected]
        assert counts == [m.count for m in expected]
        for message, count in zip(got.messages, counts, strict=True):
            self.handles.append(Handle(message.receipt_handle, message.body, count, queue))

    @rule(wait=st.integers(1, 20), queue=st.sampled_from(["q.fifo", "dlq.fifo"]))
    def long_poll(self, wait: int, queue: str) -> None:
        """A long poll is answered at the first moment at which a short one would be, or at its end."""
        got = self.world.receive(queue, 10, wait_time_seconds=wait)
        last_ms = self.model.now_ms + 1000 * wait
        moments = {self.model.now_ms, last_ms} | {m.visible_ms for m in self.model.messages}
        moments |= {m.sent_ms + RETENTION_MS[m.queue] for m in self.model.messages}
        expected: list[Modelled] = []
        for moment in sorted(at for at in moments if self.model.now_ms <= at <= last_ms):
            self.model.now_ms = moment
            self.model.expire()
            expected = self.model.receive(queue, 10, HIDE_MS)
            if expected:
                break
        assert self.world.engine.now_ms == self.model.now_ms
        self.take(got, expected, queue)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if not self.handles:
            return
        handle = data.draw(st.sampled_from(self.handles))
        message = self.model.of(handle)
        got = self.world.ask(handle.queue, c.DeleteMessage(handle.text))
        if message is None:
            assert got is None, "deleting what is gone succeeds"
        elif message.count != handle.count or message.visible_ms <= self.model.now_ms:
            assert isinstance(got, Refused)
            assert got.message.endswith("The receipt handle has expired.")
        else:
            assert got is None
            self.model.messages.remove(message)

    @rule(data=st.data(), to=st.sampled_from([0, 1, 20]))
    def change(self, data: st.DataObject, to: int) -> None:
        if not self.handles:
            return
        handle = data.draw(st.sampled_from(self.handles))
        message = self.model.of(handle)
        got = self.world.ask(handle.queue, c.ChangeMessageVisibility(handle.text, to))
        if message is None or message.count != handle.count or message.visible_ms <= self.model.now_ms:
            assert isinstance(got, Refused)
        else:
            assert got is None
            message.visible_ms = self.model.now_ms + 1000 * to

    @rule(delay=st.sampled_from([0, 3, 30]))
    def set_delay(self, delay: int) -> None:
        """A new delay of a FIFO queue holds for what is there and was never received."""
        attributes = (("DelaySeconds", str(delay)),)
        assert self.world.ask("q.fifo", c.SetQueueAttributes(attributes)) is None
        if 1000 * delay == self.model.delay_ms:
            return
        self.model.delay_ms = 1000 * delay
        for m in self.model.in_order("q.fifo"):
            if m.received_ms is None:
                m.visible_ms = m.sent_ms + 1000 * delay

    @rule()
    def purge(self) -> None:
        got = self.world.ask("q.fifo", c.PurgeQueue())
        if not isinstance(got, Refused):
            self.model.messages = [m for m in self.model.messages if m.queue != "q.fifo"]
            self.model.seen.clear()

    @rule(by_ms=st.sampled_from([1, 999, 3000, 10_000, 10_000, 31_000, 299_000, 600_000]))
    def advance(self, by_ms: int) -> None:
        self.world.engine.advance(by_ms)
        self.model.now_ms += by_ms
        self.model.expire()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "world"):
            return
        for queue in ("q.fifo", "dlq.fifo"):
            assert self.world.counts(queue) == self.model.counts(queue)
        assert self.world.broken() == []

    def teardown(self) -> None:
        """Nothing is lost: each message is in a queue, or its last row says why not; rows form a chain."""
        if not hasattr(self, "world"):
            return
        stored = dict(self.world.engine.connection.execute("SELECT message_id, queue FROM sqs_messages"))
        for message_id in set(self.world.ids.values()):
            body = next(body for body, known in self.world.ids.items() if known == message_id)
            beside = ("MessageDeleteIgnored", "MessageDeduplicated")
            rows = [row for row in self.world.rows(body) if row[1] not in beside]
            assert (rows[-1][1] in ENDS) is (message_id not in stored), (body, rows)
            assert [cause for _, _, cause, _ in rows] == [0, *(row for row, _, _, _ in rows[:-1])]
        for message in self.model.messages:
            assert stored[self.world.ids[message.body]] == NAMES.queue(message.queue)


TestFifoQueues = FifoQueues.TestCase
TestFifoQueues.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

"""Fair queues against AWS's rules, said over a list of messages and driven by Hypothesis: a noisy tenant's message
is returned only when no quiet one is left, and of noisy tenants the one with fewest in flight goes first."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simtriggers.aws.contracts import Poll, Settle
from simtriggers.services.sqs import commands as c
from tests.services.sqs.world import NAMES, World

Q = NAMES.queue("q")
TENANTS = ("a", "b", "c", None)
HIDE_MS = 20_000


@dataclass
class Modelled:
    """A message: whose it is, when it is visible, and since when it is in flight."""

    tenant: str | None
    order: int
    visible_ms: int
    received_ms: int | None = None
    receipt: str = ""


class FairQueue(RuleBasedStateMachine):
    """Runs shorter than five minutes, so that no tenant falls silent."""

    @initialize()
    def start(self) -> None:
        self.world = World({"q": {"visibility_timeout": HIDE_MS // 1000}})
        self.messages: dict[str, Modelled] = {}
        self.sent = 0

    @property
    def now_ms(self) -> int:
        return self.world.engine.now_ms

    def in_flight(self) -> list[Modelled]:
        return [m for m in self.messages.values() if m.visible_ms > self.now_ms]

    def visible(self) -> list[Modelled]:
        return [m for m in self.messages.values() if m.visible_ms <= self.now_ms]

    def noisy(self) -> dict[str, int]:
        """More than 10% of what is in flight and at least 30, or more than 10% of the time that it has taken."""
        flying = self.in_flight()
        took = {id(m): self.now_ms - (m.received_ms or 0) for m in flying}
        found = {}
        for tenant in ("a", "b", "c"):
            theirs = [m for m in flying if m.tenant == tenant]
            much = len(theirs) >= 30 and len(theirs) > 0.1 * len(flying)
            if much or sum(took[id(m)] for m in theirs) > 0.1 * sum(took.values()):
                found[tenant] = len(theirs)
        return found

    @rule(tenant=st.sampled_from(TENANTS), number=st.integers(1, 45))
    def send(self, tenant: str | None, number: int) -> None:
        for _ in range(number):
            self.world.engine.submit(Q, c.SendMessage(str(self.sent), message_group_id=tenant))
            self.messages[str(self.sent)] = Modelled(tenant, self.sent, self.now_ms)
            self.sent += 1
        self.world.engine.run_until(self.now_ms)

    @rule(number=st.sampled_from([1, 2, 10, 40, 60]))
    def receive(self, number: int) -> None:
        noisy, visible = self.noisy(), self.visible()
        records = self.world.ask("q", Poll(number, 0)).records
        got = [self.messages[json.loads(record.json)["body"]] for record in records]
        left = [m for m in visible if not any(m is each for each in got)]
        assert len(got) == min(number, len(visible))
        assert all(m.visible_ms <= self.now_ms for m in got)
        if not noisy:
            assert got == sorted(visible, key=lambda m: (m.visible_ms, m.order))[:number]
        loud = [m for m in got if m.tenant in noisy]
        if loud:
            assert not [m for m in left if m.tenant not in noisy], "a quiet tenant's message waits behind a noisy one's"
        for m in loud:
            assert m.tenant is not None
            fewer = [other for other in left if other.tenant in noisy and noisy[other.tenant] < noisy[m.tenant]]
            assert not fewer, "of noisy tenants the one with fewest in flight goes first"
        for record, m in zip(records, got, strict=True):
            m.visible_ms, m.received_ms, m.receipt = self.now_ms + HIDE_MS, self.now_ms, record.receipt

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        names = [name for name, m in self.messages.items() if m.receipt and m.visible_ms > self.now_ms]
        done = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        self.world.ask("q", Settle(tuple((name, self.messages.pop(name).receipt) for name in done)))

    @rule(by_ms=st.sampled_from([1, 700, 5000]))
    def advance(self, by_ms: int) -> None:
        self.world.engine.advance(by_ms)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "world"):
            assert self.world.counts("q") == [len(self.visible()), len(self.in_flight()), 0]


TestFairQueue = FairQueue.TestCase
TestFairQueue.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

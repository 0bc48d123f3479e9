"""The agenda against a sorted list: order, timers, parking, waking, what is stored, and shuffled ties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from simtriggers.kernel.agenda import FOREVER_MS, ORDINARY, REPLY, WOKEN, Agenda, Entry

TIMES = st.integers(0, 8)
KEYS = st.sampled_from(["a", "b"])


def entry(at_ms: int, name: str = "x", priority: int = ORDINARY, **more: Any) -> Entry:
    return Entry(at_ms, priority, "arn", name, 0, **more)


def names(agenda: Agenda) -> list[str]:
    """The commands in the order in which they are taken."""
    taken = []
    while (item := agenda.pop()) is not None:
        taken.append(item.command)
    return taken


def test_entries_come_by_time_then_priority_then_arrival() -> None:
    agenda = Agenda()
    for item in [
        entry(2, "late"),
        entry(1, "woken", WOKEN),
        entry(1, "one"),
        entry(1, "two"),
        entry(1, "reply", REPLY),
    ]:
        agenda.push(item)
    assert names(agenda) == ["reply", "one", "two", "woken", "late"]
    assert agenda.pop() is None


def test_a_timer_replaces_the_earlier_one_of_its_arn_and_key_alone() -> None:
    agenda = Agenda()
    agenda.set_timer(entry(1, "first", timer_key="k"))
    agenda.set_timer(entry(1, "other key", timer_key="l"))
    agenda.set_timer(Entry(1, ORDINARY, "other arn", "other arn", 0, timer_key="k"))
    agenda.set_timer(entry(5, "second", timer_key="k"))
    assert names(agenda) == ["other key", "other arn", "second"]


def test_a_timer_that_was_taken_is_not_cancelled_later() -> None:
    agenda = Agenda()
    agenda.set_timer(entry(1, "first", timer_key="k"))
    assert agenda.pop() is not None
    agenda.cancel_timer("arn", "k")
    agenda.set_timer(entry(1, "again", timer_key="k"))
    assert names(agenda) == ["again"]


def test_a_parked_entry_is_due_at_the_earlier_of_deadline_and_recheck() -> None:
    agenda = Agenda()
    agenda.park(entry(0, "deadline"), key="q", until_ms=10, recheck_ms=20)
    agenda.park(entry(0, "recheck"), key="q", until_ms=None, recheck_ms=5)
    agenda.park(entry(0, "for ever"), key="q", until_ms=None, recheck_ms=None)
    assert [(item.at_ms, item.command) for item in agenda.entries()] == [
        (5, "recheck"),
        (10, "deadline"),
        (FOREVER_MS, "for ever"),
    ]
    assert agenda.parked() == {"q": 3}


def test_wake_takes_those_that_wait_longest_and_runs_them_last_in_their_millisecond() -> None:
    agenda = Agenda()
    for name in ("one", "two", "three"):
        agenda.park(entry(0, name), key="q", until_ms=None, recheck_ms=None)
    agenda.wake("q", 2, 7)
    agenda.push(entry(7, "ordinary"))
    first = agenda.peek()
    assert first is not None and first.command == "ordinary"
    assert [agenda.pop() for _ in range(1)] == [first]
    assert [item.command for item in agenda.entries() if item.at_ms == 7] == ["one", "two"]
    assert agenda.parked() == {"q": 3}
    agenda.wake("q", 1, 7)
    assert [item.command for item in agenda.entries() if item.at_ms == 7] == ["one", "two", "three"]


def test_a_wake_passes_over_entries_that_are_due_earlier_anyway() -> None:
    agenda = Agenda()
    agenda.park(entry(0, "due"), key="q", until_ms=3, recheck_ms=None)
    agenda.park(entry(0, "waits"), key="q", until_ms=None, recheck_ms=None)
    agenda.wake("q", 1, 5)
    assert [(item.at_ms, item.command) for item in agenda.entries()] == [(3, "due"), (5, "waits")]
    agenda.wake("nobody waits here", 1, 5)
    assert len(agenda) == 2


def test_foreground_counts_what_is_neither_background_nor_waiting_for_ever() -> None:
    agenda = Agenda()
    agenda.push(entry(1))
    agenda.push(entry(1, background=True))
    agenda.park(entry(0), key="q", until_ms=None, recheck_ms=None)
    assert agenda.foreground == 1
    agenda.wake("q", 1, 1)
    assert agenda.foreground == 2
    assert len(names(agenda)) == 3
    assert agenda.foreground == 0


def test_foreground_by_a_time() -> None:
    agenda = Agenda()
    far = entry(100)
    near = entry(10)
    agenda.push(far)
    agenda.push(entry(1, background=True))
    assert not agenda.foreground_by(99)
    assert agenda.foreground_by(100)
    agenda.push(near)
    assert agenda.foreground_by(10)
    agenda.remove(near)
    assert not agenda.foreground_by(10)
    agenda.remove(far)
    assert not agenda.foreground_by(FOREVER_MS)


def test_the_heap_does_not_grow_with_entries_that_were_replaced() -> None:
    agenda = Agenda()
    agenda.park(entry(0, "poll"), key="q", until_ms=None, recheck_ms=None)
    for at_ms in range(10_000):
        agenda.wake("q", 1, at_ms)
        woken = agenda.pop()
        assert woken is not None
        agenda.park(replace(woken, park_key=None), key="q", until_ms=None, recheck_ms=None)
        agenda.set_timer(entry(1_000_000 + at_ms, timer_key="k"))
    assert len(agenda) == 2
    assert len(agenda._heap) < 200


# --- shuffled ties --------------------------------------------------------------------------------


def shuffled(seed: int | None, make: Callable[[], list[Entry]]) -> list[str]:
    agenda = Agenda(seed)
    for item in make():
        agenda.push(item)
    return names(agenda)


def test_shuffling_changes_the_order_of_equals_and_is_repeatable() -> None:
    def make() -> list[Entry]:
        return [entry(1, f"{n}") for n in range(8)]

    orders = {tuple(shuffled(seed, make)) for seed in range(20)}
    assert len(orders) > 15
    assert {tuple(sorted(order)) for order in orders} == {tuple(f"{n}" for n in range(8))}
    assert shuffled(3, make) == shuffled(3, make)
    assert shuffled(None, make) == [f"{n}" for n in range(8)]


@given(seed=st.integers(0, 1000), order=st.permutations(list("AAABBBxx")), later=st.integers(0, 7))
def test_shuffling_keeps_the_order_within_a_key_and_across_times(seed: int, order: list[str], later: int) -> None:
    """Also when entries of a later time are pushed in between, as effects are."""
    agenda = Agenda(seed)
    pushed: dict[str, list[str]] = {}
    for number, letter in enumerate(order):
        key = None if letter == "x" else letter
        pushed.setdefault(letter, []).append(f"{letter}{number}")
        agenda.push(entry(1, f"{letter}{number}", order_key=key))
        if number == later:
            agenda.push(entry(2, "later", order_key="A"))
            agenda.push(entry(1, "reply", REPLY, order_key="B"))
    taken = names(agenda)
    assert taken[0] == "reply" and taken[-1] == "later"
    for letter in "AB":
        assert [name for name in taken if name[0] == letter] == pushed[letter]


def test_keyed_entries_are_interleaved_with_others() -> None:
    def make() -> list[Entry]:
        return [entry(1, f"{n}", order_key="A" if n % 2 else "B") for n in range(4)]

    firsts = {shuffled(seed, make)[0] for seed in range(20)}
    assert firsts == {"0", "1"}


# --- against a model --------------------------------------------------------------------------------


class AgendaMachine(RuleBasedStateMachine):
    """Random operations on the agenda, on a plain dict of entries, and on a dict kept by difference."""

    added = Bundle("added")

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(track=True)
        self.model: dict[str, Entry] = {}
        self.stored: dict[int, Entry] = {}
        self.number = 0

    def fresh(self, at_ms: int, **more: Any) -> Entry:
        self.number += 1
        made = entry(at_ms, f"{self.number}", **more)
        self.model[made.command] = made
        return made

    @rule(target=added, at_ms=TIMES, priority=st.sampled_from([REPLY, ORDINARY, WOKEN]), background=st.booleans())
    def push(self, at_ms: int, priority: int, background: bool) -> Any:
        made = self.fresh(at_ms, priority=priority, background=background)
        self.agenda.push(made)
        return made.command

    @rule(target=added, key=KEYS, at_ms=TIMES)
    def timer(self, key: str, at_ms: int) -> Any:
        self.cancel(key)
        made = self.fresh(at_ms, timer_key=key)
        self.agenda.set_timer(made)
        return made.command

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        self.agenda.cancel_timer("arn", key)
        self.model = {name: held for name, held in self.model.items() if held.timer_key != key}

    @rule(target=added, key=KEYS, until=st.none() | TIMES, recheck=st.none() | TIMES)
    def park(self, key: str, until: int | None, recheck: int | None) -> Any:
        made = self.fresh(0)
        self.agenda.park(made, key=key, until_ms=until, recheck_ms=recheck)
        assert made.at_ms == min([at for at in (until, recheck) if at is not None], default=FOREVER_MS)
        return made.command

    @rule(key=KEYS, n=st.integers(0, 3), at_ms=TIMES)
    def wake(self, key: str, n: int, at_ms: int) -> None:
        waiting = sorted((held for held in self.model.values() if held.park_key == key), key=lambda held: held.seq)
        expected = [held.command for held in waiting if held.at_ms > at_ms][:n]
        before = {name: held.at_ms for name, held in self.model.items()}
        self.agenda.wake(key, n, at_ms)
        after = {name: held.at_ms for name, held in self.model.items()}
        assert after == {**before, **dict.fromkeys(expected, at_ms)}

    @rule(name=added)
    def remove(self, name: str) -> None:
        held = self.model.pop(name, None)
        if held is not None:
            self.agenda.remove(held)
            self.agenda.remove(held)

    @precondition(lambda self: self.model)
    @rule()
    def pop(self) -> None:
        first = min(self.model.values(), key=lambda held: (held.at_ms, held.priority, held.seq))
        assert self.agenda.peek() is first
        assert self.agenda.pop() is first
        del self.model[first.command]

    @rule()
    def commit(self) -> None:
        added, removed = self.agenda.changes()
        for seq in removed:
            del self.stored[seq]
        for item in added:
            assert item.seq not in self.stored
            self.stored[item.seq] = replace(item)
        self.agenda.committed()
        assert sorted(self.stored) == sorted(held.seq for held in self.model.values())
        assert [(held.seq, held.at_ms, held.command) for held in self.agenda.entries()] == [
            (seq, held.at_ms, held.command)
            for seq, held in sorted(self.stored.items(), key=lambda pair: (pair[1].at_ms, pair[1].priority, pair[0]))
        ]

    @rule()
    def reload(self) -> None:
        """What a rollback after a commit does: a new agenda from what is stored."""
        self.commit()
        again = Agenda(track=True)
        self.model = {held.command: replace(held) for held in self.stored.values()}
        again.load(iter(sorted(self.model.values(), key=lambda held: held.seq)))
        assert again.changes() == ([], [])
        again.next_seq = self.agenda.next_seq
        self.agenda = again

    @invariant()
    def counts(self) -> None:
        held = self.model.values()
        assert len(self.agenda) == len(held)
        assert self.agenda.foreground == sum(1 for e in held if not e.background and e.at_ms < FOREVER_MS)
        parked = [e.park_key for e in held if e.park_key is not None]
        assert self.agenda.parked() == {key: parked.count(key) for key in sorted(set(parked))}
        for limit in (2, 5):
            due = any(not e.background and e.at_ms <= limit for e in held)
            assert self.agenda.foreground_by(limit) == due


AgendaMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgendaMachine = AgendaMachine.TestCase


def test_an_untracked_agenda_keeps_no_changes() -> None:
    agenda = Agenda()
    agenda.push(entry(1))
    agenda.pop()
    assert agenda.changes() == ([], [])


@pytest.mark.parametrize("track", [True, False])
def test_loading_keeps_the_numbers_and_goes_on_after_them(track: bool) -> None:
    agenda = Agenda(track=track)
    held = [entry(5, "b", seq=7), entry(1, "a", seq=9, timer_key="k")]
    agenda.load(iter(held))
    agenda.push(entry(5, "c"))
    assert [(item.seq, item.command) for item in agenda.entries()] == [(9, "a"), (7, "b"), (10, "c")]
    agenda.cancel_timer("arn", "k")
    assert names(agenda) == ["b", "c"]

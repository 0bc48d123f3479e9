"""The agenda: everything that is going to happen, in order of (at_ms, priority, seq).

Knows timers (a key replaces its earlier timer), parked entries (waiting for something to appear) and
what has changed since the last commit; never knows what a command means. Three priorities: replies and
completions, ordinary commands, and polls that were woken, which run last in their millisecond so that
they find everything that arrived in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heapify, heappop, heappush
from typing import Any

from .effects import ReturnAddress

REPLY, ORDINARY, WOKEN = 0, 1, 2
FOREVER_MS = 1 << 60


@dataclass(slots=True, eq=False)
class Entry:
    """One thing that is going to happen. `seq` changes whenever the entry is queued again, and is 0 while
    it is not on the agenda.

    `request` is the token of the Call that this entry answers; `deadline_ms` is when a parked entry
    gives up (None: never); `order_key` names entries whose mutual order is promised. `missed` is set when it is
    taken so late that its turn counts as missed.
    """

    at_ms: int
    priority: int
    arn: str
    command: Any
    cause: int
    reply_to: ReturnAddress | None = None
    request: str | None = None
    timer_key: str | None = None
    park_key: str | None = None
    deadline_ms: int | None = None
    order_key: str | None = None
    background: bool = False
    seq: int = 0
    missed: bool = False


class Agenda:
    """A heap of entries. With `shuffle_seed`, entries of equal time and priority that promise no order
    are taken in a seeded order instead of order of arrival. With `track`, what differs from the last
    commit is kept for `changes`."""

    def __init__(self, shuffle_seed: int | None = None, *, next_seq: int = 1, track: bool = False) -> None:
        self._heap: list[tuple[int, int, int, Entry]] = []
        self._size = 0
        self._timers: dict[tuple[str, str], Entry] = {}
        self._parked: dict[str, dict[int, Entry]] = {}
        self._shuffle_seed = shuffle_seed
        self.next_seq = next_seq
        self._track = track
        self.foreground = 0
        """How many entries are neither background work nor waiting for ever."""
        self._known: Entry | None = None
        self._added: dict[int, Entry] = {}
        self._removed: list[int] = []

    def __len__(self) -> int:
        return self._size

    # --- order ----------------------------------------------------------------------------------

    def push(self, entry: Entry) -> None:
        """Add an entry; gives it the next `seq`."""
        seq = entry.seq = self.next_seq
        self.next_seq = seq + 1
        self._insert(entry)
        if self._track:
            self._added[seq] = entry

    def _insert(self, entry: Entry) -> None:
        self._size += 1
        at_ms = entry.at_ms
        if not entry.background and at_ms < FOREVER_MS:
            self.foreground += 1
        tie = 0 if self._shuffle_seed is None else self._tie(entry)
        heappush(self._heap, (at_ms << 2 | entry.priority, tie, entry.seq, entry))

    def _tie(self, entry: Entry) -> int:
        """Where an entry stands among its equals; the same for all of one order key, so that `seq` decides."""
        place = entry.seq if entry.order_key is None else f"{entry.at_ms}/{entry.order_key}"
        return int.from_bytes(blake2b(f"{self._shuffle_seed}/{place}".encode(), digest_size=6).digest(), "big")

    def peek(self) -> Entry | None:
        """The entry that comes next, or None."""
        heap = self._heap
        while heap:
            _, _, seq, entry = heap[0]
            if entry.seq == seq:
                return entry
            heappop(heap)
        return None

    def pop(self) -> Entry | None:
        """Take the next entry out, or None when there is none."""
        heap = self._heap
        while heap:
            _, _, seq, entry = heappop(heap)
            if entry.seq == seq:
                self._leave(entry)
                return entry
        return None

    def take(self, entry: Entry) -> None:
        """Take out the entry that `peek` has just returned."""
        heappop(self._heap)
        self._leave(entry)

    def remove(self, entry: Entry) -> None:
        """Take an entry out before its time; does nothing when it has been taken."""
        if entry.seq:
            self._leave(entry)
            heap = self._heap
            if len(heap) > 2 * self._size + 64:  # what was taken out early is still in it
                self._heap = [item for item in heap if item[3].seq == item[2]]
                heapify(self._heap)

    def _leave(self, entry: Entry) -> None:
        seq = entry.seq
        entry.seq = 0
        self._size -= 1
        if not entry.background and entry.at_ms < FOREVER_MS:
            self.foreground -= 1
        if entry.timer_key is not None and self._timers.get((entry.arn, entry.timer_key)) is entry:
            del self._timers[(entry.arn, entry.timer_key)]
        if entry.park_key is not None:
            waiting = self._parked[entry.park_key]
            del waiting[seq]
            if not waiting:
                del self._parked[entry.park_key]
        if self._track and self._added.pop(seq, None) is None:
            self._removed.append(seq)

    # --- timers and parking ---------------------------------------------------------------------

    def set_timer(self, entry: Entry) -> None:
        """Add an entry with a `timer_key`; the ARN's earlier timer of that key is forgotten."""
        assert entry.timer_key is not None
        self.cancel_timer(entry.arn, entry.timer_key)
        self.push(entry)
        self._timers[(entry.arn, entry.timer_key)] = entry

    def cancel_timer(self, arn: str, key: str) -> None:
        """Forget the timer of that ARN and key, if there is one."""
        entry = self._timers.get((arn, key))
        if entry is not None:
            self.remove(entry)

    def park(self, entry: Entry, *, key: str, until_ms: int | None, recheck_ms: int | None) -> None:
        """Let an entry wait under `key`; it is due at the earlier of the two times, if any."""
        entry.park_key = key
        entry.deadline_ms = until_ms
        times = [at for at in (until_ms, recheck_ms) if at is not None]
        entry.at_ms = min(times) if times else FOREVER_MS
        entry.priority = WOKEN
        self.push(entry)
        self._parked.setdefault(key, {})[entry.seq] = entry

    def wake(self, key: str, n: int, at_ms: int) -> None:
        """Make up to `n` entries parked under `key` due at `at_ms`, those that wait longest first.

        Entries that are due by then anyway are passed over: each wake reaches another one.
        """
        waiting = self._parked.get(key)
        if not waiting:
            return
        for entry in [entry for entry in waiting.values() if entry.at_ms > at_ms][:n]:
            self.remove(entry)
            entry.at_ms = at_ms
            self.push(entry)
            self._parked.setdefault(key, {})[entry.seq] = entry

    def parked(self) -> dict[str, int]:
        """How many entries wait under each key."""
        return {key: len(waiting) for key, waiting in sorted(self._parked.items())}

    # --- views and storage ----------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All entries in order of (at_ms, priority, seq)."""
        live = [entry for _, _, seq, entry in self._heap if entry.seq == seq]
        return sorted(live, key=lambda entry: (entry.at_ms, entry.priority, entry.seq))

    def foreground_by(self, at_ms: int) -> bool:
        """Whether anything due by `at_ms` is neither background work nor waiting for ever."""
        if not self.foreground:
            return False
        known = self._known
        if known is None or not known.seq or known.at_ms > at_ms:
            work = [
                entry
                for _, _, seq, entry in self._heap
                if entry.seq == seq and entry.at_ms <= at_ms and not entry.background
            ]
            # The last of them is remembered: it answers this question for the longest time.
            known = self._known = max(work, key=lambda entry: entry.at_ms, default=None)
        return known is not None

    def load(self, entries: Iterator[Entry]) -> None:
        """Take over entries that a database holds; they keep their `seq`."""
        for entry in entries:
            self._insert(entry)
            if entry.timer_key is not None:
                self._timers[(entry.arn, entry.timer_key)] = entry
            if entry.park_key is not None:
                self._parked.setdefault(entry.park_key, {})[entry.seq] = entry
            self.next_seq = max(self.next_seq, entry.seq + 1)

    def changes(self) -> tuple[list[Entry], list[int]]:
        """Entries to insert and `seq`s to delete for the database to hold what the heap holds."""
        return list(self._added.values()), self._removed

    def committed(self) -> None:
        """The changes are in the database now."""
        self._added.clear()
        self._removed = []

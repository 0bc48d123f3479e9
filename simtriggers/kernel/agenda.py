"""The agenda: everything that is going to happen, in order of (at_ms, priority, seq).

Knows timers (a key replaces its earlier timer), parked entries (waiting for something to appear) and
what has changed since the last commit; never knows what a command means. Three priorities: replies and
completions, ordinary commands, and polls that were woken, which run last in their millisecond so that
they find everything that arrived in it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .effects import ReturnAddress

REPLY, ORDINARY, WOKEN = 0, 1, 2
FOREVER_MS = 1 << 60


@dataclass(slots=True, eq=False)
class Entry:
    """One thing that is going to happen. `seq` changes whenever the entry is queued again.

    `request` is the token of the Call that this entry answers; `deadline_ms` is when a parked entry
    gives up (None: never); `order_key` names entries whose mutual order is promised.
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


class Agenda:
    """A heap of entries. With `shuffle_seed`, entries of equal time and priority that promise no order
    are taken in a seeded order instead of order of arrival."""

    def __init__(self, shuffle_seed: int | None = None, *, next_seq: int = 1, track: bool = False) -> None:
        self._heap: list[tuple[int, int, int, int, Entry]] = []
        self._live: dict[int, Entry] = {}
        self._timers: dict[tuple[str, str], Entry] = {}
        self._parked: dict[str, dict[int, Entry]] = {}
        self._shuffle_seed = shuffle_seed
        self._ties: dict[tuple[int, int, str], int] = {}
        self.next_seq = next_seq
        self._track = track
        self.foreground = 0
        """How many entries are neither background work nor waiting for ever."""
        self._stored: set[int] = set()
        self._added: dict[int, Entry] = {}
        self._removed: set[int] = set()

    def __len__(self) -> int:
        return len(self._live)

    # --- order ----------------------------------------------------------------------------------

    def push(self, entry: Entry) -> None:
        """Add an entry; gives it the next `seq`."""
        seq = entry.seq = self.next_seq
        self.next_seq = seq + 1
        self._live[seq] = entry
        if not entry.background and entry.at_ms < FOREVER_MS:
            self.foreground += 1
        tie = 0 if self._shuffle_seed is None else self._tie(entry)
        heapq.heappush(self._heap, (entry.at_ms, entry.priority, tie, seq, entry))
        if self._track:
            self._added[seq] = entry

    def _tie(self, entry: Entry) -> int:
        assert self._shuffle_seed is not None
        key = blake2b(f"{self._shuffle_seed}/{entry.seq}".encode(), digest_size=6).digest()
        tie = int.from_bytes(key, "big")
        if entry.order_key is None:
            return tie
        place = (entry.at_ms, entry.priority, entry.order_key)
        self._ties = {spot: held for spot, held in self._ties.items() if spot[0] >= entry.at_ms}
        return self._ties.setdefault(place, tie)

    def peek(self) -> Entry | None:
        """The entry that comes next, or None."""
        heap = self._heap
        while heap:
            entry = heap[0][4]
            if entry.seq == heap[0][3] and entry.seq in self._live:
                return entry
            heapq.heappop(heap)
        return None

    def pop(self) -> Entry | None:
        """Take the next entry out, or None when there is none."""
        entry = self.peek()
        if entry is not None:
            heapq.heappop(self._heap)
            self._forget(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Take an entry out before its time."""
        if entry.seq in self._live:
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        seq = entry.seq
        del self._live[seq]
        if not entry.background and entry.at_ms < FOREVER_MS:
            self.foreground -= 1
        if entry.timer_key is not None and self._timers.get((entry.arn, entry.timer_key)) is entry:
            del self._timers[(entry.arn, entry.timer_key)]
        if entry.park_key is not None:
            waiting = self._parked.get(entry.park_key)
            if waiting is not None:
                waiting.pop(seq, None)
                if not waiting:
                    del self._parked[entry.park_key]
        if self._track and self._added.pop(seq, None) is None:
            self._removed.add(seq)

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
        """Make up to `n` entries parked under `key` due at `at_ms`, those that wait longest first."""
        waiting = self._parked.get(key)
        if not waiting:
            return
        later = [entry for entry in waiting.values() if entry.at_ms > at_ms][:n]
        for entry in later:
            self.remove(entry)
            entry.at_ms = at_ms
            self.push(entry)
            self._parked.setdefault(key, {})[entry.seq] = entry

    def parked(self) -> dict[str, int]:
        """How many entries wait under each key."""
        return {key: len(waiting) for key, waiting in sorted(self._parked.items())}

    # --- views and storage ----------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All entries in order."""
        return sorted(self._live.values(), key=lambda entry: (entry.at_ms, entry.priority, entry.seq))

    def load(self, entries: Iterator[Entry]) -> None:
        """Take over entries that a database holds; they keep their `seq`."""
        for entry in entries:
            self._live[entry.seq] = entry
            if not entry.background and entry.at_ms < FOREVER_MS:
                self.foreground += 1
            if self._track:
                self._stored.add(entry.seq)
            tie = 0 if self._shuffle_seed is None else self._tie(entry)
            heapq.heappush(self._heap, (entry.at_ms, entry.priority, tie, entry.seq, entry))
            if entry.timer_key is not None:
                self._timers[(entry.arn, entry.timer_key)] = entry
            if entry.park_key is not None:
                self._parked.setdefault(entry.park_key, {})[entry.seq] = entry
            self.next_seq = max(self.next_seq, entry.seq + 1)

    def changes(self) -> tuple[list[Entry], list[int]]:
        """Entries to insert and `seq`s to delete for the database to hold what the heap holds."""
        return list(self._added.values()), sorted(self._removed & self._stored)

    def committed(self) -> None:
        """The changes are in the database now."""
        self._stored |= self._added.keys()
        self._stored -= self._removed
        self._added.clear()
        self._removed.clear()

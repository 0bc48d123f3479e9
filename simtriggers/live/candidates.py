"""Paths of a folder that wait to be looked at: one entry a key, due at a time, never two looks at once.

Times are seconds of a monotonic clock, given by the caller.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from ..services.s3.commands import FileIdentity

SHORTEST_S = 0.002
"""Between two looks at one path."""
LONGEST_S = 0.25
"""Between two looks at a file that somebody writes."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A path to look at. `since` is when it was noticed first; `gone_since` when it was first found
    missing; `rest` is what it was like, and since when it has not changed (for systems without leases)."""

    key: str
    since: float
    due: float
    looked: float = -1.0
    gone_since: float | None = None
    rest: tuple[FileIdentity, int, float] | None = None

    def backoff(self, now: float) -> float:
        """How long to leave a file alone that is being written: longer and longer, up to a limit."""
        return min(LONGEST_S, max(SHORTEST_S, (now - self.since) / 4))


class Candidates:
    """The waiting and the taken ones. A path noticed while it is taken comes again when it is released."""

    def __init__(self) -> None:
        self._waiting: dict[str, Candidate] = {}
        self._heap: list[tuple[float, int, Candidate]] = []
        self._count = 0
        self._taken: dict[str, Candidate] = {}
        self._again: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def notice(self, key: str, at: float) -> None:
        """Something happened to a path: look at it at `at`, or earlier if that was planned."""
        if key in self._taken:
            self._again.add(key)
            return
        known = self._waiting.get(key)
        if known is None:
            self._push(Candidate(key, at, at))
        else:
            at = max(at, known.looked + SHORTEST_S)
            if at < known.due:
                known.due = at
                self._push(known)

    def _push(self, item: Candidate) -> None:
        self._waiting[item.key] = item
        self._count += 1
        heapq.heappush(self._heap, (item.due, self._count, item))

    @property
    def taken(self) -> int:
        """How many are being looked at or reported."""
        return len(self._taken)

    def next_due(self) -> float | None:
        """When the next look is due, or None when nothing waits."""
        while self._heap:
            due, _, item = self._heap[0]
            if self._waiting.get(item.key) is item and item.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def take(self, now: float, limit: int) -> list[Candidate]:
        """Up to `limit` of those that are due; each must be retried or released."""
        taken: list[Candidate] = []
        while len(taken) < limit:
            due = self.next_due()
            if due is None or due > now:
                break
            item = heapq.heappop(self._heap)[2]
            del self._waiting[item.key]
            self._taken[item.key] = item
            item.looked = now
            taken.append(item)
        return taken

    def retry(self, item: Candidate, at: float) -> None:
        """Look again at `at`, or in a moment if something happened meanwhile."""
        del self._taken[item.key]
        item.due = at
        if item.key in self._again:
            self._again.discard(item.key)
            item.due = min(at, item.looked + SHORTEST_S)
        self._push(item)

    def release(self, item: Candidate, now: float) -> None:
        """Done with it; starts anew if something happened meanwhile."""
        del self._taken[item.key]
        if item.key in self._again:
            self._again.discard(item.key)
            self.notice(item.key, now)

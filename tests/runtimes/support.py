"""A hub of a few lines, and Starts with sensible values."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from simtriggers.aws.contracts import Code, Ended, Start

HANDLERS = Path(__file__).parents[2] / "fixtures" / "handlers"
START_MS = 1_768_478_400_000  # 2026-01-15T12:00:00Z


class FakeHub:
    """A heap. `answer_ms` after a request its reply comes: the command itself, in a list."""

    def __init__(self, now_ms: int = START_MS, seed: int = 1) -> None:
        self.at_ms = now_ms
        self.ends: list[tuple[int, str, Ended]] = []
        self.requests: list[tuple[int, str, Any, int]] = []
        self.answer_ms: int | None = 40
        self._seed = seed
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._cancelled: set[int] = set()

    def now_ms(self) -> int:
        return self.at_ms

    def resume_at(self, at_ms: int, callback: Callable[[], None]) -> Callable[[], None]:
        self._count += 1
        count = self._count
        heapq.heappush(self._heap, (max(at_ms, self.at_ms), count, callback))
        return lambda: self._cancelled.add(count)

    def request(self, arn: str, command: Any, cause: int, answered: Callable[[Any], None]) -> None:
        self.requests.append((self.at_ms, arn, command, cause))
        if self.answer_ms is not None:
            self.resume_at(self.at_ms + self.answer_ms, lambda: answered([command]))

    def ended(self, start: Start, ended: Ended) -> None:
        self.ends.append((self.at_ms, start.invocation_id, ended))

    def seed(self, stream: str) -> bytes:
        return blake2b(f"{self._seed}/{stream}".encode(), digest_size=32).digest()

    def run(self, until_ms: int = 1 << 60) -> None:
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, count, callback = heapq.heappop(self._heap)
            if count not in self._cancelled:
                self.at_ms = max(self.at_ms, at_ms)
                callback()


_invocations = iter(range(1, 1_000_000))


def start_of(folder: str | Path, handler: str, **changes: Any) -> Start:
    """A Start for a handler below fixtures/handlers; each call is a new invocation."""
    number = next(_invocations)
    values: dict[str, Any] = {
        "invocation_id": f"inv-{number}",
        "attempt": 1,
        "incarnation": 1,
        "request_id": "req-1",
        "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:work",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:work",
        "function_name": "work",
        "function_version": "$LATEST",
        "code": Code(str(HANDLERS / folder), handler, changes.pop("runtime", "inline"), changes.pop("python", "")),
        "environment_id": "env-1",
        "cold": True,
        "event": "{}",
        "memory_mb": 128,
        "timeout_ms": 3000,
        "deadline_ms": START_MS + 3000,
        "log_group_name": "/aws/lambda/work",
        "log_stream_name": "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef",
        "environment": (("TABLE", "orders"), ("AWS_REGION", "us-east-1"), ("TZ", ":UTC")),
        "duration_ms": 1,
        "init_duration_ms": 0,
        "cause": 7,
    }
    return Start(**{**values, **changes})


def texts(ended: Ended) -> list[str]:
    return [text for _, text in ended.logs]

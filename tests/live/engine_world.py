"""A live engine in this process, with toy services and handlers that end when they are told to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import Ended, Start
from simtriggers.live.driver import LiveEngine
from tests.live.running import query
from tests.patience import PATIENCE_S
from tests.toys import TOYS, counter_arn, ended, mailbox_arn

NAMES = Names("123456789012", "us-east-1")
A, C = mailbox_arn("a"), counter_arn("c")
HOUR_MS = 3_600_000


class Handlers:
    """Ends every attempt when `go` is set; `broken` raises instead, as no runtime should."""

    def __init__(self, *, going: bool = True, broken: bool = False) -> None:
        self.started: list[Start] = []
        self.go = anyio.Event()
        self.closed = False
        self._broken = broken
        if going:
            self.go.set()

    async def run(self, start: Start) -> Ended:
        self.started.append(start)
        await self.go.wait()
        if self._broken:
            raise RuntimeError("the runtime is broken")
        return ended(start)

    async def aclose(self) -> None:
        self.closed = True


def engine(path: Path, handlers: Handlers | None = None, **settings: Any) -> LiveEngine:
    """An engine on the state in a folder; `services` are the toys unless given."""
    services = settings.pop("services", TOYS)
    return LiveEngine(list(services), NAMES, path / "state.db", runtime=handlers or Handlers(), **settings)


@asynccontextmanager
async def running(path: Path, handlers: Handlers | None = None, **settings: Any) -> AsyncIterator[LiveEngine]:
    """An engine that runs for the length of a block and then stops."""
    live = engine(path, handlers, **settings)
    await live.open()
    async with anyio.create_task_group() as tasks:
        await tasks.start(live.run)
        yield live
        live.stop()


def go(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test; a hang fails it."""

    async def limited() -> None:
        with anyio.fail_after(2 * PATIENCE_S):
            await main()

    anyio.run(limited)


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        await anyio.sleep(0.002)


def total(path: Path) -> int:
    """What the counter stands at, as another program sees it."""
    rows = query(path / "state.db", "SELECT n FROM counters WHERE counter = ? ORDER BY counter", C)
    return int(rows[0][0]) if rows else 0


def rang(path: Path) -> list[int]:
    """When reminders rang."""
    return [row[0] for row in query(path / "state.db", "SELECT at_ms FROM trace WHERE kind = 'Rang' ORDER BY id")]


async def impatient(live: LiveEngine) -> None:
    """Give up on a locked database soon."""
    await live.read(lambda db: db.execute("PRAGMA busy_timeout = 20").fetchall())

"""A watched folder in front of a bucket on a database of its own."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from simtriggers.live.completeness import Opener, Writers, nobody_writes
from simtriggers.live.folders import BucketFolder, Copies
from simtriggers.services.s3.config import BucketConfig, bucket_resource, parse_bucket
from tests.patience import PATIENCE_S
from tests.services.s3.world import NAMES, World

BUCKET = NAMES.bucket("uploads")
EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")


class Site:
    """A folder, its bucket, and everything that was sent about it."""

    def __init__(self, home: Path, **config: Any) -> None:
        self.folder = home / "in"
        self.folder.mkdir(exist_ok=True)
        self.outside = home / "outside"
        self.outside.mkdir(exist_ok=True)
        self.world = World(targets=(NAMES.queue("ingest"),), path=str(home / "state.db"))
        settings = BucketConfig.model_validate(
            {"notifications": [{"queue": "ingest", "events": list(EVENTS)}], **config}
        )
        arn, put = bucket_resource(NAMES, "uploads", settings, folder=str(self.folder))
        self.world.step(arn, put)
        self.settings = parse_bucket(put.config)
        self.delay_s = 0.0
        self.before_reply: Callable[[Any], None] = lambda command: None

    async def submit(self, arn: str, command: Any) -> Any:
        """As the live engine does: the reply comes later."""
        await anyio.sleep(self.delay_s)
        reply = self.world.step(arn, command)
        self.before_reply(command)
        await anyio.sleep(0)
        return reply

    @asynccontextmanager
    async def up(
        self,
        opener: Opener = os.open,
        writers: Writers = nobody_writes,
        copies: Copies | None = None,
        **more: Any,
    ) -> AsyncIterator[BucketFolder]:
        """Watch the folder for the length of a block, and settle before it ends."""
        given = {"opener": opener, "writers": writers, "copies": copies, **more}
        watched = BucketFolder(BUCKET, self.settings, self.submit, **given)
        async with anyio.create_task_group() as tasks:
            await tasks.start(watched.run)
            yield watched
            with anyio.fail_after(PATIENCE_S):
                await watched.settled()
            tasks.cancel_scope.cancel()
        self.world.check()

    def write(self, key: str, body: str = "x") -> None:
        """Write a file below the folder, making its folders."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)

    async def sent(self, count: int) -> None:
        """Wait until that many events were sent; as long as some come, it goes on."""
        seen, end = 0, 0.0
        while len(self.world.sent) < count:
            if len(self.world.sent) > seen or not end:
                seen, end = len(self.world.sent), time.monotonic() + PATIENCE_S
            assert time.monotonic() < end, f"{seen} of {count} events: {self.world.events()}"
            await anyio.sleep(0.002)

    async def noted(self, kind: str, count: int = 1) -> None:
        """Wait until that many trace rows of a kind were written."""
        end = time.monotonic() + PATIENCE_S
        while sum(note.kind == kind for note in self.world.notes) < count:
            assert time.monotonic() < end, [note.kind for note in self.world.notes]
            await anyio.sleep(0.002)

    def skipped(self) -> list[tuple[str, str]]:
        """Warnings: (key, reason)."""
        return [(n.subject, n.details["reason"]) for n in self.world.notes if n.kind == "FileSkipped"]

    def events(self) -> list[tuple[str, str, int | None]]:
        """What was sent, in order."""
        return self.world.events()


def created(key: str, size: int) -> tuple[str, str, int | None]:
    return ("ObjectCreated:Put", key, size)


def removed(key: str) -> tuple[str, str, int | None]:
    return ("ObjectRemoved:Delete", key, None)

"""One story, two drivers: memory inline in virtual time, and a file through its thread. The rows are the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.contracts import PutResource
from simtriggers.engine.batches import BatchRunner, Submitted
from simtriggers.engine.database import SteppingConnection, open_file
from simtriggers.engine.engine import Engine
from simtriggers.engine.router import Router
from simtriggers.engine.schema import migrate
from simtriggers.kernel.agenda import Agenda
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.trace import Trace
from tests.support import LiveWorld, dump, virtual
from tests.toys import (
    START_MS,
    TOYS,
    Add,
    Letters,
    Post,
    Relay,
    Remind,
    Send,
    Take,
    counter_arn,
    mailbox_arn,
)

A, B, C = mailbox_arn("a"), mailbox_arn("b"), counter_arn("c")
TABLES = ("counters", "asks", "letters", "payloads", "resources", "trace", "failed_steps")
Story = list[tuple[int, list[tuple[str, Any]]]]

STORY: Story = [
    (0, [(B, PutResource("mailbox", "b", {"accepts": "busy"})), (A, Post("one")), (C, Relay(A, Take(0)))]),
    (10, [(C, Send(B, "letter", dead_letter=A)), (C, Remind("k", START_MS + 25, 1000)), (C, Relay(A, Take(None)))]),
    (10, [(C, Add(5, "é")), (C, Relay("arn:aws:nothing:us-east-1:123456789012:x", Add()))]),
    (900, [(B, PutResource("mailbox", "b", {"accepts": "never"}))]),
    (5000, [(A, Take(START_MS + 6000)), (A, Take(START_MS + 6000)), (A, Post("two"))]),
    (3000, [(C, Add())]),
]


def in_virtual_time(story: Story) -> dict[str, Any]:
    """Memory, inline, the next entry simply taken."""
    engine = virtual()
    now_ms = START_MS
    for passed_ms, items in story:
        now_ms += passed_ms
        engine.run_until(now_ms)
        for arn, command in items:
            engine.submit(arn, command)
        engine.run_until(now_ms)
    engine.flush()
    return {table: dump(engine.connection, table) for table in TABLES}


def on_a_file(path: Path, story: Story) -> dict[str, Any]:
    """A file, its thread, a batch for every millisecond at which something is due."""

    async def main() -> dict[str, Any]:
        connection = await open_file(path)
        try:
            return await _live(connection, story)
        finally:
            await connection.close()

    return asyncio.run(main())


async def _live(connection: SteppingConnection, story: Story) -> dict[str, Any]:
    await connection.hop(lambda inside: migrate(inside, TOYS))
    # The virtual world's ids have incarnation 0: the same ids here make the rows comparable.
    engine = Engine(
        await connection.open_connection(),
        Router(TOYS),
        ids=Ids(1, 0),
        agenda=Agenda(track=True),
        trace=Trace(),
        strict=False,
    )
    runner = BatchRunner(engine, incarnation=1)
    now_ms = START_MS

    async def batch(items: list[Submitted], at_ms: int) -> None:
        outcome = await connection.hop(lambda _: runner.run(items, at_ms))
        while outcome.more:
            outcome = await connection.hop(lambda _: runner.run([], at_ms))

    for passed_ms, items in story:
        now_ms += passed_ms
        while (entry := engine.agenda.peek()) is not None and entry.at_ms <= now_ms:
            await batch([], entry.at_ms)
        await batch([Submitted(*item) for item in items], now_ms)

    def rows(inside: sqlite3.Connection) -> dict[str, Any]:
        return {table: dump(inside, table) for table in TABLES}

    return await connection.hop(rows)


def test_both_drivers_end_with_the_same_rows(tmp_path: Path) -> None:
    expected = in_virtual_time(STORY)
    assert len(expected["trace"]) > 20
    assert expected["failed_steps"] == []
    assert on_a_file(tmp_path / "state.db", STORY) == expected


_ITEMS = st.sampled_from(
    [
        (A, Post("x")),
        (A, Take(START_MS + 20)),
        (B, Take(None)),
        (C, Add()),
        (C, Relay(A, Take(START_MS + 30))),
        (C, Relay(B, Take(None))),
        (C, Remind("k", START_MS + 15, 10)),
        (C, Remind("l", START_MS + 12)),
        (C, Send(B, "y")),
        (B, PutResource("mailbox", "b", {"accepts": "busy"})),
        (B, PutResource("mailbox", "b", {"accepts": "open"})),
    ]
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 10), st.lists(_ITEMS, max_size=4)), max_size=6))
def test_any_story_is_the_same_on_both(tmp_path_factory: pytest.TempPathFactory, story: Story) -> None:
    assert on_a_file(tmp_path_factory.mktemp("d") / "state.db", story) == in_virtual_time(story)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """The process prints each reply after its batch, and is killed in the middle of its work."""
    path = tmp_path / "state.db"
    script = (
        "import pathlib, sys\n"
        "from tests.support import LiveWorld\n"
        "from tests.toys import Post, mailbox_arn\n"
        "world = LiveWorld(pathlib.Path(sys.argv[1]))\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    world.ask(mailbox_arn('a'), Post(f'{number}'))\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if int(line) == 200:
                process.send_signal(signal.SIGKILL)
                break
        acknowledged = max([200, *(int(line) for line in process.stdout if line.endswith("\n"))])
    world = LiveWorld(path)
    count = world.connection.execute("SELECT count(*) FROM letters").fetchone()[0]
    assert acknowledged <= count <= acknowledged + 1
    assert world.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert world.ask(A, Take(0)) == Letters(("1",))
    rows = [row for (row,) in world.connection.execute("SELECT id FROM trace ORDER BY id")]
    assert rows == list(range(1, count + 2))
    world.close()

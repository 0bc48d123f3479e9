"""A queue live on a WAL file: send, receive and delete through the engine, by 100 clients.

Single messages, and batch calls of ten; with synchronous=NORMAL, which survives a kill, and FULL, which survives
the loss of power. A reply is given after its commit. The reference is raw SQLite on the same file system, ten
messages a commit, with the same setting. Messages are 256 bytes; the trace is full.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import anyio

from simtriggers.live.driver import LiveEngine
from simtriggers.services.sqs.commands import (
    DeleteEntry,
    DeleteMessage,
    DeleteMessageBatch,
    ReceiveMessage,
    SendEntry,
    SendMessage,
    SendMessageBatch,
)
from simtriggers.services.sqs.config import QueueConfig, queue_resource

from ._live_world import NAMES, ask, live_engine
from ._raw_queue import BODY, OnFile
from .report import Result, rate

_CLIENTS = 100
_SINGLE, _BATCHED = 40, 8
"""How many cycles each client makes: of one message, and of ten."""
_RAW = 10_000
_ROUNDS = 3
_QUEUE = NAMES.queue("bench")


async def _single(engine: LiveEngine, cycles: int) -> None:
    for _ in range(cycles):
        await ask(engine, _QUEUE, SendMessage(BODY))
        found = await ask(engine, _QUEUE, ReceiveMessage())
        for message in found.messages:
            await ask(engine, _QUEUE, DeleteMessage(message.receipt_handle))


async def _batched(engine: LiveEngine, cycles: int) -> None:
    sent = SendMessageBatch(tuple(SendEntry(str(number), BODY) for number in range(10)))
    for _ in range(cycles):
        await ask(engine, _QUEUE, sent)
        found = await ask(engine, _QUEUE, ReceiveMessage(max_number_of_messages=10))
        if found.messages:
            entries = (DeleteEntry(str(number), one.receipt_handle) for number, one in enumerate(found.messages))
            await ask(engine, _QUEUE, DeleteMessageBatch(tuple(entries)))


async def _messages_a_second(folder: Path, synchronous: str, *, batched: bool) -> float:
    """What 100 clients reach together. Each receives as many messages as it sent, so none is left."""
    work, cycles = (_batched, _BATCHED) if batched else (_single, _SINGLE)
    state = folder / f"{synchronous}-{batched}-{time.perf_counter_ns()}.db"
    resources = [queue_resource(NAMES, "bench", QueueConfig())]
    async with live_engine(state, resources, synchronous=synchronous) as engine:
        began = time.perf_counter()
        async with anyio.create_task_group() as clients:
            for _ in range(_CLIENTS):
                clients.start_soon(work, engine, cycles)
        took = time.perf_counter() - began
        left = await engine.read(lambda db: db.execute("SELECT count(*) FROM sqs_messages").fetchone()[0])
    assert left == 0, f"{left} messages were not deleted"
    return _CLIENTS * cycles * (10 if batched else 1) / took


def _measure(folder: Path, synchronous: str) -> tuple[float, float, float]:
    """Medians of raw SQLite, single messages and batches, in turns."""
    rounds: list[tuple[float, float, float]] = []
    raw = OnFile(folder, synchronous)
    for _ in range(_ROUNDS):
        rounds.append(
            (
                rate(lambda: raw.cycle(_RAW)),
                anyio.run(lambda: _messages_a_second(folder, synchronous, batched=False)),
                anyio.run(lambda: _messages_a_second(folder, synchronous, batched=True)),
            )
        )
    raw.close()
    reference, single, batched = (statistics.median(column) for column in zip(*rounds, strict=True))
    return reference, single, batched


def run() -> list[Result]:
    """Single messages and batches, with NORMAL and with FULL."""
    results: list[Result] = []
    goals = {"normal": ((0.2, 0.3), (0.5, 0.75)), "full": ((0.5, 0.7), (1.0, 2.0))}
    with tempfile.TemporaryDirectory() as folder:
        for synchronous, (of_single, of_batches) in goals.items():
            raw, single, batched = _measure(Path(folder), synchronous)
            name, reference = synchronous.upper(), f"raw SQLite on a file, {synchronous.upper()}"
            results += [
                Result(f"queue cycle, live, {name}", single, "messages/s", reference, raw, *of_single),
                Result(f"the same in batches of 10, {name}", batched, "messages/s", reference, raw, *of_batches),
            ]
    return results

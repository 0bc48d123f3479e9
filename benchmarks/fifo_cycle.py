"""A FIFO queue: send, receive and delete; and how little groups matter that are locked.

Live on a WAL file (synchronous=NORMAL) by 100 clients, each with a group of its own: single messages, and batch calls
of ten. The reference is raw SQLite on the same file system, ten messages a commit, which knows neither groups nor
deduplication. In virtual time, the cycle of one free group beside 10,000 groups that have a message in flight and
more behind it; the reference is the same cycle without them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import anyio

from simtriggers.aws.contracts import Poll
from simtriggers.engine.virtual import VirtualEngine
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
from simtriggers.services.sqs.service import SERVICE

from ._live_world import NAMES, ask, live_engine
from ._raw_queue import BODY, OnFile
from .report import Result, interleaved, rate

_CLIENTS = 100
_SINGLE, _BATCHED = 30, 6
"""How many cycles each client makes: of one message, and of ten."""
_RAW = 10_000
_ROUNDS = 3
_BLOCKED = 10_000
_CYCLES = 1000
_NAME = "bench.fifo"
_QUEUE = NAMES.queue(_NAME)
_CONFIG = QueueConfig(fifo_queue=True, visibility_timeout=43_200)


async def _single(engine: LiveEngine, client: int, cycles: int) -> None:
    for number in range(cycles):
        text = f"{client}-{number}"
        sent = SendMessage(BODY, message_group_id=str(client), message_deduplication_id=text)
        await ask(engine, _QUEUE, sent)
        found = await ask(engine, _QUEUE, ReceiveMessage())
        for message in found.messages:
            await ask(engine, _QUEUE, DeleteMessage(message.receipt_handle))


async def _batched(engine: LiveEngine, client: int, cycles: int) -> None:
    for number in range(cycles):
        entries = (
            SendEntry(
                str(each), BODY, message_group_id=str(client), message_deduplication_id=f"{client}-{number}-{each}"
            )
            for each in range(10)
        )
        await ask(engine, _QUEUE, SendMessageBatch(tuple(entries)))
        found = await ask(engine, _QUEUE, ReceiveMessage(max_number_of_messages=10))
        if found.messages:
            done = (DeleteEntry(str(place), one.receipt_handle) for place, one in enumerate(found.messages))
            await ask(engine, _QUEUE, DeleteMessageBatch(tuple(done)))


async def _messages_a_second(folder: Path, *, batched: bool) -> float:
    """What 100 clients reach together. Each receives as often as it sends, so that none is left."""
    work, cycles = (_batched, _BATCHED) if batched else (_single, _SINGLE)
    state = folder / f"{batched}-{time.perf_counter_ns()}.db"
    resources = [queue_resource(NAMES, _NAME, _CONFIG)]
    async with live_engine(state, resources) as engine:
        began = time.perf_counter()
        async with anyio.create_task_group() as clients:
            for client in range(_CLIENTS):
                clients.start_soon(work, engine, client, cycles)
        took = time.perf_counter() - began
        left = await engine.read(lambda db: db.execute("SELECT count(*) FROM sqs_messages").fetchone()[0])
    assert left == 0, f"{left} messages were not deleted"
    return _CLIENTS * cycles * (10 if batched else 1) / took


def _world(blocked: int) -> VirtualEngine:
    """A queue with so many groups that are locked, each with a message in flight and one behind it."""
    engine = VirtualEngine([SERVICE], start_ms=0, seed=1)
    engine.ask(*queue_resource(NAMES, _NAME, _CONFIG))
    for turn in ("first", "second"):
        for group in range(blocked):
            text = f"{turn}-{group}"
            sent = SendMessage(BODY, message_group_id=str(group), message_deduplication_id=text)
            engine.submit(_QUEUE, sent)
        engine.run_until(0)
        taken = 0
        while turn == "first" and taken < blocked:
            taken += len(engine.ask(_QUEUE, Poll(10_000, 0)).records)
    return engine


def _cycles(engine: VirtualEngine, done: list[int]) -> int:
    for _ in range(_CYCLES):
        done[0] += 1
        sent = SendMessage(BODY, message_group_id="free", message_deduplication_id=f"free-{done[0]}")
        engine.ask(_QUEUE, sent)
        (message,) = engine.ask(_QUEUE, ReceiveMessage(max_number_of_messages=10)).messages
        engine.ask(_QUEUE, DeleteMessage(message.receipt_handle))
    return _CYCLES


def _measure(folder: Path) -> tuple[float, float, float]:
    """Medians of raw SQLite, single messages and batches, in turns."""
    rounds: list[tuple[float, float, float]] = []
    raw = OnFile(folder, "normal")
    for _ in range(_ROUNDS):
        rounds.append(
            (
                rate(lambda: raw.cycle(_RAW)),
                anyio.run(lambda: _messages_a_second(folder, batched=False)),
                anyio.run(lambda: _messages_a_second(folder, batched=True)),
            )
        )
    raw.close()
    reference, single, batched = (statistics.median(column) for column in zip(*rounds, strict=True))
    return reference, single, batched


def run() -> list[Result]:
    """Live cycles against raw SQLite, and a cycle beside blocked groups against one without."""
    with tempfile.TemporaryDirectory() as folder:
        raw, single, batched = _measure(Path(folder))
    free, blocked = _world(0), _world(_BLOCKED)
    counts: tuple[list[int], list[int]] = [0], [0]
    alone, beside = interleaved(lambda: _cycles(free, counts[0]), lambda: _cycles(blocked, counts[1]))
    reference = "raw SQLite on a file, NORMAL"
    return [
        Result("FIFO cycle, live, NORMAL", single, "messages/s", reference, raw, 0.15, 0.25),
        Result("the same in batches of 10, NORMAL", batched, "messages/s", reference, raw, 0.35, 0.6),
        Result("FIFO cycle beside 10,000 locked groups", beside, "messages/s", "without them", alone, 0.8, 0.9),
    ]

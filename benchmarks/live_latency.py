"""How soon a handler is entered, live: after a message was sent, after a file was closed; and 10,000 files at once.

The whole of it runs as in `up`: engine on a WAL file, handlers in warm subprocesses, folders watched. The system is
idle, one message or file at a time. A handler writes the time at its first line to a file. The 10,000 files go
to a queue, since a function would be run in a thousand processes. Goals are absolute, in milliseconds; beside the
file's stands how soon inotify itself, read by a thread that does nothing else, tells of it.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio

from simtriggers.aws.contracts import Run
from simtriggers.kernel.effects import payload
from simtriggers.live.driver import LiveEngine
from simtriggers.live.folders import BucketFolder
from simtriggers.project.declare import declare
from simtriggers.project.model import load_project
from simtriggers.runtimes.live import LiveRuntimes
from simtriggers.services.s3.config import parse_bucket
from simtriggers.services.sqs.commands import SendMessage

from ._live_world import NAMES, ask, live_engine
from .report import Result

_SAMPLES, _WARM_UP = 300, 10
_PAUSE_S = 0.01
_FILES = 10_000
_BURN_S = 12

_PROJECT = """
buckets:
  single: {folder: single}
  many: {folder: many, test_event: false, notifications: [{queue: arrived}]}
queues:
  inbox: {}
  arrived: {}
functions:
  on-message:
    handler: handlers.on_message
    environment: {ENTERED: FILE}
    triggers:
      - {sqs: inbox, batch_size: 1}
  on-file:
    handler: handlers.on_file
    environment: {ENTERED: FILE}
    triggers:
      - {s3: single}
  burn:
    handler: handlers.burn
    timeout: 60s
"""
_HANDLERS = """
import os, time

entered = os.open(os.environ.get("ENTERED", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def on_message(event, context):
    now = time.time_ns()
    os.write(entered, f"{event['Records'][0]['body']} {now}\\n".encode())

def on_file(event, context):
    now = time.time_ns()
    os.write(entered, f"{event['Records'][0]['s3']['object']['key']} {now}\\n".encode())

def burn(event, context):
    ends = time.monotonic() + event["seconds"]
    while time.monotonic() < ends:
        pass
"""


class World:
    """A live project in a folder of its own."""

    def __init__(self, engine: LiveEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        (folder / "entered").touch()
        self._entered = os.open(folder / "entered", os.O_RDONLY)

    async def latencies_ms(self, act: Callable[[str], Awaitable[int]], name: str) -> list[float]:
        """Do `act(id)` again and again, which returns when it did (ns); how long until each id's handler."""
        found: list[float] = []
        for number in range(_WARM_UP + _SAMPLES):
            one = f"{name}-{number}"
            began_ns = await act(one)
            while not (line := os.read(self._entered, 4096).decode()):
                await anyio.sleep(_PAUSE_S)
            entered, at_ns = line.split()
            assert entered == one, f"{entered} was handled instead of {one}"
            found.append((int(at_ns) - began_ns) / 1e6)
            await anyio.sleep(_PAUSE_S)
        return found[_WARM_UP:]

    async def send(self, name: str) -> int:
        """Send a message; when that began."""
        began = time.time_ns()
        await ask(self.engine, NAMES.queue("inbox"), SendMessage(name))
        return began

    async def drop(self, name: str) -> int:
        """Write a file into the folder; when it was closed."""
        return drop(self.folder / "single" / name)

    async def burn(self, seconds: int) -> None:
        """Have a handler compute for a while."""
        event = payload(f'{{"seconds":{seconds}}}')
        await self.engine.store([event])
        await ask(self.engine, NAMES.function("burn"), Run(event.digest, "Event"))

    async def arrived(self) -> list[str]:
        """The bodies of the messages in the queue of the many files."""
        sql = "SELECT p.body FROM sqs_messages m JOIN payloads p ON p.digest = m.payload WHERE m.queue = ? ORDER BY seq"
        rows = await self.engine.read(lambda db: db.execute(sql, (NAMES.queue("arrived"),)).fetchall())
        return [row[0] for row in rows]

    async def arrivals(self) -> int:
        """How many they are."""
        sql = "SELECT count(*) FROM sqs_messages WHERE queue = ? ORDER BY 1"
        return int((await self.engine.read(lambda db: db.execute(sql, (NAMES.queue("arrived"),)).fetchone()))[0])


def drop(path: Path) -> int:
    """Write a small file; nanoseconds since 1970 at its close."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(file, b"x" * 256)
    at_ns = time.time_ns()
    os.close(file)
    return at_ns


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    for name in ("single", "many"):
        (folder / name).mkdir()
    (folder / "simtriggers.yaml").write_text(_PROJECT.replace("FILE", str(folder / "entered")), encoding="utf-8")
    (folder / "handlers.py").write_text(_HANDLERS, encoding="utf-8")
    declared = declare(load_project(folder), default_runtime="process", folders=True)
    resources = [(each.arn, each.command) for each in declared]
    runtime = LiveRuntimes(lambda: time.time_ns() // 1_000_000, on_log=lambda function, text: None)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(live_engine(folder / "state.db", resources, runtime=runtime))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        for each in declared:
            if each.command.kind == "bucket":
                await tasks.start(BucketFolder(each.arn, parse_bucket(each.command.config), engine.submit).run)
        yield World(engine, folder)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# --- inotify by itself --------------------------------------------------------------------------


def _inotify_ms() -> list[float]:
    """How soon a blocking read of inotify tells that a file was closed. Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)
    close_write = 8
    with tempfile.TemporaryDirectory() as folder:
        watcher = libc.inotify_init()
        libc.inotify_add_watch(watcher, folder.encode(), close_write)
        seen: list[int] = []
        told = threading.Semaphore(0)

        def follow() -> None:
            for _ in range(_SAMPLES):
                raw = os.read(watcher, 4096)
                seen.append(time.time_ns())
                assert struct.unpack_from("iIII", raw)[1] & close_write
                told.release()

        threading.Thread(target=follow, daemon=True).start()
        closed: list[int] = []
        for number in range(_SAMPLES):
            time.sleep(_PAUSE_S)
            closed.append(drop(Path(folder) / str(number)))
            told.acquire(timeout=5)
        os.close(watcher)
    return [(at_ns - closed_ns) / 1e6 for at_ns, closed_ns in zip(seen, closed, strict=True)]


# --- the run ------------------------------------------------------------------------------------


def _all_files(folder: Path) -> None:
    for number in range(_FILES):
        drop(folder / f"{number:06d}.txt")


async def _files_a_second(world: World) -> float:
    """All of `_FILES` files as messages in the queue, from the first one's open on."""
    began = time.perf_counter()
    await anyio.to_thread.run_sync(_all_files, world.folder / "many")
    deadline = began + 120
    while await world.arrivals() < _FILES and time.perf_counter() < deadline:
        await anyio.sleep(0.02)
    took = time.perf_counter() - began
    await anyio.sleep(1)  # whatever is told twice
    bodies = await world.arrived()
    keys = {body.partition('"key":"')[2].partition('"')[0] for body in bodies}
    assert len(bodies) == len(keys) == _FILES, f"{len(bodies)} messages, {len(keys)} of {_FILES} files"
    return _FILES / took


async def _measure(folder: Path) -> list[Result]:
    async with _world(folder) as world:
        message = await world.latencies_ms(world.send, "message")
        file = await world.latencies_ms(world.drop, "file")
        await world.burn(_BURN_S)
        beside = await world.latencies_ms(world.send, "beside")
        many = await _files_a_second(world)
    results = [
        _milliseconds("message sent → handler, p50", _percentile(message, 0.5), 2, 0.6),
        _milliseconds("message sent → handler, p99", _percentile(message, 0.99), 5, 1.5),
        _milliseconds("the same beside a busy handler, p99", _percentile(beside, 0.99), 10, 5),
        _milliseconds("file closed → handler, p50", _percentile(file, 0.5), 10, 3),
        _milliseconds("file closed → handler, p99", _percentile(file, 0.99), 50, 50),
        Result(f"{_FILES:,} files at once → queue", many, "files/s", "goal", 1500, 1.0, 4000 / 1500),
    ]
    if sys.platform == "linux":
        raw, found = statistics.median(_inotify_ms()), _percentile(file, 0.5)
        results.insert(4, Result("the same beside inotify alone", found, "ms", "inotify", raw, 100, 30, False))
    return results


def _milliseconds(name: str, found: float, goal: float, stretch: float) -> Result:
    return Result(name, found, "ms", "goal", goal, 1.0, stretch / goal, higher_is_better=False)


def run() -> list[Result]:
    """Both latencies, idle and beside a busy handler, and the many files."""
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_measure, Path(folder).resolve())

"""Virtual time, end to end: put → record → queue → mapping (batches of 10) → in-process function → delete.

An event is one PutObject of 256 bytes, all different; 100 arrive at each millisecond. The trace is full. The
reference is raw SQLite in memory that does the queue's own statements alone, on messages of 256 bytes.
The growth from 1,000 to 100,000 events is that of the time per event, and of memory against what is stored.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from simtriggers.simulation import Simulation

from ._raw_queue import in_memory
from .report import Result, rate

_EVENTS, _RAW = 4_000, 20_000
_SMALL, _LARGE = 1_000, 100_000
_BURST = 100
_ROUNDS = 7

_PROJECT = """
buckets:
  uploads: {notifications: [{queue: ingest}]}
queues:
  ingest: {visibility_timeout: 60s}
functions:
  parse:
    handler: handlers.parse
    timeout: 10s
    duration: 1ms
    triggers:
      - {sqs: ingest, batch_size: 10}
"""
_HANDLER = """
import json

def parse(event, context):
    for record in event["Records"]:
        json.loads(record["body"])
"""


def _simulation(folder: Path) -> Simulation:
    (folder / "simtriggers.yaml").write_text(_PROJECT, encoding="utf-8")
    (folder / "handlers.py").write_text(_HANDLER, encoding="utf-8")
    return Simulation.load(folder)


def _drive(simulation: Simulation, first: int, count: int) -> None:
    """Put `count` objects, a burst a millisecond, and run until all are handled."""
    uploads = simulation.bucket("uploads")
    for number in range(first, first + count):
        uploads.put(f"{number:08d}.json", f"{number:0256d}")
        if number % _BURST == _BURST - 1:
            simulation.advance(0.001)
    simulation.run_until_idle()
    simulation.engine.flush()
    left = simulation.queue("ingest").attributes()["ApproximateNumberOfMessages"]
    deleted = "SELECT count(*) FROM trace WHERE kind = 'MessageDeleted' ORDER BY 1"
    handled = simulation.engine.connection.execute(deleted).fetchone()[0]
    assert (left, handled) == ("0", first + count), f"{handled} of {first + count} events are handled, {left} are left"


def seconds(count: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """What `count` events take on a clock, without the making of the world."""
    with tempfile.TemporaryDirectory() as folder, _simulation(Path(folder)) as simulation:
        began = clock()
        _drive(simulation, 0, count)
        return clock() - began


def _end_to_end() -> float:
    return _EVENTS / seconds(_EVENTS)


def _resident() -> int:
    """Bytes of memory that this process has; the most it ever had where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _stored(simulation: Simulation) -> int:
    execute = simulation.engine.connection.execute
    pages, size = (execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def _growth() -> list[Result]:
    """One large world, and a fresh small one after each tenth of it, so that both see the same machine.

    In CPU time: what else runs on the machine for a while must not look like growth.
    """
    small: list[float] = []
    large_s = 0.0
    part = _LARGE // 10
    with tempfile.TemporaryDirectory() as folder, _simulation(Path(folder)) as simulation:
        for number in range(10):
            began = time.process_time()
            _drive(simulation, number * part, part)
            large_s += time.process_time() - began
            small.append(seconds(_SMALL, time.process_time) / _SMALL)
            if number == 0:
                resident, stored = _resident(), _stored(simulation)
        grown, kept = _resident() - resident, _stored(simulation) - stored
    per_event_us, small_us = large_s / _LARGE * 1e6, statistics.median(small) * 1e6
    more = _LARGE - part
    return [
        Result("100,000 events, each", per_event_us, "µs", "1,000 events, each", small_us, 1.2, 1.05, False),
        # SQLite and the allocator take about a tenth each on top of what is stored.
        Result("their memory, each event", grown / more, "bytes", "stored for it", kept / more, 1.5, 1.2, False),
    ]


def run() -> list[Result]:
    """Events a second in turns with raw SQLite, then the growth."""
    seconds(_SMALL)  # what is imported or compiled once
    events: list[float] = []
    raw: list[float] = []
    for _ in range(_ROUNDS):
        events.append(_end_to_end())
        raw.append(rate(lambda: in_memory(_RAW)))
    end_to_end, reference = statistics.median(events), statistics.median(raw)
    name = "virtual, end to end: put → queue → function → delete"
    return [Result(name, end_to_end, "events/s", "raw SQLite in memory", reference, 0.08, 0.14), *_growth()]

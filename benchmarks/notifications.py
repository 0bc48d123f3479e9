"""A bucket with 20 notification rules: 10,000 puts in virtual time, each matched by one rule or by none.

The rules have prefixes and suffixes; what matches goes to a queue. Half of the objects match none of them. The first
reference is the same bucket with one rule that matches the same half: what 19 further rules cost. The second is raw
SQLite in memory, which inserts the same objects, and messages for the half that is told, and nothing more. The
goals are our own.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from simtriggers.simulation import Simulation

from .report import Result

_OBJECTS, _RULES = 10_000, 20
_BURST, _ROUNDS = 100, 5
_BODY = "x" * 256
_SCHEMA = """
CREATE TABLE objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body TEXT NOT NULL, visible_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_by_visibility ON messages (queue, visible_ms);
"""


def _key(number: int) -> str:
    """Every second key ends with a suffix of the rules."""
    return f"tenant-{number % _RULES:02d}/{number:06d}.{'csv' if number % 2 == 0 else 'txt'}"


def _project(rules: int) -> str:
    """The one rule of a single one matches what the many match."""
    if rules == 1:
        notifications = "      - {queue: told, suffix: .csv}\n"
    else:
        many = (f"      - {{queue: told, prefix: tenant-{number:02d}/, suffix: .csv}}\n" for number in range(rules))
        notifications = "".join(many)
    return f"buckets:\n  uploads:\n    notifications:\n{notifications}queues:\n  told: {{}}\n"


def _puts(rules: int) -> float:
    """Seconds of all puts and their deliveries."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "simtriggers.yaml").write_text(_project(rules), encoding="utf-8")
        with Simulation.load(folder) as simulation:
            uploads = simulation.bucket("uploads")
            began = time.perf_counter()
            for number in range(_OBJECTS):
                uploads.put(_key(number), _BODY)
                if number % _BURST == _BURST - 1:
                    simulation.advance(0.001)
            simulation.run_until_idle()
            simulation.engine.flush()
            took = time.perf_counter() - began
            told = simulation.queue("told").attributes()["ApproximateNumberOfMessages"]
            assert told == str(_OBJECTS // 2), f"{told} messages of {_OBJECTS // 2}"
    return took


def _raw() -> float:
    """Seconds of the inserts alone, a burst a transaction."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(_SCHEMA)
    execute = connection.execute
    began = time.perf_counter()
    for first in range(0, _OBJECTS, _BURST):
        execute("BEGIN")
        for number in range(first, first + _BURST):
            execute("INSERT INTO objects VALUES ('uploads', ?, 256, ?, ?)", (_key(number), f"{number:032x}", _BODY))
            if number % 2 == 0:
                execute("INSERT INTO messages (queue, body, visible_ms) VALUES ('told', ?, ?)", (_BODY * 3, number))
        execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


def run() -> list[Result]:
    """Puts a second with many rules, with one, and raw, in turns."""
    many: list[float] = []
    one: list[float] = []
    raw: list[float] = []
    for _ in range(_ROUNDS):
        many.append(_OBJECTS / _puts(_RULES))
        one.append(_OBJECTS / _puts(1))
        raw.append(_OBJECTS / _raw())
    with_many, with_one, inserts = (statistics.median(each) for each in (many, one, raw))
    name = "10,000 objects, 20 notification rules, virtual"
    return [
        Result(name, with_many, "puts/s", "the same with one rule", with_one, 0.8, 0.9),
        Result("the same", with_many, "puts/s", "raw SQLite in memory", inserts, 0.03, 0.06),
    ]

"""The bare agenda, and a whole step in virtual time, against SimPy's timeouts in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import simpy

from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.agenda import ORDINARY, Agenda, Entry
from simtriggers.kernel.codec import Overdue, command
from simtriggers.kernel.effects import Decision, Note, Statement, Timer, Write
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Reader, Rule, Service

from .report import Result, interleaved

_WAITING = 1000
_COUNT = 60_000
_STEPS = 8_000


def _simpy() -> int:
    environment = simpy.Environment()

    def process(number: int) -> Iterator[Any]:
        while True:
            yield environment.timeout(1000 + number % 7)

    for number in range(_WAITING):
        environment.process(process(number))
    for _ in range(_COUNT):
        environment.step()
    return _COUNT


def _bare() -> int:
    agenda = Agenda()
    handlers = {int: _nothing}
    for number in range(_WAITING):
        agenda.push(Entry(number, ORDINARY, "arn", number, 0))
    for _ in range(_COUNT):
        entry = agenda.pop()
        assert entry is not None
        handlers[type(entry.command)](entry)
        agenda.push(Entry(entry.at_ms + 1000 + entry.command % 7, ORDINARY, entry.arn, entry.command, 0))
    return _COUNT


def _nothing(entry: Entry) -> None:
    pass


@command(Overdue.RUN)
class Tick:
    """Count one and set the timer again."""


_TABLE = "CREATE TABLE ticks (arn TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;"
_READ = Statement("bench.read_tick", "SELECT n FROM ticks WHERE arn = ? ORDER BY arn")
_WRITE = Statement("bench.write_tick", "INSERT INTO ticks VALUES (?, ?) ON CONFLICT (arn) DO UPDATE SET n = excluded.n")


def _view(read: Reader, entry: Entry) -> int:
    row = read.one(_READ, entry.arn)
    return 0 if row is None else row[0]


def _decide(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    note = Note(ids.row_id(), "Ticked", entry.arn, "tick", entry.cause, {"n": view})
    return Decision(
        writes=[Write(_WRITE, (entry.arn, view + 1))],
        effects=[Timer("tick", now_ms + 1000, entry.command, note.id)],
        notes=[note],
    )


def _virtual() -> int:
    service = Service("bench", {Tick: Rule(_view, _decide)}, migrations=[_TABLE])
    engine = VirtualEngine([service], start_ms=0, seed=1)
    for number in range(_WAITING):
        engine.submit(f"arn:aws:bench:us-east-1:123456789012:{number}", Tick())
    engine.run_until_idle(horizon_ms=10**12, max_steps=_STEPS)
    engine.flush()
    return engine.steps


def run() -> list[Result]:
    """Both figures, in turns with SimPy."""
    timeouts, bare, steps = interleaved(_simpy, _bare, _virtual)
    return [
        Result("bare agenda, 1,000 waiting", bare, "entries/s", "SimPy timeouts", timeouts, 0.5, 1.0),
        Result("a whole step, virtual", steps, "steps/s", "SimPy timeouts", timeouts, 0.03, 0.06),
    ]

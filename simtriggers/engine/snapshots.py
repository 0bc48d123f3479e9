"""Snapshot, restore and fork of a virtual world: the whole database, agenda included, as one image.

A snapshot is taken only when no in-process handler is in the middle of its work.
"""

from __future__ import annotations

import copy
import sqlite3
from dataclasses import dataclass

from ..errors import SimtriggersError
from ..kernel.agenda import Agenda
from . import agenda_store
from .agenda_store import EngineRow
from .faults import FaultPlan
from .virtual import Resume, VirtualEngine


class NotQuiet(SimtriggersError):
    """A handler is in the middle of its work; run until it has ended, then take the snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An image of a world. `size` in bytes is `len(image)`."""

    image: bytes
    faults: FaultPlan
    last_act_ms: int
    root_cause: int = 0


def is_quiet(engine: VirtualEngine) -> bool:
    """Whether no handler is in the middle of its work."""
    busy = engine.runtime is not None and engine.runtime.busy()
    return not busy and not any(type(entry.command) is Resume for entry in engine.agenda.entries())


def take(engine: VirtualEngine) -> Snapshot:
    """The world as it is now. Raises NotQuiet while a handler runs."""
    if not is_quiet(engine):
        running = engine.runtime.busy() if engine.runtime is not None else []
        raise NotQuiet(f"no snapshot while handlers run: {', '.join(running) or 'a handler sleeps'}")
    engine.flush()
    connection = engine.connection
    agenda_store.save_all(connection, engine.agenda)
    row = EngineRow(
        engine.now_ms, 0, engine.agenda.next_seq, engine.ids.next_row, engine.incarnation, engine.ids.state()
    )
    agenda_store.write_engine_row(connection, row)
    connection.execute("COMMIT")
    image = connection.serialize()
    connection.execute("BEGIN")
    return Snapshot(image, copy.deepcopy(engine.faults), engine.last_act_ms, engine.root_cause)


def restore(engine: VirtualEngine, snapshot: Snapshot) -> None:
    """Make `engine` the world of the snapshot again. Its clock may go back: it is another run then."""
    if engine.runtime is not None:
        engine.runtime.abandon()
    connection = engine.connection
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    _load(connection, snapshot.image)
    row = agenda_store.read_engine_row(connection)
    shuffle = engine.shuffle_ties
    engine.agenda = Agenda(shuffle, next_seq=row.next_seq)
    agenda_store.load(connection, engine.agenda, drop_callers=True)
    engine.ids.restore(row.ids)
    engine.incarnation = row.incarnation
    engine.faults = copy.deepcopy(snapshot.faults)
    engine.last_act_ms = snapshot.last_act_ms
    engine.root_cause = snapshot.root_cause
    engine.trace.discard()
    engine.reader.forget_all()
    engine.reset_to(row.now_ms)
    connection.execute("BEGIN")


def _load(connection: sqlite3.Connection, image: bytes) -> None:
    """Make a database the image's, by way of a second connection: one that had been in use crashed at its
    next write after it deserialized an image itself (SQLite 3.40)."""
    source = sqlite3.connect(":memory:")
    try:
        source.deserialize(image)
        source.backup(connection)
    finally:
        source.close()

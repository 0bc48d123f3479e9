"""Snapshot, restore and fork of a virtual world: the whole database, agenda included, as one image.

A handler in the middle of its work cannot be copied. A snapshot taken then holds, beside the image, how the world
came there from its last quiet point: what the outside world did, in order. Restoring does that again, handlers
included (engine/again.py), and checks that the same has happened.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

from ..errors import SimtriggersError
from ..kernel.agenda import Agenda
from . import again, agenda_store
from .agenda_store import EngineRow
from .faults import FaultPlan
from .virtual import MOST_ACTS, Act, Resume, RuntimeState, VirtualEngine


class NotQuiet(SimtriggersError):
    """A handler is in the middle of its work, and it cannot be done again; run until it has ended."""


@dataclass(frozen=True, slots=True)
class Middle:
    """How a world came into the middle of a handler's work: `acts` after `base` (None: the empty world).
    `waiting` are the (seq, at_ms) of what handlers and stubs go on with."""

    base: Snapshot | None
    acts: tuple[Act, ...]
    waiting: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An image of a world. `size` in bytes is `len(image)`. `middle` is None for a quiet one."""

    image: bytes
    faults: FaultPlan
    last_act_ms: int
    root_cause: int = 0
    next_caller: int = 1
    runtime: RuntimeState = field(default_factory=RuntimeState)
    middle: Middle | None = None


def is_quiet(engine: VirtualEngine) -> bool:
    """Whether no handler is in the middle of its work."""
    busy = engine.runtime is not None and engine.runtime.busy()
    return not busy and not any(type(entry.command) is Resume for entry in engine.agenda.entries())


def take(engine: VirtualEngine) -> Snapshot:
    """The world as it is now. Raises NotQuiet while a handler runs, if something has run that cannot be done again."""
    if is_quiet(engine):
        return _quiet(engine)
    unrepeatable = engine.runtime.unrepeatable() if engine.runtime is not None else ""
    acts = engine.acts
    if acts is None:
        unrepeatable = f"more than {MOST_ACTS:,} things were done to this world since the last quiet point"
    if unrepeatable or acts is None:
        running = engine.runtime.busy() if engine.runtime is not None else []
        raise NotQuiet(
            f"no snapshot while handlers run ({', '.join(running) or 'a handler sleeps'}): {unrepeatable}\n"
            "  fix: let them end first (run_until_idle); a snapshot taken then is a quiet point"
        )
    return replace(_image(engine), middle=Middle(engine.base, tuple(acts), _waiting(engine)))


def _waiting(engine: VirtualEngine) -> tuple[tuple[int, int], ...]:
    return tuple((entry.seq, entry.at_ms) for entry in engine.agenda.entries() if type(entry.command) is Resume)


def _quiet(engine: VirtualEngine) -> Snapshot:
    snapshot = _image(engine)
    runtime = engine.runtime
    if runtime is None or engine.acts is None or runtime.pristine():
        # Nothing else is needed to do again what follows, or there is nothing else.
        engine.base = snapshot
        engine.acts = []
    if runtime is None:
        return snapshot
    if engine.base is snapshot:
        runtime.forget_past()
    # Chance differs from this world's, and is the same in every world that goes on from here.
    return replace(snapshot, runtime=replace(snapshot.runtime, world=engine.ids.next_row))


def _image(engine: VirtualEngine) -> Snapshot:
    _store(engine)
    image = engine.connection.serialize()
    engine.connection.execute("BEGIN")
    state = RuntimeState() if engine.runtime is None else engine.runtime.state()
    return Snapshot(
        image, copy.deepcopy(engine.faults), engine.last_act_ms, engine.root_cause, engine.next_caller, state
    )


def _store(engine: VirtualEngine) -> None:
    """Write what memory alone holds, but for what handlers wait for, and commit."""
    engine.flush()
    connection = engine.connection
    agenda_store.save_all(connection, (each for each in engine.agenda.entries() if type(each.command) is not Resume))
    row = EngineRow(
        engine.now_ms, 0, engine.agenda.next_seq, engine.ids.next_row, engine.incarnation, engine.ids.state()
    )
    agenda_store.write_engine_row(connection, row)
    connection.execute("COMMIT")


def restore(engine: VirtualEngine, snapshot: Snapshot) -> None:
    """Make `engine` the world of the snapshot again. Its clock may go back: it is another run then.

    Raises again.NotRepeatable when a handler in the middle of its work came to another state than it had; the
    engine is then where that came to light.
    """
    middle = snapshot.middle
    if middle is None:
        _become(engine, snapshot)
        engine.base = snapshot
        return
    _become(engine, middle.base or _empty(engine))
    engine.base = middle.base
    with again.opened(snapshot.image) as image:
        again.do(engine, middle.acts, image)
        engine.last_act_ms = snapshot.last_act_ms
        _store(engine)
        again.check(engine.connection, image, same_waits=_waiting(engine) == middle.waiting)
        engine.connection.execute("BEGIN")


def _empty(engine: VirtualEngine) -> Snapshot:
    """What the world was before anything happened."""
    services = list(engine.router)
    return _image(VirtualEngine(services, start_ms=engine.start_ms, seed=engine.ids.seed))


def _become(engine: VirtualEngine, snapshot: Snapshot) -> None:
    if engine.runtime is not None:
        engine.runtime.abandon()
    connection = engine.connection
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    with again.opened(snapshot.image) as source:
        # By way of a second connection: one that had been in use crashed at its next write after it
        # deserialized an image itself (SQLite 3.40).
        source.backup(connection)
    row = agenda_store.read_engine_row(connection)
    engine.agenda = Agenda(engine.shuffle_ties, next_seq=row.next_seq)
    agenda_store.load(connection, engine.agenda, drop_callers=True)
    engine.ids.restore(row.ids)
    engine.incarnation = row.incarnation
    engine.faults = copy.deepcopy(snapshot.faults)
    engine.last_act_ms = snapshot.last_act_ms
    engine.root_cause = snapshot.root_cause
    engine.trace.discard()
    engine.reader.forget_all()
    engine.reset_to(row.now_ms, next_caller=snapshot.next_caller)
    engine.acts = []
    if engine.runtime is not None:
        engine.runtime.restored(snapshot.runtime)
    connection.execute("BEGIN")

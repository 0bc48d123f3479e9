"""Doing again what the outside world did to a virtual world, and checking that the same has happened.

Nothing in a run is left to chance, so the same acts lead to the same rows, unless a handler does something of its
own: reads a file that has changed, asks the network, starts threads, keeps something outside of its module.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import zip_longest
from typing import Any

from ..errors import SimtriggersError
from ..kernel.clock import iso_ms
from ..kernel.effects import Payload
from ..kernel.trace import TraceRow, select
from .virtual import Act, VirtualEngine


class NotRepeatable(SimtriggersError):
    """Done again from its last quiet point, a world was not the same: a handler is not deterministic."""


@contextmanager
def opened(image: bytes) -> Iterator[sqlite3.Connection]:
    """An image as a database of its own."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(image)
        yield connection


_ACTS: dict[str, Callable[..., object]] = {
    "begin": lambda engine, details, service_arn: engine.begin(details, service_arn),
    "set_faults": lambda engine, plan: engine.set_faults(copy.deepcopy(plan)),
    "submit": lambda engine, arn, command, cause, reply_to, priority: engine.submit(
        arn, command, cause=cause, reply_to=reply_to, priority=priority
    ),
    "ask": lambda engine, arn, command, cause: engine.ask(arn, command, cause=cause),
    "run_until": lambda engine, at_ms: engine.run_until(at_ms),
    "advance": lambda engine, by_ms: engine.advance(by_ms),
    "run_until_idle": lambda engine, horizon_ms, steps: engine.run_until_idle(horizon_ms=horizon_ms, max_steps=steps),
    "restart": lambda engine, service_arn: engine.restart(service_arn),
}


def do(engine: VirtualEngine, acts: Sequence[Act], image: sqlite3.Connection) -> None:
    """Do the acts; `image` holds the texts that they name by digest."""
    for name, arguments in acts:
        if name == "keep_text":
            (digest,) = arguments
            (body,) = image.execute("SELECT body FROM payloads WHERE digest = ?", (digest,)).fetchone()
            engine.keep([Payload(digest, body)])
            continue
        try:
            _ACTS[name](engine, *arguments)
        except SimtriggersError:
            continue  # it had the same end then; if not, the check finds out


def check(world: sqlite3.Connection, image: sqlite3.Connection, *, same_waits: bool) -> None:
    """Compare the world with the image of what it was. Raises NotRepeatable for the first difference."""
    for now, then in zip_longest(select(world), select(image)):
        if now != then:
            raise NotRepeatable(_message(now, then))
    for (table,) in image.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
        rows = f'SELECT * FROM "{table}" ORDER BY {", ".join(_columns(image, table))}'
        if any(now != then for now, then in zip_longest(world.execute(rows), image.execute(rows))):
            raise NotRepeatable(_text(f"the table {table} is not the same", "", ""))
    if not same_waits:
        raise NotRepeatable(_text("handlers wait for other times", "", ""))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    found = connection.execute(f'SELECT name FROM pragma_table_info("{table}") ORDER BY cid').fetchall()
    return [f'"{name}"' for (name,) in found]


def _message(now: TraceRow | None, then: TraceRow | None) -> str:
    row = then or now
    assert row is not None
    what = f"trace row #{row.id} is not the same"
    return _text(what, _shown(then), _shown(now))


def _shown(row: TraceRow | None) -> str:
    if row is None:
        return "nothing"
    details: dict[str, Any] = row.details
    return f"{iso_ms(row.at_ms)} {row.kind} of {row.arn or 'the run'}, {row.subject}, {details}"


def _text(what: str, then: str, now: str) -> str:
    rows = f"\n  then: {then}\n  now: {now}" if then or now else ""
    return (
        f"this world cannot be gone on with from the middle of a handler's work: done again, {what}{rows}\n"
        "  a handler depends on something outside of its event and its own module (files, the network, threads,"
        " another's globals, `duration: measured`)\n"
        "  fix: take the snapshot while no handler runs, or make the handler repeatable"
    )

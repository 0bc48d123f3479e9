"""What exists and what lies where, beside the trace: the state file (or the database of a virtual run) that
`why-not` asks. Reads only; settings are parsed by the services' own parsers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from ..engine.virtual import VirtualEngine
from ..errors import UserError
from ..kernel.trace import TraceRow
from .book import StateBook
from .texts import resource

_RESOURCES = "SELECT arn, kind, name, config, revision, wired FROM resources ORDER BY arn"
_TIMER = "SELECT at_ms FROM agenda WHERE arn = ? AND timer_key = ? ORDER BY seq LIMIT 1"
_LAST = (
    "SELECT id FROM trace WHERE arn = ? AND kind IN (SELECT value FROM json_each(?)) AND (? = '' OR subject = ?)"
    " ORDER BY id DESC LIMIT 1"
)
_SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A resource as it is now: its settings as they are stored, and how often they were written.

    `wired` False: the project no longer declares it; its data is still there.
    """

    arn: str
    kind: str
    name: str
    config: dict[str, Any]
    revision: int
    wired: bool

    def __str__(self) -> str:
        return resource(self.arn)

    @property
    def described(self) -> str:
        """How it is shown among others; a mapping with its source and a subscription with its endpoint, since their
        ids say nothing."""
        if self.kind == "subscription":
            return f"{self} (to {resource(self.config['endpoint'])})"
        source = self.config.get("source_arn")
        return f"{self} (of {resource(source)})" if source is not None else str(self)


class World:
    """A database with the trace in it. `now_ms` and `due` (the times of pending timers, by ARN and key) are
    those of a virtual run, whose engine has them in memory; a state file has its own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        now_ms: int | None = None,
        due: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self.book = StateBook(connection, lookup=now_ms is None)
        self._connection = connection
        self._now_ms = now_ms
        self._due = due

    @classmethod
    def running(cls, engine: VirtualEngine) -> World:
        """The world of a virtual run as it is now."""
        engine.flush()
        due = {(entry.arn, entry.timer_key): entry.at_ms for entry in engine.agenda.entries() if entry.timer_key}
        return cls(engine.connection, now_ms=engine.now_ms, due=due)

    @cached_property
    def now_ms(self) -> int:
        """Simulated time of the last thing that happened."""
        if self._now_ms is not None:
            return self._now_ms
        found = self.one("SELECT now_ms FROM engine WHERE id = 1")
        return 0 if found is None else int(found[0])

    @cached_property
    def resources(self) -> dict[str, Known]:
        """Everything that exists, by ARN."""
        return {
            arn: Known(arn, kind, name, json.loads(config), revision, bool(wired))
            for arn, kind, name, config, revision, wired in self._rows(_RESOURCES)
        }

    def of_kind(self, kind: str) -> list[Known]:
        """All resources of a kind, by ARN."""
        return [each for each in self.resources.values() if each.kind == kind]

    def one(self, sql: str, *parameters: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found = self._rows(sql, *parameters)
        return found[0] if found else None

    def _rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise UserError(
                f"the state cannot be read: {error}",
                fix="if an earlier version wrote it, start the project once with `simtriggers up`",
            ) from None

    def last(self, arn: str, kinds: Iterable[str], *, subject: str = "") -> TraceRow | None:
        """The newest row of a resource that has one of the kinds, and that subject if one is given."""
        found = self.one(_LAST, arn, json.dumps(sorted(kinds)), subject, subject)
        return None if found is None else self.book.row(found[0])

    def timer(self, arn: str, key: str) -> int | None:
        """When a pending timer is due, or None."""
        if self._due is not None:
            return self._due.get((arn, key))
        found = self.one(_TIMER, arn, key)
        return None if found is None else int(found[0])

    def named(self, name: str) -> list[Known]:
        """The resources that a text means: an ARN, `lambda:parse`, a name, the URL or address of a subscription, or
        four letters of a mapping's id."""
        exact = self.resources.get(name)
        if exact is not None:
            return [exact]
        found = [each for each in self.resources.values() if name in (each.name, str(each))]
        found = found or [each for each in self.of_kind("subscription") if each.config["endpoint"] == name]
        start = name.removeprefix("mapping:")
        if found or len(start) < _SHORTEST_PREFIX:
            return found
        return [each for each in self.of_kind("event_source_mapping") if each.name.startswith(start)]

    def target(self, name: str) -> Known:
        """The one resource that a text means. Raises UserError with the nearest names."""
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(map(str, found))
            raise UserError(f"{name!r} is the name of {len(found)} resources", rule=listed, fix="write one of these")
        nameless = {"event_source_mapping", "subscription"}
        names = sorted({each.name for each in self.resources.values() if each.kind not in nameless})
        near = get_close_matches(name, names, n=3, cutoff=0.5) or names[:10]
        raise UserError(
            f"there is no function, queue, topic, bucket, rule, subscription or mapping {name!r}",
            rule=f"the nearest: {', '.join(near)}" if near else "there are no resources at all",
            fix="write a name, or an ARN",
        )

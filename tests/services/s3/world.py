"""A bucket service on an in-memory database: commands in, decisions applied, everything kept to look at."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from simtriggers.aws.arn import Names
from simtriggers.kernel.agenda import ORDINARY, Entry
from simtriggers.kernel.codec import decode, encode
from simtriggers.kernel.effects import CancelTimer, Decision, Deliver, Note, Statement, Timer
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Description, Resource
from simtriggers.services.s3.service import SERVICE

NAMES = Names()
START_MS = 1_763_630_127_304  # 2025-11-20T09:15:27.304Z

RESOURCES = """
CREATE TABLE resources (arn TEXT PRIMARY KEY, service TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    config TEXT NOT NULL, revision INTEGER NOT NULL, declared_by TEXT NOT NULL, wired INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT;
"""


@dataclass
class Sent:
    """A delivery, with its payload read."""

    arn: str
    record: dict[str, Any]
    cause: int
    context: tuple[tuple[str, str], ...] = ()


class World:
    """Also the Reader of its views. `targets` are the ARNs of queues and functions that exist."""

    def __init__(self, *, seed: int = 1, path: str = ":memory:", targets: tuple[str, ...] = ()) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA journal_mode = MEMORY")
        known = self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'resources'").fetchone()
        if known is None:
            self.db.executescript(RESOURCES + "".join(SERVICE.migrations))
        self.ids = Ids(seed)
        self.now_ms = START_MS
        self.targets = {arn: Description(arn, "target", fifo=arn.endswith(".fifo")) for arn in targets}
        self.payloads: dict[str, str] = {}
        self.notes: list[Note] = []
        self.sent: list[Sent] = []
        self.decisions: list[Decision] = []
        self.timers: dict[tuple[str, str], Timer] = {}

    # --- reader ---------------------------------------------------------------------------------

    def one(self, statement: Statement, *params: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self.db.execute(statement.sql, params).fetchone()
        return row

    def all(self, statement: Statement, *params: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(statement.sql, params).fetchall()

    def resource(self, arn: str) -> Resource | None:
        sql = "SELECT kind, name, config, revision, created_ms, wired FROM resources WHERE arn = ?"
        row = self.db.execute(sql, (arn,)).fetchone()
        if row is None:
            return None
        config = SERVICE.parsers[row[0]](json.loads(row[2]))
        return Resource(arn, row[0], row[1], config, row[3], row[4], bool(row[5]))

    def resources(self, kind: str) -> list[Resource]:
        rows = self.db.execute("SELECT arn FROM resources WHERE kind = ? ORDER BY arn", (kind,)).fetchall()
        return [found for (arn,) in rows if (found := self.resource(arn)) is not None]

    def describe(self, arn: str) -> Description | None:
        return self.targets.get(arn)

    def payload(self, digest: str) -> str:
        return self.payloads[digest]

    # --- steps ----------------------------------------------------------------------------------

    def step(self, arn: str, command: Any, cause: int = 0) -> Any:
        """Step a command, as read back from an agenda, and return its reply."""
        command = decode(encode(command))
        rule = SERVICE.rules[type(command)]
        entry = Entry(self.now_ms, ORDINARY, arn, command, cause)
        decision = rule.decide(rule.view(self, entry), entry, now_ms=self.now_ms, ids=self.ids)
        self._apply(decision, arn)
        return decision.reply

    def until(self, now_ms: int) -> None:
        """Let time pass: what timers are due by then is stepped, in order."""
        while self.timers:
            place = min(self.timers, key=lambda each: (self.timers[each].at_ms, each))
            timer = self.timers[place]
            if timer.at_ms > now_ms:
                break
            del self.timers[place]
            self.now_ms = max(self.now_ms, timer.at_ms)
            self.step(place[0], timer.command, timer.cause)
        self.now_ms = now_ms

    def _apply(self, decision: Decision, arn: str) -> None:
        self.db.execute("BEGIN")
        for write in decision.writes:
            run = self.db.executemany if write.many else self.db.execute
            run(write.statement.sql, write.rows)
        self.db.execute("COMMIT")
        self.decisions.append(decision)
        self.notes.extend(decision.notes)
        self.payloads.update({one.digest: one.body for one in decision.payloads})
        for effect in decision.effects:
            if isinstance(effect, Timer):
                self.timers[arn, effect.key] = effect
            elif isinstance(effect, CancelTimer):
                self.timers.pop((arn, effect.key), None)
            else:
                assert isinstance(effect, Deliver)
                text = self.payloads[effect.payload]
                self.sent.append(Sent(effect.arn, json.loads(text), effect.cause, effect.context))

    def check(self) -> None:
        """Every invariant of the service holds."""
        for invariant in SERVICE.invariants:
            assert self.db.execute(invariant.sql).fetchall() == [], invariant.name

    def events(self) -> list[tuple[str, str, int | None]]:
        """(event name, encoded key, size) of everything that was sent, in order."""
        found = []
        for sent in self.sent:
            (record,) = sent.record["Records"]
            item = record["s3"]["object"]
            found.append((record["eventName"], item["key"], item.get("size")))
        return found

"""A live batch: everything due and every waiting command, stepped in one transaction and committed once.

Runs in the database connection's thread. What may leave (replies, invokes, trace rows) is returned, and
leaves after the commit only. A batch is bounded by time, not by count. When the database cannot be read
after a rollback, the runner is *adrift*: memory does not know what it holds, and reading is tried again first.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from ..aws.contracts import Work
from ..kernel.agenda import ORDINARY, Agenda, Entry
from ..kernel.codec import type_name
from ..kernel.effects import Note, ReturnAddress
from ..kernel.fixed import fixed
from . import agenda_store
from .agenda_store import EngineRow
from .database import refused
from .engine import Engine
from .overdue import TOLERANCE_MS, Lateness

_log = logging.getLogger("simtriggers")

BUDGET_S = 0.005
_CHECK_EVERY = 16


@fixed
class Submitted:
    """A command from outside that waits for its batch."""

    arn: str
    command: Any
    cause: int = 0
    reply_to: ReturnAddress | None = None
    priority: int = ORDINARY


@dataclass(slots=True)
class Outcome:
    """What leaves after a commit. `more`: entries are still due, the budget ended first."""

    replies: list[tuple[int, Any]] = field(default_factory=list)
    invokes: list[Work] = field(default_factory=list)
    rows: list[tuple[int, Note]] = field(default_factory=list)
    more: bool = False
    back: list[Submitted] = field(default_factory=list)
    """Commands that the budget did not reach: nothing is known of them yet, and the next batch takes them."""


class BatchRunner:
    """Runs batches on an engine whose agenda tracks its changes.

    `adrift`: the database could not be read after a rollback; `run` tries that again before anything else.
    `tolerance_ms`: see `overdue.Lateness`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        incarnation: int,
        ids: dict[str, int] | None = None,
        tolerance_ms: int = TOLERANCE_MS,
    ) -> None:
        self._engine = engine
        self._incarnation = incarnation
        self._ids = ids or {}
        self._data_version = -1
        self._begun = False
        self._ahead_ms = 0
        self._late = Lateness(tolerance_ms)
        self.adrift = False

    def run(self, submitted: list[Submitted], clock_ms: int, *, ahead_ms: int = 0) -> Outcome:
        """Step `submitted` and all that is due at `clock_ms`, and commit.

        `ahead_ms` is how far `clock_ms` is ahead of the machine's time; it is stored for the next start.

        When applying fails, the batch is rolled back and run again, one entry a transaction; an entry that
        fails again is kept in `failed_steps`. Raises sqlite3.Error when the database refuses to commit (see
        database.refused) or to be read: nothing has changed then, and the same `submitted` may be given again.
        """
        engine = self._engine
        if self.adrift:
            self._reload()
        self._ahead_ms = ahead_ms
        engine.now_ms = max(engine.now_ms, clock_ms)
        engine.reader.now_ms = engine.now_ms
        begun = Outcome() if self._begun else self._commit_start()
        try:
            outcome = self._one_transaction(submitted, limit=None)
        except Exception as error:  # whatever it was, find out which entry it belongs to
            self._roll_back()
            if refused(error):
                raise
            if self.adrift:
                raise sqlite3.OperationalError("the database cannot be read after a failed step") from error
            outcome = self._one_by_one(submitted)
        outcome.rows = begun.rows + outcome.rows
        return outcome

    def _commit_start(self) -> Outcome:
        """Commit what was noted and put on the agenda before the first batch: a rollback would forget it."""
        engine = self._engine
        rows = engine.trace.pending()
        try:
            self._begin()
            outcome = self._commit(False)
        except BaseException:
            if engine.connection.in_transaction:
                engine.connection.execute("ROLLBACK")
            engine.trace.put_back(rows)
            raise
        self._begun = True
        return outcome

    def _one_transaction(self, submitted: list[Submitted], *, limit: int | None) -> Outcome:
        engine = self._engine
        self._begin()
        entries = [
            Entry(engine.now_ms, item.priority, item.arn, item.command, item.cause, item.reply_to) for item in submitted
        ]
        for each in entries:
            engine.agenda.push(each)
        ends = time.perf_counter() + BUDGET_S
        count = 0
        more = False
        while (entry := engine.agenda.peek()) is not None and entry.at_ms <= engine.now_ms:
            if count % _CHECK_EVERY == _CHECK_EVERY - 1 and time.perf_counter() > ends or count == limit:
                more = True
                break
            seq = entry.seq
            engine.agenda.take(entry)
            count += 1
            if entry.at_ms < engine.now_ms and not self._late.admits(
                entry, now_ms=engine.now_ms, next_seq=engine.agenda.next_seq, seq=seq
            ):
                continue
            engine.step(entry)
        back: list[Submitted] = []
        if more:
            # To store what nobody was told of, and to delete it a batch later, would cost a fifth of its step.
            for item, each in zip(submitted, entries, strict=True):
                if each.seq:
                    engine.agenda.remove(each)
                    back.append(item)
        else:
            self._late.forget()
        outcome = self._commit(more)
        outcome.back = back
        return outcome

    def _one_by_one(self, submitted: list[Submitted]) -> Outcome:
        engine = self._engine
        total = Outcome()
        self._store(submitted, total)
        due = sum(1 for entry in engine.agenda.entries() if entry.at_ms <= engine.now_ms)
        for _ in range(due):
            entry = engine.agenda.peek()
            if entry is None or entry.at_ms > engine.now_ms:
                break
            try:
                _extend(total, self._one_transaction([], limit=1))
            except Exception as error:  # this is the one, unless it is the database
                self._roll_back()
                if refused(error) or self.adrift or not self._put_aside(type_name(entry.command), error, total):
                    break  # all that is left is in the database: the next batch takes it
        total.more = True
        return total

    def _store(self, submitted: list[Submitted], total: Outcome) -> None:
        """Put the submitted commands on the stored agenda, so that none is lost or taken twice."""
        engine = self._engine
        try:
            self._begin()
            for item in submitted:
                entry = Entry(engine.now_ms, item.priority, item.arn, item.command, item.cause, item.reply_to)
                problem = agenda_store.unstorable(entry)
                if problem is None:
                    engine.agenda.push(entry)
                else:
                    engine.keep_failed(entry, problem)
            _extend(total, self._commit(False))
        except BaseException:
            self._roll_back()
            raise

    def _put_aside(self, name: str, error: Exception, total: Outcome) -> bool:
        """Keep the entry that failed where a person sees it. False: the database refused that."""
        engine = self._engine
        try:
            self._begin()
            entry = engine.agenda.pop()
            assert entry is not None and type_name(entry.command) == name
            engine.keep_failed(entry, error)
            _extend(total, self._commit(False))
        except sqlite3.Error:
            self._roll_back()
            return False
        return True

    def _begin(self) -> None:
        engine = self._engine
        engine.connection.execute("BEGIN IMMEDIATE")
        version = engine.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._data_version = version
            engine.reader.forget_all()

    def _commit(self, more: bool) -> Outcome:
        engine = self._engine
        agenda_store.save_changes(engine.connection, engine.agenda)
        rows = engine.trace.flush(engine.connection)
        row = EngineRow(
            engine.now_ms, self._ahead_ms, engine.agenda.next_seq, engine.ids.next_row, self._incarnation, self._ids
        )
        agenda_store.write_engine_row(engine.connection, row)
        engine.connection.execute("COMMIT")
        engine.agenda.committed()
        outcome = Outcome(engine.replies, engine.invokes, rows, more)
        engine.replies, engine.invokes = [], []
        return outcome

    def _roll_back(self) -> None:
        """Make memory equal to the database again."""
        engine = self._engine
        engine.trace.discard()
        engine.reader.forget_all()
        engine.replies, engine.invokes = [], []
        self._late.forget()
        self.adrift = True
        try:
            self._reload()
        except sqlite3.Error:
            _log.exception("the database cannot be read after a rollback; it is tried again")

    def _reload(self) -> None:
        """Read what memory must hold. Raises sqlite3.Error; the runner stays adrift then."""
        engine = self._engine
        if engine.connection.in_transaction:
            engine.connection.execute("ROLLBACK")
        row = agenda_store.read_engine_row(engine.connection)
        agenda = Agenda(next_seq=row.next_seq, track=True)
        agenda_store.load(engine.connection, agenda, drop_callers=False)
        engine.ids.next_row = row.next_row
        engine.agenda = agenda
        self.adrift = False


def _extend(total: Outcome, part: Outcome) -> None:
    total.replies += part.replies
    total.invokes += part.invokes
    total.rows += part.rows

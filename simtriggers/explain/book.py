"""Where the rows of a trace are looked up: a state file, a trace file, or rows in memory.

All three answer the same questions. A state file is opened read-only, also while a simulator writes to it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ..errors import UserError
from ..kernel.clock import parse_iso
from ..kernel.effects import fill
from ..kernel.trace import TraceRow, select

BATCH_STARTED = "BatchStarted"
MOST_SUBJECTS = 10
_MARGIN_MS = 1000

_LOOKUP = (
    "CREATE TEMP TABLE IF NOT EXISTS lookup (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, cause INTEGER NOT NULL)",
    "INSERT INTO temp.lookup SELECT id, subject, cause FROM trace"
    " WHERE id > coalesce((SELECT max(id) FROM temp.lookup), 0) ORDER BY id",
    "CREATE INDEX IF NOT EXISTS temp.lookup_by_subject ON lookup (subject)",
    "CREATE INDEX IF NOT EXISTS temp.lookup_by_cause ON lookup (cause)",
)


class Book(Protocol):
    """What explanations ask of a trace."""

    def row(self, row_id: int) -> TraceRow | None:
        """The row of that id."""

    def rows(self, *, until: int | None = None) -> Iterator[TraceRow]:
        """All rows, in order; `until` is the last id."""

    def newest(self) -> TraceRow | None:
        """The last row."""

    def about(self, subject: str) -> list[TraceRow]:
        """The rows with that subject, in order."""

    def caused_by(self, row_id: int) -> list[TraceRow]:
        """The rows whose cause is that row, in order."""

    def batches_with(self, received: TraceRow) -> list[TraceRow]:
        """The BatchStarted rows that hold the record which `received` is the receiving of."""

    def payload(self, digest: str) -> str | None:
        """The text of a payload, or None when it is not kept."""

    def subjects(self, prefix: str) -> list[str]:
        """Up to MOST_SUBJECTS subjects that begin with `prefix`, sorted."""


def causes_of(row: TraceRow) -> list[int]:
    """The rows that led to a row: its cause, and for a batch those of all its records."""
    causes = row.details.get("causes")
    if row.kind == BATCH_STARTED and isinstance(causes, list):
        return [*dict.fromkeys(causes)]
    return [row.cause] if row.cause else []


# --- rows in memory, and a trace file -----------------------------------------------------------


class MemoryBook:
    """Rows in memory. `texts` are payloads by digest."""

    def __init__(self, rows: Iterable[TraceRow], texts: dict[str, str] | None = None) -> None:
        self._rows = {row.id: row for row in rows}
        self._texts = texts or {}
        self._about: dict[str, list[TraceRow]] = defaultdict(list)
        self._effects: dict[int, list[TraceRow]] = defaultdict(list)
        self._batches: dict[int, list[TraceRow]] = defaultdict(list)
        for row in self._rows.values():
            self._about[row.subject].append(row)
            if row.cause:
                self._effects[row.cause].append(row)
            if row.kind == BATCH_STARTED:
                for cause in causes_of(row):
                    self._batches[cause].append(row)

    def row(self, row_id: int) -> TraceRow | None:
        """The row of that id."""
        return self._rows.get(row_id)

    def rows(self, *, until: int | None = None) -> Iterator[TraceRow]:
        """All rows, in order."""
        yield from (row for row in self._rows.values() if until is None or row.id <= until)

    def newest(self) -> TraceRow | None:
        """The last row."""
        return next(reversed(self._rows.values()), None)

    def about(self, subject: str) -> list[TraceRow]:
        """The rows with that subject, in order."""
        return self._about.get(subject, [])

    def caused_by(self, row_id: int) -> list[TraceRow]:
        """The rows whose cause is that row, in order."""
        return self._effects.get(row_id, [])

    def batches_with(self, received: TraceRow) -> list[TraceRow]:
        """The batches that hold the record."""
        return self._batches.get(received.id, [])

    def payload(self, digest: str) -> str | None:
        """The text of a payload that the file showed."""
        return self._texts.get(digest)

    def subjects(self, prefix: str) -> list[str]:
        """Up to MOST_SUBJECTS subjects that begin with `prefix`, sorted."""
        return sorted(subject for subject in self._about if subject.startswith(prefix) and subject)[:MOST_SUBJECTS]


def read_trace_file(path: Path) -> Iterator[tuple[str, MemoryBook]]:
    """The runs of a trace file, as (scenario, rows): a file of `simtriggers test` holds several.

    Raises UserError for a file that is not there, is no trace, or has no run.
    """
    number = 0
    name, rows, texts = str(path), list[TraceRow](), dict[str, str]()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                found = _parsed(line, f"{path}:{number}")
                if "scenario" in found:
                    if rows:
                        yield name, MemoryBook(rows, texts)
                    name, rows, texts = str(found["scenario"]), [], {}
                else:
                    rows.append(_row(found, texts, f"{path}:{number}"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    if number == 0:
        raise UserError(f"{path} is empty: no run is in it", fix="make one with `simtriggers test --trace FILE`")
    yield name, MemoryBook(rows, texts)


def _parsed(line: str, place: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{place}: this is no line of a trace", fix="make one with `simtriggers test --trace FILE`")
    return found


def _row(found: dict[str, Any], texts: dict[str, str], place: str) -> TraceRow:
    try:
        details: dict[str, Any] = found["details"]
        for name, value in details.items():
            if isinstance(value, dict) and value.keys() == {"digest", "text"} and name.endswith("payload"):
                texts[value["digest"]] = value["text"]
                details[name] = value["digest"]
        at_ms = parse_iso(found["at"])
        return TraceRow(found["id"], at_ms, found["kind"], found["arn"], found["subject"], found["cause"], details)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"{place}: this is no line of a trace", fix="make one with `simtriggers test --trace FILE`"
        ) from None


# --- a state file -------------------------------------------------------------------------------


class StateBook:
    """The trace inside a state file. `close` gives the file back.

    `lookup`: the first question makes an index in a temporary table, since the file has none. Without it (the
    database of a virtual run, in the middle of its transaction) rows are searched one by one.
    """

    def __init__(self, connection: sqlite3.Connection, *, lookup: bool = True) -> None:
        self._connection = connection
        self._lookup = lookup

    @classmethod
    def open(cls, path: Path) -> StateBook:
        """Open a state file read-only. Raises UserError when there is none, or it is something else."""
        if not path.is_file():
            raise UserError(
                f"there is no state file {path}",
                fix="start the project with `simtriggers up`, or name a file with --state or --trace",
            )
        try:
            connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, isolation_level=None)
            connection.execute("SELECT id, at_ms, kind, arn, subject, cause, details FROM trace LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise UserError(f"{path} is not a state file of simtriggers: {error}") from None
        return cls(connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """The file, for questions about more than its trace."""
        return self._connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def row(self, row_id: int) -> TraceRow | None:
        """The row of that id."""
        return next(self._select("id = ?", row_id), None)

    def rows(self, *, until: int | None = None) -> Iterator[TraceRow]:
        """All rows, in order."""
        return self._select("1") if until is None else self._select("id <= ?", until)

    def newest(self) -> TraceRow | None:
        """The last row."""
        return next(self._select("id = (SELECT max(id) FROM trace)"), None)

    def after(self, row_id: int) -> Iterator[TraceRow]:
        """The rows after that one, in order."""
        return self._select("id > ?", row_id)

    def about(self, subject: str) -> list[TraceRow]:
        """The rows with that subject, in order."""
        return self._look_up("subject", subject)

    def caused_by(self, row_id: int) -> list[TraceRow]:
        """The rows whose cause is that row, in order."""
        return self._look_up("cause", row_id)

    def _look_up(self, column: str, wanted: str | int) -> list[TraceRow]:
        if not self._lookup:
            return list(self._select(f"{column} = ?", wanted))
        self._index()
        return list(self._select(f"id IN (SELECT id FROM temp.lookup WHERE {column} = ?)", wanted))

    def _index(self) -> None:
        """Make the index, or bring it up to date."""
        for statement in _LOOKUP:
            self._connection.execute(statement)

    def batches_with(self, received: TraceRow) -> list[TraceRow]:
        """The batches that hold the record: they start before it is visible again. Of a message in a trace of
        events, which says nothing of its receiving: all of them."""
        if received.kind != "MessageReceived":
            rows = self._select(f"id > ? AND kind = '{BATCH_STARTED}'", received.id)
            return [row for row in rows if received.id in causes_of(row)]
        until_ms = received.details.get("visible_ms", received.at_ms) + _MARGIN_MS
        end = self._connection.execute(
            "SELECT id FROM trace WHERE id > ? AND at_ms > ? ORDER BY id LIMIT 1", (received.id, until_ms)
        ).fetchone()
        last = end[0] if end is not None else 2**62
        rows = self._select(f"id > ? AND id < ? AND kind = '{BATCH_STARTED}'", received.id, last)
        return [row for row in rows if received.id in causes_of(row)]

    def left_out(self, row: TraceRow) -> bool:
        """Whether rows that followed from this one were left out, as a trace of events does."""
        found = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM trace_left_out WHERE cause = ? ORDER BY id)", (row.id,)
        )
        return bool(found.fetchone()[0])

    def payload(self, digest: str) -> str | None:
        """The text of a payload that is still kept."""
        if "~" in digest:
            template = self.payload(digest.partition("~")[0])
            return None if template is None else fill(digest, lambda _: template)
        with closing(self._connection.execute("SELECT body FROM payloads WHERE digest = ?", (digest,))) as found:
            row = found.fetchone()
        return None if row is None else str(row[0])

    def subjects(self, prefix: str) -> list[str]:
        """Up to MOST_SUBJECTS subjects that begin with `prefix`, sorted."""
        table = "temp.lookup" if self._lookup else "trace"
        if self._lookup:
            self._index()
        rows = self._connection.execute(
            f"SELECT DISTINCT subject FROM {table} WHERE subject >= ? AND subject < ? ORDER BY subject LIMIT ?",
            (prefix, prefix + "\U0010ffff", MOST_SUBJECTS),
        )
        return [subject for (subject,) in rows if subject]

    def _select(self, where: str, *parameters: Any) -> Iterator[TraceRow]:
        return select(self._connection, where, parameters)

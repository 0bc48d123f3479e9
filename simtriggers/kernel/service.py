"""The protocol between the engine and a service: view, then decide.

`view` reads rows and returns a value; `decide` is pure and returns a Decision. A service is a table that
names, for each command class, the two functions. It never imports another service: it names ARNs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .agenda import Entry
from .effects import Decision, Statement
from .ids import Ids
from .left_out import Bookkeeping

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """A declared or created resource: its row in `resources`, with the settings parsed.

    `config` is what the service's parser for `kind` returned; it is cached until the row is written.
    `revision` counts the writes of the row, from 1.
    """

    arn: str
    kind: str
    name: str
    config: Any
    revision: int
    created_ms: int
    wired: bool = True


@dataclass(frozen=True, slots=True)
class Description:
    """What other services may know of a resource. None in a field: does not apply to its kind."""

    arn: str
    kind: str
    fifo: bool = False
    visibility_timeout_ms: int | None = None
    timeout_ms: int | None = None


class Reader(Protocol):
    """What a `view` may use. Every SELECT has a total ORDER BY."""

    now_ms: int

    def one(self, statement: Statement, *params: Any) -> Row | None:
        """The first row, or None."""

    def all(self, statement: Statement, *params: Any) -> list[Row]:
        """All rows, in the statement's order."""

    def resource(self, arn: str) -> Resource | None:
        """A resource with its parsed settings, or None when there is none of that ARN."""

    def resources(self, kind: str) -> list[Resource]:
        """All resources of a kind, by ARN."""

    def derived(self, name: str, build: Callable[[Reader, Any], Any]) -> Any:
        """What `build` makes of resources, kept under `name` until the row of any resource is written. `build` gets
        the reader and what it made the last time (None: nothing that still holds), which it may bring up to date."""

    def describe(self, arn: str) -> Description | None:
        """What the owner of another resource says of it, or None when it does not exist."""

    def payload(self, digest: str) -> str:
        """The text of a payload."""


View = Callable[[Reader, Entry], Any]


class Decide(Protocol):
    """A rule: pure, from a view and an entry to a Decision."""

    def __call__(self, view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
        """Decide; nothing has happened until the engine applies it."""


@dataclass(frozen=True)
class Rule:
    """The two parts of one command. `missed` decides instead for a turn that was missed: every command that is
    skipped when overdue has it."""

    view: View
    decide: Decide
    missed: Decide | None = None


@dataclass(frozen=True)
class Invariant:
    """A statement that must return no row: each row it returns is printed as a contradiction."""

    name: str
    sql: str


@dataclass(frozen=True)
class Service:
    """One service, as the engine sees it.

    `name` is the third part of its ARNs. `migrations` are SQL scripts that make its tables, in order of
    schema version from 1. `parsers` turn a resource's stored settings (a JSON dict) into a value, by
    kind. `describe` answers other services. `restarted` is a rule stepped once at each start with a
    contracts.Restarted command. `payload_columns` are (table, column) pairs that hold payload digests.
    `trims` are statements with one parameter, a time in milliseconds: each deletes records of the past that
    are older, as the trace's retention wants it; never what something may still need. `bookkeeping` are the kinds
    of its trace rows that are no events to the outside world; the volume `events` leaves them out. `lookup_indexes`
    are indexes that only questions about the past use, and retention: a virtual world goes without.
    """

    name: str
    rules: Mapping[type[Any], Rule]
    migrations: Sequence[str] = ()
    parsers: Mapping[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    describe: Callable[[Reader, str], Description | None] | None = None
    restarted: Rule | None = None
    invariants: Sequence[Invariant] = ()
    payload_columns: Sequence[tuple[str, str]] = ()
    trims: Sequence[Statement] = ()
    bookkeeping: Bookkeeping = field(default_factory=dict)
    lookup_indexes: Sequence[str] = ()


def bookkeeping_of(services: Iterable[Service]) -> Bookkeeping:
    """The kinds of rows of all services that are no events."""
    return {kind: commands for service in services for kind, commands in service.bookkeeping.items()}


Connection = sqlite3.Connection

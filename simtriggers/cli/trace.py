"""`simtriggers trace`: list, filter and follow what happened."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import click

from ..aws.arn import name_of
from ..errors import UserError
from ..explain import Book, StateBook, narrate, row_dict
from ..explain.wording import TEMPLATES
from ..kernel.clock import parse_iso
from ..kernel.trace import TraceRow
from .books import open_books, trace_options

_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Filter:
    """Which rows are wanted; None or empty: all of them."""

    kinds: frozenset[str] = frozenset()
    subject: str | None = None
    function: str | None = None
    arn: str | None = None
    since_ms: int | None = None

    def takes(self, row: TraceRow) -> bool:
        """Whether a row is wanted."""
        return (
            (not self.kinds or row.kind in self.kinds)
            and (self.subject is None or row.subject.startswith(self.subject))
            and (self.function is None or self.function in _functions(row))
            and (self.arn is None or row.arn == self.arn or (":" not in self.arn and _name(row) == self.arn))
            and (self.since_ms is None or row.at_ms >= self.since_ms)
        )


def _name(row: TraceRow) -> str:
    return name_of(row.arn) if row.arn.startswith("arn:") else row.arn


def _functions(row: TraceRow) -> set[str]:
    """The functions that a row is about: its own resource, or the one that its details name."""
    own = row.arn if ":function:" in row.arn else ""
    return {name_of(each) if each.startswith("arn:") else each for each in (own, row.details.get("function", ""))}


@click.command("trace")
@trace_options
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only rows of this kind; may come again.")
@click.option("--subject", metavar="ID", help="Only rows about this message, key or request.")
@click.option("--function", metavar="NAME", help="Only rows about this function.")
@click.option("--arn", metavar="ARN", help="Only rows of this resource: its ARN or its name.")
@click.option("--since", metavar="T", help="From this time on: 15m before the last row, or an ISO time.")
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--follow", is_flag=True, help="Go on with what happens next, until Ctrl-C.")
def command(
    state: Path | None,
    trace_file: Path | None,
    project: Path | None,
    kinds: tuple[str, ...],
    subject: str | None,
    function: str | None,
    arn: str | None,
    since: str | None,
    last: int | None,
    as_json: bool,
    follow: bool,
) -> None:
    """List what happened, a line each: time, row<-cause, resource, kind, and what it was about.

    Reads the state of the project in this folder, also while it is up. `simtriggers why` explains any row.
    """
    if follow and trace_file is not None:
        raise click.UsageError("--follow needs a state file; a trace file does not grow")
    for kind in kinds:
        _check_kind(kind)
    with open_books(state, trace_file, project) as books:
        for name, book in books:
            chosen = Filter(frozenset(kinds), subject, function, arn, _since_ms(since, book))
            if len(books) > 1 and not as_json:
                click.echo(f"--- {name}")
            show = _printer(book, as_json=as_json)
            newest = book.newest()
            rows: Iterable[TraceRow] = filter(chosen.takes, book.rows(until=newest.id if newest else 0))
            for row in rows if last is None else deque(rows, maxlen=last):
                show(row)
            if follow:
                assert isinstance(book, StateBook)
                for row in filter(chosen.takes, _newer(book, newest.id if newest else 0)):
                    show(row)


def _check_kind(kind: str) -> None:
    """A kind that no row can have would look like a trace in which nothing happened. Raises UserError."""
    if kind not in TEMPLATES:
        from ..project.load import suggest

        fix = suggest(kind, TEMPLATES) or "leave --kind out to see all rows with their kinds"
        raise UserError(f"no row of a trace is of kind {kind!r}", fix=fix)


def _since_ms(since: str | None, book: Book) -> int | None:
    if since is None:
        return None
    from ..aws.quantities import parse_duration_ms

    try:
        return parse_iso(since)
    except ValueError:
        pass
    try:
        before_ms = parse_duration_ms(since)
    except ValueError:
        raise UserError(
            f"--since {since!r} is no time", fix="write 15m, or an ISO time such as 2026-01-15T12:00:00Z"
        ) from None
    newest = book.newest()
    return newest.at_ms - before_ms if newest else 0


def _printer(book: Book, *, as_json: bool) -> Callable[[TraceRow], None]:
    if as_json:
        return lambda row: click.echo(json.dumps(row_dict(row), ensure_ascii=False))
    return lambda row: click.echo(narrate(row, book.payload, full_time=True))


def _newer(book: StateBook, after: int) -> Iterator[TraceRow]:
    """The rows after that one as they are committed, for ever."""
    pause = Event()
    while True:
        for row in book.after(after):
            after = row.id
            yield row
        pause.wait(_LOOK_EVERY_S)

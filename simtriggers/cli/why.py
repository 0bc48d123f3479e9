"""`simtriggers why`: why something happened, from its first cause on, and what followed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import UserError
from ..explain import Book, Explanation, NotFound, why
from .books import open_books, trace_options


@click.command("why")
@click.argument("ident", metavar="ID")
@trace_options
@click.option("--scenario", help="Of a trace file with several runs: look in this one.")
@click.option("--all", "everything", is_flag=True, help="Leave no step out, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def command(
    ident: str,
    state: Path | None,
    trace_file: Path | None,
    project: Path | None,
    scenario: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Explain why the thing with this ID happened, and what followed from it.

    ID is a row of the trace (14 or #14), a message id, a request id, an object's key, or any other subject;
    the first four letters of one are enough, if no other begins with them. Every step is shown from the
    first cause on, with the time that passed, the retries, and the error of the last failure.
    """
    with open_books(state, trace_file, project) as books:
        found = _explain(_chosen(books, scenario), ident)
        if as_json:
            click.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        else:
            click.echo(found.render(most=None) if everything else found.render())


def _chosen(books: list[tuple[str, Book]], scenario: str | None) -> list[tuple[str, Book]]:
    if scenario is None:
        return books
    chosen = [(name, book) for name, book in books if name == scenario]
    if not chosen:
        raise UserError(f"there is no run of {scenario!r}", rule=f"runs: {', '.join(name for name, _ in books)}")
    return chosen


def _explain(books: list[tuple[str, Book]], ident: str) -> Explanation:
    """The explanation from the one run that has the id. Raises NotFound, or UserError when several have it."""
    found: list[tuple[str, Explanation]] = []
    missing: NotFound | None = None
    for name, book in books:
        try:
            found.append((name, why(book, ident)))
        except NotFound as error:
            missing = missing or error
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise UserError(
            f"{ident!r} is in {len(found)} of the runs in this file", rule=names, fix="choose one with --scenario"
        )
    if not found:
        assert missing is not None
        raise missing
    return found[0][1]

"""Which trace a command reads: a state file, the project's own by default, or a trace file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import UserError
from ..explain import Book, MemoryBook, StateBook, read_trace_file

FILE, STATE = "simtriggers.yaml", ".simtriggers/state.db"
"""Where a project keeps its state (project/model.py says so too; importing it takes a tenth of a second)."""


def trace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a trace: `--state`, `--trace`, `--project`."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--project", type=path, metavar="PATH", help="Project whose state is read.  [default: here]"),
        click.option("--trace", "trace_file", type=path, metavar="FILE", help="Read a trace file of a test run."),
        click.option("--state", type=path, metavar="FILE", help="Read this state file."),
    ):
        command = option(command)
    return command


def state_path(state: Path | None, project: Path | None) -> Path:
    """The state file that is meant."""
    if state is not None:
        return state
    if project is not None and (project.is_file() or project.suffix in (".yaml", ".yml")):
        return project.parent / STATE
    return (project or Path()) / STATE


@contextmanager
def open_books(state: Path | None, trace_file: Path | None, project: Path | None) -> Iterator[list[tuple[str, Book]]]:
    """The traces to read, by name: one, or all the runs of a trace file.

    Raises UserError when there is none.
    """
    if trace_file is not None:
        if state is not None or project is not None:
            raise click.UsageError("--trace stands alone; leave out --state and --project")
        runs: list[tuple[str, MemoryBook]] = list(read_trace_file(trace_file))
        yield [*runs]
        return
    path = state_path(state, project)
    book = open_state(path, asked=state is not None)
    try:
        yield [(str(path), book)]
    finally:
        book.close()


def open_state(path: Path, *, asked: bool) -> StateBook:
    """The trace in a state file; `asked` says that its path was given. Raises UserError when there is none."""
    if not asked and not path.is_file():
        where = path.parent.parent
        raise UserError(
            f"there is no state file {path}: no project has been up in {'this folder' if str(where) == '.' else where}",
            fix="start one with `simtriggers up`, or name a file with --state, or a test run's with --trace",
        )
    return StateBook.open(path)

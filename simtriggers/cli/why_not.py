"""`simtriggers why-not`: why something did not trigger a function, a queue, a rule or a mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from ..explain import StateBook
from ..explain.why_not import why_not
from ..explain.world import World
from . import FAILED, FINE
from .books import open_state, state_path

_PATH = click.Path(path_type=Path)


@click.command("why-not")
@click.argument("target")
@click.argument("ident", metavar="ID")
@click.option("--state", type=_PATH, metavar="FILE", help="Read this state file.")
@click.option("--project", type=_PATH, metavar="PATH", help="Project whose state is read.  [default: here]")
@click.option("--scenario", type=_PATH, metavar="FILE", help="Run this scenario first, and ask about its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(
    target: str, ident: str, state: Path | None, project: Path | None, scenario: Path | None, as_json: bool
) -> int:
    """Explain why the thing with this ID did not trigger TARGET: which filter, schedule, queue or limit was in the way.

    TARGET is a function, queue, topic, bucket, rule, mapping or subscription: its name, lambda:NAME where several
    have it, its ARN, or the URL or address that subscribes.
    ID is a row of the trace (14 or #14), an object's key, a message id, a request id, or the name of a rule. Filters
    are evaluated again, with today's settings; if these have changed since, the answer says so. Exits with 1 when it
    did trigger it.
    """
    with _worlds(state, project, scenario) as world:
        answer = why_not(world, target, ident)
        if as_json:
            click.echo(json.dumps(answer.as_dict(), ensure_ascii=False, indent=2))
        else:
            click.echo(answer.render())
    return FAILED if answer.triggered else FINE


@contextmanager
def _worlds(state: Path | None, project: Path | None, scenario: Path | None) -> Iterator[World]:
    if scenario is None:
        book: StateBook = open_state(state_path(state, project), asked=state is not None)
        with closing(book):
            yield World(book.connection)
        return
    if state is not None or project is not None:
        raise click.UsageError("--scenario stands alone; leave out --state and --project")
    from ..scenario import runner  # running takes what only a test needs: half a second to import

    result = runner.run(scenario)
    if result.failures:
        click.echo(f"the scenario fails: {_failed(result.failures, scenario)}", err=True)
    yield World.running(result.simulation.engine)


def _failed(failures: list[str], scenario: Path) -> str:
    """A scenario's failures on one line: the one that there is, or how many expectations do not hold."""
    places = {text.partition(": ")[0] for text in failures}
    if len(places) == 1:
        return f"{failures[0].splitlines()[0]}; `simtriggers test {scenario}` shows it"
    return f"{len(places)} expectations; `simtriggers test {scenario}` shows them"

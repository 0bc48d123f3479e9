"""`simtriggers validate`: everything that is wrong with projects and scenarios, in one run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path

import click

from ..errors import UserError, UserErrors
from ..project.handlers import unparsable
from ..project.load import load_yaml
from ..project.model import FILE, find_project, load_project, refuse_template
from ..scenario.load import load_scenario
from . import FINE, USAGE


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="Print the mistakes as JSON.")
def command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Check projects and scenarios in PATHs (files or folders; default: here), and run nothing.

    The files of handlers are read as well; whether what they import is there shows when they run.

    Of a folder: its simtriggers.yaml and the scenarios in its folder scenarios/. Exits with 2 when
    something is wrong, after it has shown all of it.
    """
    mistakes: dict[tuple[str, str], UserError] = {}
    checked: list[Path] = []
    for path in paths or (Path(),):
        for file in files(path):
            if file not in checked:
                checked.append(file)
                for error in _mistakes(file):
                    mistakes.setdefault(_same(error), error)
    if as_json:
        found = [_as_dict(error) for error in mistakes.values()]
        click.echo(json.dumps({"checked": [str(file) for file in checked], "errors": found}, indent=2))
    elif mistakes:
        click.echo("\n".join(error.render() for error in mistakes.values()), err=True)
        count = len(mistakes)
        click.echo(f"{count} mistake{'' if count == 1 else 's'} in {_files(len(checked))}", err=True)
    else:
        click.echo(f"ok: nothing wrong in {_files(len(checked))}")
    return USAGE if mistakes else FINE


def files(path: Path) -> Iterator[Path]:
    """The project and scenario files that a path means; a file that is not there is checked as well."""
    if not path.is_dir():
        yield path
        return
    project, scenarios = path / FILE, sorted(path.glob("scenarios/**/*.y*ml"))
    if project.exists() or not scenarios:
        alone = sorted(each for each in path.glob("*.y*ml") if not project.exists() and _is_scenario(each))
        yield from alone or [project]
    yield from (each for each in scenarios if _is_scenario(each))


def _is_scenario(file: Path) -> bool:
    """Whether a file is a scenario. One that cannot be read is: checking it says why."""
    try:
        data = load_yaml(file, wrong=[]).data
    except UserError:
        return True
    return isinstance(data, dict) and bool({"steps", "expect"} & data.keys())


def _mistakes(file: Path) -> list[UserError]:
    return [*_wrong(file), *_wrong_code(file)]


def _wrong_code(file: Path) -> Iterator[UserError]:
    """Handlers that are no Python, of a project or of a scenario with functions of its own."""
    try:
        path = file if file.is_file() else find_project(file)
        data = load_yaml(path, wrong=[]).data
    except UserError:
        return
    if isinstance(data, dict):
        yield from unparsable(data.get("functions"), path.parent)


def _wrong(file: Path) -> list[UserError]:
    try:
        refuse_template(file)
        if file.exists() and file.suffix in (".yaml", ".yml") and _is_scenario(file):
            load_scenario(file)
        else:
            load_project(file.parent if file.name == FILE and not file.exists() else file)
    except UserErrors as errors:
        return errors.errors
    except UserError as error:
        return [error]
    return []


def _same(error: UserError) -> tuple[str, str]:
    """Equal for one mistake that was found on two ways: in a project, and by a scenario that uses it."""
    where = error.where
    return (f"{normpath(where.file)}:{where.line}:{where.column}" if where else "", error.problem)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _as_dict(error: UserError) -> dict[str, object]:
    where = error.where
    return {
        "file": where.file if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "problem": error.problem,
        "rule": error.rule,
        "fix": error.fix,
    }

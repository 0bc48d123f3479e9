"""`simtriggers init`: a small working project with a scenario and a test. Overwrites nothing."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from ..errors import UserError

FILES = {
    "simtriggers.yaml": "simtriggers.yaml",
    "handlers.py": "handlers.py.txt",
    "scenarios/first.yaml": "scenarios/first.yaml",
    "tests/test_app.py": "tests/test_app.py.txt",
    "README.md": "README.md",
    ".gitignore": "gitignore.txt",
}
"""What is written, and the file of the template that holds it."""

WATCHED = "uploads"


@click.command("init")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
def command(folder: Path) -> None:
    """Make a small working project in DIR (default: here): a watched folder, a queue with a dead-letter queue,
    a schedule, three functions, a scenario and a test.

    When one of its files is there already, nothing is written.
    """
    made = write(folder)
    for name in made:
        click.echo(f"  {folder / name}{'/' if name.endswith('/') else ''}")
    inside = "" if folder == Path() else f"cd {folder}\n  "
    click.echo(f"""
Next:
  {inside}simtriggers test     run the scenario in virtual time
  pytest               the same from Python (pip install pytest)
  simtriggers up       run it live; then drop a .csv file into {WATCHED}/""")


def write(folder: Path) -> list[str]:
    """Write the project's files; returns their names.

    Raises UserError, with nothing written, when one of them is there already or the folder cannot be used.
    """
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        raise UserError(
            f"{', '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already, and nothing was written",
            fix="name another folder, as in: simtriggers init demo",
        )
    template = files(__package__) / "template"
    try:
        for name, source in FILES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((template / source).read_text(encoding="utf-8"), encoding="utf-8")
        (folder / WATCHED).mkdir(exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"cannot write into {folder}: {reason}", fix="choose another folder") from None
    return [*FILES, f"{WATCHED}/"]

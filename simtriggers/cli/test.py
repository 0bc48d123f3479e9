"""`simtriggers test`: scenarios in virtual time, and what they expect.

Runs all scenarios in path order. The trace file holds one run after the other, each behind a line that
names the scenario; its bytes depend on the scenarios, the seeds and the version alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

import click

from .. import __version__
from ..errors import UserError, UserErrors
from ..explain.texts import duration
from ..scenario import report, runner
from . import FAILED, FINE

DEFAULT = Path("scenarios")


@click.command("test")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--seed", type=click.IntRange(0), help="Run with this seed instead of each scenario's own.")
@click.option("--shuffle-ties", type=click.IntRange(0), metavar="SEED", help="Explore other orders of ties.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit XML report.")
@click.option("--trace", "trace", type=click.Path(path_type=Path), metavar="FILE", help="Write the trace, JSONL.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    paths: tuple[Path, ...],
    seed: int | None,
    shuffle_ties: int | None,
    junit: Path | None,
    trace: Path | None,
    as_json: bool,
) -> int:
    """Run the scenarios in PATHs (files or folders; default: scenarios/) and check what they expect.

    Hours of retries, timeouts and schedules take milliseconds. The same scenario and seed give the same
    trace, byte for byte. Exits with 1 when an expectation failed.
    """
    files = scenarios(list(paths))
    results: list[runner.Result] = []
    wrong: dict[Path, list[UserError]] = {}
    out = _open(trace)
    try:
        for file, shown in files:
            try:
                result = runner.run(file, seed=seed, shuffle_ties=shuffle_ties)
            except UserError as error:
                wrong[file] = error.errors if isinstance(error, UserErrors) else [error]
                continue
            results.append(result)
            if out is not None:
                _write_trace(out, result, shown, shuffle_ties)
            if not as_json:
                _show(result)
    finally:
        if out is not None:
            out.close()
    mistakes = {error.render(): error for errors in wrong.values() for error in errors}
    if junit is not None:
        _write(junit, report.junit(results, wrong))
    if as_json:
        click.echo(json.dumps([_as_dict(result) for result in results], ensure_ascii=False, indent=2))
    else:
        _summary(results, len(mistakes))
    if mistakes:
        raise UserErrors(list(mistakes.values()))
    return FINE if all(result.passed for result in results) else FAILED


def scenarios(paths: list[Path]) -> list[tuple[Path, str]]:
    """The scenario files of some paths, each with the name that the trace has for it: its path below the
    folder that was given, or the file's name, so that a trace does not depend on where one stands.

    Raises UserError when there are none.
    """
    if not paths and not DEFAULT.is_dir():
        raise UserError(
            "there is no folder scenarios/ here",
            fix="name a scenario file or a folder, or make a project with `simtriggers init`",
        )
    found: dict[Path, str] = {}
    for path in paths or [DEFAULT]:
        for file in runner.find([path]):
            found.setdefault(file, file.relative_to(path).as_posix() if path.is_dir() else file.name)
    return sorted(found.items())


# --- files --------------------------------------------------------------------------------------


def _open(path: Path | None) -> TextIO | None:
    try:
        return None if path is None else path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _write_trace(out: TextIO, result: runner.Result, shown: str, shuffle_ties: int | None) -> None:
    head: dict[str, object] = {"scenario": shown, "seed": result.seed, "version": __version__}
    if shuffle_ties is not None:
        head["shuffle_ties"] = shuffle_ties
    out.write(json.dumps(head, ensure_ascii=False, separators=(",", ":")) + "\n")
    out.writelines(result.trace_lines())


# --- what people see ----------------------------------------------------------------------------


def _show(result: runner.Result) -> None:
    mark = click.style("✓", fg="green") if result.passed else click.style("✗", fg="red", bold=True)
    took = f"virtual {duration(result.virtual_ms)} in {duration(max(1, round(result.real_s * 1000)))}"
    count = result.invocations
    click.echo(f"{mark} {result.name}  {took}, {count} invocation{'' if count == 1 else 's'}")
    for failure in result.failures:
        click.echo("\n".join(f"    {line}" for line in failure.splitlines()))
    for fix in result.fixes():
        click.echo(f"    fix: {fix}")
    if not result.passed:
        click.echo(f"    to run it again: {result.again()}")


def _summary(results: list[runner.Result], wrong: int) -> None:
    failed = sum(not result.passed for result in results)
    parts = [f"{len(results) - failed} passed"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{wrong} mistake{'' if wrong == 1 else 's'} in files"] if wrong else []
    virtual = duration(sum(result.virtual_ms for result in results))
    real = duration(max(1, round(1000 * sum(result.real_s for result in results))))
    click.echo(f"{', '.join(parts)}: virtual {virtual} in {real}")


def _as_dict(result: runner.Result) -> dict[str, object]:
    return {
        "path": result.path.as_posix(),
        "name": result.name,
        "passed": result.passed,
        "failures": result.failures,
        "seed": result.seed,
        "virtual_ms": result.virtual_ms,
        "real_s": round(result.real_s, 6),
        "invocations": result.invocations,
    }

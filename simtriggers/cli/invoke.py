"""`simtriggers invoke`: one invocation in virtual time, with its log and its response."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import UserError
from ..explain import hint
from ..services.logs.commands import GetLogEvents, LogEvent
from ..simulation import START, InvocationResult, Simulation
from . import FAILED, FINE


@click.command("invoke")
@click.argument("function")
@click.option("--event", metavar="EVENT", help="A file, - for standard input, or JSON.  [default: {}]")
@click.option("--project", type=click.Path(path_type=Path), metavar="PATH", help="Its project.  [default: here]")
@click.option("--start", default=START, show_default=True, help="What time it is for the function.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Decides ids and chance.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(function: str, event: str | None, project: Path | None, start: str, seed: int, as_json: bool) -> int:
    """Invoke FUNCTION once, in virtual time, and wait for its response.

    The log with its REPORT line goes to standard error, the response to standard output. Exits with 1 when
    the function fails.
    """
    body = _event(event)
    with Simulation.load(project, start=start, seed=seed) as simulation:
        result = simulation.invoke(function, body)
        log = _log(simulation, function, result)
    if as_json:
        click.echo(json.dumps(_as_dict(result, log), ensure_ascii=False, indent=2))
    else:
        click.echo("".join(log), nl=False, err=True)
        fix = hint(result.payload.get("errorType")) if result.function_error and result.payload else None
        if fix is not None:
            click.echo(f"fix: {fix}", err=True)
        click.echo(json.dumps(result.payload, ensure_ascii=False, indent=2))
    return FINE if result.function_error is None else FAILED


def _event(given: str | None) -> Any:
    if given is None:
        return {}
    if given == "-":
        text, place = sys.stdin.read(), "standard input"
    elif given.lstrip()[:1] in tuple('{["') or given in ("null", "true", "false"):
        text, place = given, "--event"
    else:
        place = given
        try:
            text = Path(given).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
            raise UserError(
                f"cannot read the event {given!r}: {reason}", fix="name a file, or write JSON such as '{}'"
            ) from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{place} is not JSON: {error}", fix="write a JSON value such as '{}'") from None


def _log(simulation: Simulation, function: str, result: InvocationResult) -> list[str]:
    group = simulation.names.log_group(f"/aws/lambda/{function}")
    lines: tuple[LogEvent, ...] = simulation.engine.ask(group, GetLogEvents(result.request_id))
    return [line.message for line in lines]


def _as_dict(result: InvocationResult, log: list[str]) -> dict[str, Any]:
    return {
        "request_id": result.request_id,
        "function_error": result.function_error,
        "payload": result.payload,
        "log": [line.rstrip("\n") for line in log],
    }

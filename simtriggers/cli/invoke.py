"""`simtriggers invoke`: one invocation in virtual time, with its log and its response."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import UserError
from ..explain import hint
from ..kernel.clock import iso_s
from ..services.eventbridge.config import ScheduleTrigger, rule_name
from ..services.eventbridge.records import scheduled_event
from ..services.logs.commands import GetLogEvents, LogEvent
from ..simulation import START, InvocationResult, Simulation
from . import FAILED, FINE


@click.command("invoke")
@click.argument("function")
@click.option(
    "--event",
    metavar="EVENT",
    help="A file, - for standard input, or JSON.  [default: {}, or what its schedule sends]",
)
@click.option("--project", type=click.Path(path_type=Path), metavar="PATH", help="Its project.  [default: here]")
@click.option("--start", default=START, show_default=True, help="What time it is for the function.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Decides ids and chance.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(function: str, event: str | None, project: Path | None, start: str, seed: int, as_json: bool) -> int:
    """Invoke FUNCTION once, in virtual time, and wait for its response.

    The log with its REPORT line goes to standard error, the response to standard output. Exits with 1 when
    the function fails. Without --event, a function that only schedules trigger gets what they send.
    """
    given = None if event is None else _event(event)
    with Simulation.load(project, start=start, seed=seed) as simulation:
        schedule = _schedule_of(simulation, function) if event is None else None
        if event is None:
            given = {} if schedule is None else _scheduled(simulation, function, schedule)
        result = simulation.invoke(function, given)
        log = _log(simulation, function, result)
    if as_json:
        click.echo(json.dumps(_as_dict(result, log), ensure_ascii=False, indent=2))
    else:
        if schedule is not None:
            click.echo(f"event: what {schedule.schedule} sends; --event gives it another", err=True)
        click.echo("".join(log), nl=False, err=True)
        fix = _fix(result, no_event=event is None and schedule is None)
        if fix is not None:
            click.echo(f"fix: {fix}", err=True)
        click.echo(json.dumps(result.payload, ensure_ascii=False, indent=2))
    return FINE if result.function_error is None else FAILED


def _fix(result: InvocationResult, *, no_event: bool) -> str | None:
    if not result.function_error or not result.payload:
        return None
    found = hint(result.payload.get("errorType"), result.payload.get("errorMessage"))
    if found is None and no_event:
        return "the event was {}; give it the one that it expects: --event FILE, or --event '{…}'"
    return found


def _schedule_of(simulation: Simulation, function: str) -> ScheduleTrigger | None:
    """The first schedule of a function that nothing else triggers."""
    declared = simulation.project.resources.functions.get(function)
    triggers = [] if declared is None else declared.triggers
    schedules = [each for each in triggers if isinstance(each, ScheduleTrigger)]
    return schedules[0] if schedules and len(schedules) == len(triggers) else None


def _scheduled(simulation: Simulation, function: str, trigger: ScheduleTrigger) -> Any:
    """The event of a turn that is due now."""
    if trigger.input is not None:
        return json.loads(trigger.input)
    names = simulation.names
    text = scheduled_event(
        event_id=simulation.engine.ids.uuid("invoke.event"),
        account=names.account,
        region=names.region,
        time=iso_s(simulation.engine.now_ms),
        rule_arn=names.rule(rule_name(function, 1, trigger)),
    )
    return json.loads(text)


def _event(given: str) -> Any:
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

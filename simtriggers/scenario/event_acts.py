"""From a step about event buses to the operation that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aws.arn import Names
from ..aws.quantities import parse_duration_ms
from ..errors import AwsFault, UserError
from ..events import BusOperations, EventOperations
from ..kernel.clock import iso_ms, parse_iso
from ..operations import Operation
from ..services.eventbridge.commands import PutEventsResult
from .event_steps import PutEventsStep, StartReplayStep
from .numbered import Numbered

if TYPE_CHECKING:
    from .model import Step


def of_events(step: Step, names: Names, numbered: Numbered, start_ms: int | None) -> Operation[Any] | None:
    """The operation of a step about events; None for another step. `start_ms` is the scenario's start, if any."""
    if step.put_events is not None:
        return _put(step.put_events, names, numbered, start_ms)
    if (enable := step.enable_rule) is not None:
        return BusOperations(names, enable.event_bus).enable_rule(enable.rule)
    if (disable := step.disable_rule) is not None:
        return BusOperations(names, disable.event_bus).disable_rule(disable.rule)
    if step.start_replay is not None:
        return _start_replay(step.start_replay, names, numbered, start_ms)
    if step.cancel_replay is not None:
        return EventOperations(names).cancel_replay(numbered(step.cancel_replay.name))
    return None


def _put(step: PutEventsStep, names: Names, numbered: Numbered, start_ms: int | None) -> Operation[Any]:
    entries = [
        {
            "event_bus_name": each.event_bus,
            "source": each.source,
            "detail_type": numbered(each.detail_type),
            "detail": numbered.inside(each.detail),
            "resources": numbered.inside(list(each.resources)) or None,
            "time": _moment(each.time, start_ms),
        }
        for each in step.events()
    ]
    operation = EventOperations(names).put_events(*entries)
    return Operation(operation.arn, operation.command, _all_taken)


def _all_taken(result: PutEventsResult) -> PutEventsResult:
    """The answer, if no entry was refused: an SDK would have to look, a scenario must not go on."""
    for each in result.entries:
        if each.error_code is not None:
            raise AwsFault(each.error_code, str(each.error_message))
    return result


def _start_replay(step: StartReplayStep, names: Names, numbered: Numbered, start_ms: int | None) -> Operation[Any]:
    return EventOperations(names).start_replay(
        numbered(step.name),
        step.archive,
        start=_moment(step.from_, start_ms),
        end=_moment(step.until, start_ms),
        rules=step.rules,
    )


def _moment(text: str | None, start_ms: int | None) -> str | None:
    """The ISO time of a moment."""
    if text is None:
        return None
    try:
        parse_iso(text)
        return text
    except ValueError:
        if start_ms is None:
            raise UserError(f"{text!r} counts from a scenario's start", fix="write an ISO time with a zone") from None
        return iso_ms(start_ms + parse_duration_ms(text))

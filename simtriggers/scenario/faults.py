"""From a scenario's faults to the engine's fault plan."""

from __future__ import annotations

from ..aws.arn import Names
from ..engine.faults import EndpointFault, FaultPlan, HandlerFault, TargetFault
from ..kernel.agenda import FOREVER_MS
from ..project.model import Resources
from ..services.eventbridge.arns import DEFAULT
from .fault_model import TARGET_FAULTS, Fault, Times


def fault_plan(faults: tuple[Fault, ...], names: Names, resources: Resources, start_ms: int) -> FaultPlan:
    """The plan of a scenario that starts at `start_ms`."""
    handlers = tuple(_handler(fault, names, start_ms) for fault in faults if fault.function is not None)
    targets = tuple(_target(fault, names, resources, start_ms) for fault in faults if fault.target is not None)
    endpoints = tuple(_endpoint(fault, start_ms) for fault in faults if fault.endpoint is not None)
    return FaultPlan(handlers, targets, endpoints)


def _handler(fault: Fault, names: Names, start_ms: int) -> HandlerFault:
    assert fault.function is not None
    arn = names.function(fault.function)
    if fault.slow is not None:
        return HandlerFault(arn, ("slow", str(fault.slow.by)), fault.first, *_times(fault, start_ms))
    if fault.fails is not None:
        return HandlerFault(arn, ("error", fault.error.type, fault.error.message), _first(fault.fails))
    if fault.times_out is not None:
        return HandlerFault(arn, ("timeout",), _first(fault.times_out))
    assert fault.exits is not None
    return HandlerFault(arn, ("exit", "1"), _first(fault.exits))


def _first(struck: str | Times) -> int | None:
    return struck.first if isinstance(struck, Times) else None


def _target(fault: Fault, names: Names, resources: Resources, start_ms: int) -> TargetFault:
    assert fault.target is not None
    makers = {
        "queues": names.queue,
        "functions": names.function,
        "topics": names.topic,
        "event_buses": names.event_bus,
        "api_destinations": names.api_destination,
    }
    default = names.event_bus if fault.target == DEFAULT else names.function
    arn = next((make for section, make in makers.items() if fault.target in getattr(resources, section)), default)(
        fault.target
    )
    kind = next(kind for kind in TARGET_FAULTS if getattr(fault, kind) is not None)
    return TargetFault(arn, kind, *_times(fault, start_ms))


def _endpoint(fault: Fault, start_ms: int) -> EndpointFault:
    assert fault.endpoint is not None
    what: tuple[str, ...] = ("down",)
    if fault.answers is not None:
        what = ("answers", str(fault.answers.status))
    elif fault.slow is not None:
        what = ("slow", str(fault.slow.by))
    return EndpointFault(fault.endpoint, what, *_times(fault, start_ms))


def _times(fault: Fault, start_ms: int) -> tuple[int, int]:
    """From when until when it holds."""
    window = fault.window()
    from_ms = start_ms + window.from_
    return from_ms, FOREVER_MS if window.for_ is None else from_ms + window.for_

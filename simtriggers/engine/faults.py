"""Faults that a scenario declares, injected at the one place where everything passes: between an effect
and its arrival. Also the named points at which a test may kill the process.

Services do not know that faults exist; a target that is down refuses as AWS would.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..aws.contracts import HttpRequest, Start
from ..kernel.agenda import FOREVER_MS
from ..kernel.effects import Refused


@dataclass(frozen=True, slots=True)
class HandlerFault:
    """What happens to a function's attempts instead of, or before, its handler.

    `fault` is as contracts.Start has it. It applies to attempts that start in [from_ms, until_ms), to
    the first `first` of them, or to all with None.
    """

    function_arn: str
    fault: tuple[str, ...]
    first: int | None = None
    from_ms: int = 0
    until_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class TargetFault:
    """Deliveries to an ARN, and batches of mappings, fail in [from_ms, until_ms): `missing` and `denied` (its
    policy does not let the sender in) for good, `down` so that they are retried."""

    arn: str
    kind: str
    from_ms: int = 0
    until_ms: int = FOREVER_MS


@dataclass(frozen=True, slots=True)
class EndpointFault:
    """Requests to URLs that begin with `url` and leave in [from_ms, until_ms) end as `fault` says: `("down",)` gets
    no answer, `("answers", status)` that one, `("slow", ms)` the endpoint's own so much later."""

    url: str
    fault: tuple[str, ...]
    from_ms: int = 0
    until_ms: int = FOREVER_MS


_MISSING = Refused("ResourceNotFoundException", "The target does not exist (a declared fault).", status=404)
_DOWN = Refused("ServiceUnavailable", "The target is down (a declared fault).", status=503, retryable=True)


def _denied(arn: str) -> Refused:
    """In the words in which SQS refuses a topic that its queue's policy does not name."""
    return Refused("AccessDenied", f"Access to the resource {arn} is denied (a declared fault).", status=403)


@dataclass
class FaultPlan:
    """The faults of one run, and how often each has struck."""

    handlers: tuple[HandlerFault, ...] = ()
    targets: tuple[TargetFault, ...] = ()
    endpoints: tuple[EndpointFault, ...] = ()
    struck: dict[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.handlers or self.targets or self.endpoints)

    def delivery(self, arn: str, now_ms: int) -> Refused | None:
        """What a delivery that arrives at `arn` meets instead of its target, or None."""
        for fault in self.targets:
            if fault.arn == arn and fault.from_ms <= now_ms < fault.until_ms:
                return _denied(arn) if fault.kind == "denied" else _MISSING if fault.kind == "missing" else _DOWN
        return None

    def request(self, request: HttpRequest, now_ms: int) -> HttpRequest:
        """The request as it will be sent, with the first fault that applies filled in."""
        for fault in self.endpoints:
            if request.url.startswith(fault.url) and fault.from_ms <= now_ms < fault.until_ms:
                return replace(request, fault=fault.fault)
        return request

    def invocation(self, start: Start, now_ms: int) -> Start:
        """The attempt as it will be run, with the first fault that applies filled in."""
        for number, fault in enumerate(self.handlers):
            if fault.function_arn != start.function_arn or not fault.from_ms <= now_ms < fault.until_ms:
                continue
            count = self.struck.get(number, 0)
            if fault.first is None or count < fault.first:
                self.struck[number] = count + 1
                return replace(start, fault=fault.fault)
        return start


class CrashPoints:
    """Kills this process with SIGKILL at a named point, for the tests of what survives.

    `SIMTRIGGERS_CRASH_AT=after_commit:3` dies the third time that point is passed. The points:
    `after_commit` (and before its replies), `before_invoke`, `after_invoke` (its result is in, and not
    committed).
    """

    POINTS = ("after_commit", "before_invoke", "after_invoke")

    def __init__(self, environment: Mapping[str, str]) -> None:
        text = environment.get("SIMTRIGGERS_CRASH_AT", "")
        point, _, count = text.partition(":")
        if text and (point not in self.POINTS or not (count or "1").isdecimal() or count == "0"):
            raise ValueError(
                f"SIMTRIGGERS_CRASH_AT={text}: write POINT or POINT:N with one of {', '.join(self.POINTS)}"
            )
        self._point = point
        self._left = int(count or 1)

    def passed(self, point: str) -> None:
        """Say that the process is at `point`."""
        if point and point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

"""Faults in a scenario file: what goes wrong with a function, with a target of deliveries, with an HTTP endpoint."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..aws.quantities import Milliseconds, Settings


class Times(Settings):
    """How many attempts a fault strikes: the `first` n."""

    first: Annotated[int, Field(ge=1, strict=True)]


Struck = Literal["always"] | Times


class Raised(Settings):
    """The exception that a failing handler raises."""

    type: str = "InjectedFault"
    message: str = "declared in the scenario's faults"


class Window(Settings):
    """From a time after the start, for a while; without `for` until the end."""

    from_: Annotated[Milliseconds, Field(alias="from")] = 0
    for_: Annotated[Milliseconds | None, Field(alias="for")] = None


class Answers(Window):
    """What an endpoint answers instead of what its stub does: an HTTP status."""

    status: Annotated[int, Field(ge=100, le=599, strict=True)]


class Slowness(Window):
    """How much longer it takes."""

    by: Milliseconds


def _by(item: Any) -> Any:
    return item if isinstance(item, dict) or item is None else {"by": item}


def _status(item: Any) -> Any:
    return item if isinstance(item, dict) or item is None else {"status": item}


TARGET_FAULTS = ("missing", "denied", "down")
_KINDS = {
    "function": ("fails", "times_out", "exits", "slow"),
    "target": TARGET_FAULTS,
    "endpoint": ("down", "answers", "slow"),
}


class Fault(Settings):
    """What goes wrong. Of a function: `fails`, `times_out` or `exits` for the `first` attempts or `always`,
    or `slow` by a time. Of a target (a queue or a function, by name): `missing`, `denied` (its policy does not let the
    sender in) or `down` for a while. Of an HTTP endpoint (URLs that begin so): `down`, `answers` or `slow` for a
    while."""

    function: str | None = None
    target: str | None = None
    endpoint: str | None = None
    fails: Struck | None = None
    times_out: Struck | None = None
    exits: Struck | None = None
    slow: Annotated[Slowness | None, BeforeValidator(_by)] = None
    error: Raised = Raised()
    first: Annotated[int, Field(ge=1, strict=True)] | None = None
    missing: Window | Literal[True] | None = None
    denied: Window | Literal[True] | None = None
    down: Window | Literal[True] | None = None
    answers: Annotated[Answers | None, BeforeValidator(_status)] = None

    @field_validator("fails", "times_out", "exits", mode="before")
    @classmethod
    def _number(cls, item: Any) -> Any:
        if isinstance(item, int) and not isinstance(item, bool) and item > 0:
            raise ValueError(f"{item} alone could be the first {item} or the attempt {item}; write {{first: {item}}}")
        return item

    @model_validator(mode="after")
    def _whole(self) -> Fault:
        owners = [name for name in _KINDS if getattr(self, name) is not None]
        if len(owners) != 1:
            raise ValueError(
                "a fault is of a function, of a target or of an endpoint; write function: NAME, target: NAME or"
                " endpoint: URL"
            )
        wanted = _KINDS[owners[0]]
        given = [name for name in dict.fromkeys(sum(_KINDS.values(), ())) if getattr(self, name) is not None]
        if len(given) != 1 or given[0] not in wanted:
            raise ValueError(f"what goes wrong is one of {', '.join(wanted)}; write exactly one of them")
        if self.first is not None and (self.function is None or self.slow is None):
            raise ValueError("first beside the fault belongs to slow; write fails: {first: 2}")
        return self

    def window(self) -> Window:
        """When it holds; a fault without times does so from the start to the end."""
        for found in (self.missing, self.denied, self.down, self.answers, self.slow):
            if isinstance(found, Window):
                return found
        return Window()

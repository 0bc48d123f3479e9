"""The steps of a scenario that act on event buses, and the expectation of events."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from ..aws.quantities import Settings, parse_duration_ms
from ..kernel.clock import parse_iso


def _moment(text: str) -> str:
    """An ISO time, or a time after the start."""
    try:
        parse_iso(text)
    except ValueError:
        try:
            parse_duration_ms(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a time; write 30s after the start, or an ISO time with a zone") from None
    return text


Moment = Annotated[str, AfterValidator(_moment)]


class EventEntry(Settings):
    """An event. `detail` is an object, or a text that is JSON already; `time` is when it happened, if not now."""

    event_bus: str = "default"
    source: str
    detail_type: str
    detail: Any = Field(default_factory=dict)
    resources: tuple[str, ...] = ()
    time: Moment | None = None


class PutEventsStep(Settings):
    """Put one event, or up to ten `entries` in one request. An entry that AWS would refuse ends the scenario."""

    event_bus: str = "default"
    source: str | None = None
    detail_type: str | None = None
    detail: Any = Field(default_factory=dict)
    resources: tuple[str, ...] = ()
    time: Moment | None = None
    entries: Annotated[tuple[EventEntry, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _one_form(self) -> PutEventsStep:
        alone = self.source is not None and self.detail_type is not None
        if alone == bool(self.entries) or (self.entries and self.model_fields_set != {"entries"}):
            raise ValueError("put_events has source and detail_type (and detail), or a list of entries")
        return self

    def events(self) -> tuple[EventEntry, ...]:
        """The entries of the request."""
        if self.entries:
            return self.entries
        assert self.source is not None and self.detail_type is not None, "validated: they are there"
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return (EventEntry(**given),)


class RuleStep(Settings):
    """Enable or disable a rule of a bus."""

    rule: str
    event_bus: str = "default"


class StartReplayStep(Settings):
    """Replay what an archive holds, or the events of a window of time, to all rules of its bus or to some."""

    archive: str
    name: str = "replay"
    from_: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None
    rules: tuple[str, ...] = ()


class CancelReplayStep(Settings):
    """Stop a replay."""

    name: str = "replay"

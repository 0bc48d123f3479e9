"""A scenario file: a project (or inline resources), steps at times, faults, expectations.

Steps are acts of the outside world. Faults are declared, not patched in. Expectations read the trace and
the store when everything has come to rest.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from ..aws.event_pattern import PatternError, compile_pattern
from ..aws.quantities import Milliseconds, Seconds, Settings, parse_duration_ms
from ..explain.wording import TEMPLATES
from ..kernel.clock import parse_iso
from ..kernel.service import bookkeeping_of
from ..project.load import suggest
from ..project.model import Account, Region, Resources
from ..registry import SERVICES
from ..services.eventbridge.config import PatternText
from ..simulation import START
from .event_steps import CancelReplayStep, PutEventsStep, RuleStep, StartReplayStep
from .fault_model import Fault
from .object_steps import (
    CopyObjectStep,
    DeleteObjectStep,
    PutObjectStep,
    RestoreObjectStep,
    TagObjectStep,
    UntagObjectStep,
)

# --- steps --------------------------------------------------------------------------------------


class SendMessageStep(Settings):
    """Send a message; a body that is no text is sent as compact JSON. A message attribute is a text, a number,
    or AWS's own form, `{DataType: String, StringValue: …}`."""

    queue: str
    body: Any
    delay_seconds: Annotated[Seconds, Field(ge=0, le=900)] | None = None
    message_attributes: dict[str, Any] = {}
    message_group_id: str | None = None
    message_deduplication_id: str | None = None

    @field_validator("message_attributes")
    @classmethod
    def _values(cls, items: dict[str, Any]) -> dict[str, Any]:
        for name, item in items.items():
            if isinstance(item, bool) or not isinstance(item, (str, int, float, dict)):
                raise ValueError(f"{name} has the value {item!r}; write a text, a number, or a mapping with DataType")
        return items


class PurgeStep(Settings):
    """Purge a queue of all its messages."""

    queue: str


class RedriveStep(Settings):
    """Move the messages of a dead-letter queue, as new ones, back to the queues they came from, or to
    `destination`; `rate` is how many a second at most."""

    queue: str
    destination: str | None = None
    rate: Annotated[int, Field(ge=1, le=500, strict=True)] | None = None


class PublishStep(Settings):
    """Publish a message to a topic; a message that is no text is published as compact JSON."""

    topic: str
    message: Any
    subject: str | None = None
    message_structure: Literal["json"] | None = None
    message_attributes: dict[str, Any] = {}
    message_group_id: str | None = None
    message_deduplication_id: str | None = None


class ConfirmSubscriptionStep(Settings):
    """Confirm the HTTP subscription of an endpoint to a topic, with the token that the endpoint was sent."""

    topic: str
    endpoint: str


class StubbedAnswer(Settings):
    """What an endpoint's stub answers: `status` 0 is no answer at all. A body that is no text is JSON."""

    status: Annotated[int, Field(ge=0, le=599, strict=True)] = 200
    body: Any = ""
    delay: Milliseconds = 1
    headers: dict[str, str] = {}


class EndpointStub(Settings):
    """An HTTP endpoint of a scenario: requests whose URL begins with `url` get `responses` in turn, the last
    one again and again."""

    url: str
    responses: Annotated[tuple[StubbedAnswer, ...], Field(min_length=1)] = (StubbedAnswer(),)


class InvokeStep(Settings):
    """Invoke a function, as an event (asynchronously) or waiting for the response."""

    function: str
    event: Any = None
    invocation_type: Literal["RequestResponse", "Event"] = "Event"


class RestartStep(Settings):
    """The simulator is killed and started again."""


def _restart(item: Any) -> Any:
    return {} if item in (True, None) else item


ACTS = (
    "put_object",
    "delete_object",
    "copy_object",
    "tag_object",
    "untag_object",
    "restore_object",
    "send_message",
    "publish",
    "confirm_subscription",
    "purge",
    "redrive",
    "put_events",
    "enable_rule",
    "disable_rule",
    "start_replay",
    "cancel_replay",
    "invoke",
    "advance",
    "restart",
)


class Step(Settings):
    """One act. `at` is a time after the start (`30s`) or an ISO time; `after` counts from the step before.
    Without either the act follows at the same moment. `times` repeats it; the text `{n}` in its key, file, body,
    event or attributes is then the number of the repetition, from 1."""

    NOT_YET: ClassVar[dict[str, str]] = dict.fromkeys(
        ("put_item",),
        "this step comes with a later version",
    )

    at: str | None = None
    after: Milliseconds | None = None
    times: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1
    put_object: PutObjectStep | None = None
    delete_object: DeleteObjectStep | None = None
    copy_object: CopyObjectStep | None = None
    tag_object: TagObjectStep | None = None
    untag_object: UntagObjectStep | None = None
    restore_object: RestoreObjectStep | None = None
    send_message: SendMessageStep | None = None
    publish: PublishStep | None = None
    confirm_subscription: ConfirmSubscriptionStep | None = None
    purge: PurgeStep | None = None
    redrive: RedriveStep | None = None
    put_events: PutEventsStep | None = None
    enable_rule: RuleStep | None = None
    disable_rule: RuleStep | None = None
    start_replay: StartReplayStep | None = None
    cancel_replay: CancelReplayStep | None = None
    invoke: InvokeStep | None = None
    advance: Milliseconds | None = None
    restart: Annotated[RestartStep | None, BeforeValidator(_restart)] = None

    @model_validator(mode="after")
    def _one_act(self) -> Step:
        given = [name for name in ACTS if name in self.model_fields_set]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"a step is one act, found {found}; write one of {', '.join(ACTS)}")
        if getattr(self, given[0]) is None:
            raise ValueError(f"{given[0]} is empty; write what is to be done")
        if self.at is not None and self.after is not None:
            raise ValueError("at and after exclude each other; write one of them")
        return self

    @field_validator("at", mode="before")
    @classmethod
    def _time(cls, item: Any) -> Any:
        text = str(item)
        try:
            parse_iso(text)
        except ValueError:
            try:
                parse_duration_ms(item)
            except ValueError:
                raise ValueError(
                    f"{item!r} is not a time; write 30s after the start, or an ISO time such as {START}"
                ) from None
        return text

    def act(self) -> str:
        """The name of the act."""
        return next(name for name in ACTS if name in self.model_fields_set)


# --- expectations -------------------------------------------------------------------------------


class Count(Settings):
    """How many: exactly `count`, or at least and at most."""

    count: Annotated[int, Field(ge=0, strict=True)] | None = None
    at_least: Annotated[int, Field(ge=0, strict=True)] | None = None
    at_most: Annotated[int, Field(ge=0, strict=True)] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Count:
        if self.count is not None and (self.at_least is not None or self.at_most is not None):
            raise ValueError("count is exact; write it without at_least and at_most")
        return self


class InvocationsExpectation(Count):
    """Attempts of a function: how many, how many `failed`, all `within` a time after the start."""

    function: str
    failed: Annotated[int, Field(ge=0, strict=True)] | None = None
    within: Milliseconds | None = None


class MessagesExpectation(Count):
    """Messages that lie in a queue at the end: how many, and what they hold (`body`: a text, or JSON that
    the body must be equal to; `attributes` that each must have)."""

    queue: str
    body: Any = None
    attributes: dict[str, str] = {}


class EventsExpectation(Count):
    """Events that came to an event bus, or that a function was given (each once, however often it was tried): how
    many match an event `pattern`, all `within` a time after the start."""

    event_bus: str | None = None
    function: str | None = None
    pattern: PatternText | None = None
    within: Milliseconds | None = None

    @model_validator(mode="after")
    def _one_place(self) -> EventsExpectation:
        if (self.event_bus is None) == (self.function is None):
            raise ValueError("events came to an event bus or to a function; write event_bus: NAME or function: NAME")
        return self


class NotificationsExpectation(Count):
    """Notifications of a topic that reached their endpoints: how many, which `endpoint` (a queue's or function's
    name, a URL, an address or a number) and `protocol`, and what they hold: `message` (a text, or JSON that it must be
    equal to), `subject`, `attributes`, or an event `pattern` over all of it."""

    topic: str
    endpoint: str | None = None
    protocol: str | None = None
    message: Any = None
    subject: str | None = None
    attributes: dict[str, str] = {}
    pattern: dict[str, Any] | None = None

    @field_validator("pattern")
    @classmethod
    def _valid(cls, pattern: dict[str, Any] | None) -> dict[str, Any] | None:
        if pattern is not None:
            try:
                compile_pattern(json.dumps(pattern))
            except (PatternError, TypeError) as error:
                raise ValueError(f"it is no event pattern: {str(error).splitlines()[0]}") from None
        return pattern


class QueueDepthExpectation(Settings):
    """AWS's approximate counts of a queue at the end."""

    queue: str
    visible: Annotated[int, Field(ge=0, strict=True)] | None = None
    in_flight: Annotated[int, Field(ge=0, strict=True)] | None = None
    delayed: Annotated[int, Field(ge=0, strict=True)] | None = None
    total: Annotated[int, Field(ge=0, strict=True)] | None = None

    @model_validator(mode="after")
    def _some_number(self) -> QueueDepthExpectation:
        if self.visible is self.in_flight is self.delayed is self.total is None:
            raise ValueError("it holds whatever the queue holds; write visible, in_flight, delayed or total: NUMBER")
        return self


class ObjectsExpectation(Count):
    """Objects in a bucket at the end, under a prefix."""

    bucket: str
    prefix: str = ""


class ObjectVersionsExpectation(Count):
    """Versions and delete markers in a bucket at the end, of a `key` or under a prefix: how many, and how
    many of them are `delete_markers`."""

    bucket: str
    key: str | None = None
    prefix: str = ""
    delete_markers: Annotated[int, Field(ge=0, strict=True)] | None = None


def _kind(name: str) -> str:
    """A typo would make any count of 0 true."""
    if name not in TEMPLATES:
        fix = suggest(name, TEMPLATES) or "`simtriggers trace` shows those that there are"
        raise ValueError(f"{name!r} is not a kind of trace row; {fix}")
    return name


Kind = Annotated[str, AfterValidator(_kind)]


class TraceExpectation(Count):
    """Trace rows of a kind, of a subject, with these details; `within` a time after the start."""

    kind: Kind
    subject: str | None = None
    details: dict[str, Any] = {}
    within: Milliseconds | None = None


class OrderItem(Settings):
    """One thing of an order: a kind of trace row, and of what."""

    kind: Kind
    subject: str | None = None
    function: str | None = None


EXPECTATIONS = (
    "invocations",
    "messages",
    "notifications",
    "events",
    "queue_depth",
    "objects",
    "object_versions",
    "trace",
    "order",
    "nothing_lost",
    "nothing_stuck",
)
_BARE = ("nothing_lost", "nothing_stuck")
_WITHOUT_TRACE = ("messages", "queue_depth", "objects", "object_versions")
_WITH_BOOKKEEPING = ("nothing_lost", "notifications")
_BOOKKEEPING = bookkeeping_of(SERVICES)


def _bare(item: Any) -> Any:
    if isinstance(item, str):
        return {item: True}
    if isinstance(item, dict):
        return {name: True if each is None and name in _BARE else each for name, each in item.items()}
    return item


class Expectation(Settings):
    """One thing that must hold at the end."""

    NOT_YET: ClassVar[dict[str, str]] = dict.fromkeys(
        ("cost", "pattern"),
        "this expectation comes with a later version",
    )

    invocations: InvocationsExpectation | None = None
    messages: MessagesExpectation | None = None
    notifications: NotificationsExpectation | None = None
    events: EventsExpectation | None = None
    queue_depth: QueueDepthExpectation | None = None
    objects: ObjectsExpectation | None = None
    object_versions: ObjectVersionsExpectation | None = None
    trace: TraceExpectation | None = None
    order: tuple[OrderItem, ...] | None = None
    nothing_lost: Literal[True] | None = None
    nothing_stuck: Literal[True] | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, item: Any) -> Any:
        if isinstance(item, str) and item not in _BARE:
            near = suggest(item, EXPECTATIONS)
            raise ValueError(f"{item!r} is not an expectation; {near or 'write ' + ' or '.join(_BARE)}")
        return _bare(item)

    @model_validator(mode="after")
    def _one(self) -> Expectation:
        given = [name for name in EXPECTATIONS if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"an expectation is one of {', '.join(EXPECTATIONS)}; write exactly one in each item")
        if getattr(self, given[0]) is None:
            raise ValueError(f"{given[0]} is empty; write what is expected")
        return self

    def kind(self) -> str:
        """Which of the expectations it is."""
        return next(name for name in EXPECTATIONS if name in self.model_fields_set)

    def blind(self, volume: str) -> str:
        """Why it cannot be judged by a trace of this volume, in words; empty when it can."""
        kind = self.kind()
        if volume == "off" and kind not in _WITHOUT_TRACE:
            return f"{kind} reads the trace, which is off"
        if volume != "events":
            return ""
        if kind in _WITH_BOOKKEEPING:
            return f"{kind} reads rows that a trace of events leaves out"
        rows = [self.trace.kind] if self.trace is not None else [item.kind for item in self.order or ()]
        missing = next((row for row in rows if row in _BOOKKEEPING), None)
        return "" if missing is None else f"{kind} reads {missing} rows, which a trace of events leaves out"


# --- the file -----------------------------------------------------------------------------------


class ScenarioFile(Resources):
    """A scenario. `project` is a path relative to it, instead of inline resources; `account` and `region`
    replace the project's. `horizon` is how far after the last step the run looks for things to come to rest.
    With `trace: off` only what lies in queues and buckets can be expected, with `trace: events` nothing that
    needs the rows that are left out."""

    name: str | None = None
    description: str = ""
    project: str | None = None
    account: Account | None = None
    region: Region | None = None
    start: str = START
    seed: Annotated[int, Field(ge=0, strict=True)] = 1
    horizon: Milliseconds = 86_400_000
    trace: Literal["full", "events", "off"] = "full"
    endpoints: tuple[EndpointStub, ...] = ()
    steps: tuple[Step, ...] = ()
    faults: tuple[Fault, ...] = ()
    expect: tuple[Expectation, ...] = ()

    @field_validator("start")
    @classmethod
    def _start(cls, text: str) -> str:
        try:
            parse_iso(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a time with a zone; write one such as {START}") from None
        return text

    @model_validator(mode="after")
    def _something_to_read(self) -> ScenarioFile:
        for each in self.expect:
            blind = each.blind(self.trace)
            if blind:
                raise ValueError(f"expect: {blind}; write trace: full, or leave it out")
        return self

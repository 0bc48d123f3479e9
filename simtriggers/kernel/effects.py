"""What a step decides: a Decision of reply, writes, effects and trace notes. Plain values, no behaviour.

The effects are a closed set (docs/architecture.md, "Effects"). Payloads travel by digest: a decision
that creates a text puts it into `payloads`, and everything else holds `payload.digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from .codec import Overdue, command, value
from .fixed import fixed


class Statement:
    """One named SQL statement. `name` is `service.verb_noun`; it appears in errors and in tests.

    `kept` names rows that change rarely: what a SELECT of that name finds is remembered until a write of the
    same name.
    """

    __slots__ = ("kept", "name", "sql")

    def __init__(self, name: str, sql: str, *, kept: str = "") -> None:
        self.name = name
        self.sql = sql
        self.kept = kept

    def __repr__(self) -> str:
        return f"<{self.name}>"


@fixed
class Write:
    """A statement with one row of parameters, or with many (`many=True`)."""

    statement: Statement
    rows: Sequence[Any]
    many: bool = False


@fixed
class Payload:
    """A text stored once, by its digest."""

    digest: str
    body: str


@lru_cache(maxsize=256)
def payload(body: str) -> Payload:
    r"""The payload of a text: an event, a message body, an error document.

    A lone surrogate, which no database can hold, becomes its JSON escape (`\ud800`).
    """
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        body = body.encode("utf-8", "backslashreplace").decode()
        raw = body.encode()
    return Payload(blake2b(raw, digest_size=16).hexdigest(), body)


SUBSTITUTE = "\x1a"
"""The character that stands for what differs between the texts that `filled` makes of one template."""


def filled(digest: str, text: str) -> str:
    """What to use as the digest of a stored template with every SUBSTITUTE replaced by `text`, which has no
    control characters: many texts that differ in a name are stored once."""
    return f"{digest}~{text}"


def fill(digest: str, body_of: Callable[[str], str]) -> str:
    """The text behind a digest that `filled` made; `body_of` gives the template's."""
    template, _, text = digest.partition("~")
    return body_of(template).replace(SUBSTITUTE, text)


# --- return addresses ---------------------------------------------------------------------------


@value
class ReplyTo:
    """An answer goes to this ARN as a command; `request` comes with it on the entry."""

    arn: str
    request: str


@value
class Caller:
    """Someone waiting in this process (a client, a test, a handler); gone after a restart."""

    number: int


ReturnAddress = ReplyTo | Caller


class Answer(Enum):
    """A reply that is not there yet."""

    LATER = "later"
    """A `Reply` effect of a later step will answer."""
    PARKED = "parked"
    """The same decision holds a `Park` effect; the entry is stepped again when woken or due."""


LATER = Answer.LATER
PARKED = Answer.PARKED


@command(Overdue.RUN)
class Refused:
    """An error that a resource answers, in AWS's words. `retryable`: a delivery may be tried again.

    A command too, since it is the answer to a `Call`.
    """

    code: str
    message: str
    status: int = 400
    retryable: bool = False
    fields: tuple[tuple[str, str], ...] = ()


@value
class RetryPolicy:
    """How a delivery is retried. Delays double from `base_ms` up to `cap_ms`, with `jitter` (0 to 1) of
    each taken off at random; at most `maximum_retries` retries, none later than `maximum_age_ms` after
    the first attempt. `name` says whose policy it is ("eventbridge", "s3"), for the trace and for the
    attributes that a dead-lettered delivery gets.

    With `phases`, (how many retries, delay of each in ms) pairs, the delays are theirs instead, and the
    last pair's for what exceeds them."""

    name: str
    maximum_retries: int
    maximum_age_ms: int
    base_ms: int = 1000
    cap_ms: int = 300_000
    jitter: float = 0.0
    phases: tuple[tuple[int, int], ...] = ()


# --- effects ------------------------------------------------------------------------------------


@fixed
class Deliver:
    """One delivery with retries, at least once. `context` goes to the target with it (see
    aws/contracts.Delivery) and to the dead-letter queue's attributes; values are strings."""

    arn: str
    payload: str
    policy: RetryPolicy
    cause: int
    dead_letter: str | None = None
    context: tuple[tuple[str, str], ...] = ()
    order_key: str | None = None
    """Deliveries of one key keep their order, when ties are shuffled and when one of them is retried: those after it
    wait until it has arrived or was given up (a FIFO group, a shard and key)."""


@fixed
class Call:
    """Ask another resource; the answer arrives as a command at `reply_to`, in the same millisecond and
    with the priority of replies. Without `reply_to` the answer is dropped."""

    arn: str
    command: Any
    cause: int
    reply_to: ReplyTo | None = None


@fixed
class Reply:
    """Answers something parked or deferred."""

    reply_to: ReturnAddress
    value: Any
    cause: int


@fixed
class Park:
    """Keep the entry waiting under `key` until woken, or until `until_ms` (None: for as long as it
    takes), or until `recheck_ms`, when something hidden may have appeared. It is then stepped again with
    `command`, which is the one that is stored."""

    key: str
    command: Any
    until_ms: int | None = None
    recheck_ms: int | None = None


@fixed
class Wake:
    """Step up to `n` entries parked under `key` at `at_ms` (None: now), if they are not due earlier."""

    key: str
    n: int = 1
    at_ms: int | None = None


@fixed
class Timer:
    """Step `command` at `at_ms` on this entry's ARN, or on `arn`. A key replaces its earlier timer.

    `background`: recurring or maintenance work that does not keep `run_until_idle` going.
    """

    key: str
    at_ms: int
    command: Any
    cause: int
    arn: str | None = None
    background: bool = False


@fixed
class CancelTimer:
    """Forget the timer of that key, if there is one."""

    key: str
    arn: str | None = None


@fixed
class Invoke:
    """Start a runtime. `start` is an aws/contracts.Start; the end comes back as an aws/contracts.Ended
    command on `start.function_arn`."""

    start: Any
    cause: int


@fixed
class Http:
    """Send a request to an HTTP target. `request` is an aws/contracts.HttpRequest; its end comes back as an
    aws/contracts.HttpEnded command on `request.arn`. One that was sent before a restart counts as unknown."""

    request: Any
    cause: int


Effect = Deliver | Call | Reply | Park | Wake | Timer | CancelTimer | Invoke | Http


@fixed
class Note:
    """One trace row. `id` comes from `ids.row_id()`; `cause` is the id of the row that led to it (0: the
    start of the run). `subject` is the message, key, event or invocation; `details` is JSON.

    A detail named `payload` (or ending in `_payload`) holds a digest; the trace file shows its text.
    """

    id: int
    kind: str
    arn: str
    subject: str
    cause: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """All that a step does. Nothing has happened until the engine applies it."""

    reply: Any = None
    writes: list[Write] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    payloads: list[Payload] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    """ARNs of resources whose row this decision writes: their parsed settings are forgotten."""

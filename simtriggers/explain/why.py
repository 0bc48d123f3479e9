"""Why something happened and what followed: from the first cause through every step, on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import UserError
from ..kernel.clock import iso_ms
from ..kernel.trace import TraceRow
from .book import MOST_SUBJECTS, Book, causes_of
from .causes import Origin, ancestors, origin
from .texts import clock, date, duration
from .wording import columns, detail

Role = Literal["cause", "asked", "effect"]

MOST_STEPS = 60
_MOST_FOLLOWED = 400
_SHORTEST_PREFIX = 4
_STACK_LINES = 16
_OF_RECORDS = frozenset({"RecordFailed", "MessageDeleted", "MessageDeleteIgnored"})

_ORIGINS: dict[Origin, str] = {
    "act": "an act of the outside world",
    "start": "the start of the run",
    "forgotten": "its own cause is too old to be kept",
    "broken": "it should have a cause and has none: a defect of simtriggers",
}


class NotFound(UserError):
    """Nothing in the trace has the id that was asked about."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of an explanation: what led to the thing asked about, the thing itself, what followed."""

    row: TraceRow
    role: Role


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer of `why`. `steps` are in order; `more` says that even more followed than is listed.

    `error` is the last failure's error document as the function's caller got it, and `failed` its row.
    """

    ident: str
    first: TraceRow
    origin: Origin
    steps: tuple[Step, ...]
    more: bool
    failed: int
    error: dict[str, Any] | None
    book: Book

    def render(self, *, most: int | None = MOST_STEPS) -> str:
        """The explanation as text, of at most `most` steps (None: all of them)."""
        last = [step.row for step in self.steps if step.role != "cause"][-1]
        words = f"{last.kind}: {detail(last, self.book.payload)}".removesuffix(": ")
        lines = [
            f"why {self.ident}",
            f"  first cause  #{self.first.id} {self.first.kind}, {_ORIGINS[self.origin]},"
            f" {date(self.first.at_ms)} {clock(self.first.at_ms)} UTC",
            f"  in the end   {words}, after {duration(last.at_ms - self.first.at_ms)}",
            "",
            *self._lines(most),
        ]
        if self.more:
            lines.append("  … and more followed from these")
        return "\n".join(lines)

    def _lines(self, most: int | None) -> Iterable[str]:
        steps, shown_date = self.steps, date(self.steps[0].row.at_ms)
        before_ms = steps[0].row.at_ms
        first, last = (most // 2, len(steps) - (most - most // 2)) if most is not None else (len(steps), 0)
        for place, step in enumerate(steps):
            row = step.row
            if first <= place < last:
                if place == first:
                    yield f"  … {last - first} steps left out; --all shows them"
                continue
            if date(row.at_ms) != shown_date:
                shown_date = date(row.at_ms)
                yield f"  {shown_date}"
            mark = ">" if step.role == "asked" else " "
            passed = f"+{duration(row.at_ms - before_ms)}"
            yield f"{mark} {clock(row.at_ms)} {passed:>8}  {columns(row, self.book.payload)}"
            before_ms = row.at_ms
            if row.id == self.failed and self.error is not None:
                yield from _stack(self.error)

    def as_dict(self) -> dict[str, Any]:
        """The explanation as JSON."""
        return {
            "id": self.ident,
            "origin": self.origin,
            "first_cause": self.first.id,
            "steps": [{**row_dict(step.row), "role": step.role} for step in self.steps],
            "more": self.more,
            "error": self.error,
        }


def row_dict(row: TraceRow) -> dict[str, Any]:
    """A row as JSON, with the keys of a trace file."""
    return {
        "id": row.id,
        "at": iso_ms(row.at_ms),
        "kind": row.kind,
        "arn": row.arn,
        "subject": row.subject,
        "cause": row.cause,
        "details": row.details,
    }


def _stack(error: dict[str, Any]) -> Iterable[str]:
    indent = " " * 27
    entries = error.get("stackTrace")
    texts = [text for text in entries if isinstance(text, str)] if isinstance(entries, list) else []
    lines = [line for text in texts for line in text.rstrip("\n").split("\n")]
    yield from (indent + line for line in lines[-_STACK_LINES:])
    yield f"{indent}{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"


# --- finding what is meant ----------------------------------------------------------------------


def find(book: Book, ident: str) -> list[TraceRow]:
    """The rows that an id means: a row's number (`14` or `#14`), a subject, or the beginning of one.

    Raises NotFound with the nearest subjects.
    """
    number = ident.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        row = book.row(int(number))
        if row is not None:
            return [row]
    found = book.about(ident)
    if found:
        return found
    near = book.subjects(ident) if len(ident) >= _SHORTEST_PREFIX else []
    if len(near) == 1:
        return book.about(near[0])
    raise _not_found(book, ident, near)


def _not_found(book: Book, ident: str, near: list[str]) -> NotFound:
    problem = f"nothing in the trace has the id {ident!r} (looked for a row, a message, a request and any subject)"
    begun = book.subjects(ident) if 0 < len(ident) < _SHORTEST_PREFIX else []
    if begun:
        more = ", …" if len(begun) == MOST_SUBJECTS else ""
        return NotFound(
            problem,
            rule=f"at least four letters of an id are needed; these begin with {ident!r}: {', '.join(begun)}{more}",
            fix="write one of these, or at least four letters of it",
        )
    for length in range(len(ident) - 1, 0, -1):
        near = near or book.subjects(ident[:length])
        if near or length <= 1:
            break
    return NotFound(
        problem,
        rule=f"the nearest: {', '.join(near)}" if near else "",
        fix="take an id that `simtriggers trace` shows: a number after # or a subject",
    )


# --- the story ----------------------------------------------------------------------------------


def why(book: Book, ident: str) -> Explanation:
    """Why the thing with this id happened, and what followed. Raises NotFound."""
    return explain(book, find(book, ident), ident)


def explain(book: Book, asked: list[TraceRow], ident: str) -> Explanation:
    """The explanation of some rows, which must not be empty."""
    roles: dict[int, Step] = {row.id: Step(row, "asked") for row in asked}
    subjects = {row.subject for row in asked}
    before: dict[int, TraceRow] = {}
    for row in asked:
        before |= ancestors(book, row, subjects)
    for row in before.values():
        roles.setdefault(row.id, Step(row, "cause"))
    last = max(row.id for row in asked)
    of_same = [row for row in before.values() if row.subject in subjects]
    aside, _ = _followed(book, of_same, subjects, until=last)
    after, more = _followed(book, asked, subjects, until=None)
    for row in aside.values():
        roles.setdefault(row.id, Step(row, "cause"))
    for row in after.values():
        roles.setdefault(row.id, Step(row, "effect"))
    steps = tuple(roles[number] for number in sorted(roles))
    failed, error = _last_failure(book, steps)
    first, came = origin(book, asked[0])
    return Explanation(ident, first, came, steps, more, failed, error, book)


def _followed(
    book: Book, start: list[TraceRow], subjects: set[str], *, until: int | None
) -> tuple[dict[int, TraceRow], bool]:
    """What followed from some rows, nearest first, and whether it was too much to be listed."""
    of_a_record = any(row.kind.startswith("Message") for row in start)
    found: dict[int, TraceRow] = {row.id: row for row in start}
    waiting = list(start)
    while waiting:
        if len(found) - len(start) >= _MOST_FOLLOWED:
            return found, True
        for row in _effects(book, waiting.pop(0)):
            other = of_a_record and row.kind in _OF_RECORDS and row.subject not in subjects
            if row.id not in found and not other and (until is None or row.id < until):
                found[row.id] = row
                waiting.append(row)
    return found, False


def _effects(book: Book, row: TraceRow) -> list[TraceRow]:
    """What a row led to: what names it as its cause, the batch that took its record, and the messages
    that a batch's end deleted."""
    found = list(book.caused_by(row.id))
    # A trace of events has no rows of receiving: a batch is made of what was sent.
    taken = row.kind == "MessageReceived" or (row.kind == "MessageSent" and not any(map(_is_received, found)))
    if taken:
        found += [batch for batch in book.batches_with(row) if batch.cause != row.id]
    elif row.kind in ("BatchSucceeded", "BatchPartiallyFailed"):
        started = book.row(int(row.subject.removeprefix("batch-")))
        for cause in causes_of(started) if started is not None else ():
            found += [each for each in book.caused_by(cause) if each.details.get("by") == row.id]
    return found


def _is_received(row: TraceRow) -> bool:
    return row.kind == "MessageReceived"


def _last_failure(book: Book, steps: tuple[Step, ...]) -> tuple[int, dict[str, Any] | None]:
    for step in reversed(steps):
        if step.row.kind == "InvocationFailed":
            text = book.payload(step.row.details.get("response_payload", ""))
            try:
                error = json.loads(text) if text is not None else None
            except ValueError:
                error = None
            return step.row.id, error if isinstance(error, dict) else None
    return 0, None

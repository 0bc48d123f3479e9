"""The answer of `why-not`: from a thing that happened along what leads to the target, to where it ended.

A `Hop` is one such step, from a resource to the next; its findings say why it went no further. A `Question` is
what a kind of resource brings to answer for its hops; the table of them is in `questions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..kernel.trace import TraceRow
from .book import Book
from .texts import clock, date
from .why import row_dict
from .wording import columns
from .world import Known, World

MOST_ROWS = 6
_MOST_FINDINGS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason, or something to know beside it: `code` for programs, `text` for people, the `rows` that show it."""

    code: str
    text: str
    rows: tuple[TraceRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """A step towards the target. `reached` is the row of the arrival, or None; then the first finding is why."""

    reached: TraceRow | None
    findings: tuple[Finding, ...] = ()


def stopped(*findings: Finding) -> Hop:
    """A hop that was not taken, with the reasons."""
    return Hop(None, findings)


Ask = Callable[[World, TraceRow | None, Known, Known], Hop]


@dataclass(frozen=True, slots=True)
class Question:
    """How a kind of resource answers for what it passes on.

    `events` are the kinds of its rows that something can be asked about, `reached` those that say that something
    triggered it. `leads_to` are the ARNs that it passes things on to; `ask` answers why an event of it (None: it in
    general) did not reach one of them, and `own` why an event that came to it did nothing there.
    """

    events: frozenset[str]
    reached: frozenset[str]
    leads_to: Callable[[World, Known], Iterable[str]]
    ask: Ask
    own: Callable[[World, TraceRow | None, Known], Hop] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A hop with its two ends."""

    source: Known
    target: Known
    hop: Hop


@dataclass(frozen=True, slots=True)
class Path:
    """A way to the target: the resources along it, and the hops as far as they were tried."""

    along: tuple[Known, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Why something did not trigger a target, or the rows that show that it did.

    `event` is what is asked about (None: a resource in general), `source` the resource where it happened. `paths`
    are the ways from there to the target, each as far as it was gone. `others` are further events of the same name.
    """

    ident: str
    target: Known
    source: Known
    event: TraceRow | None
    triggered: tuple[TraceRow, ...]
    paths: tuple[Path, ...]
    others: tuple[TraceRow, ...]
    book: Book = field(repr=False, compare=False)

    @property
    def reasons(self) -> list[Finding]:
        """Every finding, in order."""
        return [finding for path in self.paths for step in path.steps for finding in step.hop.findings]

    def render(self) -> str:
        """The answer as text, one screen of it."""
        lines = [f"why-not {self.target} {self.ident}", *self._about()]
        if self.triggered:
            lines.append(f"  it did trigger {self.target}:")
            lines += self._rows(self.triggered)
            return "\n".join(lines)
        for path in self.paths:
            lines.append("  " + " → ".join(map(str, path.along)))
            lines += self._path(path.steps)
        return "\n".join(lines)

    def _about(self) -> Iterator[str]:
        if self.event is not None:
            row = self.event
            yield f"  {date(row.at_ms)} {clock(row.at_ms)} UTC  {columns(row, self.book.payload)}"
        if self.others:
            numbers = ", ".join(f"#{row.id}" for row in self.others[:MOST_ROWS])
            more = ", …" if len(self.others) > MOST_ROWS else ""
            yield f"  (the last of {len(self.others) + 1}; ask the others by their rows: {numbers}{more})"
        yield ""

    def _path(self, steps: tuple[Step, ...]) -> Iterator[str]:
        for step in steps:
            if step.hop.reached is not None:
                yield f"    ✓ {step.source} → {step.target}"
                yield from self._rows((step.hop.reached,))
            mark, findings = "✗", step.hop.findings
            for finding in findings[:_MOST_FINDINGS]:
                yield f"    {mark} {finding.text}"
                yield from self._rows(finding.rows)
                mark = "·"
            if len(findings) > _MOST_FINDINGS:
                yield f"    · and {len(findings) - _MOST_FINDINGS} more; --json has them"

    def _rows(self, rows: tuple[TraceRow, ...]) -> Iterator[str]:
        kept = rows if len(rows) <= MOST_ROWS else (*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :])
        for place, row in enumerate(kept):
            if len(rows) > MOST_ROWS and place == MOST_ROWS // 2:
                yield f"        … {len(rows) - MOST_ROWS} more"
            yield f"        {clock(row.at_ms)}  {columns(row, self.book.payload)}"

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "id": self.ident,
            "target": self.target.arn,
            "source": self.source.arn,
            "event": None if self.event is None else row_dict(self.event),
            "triggered": [row_dict(row) for row in self.triggered],
            "paths": [[_step_dict(step) for step in path.steps] for path in self.paths],
            "others": [row.id for row in self.others],
        }


def _step_dict(step: Step) -> dict[str, Any]:
    reached = step.hop.reached
    return {
        "from": step.source.arn,
        "to": step.target.arn,
        "reached": None if reached is None else row_dict(reached),
        "findings": [
            {"code": finding.code, "text": finding.text, "rows": [row_dict(row) for row in finding.rows]}
            for finding in step.hop.findings
        ],
    }

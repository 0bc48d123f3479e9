"""When the steps of a scenario happen, and which of them can be seen to come too late without a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..aws.quantities import parse_duration_ms
from ..errors import UserError
from ..kernel.clock import iso_ms, parse_iso
from ..project.load import Document

if TYPE_CHECKING:
    from .model import Step


def time_of(step: Step, *, start_ms: int, previous_ms: int) -> int:
    """When a step is due: `at` is counted from the start, `after` from the end of the step before it."""
    if step.after is not None:
        return previous_ms + step.after
    if step.at is None:
        return previous_ms
    try:
        return parse_iso(step.at)
    except ValueError:
        return start_ms + parse_duration_ms(step.at)


def too_late(document: Document, index: int, *, start_ms: int, now_ms: int) -> UserError:
    """The error of a step whose time is over when its turn comes."""
    place = ("steps", index, "at")
    return document.error(
        place,
        f"this step is at {document.get(place)}, and it is {iso_ms(now_ms)} already",
        rule=f"the scenario starts at {iso_ms(start_ms)}; steps are in the order of their times",
        fix="move the step, correct its time, or write after",
    )


def out_of_order(document: Document, steps: Sequence[Step], *, start_ms: int) -> Iterator[UserError]:
    """The steps that come too late whatever happens: only a waiting `invoke` makes it later than it is here."""
    now_ms = start_ms
    for index, step in enumerate(steps):
        at_ms = time_of(step, start_ms=start_ms, previous_ms=now_ms)
        if at_ms < now_ms:
            yield too_late(document, index, start_ms=start_ms, now_ms=now_ms)
        now_ms = max(now_ms, at_ms) + (step.advance or 0) * step.times

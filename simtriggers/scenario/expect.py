"""Expectations: read the trace and the store, and say what differs, with the causal chain behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import UserError
from ..explain.texts import cut, date
from ..kernel.clock import iso_ms
from ..kernel.trace import TraceRow
from ..operations import QueueOperations, as_text
from ..project.load import Document
from ..project.validate import check as check_model
from ..simulation import Simulation
from . import conservation, received
from . import notified as topics
from .model import (
    Count,
    EventsExpectation,
    Expectation,
    InvocationsExpectation,
    MessagesExpectation,
    NotificationsExpectation,
    ObjectsExpectation,
    ObjectVersionsExpectation,
    OrderItem,
    QueueDepthExpectation,
    TraceExpectation,
)
from .names import names_of, unknown_names

_FIRST_LINES, _LAST_LINES = 2, 9
_DEPTHS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}
_COUNTED = ("ObjectCreated", "ObjectRemoved", "DeleteMarkerCreated")
"""What changes how many objects and versions a bucket has."""


@dataclass
class View:
    """A simulation at its end. `shown` are the rows whose causes were told already."""

    simulation: Simulation
    shown: set[int] = field(default_factory=set)

    @cached_property
    def rows(self) -> list[TraceRow]:
        """The trace."""
        return self.simulation.trace

    @cached_property
    def by_id(self) -> dict[int, TraceRow]:
        """The trace by row id."""
        return {row.id: row for row in self.rows}

    def chain(self, row_id: int) -> str:
        """The causes of a row, first cause first, a line each; the middle of a long story is left out."""
        from ..explain import narrated

        rows: list[TraceRow] = []
        row = self.by_id.get(row_id)
        while row is not None:
            rows.append(row)
            row = self.by_id.get(row.cause)
        rows.reverse()
        left_out = len(rows) - _FIRST_LINES - _LAST_LINES
        text = self.simulation.payload
        if left_out < 2:
            lines = [*narrated(rows, text)]
        else:
            before = rows[:_FIRST_LINES]
            last = narrated(rows[-_LAST_LINES:], text, day=date(before[-1].at_ms))
            lines = [*narrated(before, text), f"… {left_out} rows between them", *last]
        return "\n".join(f"      {line}" for line in lines)

    def history(self, what: str, row: TraceRow) -> str:
        """How a row came about, indented; told once."""
        if row.id in self.shown:
            return f"\n    how {what} came about: see #{row.id} above"
        self.shown.add(row.id)
        return f"\n    how {what} came about:\n{self.chain(row.id)}"


def failures(expectation: Expectation, view: View) -> list[str]:
    """What is wrong, a text each; empty when it holds."""
    kind = expectation.kind()
    return _CHECKS[kind](getattr(expectation, kind), view)


def check(simulation: Simulation, expectation: dict[str, Any] | str) -> list[str]:
    """Check one expectation, as a scenario writes it, on a simulation as it is now.

    Raises UserError when it is not well-formed, or names what the project does not have.
    """
    document = Document("expect", {"expect": [expectation]})
    model, errors = check_model(Expectation, document, at=("expect", 0))
    errors += unknown_names(document, names_of(simulation.project.resources))
    if errors or model is None:
        # There is no file: the call itself is the place.
        words = (UserError(error.problem, rule=error.rule, fix=error.fix) for error in errors)
        raise UserError("\n".join(error.render() for error in words))
    blind = model.blind(simulation.engine.trace.volume)
    if blind:
        raise UserError(f"expect: {blind}", fix='give the simulation trace="full", or leave the expectation out')
    return failures(model, View(simulation))


def count_invocations(simulation: Simulation) -> int:
    """How many attempts were started."""
    connection = simulation.engine.connection
    return int(connection.execute("SELECT count(*) FROM trace WHERE kind = 'InvocationStarted'").fetchone()[0])


# --- each kind ----------------------------------------------------------------------------------


def _bounds(expected: Count) -> str:
    if expected.count is not None:
        return str(expected.count)
    parts = [
        f"at least {expected.at_least}" if expected.at_least is not None else "",
        f"at most {expected.at_most}" if expected.at_most is not None else "",
    ]
    return " and ".join(part for part in parts if part) or "at least 1"


def _fits(expected: Count, found: int) -> bool:
    if expected.count is not None:
        return found == expected.count
    if expected.at_least is None and expected.at_most is None:
        return found >= 1
    return (expected.at_least or 0) <= found and (expected.at_most is None or found <= expected.at_most)


def _differs(what: str, expected: str, actual: str, view: View, rows: list[TraceRow]) -> str:
    text = f"{what}\n    expected: {expected}\n    actual:   {actual}"
    return text + (view.history("the last of them", rows[-1]) if rows else "")


def _invocations(expected: InvocationsExpectation, view: View) -> list[str]:
    arn = view.simulation.names.function(expected.function)
    started = [row for row in view.rows if row.kind == "InvocationStarted" and row.arn == arn]
    failed = [row for row in view.rows if row.kind == "InvocationFailed" and row.arn == arn]
    found: list[str] = []
    what = f"invocations of {expected.function}"
    if not _fits(expected, len(started)):
        found.append(_differs(what, _bounds(expected), str(len(started)), view, failed or started))
    if expected.failed is not None and len(failed) != expected.failed:
        found.append(_differs(f"failed {what}", str(expected.failed), str(len(failed)), view, failed or started))
    if expected.within is not None:
        late = [row for row in started if row.at_ms > view.simulation.start_ms + expected.within]
        if late:
            limit = iso_ms(view.simulation.start_ms + expected.within)
            found.append(_differs(f"{what} in time", f"all by {limit}", f"one at {iso_ms(late[-1].at_ms)}", view, late))
    return found


def _messages(expected: MessagesExpectation, view: View) -> list[str]:
    simulation = view.simulation
    there = simulation.perform(QueueOperations(simulation.names, expected.queue).messages())
    what = f"messages in {expected.queue}"
    found: list[str] = []
    wanted = [message for message in there if _holds(message, expected)]
    if not _fits(expected, len(wanted)):
        bodies = "; ".join(cut(message.body, 120) for message in there[:5])
        actual = f"{len(wanted)} of {len(there)} that lie there" + (f": {bodies}" if bodies else "")
        what += f" with body {as_text(expected.body)}" if expected.body is not None else ""
        what += f" with attributes {as_text(expected.attributes)}" if expected.attributes else ""
        rows = [row for row in view.rows if row.id in {message.cause for message in there}]
        found.append(_differs(what, _bounds(expected), actual, view, rows))
    return found


def _holds(message: Any, expected: MessagesExpectation) -> bool:
    has = {name: text for name, _, text in message.message_attributes}
    if any(has.get(name) != text for name, text in expected.attributes.items()):
        return False
    if expected.body is None or message.body == expected.body:
        return True
    if isinstance(expected.body, str):
        return False
    try:
        return bool(json.loads(message.body) == expected.body)
    except ValueError:
        return False


def _notifications(expected: NotificationsExpectation, view: View) -> list[str]:
    simulation = view.simulation
    arn = simulation.names.topic(expected.topic)
    there = topics.notified(view.rows, arn, simulation.engine.reader.payload)
    wanted = [one for one in there if topics.fits(one, expected)]
    if _fits(expected, len(wanted)):
        return []
    what = f"notifications of {expected.topic}" + (f" to {expected.endpoint}" if expected.endpoint else "")
    what += f" with message {as_text(expected.message)}" if expected.message is not None else ""
    what += f" with pattern {as_text(expected.pattern)}" if expected.pattern is not None else ""
    actual = f"{len(wanted)} of {len(there)} that arrived{topics.described(there, expected)}"
    rows = [one.row for one in wanted] or topics.story(view.rows, arn, there, expected)
    return [_differs(what, _bounds(expected), actual, view, rows)]


def _events(expected: EventsExpectation, view: View) -> list[str]:
    simulation = view.simulation
    place = expected.event_bus or expected.function or ""
    there = received.events(view.rows, expected, simulation.names, simulation.engine.reader.payload)
    wanted = [one for one in there if received.fits(one, expected)]
    what = f"events on {place}" if expected.event_bus else f"events that {place} was given"
    found: list[str] = []
    if not _fits(expected, len(wanted)):
        named = what + (f" with pattern {expected.pattern}" if expected.pattern is not None else "")
        actual = f"{len(wanted)} of {len(there)} that came{received.described(there, expected)}"
        found.append(_differs(named, _bounds(expected), actual, view, [one.row for one in there]))
    if expected.within is not None:
        limit_ms = simulation.start_ms + expected.within
        late = [one.row for one in wanted if one.row.at_ms > limit_ms]
        if late:
            at = f"one at {iso_ms(late[-1].at_ms)}"
            found.append(_differs(f"{what} in time", f"all by {iso_ms(limit_ms)}", at, view, late))
    return found


def _queue_depth(expected: QueueDepthExpectation, view: View) -> list[str]:
    simulation = view.simulation
    counts = simulation.perform(QueueOperations(simulation.names, expected.queue).attributes())
    depth = {name: int(counts[attribute]) for name, attribute in _DEPTHS.items()}
    depth["total"] = sum(depth.values())
    found: list[str] = []
    for name, actual in depth.items():
        wanted = getattr(expected, name)
        if wanted is not None and wanted != actual:
            arn = simulation.names.queue(expected.queue)
            rows = [row for row in view.rows if row.arn == arn and row.kind.startswith("Message")]
            found.append(_differs(f"{name} messages of {expected.queue}", str(wanted), str(actual), view, rows))
    return found


def _objects(expected: ObjectsExpectation, view: View) -> list[str]:
    there = view.simulation.bucket(expected.bucket).list(expected.prefix)
    if _fits(expected, len(there)):
        return []
    keys = ", ".join(info.key for info in there[:8]) or "none"
    what = f"objects in {expected.bucket}" + (f" under {expected.prefix}" if expected.prefix else "")
    arn = view.simulation.names.bucket(expected.bucket)
    of_bucket = [row for row in view.rows if row.arn == arn and row.kind in _COUNTED]
    rows = [row for row in of_bucket if row.subject.startswith(expected.prefix)]
    # Of too few, the last that went says more than the last that came.
    most = expected.at_most if expected.count is None else expected.count
    too_many = most is not None and len(there) > most
    gone = [] if too_many else [row for row in rows if row.kind != "ObjectCreated"]
    return [_differs(what, _bounds(expected), f"{len(there)}: {keys}", view, gone or rows)]


def _object_versions(expected: ObjectVersionsExpectation, view: View) -> list[str]:
    there = view.simulation.bucket(expected.bucket).versions(expected.key or expected.prefix)
    wanted = [one for one in there if expected.key in (None, one.key)]
    markers = sum(one.delete_marker for one in wanted)
    what = f"versions in {expected.bucket}" + (f" of {expected.key}" if expected.key else "")
    arn = view.simulation.names.bucket(expected.bucket)
    rows = [row for row in view.rows if row.arn == arn and row.kind in _COUNTED and expected.key in (None, row.subject)]
    found: list[str] = []
    if not _fits(expected, len(wanted)):
        found.append(_differs(what, _bounds(expected), f"{len(wanted)}, {markers} of them markers", view, rows))
    if expected.delete_markers is not None and markers != expected.delete_markers:
        found.append(_differs(f"delete markers among {what}", str(expected.delete_markers), str(markers), view, rows))
    return found


def _trace(expected: TraceExpectation, view: View) -> list[str]:
    def fits(row: TraceRow) -> bool:
        if row.kind != expected.kind or expected.subject not in (None, row.subject):
            return False
        if expected.within is not None and row.at_ms > view.simulation.start_ms + expected.within:
            return False
        return all(row.details.get(name) == item for name, item in expected.details.items())

    rows = [row for row in view.rows if fits(row)]
    if _fits(expected, len(rows)):
        return []
    same = [row for row in view.rows if row.kind == expected.kind]
    actual = f"{len(rows)} of {len(same)} {expected.kind} rows"
    if not same:
        actual += f"; kinds in this trace: {', '.join(sorted({row.kind for row in view.rows}))}"
    return [_differs(f"trace rows of kind {expected.kind}", _bounds(expected), actual, view, same)]


def _order(expected: tuple[OrderItem, ...], view: View) -> list[str]:
    place = 0
    before: list[TraceRow] = []
    for number, item in enumerate(expected, start=1):
        arn = view.simulation.names.function(item.function) if item.function else None
        while place < len(view.rows):
            row = view.rows[place]
            place += 1
            if _is(item, row, arn):
                before.append(row)
                break
        else:
            return [_out_of_order(number, item, before, [row for row in view.rows if _is(item, row, arn)], view)]
    return []


def _is(item: OrderItem, row: TraceRow, arn: str | None) -> bool:
    return row.kind == item.kind and item.subject in (None, row.subject) and arn in (None, row.arn)


def _out_of_order(number: int, item: OrderItem, before: list[TraceRow], same: list[TraceRow], view: View) -> str:
    """What is missing after the rows that the items before it have taken."""
    wanted = " ".join(text for text in (item.kind, item.function, item.subject) if text)
    last = f" after #{before[-1].id} {before[-1].kind} at {iso_ms(before[-1].at_ms)}" if before else ""
    there = f"{len(same)} of them, the last is #{same[-1].id} at {iso_ms(same[-1].at_ms)}" if same else "none at all"
    return _differs(f"order: item {number}", f"{wanted}{last}", there, view, same or before)


def _nothing_lost(_: bool, view: View) -> list[str]:
    lost = conservation.lost(view.simulation, view.rows)
    return [f"nothing_lost: {text}{view.history('it', row)}" for row, text in lost[:10]]


def _nothing_stuck(_: bool, view: View) -> list[str]:
    stuck = conservation.stuck(view.simulation, view.rows)
    return [f"nothing_stuck: {text}" + (view.history("it", row) if row is not None else "") for row, text in stuck[:10]]


_CHECKS: dict[str, Callable[[Any, View], list[str]]] = {
    "invocations": _invocations,
    "messages": _messages,
    "notifications": _notifications,
    "events": _events,
    "queue_depth": _queue_depth,
    "objects": _objects,
    "object_versions": _object_versions,
    "trace": _trace,
    "order": _order,
    "nothing_lost": _nothing_lost,
    "nothing_stuck": _nothing_stuck,
}

"""Why something did not trigger a resource: which filter, schedule, queue or limit was in the way.

The thing asked about is a row, a key, a message, a request or a resource. From where it happened every way to the
target is followed, hop by hop, as far as it went; each kind of resource answers for its own hops (`questions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..errors import UserError
from ..kernel.trace import TraceRow
from .answers import Answer, Finding, Hop, Path, Question, Step, stopped
from .causes import ancestors
from .questions import QUESTIONS, indexed
from .texts import resource
from .why import NotFound, explain, find
from .world import Known, World

MOST_PATHS = 3
_MOST_HOPS = 8
_ENDS = frozenset(
    {"InvocationSucceeded", "InvocationFailed", "InvocationInterrupted", "MessageDeleted", "RecordFailed"}
)


def why_not(world: World, target: str, ident: str) -> Answer:
    """Why the thing with this id did not trigger the target, a resource by its name or ARN.

    Raises UserError for an unknown target, NotFound for an unknown id, each with the nearest names.
    """
    wanted = world.target(target)
    asked = _asked(world, ident, wanted)
    source, event = asked.source, asked.event
    triggered = () if event is None else _triggered(world, event, wanted)
    if event is not None and not triggered and world.book.left_out(event):
        raise UserError(
            f"the trace keeps events alone (trace: events), and not what was decided about #{event.id}",
            fix="set `trace: full` in the project file, and let it happen again",
        )
    if asked.known is not None:
        step = Step(source, wanted, stopped(asked.known))
        return Answer(ident, wanted, source, None, (), (Path((source, wanted), (step,)),), (), world.book)
    paths = () if triggered else tuple(_followed(world, along, event) for along in _paths(world, source, wanted))
    if not triggered and not paths:
        paths = (Path((source, wanted), (_unconnected(world, source, wanted, event),)),)
    if event is None and not triggered:
        event, triggered = _in_general(world, paths, wanted)
    return Answer(ident, wanted, source, event, triggered, paths, asked.others, world.book)


# --- what is asked about ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where something happened, its row (None: the resource in general), other rows that the same id means, and
    the reason where it is known at once."""

    source: Known
    event: TraceRow | None = None
    others: tuple[TraceRow, ...] = ()
    known: Finding | None = None


def _asked(world: World, ident: str, target: Known) -> _Asked:
    """What an id means: of what happened the newest, or of what led to it the nearest, if something leads from
    there to the target; else the resource of that name."""
    named = world.named(ident)
    rules = [each for each in named if each.kind in ("rule", "schedule")]
    if rules:
        return _Asked(rules[0])
    try:
        rows = find(world.book, ident)
    except NotFound:
        found = indexed(world, ident)
        if found is not None:
            return _Asked(found[0], known=found[1])
        if len(named) == 1:
            return _Asked(named[0])
        raise
    own = [row for row in rows if _is_event(world, row)]
    before = {number: each for row in rows for number, each in ancestors(world.book, row, {row.subject}).items()}
    led = [before[number] for number in sorted(before, reverse=True) if _is_event(world, before[number])]
    candidates = _openings(world, own) + led
    if not candidates:
        if len(named) == 1:
            return _Asked(named[0])
        raise NotFound(
            f"nothing that {ident!r} means could have triggered {target}",
            rule=f"it is {rows[-1].kind} of {resource(rows[-1].arn)}",
            fix="ask about an object, a message, a request, a rule or a schedule",
        )
    suited = [row for row in candidates if _connected(world, world.resources[row.arn], target)]
    event = (suited or candidates)[0]
    others = tuple(row for row in _openings(world, own) if row.id != event.id and row.arn == event.arn)
    return _Asked(world.resources[event.arn], event, others)


def _is_event(world: World, row: TraceRow) -> bool:
    found = world.resources.get(row.arn)
    question = QUESTIONS.get(found.kind) if found is not None else None
    return question is not None and row.kind in question.events


def _openings(world: World, rows: list[TraceRow]) -> list[TraceRow]:
    """The rows that stand for what happened: of a key each put and delete, the newest first; of anything else its
    first row at each resource, a message's sending and not its receives."""
    first: dict[tuple[str, str], TraceRow] = {}
    found: list[TraceRow] = []
    for row in rows:
        if world.resources[row.arn].kind == "bucket":
            found.insert(0, row)
        elif first.setdefault((row.arn, row.subject), row) is row:
            found.append(row)
    return found


# --- whether it did -----------------------------------------------------------------------------


def _triggered(world: World, event: TraceRow, target: Known) -> tuple[TraceRow, ...]:
    """The rows that show that the event did trigger the target, and how that ended."""
    question = QUESTIONS.get(target.kind)
    reached = question.reached if question is not None else frozenset()
    rows = [step.row for step in explain(world.book, [event], str(event.id)).steps if step.role != "cause"]
    hits = [row for row in rows if _arrives(row, target, reached)]
    if not hits:
        return ()
    ends = [row for row in rows if row.arn == target.arn and row.kind in _ENDS and row.id > hits[-1].id]
    return (*hits, *ends[-1:])


def _arrives(row: TraceRow, target: Known, reached: frozenset[str]) -> bool:
    return (row.arn == target.arn and row.kind in reached) or row.details.get("dead_letter_queue") == target.arn


def _in_general(world: World, paths: tuple[Path, ...], target: Known) -> tuple[TraceRow | None, tuple[TraceRow, ...]]:
    """Of a resource that was asked about in general: what it passed on last, if that did trigger the target."""
    for path in paths:
        event = path.steps[0].hop.reached
        if event is not None:
            return event, _triggered(world, event, target)
    return None, ()


# --- the ways -----------------------------------------------------------------------------------


def _next(world: World, source: Known) -> list[Known]:
    question = QUESTIONS.get(source.kind)
    found = dict.fromkeys(question.leads_to(world, source)) if question is not None else {}
    return [world.resources[arn] for arn in found if arn in world.resources]


def _connected(world: World, source: Known, target: Known) -> bool:
    return source.arn == target.arn or next(_ways(world, [source], target), None) is not None


def _paths(world: World, source: Known, target: Known) -> list[list[Known]]:
    """The shortest ways from one resource to another, without what passes a resource twice."""
    if source.arn == target.arn:
        return [[source]]
    found = sorted(_ways(world, [source], target), key=len)
    return found[:MOST_PATHS]


def _ways(world: World, so_far: list[Known], target: Known) -> Iterator[list[Known]]:
    if len(so_far) > _MOST_HOPS:
        return
    for each in _next(world, so_far[-1]):
        if each.arn == target.arn:
            yield [*so_far, each]
        elif all(each.arn != before.arn for before in so_far):
            yield from _ways(world, [*so_far, each], target)


def _followed(world: World, along: list[Known], event: TraceRow | None) -> Path:
    """The hops of a way, as far as the event went; after the last one, what the target made of it."""
    steps: list[Step] = []
    for source, following in pairwise(along):
        hop = QUESTIONS[source.kind].ask(world, event, source, following)
        steps.append(Step(source, following, hop))
        if hop.reached is None:
            return Path(tuple(along), tuple(steps))
        event = hop.reached
    target = along[-1]
    return Path(tuple(along), (*steps, Step(target, target, _own(world, event, target))))


def _own(world: World, event: TraceRow | None, target: Known) -> Hop:
    question: Question | None = QUESTIONS.get(target.kind)
    if question is None or question.own is None:
        return stopped(Finding("nothing_more", f"nothing is known of {target} that would have stopped it"))
    return question.own(world, event, target)


def _unconnected(world: World, source: Known, target: Known, event: TraceRow | None) -> Step:
    """The hop that there is no way for: what the source says of it, and where it leads instead."""
    question = QUESTIONS.get(source.kind)
    findings: tuple[Finding, ...] = ()
    if question is not None:
        findings = question.ask(world, event, source, target).findings
    leads = ", ".join(map(str, _next(world, source))) or "nothing"
    into = [each for each in world.resources.values() if any(one.arn == target.arn for one in _next(world, each))]
    led_to = ", ".join(each.described for each in into) or "nothing"
    return Step(
        source,
        target,
        stopped(
            *(findings or (Finding("not_connected", f"nothing leads from {source} to {target}"),)),
            Finding("leads_to", f"{source} leads to {leads}; {target} is led to by {led_to}"),
        ),
    )

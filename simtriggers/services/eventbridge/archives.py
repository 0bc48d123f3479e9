"""Archives: which events of a bus they keep, and for how long; making, changing, reading and removing them.

On AWS a managed rule feeds an archive, whose pattern leaves out replayed events; here the bus does it itself.
Source: Amazon EventBridge API Reference, CreateArchive; User Guide, "Archiving events in Amazon EventBridge".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...aws.arn import name_of
from ...aws.contracts import PutResource, RemoveResource
from ...aws.event_pattern import Pattern, compile_pattern, matches
from ...aws.limits import Limit
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.clock import parse_iso
from ...kernel.effects import Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import commands, errors, store
from .arns import ARCHIVE
from .checks import DESCRIPTION_CHARACTERS, PATTERN_CHARACTERS, check_pattern
from .settings import SERVICE_NAME

if TYPE_CHECKING:
    from .routing import Round

DAY_MS = 86_400_000
NAME_CHARACTERS = Limit(48, "Amazon EventBridge API Reference, CreateArchive")
_NAME = re.compile(r"[.\-_A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """An archive of the bus `bus` (an ARN). `pattern` None: all events; `retention_days` 0: for ever."""

    bus: str
    pattern: Pattern | None
    retention_days: int
    description: str | None
    stored: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def takes(self, event: dict[str, Any]) -> bool:
        """Whether an event goes into it: none that a replay has sent does."""
        if "replay-name" in event:
            return False
        return self.pattern is None or matches(self.pattern, event)

    def oldest_ms(self, now_ms: int) -> int:
        """What came before this time is forgotten."""
        return now_ms - self.retention_days * DAY_MS if self.retention_days else 0


def parse_archive(config: dict[str, Any]) -> ArchiveSettings:
    """An archive's settings from its stored JSON."""
    text = config.get("event_pattern")
    return ArchiveSettings(
        bus=config["event_source_arn"],
        pattern=None if text is None else compile_pattern(text),
        retention_days=config.get("retention_days", 0),
        description=config.get("description"),
        stored=config,
    )


def archive_name_problem(name: str) -> str | None:
    """Why an archive cannot have this name, in one sentence; None when it can."""
    if _NAME.fullmatch(name) and len(name) <= NAME_CHARACTERS:
        return None
    return f"{name!r} is not an archive's name: 1-{NAME_CHARACTERS} letters, digits, '.', '-', '_'"


# --- keeping ------------------------------------------------------------------------------------


def keep(round_: Round, archives: Iterable[Resource], *, cause: int) -> None:
    """Put an event into each archive that takes it, and forget what is too old there."""
    event, decision, now_ms = round_.event, round_.decision, round_.now_ms
    for archive in archives:
        settings: ArchiveSettings = archive.config
        if not settings.takes(event.data):
            continue
        try:
            event_ms = parse_iso(str(event.data.get("time")))
        except ValueError:
            event_ms = now_ms
        row = (archive.arn, event_ms, now_ms, event.id, event.stored.digest, len(event.stored.body.encode()))
        decision.writes.append(Write(store.ARCHIVE, row))
        if settings.retention_days:
            decision.writes.append(Write(store.TRIM_ARCHIVE, (archive.arn, settings.oldest_ms(now_ms))))
        note = Note(round_.ids.row_id(), "EventArchived", archive.arn, event.id, cause, {"event_bus": settings.bus})
        decision.notes.append(note)


# --- as resources -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """An archive (None: there is none), whether its bus is there, and how much it holds."""

    archive: Resource | None
    bus: bool = False
    declared_by: str = "sdk"
    events: int = 0
    bytes: int = 0


def view_archive(read: Reader, entry: Entry) -> ArchiveView:
    """The archive, and the bus that it has or is to have."""
    archive = read.resource(entry.arn)
    bus = _bus_of(entry.command, archive)
    there = bus is not None and read.resource(bus) is not None
    if archive is None:
        return ArchiveView(None, there)
    declared = read.one(store.DECLARED_BY, entry.arn)
    counts = read.one(store.ARCHIVE_COUNTS, entry.arn, archive.config.oldest_ms(read.now_ms))
    assert declared is not None and counts is not None
    return ArchiveView(archive, there, declared[0], counts[0], counts[1])


def _bus_of(command: Any, archive: Resource | None) -> str | None:
    if isinstance(command, PutResource):
        return str(command.config.get("event_source_arn"))
    if isinstance(command, commands.CreateArchive):
        return command.event_source_arn
    return None if archive is None else archive.config.bus


def check_archive(name: str, config: dict[str, Any]) -> Refused | None:
    """What AWS has against an archive's settings."""
    if not _NAME.fullmatch(name):
        rule = r"Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"
        return errors.constraint(name, "archiveName", rule)
    for text, member, most in (
        (name, "archiveName", NAME_CHARACTERS),
        (config.get("description"), "description", DESCRIPTION_CHARACTERS),
        (config.get("event_pattern"), "eventPattern", PATTERN_CHARACTERS),
    ):
        if text is not None and len(text) > most:
            return errors.constraint(text, member, f"Member must have length less than or equal to {most}")
    if config.get("retention_days", 0) < 0:
        rule = "Member must have value greater than or equal to 0"
        return errors.constraint(config["retention_days"], "retentionDays", rule)
    return None if config.get("event_pattern") is None else check_pattern(config["event_pattern"])


def put_archive(
    view: ArchiveView, arn: str, config: dict[str, Any], *, declared_by: str, cause: int, now_ms: int, ids: Ids
) -> Decision:
    """Make the archive, or give it new settings, after all checks. Replies with the revision that then holds."""
    name, old = name_of(arn), view.archive
    refused = check_archive(name, config)
    if refused is None and not view.bus:
        refused = errors.no_such_bus(name_of(config["event_source_arn"]))
    if refused is None and old is not None and old.config.bus != config["event_source_arn"]:
        refused = errors.parameter("EventSourceArn", "the archive belongs to another event bus")  # Unverified
    if refused is not None:
        return Decision(reply=refused)
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    write = resources.put(
        arn, service=SERVICE_NAME, kind=ARCHIVE, name=name, config=config, declared_by=declared_by, now_ms=now_ms
    )
    kind = "ArchiveCreated" if old is None else "ArchiveChanged"
    note = Note(ids.row_id(), kind, arn, name, cause, {"settings": config})
    return Decision(reply=1 if old is None else old.revision + 1, writes=[write], notes=[note], touched=[arn])


def decide_put(view: ArchiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource of an archive: replies with the revision."""
    command: PutResource = entry.command
    return put_archive(
        view,
        entry.arn,
        command.config,
        declared_by=command.declared_by,
        cause=entry.cause,
        now_ms=now_ms,
        ids=ids,
    )


def decide_remove(view: ArchiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource and DeleteArchive: with its events. With `wiring_only` it takes no more, and keeps its own."""
    if view.archive is None:
        if isinstance(entry.command, RemoveResource):
            return Decision()
        return Decision(reply=_no_such_archive(entry.arn))
    if isinstance(entry.command, RemoveResource) and entry.command.wiring_only:
        note = Note(ids.row_id(), "ArchiveNoLongerDeclared", entry.arn, view.archive.name, entry.cause)
        return Decision(writes=[resources.unwire(entry.arn)], notes=[note], touched=[entry.arn])
    details = {"events": view.events}
    note = Note(ids.row_id(), "ArchiveDeleted", entry.arn, view.archive.name, entry.cause, details)
    writes = [Write(store.FORGET_ARCHIVE, (entry.arn,)), resources.remove(entry.arn)]
    return Decision(writes=writes, notes=[note], touched=[entry.arn])


def _no_such_archive(arn: str) -> Refused:
    return errors.not_found(f"Archive {name_of(arn)} does not exist.")


# --- requests -----------------------------------------------------------------------------------


def decide_create(view: ArchiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """CreateArchive: replies with ArchiveDescription."""
    command: commands.CreateArchive = entry.command
    if view.archive is not None:
        return Decision(reply=errors.already_exists(f"Archive {name_of(entry.arn)}"))
    config: dict[str, Any] = {"event_source_arn": command.event_source_arn}
    return _changed(view, entry, {**config, **_given(command)}, now_ms=now_ms, ids=ids)


def decide_update(view: ArchiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """UpdateArchive: what is not given stays; replies with ArchiveDescription."""
    command: commands.UpdateArchive = entry.command
    if view.archive is None:
        return Decision(reply=_no_such_archive(entry.arn))
    return _changed(view, entry, {**view.archive.config.stored, **_given(command)}, now_ms=now_ms, ids=ids)


def _given(command: commands.CreateArchive | commands.UpdateArchive) -> dict[str, Any]:
    found = {
        "event_pattern": command.event_pattern,
        "retention_days": command.retention_days,
        "description": command.description,
    }
    return {name: item for name, item in found.items() if item is not None}


def _changed(view: ArchiveView, entry: Entry, config: dict[str, Any], *, now_ms: int, ids: Ids) -> Decision:
    decision = put_archive(
        view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )
    if type(decision.reply) is not Refused:
        created_ms = now_ms if view.archive is None else view.archive.created_ms
        decision.reply = _description(entry.arn, parse_archive(config), view.events, view.bytes, created_ms)
    return decision


def _description(
    arn: str, settings: ArchiveSettings, events: int, size: int, created_ms: int
) -> commands.ArchiveDescription:
    return commands.ArchiveDescription(
        name=name_of(arn),
        arn=arn,
        event_source_arn=settings.bus,
        state="ENABLED",
        event_pattern=None if settings.pattern is None else settings.pattern.text,
        retention_days=settings.retention_days,
        description=settings.description,
        event_count=events,
        size_bytes=size,
        creation_ms=created_ms,
    )


def decide_describe(view: ArchiveView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DescribeArchive: replies with ArchiveDescription."""
    if view.archive is None:
        return Decision(reply=_no_such_archive(entry.arn))
    found = view.archive
    return Decision(reply=_description(entry.arn, found.config, view.events, view.bytes, found.created_ms))


def view_list(read: Reader, entry: Entry) -> tuple[commands.ArchiveDescription, ...]:
    """The archives that a list asks for."""
    command: commands.ListArchives = entry.command
    found: list[commands.ArchiveDescription] = []
    for archive in read.resources(ARCHIVE):
        settings: ArchiveSettings = archive.config
        if command.event_source_arn not in (None, settings.bus) or not archive.name.startswith(command.name_prefix):
            continue
        counts = read.one(store.ARCHIVE_COUNTS, archive.arn, settings.oldest_ms(read.now_ms))
        assert counts is not None
        found.append(_description(archive.arn, settings, counts[0], counts[1], archive.created_ms))
    return tuple(found)


def decide_list(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """A list: replies with what the view found."""
    return Decision(reply=view)


RULES = {
    commands.CreateArchive: Rule(view_archive, decide_create),
    commands.UpdateArchive: Rule(view_archive, decide_update),
    commands.DescribeArchive: Rule(view_archive, decide_describe),
    commands.DeleteArchive: Rule(view_archive, decide_remove),
    commands.ListArchives: Rule(view_list, decide_list),
}

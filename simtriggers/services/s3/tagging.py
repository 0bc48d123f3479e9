"""Tags and ACLs of objects: what changes them raises events without size and sequencer.

Source: recorded events; S3 API reference, PutObjectTagging, PutObjectAcl.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import versions_store
from .conditions import tags_refused
from .events import ACL_PUT, TAGGING_DELETE, TAGGING_PUT
from .publishing import Happening, publish
from .reading import Found, found_of, missing
from .requests import DeleteObjectTagging, PutObjectAcl, PutObjectTagging
from .work import NO_SUCH_BUCKET, Spot, Work, request_of, spot_of, work_on

PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Named:
    """An object or a version of it, by its row, and the spot of its key."""

    spot: Spot
    found: Found


def named_of(read: Reader, arn: str, key: str, version_id: str) -> Named:
    """What a change of an object, or of one of its versions, needs to know."""
    spot = spot_of(read, arn, key)
    if spot.bucket is None:
        return Named(spot, Found(False))
    return Named(spot, found_of(read, arn, key, version_id, content=False))


def view_named(read: Reader, entry: Entry) -> Named:
    """For all commands of one object here, and for restores."""
    return named_of(read, entry.arn, entry.command.key, entry.command.version_id)


def more_of_row(found: Found) -> dict[str, Any]:
    """What a row's `more` holds, to be changed."""
    text = found.rows[0][9]
    return json.loads(text) if text else {}


def is_current(view: Named) -> bool:
    """Whether the row is that of the current object."""
    return len(view.found.rows[0]) == 12


def set_more(work: Work, view: Named, more: dict[str, Any]) -> None:
    """Write `more` back, without what is empty."""
    key, version_id = view.found.rows[0][0], view.found.rows[0][7]
    kept = {name: item for name, item in more.items() if item}
    statement = versions_store.SET_MORE if is_current(view) else versions_store.SET_MORE_OF_VERSION
    work.decision.writes.append(Write(statement, (work.entry.arn, key, version_id, to_json(kept) if kept else "")))


def decide_put_tagging(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Replace the tags."""
    command: PutObjectTagging = entry.command
    return _tagged(view, entry, command.tags, TAGGING_PUT, now_ms, ids)


def decide_delete_tagging(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Take the tags away. Unverified: told also when there were none."""
    return _tagged(view, entry, (), TAGGING_DELETE, now_ms, ids)


def _tagged(
    view: Named, entry: Entry, tags: tuple[tuple[str, str], ...], event: str, now_ms: int, ids: Ids
) -> Decision:
    command: PutObjectTagging | DeleteObjectTagging = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = tags_refused(tags) or missing(view.found, command.key, command.version_id)
    if refused is not None:
        return Decision(refused)
    work = work_on(view.spot, entry, now_ms, ids)
    more = more_of_row(view.found)
    more["tags"] = dict(tags)
    set_more(work, view, more)
    _tell(work, view, event, {"tags": dict(tags)} if event == TAGGING_PUT else {})
    work.decision.reply = _shown(view)
    return work.decision


def _shown(view: Named) -> str | None:
    version_id: str = view.found.rows[0][7]
    return version_id or ("null" if view.found.versioned else None)


def _tell(work: Work, view: Named, event: str, details: dict[str, Any]) -> None:
    """The trace row and the event: neither size nor sequencer."""
    command: PutObjectTagging | DeleteObjectTagging | PutObjectAcl = work.entry.command
    row = view.found.rows[0]
    request = request_of(work.bucket.config, command.caller, work.ids)
    details = {**details, "request_id": request.request_id}
    if row[7]:
        details["version_id"] = row[7]
    kind = {TAGGING_PUT: "ObjectTagged", TAGGING_DELETE: "ObjectUntagged", ACL_PUT: "ObjectAclChanged"}[event]
    note = Note(work.ids.row_id(), kind, work.entry.arn, row[0], work.entry.cause, details)
    work.decision.notes.append(note)
    publish(work, note, Happening(event, row[0], None, row[2], None, row[7]), request)


def decide_get_tagging(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The tags, by name."""
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = missing(view.found, entry.command.key, entry.command.version_id)
    return Decision(refused or tuple(sorted(more_of_row(view.found).get("tags", {}).items())))


def decide_put_acl(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Set the ACL; nothing is told when it is what it was."""
    command: PutObjectAcl = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = missing(view.found, command.key, command.version_id)
    if refused is not None:
        return Decision(refused)
    more = more_of_row(view.found)
    if more.get("acl", PRIVATE) == command.acl:
        return Decision(None)
    work = work_on(view.spot, entry, now_ms, ids)
    more["acl"] = "" if command.acl == PRIVATE else command.acl
    set_more(work, view, more)
    _tell(work, view, ACL_PUT, {"acl": command.acl})
    return work.decision


def decide_get_acl(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The ACL that was set."""
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = missing(view.found, entry.command.key, entry.command.version_id)
    return Decision(refused or more_of_row(view.found).get("acl", PRIVATE))

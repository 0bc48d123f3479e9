"""Restoring archived objects: accepted, there after some hours, gone again after the days asked for.

Source: S3 User Guide, "Restoring an archived object" (times of the tiers); recorded events. Unverified:
what ObjectRestore:Delete says beside key, size, ETag, version and sequencer.
"""

from __future__ import annotations

from typing import Any

from ...kernel.agenda import Entry
from ...kernel.clock import iso_ms
from ...kernel.codec import to_json
from ...kernel.effects import Decision, Note, Refused, Timer
from ...kernel.ids import Ids
from ...kernel.service import Reader
from .events import RESTORE_COMPLETED, RESTORE_DELETE, RESTORE_POST
from .lifecycle_rules import ARCHIVED, DAY_MS
from .publishing import Happening, publish
from .reading import missing
from .records import Request
from .requests import RestoreEnds, RestoreExpires, RestoreObject
from .tagging import Named, more_of_row, named_of, set_more
from .work import NO_SUCH_BUCKET, Work, own_request, request_of, work_on

_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
TIMES_MS = {
    ("GLACIER", "Expedited"): 5 * _MINUTE_MS,
    ("GLACIER", "Standard"): 5 * _HOUR_MS,
    ("GLACIER", "Bulk"): 12 * _HOUR_MS,
    ("DEEP_ARCHIVE", "Standard"): 12 * _HOUR_MS,
    ("DEEP_ARCHIVE", "Bulk"): 48 * _HOUR_MS,
}
"""How long a restore takes: the upper end of what AWS says."""


def midnight_after(at_ms: int) -> int:
    """The next midnight UTC, or the time itself if it is one."""
    return -(-at_ms // DAY_MS) * DAY_MS


def view_timer(read: Reader, entry: Entry) -> Named:
    """For RestoreEnds and RestoreExpires."""
    return named_of(read, entry.arn, entry.command.key, entry.command.version_id or "null")


def decide_restore(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Accept a restore, or put off the end of one that is there."""
    command: RestoreObject = entry.command
    if view.spot.bucket is None:
        return Decision(NO_SUCH_BUCKET)
    refused = missing(view.found, command.key, command.version_id) or _refused(view, command)
    if refused is not None:
        return Decision(refused)
    row = view.found.rows[0]
    more = more_of_row(view.found)
    work = work_on(view.spot, entry, now_ms, ids)
    if "restore_until_ms" in more:
        until_ms = midnight_after(now_ms + command.days * DAY_MS)
        more["restore_until_ms"] = until_ms
        set_more(work, view, more)
        work.decision.effects.append(_expiry(row, until_ms, row[6]))
        work.decision.reply = 200
        return work.decision
    more["restore_under_way"] = True
    set_more(work, view, more)
    request = request_of(work.bucket.config, command.caller, ids)
    due_ms = now_ms + TIMES_MS[row[8], command.tier]
    details = {"days": command.days, "tier": command.tier, "due_ms": due_ms}
    note = _tell(work, view, RESTORE_POST, request, details)
    ends = RestoreEnds(command.key, row[7], command.days)
    work.decision.effects.append(Timer(_key("ends", row), due_ms, ends, note.id))
    return work.done(202)


def _refused(view: Named, command: RestoreObject) -> Refused | None:
    kept_in = view.found.rows[0][8]
    if kept_in not in ARCHIVED:
        text = "Restore is not allowed for the object's current storage class"
        return Refused("InvalidObjectState", text, 403, fields=(("StorageClass", kept_in),))
    if more_of_row(view.found).get("restore_under_way"):
        return Refused("RestoreAlreadyInProgress", "Object restore is already in progress", 409)
    if command.days < 1:
        fields = (("ArgumentName", "Days"), ("ArgumentValue", str(command.days)))
        return Refused("InvalidArgument", "restoration days should be at least 1", fields=fields)
    if (kept_in, command.tier) not in TIMES_MS:
        fields = (("ArgumentName", "Tier"), ("ArgumentValue", command.tier))
        return Refused("InvalidArgument", "The tier is not valid for the object's storage class", fields=fields)
    return None


def decide_ends(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The copy is there; S3 itself says so. Nothing for an object that went or was replaced meanwhile."""
    command: RestoreEnds = entry.command
    if view.spot.bucket is None or not view.found.rows:
        return Decision()
    more = more_of_row(view.found)
    if not more.pop("restore_under_way", False):
        return Decision()
    row = view.found.rows[0]
    until_ms = midnight_after(now_ms + command.days * DAY_MS)
    more["restore_until_ms"] = until_ms
    work = work_on(view.spot, entry, now_ms, ids)
    set_more(work, view, more)
    event = {
        "restoreEventData": {
            "lifecycleRestorationExpiryTime": iso_ms(until_ms),
            "lifecycleRestoreStorageClass": row[8],
        }
    }
    request = own_request(work.bucket.config, ids)
    extra = (("restore-expiry-time", iso_ms(until_ms).replace(".000Z", "Z")),)
    note = _tell(
        work,
        view,
        RESTORE_COMPLETED,
        request,
        {"until_ms": until_ms},
        more=f'"glacierEventData":{to_json(event)}',
        extra=extra,
    )
    work.decision.effects.append(_expiry(row, until_ms, note.id))
    return work.done(None)


def decide_expires(view: Named, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """The temporary copy goes; the archived object stays."""
    if view.spot.bucket is None or not view.found.rows:
        return Decision()
    more = more_of_row(view.found)
    if more.get("restore_until_ms", now_ms + 1) > now_ms:
        return Decision()
    del more["restore_until_ms"]
    work = work_on(view.spot, entry, now_ms, ids)
    set_more(work, view, more)
    _tell(work, view, RESTORE_DELETE, own_request(work.bucket.config, ids), {})
    return work.done(None)


def _key(what: str, row: tuple[Any, ...]) -> str:
    return f"restore.{what}/{row[7]}/{row[0]}"


def _expiry(row: tuple[Any, ...], until_ms: int, cause: int) -> Timer:
    return Timer(_key("expires", row), until_ms, RestoreExpires(row[0], row[7]), cause, background=True)


def _tell(
    work: Work,
    view: Named,
    event: str,
    request: Request,
    details: dict[str, Any],
    *,
    more: str = "",
    extra: tuple[tuple[str, str], ...] = (),
) -> Note:
    row = view.found.rows[0]
    mark = work.sequencer()
    details = {**details, "storage_class": row[8], "sequencer": mark, "request_id": request.request_id}
    if row[7]:
        details["version_id"] = row[7]
    kind = {
        RESTORE_POST: "ObjectRestoreStarted",
        RESTORE_COMPLETED: "ObjectRestoreCompleted",
        RESTORE_DELETE: "ObjectRestoreExpired",
    }[event]
    note = Note(work.ids.row_id(), kind, work.entry.arn, row[0], work.entry.cause, details)
    work.decision.notes.append(note)
    source = () if event == RESTORE_DELETE else (("source-storage-class", row[8]),)
    happening = Happening(event, row[0], row[1], row[2], mark, row[7], more, (*source, *extra))
    publish(work, note, happening, request)
    return note

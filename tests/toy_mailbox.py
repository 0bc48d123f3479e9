"""The toy service `mailbox`, which keeps letters and answers long polls, and the addresses of the toys."""

from __future__ import annotations

from simtriggers.aws.contracts import (
    Delivery,
    PutResource,
    RemoveResource,
)
from simtriggers.kernel import resources
from simtriggers.kernel.agenda import Entry
from simtriggers.kernel.codec import Overdue, command
from simtriggers.kernel.effects import (
    PARKED,
    Decision,
    Note,
    Park,
    Refused,
    Statement,
    Wake,
    Write,
    payload,
)
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Description, Invariant, Reader, Rule, Service

START_MS = 1_768_478_400_000
"""2026-01-15T12:00:00Z."""


def mailbox_arn(name: str) -> str:
    return f"arn:aws:mailbox:us-east-1:123456789012:{name}"


def counter_arn(name: str) -> str:
    return f"arn:aws:counter:us-east-1:123456789012:{name}"


def service_arn(name: str) -> str:
    return f"arn:aws:{name}:us-east-1:123456789012:*"


@command(Overdue.RUN)
class Post:
    """Put a letter in; replies with its id."""

    body: str


@command(Overdue.RUN)
class Take:
    """Take one letter, waiting until `until_ms` (None: for ever). Replies with `Letters`."""

    until_ms: int | None = None


@command(Overdue.RUN)
class Letters:
    """The bodies taken; empty when none came in time."""

    bodies: tuple[str, ...]


_LETTERS = """
CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox TEXT NOT NULL,
    payload TEXT NOT NULL,
    cause INTEGER NOT NULL
) STRICT;
CREATE INDEX letters_by_mailbox ON letters (mailbox, id);
"""
_NEXT_LETTER = Statement(
    "mailbox.next_letter", "SELECT id, payload, cause FROM letters WHERE mailbox = ? ORDER BY id LIMIT 1"
)
_NEXT_ID = Statement("mailbox.last_id", "SELECT seq FROM sqlite_sequence WHERE name = 'letters'")
_PUT_LETTER = Statement("mailbox.put_letter", "INSERT INTO letters (mailbox, payload, cause) VALUES (?, ?, ?)")
_DROP_LETTER = Statement("mailbox.drop_letter", "DELETE FROM letters WHERE id = ?")


def _key(arn: str) -> str:
    return f"letters/{arn}"


def _view_post(read: Reader, entry: Entry) -> int:
    row = read.one(_NEXT_ID)
    return 1 + (row[0] if row else 0)


def _decide_post(view: int, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    letter = payload(entry.command.body)
    note = Note(ids.row_id(), "LetterPosted", entry.arn, str(view), entry.cause, {"payload": letter.digest})
    return Decision(
        reply=view,
        writes=[Write(_PUT_LETTER, (entry.arn, letter.digest, note.id))],
        effects=[Wake(_key(entry.arn))],
        notes=[note],
        payloads=[letter],
    )


def _view_delivery(read: Reader, entry: Entry) -> tuple[str, int]:
    found = read.resource(entry.arn)
    return (found.config if found else "open", _view_post(read, entry))


def _decide_delivery(view: tuple[str, int], entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    accepts, number = view
    if accepts == "never":
        return Decision(reply=Refused("AccessDenied", "This mailbox takes nothing.", 403))
    if accepts == "busy":
        return Decision(reply=Refused("Throttled", "This mailbox is busy.", 429, retryable=True))
    details = {
        "payload": entry.command.payload,
        "attempt": entry.command.attempt,
        **dict(entry.command.context),
    }
    note = Note(ids.row_id(), "LetterDelivered", entry.arn, str(number), entry.cause, details)
    return Decision(
        writes=[Write(_PUT_LETTER, (entry.arn, entry.command.payload, note.id))],
        effects=[Wake(_key(entry.arn))],
        notes=[note],
    )


def _view_take(read: Reader, entry: Entry) -> tuple[int, str, int] | None:
    row = read.one(_NEXT_LETTER, entry.arn)
    return None if row is None else (row[0], read.payload(row[1]), row[2])


def _decide_take(view: tuple[int, str, int] | None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    until_ms = entry.command.until_ms
    if view is not None:
        letter, body, cause = view
        note = Note(ids.row_id(), "LetterTaken", entry.arn, str(letter), cause, {"by": ids.uuid("mailbox.taker")})
        return Decision(reply=Letters((body,)), writes=[Write(_DROP_LETTER, (letter,))], notes=[note])
    if until_ms is not None and until_ms <= now_ms:
        return Decision(reply=Letters(()))
    return Decision(reply=PARKED, effects=[Park(_key(entry.arn), entry.command, until_ms)])


def _no_view(read: Reader, entry: Entry) -> None:
    return None


def _decide_put(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    item: PutResource = entry.command
    write = resources.put(
        entry.arn,
        service="mailbox",
        kind="mailbox",
        name=item.name,
        config=item.config,
        declared_by=item.declared_by,
        now_ms=now_ms,
    )
    return Decision(reply=1, writes=[write], touched=[entry.arn])


def _decide_remove(view: None, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    return Decision(writes=[resources.remove(entry.arn)], touched=[entry.arn])


def _describe(read: Reader, arn: str) -> Description | None:
    found = read.resource(arn)
    return None if found is None else Description(arn, "mailbox", fifo=found.config == "fifo")


MAILBOX = Service(
    "mailbox",
    {
        Post: Rule(_view_post, _decide_post),
        Take: Rule(_view_take, _decide_take),
        Delivery: Rule(_view_delivery, _decide_delivery),
        PutResource: Rule(_no_view, _decide_put),
        RemoveResource: Rule(_no_view, _decide_remove),
    },
    migrations=[_LETTERS],
    parsers={"mailbox": lambda config: str(config["accepts"])},
    describe=_describe,
    invariants=[
        Invariant(
            "a letter has a text",
            "SELECT id FROM letters WHERE payload NOT IN (SELECT digest FROM payloads) ORDER BY id",
        )
    ],
    payload_columns=[("letters", "payload")],
    bookkeeping={"LetterPosted": ()},
)

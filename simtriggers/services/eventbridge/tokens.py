"""OAuth tokens of connections: what the authorization endpoint answers, and restarts of requests.

Source: Amazon EventBridge User Guide, "Authorization methods for connections in EventBridge".
"""

from __future__ import annotations

from dataclasses import dataclass

from ...aws.contracts import HttpEnded
from ...aws.json_text import parsed
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store
from .buses import default_bus, make_default
from .http_requests import WAITING, SendingView, Token, failed, send, token_of, wait
from .store import RequestRow


@dataclass(frozen=True, slots=True)
class TokenView:
    """A connection, its token so far, and the requests that wait for one."""

    connection: Resource | None
    token: Token
    incarnation: int
    waiting: tuple[SendingView, ...]


def view_token(read: Reader, entry: Entry) -> TokenView:
    """Who waits for the token of a connection."""
    connection = read.resource(entry.arn)
    state = read.one(store.INCARNATION)
    assert state is not None
    waiting = []
    for row in map(RequestRow._make, read.all(store.AUTHORIZING, entry.arn)):
        destination = read.resource(row.destination)
        waiting.append(SendingView(row, destination, connection, incarnation=state[0], body=read.payload(row.payload)))
    return TokenView(connection, token_of(read, entry.arn), state[0], tuple(waiting))


def decide_token(view: TokenView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """HttpEnded of a request for a token: the requests that waited are sent, or have failed.

    Unverified: that an authorization endpoint without success counts as a connection failure, which is retried.
    """
    ended: HttpEnded = entry.command
    decision = Decision()
    if view.connection is None or not view.token.asked or ended.incarnation != view.incarnation:
        details = {"attempt": ended.attempt, "status": ended.status}
        decision.notes.append(Note(ids.row_id(), "StaleResult", entry.arn, ended.request_id, entry.cause, details))
        return decision
    name = view.connection.name
    token = _read_token(ended, now_ms)
    if token is None:
        reason = ended.error or f"HTTP status {ended.status}"
        note = Note(ids.row_id(), "TokenRefused", entry.arn, name, entry.cause, {"reason": reason})
        decision.notes.append(note)
        decision.writes.append(Write(store.PUT_TOKEN, (entry.arn, None, None, 0)))
        message = f"The connection could not be authorized: {reason}"
        for each in view.waiting:
            assert each.row is not None
            row = each.row._replace(cause=note.id)
            failed(decision, row, "CONNECTION_FAILURE", message, retryable=True, now_ms=now_ms, ids=ids)
        return decision
    note = Note(ids.row_id(), "TokenReceived", entry.arn, name, entry.cause, {"expires_ms": token.expires_ms})
    decision.notes.append(note)
    decision.writes.append(Write(store.PUT_TOKEN, (entry.arn, token.text, token.expires_ms, 0)))
    for each in view.waiting:
        assert each.row is not None
        if each.destination is None:
            message = "The API destination does not exist any more."
            failed(decision, each.row, "NO_RESOURCE", message, retryable=False, now_ms=now_ms, ids=ids)
            continue
        row = each.row._replace(incarnation=view.incarnation, cause=note.id)
        ready = SendingView(row, each.destination, view.connection, token, 0, view.incarnation, each.body)
        send(decision, ready, row, ids=ids)
    return decision


def _read_token(ended: HttpEnded, now_ms: int) -> Token | None:
    """The token of an answer; None when it has none."""
    if not 200 <= ended.status < 300:
        return None
    try:
        found = parsed(ended.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
        return None
    lasts = found.get("expires_in")
    expires_ms = now_ms + int(lasts) * 1000 if isinstance(lasts, int | float) else None
    return Token(found["access_token"], expires_ms)


# --- restarts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestartView:
    """Requests that an older process had sent, of which nobody knows how they ended; whether the default bus is
    there."""

    requests: tuple[RequestRow, ...]
    bus: bool


def view_restarted(read: Reader, entry: Entry) -> RestartView:
    """What an older incarnation left."""
    rows = read.all(store.OLDER_REQUESTS, entry.command.incarnation)
    return RestartView(tuple(map(RequestRow._make, rows)), default_bus(read, entry.arn) is not None)


def decide_restarted(view: RestartView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Send them again, without counting an attempt; make the default bus when it is not there yet."""
    decision = Decision(writes=[Write(store.SET_INCARNATION, (entry.command.incarnation,))])
    decision.writes.append(Write(store.NOTHING_ASKED, ()))
    if not view.bus:
        make_default(decision, entry.arn, now_ms=now_ms)
    for row in view.requests:
        details = {"url": row.destination, "attempt": row.attempt}
        note = Note(ids.row_id(), "HttpRequestInterrupted", row.destination, row.event_id, row.cause, details)
        decision.notes.append(note)
        wait(decision, row._replace(state=WAITING, cause=note.id), now_ms)
    return decision

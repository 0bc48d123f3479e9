"""Which kind of resource a command is about: tables from kinds to what makes and removes them, and takes deliveries."""

from __future__ import annotations

from typing import Any

from ...aws.contracts import Delivery, HttpEnded, PutResource, RemoveResource
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Decide, Description, Reader, Rule, View
from . import archives, buses, destinations, errors, events, http_requests, rules, tokens
from .arns import API_DESTINATION, ARCHIVE, CONNECTION, EVENT_BUS, RULE, kind_of
from .commands import SendRequest

_PUT: dict[str, tuple[View, Decide]] = {
    RULE: (rules.view_rule, rules.decide_put),
    EVENT_BUS: (buses.view_bus, buses.decide_put),
    ARCHIVE: (archives.view_archive, archives.decide_put),
    CONNECTION: (destinations.view_endpoint, destinations.decide_put),
    API_DESTINATION: (destinations.view_endpoint, destinations.decide_put),
}
_REMOVE: dict[str, tuple[View, Decide]] = {
    RULE: (rules.view_rule, rules.decide_remove),
    EVENT_BUS: (buses.view_bus, buses.decide_remove),
    ARCHIVE: (archives.view_archive, archives.decide_remove),
    CONNECTION: (destinations.view_endpoint, destinations.decide_remove),
    API_DESTINATION: (destinations.view_endpoint, destinations.decide_remove),
}
_DELIVERED: dict[str, tuple[View, Decide]] = {
    EVENT_BUS: (events.view_delivery, events.decide_delivery),
    API_DESTINATION: (http_requests.view_delivery, http_requests.decide_delivery),
}
_ENDED: dict[str, tuple[View, Decide]] = {
    API_DESTINATION: (http_requests.view_request, http_requests.decide_ended),
    CONNECTION: (tokens.view_token, tokens.decide_token),
}


def _nothing(read: Reader, entry: Entry) -> None:
    """There is nothing to look at."""


def _refuse(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    what = entry.command.kind if isinstance(entry.command, PutResource) else kind_of(entry.arn) or "resource"
    if isinstance(entry.command, Delivery):
        return Decision(reply=errors.no_such_target(entry.arn))
    return Decision(reply=errors.not_supported(f"A resource {what!r} of EventBridge"))


def _by_kind(table: dict[str, tuple[View, Decide]]) -> Rule:
    """A rule that asks the entry of the resource's kind."""
    refused: tuple[View, Decide] = (_nothing, _refuse)

    def view(read: Reader, entry: Entry) -> Any:
        return table.get(kind_of(entry.arn), refused)[0](read, entry)

    def decide(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
        chosen = table.get(kind_of(entry.arn), refused)[1]
        if isinstance(entry.command, PutResource) and entry.command.kind != kind_of(entry.arn):
            chosen = _refuse
        return chosen(view, entry, now_ms=now_ms, ids=ids)

    return Rule(view, decide)


def describe(read: Reader, arn: str) -> Description | None:
    """What other services may know of a resource of EventBridge: that it exists, and its kind."""
    found = read.resource(arn)
    return None if found is None else Description(arn, found.kind)


RULES = {
    PutResource: _by_kind(_PUT),
    RemoveResource: _by_kind(_REMOVE),
    Delivery: _by_kind(_DELIVERED),
    HttpEnded: _by_kind(_ENDED),
    SendRequest: Rule(http_requests.view_request, http_requests.decide_due),
}

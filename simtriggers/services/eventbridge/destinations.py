"""Connections and API destinations as resources: their settings, what AWS has against them, and requests about them.

Source: Amazon EventBridge API Reference, CreateConnection, CreateApiDestination; User Guide, "API destinations as
targets in Amazon EventBridge".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ...aws.arn import name_of
from ...aws.contracts import PutResource, RemoveResource
from ...aws.limits import Limit, Range
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource, Rule
from . import commands, errors, store
from .archives import decide_list
from .arns import API_DESTINATION, CONNECTION, kind_of
from .checks import DESCRIPTION_CHARACTERS, NAME_CHARACTERS, is_name
from .settings import SERVICE_NAME

BASIC, API_KEY, OAUTH = "BASIC", "API_KEY", "OAUTH_CLIENT_CREDENTIALS"
METHODS = ("POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")
TOKEN_METHODS = ("GET", "POST", "PUT")
RATE = Range(1, 1_000_000, "Amazon EventBridge API Reference, CreateApiDestination")
DEFAULT_RATE = Limit(300, "Amazon EventBridge API Reference, CreateApiDestination")
ENDPOINT_CHARACTERS = Limit(2048, "Amazon EventBridge API Reference, CreateApiDestination")

_ENDPOINT = re.compile(r"https://[^\s/?#]+\S*|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?([/?]\S*)?")
_NEEDED = {
    BASIC: ("username", "password"),
    API_KEY: ("api_key_name", "api_key_value"),
    OAUTH: ("client_id", "client_secret", "authorization_endpoint", "http_method"),
}

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Extra:
    """Headers, query and body members that are added to requests."""

    headers: Pairs = ()
    query: Pairs = ()
    body: Pairs = ()


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How requests are authorized: `kind` is BASIC, API_KEY or OAUTH, `parameters` what it takes; `extra` is added to
    each request, `token_extra` to those for a token."""

    kind: str
    parameters: dict[str, str]
    extra: Extra
    token_extra: Extra
    description: str | None
    stored: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """An HTTP endpoint, whose URL may have `*` for the target's path parameters; `rate` is requests a second."""

    connection: str
    endpoint: str
    method: str
    rate: int
    description: str | None
    stored: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def parse_connection(config: dict[str, Any]) -> ConnectionSettings:
    """A connection's settings from its stored JSON."""
    parameters = config["auth_parameters"]
    return ConnectionSettings(
        kind=config["authorization_type"],
        parameters={name: parameters[name] for name in _NEEDED[config["authorization_type"]]},
        extra=_extra(config.get("invocation_http_parameters")),
        token_extra=_extra(parameters.get("oauth_http_parameters")),
        description=config.get("description"),
        stored=config,
    )


def _extra(found: dict[str, Any] | None) -> Extra:
    given = found or {}
    names = ("header_parameters", "query_string_parameters", "body_parameters")
    return Extra(*(tuple((given.get(name) or {}).items()) for name in names))


def parse_destination(config: dict[str, Any]) -> DestinationSettings:
    """An API destination's settings from its stored JSON."""
    return DestinationSettings(
        connection=config["connection_arn"],
        endpoint=config["invocation_endpoint"],
        method=config["http_method"],
        rate=config.get("invocation_rate_limit_per_second", DEFAULT_RATE),
        description=config.get("description"),
        stored=config,
    )


# --- checks -------------------------------------------------------------------------------------


def endpoint_problem(url: str) -> str | None:
    """Why no API destination can be at this URL, in one sentence; None when one can."""
    if len(url) > ENDPOINT_CHARACTERS:
        return f"the URL has {len(url)} characters, more than {ENDPOINT_CHARACTERS}"
    if not _ENDPOINT.fullmatch(url):
        return f"{url!r} is not a URL of https (or of http, on this machine)"
    return None


def check_connection(name: str, config: dict[str, Any]) -> Refused | None:
    """What AWS has against a connection. Unverified: the texts."""
    refused = _check_name(name, config)
    if refused is not None:
        return refused
    kind, parameters = config["authorization_type"], config["auth_parameters"]
    if kind not in _NEEDED:
        rule = f"Member must satisfy enum value set: [{', '.join(_NEEDED)}]"
        return errors.constraint(kind, "authorizationType", rule)
    absent = [each for each in _NEEDED[kind] if not parameters.get(each)]
    if absent:
        return errors.validation(f"Parameter {absent[0]} must be specified for {kind} authorization.")
    if kind == OAUTH:
        if parameters["http_method"] not in TOKEN_METHODS:
            rule = f"Member must satisfy enum value set: [{', '.join(TOKEN_METHODS)}]"
            return errors.constraint(parameters["http_method"], "authParameters.oAuthParameters.httpMethod", rule)
        if endpoint_problem(parameters["authorization_endpoint"]) is not None:
            return errors.parameter("AuthorizationEndpoint")
    return None


def check_destination(name: str, config: dict[str, Any]) -> Refused | None:
    """What AWS has against an API destination. Unverified: the texts."""
    refused = _check_name(name, config)
    if refused is not None:
        return refused
    if config["http_method"] not in METHODS:
        rule = f"Member must satisfy enum value set: [{', '.join(METHODS)}]"
        return errors.constraint(config["http_method"], "httpMethod", rule)
    if endpoint_problem(config["invocation_endpoint"]) is not None:
        return errors.parameter("InvocationEndpoint")
    rate = config.get("invocation_rate_limit_per_second", DEFAULT_RATE)
    if rate not in RATE:
        rule = f"Member must have value greater than or equal to {RATE.low}"
        return errors.constraint(rate, "invocationRateLimitPerSecond", rule)
    return None


def _check_name(name: str, config: dict[str, Any]) -> Refused | None:
    if not is_name(name):
        rule = rf"Member must have length at most {NAME_CHARACTERS} and satisfy [\.\-_A-Za-z0-9]+"
        return errors.constraint(name, "name", rule)
    text = config.get("description")
    if text is not None and len(text) > DESCRIPTION_CHARACTERS:
        rule = f"Member must have length less than or equal to {DESCRIPTION_CHARACTERS}"
        return errors.constraint(text, "description", rule)
    return None


# --- as resources -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EndpointView:
    """A connection or an API destination (None: there is none), who declared it, and whether the connection that
    it is to have is there."""

    found: Resource | None
    declared_by: str = "sdk"
    connection: bool = True


def view_endpoint(read: Reader, entry: Entry) -> EndpointView:
    """The connection or API destination of an ARN."""
    found = read.resource(entry.arn)
    declared = read.one(store.DECLARED_BY, entry.arn)
    command = entry.command
    named = command.config.get("connection_arn") if isinstance(command, PutResource) else None
    if isinstance(command, commands.PutEndpoint):
        named = command.settings.get("connection_arn")
    there = named is None or read.resource(named) is not None
    return EndpointView(found, "sdk" if declared is None else declared[0], there)


def put_endpoint(
    view: EndpointView, arn: str, config: dict[str, Any], *, declared_by: str, cause: int, now_ms: int, ids: Ids
) -> Decision:
    """Make a connection or API destination, or give it new settings, after all checks. Replies with its revision."""
    kind, name, old = kind_of(arn), name_of(arn), view.found
    refused = check_connection(name, config) if kind == CONNECTION else check_destination(name, config)
    if refused is None and not view.connection:
        refused = errors.not_found(f"Connection {name_of(config['connection_arn'])} does not exist.")
    if refused is not None:
        return Decision(reply=refused)
    if old is not None and old.wired and old.config.stored == config:
        return Decision(reply=old.revision)
    write = resources.put(
        arn, service=SERVICE_NAME, kind=kind, name=name, config=config, declared_by=declared_by, now_ms=now_ms
    )
    # The row shows where requests go and how they are authorized, never with which secret.
    shown = {key: item for key, item in config.items() if key in ("authorization_type", "invocation_endpoint")}
    noted = "EndpointCreated" if old is None else "EndpointChanged"
    decision = Decision(
        reply=1 if old is None else old.revision + 1,
        writes=[write],
        notes=[Note(ids.row_id(), noted, arn, name, cause, {"settings": shown})],
        touched=[arn],
    )
    if kind == CONNECTION:
        decision.writes.append(Write(store.FORGET_TOKEN, (arn,)))
    return decision


def decide_put(view: EndpointView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutResource: replies with the revision."""
    command: PutResource = entry.command
    return put_endpoint(
        view, entry.arn, command.config, declared_by=command.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )


def decide_remove(view: EndpointView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """RemoveResource, DeleteConnection, DeleteApiDestination. Requests under way end as they may."""
    if view.found is None:
        return Decision() if isinstance(entry.command, RemoveResource) else Decision(reply=_missing(entry.arn))
    note = Note(ids.row_id(), "EndpointDeleted", entry.arn, view.found.name, entry.cause)
    forget = store.FORGET_TOKEN if kind_of(entry.arn) == CONNECTION else store.FORGET_PACE
    return Decision(
        writes=[resources.remove(entry.arn), Write(forget, (entry.arn,))], notes=[note], touched=[entry.arn]
    )


def _missing(arn: str) -> Refused:
    noun = "Connection" if kind_of(arn) == CONNECTION else "ApiDestination"
    return errors.not_found(f"{noun} {name_of(arn)} does not exist.")


# --- requests -----------------------------------------------------------------------------------


def decide_request(view: EndpointView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """PutEndpoint: Create and Update of a connection or an API destination; replies with the ARN."""
    command: commands.PutEndpoint = entry.command
    if command.create and view.found is not None:
        noun = "Connection" if kind_of(entry.arn) == CONNECTION else "ApiDestination"
        return Decision(reply=errors.already_exists(f"{noun} {view.found.name}"))
    if not command.create and view.found is None:
        return Decision(reply=_missing(entry.arn))
    config = {**({} if view.found is None else view.found.config.stored), **command.settings}
    decision = put_endpoint(
        view, entry.arn, config, declared_by=view.declared_by, cause=entry.cause, now_ms=now_ms, ids=ids
    )
    if type(decision.reply) is not Refused:
        decision.reply = entry.arn
    return decision


def decide_describe(view: EndpointView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """DescribeEndpoint: replies with EndpointDescription, without secrets."""
    return Decision(reply=_missing(entry.arn) if view.found is None else _description(view.found))


_SECRETS = ("password", "api_key_value", "client_secret")


def _description(found: Resource) -> commands.EndpointDescription:
    settings = dict(found.config.stored)
    if "auth_parameters" in settings:
        settings["auth_parameters"] = {
            name: item for name, item in settings["auth_parameters"].items() if name not in _SECRETS
        }
    state = "AUTHORIZED" if found.kind == CONNECTION else "ACTIVE"
    return commands.EndpointDescription(found.name, found.arn, state, settings)


def view_list(read: Reader, entry: Entry) -> tuple[commands.EndpointDescription, ...]:
    """The connections or API destinations that a list asks for."""
    command: commands.ListEndpoints = entry.command
    kind = CONNECTION if command.connections else API_DESTINATION
    return tuple(_description(each) for each in read.resources(kind) if each.name.startswith(command.name_prefix))


RULES = {
    commands.PutEndpoint: Rule(view_endpoint, decide_request),
    commands.DescribeEndpoint: Rule(view_endpoint, decide_describe),
    commands.DeleteEndpoint: Rule(view_endpoint, decide_remove),
    commands.ListEndpoints: Rule(view_list, decide_list),
}

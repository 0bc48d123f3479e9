"""Event buses, archives, connections and API destinations as people write them in YAML."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ...aws.arn import Names
from ...aws.contracts import PutResource
from ...aws.quantities import Bytes, Settings
from .arns import API_DESTINATION, ARCHIVE, CONNECTION, DEFAULT, EVENT_BUS
from .config import PatternText
from .destinations import API_KEY, BASIC, DEFAULT_RATE, OAUTH, RATE, endpoint_problem
from .settings import PUT_EVENTS_BYTES

Description = Annotated[str, Field(max_length=512)]


class EventBusConfig(Settings):
    """An event bus. `maximum_request_size` is that of PutEvents, and counts on the default bus alone."""

    description: Description | None = None
    dead_letter_target: str | None = None
    maximum_request_size: Annotated[Bytes, Field(ge=1024, le=PUT_EVENTS_BYTES)] = PUT_EVENTS_BYTES


def bus_resource(names: Names, name: str, bus: EventBusConfig) -> tuple[str, PutResource]:
    """The ARN of a bus and the command that makes it."""
    config: dict[str, Any] = {}
    if bus.description is not None:
        config["description"] = bus.description
    if bus.dead_letter_target is not None:
        letters = bus.dead_letter_target
        config["dead_letter_arn"] = letters if letters.startswith("arn:") else names.queue(letters)
    if bus.maximum_request_size != PUT_EVENTS_BYTES:
        config["maximum_request_size"] = bus.maximum_request_size
    return names.event_bus(name), PutResource(EVENT_BUS, name, config)


class ArchiveConfig(Settings):
    """An archive of a bus: the events that it keeps (a pattern; all without one), for how many days (0: for ever)."""

    event_bus_name: str = DEFAULT
    event_pattern: PatternText | None = None
    retention_days: Annotated[int, Field(ge=0, strict=True)] = 0
    description: Description | None = None


def archive_resource(names: Names, name: str, archive: ArchiveConfig) -> tuple[str, PutResource]:
    """The ARN of an archive and the command that makes it."""
    config: dict[str, Any] = {
        "event_source_arn": names.event_bus(archive.event_bus_name),
        "retention_days": archive.retention_days,
    }
    for key in ("event_pattern", "description"):
        if getattr(archive, key) is not None:
            config[key] = getattr(archive, key)
    return names.archive(name), PutResource(ARCHIVE, name, config)


# --- connections --------------------------------------------------------------------------------


def _url(text: str) -> str:
    problem = endpoint_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


Url = Annotated[str, AfterValidator(_url)]


class ExtraParameters(Settings):
    """What a connection adds to requests: texts by name."""

    header_parameters: dict[str, str] = {}
    query_string_parameters: dict[str, str] = {}
    body_parameters: dict[str, str] = {}


class BasicAuth(Settings):
    """The header Authorization of a user's name and password."""

    username: str
    password: str


class ApiKeyAuth(Settings):
    """A header with a key."""

    api_key_name: str
    api_key_value: str


class OauthAuth(Settings):
    """A token that the authorization endpoint gives for a client's id and secret."""

    client_id: str
    client_secret: str
    authorization_endpoint: Url
    http_method: Literal["GET", "POST", "PUT"] = "POST"
    oauth_http_parameters: ExtraParameters | None = None


class ConnectionConfig(Settings):
    """How requests to API destinations are authorized: exactly one of the three."""

    basic: BasicAuth | None = None
    api_key: ApiKeyAuth | None = None
    oauth: OauthAuth | None = None
    invocation_http_parameters: ExtraParameters | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _one(self) -> ConnectionConfig:
        if sum(each is not None for each in (self.basic, self.api_key, self.oauth)) != 1:
            raise ValueError("a connection is authorized by one of basic, api_key, oauth")
        return self


def connection_resource(names: Names, name: str, connection: ConnectionConfig) -> tuple[str, PutResource]:
    """The ARN of a connection and the command that makes it."""
    auth: BasicAuth | ApiKeyAuth | OauthAuth | None = connection.basic or connection.api_key or connection.oauth
    assert auth is not None, "validated: one of them is there"
    kinds = {BasicAuth: BASIC, ApiKeyAuth: API_KEY, OauthAuth: OAUTH}
    config: dict[str, Any] = {
        "authorization_type": kinds[type(auth)],
        "auth_parameters": auth.model_dump(exclude_none=True),
    }
    if connection.invocation_http_parameters is not None:
        config["invocation_http_parameters"] = connection.invocation_http_parameters.model_dump()
    if connection.description is not None:
        config["description"] = connection.description
    return names.connection(name), PutResource(CONNECTION, name, config)


class ApiDestinationConfig(Settings):
    """An HTTP endpoint as a target of rules; `*` in its URL stands for path parameters of the target."""

    connection: str
    invocation_endpoint: Url
    http_method: Literal["POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"] = "POST"
    invocation_rate_limit_per_second: Annotated[int, Field(ge=RATE.low, strict=True)] = int(DEFAULT_RATE)
    description: Description | None = None


def destination_resource(names: Names, name: str, destination: ApiDestinationConfig) -> tuple[str, PutResource]:
    """The ARN of an API destination and the command that makes it."""
    config: dict[str, Any] = {
        "connection_arn": names.connection(destination.connection),
        "invocation_endpoint": destination.invocation_endpoint,
        "http_method": destination.http_method,
        "invocation_rate_limit_per_second": destination.invocation_rate_limit_per_second,
    }
    if destination.description is not None:
        config["description"] = destination.description
    return names.api_destination(name), PutResource(API_DESTINATION, name, config)

"""What a request to an API destination, or for a token, looks like: method, URL, headers and body. Pure.

Source: Amazon EventBridge User Guide, "API destinations as targets in Amazon EventBridge", "Authorization methods for
connections", "Headers in requests to API destinations".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from ...aws.json_text import parsed
from ...kernel.codec import to_json
from .destinations import API_KEY, BASIC, ConnectionSettings, DestinationSettings, Pairs

Shape = tuple[str, str, Pairs, str]
"""Method, URL, headers, body."""

HEADERS: Pairs = (
    ("User-Agent", "Amazon/EventBridge/ApiDestinations"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Range", "bytes=0-1048575"),
    ("Accept-Encoding", "gzip,deflate"),
)
"""What each request has, unless the target or the connection says otherwise."""

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM = ("Content-Type", "application/x-www-form-urlencoded")


def event_request(
    destination: DestinationSettings,
    connection: ConnectionSettings,
    context: Pairs,
    body: str,
    *,
    token: str | None,
) -> Shape:
    """The request for an event whose text is `body`; `context` is the delivery's, with what the rule's target adds.

    What the connection says goes before what the target says. Unverified: requests of GET, HEAD and OPTIONS have no
    body.
    """
    path = [text for name, text in context if name == "http_path"]
    headers = [
        *HEADERS,
        *_after("http_header:", context),
        *connection.extra.headers,
        *_authorization(connection, token),
    ]
    query = [*_after("http_query:", context), *connection.extra.query]
    url = _with_query(_with_path(destination.endpoint, path), _last(query))
    if destination.method in _WITHOUT_BODY:
        body = ""
    elif connection.extra.body:
        body = _with_members(body, connection.extra.body)
    return destination.method, url, _last(headers, fold=True), body


def _after(prefix: str, context: Pairs) -> Pairs:
    return tuple((name.removeprefix(prefix), text) for name, text in context if name.startswith(prefix))


def _authorization(connection: ConnectionSettings, token: str | None) -> Pairs:
    found = connection.parameters
    if connection.kind == BASIC:
        raw = f"{found['username']}:{found['password']}".encode()
        return (("Authorization", f"Basic {base64.b64encode(raw).decode()}"),)
    if connection.kind == API_KEY:
        return ((found["api_key_name"], found["api_key_value"]),)
    return () if token is None else (("Authorization", f"Bearer {token}"),)


def _last(pairs: Iterable[tuple[str, str]], *, fold: bool = False) -> Pairs:
    """Each name once, with its last value, in the order of the first ones; `fold`: in any case."""
    found: dict[str, tuple[str, str]] = {}
    for name, text in pairs:
        key = name.lower() if fold else name
        found[key] = (found[key][0] if key in found else name, text)
    return tuple(found.values())


def _with_path(url: str, values: list[str]) -> str:
    """The URL with each `*` of it replaced by the next value."""
    pieces = url.split("*")
    made = pieces[0]
    for number, piece in enumerate(pieces[1:]):
        made += (quote(values[number], safe="") if number < len(values) else "*") + piece
    return made


def _with_query(url: str, pairs: Pairs) -> str:
    if not pairs:
        return url
    parts = urlsplit(url)
    query = "&".join(text for text in (parts.query, urlencode(pairs, quote_via=quote)) if text)
    return urlunsplit(parts._replace(query=query))


def _with_members(body: str, members: Pairs) -> str:
    """A JSON object with more members; what is no object stays as it is."""
    try:
        found = parsed(body)
    except (ValueError, RecursionError):
        return body
    return to_json({**found, **dict(members)}) if isinstance(found, dict) else body


def token_request(connection: ConnectionSettings) -> Shape:
    """The request of a client-credentials grant: a form, and with GET a query.

    Unverified: where the client's id and secret stand; here in the form, as RFC 6749 allows.
    """
    found, extra = connection.parameters, connection.token_extra
    form = _last(
        [
            ("grant_type", "client_credentials"),
            ("client_id", found["client_id"]),
            ("client_secret", found["client_secret"]),
            *extra.body,
        ]
    )
    method, url = found["http_method"], _with_query(found["authorization_endpoint"], extra.query)
    headers = _last([HEADERS[0], _FORM, *extra.headers], fold=True)
    if method == "GET":
        return method, _with_query(url, form), headers, ""
    return method, url, headers, urlencode(form, quote_via=quote)

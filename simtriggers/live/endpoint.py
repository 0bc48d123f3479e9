"""The live simulator's HTTP endpoint: its health, one scenario step at a time, and the links in SNS messages.

Binds to loopback and answers only requests whose Host is loopback too, so that no web page of another
site can reach it. The AWS wire protocols come with a later version.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from xml.sax.saxutils import escape

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import AwsFault, SimtriggersError, UserError
from ..services.sns.signing import CERTIFICATE, CERTIFICATE_NAME

HOST = "127.0.0.1"
_BODY_LIMIT = 8 * 1024 * 1024


class Steps(Protocol):
    """What the endpoint answers from."""

    def health(self) -> dict[str, Any]:
        """What `GET /_simtriggers/health` shows; answered with 503 until its `status` is `running`."""

    async def step(self, data: Any) -> Any:
        """Carry out one scenario step, given as JSON data; returns a JSON value.

        Raises UserError for a step that is not well-formed, AwsFault for what AWS refuses.
        """

    async def follow_link(self, action: str, parameters: Mapping[str, str]) -> str:
        """What a link of an SNS message does: `ConfirmSubscription` or `Unsubscribe`; returns the subscription's
        ARN. Raises UserError for another action, AwsFault for what AWS refuses."""


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises UserError when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"port {port} cannot be used: {reason}",
            fix="stop the program that uses it, or choose another: --port 0 takes a free one",
        ) from None
    listener.setblocking(False)
    return listener


def application(steps: Steps) -> ASGIApp:
    """The ASGI application over `steps`."""

    async def health(_: Request) -> Response:
        shown = steps.health()
        return JSONResponse(shown, 200 if shown["status"] == "running" else 503)

    async def step(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return _error(400, "the request was cut off")
        if body is None:
            return _error(413, f"the step is larger than {_BODY_LIMIT} bytes")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            return _error(400, f"the body is not JSON: {error}")
        try:
            return JSONResponse({"result": await steps.step(data)})
        except UserError as error:
            return _error(400, error.render())
        except AwsFault as error:
            return _error(error.status, error.message, code=error.code)
        except SimtriggersError as error:
            return _error(503, str(error))

    routes = [
        Route("/_simtriggers/health", health, methods=["GET"]),
        Route("/_simtriggers/steps", step, methods=["POST"]),
    ]
    return _LoopbackOnly(Starlette(routes=[*routes, *_links(steps), _wire(routes)]))


def _links(steps: Steps) -> list[Route]:
    """Where the links in messages of topics lead, and the certificate of their signatures."""

    async def link(request: Request) -> Response:
        query = dict(request.query_params)
        action = query.get("Action", "")
        try:
            arn = await steps.follow_link(action, query)
        except UserError as error:
            return _error(404, error.render())
        except AwsFault as error:
            return _xml(_FAILED.format(code=escape(error.code), message=escape(error.message)), error.status)
        except SimtriggersError as error:
            return _error(503, str(error))
        return _xml(_DONE.format(action=escape(action), arn=escape(arn)))

    async def certificate(_: Request) -> Response:
        return Response(CERTIFICATE, media_type="application/x-pem-file")

    return [
        Route("/", link, methods=["GET"]),
        Route(f"/{CERTIFICATE_NAME}", certificate, methods=["GET"]),
    ]


def _wire(routes: list[Route]) -> Route:
    """What everything else is told: an SDK or the AWS CLI shows it as the error that it is."""

    async def wire(request: Request) -> Response:
        path = request.url.path
        if path.startswith("/_simtriggers/"):
            known = any(path == each.path for each in routes)
            return _error(405 if known else 404, f"{request.method} {path} is not there")
        text = (
            "The AWS wire protocols come with a later version of simtriggers: boto3 and the AWS CLI cannot talk to it"
            " yet. POST a step to /_simtriggers/steps instead."
        )
        if "x-amz-target" in request.headers:
            return JSONResponse({"__type": "NotImplemented", "message": text}, 501)
        return _xml(_FAILED.format(code="NotImplemented", message=text), 501)

    return Route("/{path:path}", wire, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])


_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_DONE = (
    f'<{{action}}Response xmlns="{_NAMESPACE}"><{{action}}Result><SubscriptionArn>{{arn}}</SubscriptionArn>'
    "</{action}Result></{action}Response>"
)
_FAILED = (
    f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{{code}}</Code>'
    "<Message>{message}</Message></Error></ErrorResponse>"
)


def _xml(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/xml")


async def _body(request: Request) -> bytes | None:
    """The whole body; None when it is too large, of which no more than the limit is kept."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _BODY_LIMIT:
            parts.append(chunk)
    return b"".join(parts) if size <= _BODY_LIMIT else None


def _error(status: int, message: str, **more: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, **more}}, status_code=status)


class _LoopbackOnly:
    """Refuses a Host that is not loopback: a page of another site may resolve its own name to 127.0.0.1."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = next((text.decode("latin-1") for name, text in scope["headers"] if name == b"host"), "")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if name.lower() not in ("127.0.0.1", "localhost", "[::1]"):
                await _error(403, f"Host {host!r} is not this machine")(scope, receive, send)
                return
        await self._inner(scope, receive, send)


class Server(uvicorn.Server):
    """uvicorn's server, leaving signals to the simulator."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not touch them."""
        yield

    def hang_up(self) -> None:
        """Close the connections that are still open, whatever goes on in them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def server(steps: Steps) -> Server:
    """A server to `serve(sockets=[…])`. Ends when its `should_exit` is set and all requests are answered
    or hung up."""
    return Server(uvicorn.Config(application(steps), log_level="warning", lifespan="off", access_log=False))

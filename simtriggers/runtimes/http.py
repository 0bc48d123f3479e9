"""How a request to an HTTP target is sent: for real when live, to declared stubs in virtual time."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread

from ..aws.contracts import HttpEnded, HttpRequest
from ..engine.virtual import VirtualEngine

BODY_LIMIT = 64 * 1024
"""How much of a response is kept, in bytes."""


def ended(
    request: HttpRequest,
    *,
    status: int = 0,
    headers: tuple[tuple[str, str], ...] = (),
    body: str = "",
    error: str = "",
    duration_ms: int = 0,
) -> HttpEnded:
    """The end of one attempt of a request."""
    return HttpEnded(
        request.request_id, request.attempt, request.incarnation, status, headers, body, error, duration_ms
    )


def _struck(request: HttpRequest) -> HttpEnded | None:
    """How a request ends that a declared fault keeps from its endpoint; None: it gets there."""
    fault = request.fault
    if fault is None or fault[0] == "slow":
        return None
    if fault[0] == "answers":
        return ended(request, status=int(fault[1]), body="a declared fault", duration_ms=1)
    assert fault[0] == "down", f"{fault!r} is no fault of an endpoint"
    return ended(request, error="connection refused: a declared fault", duration_ms=1)


def _slow_ms(request: HttpRequest) -> int:
    """How much longer the endpoint takes, by a declared fault."""
    return int(request.fault[1]) if request.fault is not None and request.fault[0] == "slow" else 0


# --- virtual ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StubbedResponse:
    """What a stub answers: `status` 0 is no answer at all, after `delay_ms`."""

    status: int = 200
    body: str = ""
    delay_ms: int = 1
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class HttpStub:
    """Answers requests whose URL starts with `url`; the last of `responses` repeats. `received` are the
    requests so far, for expectations."""

    url: str
    responses: tuple[StubbedResponse, ...] = (StubbedResponse(),)
    received: list[HttpRequest] = field(default_factory=list)


class VirtualHttp:
    """Answers from stubs. A URL without a stub does not resolve: nothing leaves the machine."""

    def __init__(self, engine: VirtualEngine) -> None:
        self.stubs: list[HttpStub] = []
        self._engine = engine

    def start(self, request: HttpRequest) -> None:
        """Answer a request, after the stub's delay or at the request's own limit. One that a fault strikes does not
        reach the stub."""
        struck = _struck(request)
        if struck is not None:
            self._end(request, struck, struck.duration_ms)
            return
        stub = next((each for each in self.stubs if request.url.startswith(each.url)), None)
        if stub is None:
            self._end(request, ended(request, error="no stub is declared for this URL"), 1)
            return
        answer = stub.responses[min(len(stub.received), len(stub.responses) - 1)]
        stub.received.append(request)
        delay_ms = answer.delay_ms + _slow_ms(request)
        if answer.status == 0 or delay_ms > request.timeout_ms:
            late = ended(request, error="timeout", duration_ms=request.timeout_ms)
            self._end(request, late, request.timeout_ms)
        else:
            done = ended(request, status=answer.status, headers=answer.headers, body=answer.body, duration_ms=delay_ms)
            self._end(request, done, delay_ms)

    def _end(self, request: HttpRequest, end: HttpEnded, after_ms: int) -> None:
        engine = self._engine
        engine.resume_at(engine.now_ms + max(1, after_ms), lambda: engine.answered(request, end))


# --- live ---------------------------------------------------------------------------------------


class LiveHttp:
    """Sends requests from worker threads; redirects are not followed."""

    async def run(self, request: HttpRequest) -> HttpEnded:
        """Send a request and wait for its end; never raises for what the network does."""
        struck = _struck(request)
        if struck is not None:
            return struck
        began = time.monotonic()
        seconds = request.timeout_ms / 1000
        end: HttpEnded | None = None
        with anyio.move_on_after(seconds + 0.05):
            if slow_ms := _slow_ms(request):
                await anyio.sleep(slow_ms / 1000)
            send = partial(_send, request, seconds)
            end = await anyio.to_thread.run_sync(send, abandon_on_cancel=True)
        took_ms = round((time.monotonic() - began) * 1000)
        if end is None:
            return ended(request, error="timeout", duration_ms=took_ms)
        return end


def _send(request: HttpRequest, seconds: float) -> HttpEnded:
    began = time.monotonic()

    def end(**what: Any) -> HttpEnded:
        return ended(request, duration_ms=round((time.monotonic() - began) * 1000), **what)

    url = urlsplit(request.url)
    secure = url.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection = kind(url.hostname or "", url.port, timeout=seconds)
        try:
            connection.request(request.method, path, request.body.encode(), dict(request.headers))
            response = connection.getresponse()
            body = response.read(BODY_LIMIT).decode("utf-8", "replace")
            headers = tuple(response.getheaders())
            return end(status=response.status, headers=headers, body=body)
        finally:
            connection.close()
    except TimeoutError:
        return end(error="timeout")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return end(error=f"{type(error).__name__}: {error}")

"""Requests to HTTP targets: stubs in virtual time, a real local server live."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import anyio
import pytest

from simtriggers.aws.contracts import HttpEnded, HttpRequest
from simtriggers.engine.faults import EndpointFault, FaultPlan
from simtriggers.engine.virtual import VirtualEngine
from simtriggers.kernel.codec import Overdue, command
from simtriggers.kernel.effects import Decision, Http, Note
from simtriggers.kernel.service import Rule, Service
from simtriggers.runtimes.http import HttpStub, LiveHttp, StubbedResponse
from simtriggers.runtimes.virtual import VirtualRuntimes

ARN = "arn:aws:client:us-east-1:123456789012:one"


@command(Overdue.RUN)
class Ask:
    """Send a request."""

    request: HttpRequest


def request(url: str, *, timeout_ms: int = 1000) -> HttpRequest:
    return HttpRequest("r-1", 1, 1, ARN, "POST", url, (("X-Test", "yes"),), '{"a":1}', timeout_ms, 7)


def ask(view: Any, entry: Any, *, now_ms: int, ids: Any) -> Decision:
    return Decision(effects=[Http(entry.command.request, 7)])


def note_end(view: Any, entry: Any, *, now_ms: int, ids: Any) -> Decision:
    ended: HttpEnded = entry.command
    details = {"status": ended.status, "error": ended.error, "body": ended.body, "ms": ended.duration_ms}
    return Decision(notes=[Note(ids.row_id(), "Ended", entry.arn, ended.request_id, entry.cause, details)])


def no_view(read: Any, entry: Any) -> None:
    return None


CLIENT = Service("client", {Ask: Rule(no_view, ask), HttpEnded: Rule(no_view, note_end)})


@pytest.mark.parametrize(
    ("url", "stubs", "expected", "after_ms"),
    [
        ("http://a/x", [StubbedResponse(200, "ok", 5)], {"status": 200, "error": "", "body": "ok", "ms": 5}, 5),
        ("http://a/x", [StubbedResponse(503)], {"status": 503, "error": "", "body": "", "ms": 1}, 1),
        ("http://a/x", [StubbedResponse(0)], {"status": 0, "error": "timeout", "body": "", "ms": 1000}, 1000),
        (
            "http://a/x",
            [StubbedResponse(200, "late", 5000)],
            {"status": 0, "error": "timeout", "body": "", "ms": 1000},
            1000,
        ),
        (
            "http://b/",
            [StubbedResponse()],
            {"status": 0, "error": "no stub is declared for this URL", "body": "", "ms": 0},
            1,
        ),
    ],
)
def test_a_stub_answers_in_virtual_time(
    url: str, stubs: list[StubbedResponse], expected: dict[str, Any], after_ms: int
) -> None:
    engine = VirtualEngine([CLIENT], start_ms=0, seed=1)
    runtimes = VirtualRuntimes(engine)
    engine.runtime = runtimes
    runtimes.http.stubs.append(HttpStub("http://a/", tuple(stubs)))
    engine.ask(ARN, Ask(request(url)))
    assert engine.run_until_idle().now_ms == after_ms
    engine.flush()
    rows = engine.connection.execute("SELECT kind, cause, details FROM trace ORDER BY id").fetchall()
    assert [(kind, cause) for kind, cause, _ in rows] == [("Ended", 7)]
    assert json.loads(rows[0][2]) == expected
    runtimes.close()


def test_the_last_response_of_a_stub_repeats() -> None:
    engine = VirtualEngine([CLIENT], start_ms=0, seed=1)
    runtimes = VirtualRuntimes(engine)
    engine.runtime = runtimes
    stub = HttpStub("http://a/", (StubbedResponse(500), StubbedResponse(200)))
    runtimes.http.stubs.append(stub)
    for _ in range(3):
        engine.ask(ARN, Ask(request("http://a/")))
        engine.run_until_idle()
    engine.flush()
    details = [row[0] for row in engine.connection.execute("SELECT details FROM trace ORDER BY id")]
    assert [json.loads(text)["status"] for text in details] == [500, 200, 200]
    assert [one.body for one in stub.received] == ['{"a":1}'] * 3
    runtimes.close()


class Echo(BaseHTTPRequestHandler):
    """Answers with what it got."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(202)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers['X-Test']} {body}".encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    listening = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()


def test_a_real_server_answers_live(server: str) -> None:
    done = anyio.run(LiveHttp().run, request(f"{server}/hook?x=1", timeout_ms=60_000))
    assert (done.status, done.body, done.error) == (202, '/hook?x=1 yes {"a":1}', "")


def test_nobody_listens_live() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = request(f"http://127.0.0.1:{bound.getsockname()[1]}/", timeout_ms=60_000)
        done = anyio.run(LiveHttp().run, closed)
    assert done.status == 0
    assert done.error.startswith("ConnectionRefusedError")


FAULTS = [
    (("answers", "503"), {"status": 503, "error": "", "body": "a declared fault", "ms": 1}, 1, 0),
    (("down",), {"status": 0, "error": "connection refused: a declared fault", "body": "", "ms": 1}, 1, 0),
    (("slow", "400"), {"status": 200, "error": "", "body": "", "ms": 401}, 401, 1),
    (("slow", "999"), {"status": 200, "error": "", "body": "", "ms": 1000}, 1000, 1),
    (("slow", "1000"), {"status": 0, "error": "timeout", "body": "", "ms": 1000}, 1000, 1),
]


@pytest.mark.parametrize(("fault", "expected", "after_ms", "received"), FAULTS)
def test_a_declared_fault_in_virtual_time(
    fault: tuple[str, ...], expected: dict[str, Any], after_ms: int, received: int
) -> None:
    engine = VirtualEngine([CLIENT], start_ms=0, seed=1)
    runtimes = VirtualRuntimes(engine)
    engine.runtime = runtimes
    stub = HttpStub("http://a/")
    runtimes.http.stubs.append(stub)
    engine.faults = FaultPlan(endpoints=(EndpointFault("http://a/", fault, 0, 1),))
    for number in range(2):
        engine.ask(ARN, Ask(request("http://a/x")))
        assert engine.run_until_idle().now_ms == after_ms + number
    engine.flush()
    details = [json.loads(row[0]) for row in engine.connection.execute("SELECT details FROM trace ORDER BY id")]
    assert details == [expected, {"status": 200, "error": "", "body": "", "ms": 1}], "the fault is over by then"
    assert len(stub.received) == received + 1
    runtimes.close()


def test_declared_faults_mean_the_same_live(server: str) -> None:
    for fault, expected, _, received in FAULTS[:3]:
        struck = replace(request(f"{server}/hook", timeout_ms=60_000), fault=fault)
        done = anyio.run(LiveHttp().run, struck)
        if received:
            assert done.status == 202
        else:
            assert (done.status, done.error, done.body) == (expected["status"], expected["error"], expected["body"])

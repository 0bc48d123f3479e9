"""The endpoint of a running simulator: health, steps and what it refuses. One simulator for all tests."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import Up, project, simtriggers, up, wait_for

pytestmark = pytest.mark.live

YAML = """\
buckets:
  uploads: {folder: ./uploads}
  inside: {}
queues:
  orders: {}
  orders-dlq: {}
functions:
  echo: {handler: handlers.echo, timeout: 1m}
  fails: {handler: handlers.fails, timeout: 1m}
  parse:
    handler: handlers.parse
    triggers: [{s3: uploads, events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]
"""
HANDLERS = """\
def echo(event, context):
    print("echoed")
    return event

def fails(event, context):
    raise ValueError("no")

def parse(event, context):
    pass
"""


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = project(tmp_path_factory.mktemp("endpoint"), YAML, handlers=HANDLERS)
    with up(folder, "--no-reload") as running:
        yield running
        assert running.stop() == 0, running.screen()
        assert not [line for line in running.err if "Traceback" in line or "ERROR" in line], running.screen()


def about(sim: Up, key: str) -> list[str]:
    """The kinds of the rows about a key, once everything that was asked for before has been carried out."""
    sim.step(invoke={"function": "echo", "invocation_type": "RequestResponse"})
    rows = sim.rows("SELECT kind FROM trace WHERE subject = ? AND kind LIKE 'Object%' ORDER BY id", key)
    return [kind for (kind,) in rows]


def barrier(sim: Up, name: str) -> None:
    """Wait until the folder's watcher has reported a file that is dropped now."""
    (sim.folder / "uploads" / name).write_text("barrier")
    wait_for(lambda: about(sim, name), f"a row about {name}", seen=sim.screen)


# --- health ---------------------------------------------------------------------------------------


def test_health(sim: Up) -> None:
    found = sim.health()
    assert found["time"].endswith("Z")
    assert {name: found[name] for name in found if name not in ("time", "version")} == {
        "status": "running",
        "speed": 1.0,
        "state": str(sim.state),
        "process": sim.process.pid,
        "buckets": ["uploads", "inside"],
        "queues": ["orders", "orders-dlq"],
        "functions": ["echo", "fails", "parse"],
        "running": [],
    }


# --- what is carried out --------------------------------------------------------------------------


def test_send_message(sim: Up) -> None:
    result = sim.step(send_message={"queue": "orders", "body": {"id": 1}})
    assert result["md5_of_body"] == "d2ce28b9a7fd7e4407e2b0fd499b7fe4"
    assert sim.noted("MessageSent")[-1][1] == result["message_id"]


def test_a_put_object_is_a_file_and_one_event(sim: Up) -> None:
    result = sim.step(put_object={"bucket": "uploads", "key": "in/ä b.csv", "body": "12345"})
    assert result["etag"] == "827ccb0eea8a706c4c34a16891f84e7b"
    assert (sim.folder / "uploads" / "in" / "ä b.csv").read_text() == "12345"
    barrier(sim, "after-put")
    assert about(sim, "in/ä b.csv") == ["ObjectCreated"]


def test_a_delete_object_takes_the_file_away_in_one_event(sim: Up) -> None:
    sim.step(put_object={"bucket": "uploads", "key": "gone.csv", "body": "x"})
    deleted = sim.step(delete_object={"bucket": "uploads", "key": "gone.csv"})
    assert deleted == {"existed": True, "version_id": None, "delete_marker": False}
    assert not (sim.folder / "uploads" / "gone.csv").exists()
    barrier(sim, "after-delete")
    assert about(sim, "gone.csv") == ["ObjectCreated", "ObjectRemoved"]


def test_keys_that_cannot_be_files(sim: Up) -> None:
    for key in ("a", "a/b", "folder/", "../outside", "x" * 900):
        sim.step(put_object={"bucket": "uploads", "key": key, "body": "x"})
        assert about(sim, key) == ["ObjectCreated"], key
    assert not (sim.folder / "outside").exists()


def test_a_bucket_without_a_folder(sim: Up) -> None:
    sim.step(put_object={"bucket": "inside", "key": "k", "size": "1KB"})
    assert sim.rows("SELECT size FROM s3_objects WHERE key = 'k' ORDER BY size") == [(1024,)]


def test_invoke(sim: Up) -> None:
    result = sim.step(invoke={"function": "echo", "event": {"ä": [1, None]}, "invocation_type": "RequestResponse"})
    assert (result["status_code"], result["payload"], result["function_error"]) == (200, {"ä": [1, None]}, None)
    assert "echoed" in result["log_tail"]
    failed = sim.step(invoke={"function": "fails", "invocation_type": "RequestResponse"})
    assert failed["function_error"] == "Unhandled"
    assert failed["payload"]["errorMessage"] == "no"
    event = sim.step(invoke={"function": "echo", "event": 1})
    assert (event["status_code"], event["payload"]) == (202, None)
    sim.saw("echoed")


def test_times(sim: Up) -> None:
    results = sim.step(times=3, send_message={"queue": "orders-dlq", "body": "number {n}"})
    assert len({result["message_id"] for result in results}) == 3
    bodies = sim.rows(
        "SELECT body FROM sqs_messages JOIN payloads ON digest = payload WHERE queue LIKE '%:orders-dlq' ORDER BY seq"
    )
    assert bodies == [("number 1",), ("number 2",), ("number 3",)]


def test_many_at_once(sim: Up) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda number: sim.send("orders", f"at once {number}"), range(100)))
    assert len(set(ids)) == 100


def test_advance_by_step_and_by_command(sim: Up) -> None:
    before = sim.health()["time"]
    reached = sim.step(advance="1h")["time"]
    assert before < reached <= sim.health()["time"]
    done = simtriggers("advance", "2h", "--port", str(sim.port), "--json", folder=sim.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["time"] > reached
    said = simtriggers("advance", "1s", "--port", str(sim.port), folder=sim.folder)
    assert said.stdout.startswith("it is 2")


def test_advance_says_what_is_wrong(sim: Up) -> None:
    done = simtriggers("advance", "soon", "--port", str(sim.port), folder=sim.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'soon' is not a duration" in done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        done = simtriggers("advance", "1s", "--port", str(port), folder=sim.folder)
    assert done.returncode == 2
    assert "start one with `simtriggers up`" in done.stderr


def test_half_a_surrogate_pair(sim: Up) -> None:
    for bucket in ("uploads", "inside"):
        sim.step(put_object={"bucket": bucket, "key": "half", "body": "\ud800"})
    result = sim.step(invoke={"function": "echo", "event": "\ud800", "invocation_type": "RequestResponse"})
    assert result["status_code"] == 200


# --- what is refused ------------------------------------------------------------------------------

REFUSED: list[tuple[Any, str]] = [
    ({}, "a step is one act, found none"),
    ([], "step"),
    ("send", "step"),
    (None, "step"),
    ({"send_message": {"queue": "orders", "body": 1}, "advance": "1s"}, "found send_message and advance"),
    ({"send_mesage": {"queue": "orders"}}, "send_message"),
    ({"send_message": {"queue": "order", "body": 1}}, "did you mean 'orders'?"),
    ({"send_message": {"queue": "orders"}}, "body"),
    ({"send_message": {"queue": "orders", "body": ""}}, "MessageBody"),
    ({"send_message": {"queue": "orders", "body": "\ud800"}}, "Invalid characters"),
    ({"send_message": {"queue": "\ud800", "body": "x"}}, "no queue"),
    ({"put_object": {"bucket": "upload", "key": "a", "body": ""}}, "did you mean 'uploads'?"),
    ({"put_object": {"bucket": "uploads", "key": "\ud800", "body": ""}}, "is no Unicode text"),
    ({"delete_object": {"bucket": "uploads", "key": "\ud800"}}, "is no Unicode text"),
    ({"put_object": {"bucket": "uploads", "key": "", "body": ""}}, "key"),
    ({"put_object": {"bucket": "uploads", "key": "x" * 1025, "body": ""}}, "key is too long"),
    ({"put_object": {"bucket": "uploads", "key": "a", "file": "not-there.csv"}}, "not-there.csv"),
    ({"delete_object": {"bucket": "nothing", "key": "a"}}, "no bucket 'nothing'"),
    ({"invoke": {"function": "ecko"}}, "did you mean 'echo'?"),
    ({"advance": "soon"}, "soon"),
    ({"advance": "-1s"}, "-1s"),
    ({"restart": True}, "stop it and start it again"),
    ({"at": "30s", "send_message": {"queue": "orders", "body": 1}}, "leave at and after out"),
    ({"put_item": {}}, "comes with a later version"),
    ({"put_events": [{}]}, "put_events is a list; expected is a mapping"),
    ({"publish": {"topic": "t", "message": "x"}}, "the project has no topic 't'"),
]


@pytest.mark.parametrize("step, part", REFUSED, ids=[part for _, part in REFUSED])
def test_a_wrong_step_is_refused_with_what_to_do(sim: Up, step: Any, part: str) -> None:
    status, answer = sim.post(step)
    assert status in (400, 404), (status, answer)
    assert part in answer["error"]["message"]
    assert "Traceback" not in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
def test_what_is_no_json(sim: Up, body: bytes) -> None:
    status, answer = sim.request("POST", "/_simtriggers/steps", body)
    assert (status, answer["error"]["message"].partition(":")[0]) == (400, "the body is not JSON")


def test_a_step_that_is_too_large(sim: Up) -> None:
    status, answer = sim.request("POST", "/_simtriggers/steps", b" " * (8 * 1024 * 1024 + 1))
    assert (status, answer) == (413, {"error": {"message": "the step is larger than 8388608 bytes"}})


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]:80", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
def test_only_requests_for_this_machine_are_answered(sim: Up, host: str, status: int) -> None:
    assert sim.request("GET", "/_simtriggers/health", host=host)[0] == status
    body = json.dumps({"advance": "1ms"}).encode()
    assert sim.request("POST", "/_simtriggers/steps", body, host=host)[0] == status


def test_other_paths_and_methods(sim: Up) -> None:
    assert sim.request("GET", "/")[0] == 404
    assert sim.request("GET", "/_simtriggers/dance")[0] == 404
    assert sim.request("GET", "/_simtriggers/steps")[0] == 405
    assert sim.request("POST", "/_simtriggers/health", b"{}")[0] == 405


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("PUT", "/uploads/a.csv"), ("GET", "/uploads?list-type=2")]
)
def test_the_wire_protocols_are_named_as_not_there_yet(sim: Up, method: str, path: str) -> None:
    status, answer = sim.request(method, path, b"" if method != "GET" else None)
    assert status == 501
    assert "_simtriggers/steps" in str(answer)


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="asks Linux")
def test_it_listens_on_loopback_alone(sim: Up) -> None:
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    listening = {words[1] for words in lines if words[3] == "0A" and words[1].endswith(f":{sim.port:04X}")}
    assert listening == {f"0100007F:{sim.port:04X}"}


def test_callers_that_go_away(sim: Up) -> None:
    cut = socket.create_connection(("127.0.0.1", sim.port))
    cut.sendall(b"POST /_simtriggers/steps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    cut.close()
    left = http.client.HTTPConnection("127.0.0.1", sim.port)
    left.request("POST", "/_simtriggers/steps", json.dumps({"invoke": {"function": "echo"}}).encode())
    left.close()
    assert sim.health()["status"] == "running"

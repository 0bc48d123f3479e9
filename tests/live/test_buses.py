"""Event buses live: an API destination that really fails, or is silent, and comes back; rules off and on, a replay."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import project, up
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.live
Inbox = queue.SimpleQueue[tuple[int, dict[str, str], dict[str, Any]]]


@pytest.fixture
def partner() -> Iterator[tuple[str, Inbox]]:
    """An HTTP server that answers its first request with 500, all later ones with 200, and none to /silent at first."""
    inbox: Inbox = queue.SimpleQueue()
    statuses = iter([500])
    over = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = next(statuses, 200)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.put((status, dict(self.headers), json.loads(body)))
            if status == 500 and self.path == "/silent":
                over.wait(PATIENCE_S)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", inbox
    over.set()
    server.shutdown()
    server.server_close()


def test_events_reach_an_endpoint_that_fails_at_first(tmp_path: Path, partner: tuple[str, Inbox]) -> None:
    url, inbox = partner
    text = f"""
event_buses: {{shop: {{}}}}
archives: {{kept: {{event_bus_name: shop}}}}
connections: {{c: {{api_key: {{api_key_name: x-key, api_key_value: made-up}}}}}}
api_destinations: {{orders: {{connection: c, invocation_endpoint: '{url}/orders'}}}}
rules:
  tell:
    event_bus_name: shop
    event_pattern: {{detail: {{total: [{{numeric: ['>', 10]}}]}}}}
    targets: [{{api_destination: orders}}]
"""
    with up(project(tmp_path, text, handlers=""), "--no-reload") as sim:
        order = {"event_bus": "shop", "source": "shop", "detail_type": "order"}
        put = sim.step(put_events={**order, "detail": {"total": 20}})
        assert put["failed_entry_count"] == 0
        first, again = inbox.get(timeout=PATIENCE_S), inbox.get(timeout=PATIENCE_S)
        assert (first[0], again[0]) == (500, 200)
        assert first[2] == again[2]
        assert (again[2]["id"], again[1]["x-key"]) == (put["entries"][0]["event_id"], "made-up")
        sim.step(put_events={**order, "detail": {"total": 5}})
        sim.step(disable_rule={"rule": "tell", "event_bus": "shop"})
        sim.step(put_events={**order, "detail": {"total": 30}})
        sim.step(enable_rule={"rule": "tell", "event_bus": "shop"})
        sim.step(start_replay={"archive": "kept", "name": "again"})
        replayed = [inbox.get(timeout=PATIENCE_S)[2] for _ in range(2)]
        assert {event["replay-name"] for event in replayed} == {"again"}
        assert sorted(event["detail"]["total"] for event in replayed) == [20, 30]
        assert sim.stop() == 0
    assert inbox.empty()


def test_a_silent_endpoint_is_given_up_after_five_seconds_and_asked_again(
    tmp_path: Path, partner: tuple[str, Inbox]
) -> None:
    url, inbox = partner
    text = f"""
connections: {{c: {{api_key: {{api_key_name: x-key, api_key_value: made-up}}}}}}
api_destinations: {{orders: {{connection: c, invocation_endpoint: '{url}/silent'}}}}
rules: {{tell: {{event_pattern: {{source: [shop]}}, targets: [{{api_destination: orders}}]}}}}
"""
    with up(project(tmp_path, text, handlers=""), "--no-reload") as sim:
        sim.step(put_events={"source": "shop", "detail_type": "order", "detail": {"total": 20}})
        first = inbox.get(timeout=PATIENCE_S)
        asked = time.monotonic()
        again = inbox.get(timeout=PATIENCE_S)
        assert time.monotonic() - asked > 5
        assert first[2] == again[2]
        assert sim.stop() == 0


def test_an_archive_keeps_its_events_until_it_is_pruned(tmp_path: Path) -> None:
    text = """
queues: {q: {}}
event_buses: {shop: {}}
archives: {kept: {event_bus_name: shop}}
connections: {c: {api_key: {api_key_name: x-key, api_key_value: made-up}}}
api_destinations: {orders: {connection: c, invocation_endpoint: 'http://127.0.0.1:9/'}}
rules: {tell: {event_bus_name: shop, event_pattern: {source: [shop]}, targets: [{queue: q}]}}
"""
    archived, buses = "SELECT count(*) FROM events_archived", "SELECT name FROM resources WHERE kind = 'event_bus'"
    with up(project(tmp_path, text, handlers=""), "--no-reload") as sim:
        sim.step(put_events={"event_bus": "shop", "source": "shop", "detail_type": "order", "detail": {"total": 20}})
        sim.noted("MessageSent", 1)
        assert sim.stop() == 0
    (tmp_path / "simtriggers.yaml").write_text("queues: {q: {}}\n")
    with up(tmp_path, "--no-reload") as sim:
        assert sim.rows(archived) == [(1,)]
        assert sim.stop() == 0
    with up(tmp_path, "--no-reload", "--prune") as sim:
        assert sim.rows(archived) == [(0,)]
        assert sim.rows(buses) == [("default",)]
        assert sim.rows("SELECT count(*) FROM resources WHERE kind NOT IN ('event_bus', 'queue')") == [(0,)]
        assert sim.stop() == 0

"""A topic live: a real HTTP endpoint is asked to confirm, confirms by the link it was sent, and gets messages
whose signatures verify with the certificate that the simulator serves."""

from __future__ import annotations

import base64
import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1

from tests.live.running import project, up
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.live
Inbox = queue.SimpleQueue[tuple[str, dict[str, Any]]]


@pytest.fixture
def endpoint() -> Iterator[tuple[str, Inbox]]:
    inbox: Inbox = queue.SimpleQueue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.put((self.headers["x-amz-sns-message-type"], json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", inbox
    server.shutdown()
    server.server_close()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return bytes(answer.read())


def test_an_endpoint_confirms_and_gets_messages_that_verify(tmp_path: Path, endpoint: tuple[str, Inbox]) -> None:
    url, inbox = endpoint
    folder = project(tmp_path, f"topics: {{news: {{subscriptions: [{{endpoint: '{url}'}}]}}}}\n", handlers="")
    with up(folder, "--no-reload") as sim:
        kind, asked = inbox.get(timeout=PATIENCE_S)
        assert (kind, asked["Type"]) == ("SubscriptionConfirmation", "SubscriptionConfirmation")
        assert b"<SubscriptionArn>arn:aws:sns:" in fetch(asked["SubscribeURL"])
        sim.step(publish={"topic": "news", "subject": "today", "message": "it works"})
        kind, message = inbox.get(timeout=PATIENCE_S)
        assert (kind, message["Subject"], message["Message"]) == ("Notification", "today", "it works")
        certificate = x509.load_pem_x509_certificate(fetch(message["SigningCertURL"]))
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        signed = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
        signature = base64.b64decode(message["Signature"])
        certificate.public_key().verify(signature, signed, padding.PKCS1v15(), SHA1())  # raises when it does not
        fetch(message["UnsubscribeURL"])
        assert inbox.get(timeout=PATIENCE_S)[0] == "UnsubscribeConfirmation"
        sim.step(publish={"topic": "news", "message": "nobody gets this"})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{message['UnsubscribeURL'].split('/?')[0]}/?Action=Dance")
        assert inbox.empty()
        assert sim.stop() == 0

"""The demo: a project live on real files, then the same project in virtual time. Checks itself as it goes.

Run by `make demo`. Works on a copy in a temporary folder, takes under half a minute, exits 0 when every
part of the story happened exactly as AWS would have it.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SPEED = 60
PATIENCE_S = 120.0


def say(text: str = "") -> None:
    """Print a line of the story."""
    print(text, flush=True)


def title(text: str) -> None:
    """Print the head of a chapter."""
    say(f"\n== {text}")


class Trace:
    """The trace of the running simulator, read from its state file as any other program could."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def rows(self, kind: str, **details: Any) -> list[dict[str, Any]]:
        """Rows of a kind whose details hold these values."""
        with sqlite3.connect(f"file:{self._state}?mode=ro", uri=True) as db:
            found = db.execute("SELECT id, at_ms, arn, subject, details FROM trace WHERE kind = ? ORDER BY id", (kind,))
            rows = [
                {"id": row[0], "at_ms": row[1], "arn": row[2], "subject": row[3], **json.loads(row[4])} for row in found
            ]
        return [row for row in rows if all(row.get(name) == value for name, value in details.items())]

    def payload(self, digest: str) -> Any:
        """A stored payload, parsed."""
        with sqlite3.connect(f"file:{self._state}?mode=ro", uri=True) as db:
            return json.loads(db.execute("SELECT body FROM payloads WHERE digest = ?", (digest,)).fetchone()[0])


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """Wait until `found()` is true, and return it; fail with `what` after a while."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit(f"demo: this did not happen in {PATIENCE_S:.0f} s: {what}")


def check(what: str, holds: bool, seen: object = "") -> None:
    """Print a fact of the story that was read off the trace; fail when it does not hold."""
    say(f"   {'ok ' if holds else 'NO '} {what}")
    if not holds:
        raise SystemExit(f"demo: {what}: {seen}")


class Simulator:
    """`simtriggers up` in a subprocess."""

    def __init__(self, project: Path) -> None:
        command = [sys.executable, "-m", "simtriggers", "up", str(project), "--port", "0", "--speed", str(SPEED)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url = ""
        self._up = threading.Event()
        threading.Thread(target=self._show, daemon=True).start()
        if not self._up.wait(PATIENCE_S) or self.process.poll() is not None:
            raise SystemExit("demo: the simulator did not come up")

    def _show(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            say("   " + line.rstrip())
            if "http://127.0.0.1:" in line and not self.url:
                self.url = "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split()[0].strip("/")
            if self.url and "Ctrl-C" in line:
                self._up.set()
        self._up.set()

    def step(self, step: dict[str, Any]) -> Any:
        """Carry out one scenario step."""
        request = urllib.request.Request(f"{self.url}/_simtriggers/steps", json.dumps(step).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)["result"]

    def stop(self) -> int:
        """Ctrl-C, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


def live(project: Path) -> None:
    """The live part of the story."""
    title(f"live, at {SPEED} times the speed of the clock: simtriggers up --speed {SPEED}")
    simulator = Simulator(project)
    trace = Trace(project / ".simtriggers" / "state.db")
    try:
        title("two files are dropped into uploads/: good.csv, and bad.csv which is empty")
        (project / "uploads" / "good.csv").write_text("id,quantity\n1,2\n")
        (project / "uploads" / "bad.csv").write_text("")
        wait_for("good.csv parsed", lambda: [r for r in trace.rows("LogLines") if "parsed good.csv" in str(r)])
        title("three orders are sent to a queue; the second is poison")
        for order in ({"id": 1, "quantity": 2}, {"id": 2, "quantity": 0}, {"id": 3, "quantity": 1}):
            simulator.step({"send_message": {"queue": "orders", "body": order}})
        poison = wait_for("the poison order moved", lambda: trace.rows("MessageMovedToDeadLetterQueue"))
        wait_for("bad.csv given up", lambda: trace.rows("DestinationSent"))
        wait_for("the schedule fired", lambda: len(trace.rows("ScheduleFired")) >= 2)
        wait_for("the failed upload in its queue", lambda: _failed_upload(trace))
    finally:
        code = simulator.stop()
    title("what the trace says")
    check("Ctrl-C ended it cleanly, with exit code 0", code == 0, code)
    _check_files(trace)
    _check_orders(trace, poison[0])
    fired = trace.rows("ScheduleFired")
    check("the schedule fired, for whole minutes", all(row["scheduled"].endswith(":00Z") for row in fired), fired)
    title(f"why is order 2 in the dead-letter queue? simtriggers why {poison[0]['subject']}")
    run("why", poison[0]["subject"], "--state", str(project / ".simtriggers" / "state.db"))


def _failed_upload(trace: Trace) -> list[dict[str, Any]]:
    return [row for row in trace.rows("MessageSent") if row["arn"].endswith(":failed-uploads")]


def _check_files(trace: Trace) -> None:
    records = [trace.payload(row["payload"])["Records"][0] for row in trace.rows("NotificationMatched")]
    sizes = {record["s3"]["object"]["key"]: record["s3"]["object"]["size"] for record in records}
    check("one S3 record for each file, with its key and final size", sizes == {"good.csv": 16, "bad.csv": 0}, sizes)
    check("each is an ObjectCreated:Put", {record["eventName"] for record in records} == {"ObjectCreated:Put"})
    etags = {record["s3"]["object"]["key"]: record["s3"]["object"]["eTag"] for record in records}
    check("the empty file has the MD5 of nothing", etags["bad.csv"] == "d41d8cd98f00b204e9800998ecf8427e", etags)
    failed = [row for row in trace.rows("InvocationFailed") if row["arn"].endswith(":parse")]
    check("bad.csv failed three times", len(failed) == 3, failed)
    retries = trace.rows("RetryScheduled")
    delays = [row["due_ms"] - row["at_ms"] for row in retries]
    check("its retries were due 60 s and 120 s after the failures", delays == [60_000, 120_000], delays)
    letter = trace.payload(_failed_upload(trace)[0]["payload"])
    condition = letter["requestContext"]["condition"]
    check("its destination got the envelope, with condition RetriesExhausted", condition == "RetriesExhausted", letter)


def _check_orders(trace: Trace, poison: dict[str, Any]) -> None:
    failed = {row["subject"] for row in trace.rows("RecordFailed")}
    check("of their batch only the poison order came back", failed == {poison["subject"]}, failed)
    received = trace.rows("MessageReceived")
    counts = [row["receive_count"] for row in received if row["subject"] == poison["subject"]]
    check("the poison order was received three times, and moved by the fourth receive", counts == [1, 2, 3], counts)
    orders = {row["subject"] for row in trace.rows("MessageSent") if row["arn"].endswith(":orders")}
    done = {row["subject"] for row in trace.rows("MessageDeleted")}
    check("the two good orders were shipped and deleted", orders - done == {poison["subject"]}, orders - done)


def run(*arguments: str, cwd: Path | None = None) -> None:
    """Run a simtriggers command and show what it prints; fail with it."""
    ended = subprocess.run(
        [sys.executable, "-m", "simtriggers", *arguments], cwd=cwd, text=True, capture_output=True, check=False
    )
    for line in (ended.stdout + ended.stderr).rstrip().splitlines():
        say("   " + line)
    if ended.returncode:
        raise SystemExit(f"demo: simtriggers {arguments[0]} ended with exit code {ended.returncode}")


def main() -> None:
    """Tell the story."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="simtriggers-demo-") as folder:
        project = Path(folder) / "project"
        shutil.copytree(HERE / "project", project, ignore=shutil.ignore_patterns("__pycache__", ".simtriggers", "uploads"))
        (project / "uploads").mkdir()
        title("the wiring: simtriggers plan")
        run("plan", str(project))
        live(project)
        title("the same project in virtual time, six hours of it: simtriggers test scenarios/")
        run("test", "scenarios", cwd=project)
    title(f"done in {time.monotonic() - began:.1f} s")
    say("   Where to look next:")
    say("     examples/demo/project   the project you just saw; its handlers know nothing of simtriggers")
    say("     simtriggers init mine   makes one like it; then: cd mine && simtriggers test && simtriggers up")
    if shutil.which("simtriggers") is None:
        say(f"                             (first, so that the shell finds it: export PATH={Path(sys.executable).parent}:$PATH)")
    say("     README.md, docs/        the scenario language, the Python API, pytest, what differs from AWS")


if __name__ == "__main__":
    main()

"""The real command in a process of its own: started, spoken to over HTTP, read by its screen and state file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tests.patience import PATIENCE_S

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "simtriggers"]
_URL = re.compile(r"is up on http://127\.0\.0\.1:(\d+)")


def wait_for(
    condition: Callable[[], T], what: str = "", *, seconds: float = PATIENCE_S, seen: Callable[[], str] = str
) -> T:
    """What `condition` returns as soon as it is true. Fails after `seconds`, saying what was `seen`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}\n{seen()}"
        time.sleep(0.005)


def environment(**more: str) -> dict[str, str]:
    """This process's variables, so that a fresh interpreter finds the package of this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


def simtriggers(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """One command that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Up:
    """`simtriggers up` on the project in `folder`; its screen is read while it runs."""

    def __init__(self, folder: Path, *arguments: str, variables: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*COMMAND, "up", *([] if "--port" in arguments else ["--port", "0"]), *arguments],
            cwd=folder,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self.port = 0
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in iter(stream.readline, ""):
                lines.append(line)
                found = _URL.search(line)
                if found is not None:
                    self.port = int(found[1])

    # --- its life -------------------------------------------------------------------------------

    def ready(self, seconds: float = PATIENCE_S) -> Up:
        """Wait until it says that it is up."""
        wait_for(lambda: self.port or self.process.poll() is not None, "up", seconds=seconds, seen=self.screen)
        assert self.port, f"it ended:\n{self.screen()}"
        return self

    def kill(self) -> None:
        """End it at once, as `kill -9` does, whatever it is doing."""
        self.process.kill()
        self.wait()

    def stop(self, number: int = signal.SIGINT, *, seconds: float = PATIENCE_S) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Wait for its end; returns its exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    # --- what it shows --------------------------------------------------------------------------

    def screen(self) -> str:
        """All that it has printed."""
        return "".join([*self.out, "--- stderr\n", *self.err])

    def saw(self, text: str, count: int = 1) -> str:
        """Wait until so many printed lines hold a text; returns the last of them."""

        def found() -> str:
            lines = [line for line in [*self.out, *self.err] if text in line]
            return lines[-1] if len(lines) >= count else ""

        return wait_for(found, f"{count} × {text!r}", seen=self.screen)

    # --- HTTP -----------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, body: bytes | None = None, *, host: str | None = None, seconds: float = PATIENCE_S
    ) -> tuple[int, Any]:
        """Status and JSON of one request. Raises OSError or HTTPException when it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, {} if host is None else {"Host": host})
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw.decode("utf-8", "replace")

    def post(self, step: Any, *, seconds: float = PATIENCE_S) -> tuple[int, Any]:
        """Status and answer of one step."""
        return self.request("POST", "/_simtriggers/steps", json.dumps(step).encode(), seconds=seconds)

    def step(self, **step: Any) -> Any:
        """The result of one step, which must be carried out."""
        status, answer = self.post(step)
        assert status == 200, answer
        return answer["result"]

    def refused(self, **step: Any) -> str:
        """The message with which a step is refused."""
        status, answer = self.post(step)
        assert status >= 400, answer
        return str(answer["error"]["message"])

    def send(self, queue: str, body: Any) -> str:
        """Send a message; returns its id."""
        return str(self.step(send_message={"queue": queue, "body": body})["message_id"])

    def health(self) -> dict[str, Any]:
        """What it says about itself."""
        status, answer = self.request("GET", "/_simtriggers/health")
        assert status == 200
        return dict(answer)

    # --- its state file -------------------------------------------------------------------------

    @property
    def state(self) -> Path:
        """Its state file, unless it was given another."""
        return self.folder / ".simtriggers" / "state.db"

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of its state file."""
        return query(self.state, sql, *parameters)

    def trace(self, kind: str) -> list[tuple[int, str, dict[str, Any]]]:
        """(at_ms, subject, details) of all trace rows of a kind."""
        found = self.rows("SELECT at_ms, subject, details FROM trace WHERE kind = ? ORDER BY id", kind)
        return [(at_ms, subject, json.loads(details)) for at_ms, subject, details in found]

    def noted(self, kind: str, count: int = 1, **details: Any) -> list[tuple[int, str, dict[str, Any]]]:
        """Wait until there are so many trace rows of a kind with these details; returns them."""

        def found() -> list[tuple[int, str, dict[str, Any]]]:
            rows = [row for row in self.trace(kind) if details.items() <= row[2].items()]
            return rows if len(rows) >= count else []

        return wait_for(found, f"{count} × {kind} {details}", seen=self.screen)


def query(state: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a state file, as any other program reads it."""
    with contextlib.closing(sqlite3.connect(state)) as connection:
        return connection.execute(sql, parameters).fetchall()


@contextlib.contextmanager
def up(folder: Path, *arguments: str, **variables: str) -> Iterator[Up]:
    """`simtriggers up`, ready, for the length of a block; killed at its end if it still runs."""
    running = Up(folder, *arguments, variables=variables)
    try:
        yield running.ready()
    finally:
        running.kill()


def project(folder: Path, yaml: str, **files: str) -> Path:
    """Write a project; returns its folder. `files` are Python modules by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "simtriggers.yaml").write_text(yaml)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder

"""How long `simtriggers --help` takes, against a Python that does nothing; and `simtriggers up` on a small project.

`up` runs as a process of its own on a fresh state: from its start to its first answer over HTTP, and the memory that
it holds a moment later, with nothing to do. Goals of `up` are absolute.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .report import Result, interleaved

_STARTS = 3
_ROUNDS = 7
_UPS = 5
_IDLE_S = 2.0
_DEADLINE_S = 60.0
_ROOT = Path(__file__).parents[1]

_PROJECT = """
buckets:
  uploads: {folder: uploads}
queues:
  ingest: {visibility_timeout: 60s}
functions:
  parse:
    handler: handlers.parse
    triggers:
      - {sqs: ingest, batch_size: 10}
      - {s3: uploads}
"""
_HANDLER = "def parse(event, context):\n    return len(event['Records'])\n"


def _command() -> list[str]:
    script = Path(sys.executable).with_name("simtriggers")
    return [str(script)] if script.exists() else [sys.executable, "-m", "simtriggers"]


def _help() -> Result:
    def starts(*arguments: str) -> int:
        for _ in range(_STARTS):
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        return _STARTS

    ours, bare = interleaved(
        lambda: starts(*_command(), "--help"),
        lambda: starts(sys.executable, "-c", "pass"),
        rounds=_ROUNDS,
    )
    name, reference = "start-up: simtriggers --help", "python -c pass"
    return Result(name, 1000 / ours, "ms", reference, 1000 / bare, 8, 5, higher_is_better=False)


# --- simtriggers up -----------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def _up(folder: Path, port: int) -> Iterator[int]:
    """The process id of a fresh `up` on that port."""
    (folder / "uploads").mkdir()
    (folder / "simtriggers.yaml").write_text(_PROJECT, encoding="utf-8")
    (folder / "handlers.py").write_text(_HANDLER, encoding="utf-8")
    # The interpreter's path holds this checkout, wherever the command runs.
    variables = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [*_command(), "up", "--port", str(port)]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=variables, stdin=nowhere, stdout=nowhere, stderr=nowhere) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_DEADLINE_S)


def _first_answer(port: int) -> None:
    """Return when the endpoint has answered that it is well."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        try:
            connection.request("GET", "/_simtriggers/health")
            if connection.getresponse().status == 200:
                return
        except ConnectionError:
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.002)
    raise AssertionError(f"`simtriggers up` gave no answer within {_DEADLINE_S:g} s")


def _resident_bytes(process_id: int) -> int | None:
    """The memory of a process; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _starts_of_up() -> list[Result]:
    seconds: list[float] = []
    memory: list[int] = []
    for number in range(_UPS):
        with tempfile.TemporaryDirectory() as folder:
            port = _free_port()
            began = time.perf_counter()
            with _up(Path(folder), port) as process_id:
                _first_answer(port)
                seconds.append(time.perf_counter() - began)
                if number == 0:
                    time.sleep(_IDLE_S)
                    memory += [each for each in (_resident_bytes(process_id),) if each is not None]
    took = statistics.median(seconds)
    results = [Result("simtriggers up: start to first answer", took, "s", "goal", 0.6, 1.0, 0.5, False)]
    if memory:
        results.append(Result("its memory when idle", memory[0] / 2**20, "MiB", "goal", 70, 1.0, 50 / 70, False))
    return results


def run() -> list[Result]:
    """`--help` in turns with a bare interpreter, then some starts of `up`."""
    return [_help(), *_starts_of_up()]

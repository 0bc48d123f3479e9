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
def _up(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A fresh `up` on that port."""
    (folder / "uploads").mkdir()
    (folder / "simtriggers.yaml").write_text(_PROJECT, encoding="utf-8")
    (folder / "handlers.py").write_text(_HANDLER, encoding="utf-8")
    # This checkout, wherever the command runs, with modules that are compiled once, as they are when installed.
    variables = {**os.environ, "PYTHONPATH": str(_ROOT)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [*_command(), "up", "--port", str(port)]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=variables, stdin=nowhere, stdout=nowhere, stderr=nowhere) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_DEADLINE_S)


def _runs_on(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let time pass. Raises AssertionError when the process has ended by then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"`simtriggers up` ended with exit code {process.returncode}")


def _first_answer(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when the endpoint has answered that it is well."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        try:
            connection.request("GET", "/_simtriggers/health")
            if connection.getresponse().status == 200:
                return
        except ConnectionError:
            _runs_on(process, 0.002)  # it does not listen yet
        finally:
            connection.close()
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
            with _up(Path(folder), port) as process:
                _first_answer(process, port)
                if number == 0:  # which had modules to compile, perhaps
                    _runs_on(process, _IDLE_S)
                    memory += [each for each in (_resident_bytes(process.pid),) if each is not None]
                else:
                    seconds.append(time.perf_counter() - began)
    took = statistics.median(seconds)
    results = [Result("simtriggers up: start to first answer", took, "s", "goal", 0.6, 1.0, 0.5, False)]
    if memory:
        results.append(Result("its memory when idle", memory[0] / 2**20, "MiB", "goal", 70, 1.0, 50 / 70, False))
    return results


def run() -> list[Result]:
    """`--help` in turns with a bare interpreter, then some starts of `up`."""
    return [_help(), *_starts_of_up()]

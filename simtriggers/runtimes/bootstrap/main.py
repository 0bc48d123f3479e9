"""The process of one execution environment: imports the handler once, then runs it for each event.

Run by its path as `python main.py REQUESTS ANSWERS LIFE`: three inherited pipes. Frames are a length of
four bytes and JSON. Standard output and error are a pipe of their own, into which log events that hold
several lines go as frames (`LOG_MARK`, length, text). When the other end of LIFE is gone, so is simtriggers,
and this process ends with all that it started.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

LOG_MARK = b"\x00\xa5\x5asim"

_SHIFT = 0 if sys.platform == "darwin" else 10  # ru_maxrss is in bytes on macOS, in KB elsewhere


def _load_runtime() -> Any:
    """The shared module, under a private name, so that a user's module of the same name is not hidden."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lambda_runtime.py")
    spec = importlib.util.spec_from_file_location("_simtriggers_lambda_runtime", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Channel:
    """Frames over two pipes."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = os.fdopen(requests, "rb")
        self._answers = answers

    def receive(self) -> dict[str, Any] | None:
        """The next frame; None when no more will come."""
        head = self._requests.read(4)
        if len(head) < 4:
            return None
        body = self._requests.read(int.from_bytes(head, "big"))
        frame: dict[str, Any] = json.loads(body)
        return frame

    def send(self, frame: dict[str, Any]) -> None:
        """Write one frame."""
        body = json.dumps(frame).encode()
        _write_all(self._answers, len(body).to_bytes(4, "big") + body)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


class Environment:
    """The imported handler and what its invocations share."""

    def __init__(self, runtime: Any, channel: Channel, init: dict[str, Any]) -> None:
        self.runtime = runtime
        self.channel = channel
        self.names = runtime.Names(init["code_uri"])
        self.handler_name: str = init["handler"]
        self.request_id = ""
        self.function: Any = None

    def log_event(self, text: str) -> None:
        """Write one log event of any number of lines, after what was printed before it."""
        flush()
        body = text.encode("utf-8", "replace")
        _write_all(1, LOG_MARK + len(body).to_bytes(4, "big") + body)

    def init(self) -> bool:
        """Import the module; False when that failed, which is then reported."""
        import logging

        logging.Formatter.converter = time.gmtime
        logging.getLogger().addHandler(self.runtime.LogHandler(self.log_event, lambda: self.request_id))
        began = time.perf_counter_ns()
        try:
            module, function = self.runtime.split_handler(self.handler_name)
            found = self.runtime.import_handler_module(module, self.names)
            self.function = self.runtime.handler_of(found, module, function)
        except Exception as error:
            document = self.runtime.error_document(error, self.names, "")
            self.log_event(self.runtime.error_log(document))
            self._send("init_error", self.runtime.marshal(document), began)
            return False
        self._send("ready", None, began)
        return True

    def invoke(self, frame: dict[str, Any]) -> None:
        """Run the handler once and answer. SystemExit and its like go through and end the process."""
        runtime = self.runtime
        self.request_id = frame["context"]["request_id"]
        began = time.perf_counter_ns()
        status, payload = runtime.attempt(
            self.function,
            frame["event"],
            lambda: runtime.LambdaContext(frame["context"], lambda: time.time_ns() // 1_000_000, self.log_event),
            names=self.names,
            request_id=self.request_id,
            write=self.log_event,
        )
        self._send(status, payload, began)

    def _send(self, status: str, payload: str | None, began: int) -> None:
        flush()
        duration_us = (time.perf_counter_ns() - began) // 1000
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << _SHIFT >> 10
        self.channel.send({"status": status, "payload": payload, "us": duration_us, "peak_kb": peak_kb})


def flush() -> None:
    """Hand on what is still in Python's buffers; a stream that the handler closed is left alone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (ValueError, OSError, AttributeError):
            continue


def _end_with(life: int) -> None:
    while os.read(life, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Serve until the requests end."""
    requests, answers, life = (int(text) for text in sys.argv[1:4])
    for fd in (requests, answers, life):
        os.set_inheritable(fd, False)
    threading.Thread(target=_end_with, args=(life,), name="simtriggers-life", daemon=True).start()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(  # type: ignore[union-attr]
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
    runtime = _load_runtime()
    channel = Channel(requests, answers)
    init = channel.receive()
    if init is None:
        return
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [init["code_uri"], *(path for path in sys.path if os.path.abspath(path or ".") != here)]
    sys.argv = [init["handler"]]
    if hasattr(time, "tzset"):
        time.tzset()
    runtime.guard_botocore(lambda: True)
    environment = Environment(runtime, channel, init)
    if not environment.init():
        sys.exit(1)
    while True:
        frame = channel.receive()
        if frame is None:
            return
        environment.invoke(frame)


if __name__ == "__main__":
    main()

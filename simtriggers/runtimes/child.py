"""One subprocess of the process runtime: its pipes, its frames, its log, its end.

Lives on the asyncio loop; a thread of its own waits for the process, so that none is left as a zombie.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..aws.contracts import Start
from .bootstrap.main import LOG_MARK
from .surroundings import process_variables

_MAIN = str(Path(__file__).parent / "bootstrap" / "main.py")
_HEAD = len(LOG_MARK) + 4


class ExitedEarly(Exception):
    """The process ended before it answered; `status` as subprocess has it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the process ended with status {status}")
        self.status = status


def spawn(start: Start, folder: Path, log: Callable[[str], None]) -> Child:
    """Start the process of an environment. Raises OSError when that is not possible."""
    requests, answers, life, output = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    theirs = (requests[0], answers[1], life[0], output[1])
    ours = (requests[1], answers[0], life[1], output[0])
    variables = process_variables(
        start, home=str(folder / "home"), folder=str(folder), path=os.environ.get("PATH", os.defpath)
    )
    command = [start.code.python or sys.executable, _MAIN, *(str(fd) for fd in theirs[:3])]
    spawned_ns = time.perf_counter_ns()

    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output[1],
            stderr=output[1],
            env=variables,
            cwd=start.code.code_uri if os.path.isdir(start.code.code_uri) else None,
            pass_fds=theirs[:3],
            start_new_session=True,
        )
    except OSError:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    return Child(process, ours, start, log, spawned_ns)


class Child:
    """The near end of one process. `log` gets its lines; `dead` once it has ended or was killed."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        pipes: tuple[int, int, int, int],
        start: Start,
        log: Callable[[str], None],
        spawned_ns: int,
    ) -> None:
        self.function_name = start.function_name
        self.log = log
        self.spawned_ns = spawned_ns
        self.init_frame = json.dumps({"code_uri": start.code.code_uri, "handler": start.code.handler}).encode()
        self.dead = False
        self.peak_mb = 0
        self._process = process
        self._requests, self._answers, self._life, self._output = pipes
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[dict[str, Any] | int | None] | None = None
        self._unsent = memoryview(b"")
        self._frames = bytearray()
        self._printed = bytearray()
        self._closed = False
        self._reaped = False
        self._gone: asyncio.Future[None] = self._loop.create_future()
        for fd in (self._requests, self._answers, self._output):
            os.set_blocking(fd, False)
        self._loop.add_reader(self._answers, self._read_answers)
        self._loop.add_reader(self._output, self._read_output)
        threading.Thread(target=self._reap, name=f"simtriggers-{process.pid}", daemon=True).start()

    # --- asking ---------------------------------------------------------------------------------

    async def ask(self, body: bytes, limit_s: float) -> dict[str, Any] | None:
        """Send a frame and wait for its answer; None when `limit_s` passed. Raises ExitedEarly."""
        if self._gone.done():
            raise ExitedEarly(self._process.returncode)
        waiting: asyncio.Future[dict[str, Any] | int | None] = self._loop.create_future()
        self._waiting = waiting
        timer = self._loop.call_later(max(0.0, limit_s), _settle, waiting, None)
        try:
            self._send(len(body).to_bytes(4, "big") + body)
            answer = await waiting
        finally:
            timer.cancel()
            self._waiting = None
        self._read_output()
        if answer is None:
            self.kill()
            self._flush_output()
            return None
        self._flush_output()
        if isinstance(answer, int):
            raise ExitedEarly(answer)
        self.peak_mb = int(answer["peak_kb"]) // 1024
        return answer

    def _send(self, data: bytes) -> None:
        idle = not self._unsent
        self._unsent = memoryview(bytes(self._unsent) + data)
        if idle:
            self._write()

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")  # it is gone: the thread that waits for it will tell
        if self._unsent:
            self._loop.add_writer(self._requests, self._write)
        else:
            self._loop.remove_writer(self._requests)

    def _read_answers(self) -> None:
        try:
            data = os.read(self._answers, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._answers)
            return
        self._frames += data
        while len(self._frames) >= 4:
            end = 4 + int.from_bytes(self._frames[:4], "big")
            if len(self._frames) < end:
                return
            frame = json.loads(bytes(self._frames[4:end]))
            del self._frames[:end]
            if self._waiting is not None:
                _settle(self._waiting, frame)

    # --- log ------------------------------------------------------------------------------------

    def _read_output(self) -> None:
        """Take what was written so far: lines, and log events of several lines in their frames."""
        while not self._closed:
            try:
                data = os.read(self._output, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                self._loop.remove_reader(self._output)
                break
            self._printed += data
        self._take_lines()

    def _take_lines(self) -> None:
        printed = self._printed
        while printed:
            mark = printed.find(LOG_MARK)
            newline = printed.find(b"\n", 0, mark if mark >= 0 else len(printed))
            if newline >= 0:
                self._take_line(newline + 1)
            elif mark > 0:
                self._take_line(mark)
            elif mark == 0:
                end = _HEAD + int.from_bytes(printed[len(LOG_MARK) : _HEAD], "big")
                if len(printed) < max(end, _HEAD):
                    return
                text = bytes(printed[_HEAD:end]).decode("utf-8", "replace")
                del printed[:end]
                self.log(text)
            else:
                return

    def _take_line(self, end: int) -> None:
        text = bytes(self._printed[:end]).decode("utf-8", "replace")
        del self._printed[:end]
        self.log(text)

    def _flush_output(self) -> None:
        """A last line without a newline counts as one when the invocation has ended."""
        if self._printed:
            self._take_line(len(self._printed))

    # --- the end --------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the process and all of its group, now."""
        self._kill_group()
        self._close_pipes()

    def _kill_group(self) -> None:
        if not self._reaped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def has_gone(self) -> bool:
        """Whether the process has ended."""
        return self._gone.done()

    async def gone(self) -> None:
        """Wait until the process has ended."""
        await self._gone

    def _reap(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            # What it started may still run: it belongs to the environment, and ends with it.
            self._kill_group()
        self._reaped = True
        status = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._exited, status)

    def _exited(self, status: int) -> None:
        if not self._closed:
            self._read_answers()
        self._close_pipes()
        _settle(self._gone, None)
        if self._waiting is not None:
            _settle(self._waiting, status)

    def _close_pipes(self) -> None:
        self.dead = True
        if self._closed:
            return
        self._read_output()
        self._closed = True
        for fd in (self._answers, self._output):
            self._loop.remove_reader(fd)
        self._loop.remove_writer(self._requests)
        for fd in (self._requests, self._answers, self._output, self._life):
            os.close(fd)


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)

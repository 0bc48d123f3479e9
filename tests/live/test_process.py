"""Handlers in subprocesses: isolated, really ended, never left over."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended
from simtriggers.runtimes.process import ProcessRuntime
from tests.patience import PATIENCE_S
from tests.runtimes import support
from tests.runtimes.support import START_MS, texts

FOLDER = "processes"
pytestmark = pytest.mark.live
start_of = functools.partial(support.start_of, timeout_ms=60_000)


def _with(body: Callable[[ProcessRuntime], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        runtime = ProcessRuntime(lambda: START_MS, **settings)
        try:
            await body(runtime)
        finally:
            await runtime.aclose(grace_s=0)
        assert not await _children(), "a process was left over"

    async def _children() -> str:
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text() if sys.platform == "linux" else ""

    asyncio.run(run())


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _ends(pids: list[int], within_s: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + within_s
    while any(_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _answer(ended: Ended) -> Any:
    assert ended.status == "ok", ended
    return json.loads(ended.payload_text or "")


def test_an_environment_stays_warm_until_it_is_cold_again() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        first = await runtime.run(start_of(FOLDER, "app.counts"))
        second = await runtime.run(start_of(FOLDER, "app.counts", cold=False))
        other = await runtime.run(start_of(FOLDER, "app.counts", environment_id="env-2"))
        third = await runtime.run(start_of(FOLDER, "app.counts"))
        answers = [_answer(ended) for ended in (first, second, other, third)]
        assert [answer["count"] for answer in answers] == [1, 2, 1, 1]
        assert answers[0]["pid"] == answers[1]["pid"] != answers[3]["pid"]
        assert _ends([answers[0]["pid"]])
        assert first.init_duration_us > 0 and second.init_duration_us == 0
        assert 0 < second.duration_us <= 60_000_000
        assert 1 < second.max_memory_mb <= 128

    _with(body)


def test_each_environment_has_a_folder_of_its_own_however_many_have_ended() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        folders = []
        for number in range(6):
            ended = await runtime.run(start_of(FOLDER, "app.describes", environment_id=f"env-{number}"))
            folders.append(_answer(ended)["temporary"])
            if number % 2:
                await runtime.close(f"env-{number - 1}")
        assert len(set(folders)) == 6
        assert [os.path.exists(folder) for folder in folders] == [False, True] * 3

    _with(body)


def test_output_is_cut_into_lines_and_streamed() -> None:
    streamed: list[str] = []

    async def body(runtime: ProcessRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, "app.prints"))
        assert texts(ended) == [
            "first\n",
            "from C\n",
            "error\n",
            "from a child\n",
            "größer multi\n",
            "line\n",
            "no newline",
        ]
        assert texts(ended) == streamed

    _with(body, on_log=lambda start, at_ms, text: streamed.append(text))


def test_more_than_the_pipes_hold() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        event = json.dumps({"lines": 5000, "body": "y" * 1_000_000})
        ended = await runtime.run(start_of(FOLDER, "app.floods", event=event))
        assert _answer(ended) == "y" * 1_000_000
        assert len(ended.logs) == 5000
        assert ended.logs[-1] == (START_MS, f"4999 {'x' * 100}\n")

    _with(body)


def test_timeout_ends_a_runaway_and_its_children(tmp_path: Path) -> None:
    async def body(runtime: ProcessRuntime) -> None:
        event = json.dumps({"file": str(tmp_path / "pids")})
        for timeout_ms in (300, 3_000, 30_000):
            began = time.monotonic()
            ended = await runtime.run(start_of(FOLDER, "app.runs_away", event=event, timeout_ms=timeout_ms))
            assert time.monotonic() - began >= timeout_ms / 1000
            if ended.logs:
                break  # else the machine was too busy for it to come so far
        pids = [int(text) for text in (tmp_path / "pids").read_text().split()]
        assert _ends(pids)
        assert (ended.status, ended.keep, ended.duration_us) == ("timeout", False, timeout_ms * 1000)
        assert f"Task timed out after {timeout_ms / 1000:.2f} seconds" in str(ended.payload_text)
        assert texts(ended) == ["before\n"]
        again = await runtime.run(start_of(FOLDER, "app.counts", cold=False))
        assert _answer(again)["count"] == 1
        assert again.init_duration_us > 0

    _with(body)


@pytest.mark.parametrize(
    "handler,reason",
    [
        ("app.os_exits", "Runtime exited with error: exit status 9"),
        ("app.kills_itself", "Runtime exited with error: signal: killed"),
    ],
)
def test_a_process_that_ends(handler: str, reason: str) -> None:
    async def body(runtime: ProcessRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, handler))
        assert (ended.status, ended.keep) == ("exit", False)
        assert json.loads(ended.payload_text or "") == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: req-1 Error: {reason}",
        }
        if handler == "app.os_exits":
            assert texts(ended) == ["going\n"]

    _with(body)


def test_what_a_handler_started_ends_with_its_environment() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        pid = _answer(await runtime.run(start_of(FOLDER, "app.leaves_a_child")))
        assert _alive(pid)
        await runtime.close("env-1")
        assert _ends([pid])

    _with(body)


def test_initialisation_beyond_its_limit_runs_again_in_the_invocation() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, "slow_init.handler"))
        assert _answer(ended) == "ready"
        assert ended.init_duration_us == 200_000
        assert ended.duration_us > 400_000
        ended = await runtime.run(start_of(FOLDER, "slow_init.handler", timeout_ms=150))
        assert (ended.status, ended.init_duration_us, ended.duration_us) == ("timeout", 200_000, 150_000)

    _with(body, init_limit_s=0.2)


def test_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    for name, text in (("HOME", str(tmp_path)), ("AWS_SECRET_ACCESS_KEY", "real"), ("AWS_PROFILE", "real")):
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("OF_THE_MACHINE", "x")

    async def body(runtime: ProcessRuntime) -> None:
        start = start_of(FOLDER, "app.describes")
        seen = _answer(await runtime.run(start))
        environ = seen["environ"]
        assert environ["TABLE"] == "orders"
        assert environ["AWS_SECRET_ACCESS_KEY"] == "simtriggers/not/a/real/secret/key0000000"
        assert not {"AWS_PROFILE", "OF_THE_MACHINE"} & environ.keys()
        assert not seen["home"]
        assert seen["folder"] == seen["first"] == environ["LAMBDA_TASK_ROOT"] == start.code.code_uri
        assert seen["temporary"] == environ["TMPDIR"]
        assert environ["HOME"].startswith(environ["TMPDIR"])
        assert not os.path.exists(environ["AWS_SHARED_CREDENTIALS_FILE"])
        assert seen["modules"] == ["_simtriggers_lambda_runtime"]
        other = _answer(await runtime.run(start_of(FOLDER, "app.describes", environment_id="env-2")))
        assert other["temporary"] != seen["temporary"]
        await runtime.close("env-1")
        assert not os.path.exists(seen["temporary"])

    _with(body)


def test_boto3_fails_at_once_and_says_so() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, "app.calls_aws", timeout_ms=20_000))
        error = json.loads(ended.payload_text or "")
        assert error["errorType"] == "NotConnected"
        assert "boto3 calls from handlers are not connected yet" in error["errorMessage"]

    _with(body)


def test_remaining_time_is_real_time() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        assert 0 < _answer(await runtime.run(start_of(FOLDER, "app.remaining", deadline_ms=1))) <= 60_000

    _with(body)


def test_an_interpreter_that_is_not_there() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        ended = await runtime.run(start_of(FOLDER, "app.counts", python="/no/such/python"))
        assert (ended.status, ended.keep) == ("error", False)
        assert json.loads(ended.payload_text or "") == {
            "errorMessage": "RequestId: req-1 Error: fork/exec /no/such/python: No such file or directory",
            "errorType": "Runtime.InvalidEntrypoint",
        }

    _with(body)


def test_running_handlers_finish_within_the_grace_time() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        await runtime.run(start_of(FOLDER, "app.sleeps", event='{"s": 0}'))
        quick = asyncio.create_task(runtime.run(start_of(FOLDER, "app.sleeps", event='{"s": 0.2}', cold=False)))
        await asyncio.sleep(0.05)
        await runtime.forget("work")
        await runtime.aclose(grace_s=PATIENCE_S)
        ended = await quick
        assert (_answer(ended), ended.keep) == ("slept", False)

    _with(body)


def test_a_handler_that_does_not_finish_in_time_is_ended() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        slow = asyncio.create_task(runtime.run(start_of(FOLDER, "app.sleeps", event='{"s": 60}', timeout_ms=90_000)))
        await asyncio.sleep(0.3)
        await runtime.aclose(grace_s=0.05)
        ended = await slow
        assert (ended.status, ended.keep) == ("exit", False)

    _with(body)


def test_a_cancelled_attempt_leaves_nothing() -> None:
    async def body(runtime: ProcessRuntime) -> None:
        task = asyncio.create_task(runtime.run(start_of(FOLDER, "app.sleeps", event='{"s": 60}', timeout_ms=90_000)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _with(body)


_PARENT = """
import asyncio, json, sys
sys.path.insert(0, {root!r})
from tests.patience import PATIENCE_S
from tests.runtimes.support import start_of
from simtriggers.runtimes.process import ProcessRuntime

async def main():
    runtime = ProcessRuntime(lambda: 0)
    idle = await runtime.run(start_of("processes", "app.counts"))
    event = json.dumps({{"file": {file!r}}})
    start = start_of("processes", "app.runs_away", environment_id="env-2", event=event, timeout_ms=60_000)
    task = asyncio.create_task(runtime.run(start))
    print(json.loads(idle.payload_text)["pid"], flush=True)
    await task

asyncio.run(main())
"""


def test_processes_end_when_simtriggers_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    program = _PARENT.format(root=str(Path(__file__).parents[2]), file=str(file))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        idle = int(parent.stdout.readline())
        deadline = time.monotonic() + PATIENCE_S
        while not (file.exists() and len(file.read_text().split()) == 2) and time.monotonic() < deadline:
            time.sleep(0.01)
        pids = [idle, *(int(text) for text in file.read_text().split())]
        assert all(_alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    assert _ends(pids)

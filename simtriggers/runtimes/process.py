"""The live runtime: one warm subprocess per execution environment, really ended at its timeout.

Speaks frames of JSON over pipes with `bootstrap/main.py`, which needs nothing but the standard library,
so any interpreter will do. Each process is the leader of a group of its own, and ends with everything it
started. Owns processes and their temporary folders; decides nothing about retries or environments.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..aws.contracts import Ended, Start
from .attempt import AttemptLog, OnLog, without_handler
from .child import Child, ExitedEarly, spawn
from .stub import Outcome, context_row, exited, not_started, slow_us, timed_out

INIT_LIMIT_S = 10.0
"""Source: AWS Lambda Developer Guide, "Lambda execution environment lifecycle", init phase."""


class ProcessRuntime:
    """Runs handlers in subprocesses. `now_ms` is simulated time, for the log; a handler's own time is real.

    `on_log` is called with each line as it is written. `init_limit_s` is for tests.
    """

    def __init__(
        self, now_ms: Callable[[], int], *, on_log: OnLog | None = None, init_limit_s: float = INIT_LIMIT_S
    ) -> None:
        self._now_ms = now_ms
        self._on_log = on_log
        self._init_limit_s = init_limit_s
        self._folder: Path | None = None
        self._folders: dict[str, Path] = {}
        self._folder_numbers = itertools.count()
        self._children: dict[str, Child] = {}
        self._running: dict[str, Start] = {}
        self._retired: set[str] = set()
        self._leaving: list[Child] = []
        self._quiet = asyncio.Event()
        self._quiet.set()

    # --- running --------------------------------------------------------------------------------

    async def run(self, start: Start) -> Ended:
        """Run one attempt to its end. Never raises for what a handler does, nor for a wrong `python:`."""
        environment_id = start.environment_id
        assert environment_id not in self._running, f"environment {environment_id} runs two invocations at once"
        self._running[environment_id] = start
        self._quiet.clear()
        try:
            return await self._attempt(start)
        finally:
            del self._running[environment_id]
            if environment_id in self._retired:
                self._retired.discard(environment_id)
                self._end(environment_id, forget_folder=True)
            if not self._running:
                self._quiet.set()

    async def _attempt(self, start: Start) -> Ended:
        log = AttemptLog(start, self._now_ms, self._on_log)
        outcome = await without_handler(start)
        if outcome is None:
            try:
                outcome = await self._through_child(start, log)
            except OSError as error:
                outcome = not_started(start, error)
            except BaseException:
                self._end(start.environment_id)
                raise
        if outcome.log:
            log(outcome.log)
        if not outcome.keep:
            self._end(start.environment_id)
        return outcome.ended(start, tuple(log.lines), retired=start.environment_id in self._retired)

    async def _through_child(self, start: Start, log: Callable[[str], None]) -> Outcome:
        child = self._children.get(start.environment_id)
        budget_s = start.timeout_ms / 1000
        init_us = 0
        spent_s = 0.0
        if start.cold or child is None or child.dead:
            self._end(start.environment_id)
            child = self._spawn(start, log)
            done = await self._init(child, self._init_limit_s)
            if done is None:
                # Lambda runs an initialisation that took too long again, inside the first invocation.
                self._end(start.environment_id)
                init_us = int(self._init_limit_s * 1e6)
                began = time.perf_counter()
                child = self._spawn(start, log)
                done = await self._init(child, budget_s)
                spent_s = time.perf_counter() - began
                if done is None:
                    return timed_out(start, init_us)
            if done[0] == "exit":
                return exited(start, int(done[1]), int(spent_s * 1e6), init_us or done[2], child.peak_mb)
            init_us = init_us or done[2]
            if done[0] == "init_error":
                spent_us = int(spent_s * 1e6)
                return Outcome("error", done[1], spent_us, init_us, "", child.peak_mb, usable=False)
        else:
            child.log = log
        return await self._invoke(child, start, budget_s - spent_s, int(spent_s * 1e6), init_us)

    async def _init(self, child: Child, limit_s: float) -> tuple[str, str, int] | None:
        """Status, payload or exit status, and microseconds; None when the limit was reached."""
        began = time.perf_counter_ns()
        try:
            frame = await child.ask(child.init_frame, limit_s)
        except ExitedEarly as end:
            return "exit", str(end.status), (time.perf_counter_ns() - began) // 1000
        if frame is None:
            return None
        init_us = (time.perf_counter_ns() - child.spawned_ns) // 1000
        return str(frame["status"]), frame["payload"] or "", init_us

    async def _invoke(self, child: Child, start: Start, budget_s: float, spent_us: int, init_us: int) -> Outcome:
        slow = slow_us(start)
        deadline_ms = time.time_ns() // 1_000_000 + int(budget_s * 1000)
        frame = json.dumps({"event": start.event, "context": context_row(start, deadline_ms)}).encode()
        began = time.perf_counter_ns()
        try:
            answer = await child.ask(frame, budget_s)
        except ExitedEarly as end:
            duration_us = (time.perf_counter_ns() - began) // 1000 + spent_us
            return exited(start, end.status, duration_us, init_us, child.peak_mb)
        duration_us = 0 if answer is None else int(answer["us"]) + spent_us + slow
        if answer is None or duration_us > start.timeout_ms * 1000:
            left_s = budget_s - (time.perf_counter_ns() - began) / 1e9
            await asyncio.sleep(max(0.0, left_s))
            return timed_out(start, init_us)
        if slow:
            await asyncio.sleep(slow / 1e6)
        return Outcome(answer["status"], answer["payload"], duration_us, init_us, "", child.peak_mb)

    # --- processes ------------------------------------------------------------------------------

    def _spawn(self, start: Start, log: Callable[[str], None]) -> Child:
        child = spawn(start, self._own_folder(start.environment_id), log)
        self._children[start.environment_id] = child
        return child

    def _own_folder(self, environment_id: str) -> Path:
        """The environment's temporary folder; it outlives the processes of the environment."""
        found = self._folders.get(environment_id)
        if found is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="simtriggers-"))
            # Counted, not measured: folders of environments that have ended are gone.
            found = self._folder / f"{next(self._folder_numbers):06d}"
            (found / "home").mkdir(parents=True)
            self._folders[environment_id] = found
        return found

    def _end(self, environment_id: str, *, forget_folder: bool = False) -> None:
        child = self._children.pop(environment_id, None)
        if child is not None:
            child.kill()
            self._leaving = [one for one in self._leaving if not one.has_gone] + [child]
        if forget_folder:
            folder = self._folders.pop(environment_id, None)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    # --- the end of environments ----------------------------------------------------------------

    async def close(self, environment_id: str) -> None:
        """End an environment; one that runs an invocation ends after it."""
        if environment_id in self._running:
            self._retired.add(environment_id)
        else:
            self._end(environment_id, forget_folder=True)

    async def retire_all(self) -> None:
        """End all environments; those that run an invocation end after it."""
        for environment_id in [*self._folders]:
            await self.close(environment_id)

    async def forget(self, function_name: str) -> None:
        """End the environments of one function: its code or its settings have changed."""
        for environment_id, child in [*self._children.items()]:
            if child.function_name == function_name:
                await self.close(environment_id)

    async def aclose(self, *, grace_s: float = 5.0) -> None:
        """Let running handlers finish for up to `grace_s` seconds, then end every process."""
        try:
            async with asyncio.timeout(grace_s):
                await self._quiet.wait()
        except TimeoutError:
            pass
        for environment_id in [*self._folders]:
            self._end(environment_id)
        await asyncio.gather(*(child.gone() for child in self._leaving))
        self._folders.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

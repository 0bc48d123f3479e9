"""The virtual runtime: handlers as greenlets in the engine's process, in virtual time.

A handler that sleeps, calls AWS or waits in asyncio switches to the hub and goes on when its time has come, so
overlapping invocations interleave truthfully and repeatably. Owns greenlets and environments; the hub owns time.
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]

from ..aws.contracts import Ended, Start
from ..errors import RunLimit
from . import active
from .active import HandlerKilled
from .bootstrap import lambda_runtime
from .environment import Environment, Host
from .stub import Outcome, context_row, exited, planned, slow_us, timed_out
from .virtual_time import install
from .watchdog import Watchdog

INIT_LIMIT_US = 10_000_000
"""Source: AWS Lambda Developer Guide, "Lambda execution environment lifecycle", init phase."""

_DEATHS = 20
_NEVER_US = 1 << 60
_real_ns = time.perf_counter_ns
_unfinished: set[HandlerGreenlet] = set()
"""Greenlets that have not ended are never collected: that would raise in them, outside their world."""


class Hub(Protocol):
    """What the engine gives the runtime."""

    def now_ms(self) -> int:
        """Virtual time."""

    def resume_at(self, at_ms: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when it is `at_ms`; what is returned takes it off the agenda again."""

    def request(self, arn: str, command: Any, cause: int, answered: Callable[[Any], None]) -> None:
        """Submit a command; `answered` is called from the hub with the reply."""

    def ended(self, start: Start, ended: Ended) -> None:
        """An attempt has ended, now."""

    def seed(self, stream: str) -> bytes:
        """The seed of a named stream; always the same for one name and run."""


class _Runaway(BaseException):
    """The watchdog has had enough of this handler."""


def current() -> HandlerGreenlet | None:
    """The handler that runs here and now; None outside handlers."""
    handler = active.active()
    return handler if isinstance(handler, HandlerGreenlet) else None


class InlineRuntime:
    """Runs handlers for one hub.

    `shared`: handlers are the modules that are imported anyway (pytest), not instances per environment.
    `watchdog_s` of real time without a wait end the run: a greenlet cannot be stopped from outside.
    Raises RunLimit out of `start`, or out of a callback of the hub, when that happens.
    """

    def __init__(self, hub: Hub, *, shared: bool = False, watchdog_s: float = 60.0) -> None:
        install()
        self.hub = hub
        self.host = Host()
        self._shared = shared
        self.watchdog = Watchdog(watchdog_s, _bark)
        self._environments: dict[str, Environment] = {}
        self._running: dict[tuple[str, int], HandlerGreenlet] = {}
        self._streams: dict[str, random.Random] = {}

    # --- what the engine calls --------------------------------------------------------------------

    def start(self, start: Start) -> None:
        """Begin an attempt; returns when it first waits or ends. Its end comes through `hub.ended`."""
        outcome = planned(start)
        if outcome is None:
            self.watchdog.look()
            HandlerGreenlet(self, start, self._environment(start), self.hub.now_ms() * 1000).begin()
            return
        began_ms = self.hub.now_ms()
        at_ms = began_ms + -(-(outcome.duration_us + outcome.init_duration_us) // 1000)
        lines = ((at_ms, outcome.log),) if outcome.log else ()
        self.hub.resume_at(at_ms, lambda: self.hub.ended(start, outcome.ended(start, lines)))

    def abandon(self) -> None:
        """The process is said to have ended: nothing that runs will report, no environment is left."""
        running = [*self._running.values()]
        self._running.clear()
        self._environments.clear()
        for handler in running:
            handler.kill()

    def owns(self, handler: HandlerGreenlet) -> bool:
        """Whether this attempt is one of this runtime's."""
        return self._running.get((handler.start.invocation_id, handler.start.attempt)) is handler

    def busy(self) -> list[str]:
        """The attempts that run, in words."""
        return [f"{one.function_name} {one.start.request_id}" for one in self._running.values()]

    def close(self, environment_id: str) -> None:
        """Forget an environment; what runs in it runs on."""
        self._environments.pop(environment_id, None)

    def forget(self, function_name: str) -> None:
        """Forget all environments of a function: its code or its settings have changed."""
        for environment_id, environment in [*self._environments.items()]:
            if environment.function_name == function_name:
                del self._environments[environment_id]

    def aclose(self) -> None:
        """End everything that still runs and give the watchdog's signal back."""
        self.abandon()
        self.watchdog.release()

    def pristine(self) -> bool:
        """Whether no environment has been made and no byte of a function's stream been taken."""
        return not self._environments and not self._streams

    def forget_streams(self) -> None:
        """Take the functions' bytes from new streams: the world was replaced by another."""
        self._streams.clear()

    # --- for handlers -----------------------------------------------------------------------------

    def _environment(self, start: Start) -> Environment:
        found = self._environments.get(start.environment_id)
        if start.cold or found is None:
            found = self.new_environment(start)
        return found

    def new_environment(self, start: Start) -> Environment:
        """A fresh one, in place of an earlier one of that id."""
        seed = self.hub.seed(f"{start.function_name}/{start.environment_id}")
        made = Environment(self.host, start, seed, shared=self._shared)
        self._environments[start.environment_id] = made
        return made

    def stream(self, function_name: str) -> random.Random:
        """The bytes of a function."""
        found = self._streams.get(function_name)
        if found is None:
            found = self._streams[function_name] = random.Random(0)
            found.seed(int.from_bytes(self.hub.seed(function_name), "big"))
        return found

    def began(self, handler: HandlerGreenlet) -> None:
        """An attempt runs."""
        self._running[(handler.start.invocation_id, handler.start.attempt)] = handler

    def report(self, handler: HandlerGreenlet, outcome: Outcome) -> None:
        """It has ended, now."""
        start = handler.start
        self._running.pop((start.invocation_id, start.attempt), None)
        kept = self._environments.get(start.environment_id) is handler.environment
        if kept and not outcome.keep:
            del self._environments[start.environment_id]
        self.hub.ended(start, outcome.ended(start, tuple(handler.lines), retired=not kept))


def _bark() -> None:
    handler = current()
    if handler is not None:
        handler.runaway()


class HandlerGreenlet:
    """One attempt. Its clock is exact to the microsecond; the hub's is at most one millisecond behind."""

    def __init__(
        self, runtime: InlineRuntime, start: Start, environment: Environment, now_us: int, *, again: bool = False
    ) -> None:
        self.function_name = start.function_name
        self.greenlet = greenlet(self._run)
        self.start = start
        self.environment = environment
        self.lines: list[tuple[int, str]] = []
        self._runtime = runtime
        self._hub = runtime.hub
        self._clock_us = now_us
        self._began_us = now_us
        self._again = again
        self._init_us = INIT_LIMIT_US if again else 0
        self._entry_us = now_us
        self._limit_us = _NEVER_US
        self._initialising = not environment.loaded
        self._loop: Any = None
        self._resume = self.greenlet
        self._waiting = 0
        self._dead = False
        self._deaths = 0
        self._exit_status: int | None = None
        self._outcome: Outcome | None = None
        self._runaway: RunLimit | None = None
        self._real_ns = 0

    # --- from the hub -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Run until it first waits or ends."""
        self._runtime.began(self)
        _unfinished.add(self)
        self._go()

    def kill(self) -> None:
        """End it without a report."""
        self._dead = True
        if not self.greenlet.dead and self._resume is not self.greenlet:
            self._go()

    def _go(self) -> None:
        """Switch to the handler; returns when it waits again or has ended."""
        environment, runtime = self.environment, self._runtime
        self._clock_us = max(self._clock_us, self._hub.now_ms() * 1000)
        self._waiting += 1
        self.greenlet.parent = getcurrent()
        environment.log = self._write
        environment.request_id = "" if self._initialising else self.start.request_id
        environment.enter(self._clock_us, self._loop)
        active.enter(self)
        runtime.watchdog.arm()
        began = _real_ns()
        try:
            self._resume.switch()
        finally:
            self._real_ns += _real_ns() - began
            runtime.watchdog.disarm()
            active.leave()
            self._loop = environment.leave()
        if self.greenlet.dead:
            _unfinished.discard(self)
        if self._runaway is not None:
            raise self._runaway
        if self.greenlet.dead and not self._dead:
            self._complete()

    def _complete(self) -> None:
        """The code has run; the modelled time is still to pass."""
        outcome, start = self._outcome, self.start
        assert outcome is not None
        modelled_us = start.duration_ms * 1000
        if start.duration_ms < 0:
            modelled_us = 1000 if active.debugged() else self._real_ns // 1000
        if not outcome.usable:
            modelled_us = 0
        spent_us = self._clock_us - self._entry_us + modelled_us + slow_us(start)
        duration_us = max(1000, spent_us)
        if duration_us > start.timeout_ms * 1000:
            self._wait_until(self._entry_us + start.timeout_ms * 1000, self._expire)
            return
        final = Outcome(outcome.status, outcome.payload, duration_us, self._init_us, usable=outcome.usable)
        self._wait_until(self._entry_us + duration_us, lambda: self._runtime.report(self, final))

    def _wait_until(self, at_us: int, then: Callable[[], None]) -> Callable[[], None]:
        """Have the hub call `then`, unless the handler went on, ended or was killed before."""
        turn = self._waiting

        def due() -> None:
            if self._waiting == turn and not self._dead:
                then()

        return self._hub.resume_at(-(-at_us // 1000), due)

    def _expire(self) -> None:
        """The limit is reached: the invocation is over, whatever the handler does from here."""
        self._dead = True
        if not self._initialising or self._again:
            self._runtime.report(self, timed_out(self.start, self._init_us))
            self._unwind()
            return
        # Lambda runs an initialisation that took too long again, inside the first invocation.
        self._unwind()
        environment = self._runtime.new_environment(self.start)
        again = HandlerGreenlet(self._runtime, self.start, environment, self._limit_us, again=True)
        again.lines = self.lines
        again.begin()

    def _unwind(self) -> None:
        if not self.greenlet.dead:
            self._go()

    # --- in the handler's greenlet ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._outcome = self._attempt()
        except HandlerKilled:
            pass
        except _Runaway:
            self._runaway = self._runaway or self._runaway_error()
        if self._exit_status is not None and not self._dead:
            self._outcome = exited(self.start, self._exit_status, 0, 0)

    def _attempt(self) -> Outcome | None:
        environment, start = self.environment, self.start
        usable = True
        try:
            if self._initialising:
                usable = False
                self._initialise()
                usable = True
            else:
                self._enter_invocation()
            status, payload = lambda_runtime.answer_of(self._answer())
        except (HandlerKilled, _Runaway, KeyboardInterrupt, GreenletExit):
            raise
        except SystemExit as error:
            return self._exited(error.code)
        except Exception as error:
            request_id = start.request_id if usable else ""
            status = "error"
            document = lambda_runtime.error_document(error, environment.names, request_id)
            environment.finish_output()
            self._write(lambda_runtime.error_log(document))
            payload = lambda_runtime.marshal(document)
        except BaseException as error:
            # Nothing catches it on Lambda either: the process ends.
            environment.finish_output()
            self._write(lambda_runtime.error_log(lambda_runtime.error_document(error, environment.names, "")))
            return self._exited(1)
        environment.finish_output()
        return Outcome(status, payload, 0, usable=usable)

    def _initialise(self) -> None:
        start = self.start
        if self._again:
            self._limit_us = self._began_us + start.timeout_ms * 1000
        else:
            self._limit_us = self._began_us + INIT_LIMIT_US
        real_ns = _real_ns()
        failed: BaseException | None = None
        try:
            self.environment.load()
        except (Exception, SystemExit) as error:
            failed = error
        self._check_alive()
        if not self._again:
            measured_us = (_real_ns() - real_ns) // 1000
            modelled_us = measured_us if start.init_duration_ms < 0 else start.init_duration_ms * 1000
            self._limit_us = _NEVER_US
            self.sleep_us(modelled_us)
            self._init_us = self._clock_us - self._began_us
            self._enter_invocation()
        if failed is not None:
            raise failed
        self._initialising = False
        self.environment.request_id = start.request_id

    def _enter_invocation(self) -> None:
        self._entry_us = self._clock_us
        self._limit_us = self._clock_us + self.start.timeout_ms * 1000

    def _answer(self) -> str:
        """Call the handler; the JSON of what it returns. Raises what it raises, and Fault."""
        start = self.start
        row = context_row(start, self._limit_us // 1000)
        context = lambda_runtime.LambdaContext(row, lambda: self._clock_us // 1000, self._write)
        function = self.environment.function()
        answer = function(lambda_runtime.unmarshal(start.event), context)
        self._check_alive()
        if inspect.iscoroutine(answer):
            answer.close()
            self._write(lambda_runtime.COROUTINE_HINT)
        return lambda_runtime.marshal(answer)

    def _exited(self, code: object) -> Outcome:
        self.environment.finish_output()
        if code is not None and not isinstance(code, int):
            self._write(f"{code}\n")
            code = 1
        return replace(exited(self.start, (code or 0) & 0xFF, 0, 0), usable=not self._initialising)

    def _write(self, text: str) -> None:
        if not self._dead:
            self.lines.append((self._clock_us // 1000, text))

    def _check_alive(self) -> None:
        """Raise in a handler that has been ended. One that catches even that is left where it is."""
        if not self._dead and self._exit_status is None:
            return
        self._deaths += 1
        if self._deaths > _DEATHS:
            self._stay()
        raise HandlerKilled(f"the invocation {self.start.request_id} of {self.function_name!r} is over")

    def _stay(self) -> None:
        """Leave for the hub and never come back."""
        if self._exit_status is not None and not self._dead:
            self._outcome = exited(self.start, self._exit_status, 0, 0)
            self._complete()
        while True:
            self._switch_to_hub()

    def _switch_to_hub(self) -> None:
        parent = self.greenlet.parent
        assert parent is not None
        self._resume = getcurrent()
        parent.switch()

    # --- what the handler's code reaches --------------------------------------------------------------

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""
        return self._clock_us

    def sleep_us(self, us: int) -> None:
        """Let virtual time pass. Raises HandlerKilled when the function's time is over first."""
        self._check_alive()
        until_us = self._clock_us + us
        if until_us > self._limit_us:
            self._wait_until(self._limit_us, self._expire)
            self._switch_to_hub()
        elif until_us // 1000 > self._hub.now_ms():
            self._wait_until(until_us // 1000 * 1000, self._go)
            self._switch_to_hub()
        self._check_alive()
        self._clock_us = max(self._clock_us, until_us)
        self._runtime.host.traveller.move_to_us(self._clock_us)

    def ask(self, arn: str, command: Any) -> Any:
        """Submit a command and wait for its reply, which arrives at its own virtual time.

        Raises HandlerKilled when the function's time is over first.
        """
        self._check_alive()
        replies: list[Any] = []
        turn = self._waiting

        def answered(reply: Any) -> None:
            replies.append(reply)
            if self._waiting == turn and not self._dead and current() is None:
                self._go()

        self._hub.request(arn, command, self.start.cause, answered)
        if not replies:
            cancel = self._wait_until(self._limit_us, self._expire)
            self._switch_to_hub()
            cancel()
            self._check_alive()
        self._runtime.host.traveller.move_to_us(self._clock_us)
        return replies[0]

    def take(self, size: int) -> bytes:
        """Seeded bytes of the function's stream."""
        return self._runtime.stream(self.function_name).randbytes(size)

    def generator(self) -> random.Random:
        """What `random.random()` and its like draw from."""
        return self.environment.generator

    def exit(self, status: int) -> None:
        """`os._exit`: the process, which this stands for, ends."""
        self._exit_status = status & 0xFF
        self._check_alive()

    def runaway(self) -> None:
        """The watchdog's signal: raise once, then stop it where it is."""
        if self._runaway is None:
            self._runaway = self._runaway_error()
            raise _Runaway(str(self._runaway))
        self._dead = True
        self._stay()

    def _runaway_error(self) -> RunLimit:
        limit_s = self._runtime.watchdog.limit_s
        return RunLimit(
            f"function {self.function_name!r} has computed for {limit_s:g} s of real time without waiting or "
            f"returning (request {self.start.request_id}); in virtual time such a handler cannot be stopped at "
            f"its timeout\n  fix: use `runtime: process` for this function, or raise the watchdog's limit"
        )

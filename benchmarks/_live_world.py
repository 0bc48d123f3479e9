"""A live engine on a state file of its own, for the benchmarks that run in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import Ended, PutResource, Work
from simtriggers.kernel.effects import Refused
from simtriggers.live.driver import LiveEngine, LiveRuntime
from simtriggers.registry import SERVICES

NAMES = Names("123456789012", "us-east-1")


class NoRuntime:
    """For worlds without functions."""

    async def run(self, start: Work) -> Ended:
        """Nothing here invokes anything."""
        raise AssertionError(f"{start.request_id} is not to be run")

    async def aclose(self) -> None:
        """Nothing to end."""


@asynccontextmanager
async def live_engine(
    state: Path,
    resources: Iterable[tuple[str, PutResource]],
    *,
    runtime: LiveRuntime | None = None,
    synchronous: str = "normal",
) -> AsyncIterator[LiveEngine]:
    """A running engine on the file `state` with these resources; stopped at the end of the block."""
    engine = LiveEngine(SERVICES, NAMES, state, runtime=runtime or NoRuntime(), synchronous=synchronous)
    await engine.open()
    async with anyio.create_task_group() as tasks:
        await tasks.start(engine.run)
        try:
            for arn, command in resources:
                await ask(engine, arn, command)
            yield engine
        finally:
            engine.stop()


async def ask(engine: LiveEngine, arn: str, command: Any) -> Any:
    """The reply to a command that must not be refused."""
    reply = await engine.submit(arn, command)
    assert not isinstance(reply, Refused), reply
    return reply

"""Runs a scenario in virtual time: steps at their times, then rest, then expectations."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.engine import StepFailed
from ..errors import AwsFault, Deadlock, InvariantBroken, RunLimit, UserError
from ..explain.hints import hints
from ..kernel.trace import TraceRow, jsonl, select
from ..operations import as_text
from ..project.load import load_yaml
from ..runtimes.http import HttpStub, StubbedResponse
from ..simulation import Simulation
from . import expect, steps
from .faults import fault_plan
from .load import Scenario, load_scenario
from .model import ConfirmSubscriptionStep, Step
from .times import time_of, too_late


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario ended. `failures` are rendered texts; `real_s` is wall time, `virtual_ms` the time
    that passed in the scenario. `simulation` is the world at its end."""

    path: Path
    name: str
    seed: int
    failures: list[str]
    real_s: float
    virtual_ms: int
    simulation: Simulation
    shuffle_ties: int | None = None
    steps: int = 0
    invocations: int = 0
    checks: int = 0
    pending: tuple[str, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def rows(self) -> list[TraceRow]:
        """The trace."""
        return self.simulation.trace

    def fixes(self) -> list[str]:
        """What to do about errors of the runtime's that made handlers fail; empty when it passed."""
        return [] if self.passed else hints(self.rows())

    def again(self) -> str:
        """The command line that runs it once more."""
        ties = "" if self.shuffle_ties is None else f" --shuffle-ties {self.shuffle_ties}"
        return f"simtriggers test {self.path} --seed {self.seed}{ties}"

    def trace_lines(self) -> Iterator[str]:
        """The lines of the trace file."""
        self.simulation.engine.flush()
        return jsonl(select(self.simulation.engine.connection), self.simulation.payload)


def find(paths: list[Path]) -> list[Path]:
    """The scenario files that paths mean, in path order: files as given, and in folders every `.yaml` or
    `.yml` file that has steps or expectations (not below hidden folders).

    Raises UserError for a path that does not exist or a folder without scenarios.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")])
            inside = [each for each in files if not _hidden(each.relative_to(path)) and _is_scenario(each)]
            if not inside:
                raise UserError(f"there are no scenarios in {path}", fix="a scenario is a .yaml file with steps")
            found += inside
        elif path.exists():
            if not _is_scenario(path) and _is_project(path):
                raise UserError(f"{path} is a project, not a scenario", fix="name a scenario: a file with steps")
            found.append(path)
        else:
            raise UserError(f"there is no scenario {path}", fix="check the path")
    return list(dict.fromkeys(found))


def _hidden(path: Path) -> bool:
    """Whether a file lies where other programs keep theirs: `.venv`, `.github`, `node_modules`."""
    return any(part.startswith(".") or part == "node_modules" for part in path.parts[:-1])


def _is_project(path: Path) -> bool:
    data = load_yaml(path, wrong=[]).data
    return isinstance(data, dict) and bool(
        {"buckets", "queues", "topics", "functions", "event_buses", "rules"} & data.keys()
    )


def _is_scenario(path: Path) -> bool:
    data = load_yaml(path, wrong=[]).data
    return isinstance(data, dict) and bool({"steps", "expect"} & data.keys())


def run(
    path: Path, *, seed: int | None = None, shuffle_ties: int | None = None, check_invariants: bool = False
) -> Result:
    """Run one scenario. `seed` replaces the file's own. Raises UserError for a file that is wrong."""
    scenario = load_scenario(path)
    chosen = scenario.file.seed if seed is None else seed
    started = time.perf_counter()
    simulation = Simulation(
        scenario.project,
        start=scenario.file.start,
        seed=chosen,
        shuffle_ties=shuffle_ties,
        trace=scenario.file.trace,
        check_invariants=check_invariants,
        endpoints=_stubs(scenario),
    )
    try:
        plan = fault_plan(scenario.file.faults, simulation.names, scenario.project.resources, simulation.start_ms)
        simulation.set_faults(plan)
        failures, pending = _play(scenario, simulation)
        checks = len(scenario.file.expect)
        if not failures:
            failures = _expectations(scenario, simulation)
        virtual_ms = simulation.elapsed_ms
        simulation.engine.flush()
    finally:
        simulation.close()
    return Result(
        path,
        scenario.name,
        chosen,
        failures,
        time.perf_counter() - started,
        virtual_ms,
        simulation,
        shuffle_ties,
        simulation.engine.steps,
        expect.count_invocations(simulation),
        checks,
        pending,
    )


def _play(scenario: Scenario, simulation: Simulation) -> tuple[list[str], tuple[str, ...]]:
    """Do the steps and let things come to rest; returns failures and what is still pending."""
    at_ms = simulation.start_ms
    for index, step in enumerate(scenario.file.steps):
        try:
            at_ms = time_of(step, start_ms=simulation.start_ms, previous_ms=at_ms)
            if at_ms < simulation.engine.now_ms:
                now_ms = simulation.engine.now_ms
                raise too_late(scenario.document, index, start_ms=simulation.start_ms, now_ms=now_ms)
            if at_ms > simulation.engine.now_ms:
                simulation.engine.run_until(at_ms)
            _act(step, scenario, simulation)
            at_ms = simulation.engine.now_ms
        except (AwsFault, OSError) as error:
            where = scenario.document.where(("steps", index))
            text = f"cannot read {error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            return [f"{where}: {step.act()}: {text}"], ()
        except (Deadlock, RunLimit, StepFailed, InvariantBroken) as error:
            where = scenario.document.where(("steps", index))
            return [f"{where}: {step.act()}: {error}"], simulation.engine.pending()
    try:
        idle = simulation.engine.run_until_idle(horizon_ms=scenario.file.horizon)
    except (Deadlock, RunLimit, StepFailed, InvariantBroken) as error:
        return [f"{scenario.document.where(())}: after the last step: {error}"], simulation.engine.pending()
    return [], idle.pending if idle.reason != "idle" else ()


def _stubs(scenario: Scenario) -> list[HttpStub]:
    return [
        HttpStub(
            stub.url,
            tuple(
                StubbedResponse(each.status, as_text(each.body), each.delay, tuple(each.headers.items()))
                for each in stub.responses
            ),
        )
        for stub in scenario.file.endpoints
    ]


def _act(step: Step, scenario: Scenario, simulation: Simulation) -> None:
    engine = simulation.engine
    engine.last_act_ms = engine.now_ms
    if step.advance is not None:
        for _ in range(step.times):
            engine.advance(step.advance)
    elif step.restart is not None:
        for _ in range(step.times):
            simulation.restart()
    elif step.confirm_subscription is not None:
        _confirm(step.confirm_subscription, simulation)
    else:
        payload_text: Any = engine.reader.payload
        folder, start_ms = scenario.path.parent, simulation.start_ms
        for operation in steps.operations(step, simulation.names, folder, payload_text, start_ms):
            simulation.perform(operation)


def _confirm(step: ConfirmSubscriptionStep, simulation: Simulation) -> None:
    """Confirm with the token of the last confirmation request that the endpoint's stub has received."""
    engine = simulation.engine
    engine.run_until(engine.now_ms)
    for stub in simulation.runtimes.http.stubs:
        for request in reversed(stub.received):
            body = json.loads(request.body) if request.body.startswith("{") else {}
            if request.url == step.endpoint and body.get("Type") == "SubscriptionConfirmation":
                simulation.topic(step.topic).confirm_subscription(body["Token"])
                return
    raise AwsFault("InvalidParameter", f"{step.endpoint} was not sent a confirmation request by {step.topic}")


def _expectations(scenario: Scenario, simulation: Simulation) -> list[str]:
    failures: list[str] = []
    view = expect.View(simulation)
    for index, expectation in enumerate(scenario.file.expect):
        found = expect.failures(expectation, view)
        if found:
            where = scenario.document.where(("expect", index))
            failures += [f"{where}: {text}" for text in found]
    return failures

"""A project text as a simulation, for tests of the Python API; the handlers are in fixtures/handlers/simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simtriggers.aws.arn import Names
from simtriggers.kernel.clock import parse_iso
from simtriggers.project.load import parse_yaml
from simtriggers.project.model import Project, ProjectFile
from simtriggers.project.validate import validate
from simtriggers.simulation import Simulation

HANDLERS = Path(__file__).parents[1] / "fixtures" / "handlers" / "simulation"
START_S = parse_iso("2026-01-15T12:00:00Z") // 1000

QUEUE = "queues: {work: {visibility_timeout: 30s}}\n"
ALL = """
buckets: {store: {}}
queues:
  work: {visibility_timeout: 2m}
  results: {}
  ring: {visibility_timeout: 30s}
functions:
  echo: {handler: app.echo}
  chain: {handler: app.chain, timeout: 1m}
  closed: {handler: app.echo, reserved_concurrent_executions: 0}
  sleeper: {handler: app.sleeper, timeout: 15m}
  works: {handler: app.works, timeout: 5m}
  count: {handler: app.count, duration: 20ms}
  asks: {handler: app.asks}
  network: {handler: app.network}
  surroundings:
    handler: app.surroundings
    timeout: 10s
    environment: {STAGE: test, COLOUR: red}
"""


def world(text: str = ALL, *, folder: Path = HANDLERS, **options: Any) -> Simulation:
    """A simulation of a project text whose code is in `folder`; services' invariants hold after each step."""
    model = validate(ProjectFile, parse_yaml(text, "simtriggers.yaml"))
    project = Project(model, folder, Names())
    options.setdefault("check_invariants", True)
    return Simulation.load(project, **options)


def trace_text(sim: Simulation) -> str:
    return "".join(sim.trace_lines())


def kinds(sim: Simulation, kind: str) -> list[Any]:
    return [row for row in sim.trace if row.kind == kind]

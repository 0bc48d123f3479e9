"""A run with everything in it: retries, a dead-letter queue, a partial batch failure, a schedule."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from simtriggers.explain import MemoryBook, StateBook
from simtriggers.project.load import parse_yaml
from simtriggers.project.model import Project, ProjectFile, _names
from simtriggers.project.validate import validate
from simtriggers.simulation import Simulation

PROJECT = """
buckets: {uploads: {}}
queues:
  orders: {visibility_timeout: 60s, redrive_policy: {dead_letter_target: orders-dlq, max_receive_count: 2}}
  orders-dlq: {}
  failed: {}
topics: {news: {subscriptions: [{queue: failed}]}}
functions:
  parse:
    stub: [{raises: {type: ValueError, message: bad file}}]
    triggers: [{s3: uploads, suffix: .csv}]
    event_invoke_config: {on_failure: {queue: failed}}
  handle:
    stub: [{raises: {type: KeyError, message: "'item'"}}]
    triggers: [{sqs: orders}]
  nightly:
    stub: [{returns: good night}]
    triggers: [{schedule: "cron(0 2 * * ? *)"}]
"""


def project() -> Project:
    model = validate(ProjectFile, parse_yaml(PROJECT, "simtriggers.yaml"))
    return Project(model, Path(), _names(model))


@lru_cache
def played() -> Simulation:
    """A file that fails three times, two messages that fail twice each, and a night."""
    simulation = Simulation(project(), seed=7)
    simulation.bucket("uploads").put("bad.csv", "x")
    simulation.queue("orders").send("first")
    simulation.queue("orders").send("second")
    simulation.advance("1d")
    simulation.close()
    return simulation


def memory_book() -> MemoryBook:
    return MemoryBook(played().trace, dict(played().engine.connection.execute("SELECT digest, body FROM payloads")))


def state_book(folder: Path) -> StateBook:
    """The same rows in a state file."""
    return StateBook.open(state_file(folder))


def state_file(folder: Path) -> Path:
    simulation, path = played(), folder / "state.db"
    simulation.engine.flush()
    connection = simulation.engine.connection
    connection.execute("COMMIT")
    path.write_bytes(connection.serialize())
    connection.execute("BEGIN")
    return path


def trace_file(folder: Path, *names: str) -> Path:
    """The same rows in a trace file, once for each scenario name."""
    path = folder / "trace.jsonl"
    lines = list(played().trace_lines())
    with path.open("w", encoding="utf-8") as out:
        for name in names or ("story.yaml",):
            out.write(f'{{"scenario":"{name}","seed":7,"version":"0"}}\n')
            out.writelines(lines)
    return path


def message(body: str) -> str:
    """The id of the message with that body."""
    connection = played().engine.connection
    found = connection.execute(
        "SELECT trace.subject FROM trace JOIN payloads ON payloads.digest = trace.details ->> 'payload'"
        " WHERE kind = 'MessageSent' AND body = ? ORDER BY id",
        (body,),
    ).fetchone()
    return str(found[0])

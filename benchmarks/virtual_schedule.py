"""A schedule of every minute in virtual time, end to end, against croniter's own rate in the same run.

Each fire is a turn of the rule, its event, and the delivery: to a queue, whose retention lets go of it after a day,
or to a stub of a function, which is an asynchronous invocation with its log. croniter computes the next time after
a given one, as the rule does, and no more. (One iterator of it that keeps its place gives 45,000 times a second of
this expression, and 3,000 of `0 2 * * *`.) Both are measured over 30 days (43,200 fires); then a whole year goes
to the queue without a trace (525,600 fires), and what the database holds at its end is set against its second day.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from croniter import croniter

from simtriggers.aws.contracts import PutResource
from simtriggers.simulation import Simulation

from .report import Result, rate

_DAYS = 30
_FIRES = _DAYS * 1440
_ROUNDS = 3

_TO_FUNCTION = """
functions:
  tick:
    stub: [{returns: null}]
    triggers:
      - {schedule: "cron(* * * * ? *)"}
"""
_TO_QUEUE = """
queues:
  ticks: {message_retention_period: 1d}
"""


def _croniter() -> int:
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    for _ in range(_FIRES // 4):
        at = croniter("* * * * *", at).get_next(datetime)
    return _FIRES // 4


def _month(text: str, prepare: Callable[[Simulation], None]) -> Callable[[], int]:
    def run() -> int:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "simtriggers.yaml").write_text(text, encoding="utf-8")
            with Simulation.load(folder) as simulation:
                prepare(simulation)
                simulation.advance(f"{_DAYS}d")
                simulation.engine.flush()
                fired = "SELECT count(*) FROM trace WHERE kind = 'ScheduleFired' ORDER BY 1"
                count = simulation.engine.connection.execute(fired).fetchone()[0]
                assert count == _FIRES, f"{count} fires of {_FIRES}"
        return _FIRES

    return run


def _year() -> tuple[float, float, float]:
    """Fires a second over a year without a trace; bytes of the database after two days, and at its end."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "simtriggers.yaml").write_text(_TO_QUEUE, encoding="utf-8")
        with Simulation.load(folder, trace="off") as simulation:
            _rule_to_queue(simulation)
            simulation.advance("2d")
            early = len(simulation.engine.connection.serialize())
            began = time.perf_counter()
            simulation.advance("363d")
            took = time.perf_counter() - began
            late = len(simulation.engine.connection.serialize())
            left = int(simulation.queue("ticks").attributes()["ApproximateNumberOfMessages"])
            assert 1440 <= left <= 2880, f"{left} messages of the last day"
    return 363 * 1440 / took, early, late


def _rule_to_queue(simulation: Simulation) -> None:
    """A rule whose target is a queue, as PutRule and PutTargets make it."""
    target = {
        "id": "ticks",
        "arn": simulation.names.queue("ticks"),
        "input": None,
        "retry_policy": {"maximum_retry_attempts": 185, "maximum_event_age_in_seconds": 86_400},
        "dead_letter_arn": None,
    }
    config = {"schedule_expression": "cron(* * * * ? *)", "state": "ENABLED", "targets": [target]}
    reply = simulation.engine.ask(simulation.names.rule("minutely"), PutResource("rule", "minutely", config))
    assert reply == 1, reply


def run() -> list[Result]:
    """Both targets, in turns with croniter."""
    works = [_croniter, _month(_TO_QUEUE, _rule_to_queue), _month(_TO_FUNCTION, lambda simulation: None)]
    rates: list[list[float]] = [[rate(work) for work in works] for _ in range(_ROUNDS)]
    reference, queue, function = (statistics.median(column) for column in zip(*rates, strict=True))
    year, early, late = _year()
    return [
        Result(
            "a minutely schedule, virtual, to a queue",
            queue,
            "fires/s",
            "croniter, each next time",
            reference,
            1.0,
            3.0,
        ),
        Result("the same to a stubbed function", function, "fires/s", "croniter, each next time", reference, 1.0, 3.0),
        Result("a year to a queue, no trace", year, "fires/s", "croniter, each next time", reference, 1.0, 3.0),
        Result("what it holds at the end", late / 1024, "KiB", "after 2 days", early / 1024, 1.2, 1.05, False),
    ]

"""A schedule of every minute in virtual time, end to end, against croniter's own rate in the same run.

Each fire is a turn of the rule, its event, and the delivery: to a queue, whose retention lets go of it after a day,
or to a stub of a function, which is an asynchronous invocation with its log. croniter computes the next time after
a given one, as the rule does, and no more. (One iterator of it that keeps its place gives 45,000 times a second of
this expression, and 3,000 of `0 2 * * *`.) Measured over 30 days (43,200 fires), which is the rate
of a year: what a fire costs does not grow.
"""

from __future__ import annotations

import statistics
import tempfile
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
    ]

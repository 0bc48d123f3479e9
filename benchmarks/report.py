"""What a benchmark returns, and the table that is made of it. Measures nothing itself.

A figure alone says little: machines differ by more than programs do. So each result carries a reference
that was measured in the same run, and goals are ratios of the two.
"""

from __future__ import annotations

import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One figure. `goal_ratio` and `stretch_ratio` are of `figure / reference`; with
    `higher_is_better=False` the ratio must stay below them. A goal that is absolute has its own number
    as `reference`, named "goal", and the ratio 1."""

    name: str
    figure: float
    unit: str
    reference_name: str
    reference: float
    goal_ratio: float
    stretch_ratio: float
    higher_is_better: bool = True

    @property
    def ratio(self) -> float:
        """`figure / reference`."""
        return self.figure / self.reference

    @property
    def verdict(self) -> str:
        """`stretch`, `goal` or `short`."""
        for name, bound in (("stretch", self.stretch_ratio), ("goal", self.goal_ratio)):
            if self.ratio >= bound if self.higher_is_better else self.ratio <= bound:
                return name
        return "short"


def rate(work: Callable[[], int]) -> float:
    """How many of its things `work` does in a second: it returns how many it did."""
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def interleaved(*works: Callable[[], int], rounds: int = 5) -> list[float]:
    """The median rate of each work, measured in turns, so that a slow minute is slow for all of them."""
    rates: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, rates, strict=True):
            found.append(rate(work))
    return [statistics.median(found) for found in rates]


def number(value: float) -> str:
    """A figure with three digits that matter: 1,430,000, 15.2, 0.031."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


HEADS = ("what", "figure", "unit", "reference", "its figure", "ratio", "goal", "stretch", "verdict")


def cells(result: Result) -> tuple[str, ...]:
    """One row of the table."""
    sign = "≥" if result.higher_is_better else "≤"
    return (
        result.name,
        number(result.figure),
        result.unit,
        result.reference_name,
        number(result.reference),
        f"{number(result.ratio)} ×",
        f"{sign} {number(result.goal_ratio)} ×",
        f"{sign} {number(result.stretch_ratio)} ×",
        result.verdict,
    )


def table(results: Sequence[Result]) -> str:
    """A Markdown table, padded so that a terminal shows it well."""
    rows = [HEADS, *(cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What it ran on, in one line."""
    where = f"{platform.system()} {platform.machine()}"
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {where}"


def page(results: Sequence[Result], *, day: str) -> str:
    """The text of RESULTS.md."""
    return (
        "# Benchmark results\n\n"
        f"Written by `make bench` on {day}: {machine()}. Figures move with the machine and the day;\n"
        "the ratios to a reference measured in the same run are what counts. Each is a median of rounds in turns.\n\n"
        f"{table(results)}"
    )

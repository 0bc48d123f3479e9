"""The benchmark table: ratios, verdicts, and what a person reads. Measures nothing."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main, modules
from benchmarks.report import Result, number, page, table


def result(figure: float, *, higher: bool = True) -> Result:
    goal, stretch = (0.5, 1.0) if higher else (10.0, 5.0)
    return Result("it", figure, "things/s", "peer", 1000.0, goal, stretch, higher)


@pytest.mark.parametrize(
    "figure, higher, verdict",
    [
        (1000, True, "stretch"),
        (999, True, "goal"),
        (500, True, "goal"),
        (499, True, "short"),
        (5000, False, "stretch"),
        (5001, False, "goal"),
        (10_000, False, "goal"),
        (10_001, False, "short"),
    ],
)
def test_a_verdict_compares_the_ratio_with_goal_and_stretch(figure: float, higher: bool, verdict: str) -> None:
    assert result(figure, higher=higher).verdict == verdict


@pytest.mark.parametrize(
    "value, text",
    [(1_434_567, "1,430,000"), (1000, "1,000"), (999.4, "999"), (15.24, "15.2"), (0.03142, "0.0314"), (0, "0")],
)
def test_figures_show_the_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table() -> None:
    assert table([result(750.0)]) == (
        "| what | figure | unit     | reference | its figure | ratio  | goal    | stretch | verdict |\n"
        "|------|--------|----------|-----------|------------|--------|---------|---------|---------|\n"
        "| it   | 750    | things/s | peer      | 1,000      | 0.75 × | ≥ 0.5 × | ≥ 1 ×   | goal    |\n"
    )
    assert table([result(750.0)]) in page([result(750.0)], day="2026-11-23")


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "no benchmark nothing; there are: agenda" in capsys.readouterr().err
    assert "agenda" in modules()

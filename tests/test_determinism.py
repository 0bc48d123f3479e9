"""The same project, scenario and seed give the same trace, byte for byte: handlers use uuid, random, sets
and the clock, and raise."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from simtriggers.engine import virtual
from simtriggers.engine.database import open_memory
from simtriggers.scenario import runner
from tests.test_golden import FILES, SCENARIOS, run_test_command, split

CHANCE = SCENARIOS / "chance" / "scenario.yaml"

MAY_DIFFER = {"poison_message": "invocations of ship\n    expected: 3\n    actual:   4\n"}
"""What depends on the order of ties, and should: when the mapping's first poll comes after the first send, three
messages fall into two batches, and the function runs once more."""


def _copy(folder: Path) -> Path:
    shutil.copytree(SCENARIOS, folder / "scenarios", ignore=shutil.ignore_patterns("__pycache__", "*.trace"))
    return folder


def _trace(folder: Path, seed: int, *more: str, hash_seed: str = "random", zone: str = "UTC") -> bytes:
    path = folder / "trace.jsonl"
    done = run_test_command(
        "scenarios/",
        "--seed",
        str(seed),
        "--trace",
        path,
        *more,
        folder=folder,
        variables={"PYTHONHASHSEED": hash_seed, "TZ": zone},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return path.read_bytes()


def test_hash_seed_folder_and_time_zone_change_no_byte_and_the_seed_does(tmp_path: Path) -> None:
    near = _copy(tmp_path / "a")
    far = _copy(tmp_path / "another" / "and much longer" / "path-with-ümlaut")
    first = _trace(near, 1, hash_seed="1", zone="UTC")
    second = _trace(far, 1, hash_seed="2", zone="America/St_Johns")
    assert first == second
    other = _trace(near, 2, hash_seed="1", zone="UTC")
    chance = "chance/scenario.yaml"
    assert first != other
    assert len(split(first.decode())[chance]) != len(split(other.decode())[chance]), "other luck, other retries"


def test_the_trace_of_the_chance_scenario_holds_what_chance_can_touch(tmp_path: Path) -> None:
    text = _trace(_copy(tmp_path), 1).decode()
    for needle in ("bad luck at 1768478", "{'", '\\"ticket\\"', "RuntimeError"):
        assert needle in text


def test_ten_runs_in_one_process_give_one_trace() -> None:
    traces = {"".join(runner.run(CHANCE).trace_lines()) for _ in range(10)}
    assert len(traces) == 1


def test_a_run_does_not_depend_on_what_ran_before_it() -> None:
    alone = "".join(runner.run(FILES[0]).trace_lines())
    for path in FILES[1:]:
        runner.run(path)
    assert "".join(runner.run(FILES[0]).trace_lines()) == alone


def test_shuffled_ties_are_repeatable_and_other_orders_happen(tmp_path: Path) -> None:
    def trace(shuffle: int | None) -> str:
        return "".join(runner.run(CHANCE, shuffle_ties=shuffle).trace_lines())

    assert trace(7) == trace(7)
    assert len({trace(None), *(trace(shuffle) for shuffle in range(4))}) > 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_every_scenario_holds_under_other_orders_and_seeds(file: Path) -> None:
    for number in range(6):
        result = runner.run(file, seed=number, shuffle_ties=number, check_invariants=True)
        allowed = MAY_DIFFER.get(file.parent.name, "nothing")
        failed = [text for text in result.failures if allowed not in text]
        assert failed == [], f"--seed {number} --shuffle-ties {number}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_no_rows_are_taken_in_an_order_that_sqlite_chose(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SELECT has an order of its own: SQLite turns round those that have none, and nothing changes."""
    expected = "".join(runner.run(file).trace_lines())

    def turned_round() -> sqlite3.Connection:
        connection = open_memory()
        connection.execute("PRAGMA reverse_unordered_selects = ON")
        return connection

    monkeypatch.setattr(virtual, "open_memory", turned_round)
    result = runner.run(file)
    turned = result.simulation.engine.connection.execute("PRAGMA reverse_unordered_selects").fetchone()
    assert turned == (1,)
    assert "".join(result.trace_lines()) == expected

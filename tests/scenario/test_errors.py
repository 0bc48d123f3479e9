"""What users read when a scenario file is wrong: each row is a file and the exact text of its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.errors import UserError
from simtriggers.scenario import runner
from simtriggers.scenario.load import load_scenario

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "scenario" / "errors.yaml"
ROWS: list[dict[str, Any]] = YAML(typ="safe").load(CASES)


def outcome(row: dict[str, Any], folder: Path) -> str:
    """What a user reads about the scenario of a row; `fine` when nothing is wrong."""
    for name, text in row.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "handlers.py").write_text("def work(event, context): ...\n")
    file = folder / "story.yaml"
    file.write_text(row["text"])
    try:
        load_scenario(file)
    except UserError as error:
        return str(error).replace(f"{folder}/", "")
    return "fine"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_what_is_wrong_with_a_scenario(row: dict[str, Any], tmp_path: Path) -> None:
    assert outcome(row, tmp_path) == row["expect"].rstrip("\n")


def test_the_rows_have_names_and_reasons() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    assert all(row["why"].endswith(".") for row in ROWS)


# --- which files are scenarios --------------------------------------------------------------------


def test_scenarios_are_found_in_path_order_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for name, text in {
        "b/two.yaml": "steps: []\n",
        "a.yml": "expect: []\n",
        "b/one.yaml": "steps: []\n",
        "simtriggers.yaml": "queues: {q: {}}\n",
        "list.yaml": "- 1\n",
        ".venv/lib/broken.yaml": "steps: [\n",
        "node_modules/x/s.yaml": "steps: []\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    names = ["a.yml", "b/one.yaml", "b/two.yaml"]
    assert runner.find([tmp_path]) == [tmp_path / name for name in names]
    assert runner.find([tmp_path / "b" / "two.yaml", tmp_path]) == [
        tmp_path / name for name in ["b/two.yaml", "a.yml", "b/one.yaml"]
    ]


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no scenarios in"):
        runner.find([tmp_path])
    with pytest.raises(UserError, match="there is no scenario"):
        runner.find([tmp_path / "no.yaml"])


def test_a_scenario_has_the_name_of_itself_its_file_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    for name, text, expect in [
        ("story.yaml", "steps: []\n", "story"),
        ("orders/scenario.yaml", "steps: []\n", "orders"),
        ("orders/other.yaml", "name: A day of orders\nsteps: []\n", "A day of orders"),
    ]:
        (tmp_path / name).write_text(text)
        assert load_scenario(tmp_path / name).name == expect

"""Whole projects: what is wrong with one is said in one run, with places; a right one is declared in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simtriggers.aws.contracts import RemoveResource
from simtriggers.errors import UserError, UserErrors
from simtriggers.project.declare import Declared, code_sha256, declare, removals
from simtriggers.project.environment import read_env_file
from simtriggers.project.model import Project, find_project, load_project

CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "project" / "projects.yaml"
ROWS: list[dict[str, Any]] = YAML(typ="safe").load(CASES)
APP = "def handler(event, context):\n    record = 1\n    return record\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with an app.py, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def load(text: str) -> Project:
    Path("simtriggers.yaml").write_text(text)
    return load_project("simtriggers.yaml")


def declared(project: Project, *, folders: bool = False) -> list[Declared]:
    return declare(project, default_runtime="inline", folders=folders)


def outcome(row: dict[str, Any], folder: Path) -> str:
    """What a user reads about the project of a row; `fine` when nothing is wrong."""
    for name, text in row.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        declared(load(row["text"]))
    except UserError as error:
        return str(error).replace(f"{folder.resolve()}/", "")
    return "fine"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_what_is_wrong_with_a_project(row: dict[str, Any], here: Path) -> None:
    assert outcome(row, here) == row["expect"].rstrip("\n")


def test_the_rows_have_names_and_reasons() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    assert all(row["why"].endswith(".") for row in ROWS)


def test_each_of_several_mistakes_is_an_error_of_its_own(here: Path) -> None:
    with pytest.raises(UserErrors) as caught:
        load(ROWS[0]["text"])
    assert [str(error.where) for error in caught.value.errors] == [
        "simtriggers.yaml:3:5",
        "simtriggers.yaml:4:42",
        "simtriggers.yaml:4:72",
        "simtriggers.yaml:5:42",
    ]


# --- what a right one becomes -------------------------------------------------------------------

ORDERED = """
account: 210987654321
functions:
  b:
    handler: app.handler
    event_invoke_config: {on_failure: {function: a}}
    triggers:
      - {schedule: "rate(1 hour)", dead_letter_target: z}
      - {s3: uploads}
      - {sqs: y, batch_size: 5}
      - {schedule: "cron(0 2 * * ? *)", name: nightly}
  a: {handler: app.handler}
buckets:
  uploads: {notifications: [{queue: z, events: ["s3:ObjectRemoved:*"]}], folder: in}
queues:
  y: {redrive_policy: {dead_letter_target: x, max_receive_count: 2}}
  x: {redrive_policy: {dead_letter_target: z, max_receive_count: 2}}
  z: {}
"""


def test_resources_come_in_an_order_in_which_each_finds_what_it_names(here: Path) -> None:
    made = declared(load(ORDERED))
    assert [(each.command.kind, each.command.name) for each in made[:6]] == [
        ("queue", "z"),
        ("queue", "x"),
        ("queue", "y"),
        ("function", "b"),
        ("function", "a"),
        ("bucket", "uploads"),
    ]
    assert [(each.command.kind, each.arn.rpartition(":")[2]) for each in made[6:]] == [
        ("event_source_mapping", made[6].command.name),
        ("rule", "rule/b-schedule-1"),
        ("rule", "rule/nightly"),
    ]
    assert made[0].arn == "arn:aws:sqs:us-east-1:210987654321:z"
    targets = made[7].command.config["targets"]
    assert [target["dead_letter_arn"] for target in targets] == ["arn:aws:sqs:us-east-1:210987654321:z"]
    assert [(one["id"], one["events"]) for one in made[5].command.config["notifications"]] == [
        ("z-1", ["s3:ObjectRemoved:*"]),
        ("b-2", ["s3:ObjectCreated:*"]),
    ]


def test_folders_are_declared_live_only(here: Path) -> None:
    project = load(ORDERED)
    virtual, live = declared(project), declared(project, folders=True)
    assert virtual[5].command.config["folder"] == ""
    assert live[5].command.config["folder"] == str(here.resolve() / "in")
    assert [each.command for each in live[:3]] == [each.command for each in virtual[:3]]


def test_the_same_file_gives_the_same_commands(here: Path) -> None:
    assert declared(load(ORDERED)) == declared(load(ORDERED))


def test_the_region_is_the_files_or_the_machines(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("queues: {q: {}}\n").names.region == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert load("queues: {q: {}}\n").names.region == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    assert load("queues: {q: {}}\n").names.region == "us-gov-west-1"
    assert load("region: ap-south-1\nqueues: {q: {}}\n").names.region == "ap-south-1"


def test_what_is_no_longer_declared_goes_but_keeps_data(here: Path) -> None:
    old = declared(load(ORDERED))
    existing = [(each.arn, each.command.kind) for each in old]
    new = declared(load("account: 210987654321\nqueues: {z: {}}\nfunctions: {a: {handler: app.handler}}\n"))
    gone = removals(new, existing)
    kept = {arn for arn, _ in existing} - {arn for arn, _ in gone}
    assert kept == {each.arn for each in new}
    kinds = dict(existing)
    assert {kinds[arn]: command for arn, command in gone} == {
        "queue": RemoveResource(wiring_only=True),
        "bucket": RemoveResource(wiring_only=True),
        "function": RemoveResource(wiring_only=False),
        "event_source_mapping": RemoveResource(wiring_only=False),
        "rule": RemoveResource(wiring_only=False),
    }
    assert removals(old, existing) == []


def test_the_digest_of_the_code_changes_with_the_code_alone(tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text("a = 1\n")
    before = code_sha256(tmp_path)
    (tmp_path / "data.txt").write_text("x")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "lib.py").write_text("x")
    assert code_sha256(tmp_path) == before
    code.write_text("a = 10\n")
    assert code_sha256(tmp_path) != before


# --- finding it -----------------------------------------------------------------------------------


def test_which_file_is_meant(here: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_project(None)
    assert str(caught.value) == (
        f"there is no simtriggers.yaml in {here.resolve()}\n"
        "  fix: make a project with `simtriggers init`, or name the project file"
    )
    with pytest.raises(UserError, match="SAM and CloudFormation templates are not read yet"):
        find_project("template.json")
    with pytest.raises(UserError, match=r"there is no file other\.yaml"):
        load_project("other.yaml")
    load("queues: {q: {}}\n")
    assert find_project(None) == Path("simtriggers.yaml")
    assert find_project(here) == here / "simtriggers.yaml"
    assert find_project("other.yaml") == Path("other.yaml")


# --- variables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, expect",
    [
        ("A_B=1", {"A_B": "1"}),
        ("export AB = x y ", {"AB": "x y"}),
        ("AB=", {"AB": ""}),
        ("AB='a # b' # c", {"AB": "a # b"}),
        ("AB=\"x='1'\"", {"AB": "x='1'"}),
        ("AB=http://x/#top", {"AB": "http://x/#top"}),
        ("AB=x # comment", {"AB": "x"}),
        ("AB=# nothing", {"AB": ""}),
        ("AB='open", {"AB": "'open"}),
        ("  # AB=1", {}),
        ("", {}),
        ("AB=1\nAB=2", {"AB": "2"}),
    ],
)
def test_lines_of_an_env_file(line: str, expect: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{line}\n")
    assert read_env_file(path) == expect


@pytest.mark.parametrize("line", ["AB", "1AB=2", "A B=1", "=1"])
def test_a_line_that_is_no_variable(line: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"OK=1\n{line}\n")
    with pytest.raises(UserError) as caught:
        read_env_file(path)
    assert str(caught.value) == f"{path}:2: {line!r} is not a variable\n  fix: write NAME=value"

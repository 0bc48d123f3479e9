"""The documentation is true: its blocks run, its tables are complete, its links lead somewhere."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from inspect import isclass
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel, TypeAdapter

from simtriggers.cli import COMMANDS
from simtriggers.cli.group import group
from simtriggers.engine.schema import migrate
from simtriggers.explain import read_trace_file
from simtriggers.explain.wording import TEMPLATES
from simtriggers.project.load import parse_yaml
from simtriggers.project.model import ProjectFile, Resources
from simtriggers.registry import SERVICES
from simtriggers.scenario.model import ScenarioFile
from simtriggers.services.s3.config import DEFAULT_IGNORE
from simtriggers.services.sqs import errors
from tests.docs.markdown import anchors, blocks, code, links, pages, prose, rows, sections
from tests.docs.running import Page

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
PAGES = pages(ROOT)
_IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


# --- every page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=_IDS)
def test_every_block_runs(page: Path, tmp_path: Path) -> None:
    found = blocks(page.read_text(encoding="utf-8"))
    known = {"", "sh", "console", "yaml", "python", "json", "sql", "text"}
    assert {block.language for block in found} <= known, "a block in a language that nothing checks"
    Page(tmp_path).run(found)


@pytest.mark.parametrize("page", PAGES, ids=_IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=_IDS)
def test_no_path_of_a_machine_is_shown(page: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:work|root|Users|home|private|tmp/\w)[^\s`]*", page.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=_IDS)
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pieces = re.findall(r"`([^`\n]+)`", text) + re.findall(r"(?m)^    (simtriggers .+)$", text)
    for piece in pieces:
        for name, rest in re.findall(r"\bsimtriggers ([a-z]+)\b((?: +[^#`|;&]+)?)", piece):
            assert name in COMMANDS, f"{page.name}: {piece}"
            unknown = set(re.findall(r"(?<!\S)--[a-z-]+", rest)) - set(options_of(name)) - {"--help"}
            assert not unknown, f"{page.name}: {piece}"


def test_every_page_is_linked_from_the_readme_or_another_page() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page.read_text(encoding="utf-8"))
        if "://" not in target
    }
    assert {page.resolve() for page in PAGES[1:]} - linked == set()


# --- commands.md --------------------------------------------------------------------------------


def options_of(name: str) -> dict[str, click.Option]:
    """The options of a command by each of their spellings."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return {
        spelling: each
        for each in command.params
        if isinstance(each, click.Option)
        for spelling in (*each.opts, *each.secondary_opts)
    }


def test_every_command_has_its_section() -> None:
    assert list(sections(text_of("commands.md"), 2))[: len(COMMANDS)] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_listed_and_no_other(name: str) -> None:
    listed = {
        spelling.strip("`").split()[0]
        for cells in rows(sections(text_of("commands.md"), 2)[name])
        for spelling in cells[0].split(", ")
    }
    assert listed == set(options_of(name)) - {"-h", "--help"}


# --- project-file.md, scenario-file.md ----------------------------------------------------------


def models_of(*roots: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that some files are made of, those files first."""
    found: list[type[BaseModel]] = []

    def walk(annotation: Any) -> None:
        if isclass(annotation) and issubclass(annotation, BaseModel):
            if annotation not in found:
                found.append(annotation)
                for field in annotation.model_fields.values():
                    walk(field.annotation)
        else:
            for inner in get_args(annotation):
                walk(inner)

    for root in roots:
        walk(root)
    return found


PROJECT = models_of(ProjectFile)
OF_SCENARIO = [model for model in models_of(ScenarioFile) if model not in PROJECT]


def tables(page: str) -> dict[str, dict[str, list[str]]]:
    """The tables of keys of a page: by the model that a comment `<!-- keys: Model -->` names, then by key."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, text in re.findall(r"<!-- keys: (\w+) -->\n((?:\|.*\n)+)", page):
        found[name] = {code(cells[0]): cells for cells in rows(text)}
    return found


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The names of a model's fields with how they are written."""
    shared = set(Resources.model_fields) if model is ScenarioFile else set()
    for name, field in model.model_fields.items():
        if name not in shared:
            yield name, field.alias or name


@pytest.mark.parametrize(
    ("page", "model"),
    [("project-file.md", model) for model in PROJECT] + [("scenario-file.md", model) for model in OF_SCENARIO],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_every_key_is_described_with_its_default(page: str, model: type[BaseModel]) -> None:
    keys = dict(_keys(model))
    if not keys:
        return
    table = tables(text_of(page))[model.__name__]
    assert list(table) == list(keys.values())
    for name, written in keys.items():
        field, shown = model.model_fields[name], table[written][2]
        if field.is_required():
            assert shown == "required", written
        elif code(shown):
            data = parse_yaml(f"{written}: {code(shown)}", "default").data
            made = TypeAdapter(field.rebuild_annotation()).validate_python(data[written])
            assert made == field.get_default(call_default_factory=True), written
        else:
            assert shown.startswith(("none", "the ")), f"{written}: {shown}"
            assert shown.startswith("the ") or not field.get_default(call_default_factory=True), written


# --- s3.md, sqs.md ------------------------------------------------------------------------------


def test_every_name_that_is_passed_over_is_listed() -> None:
    listed = text_of("s3.md").partition("<!-- ignored names -->")[2]
    names = [name for cells in rows(listed)[:5] for name in re.findall(r"`([^`]+)`", cells[1])]
    assert [name for name in names if name != ".name.aB3xYz"] == list(DEFAULT_IGNORE)


def test_the_errors_of_queues_are_those_that_are_raised() -> None:
    raised = [
        errors.no_such_queue(),
        errors.bad_receipt_handle("x"),
        errors.visibility_out_of_range(-1),
        errors.visibility_beyond_limit(43_200),
        errors.not_available_for_change("x"),
        errors.invalid_parameter("DelaySeconds", 901, "DelaySeconds must be >= 0 and <= 900."),
        errors.message_too_long(1_048_576, in_batch=False),
        errors.invalid_contents(),
        errors.missing_parameter("MessageBody"),
        errors.over_limit(),
        errors.purge_in_progress("q"),
        errors.empty_batch(),
        errors.too_many_entries(11),
        errors.invalid_batch_id(),
        errors.ids_not_distinct("x"),
        errors.batch_too_long(1_048_577),
        errors.no_deduplication_id(),
        errors.invalid_id("MessageGroupId", "a b"),
        errors.not_for_this_queue("DelaySeconds", 2),
        errors.not_for_this_queue("MessageDeduplicationId", "d", includes="includes a"),
        errors.receipt_expired("x"),
        errors.not_in_flight(),
        errors.queue_exists("DelaySeconds"),
        errors.deleted_recently(),
        errors.unknown_attribute("Colour"),
        errors.invalid_attribute("Policy"),
        errors.no_such_parameter_resource("DestinationArn"),
        errors.no_such_task(),
    ]
    listed = rows(sections(text_of("sqs.md"), 2)["What AWS would refuse"])
    for (code_, text), refused in zip(listed, raised, strict=True):
        assert code(code_) == refused.code
        assert re.fullmatch(re.escape(text).replace("…", ".+"), refused.message), text


# --- state-file.md ------------------------------------------------------------------------------


def test_every_table_and_column_of_a_state_file_is_described() -> None:
    connection = sqlite3.connect(":memory:")
    migrate(connection, SERVICES)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    there = {
        name: [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
        for (name,) in names
        if not name.startswith("sqlite_")
    }
    described = {
        title: [code(cells[0]) for cells in rows(text)]
        for title, text in sections(text_of("state-file.md"), 3).items()
        if rows(text)
    }
    assert described == there


def test_every_query_of_the_page_is_understood() -> None:
    connection = sqlite3.connect(":memory:")
    migrate(connection, SERVICES)
    queries = [block.text for block in blocks(text_of("state-file.md")) if block.language == "sql"]
    assert len(queries) >= 5
    for query in queries:
        connection.execute(query)


# --- trace.md -----------------------------------------------------------------------------------


def kinds() -> dict[str, set[str]]:
    """The kinds that the page lists, each with the names of its details."""
    return {
        code(cells[0]): set(re.findall(r"`(\w+)`", cells[2])) for cells in rows(text_of("trace.md")) if len(cells) == 3
    }


def test_every_kind_of_row_is_listed() -> None:
    assert set(kinds()) == set(TEMPLATES)


def test_every_detail_that_a_template_shows_is_listed() -> None:
    for kind, template in TEMPLATES.items():
        assert set(re.findall(r"\{(\w+)", template)) <= kinds()[kind], kind


def test_rows_of_the_golden_traces_have_no_other_details() -> None:
    listed = kinds()
    for file in sorted((ROOT / "scenarios").rglob("*.trace")):
        for _, book in read_trace_file(file):
            for row in book.rows():
                assert set(row.details) <= listed[row.kind], row.kind


def test_the_scenario_page_names_the_kinds_where_they_are_listed() -> None:
    assert "trace.md" in prose(text_of("scenario-file.md"))

"""docs/coverage.md names tests that exist; fixtures/mutations breaks rules that stand where it says."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.coverage import ROOT, STATES, Mutation, Row, mutations, rows

ROWS = rows((ROOT / "docs" / "coverage.md").read_text(encoding="utf-8"))
MUTATIONS = mutations()


@cache
def functions(path: str) -> frozenset[str]:
    """The test functions of a file, methods as `Class::test`."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = {item.name for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    for item in tree.body:
        if isinstance(item, ast.ClassDef):
            found |= {f"{item.name}::{each.name}" for each in item.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(item, ast.Assign):
            found |= {target.id for target in item.targets if isinstance(target, ast.Name)}
    return frozenset(found)


@cache
def fixture_text() -> str:
    """Everything that cases of table-driven tests are named in."""
    folders = (ROOT / "fixtures", ROOT / "scenarios", ROOT / "tests")
    paths = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in {".yaml", ".json", ".py"}
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def missing(name: str) -> str:
    """Why a node id is not a test, or nothing."""
    path, _, rest = name.partition("::")
    function, _, case = rest.partition("[")
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    if function not in functions(path):
        return f"{path} has no {function}"
    case = case.removesuffix("]")
    return "" if all(part in fixture_text() for part in case.split(" :: ")) else f"no case is called {case}"


@pytest.mark.parametrize("section", sorted({row.section for row in ROWS}))
def test_every_rule_names_what_shows_it(section: str) -> None:
    complaints = []
    for row in [row for row in ROWS if row.section == section]:
        where = f"docs/coverage.md:{row.line}: {row.rule[:60]}"
        if row.state not in STATES:
            complaints.append(f"{where}: {row.state!r} is none of {', '.join(STATES)}")
        elif row.state == "built" and not row.tests:
            complaints.append(f"{where}: names no test")
        elif row.state == "departed" and len(row.shown_by) < 10:
            complaints.append(f"{where}: gives no reason")
        complaints += [f"{where}: {problem}" for test in row.tests if (problem := missing(test))]
    assert not complaints, "\n".join(complaints)


def test_a_row_that_names_no_test_is_seen() -> None:
    assert (
        missing("tests/test_coverage.py::test_that_is_not_there")
        == "tests/test_coverage.py has no test_that_is_not_there"
    )
    assert missing("tests/none.py::test_x") == "there is no tests/none.py"
    text = "## X\n| rule | state | shown by |\n| --- | --- | --- |\n| a \\| b | built | `sqs/test_x.py::test_y` |\n"
    assert rows(text) == [Row(4, "X", "a | b", "built", "`sqs/test_x.py::test_y`")]
    assert rows(text)[0].tests == ["tests/services/sqs/test_x.py::test_y"]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_still_applies(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.find) == 1, (
        f"{mutation.find!r} stands {text.count(mutation.find)} times in {mutation.file}"
    )
    assert mutation.find != mutation.replace
    assert not missing(mutation.test)

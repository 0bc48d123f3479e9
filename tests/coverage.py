"""Reads docs/coverage.md (rules and the tests that show them) and fixtures/mutations (ways to break rules)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
STATES = ("built", "departed")
_TEST = re.compile(r"`([\w/]+\.py::[^`]+)`")


@dataclass(frozen=True)
class Row:
    """A row of docs/coverage.md. `tests` are whole node ids of pytest, from the root of the repository."""

    line: int
    section: str
    rule: str
    state: str
    shown_by: str

    @property
    def tests(self) -> list[str]:
        """The node ids that the last column names."""
        return [node(name) for name in _TEST.findall(self.shown_by)]


@dataclass(frozen=True)
class Mutation:
    """A rule broken on purpose: `find`, which stands once in `file`, becomes `replace`; then `test` fails."""

    name: str
    file: str
    find: str
    replace: str
    test: str


def node(name: str) -> str:
    """A test's node id from its short form, in which `tests/services/` may be left out."""
    return name if name.startswith("tests/") else f"tests/services/{name}"


def rows(text: str) -> list[Row]:
    """The rows of all tables of the page, in order."""
    found = []
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith(("| rule ", "| ---")):
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if len(cells) != 3:
                raise ValueError(f"docs/coverage.md:{number}: {len(cells)} cells instead of 3; write a bar as \\|")
            found.append(Row(number, section, *cells))
    return found


def mutations() -> list[Mutation]:
    """All mutations of fixtures/mutations, by file and place."""
    found = []
    for path in sorted((ROOT / "fixtures" / "mutations").glob("*.yaml")):
        entries: list[dict[str, Any]] = YAML(typ="safe").load(path) or []
        found += [Mutation(**{**entry, "test": node(entry["test"])}) for entry in entries]
    return found

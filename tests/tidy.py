"""The house rules that no linter knows, as functions from files to lists of complaints.

Each complaint is `path:line: what is wrong; what to do instead`. `test_tidy` runs them over the
repository, and over small samples that break each rule.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_SERVICE_TABLE_LINES = 60

TEST_BANS = {
    "time.sleep": "move virtual time, or wait for a condition with a deadline (tests/live)",
    "asyncio.sleep": "move virtual time, or wait for a condition with a deadline (tests/live)",
    "anyio.sleep": "move virtual time, or wait for a condition with a deadline (tests/live)",
    "unittest.mock": "use the real parts with a virtual clock, :memory: and a stub runtime",
}
TEST_BANS_DO_NOT_HOLD_IN = ("benchmarks/live_*.py", "tests/live/*", "tests/test_plugin*.py", "tests/plugin/*")
"""Tests and measurements against the machine's own clock, and of what `mock.patch` does to a handler's module."""

MACHINE_PATH = re.compile(r"(?<![\w.~}>)*-])/(?:work|root|home/(?!sbx_)\w+|Users/\w+)/(?=[\w.])")
FORBIDDEN_WORDS = re.compile(r"\b(?:HACK|XXX)\b|\b(?:TODO|FIXME)\b(?!\(#\d+\))")


@dataclass(frozen=True)
class Source:
    """One Python file: its path as complaints show it, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name that the path has below the root."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def sources(root: Path, *folders: str) -> list[Source]:
    """All Python files below the folders of a root, by path."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}
    return [Source(path, text, ast.parse(text, path)) for path, text in texts.items()]


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# --- size -------------------------------------------------------------------------------------------


def too_long(files: Iterable[Source]) -> list[str]:
    """Files, functions (without their docstring) and service tables over their limit."""
    found = []
    for source in files:
        lines = source.text.count("\n")
        limit = MAX_SERVICE_TABLE_LINES if re.search(r"services/\w+/service\.py$", source.path) else MAX_FILE_LINES
        if lines > limit:
            found.append(f"{source.path}:1: {lines} lines, at most {limit}; split it by what its parts own")
        for node in _functions(source):
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if length > MAX_FUNCTION_LINES:
                found.append(
                    f"{source.path}:{node.lineno}: {node.name} has {length} lines without its docstring, "
                    f"at most {MAX_FUNCTION_LINES}; give its parts names"
                )
    return found


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


# --- docstrings -------------------------------------------------------------------------------------


def undocumented(files: Iterable[Source]) -> list[str]:
    """Modules, public classes, functions and methods that say nothing about themselves."""
    found = []
    for source in files:
        said = ast.get_docstring(source.tree) or ""
        if len(re.findall(r"\w+", said)) < 4:
            found.append(f"{source.path}:1: the module's docstring is missing or empty; say what it owns")
        found += [
            f"{source.path}:{node.lineno}: {name} has no docstring; say what it does, in which units"
            for name, node in _public(source.tree.body, "")
            if not (ast.get_docstring(node) or "").strip(" .")
        ]
    return found


def _public(
    body: Sequence[ast.stmt], owner: str
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        marks = {ast.unparse(mark).split(".")[-1] for mark in node.decorator_list}
        if node.name.startswith("_") or marks & {"overload", "override", "setter"}:
            continue
        yield owner + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, f"{owner}{node.name}.")


# --- names that are banned --------------------------------------------------------------------------


def banned(files: Iterable[Source], bans: Mapping[str, str], allowed: Sequence[str] = ()) -> list[str]:
    """Uses of banned names, however they were imported. `allowed` are path patterns without the ban."""
    found = []
    for source in files:
        if any(fnmatch(source.path, pattern) for pattern in allowed):
            continue
        for line, name in sorted(set(_used_names(source.tree))):
            for ban, instead in bans.items():
                if name == ban or name.startswith(ban + "."):
                    found.append(f"{source.path}:{line}: {name} is banned; {instead}")
    return found


def _used_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and full dotted names of everything imported from elsewhere that a module uses."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, *rest = ast.unparse(node).split(".")
            if head in aliases and all(part.isidentifier() for part in rest):
                yield node.lineno, ".".join([aliases[head], *rest])


def ruff_bans(pyproject: Path) -> tuple[dict[str, str], list[str]]:
    """The ban list that ruff has, and the path patterns where it does not hold."""
    lint = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    bans = {name: entry["msg"] for name, entry in lint["flake8-tidy-imports"]["banned-api"].items()}
    free = [pattern.replace("**", "*") for pattern, rules in lint["per-file-ignores"].items() if "TID251" in rules]
    return bans, free


def unfinished(files: Iterable[Source]) -> list[str]:
    """Comments that promise work without naming an issue, or own up to a hack."""
    found = []
    for source in files:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type == tokenize.COMMENT and FORBIDDEN_WORDS.search(token.string):
                found.append(f"{source.path}:{token.start[0]}: {token.string.strip()}; do it, or name an issue: (#12)")
    return found


# --- dead modules -----------------------------------------------------------------------------------


def dead_modules(files: Sequence[Source], entry_points: Iterable[str]) -> list[str]:
    """Modules that nothing in the package imports and that no string of their own package names.

    A package is alive when a module in it is. `entry_points` are what the outside world starts.
    """
    alive = set(entry_points)
    names = {source.module for source in files}
    for source in files:
        alive |= {name for name in _imports(source) if name in names and name != source.module}
        alive |= {name for name in _named(source, names) if name in names and name != source.module}
    dead = [
        source
        for source in files
        if source.module not in alive and not any(name.startswith(source.module + ".") for name in alive)
    ]
    return [f"{source.path}:1: nothing imports it; use it or remove it" for source in dead]


def _package(source: Source) -> str:
    return source.module if source.path.endswith("__init__.py") else source.module.rpartition(".")[0]


def _imports(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = _package(source).split(".")
                base = ".".join(above[: len(above) - node.level + 1] + ([base] if base else []))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _named(source: Source, names: set[str]) -> Iterator[str]:
    """Modules that a string names: lazily loaded commands ("up", ".up:main"), scripts below ("main.py")."""
    package = _package(source)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        name = node.value.partition(":")[0].lstrip(".")
        if name.endswith(".py"):
            ending = "." + name.removesuffix(".py").replace("/", ".")
            yield from (each for each in names if each.startswith(f"{package}.") and each.endswith(ending))
        elif re.fullmatch(r"[A-Za-z_][\w.]*", name):
            yield name
            yield f"{package}.{name}"


# --- text of the repository -------------------------------------------------------------------------


def tracked(root: Path) -> list[Path]:
    """Files that git knows; none when this is no work tree (an unpacked archive)."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def machine_paths(root: Path, paths: Iterable[Path]) -> list[str]:
    """Paths of one person's machine in files that all people get."""
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            hit = MACHINE_PATH.search(line)
            if hit:
                found.append(f"{path.relative_to(root)}:{number}: {hit[0]} is on one machine; write a relative path")
    return found

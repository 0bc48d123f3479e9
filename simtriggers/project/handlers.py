"""Does a handler exist? Answered by reading the source, without importing anything."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, Where
from .load import suggest


@dataclass(frozen=True, slots=True)
class HandlerProblem:
    """Why `module.function` cannot be found, and what to write."""

    text: str
    fix: str


def handler_problem(folder: Path, handler: str) -> HandlerProblem | None:
    """What is wrong with a Python handler below `folder`, or None when it looks sound.

    A module that cannot be parsed, or that builds its names as it runs, is left for the run to judge; see also
    `unparsable`.
    """
    module, _, function = handler.rpartition(".")
    path = module.replace("/", ".").split(".")
    source = _source(folder, path)
    if source is None:
        present = sorted(each.stem for each in folder.joinpath(*path[:-1]).glob("*.py"))
        near = suggest(path[-1], present)
        wanted = "/".join(path) + ".py"
        return HandlerProblem(
            f"{handler!r} needs the file {wanted}, which is not there",
            near or f"make {wanted} in the folder of the code, or correct the handler",
        )
    try:
        names = _names(ast.parse(source.read_bytes()))
    except (SyntaxError, ValueError):
        return None
    if names is None or function in names:
        return None
    near = suggest(function, [name for name in names if not name.startswith("_")])
    return HandlerProblem(
        f"{handler!r}: {source.name} has no function {function!r}",
        near or f"define {function} in {source.name}",
    )


def unparsable(functions: object, folder: Path) -> Iterator[UserError]:
    """The errors of handlers' files that are no Python, each file once. `functions` is that section as data,
    which may have any mistake; `folder` is where its paths start.

    A function with an interpreter of its own is left to that one.
    """
    seen: set[Path] = set()
    for function in functions.values() if isinstance(functions, dict) else ():
        if not isinstance(function, dict) or function.get("stub") or function.get("python"):
            continue
        handler, code = function.get("handler"), function.get("code_uri", ".")
        if isinstance(handler, str) and isinstance(code, str) and "." in handler:
            source = _source(folder / code, handler.rpartition(".")[0].replace("/", ".").split("."))
            if source is not None and source not in seen:
                seen.add(source)
                yield from _no_python(source)


def _no_python(source: Path) -> Iterator[UserError]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
        except SyntaxError as error:
            where = Where(str(source), error.lineno or 0, error.offset or 0)
            line = (error.text or "").strip()
            yield UserError(f"a handler's file is no Python: {error.msg}", where=where, rule=line, fix="mend the line")
        except (OSError, ValueError) as error:
            yield UserError(f"a handler's file cannot be read: {error}", where=Where(str(source)), fix="save it again")


def _source(folder: Path, path: list[str]) -> Path | None:
    place = folder.joinpath(*path)
    for candidate in (place.with_name(place.name + ".py"), place / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _names(tree: ast.Module) -> set[str] | None:
    """The names a module defines at its top level; None when that cannot be read off."""
    names: set[str] = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return None
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return None if any(map(_makes_names, ast.walk(tree))) else names


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but what stands inside of functions, classes and lambdas: those make no names of the module."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _makes_names(node: ast.AST) -> bool:
    """Whether it may give the module names as it runs."""
    return isinstance(node, ast.Global) or (isinstance(node, ast.Name) and node.id in ("globals", "exec"))

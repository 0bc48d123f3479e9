"""Variables from files: the project's `.env`, and a function's `env_file` on top of it."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import UserError, Where

_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


def file_variables(folder: Path, env_file: str | None) -> dict[str, str]:
    """The variables of `folder/.env`, if there is one, and of `env_file` (relative to `folder`).

    Raises UserError for a named file that is not there, or a line that is not `NAME=value`.
    """
    found: dict[str, str] = {}
    shared = folder / ".env"
    if shared.is_file():
        found |= read_env_file(shared)
    if env_file is not None:
        path = folder / env_file
        if not path.is_file():
            raise UserError(f"there is no env_file {env_file!r}", fix="make it, or correct the path")
        found |= read_env_file(path)
    return found


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines; blank lines and comments are skipped, quotes around a value are taken off.

    A comment is a `#` at the start of a line, or after a blank behind a value without quotes.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UserError(
                f"{line.strip()!r} is not a variable", where=Where(str(path), number), fix="write NAME=value"
            )
        found[match[1]] = _value(match[2])
    return found


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    return _COMMENT.sub("", text)

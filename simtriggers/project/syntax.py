"""What YAML itself gets wrong, in words that say what to write: the findings of the scanner, parser and composer."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ..errors import UserError, Where

_SYNTAX = (
    ("found character '\\t'", "a tab stands where an indent or a value begins", "use spaces instead"),
    (
        "mapping values are not allowed",
        "a ': ' stands where no key can begin",
        "put quotes around a text that holds ': ', or give the key the indent of its neighbours",
    ),
    ("found another document", "a second document begins", "keep one document in a file: remove '---'"),
    (
        "found undefined alias",
        "",
        "define it before with '&', or put quotes around a text that begins with '*'",
    ),
    ("that cannot start any token", "", "put quotes around a text that begins with this character"),
    (
        "could not find expected ':'",
        "a line without a ':'",
        "write 'key: value', or '- ' before an item of a list",
    ),
    ("expected ',' or ']'", "a list that '[' opened is not closed", "write the missing ']' or ','"),
    ("expected ',' or '}'", "a mapping that '{' opened is not closed", "write the missing '}' or ','"),
    (
        "expected the node content",
        "a value or a closing bracket is missing",
        "write it, and see the line above as well",
    ),
    ("found unknown escape character", "", "put the text in single quotes, or write the backslash twice"),
    ("found unexpected end of stream", "a text in quotes does not end", "write the closing quote"),
    (
        "expected <block end>",
        "this line does not fit into what is above it",
        "give all keys of a mapping, and all items of a list, the same indent",
    ),
)
_AT_THE_START = ("not closed", "does not end")


def syntax_error(error: MarkedYAMLError, text: str, name: str) -> UserError:
    """The error of the scanner, parser or composer, with what to write instead."""
    raw = str(error.problem or error.context or "this is not YAML")
    problem, fix = raw, "see the line above as well"
    for part, ours, hint in _SYNTAX:
        if part in raw:
            problem, fix = ours or raw, hint
            break
    mark = error.problem_mark or error.context_mark
    if "no key can begin" in problem and mark is not None:
        without = _no_colon_above(text, mark.line, name)
        if without is not None:
            return without
    if error.context_mark is not None and any(each in problem for each in _AT_THE_START):
        mark = error.context_mark
    if "without a ':'" in problem and error.context_mark is not None:
        mark = error.context_mark
    if mark is None:
        return UserError(problem, where=Where(name), fix=fix)
    column = mark.column
    if "a tab" in problem:
        column = max(text.splitlines()[mark.line].find("\t"), 0)
    return UserError(problem, where=Where(name, mark.line + 1, column + 1), fix=fix)


def _no_colon_above(text: str, line: int, name: str) -> UserError | None:
    """The likelier cause of a ': ' that comes too soon: the line above is a key without its own."""
    lines = text.splitlines()
    above = next((number for number in range(line - 1, -1, -1) if lines[number].strip()), None)
    found = re.fullmatch(r"\s*(?:- )?([\w.-]+)\s*", lines[above]) if above is not None else None
    if above is None or found is None:
        return None
    word = found[1]
    where = Where(name, above + 1, found.start(1) + 1)
    return UserError(f"the key '{word}' has no ':'", where=where, fix=f"write '{word}:'")


def unreadable(error: YAMLError, text: str, name: str) -> UserError:
    """Characters that YAML does not allow at all."""
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return UserError(f"this is not YAML: {error}", where=Where(name), fix="save it as plain text")
    before = text[:position]
    where = Where(name, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
    return UserError(
        f"the character U+{ord(text[position]):04X} cannot stand in a YAML file",
        where=where,
        fix="remove it, or write it as an escape in double quotes",
    )

"""Results for machines: JUnit XML. Views of the trace; keeps no books of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ..errors import UserError
from .runner import Result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN = ("expected:", "actual:")


def junit(results: Sequence[Result], wrong: Mapping[Path, Sequence[UserError]] = {}) -> str:
    """A JUnit document with a test case for each scenario; times are real seconds.

    `wrong` are the scenarios that could not be run, with their mistakes: errors, not failures.
    """
    failed = sum(not result.passed for result in results)
    total = sum(result.real_s for result in results)
    counts = f'tests="{len(results) + len(wrong)}" failures="{failed}" errors="{len(wrong)}" time="{total:.3f}"'
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuites {counts}>",
        f'  <testsuite name="simtriggers" {counts}>',
    ]
    for result in results:
        lines += _case(result.path, result.name, result.real_s, _failure(result))
    for path, errors in wrong.items():
        texts = [error.render() for error in errors]
        lines += _case(path, path.stem, 0.0, _outcome("error", "mistake", texts, texts))
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _case(path: Path, name: str, real_s: float, outcome: list[str]) -> list[str]:
    where = quoteattr(_clean(path.as_posix()))
    head = f'    <testcase classname={where} name={quoteattr(_clean(name))} file={where} time="{real_s:.3f}"'
    return [head + ">", *outcome, "    </testcase>"] if outcome else [head + "/>"]


def _failure(result: Result) -> list[str]:
    if result.passed:
        return []
    fixes = [f"fix: {fix}" for fix in result.fixes()]
    body = [*result.failures, *fixes, f"to run it again: {result.again()}"]
    return _outcome("failure", "expectation", result.failures, body)


def _outcome(word: str, kind: str, texts: Sequence[str], body: Sequence[str]) -> list[str]:
    """The element of what went wrong; its message is the first text in short, as lists of tests show it."""
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    message = quoteattr(_clean(_short(texts[0]) + more))
    text = escape(_clean("\n\n".join(body)))
    return [f'      <{word} type="{kind}" message={message}>{text}</{word}>']


def _short(text: str) -> str:
    """The first line with what was expected and found, on one line."""
    first, *others = text.splitlines()
    found = [" ".join(line.split()) for line in others[: len(_SHOWN)] if line.lstrip().startswith(_SHOWN)]
    return ", ".join([first, *found])


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold: control characters, surrogates, U+FFFE and U+FFFF."""
    return _NOT_XML.sub("", text)

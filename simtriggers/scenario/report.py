"""Results for machines: JUnit XML. Views of the trace; keeps no books of its own."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from .runner import Result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: list[Result]) -> str:
    """A JUnit document with a test case for each scenario; times are real seconds."""
    failed = sum(not result.passed for result in results)
    total = sum(result.real_s for result in results)
    counts = f'tests="{len(results)}" failures="{failed}" errors="0" time="{total:.3f}"'
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuites {counts}>",
        f'  <testsuite name="simtriggers" {counts}>',
    ]
    for result in results:
        where = quoteattr(_clean(result.path.as_posix()))
        names = f"classname={where} name={quoteattr(_clean(result.name))} file={where}"
        head = f'    <testcase {names} time="{result.real_s:.3f}"'
        if result.passed:
            lines.append(head + "/>")
            continue
        lines.append(head + ">")
        first = _clean(result.failures[0].splitlines()[0])
        body = _clean("\n\n".join(result.failures))
        lines.append(f"      <failure message={quoteattr(first)}>{escape(body)}</failure>")
        lines.append("    </testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold: control characters, surrogates, U+FFFE and U+FFFF."""
    return _NOT_XML.sub("", text)

"""Results for machines: JUnit XML. Views of the trace; keeps no books of its own."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from .runner import Result


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
        where = result.path.as_posix()
        names = f"classname={quoteattr(where)} name={quoteattr(result.name)} file={quoteattr(where)}"
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
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(letter for letter in text if letter in "\t\n\r" or ord(letter) >= 32)

"""What tests ask of a page of documentation: its fenced blocks, headings, tables and links.

A comment `<!-- docs: not run: REASON -->` on the line before a fence keeps its block from being run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\s*$")
_SKIP = re.compile(r"^<!-- docs: not run: (.+) -->$")
_FILE = re.compile(r"^# ([\w./-]+\.(?:py|yaml|yml|toml|ini|csv|txt))$")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Block:
    """A fenced block. `skipped` is why it is not run, or empty; `file` is the name in its first line."""

    language: str
    text: str
    line: int
    skipped: str = ""

    @property
    def file(self) -> str:
        """`handlers.py` of a block that begins with the comment `# handlers.py`."""
        found = _FILE.match(self.text.partition("\n")[0])
        return found[1] if found else ""


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    before, language, start, inside = "", "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence and not start:
            language, start, inside = fence[1], number, []
        elif line == "```":
            skip = _SKIP.match(before)
            found.append(Block(language, "".join(f"{each}\n" for each in inside), start, skip[1] if skip else ""))
            start, before = 0, ""
        elif start:
            inside.append(line)
        elif line.strip():
            before = line
    assert not start, f"line {start}: the block is never closed"
    return found


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    kept, inside = list[str](), False
    for line in page.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def sections(page: str, level: int) -> dict[str, str]:
    """The text below each heading of a level, by the heading without backquotes."""
    found: dict[str, str] = {}
    parts = re.split(rf"(?m)^{'#' * level} (.+)$", prose(page))
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        found[title.replace("`", "")] = re.split(rf"(?m)^#{{1,{level}}} ", text)[0]
    return found


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a text, without headings and rules."""
    lines = [line.strip() for line in text.splitlines()]
    found: list[list[str]] = []
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not _is_rule(line) and not _is_rule(after):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            found.append([cell.strip().replace("\\|", "|") for cell in cells])
    return found


def _is_rule(line: str) -> bool:
    return bool(line) and not line.strip("|-: ")


def code(cell: str) -> str:
    """The text of a cell that is one piece of code; empty when it is not."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found[1] if found else ""


def anchors(page: str) -> set[str]:
    """What `#…` of a link can name, as GitHub makes it of headings."""
    titles = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(page: str) -> Iterator[str]:
    """The targets of links, but not those that stand in code."""
    yield from _LINK.findall(_CODE.sub("", prose(page)))


def pages(root: Path) -> list[Path]:
    """README.md and everything in docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]

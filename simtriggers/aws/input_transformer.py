"""EventBridge's input transformer: values of an event put into a template. Pure.

There are two kinds of template. One that begins with `{` is JSON: a placeholder outside of quotes becomes a
JSON value, one inside quotes the bare text, and what comes out must be JSON, or nothing is sent. One that begins with a
quote is text, which keeps its quotes, and where values lose theirs.

    >>> template = parse_template('{"user": <name>, "text": "bye <name>"}')
    >>> render(template, lambda variable: "Ann")
    '{"user":"Ann","text":"bye Ann"}'

Source: Amazon EventBridge User Guide, "Amazon EventBridge input transformation", and recorded results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from .input_transformer_paths import MISSING, follow
from .json_text import minified

RULE_ARN: Final = "aws.events.rule-arn"
RULE_NAME: Final = "aws.events.rule-name"
INGESTION_TIME: Final = "aws.events.event.ingestion-time"
EVENT_JSON: Final = "aws.events.event.json"
EVENT: Final = "aws.events.event"
RESERVED: Final = frozenset({RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT_JSON, EVENT})
"""The variables that are there without a path."""

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_EVENT_KEYS = ("id", "account", "detail-type", "time", "source", "region", "resources", "version")

JSON, TEXT, BARE = "json", "text", "bare"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A variable in a template; `quoted`: inside of quotes; `key`: where the key of an object would stand."""

    name: str
    quoted: bool
    key: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A template in parts. `kind` is `json`, `text`, or `bare`: neither, of which nothing is ever sent."""

    kind: str
    parts: tuple[str | Placeholder, ...]

    def names(self) -> list[str]:
        """The variables that it uses, in their order."""
        return [part.name for part in self.parts if isinstance(part, Placeholder)]


@lru_cache(maxsize=1024)
def parse_template(text: str) -> Template:
    """Take a template apart; every text is one."""
    start = text.lstrip()[:1]
    kind = JSON if start == "{" else TEXT if start == '"' else BARE
    parts: list[str | Placeholder] = []
    done, quoted = 0, False
    for found in _PLACEHOLDER.finditer(text):
        between = text[done : found.start()]
        quoted ^= _quotes(between) % 2 == 1
        parts += [between, Placeholder(found[1], quoted, _is_key(text, found.end(), quoted=quoted))]
        done = found.end()
    return Template(kind, tuple(part for part in [*parts, text[done:]] if part != ""))


def _quotes(text: str) -> int:
    """How many quotes begin or end a string in a piece of JSON."""
    return len(re.findall(r'"', re.sub(r"\\.", "", text, flags=re.DOTALL)))


def _is_key(text: str, end: int, *, quoted: bool) -> bool:
    """Whether what ends here stands before a colon, alone or as the end of a string."""
    rest = text[end:]
    if quoted:
        string = re.match(r'(?:[^"\\]|\\.)*"', rest, re.DOTALL)
        rest = rest[string.end() :] if string else ""
    return rest.lstrip().startswith(":")


# --- values -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context:
    """What the reserved variables stand for. `event` is the event's JSON text, `ingestion_time` ISO-8601."""

    rule_arn: str
    rule_name: str
    ingestion_time: str
    event: str


def transform(template: Template, paths: dict[str, str], event: dict[str, Any], context: Context) -> str | None:
    """The text that a target gets in place of an event; None when the template makes no JSON of it.

    `paths` are JSON paths by variable, `event` is the parsed event.
    """

    def value_of(name: str) -> Any:
        if name in RESERVED:
            return _reserved(name, event, context)
        return follow(paths[name], event) if name in paths else MISSING

    return render(template, value_of)


def _reserved(name: str, event: dict[str, Any], context: Context) -> Any:
    if name == RULE_ARN:
        return context.rule_arn
    if name == RULE_NAME:
        return context.rule_name
    if name == INGESTION_TIME:
        return context.ingestion_time
    if name == EVENT_JSON:
        return Raw(context.event)
    named = {("detailType" if key == "detail-type" else key): event[key] for key in _EVENT_KEYS if key in event}
    return named


@dataclass(frozen=True, slots=True)
class Raw:
    """A value that is JSON text already."""

    text: str


def render(template: Template, value_of: Callable[[str], Any]) -> str | None:
    """Fill a template with the values that `value_of` gives by name, MISSING among them."""
    if template.kind == BARE:
        return None
    fill = _in_text if template.kind == TEXT else _in_json
    made = ""
    for part in template.parts:
        if isinstance(part, str):
            made += part
        elif part.key and template.kind == JSON:
            return None
        else:
            try:
                made += fill(value_of(part.name), part)
            except (ValueError, RecursionError):
                return None
    return made if template.kind == TEXT else minified(made)


def _in_json(found: Any, place: Placeholder) -> str:
    if found is MISSING:
        return "" if place.quoted else '""'
    if isinstance(found, str):
        # Unverified: a string that is put in as a JSON value is escaped; inside quotes nothing is.
        return found if place.quoted else _json(found)
    return _json(found)


def _in_text(found: Any, place: Placeholder) -> str:
    if found is MISSING:
        return ""
    return found if isinstance(found, str) else _json(found).replace('"', "")


def _json(found: Any) -> str:
    if isinstance(found, Raw):
        return found.text
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

"""Names in steps, faults and expectations: does the project have them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import UserError
from ..project.buses import rule_triggers
from ..project.load import Document, KeyPath, suggest
from ..project.model import Resources
from ..project.references import singular
from ..services.eventbridge.arns import DEFAULT
from ..services.eventbridge.config import rule_name

_SECTIONS = {
    "bucket": "buckets",
    "queue": "queues",
    "destination": "queues",
    "source_bucket": "buckets",
    "topic": "topics",
    "function": "functions",
    "event_bus": "event_buses",
    "archive": "archives",
    "rule": "rules",
}
_TARGETS = ("queues", "functions", "topics", "event_buses", "api_destinations")
"""The sections whose things a fault can keep deliveries from."""


def names_of(resources: Resources) -> dict[str, list[str]]:
    """The declared names by section; of rules those of functions' triggers too."""
    found = {section: list(getattr(resources, section)) for section in {*_SECTIONS.values(), *_TARGETS}}
    found["event_buses"].append(DEFAULT)
    for name, function in resources.functions.items():
        found["rules"] += [rule_name(name, number, trigger) for _, number, trigger in rule_triggers(function)]
    return found


def unknown_names(document: Document, known: Mapping[str, list[str]]) -> list[UserError]:
    """Names in steps, faults and expectations that the project does not have, of the sections that are known."""
    found: list[UserError] = []
    for place in [(part, index) for part in ("steps", "faults", "expect") for index in _indexes(document, part)]:
        for path, mapping in _mappings(document.get(place), place):
            for key, section in _SECTIONS.items():
                name = mapping.get(key)
                if isinstance(name, str) and section in known and name not in known[section]:
                    found.append(_unknown(document, (*path, key), singular(section), known[section], section))
            if path[-1] == "notifications" and {"queues", "functions"} <= known.keys():
                endpoint, both = mapping.get("endpoint"), [*known["queues"], *known["functions"]]
                # A typo would make any count of 0 true; URLs, addresses, numbers and ARNs are not the project's.
                if isinstance(endpoint, str) and not {":", "@", "+"} & set(endpoint) and endpoint not in both:
                    found.append(_unknown(document, (*path, "endpoint"), "queue or function", both, ""))
            if place[0] != "faults" or path != place or not set(_TARGETS) <= known.keys():
                continue
            targets = [name for section in _TARGETS for name in known[section]]
            target = mapping.get("target")
            if isinstance(target, str) and target not in targets:
                found.append(_unknown(document, (*path, "target"), "target", targets, ""))
    return found


def _indexes(document: Document, part: str) -> range:
    listed = document.get((part,))
    return range(len(listed)) if isinstance(listed, list) else range(0)


def _mappings(item: Any, place: KeyPath) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Where names stand: an item, the mapping behind its word, the items of an order."""
    if not isinstance(item, dict):
        return
    yield place, item
    for key, inner in item.items():
        if isinstance(inner, dict):
            yield (*place, key), inner
        for index, each in enumerate(inner if key == "order" and isinstance(inner, list) else ()):
            if isinstance(each, dict):
                yield (*place, key, index), each


def _unknown(document: Document, path: KeyPath, what: str, known: list[str], section: str) -> UserError:
    name = document.get(path)
    rule = f"{section}: {', '.join(known) or 'none'}" if section else ""
    return document.error(path, f"the project has no {what} {name!r}", rule=rule, fix=suggest(name, known))


def names_in_data(data: Any) -> dict[str, list[str]]:
    """The names by section that the raw data of a file declare, for a file that has other mistakes as well. Rules are
    left out: triggers make some, with names that only the model gives."""
    sections = {*_SECTIONS.values(), *_TARGETS} - {"rules"}
    declared = {section: data.get(section) if isinstance(data, dict) else None for section in sections}
    found = {section: list(each) if isinstance(each, dict) else [] for section, each in declared.items()}
    found["event_buses"].append(DEFAULT)
    return found

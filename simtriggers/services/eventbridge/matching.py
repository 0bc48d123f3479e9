"""Which rules of a bus an event matches, and which archives may take it.

What is kept between events is derived from the resources' rows (`Reader.derived`). After a change only the rules that
were written since are looked at again: any other one is the same `Resource` object as before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...aws.rule_index import RuleIndex
from ...kernel.service import Reader, Resource
from .arns import ARCHIVE, RULE, bus_of


@dataclass(slots=True)
class RulesOfBus:
    """The rules of one bus that have a pattern and are declared, and its archives. `enabled` are by ARN; `disabled`
    counts the others; `revision` sums up how often all were written, which a row of the trace says."""

    enabled: dict[str, Resource] = field(default_factory=dict)
    disabled: int = 0
    revision: int = 0
    archives: tuple[Resource, ...] = ()
    _index: RuleIndex[str] = field(default_factory=RuleIndex)

    @property
    def count(self) -> int:
        """How many rules with a pattern there are, enabled or not."""
        return len(self.enabled) + self.disabled

    def matching(self, event: dict[str, Any]) -> list[Resource]:
        """The enabled rules whose pattern matches, by ARN: not by age, which a restart forgets."""
        return [self.enabled[arn] for arn in sorted(self._index.match(event))]

    def update(self, made: _Made) -> None:
        """Bring it up to date with the rows."""
        for arn in self.enabled:
            if arn not in made.enabled:
                self._index.remove(arn)
        for arn, rule in made.enabled.items():
            if self.enabled.get(arn) is not rule:
                self._index.add(arn, rule.config.pattern)
        self.enabled, self.archives = made.enabled, tuple(made.archives)
        self.disabled, self.revision = made.disabled, made.revision


def rules_of(read: Reader, bus: str) -> RulesOfBus:
    """The rules and archives of a bus, by its ARN."""
    by_bus: dict[str, RulesOfBus] = read.derived("events.rules", _by_bus)
    found = by_bus.get(bus)
    return RulesOfBus() if found is None else found


@dataclass(slots=True)
class _Made:
    """What the rows say of one bus."""

    enabled: dict[str, Resource] = field(default_factory=dict)
    disabled: int = 0
    revision: int = 0
    archives: list[Resource] = field(default_factory=list)


def _by_bus(read: Reader, before: dict[str, RulesOfBus] | None) -> dict[str, RulesOfBus]:
    made: dict[str, _Made] = {}
    for rule in read.resources(RULE):
        if rule.config.pattern is None or not rule.wired:
            continue
        of_bus = made.setdefault(bus_of(rule.arn), _Made())
        of_bus.revision += rule.revision
        if rule.config.enabled:
            of_bus.enabled[rule.arn] = rule
        else:
            of_bus.disabled += 1
    for archive in read.resources(ARCHIVE):
        if archive.wired:
            made.setdefault(archive.config.bus, _Made()).archives.append(archive)
    found = {bus: (before or {}).get(bus) or RulesOfBus() for bus in made}
    for bus, each in made.items():
        found[bus].update(each)
    return found

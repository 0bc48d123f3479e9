"""What can be asked of event buses, of their rules, archives and replays, and of EventBridge itself, as operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .aws.arn import Names
from .kernel.clock import parse_iso
from .operations import Operation, as_text
from .services.eventbridge import commands as eb
from .services.eventbridge.arns import DEFAULT

Entry = Mapping[str, Any]
"""An event to put: `source`, `detail_type`, `detail` (JSON, or a text that is JSON already), and if need be
`resources`, `time` (ISO) and `event_bus_name`."""

FIRST_MS, LAST_MS = 0, 253_402_300_799_000
"""The years 1970 to 9999."""


def _same(reply: Any) -> Any:
    return reply


def entry_of(given: Entry, bus: str | None = None) -> eb.PutEventsEntry:
    """An entry of PutEvents. What the service would refuse is not looked at here."""
    detail, resources = given.get("detail"), given.get("resources")
    return eb.PutEventsEntry(
        given.get("source"),
        given.get("detail_type"),
        None if detail is None else as_text(detail),
        None if resources is None else tuple(resources),
        given.get("time"),
        given.get("event_bus_name", bus),
        given.get("trace_header"),
    )


def _pattern(pattern: Any) -> str | None:
    return None if pattern is None else as_text(pattern)


class BusOperations:
    """Operations of one event bus: its events and its rules."""

    def __init__(self, names: Names, name: str = DEFAULT) -> None:
        self.name = name
        self.arn = names.event_bus(name)
        self._names = names

    def put_events(self, *entries: Entry) -> Operation[eb.PutEventsResult]:
        """PutEvents of 1 to 10 entries, to this bus unless an entry names another."""
        command = eb.PutEvents(tuple(entry_of(each, self.name) for each in entries))
        return Operation(self._names.service("events"), command, _same)

    def put_event(
        self,
        source: str,
        detail_type: str,
        detail: Any = None,
        *,
        resources: Iterable[str] = (),
        time: str | None = None,
    ) -> Operation[eb.PutEventsResult]:
        """PutEvents of one event; `detail` is an empty object unless given."""
        entry = {"source": source, "detail_type": detail_type, "detail": {} if detail is None else detail, "time": time}
        return self.put_events({**entry, "resources": tuple(resources) or None})

    def describe(self) -> Operation[eb.EventBusDescription]:
        """DescribeEventBus."""
        return Operation(self.arn, eb.DescribeEventBus(), _same)

    def delete(self) -> Operation[None]:
        """DeleteEventBus."""
        return Operation(self.arn, eb.DeleteEventBus(), _same)

    def put_permission(self, statement_id: str, principal: str, action: str = "events:PutEvents") -> Operation[None]:
        """PutPermission: kept and shown, not enforced."""
        return Operation(self.arn, eb.PutPermission(statement_id, principal, action), _same)

    def remove_permission(self, statement_id: str | None = None) -> Operation[None]:
        """RemovePermission of one statement, or of all."""
        return Operation(self.arn, eb.RemovePermission(statement_id, statement_id is None), _same)

    # --- rules ------------------------------------------------------------------------------------

    def put_rule(
        self,
        name: str,
        event_pattern: Any = None,
        *,
        schedule_expression: str | None = None,
        state: Literal["ENABLED", "DISABLED"] = "ENABLED",
        description: str | None = None,
    ) -> Operation[str]:
        """PutRule; returns its ARN. A pattern that is no text is written as JSON."""
        command = eb.PutRule(_pattern(event_pattern), schedule_expression, state, description)
        return Operation(self._rule(name), command, _same)

    def delete_rule(self, name: str) -> Operation[None]:
        """DeleteRule."""
        return Operation(self._rule(name), eb.DeleteRule(), _same)

    def enable_rule(self, name: str) -> Operation[None]:
        """EnableRule."""
        return Operation(self._rule(name), eb.EnableRule(), _same)

    def disable_rule(self, name: str) -> Operation[None]:
        """DisableRule."""
        return Operation(self._rule(name), eb.DisableRule(), _same)

    def describe_rule(self, name: str) -> Operation[eb.RuleDescription]:
        """DescribeRule."""
        return Operation(self._rule(name), eb.DescribeRule(), _same)

    def rules(self, name_prefix: str = "") -> Operation[list[eb.RuleDescription]]:
        """ListRules, by name."""
        return Operation(self._names.service("events"), eb.ListRules(self.name, name_prefix), list)

    def rule_names_by_target(self, target_arn: str) -> Operation[list[str]]:
        """ListRuleNamesByTarget."""
        return Operation(self._names.service("events"), eb.ListRuleNamesByTarget(target_arn, self.name), list)

    def put_targets(self, rule: str, *targets: Mapping[str, Any]) -> Operation[eb.TargetsResult]:
        """PutTargets of rows with `id`, `arn` and AWS's other members in snake_case; an `input` that is no text is
        written as JSON."""
        rows = tuple({**row, **({"input": as_text(row["input"])} if "input" in row else {})} for row in targets)
        return Operation(self._rule(rule), eb.PutTargets(rows), _same)

    def remove_targets(self, rule: str, *ids: str) -> Operation[eb.TargetsResult]:
        """RemoveTargets."""
        return Operation(self._rule(rule), eb.RemoveTargets(ids), _same)

    def targets(self, rule: str) -> Operation[list[dict[str, Any]]]:
        """ListTargetsByRule."""
        return Operation(self._rule(rule), eb.ListTargetsByRule(), list)

    def _rule(self, name: str) -> str:
        return self._names.rule(name, self.name)


class EventOperations:
    """EventBridge itself: buses, patterns, archives and replays."""

    def __init__(self, names: Names) -> None:
        self.name = "events"
        self.arn = names.service("events")
        self._names = names

    def put_events(self, *entries: Entry) -> Operation[eb.PutEventsResult]:
        """PutEvents of 1 to 10 entries, each to the bus that it names."""
        return Operation(self.arn, eb.PutEvents(tuple(entry_of(each) for each in entries)), _same)

    def test_event_pattern(self, event_pattern: Any, event: Any) -> Operation[bool]:
        """TestEventPattern; what is no text is written as JSON."""
        return Operation(self.arn, eb.TestEventPattern(as_text(event_pattern), as_text(event)), _same)

    def create_event_bus(self, name: str, *, description: str | None = None) -> Operation[str]:
        """CreateEventBus; returns its ARN."""
        return Operation(self._names.event_bus(name), eb.CreateEventBus(description), _same)

    def event_buses(self, name_prefix: str = "") -> Operation[list[eb.EventBusDescription]]:
        """ListEventBuses."""
        return Operation(self.arn, eb.ListEventBuses(name_prefix), list)

    # --- archives and replays ---------------------------------------------------------------------

    def create_archive(
        self,
        name: str,
        *,
        event_bus: str = DEFAULT,
        event_pattern: Any = None,
        retention_days: int | None = None,
    ) -> Operation[eb.ArchiveDescription]:
        """CreateArchive of a bus by its name."""
        command = eb.CreateArchive(self._names.event_bus(event_bus), _pattern(event_pattern), retention_days)
        return Operation(self._names.archive(name), command, _same)

    def update_archive(
        self, name: str, *, event_pattern: Any = None, retention_days: int | None = None
    ) -> Operation[eb.ArchiveDescription]:
        """UpdateArchive."""
        command = eb.UpdateArchive(_pattern(event_pattern), retention_days)
        return Operation(self._names.archive(name), command, _same)

    def describe_archive(self, name: str) -> Operation[eb.ArchiveDescription]:
        """DescribeArchive."""
        return Operation(self._names.archive(name), eb.DescribeArchive(), _same)

    def delete_archive(self, name: str) -> Operation[None]:
        """DeleteArchive."""
        return Operation(self._names.archive(name), eb.DeleteArchive(), _same)

    def archives(self, name_prefix: str = "") -> Operation[list[eb.ArchiveDescription]]:
        """ListArchives."""
        return Operation(self.arn, eb.ListArchives(name_prefix), list)

    def start_replay(
        self,
        name: str,
        archive: str,
        *,
        event_bus: str | None = None,
        start: str | None = None,
        end: str | None = None,
        rules: Iterable[str] = (),
    ) -> Operation[eb.ReplayDescription]:
        """StartReplay of an archive to its bus (which `event_bus` may name): events from `start` to `end` (ISO; all of
        them without), to these rules of the bus or to all."""
        command = eb.StartReplay(
            self._names.archive(archive),
            "" if event_bus is None else self._names.event_bus(event_bus),
            FIRST_MS if start is None else parse_iso(start),
            LAST_MS if end is None else parse_iso(end),
            tuple(rules),
        )
        return Operation(self._names.replay(name), command, _same)

    def cancel_replay(self, name: str) -> Operation[eb.ReplayDescription]:
        """CancelReplay."""
        return Operation(self._names.replay(name), eb.CancelReplay(), _same)

    def describe_replay(self, name: str) -> Operation[eb.ReplayDescription]:
        """DescribeReplay."""
        return Operation(self._names.replay(name), eb.DescribeReplay(), _same)

    def replays(self, name_prefix: str = "") -> Operation[list[eb.ReplayDescription]]:
        """ListReplays."""
        return Operation(self.arn, eb.ListReplays(name_prefix), list)

    # --- connections and API destinations ---------------------------------------------------------

    def put_connection(self, name: str, settings: Mapping[str, Any], *, create: bool = True) -> Operation[str]:
        """CreateConnection, or UpdateConnection without `create`; returns its ARN."""
        return Operation(self._names.connection(name), eb.PutEndpoint(dict(settings), create), _same)

    def put_api_destination(self, name: str, settings: Mapping[str, Any], *, create: bool = True) -> Operation[str]:
        """CreateApiDestination, or UpdateApiDestination without `create`; returns its ARN."""
        return Operation(self._names.api_destination(name), eb.PutEndpoint(dict(settings), create), _same)

    def describe_connection(self, name: str) -> Operation[eb.EndpointDescription]:
        """DescribeConnection, without secrets."""
        return Operation(self._names.connection(name), eb.DescribeEndpoint(), _same)

    def describe_api_destination(self, name: str) -> Operation[eb.EndpointDescription]:
        """DescribeApiDestination."""
        return Operation(self._names.api_destination(name), eb.DescribeEndpoint(), _same)

    def delete_connection(self, name: str) -> Operation[None]:
        """DeleteConnection."""
        return Operation(self._names.connection(name), eb.DeleteEndpoint(), _same)

    def delete_api_destination(self, name: str) -> Operation[None]:
        """DeleteApiDestination."""
        return Operation(self._names.api_destination(name), eb.DeleteEndpoint(), _same)

    def connections(self, name_prefix: str = "") -> Operation[list[eb.EndpointDescription]]:
        """ListConnections."""
        return Operation(self.arn, eb.ListEndpoints(True, name_prefix), list)

    def api_destinations(self, name_prefix: str = "") -> Operation[list[eb.EndpointDescription]]:
        """ListApiDestinations."""
        return Operation(self.arn, eb.ListEndpoints(False, name_prefix), list)

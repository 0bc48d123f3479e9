"""What can be asked of EventBridge, and what it answers.

Names and members are those of the Amazon EventBridge API in snake_case. Commands about a rule, a bus, an archive and so
on go to its ARN; PutEvents, TestEventPattern and lists go to the service's own. Targets are rows as in `settings`.
"""

from __future__ import annotations

from typing import Any

from ...kernel.codec import Overdue, command, value

# --- events -------------------------------------------------------------------------------------


@value
class PutEventsEntry:
    """One event. `detail` is JSON text, `time` ISO-8601 with a zone; None: not given."""

    source: str | None = None
    detail_type: str | None = None
    detail: str | None = None
    resources: tuple[str, ...] | None = None
    time: str | None = None
    event_bus_name: str | None = None
    trace_header: str | None = None


@command(Overdue.RUN)
class PutEvents:
    """Send 1 to 10 events; answered with PutEventsResult."""

    entries: tuple[PutEventsEntry, ...]


@value
class PutEventsResultEntry:
    """What became of one entry: an id, or an error in AWS's words."""

    event_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


@value
class PutEventsResult:
    """The answer to a request, its entries in the request's order."""

    failed_entry_count: int
    entries: tuple[PutEventsResultEntry, ...]


@command(Overdue.RUN)
class TestEventPattern:
    """Whether an event matches a pattern, both JSON text; answered with a bool."""

    event_pattern: str
    event: str


# --- rules --------------------------------------------------------------------------------------


@command(Overdue.SKIP)
class ScheduleFires:
    """A turn of a rule's schedule has come, or had come at `scheduled_ms` while nothing was running."""

    scheduled_ms: int


@command(Overdue.RUN)
class PutRule:
    """Make or change the rule of this ARN; its targets stay. Answered with its ARN (str)."""

    event_pattern: str | None = None
    schedule_expression: str | None = None
    state: str = "ENABLED"
    description: str | None = None
    role_arn: str | None = None


@command(Overdue.RUN)
class DeleteRule:
    """Delete the rule, which must have no targets; answered with None, also when there is none."""


@command(Overdue.RUN)
class EnableRule:
    """Let the rule match and fire; answered with None."""


@command(Overdue.RUN)
class DisableRule:
    """Keep the rule from matching and firing; answered with None."""


@command(Overdue.RUN)
class DescribeRule:
    """The rule's settings; answered with RuleDescription."""


@value
class RuleDescription:
    """A rule without its targets."""

    name: str
    arn: str
    event_bus_name: str
    state: str
    event_pattern: str | None = None
    schedule_expression: str | None = None
    description: str | None = None
    role_arn: str | None = None


@command(Overdue.RUN)
class ListRules:
    """The rules of a bus by name, to the service's ARN; answered with a tuple of RuleDescription."""

    event_bus_name: str | None = None
    name_prefix: str = ""


@command(Overdue.RUN)
class ListRuleNamesByTarget:
    """The names of a bus's rules that have a target of this ARN, to the service's ARN; a tuple of str."""

    target_arn: str
    event_bus_name: str | None = None


@command(Overdue.RUN)
class PutTargets:
    """Add targets to the rule or change those of the same ids; answered with TargetsResult."""

    targets: tuple[dict[str, Any], ...]


@command(Overdue.RUN)
class RemoveTargets:
    """Take targets from the rule; answered with TargetsResult."""

    ids: tuple[str, ...]


@value
class FailedTarget:
    """A target that could not be added or removed, in AWS's words."""

    target_id: str
    error_code: str
    error_message: str


@value
class TargetsResult:
    """The answer to PutTargets and RemoveTargets."""

    failed_entry_count: int = 0
    failed_entries: tuple[FailedTarget, ...] = ()


@command(Overdue.RUN)
class ListTargetsByRule:
    """The rule's targets; answered with a tuple of rows."""


# --- buses --------------------------------------------------------------------------------------


@command(Overdue.RUN)
class CreateEventBus:
    """Make the bus of this ARN; answered with its ARN (str)."""

    description: str | None = None
    dead_letter_arn: str | None = None


@command(Overdue.RUN)
class UpdateEventBus:
    """Change the bus; answered with its ARN (str)."""

    description: str | None = None
    dead_letter_arn: str | None = None


@command(Overdue.RUN)
class DeleteEventBus:
    """Delete the bus; answered with None, also when there is none."""


@command(Overdue.RUN)
class DescribeEventBus:
    """The bus; answered with EventBusDescription."""


@value
class EventBusDescription:
    """A bus; `policy` is JSON text."""

    name: str
    arn: str
    description: str | None = None
    policy: str | None = None
    dead_letter_arn: str | None = None


@command(Overdue.RUN)
class ListEventBuses:
    """All buses by name, to the service's ARN; answered with a tuple of EventBusDescription."""

    name_prefix: str = ""


@command(Overdue.RUN)
class PutPermission:
    """Keep a statement of a bus's access policy, which is shown and not enforced; answered with None.

    `policy` is a whole policy as JSON text; without it, `statement_id`, `principal`, `action`.
    """

    statement_id: str | None = None
    principal: str | None = None
    action: str = "events:PutEvents"
    policy: str | None = None


@command(Overdue.RUN)
class RemovePermission:
    """Take a statement from a bus's access policy, or all of them; answered with None."""

    statement_id: str | None = None
    remove_all_permissions: bool = False


# --- archives and replays -----------------------------------------------------------------------


@command(Overdue.RUN)
class CreateArchive:
    """Make the archive of this ARN for a bus; answered with ArchiveDescription."""

    event_source_arn: str
    event_pattern: str | None = None
    retention_days: int | None = None
    description: str | None = None


@command(Overdue.RUN)
class UpdateArchive:
    """Change the archive; None leaves a member as it is. Answered with ArchiveDescription."""

    event_pattern: str | None = None
    retention_days: int | None = None
    description: str | None = None


@command(Overdue.RUN)
class DeleteArchive:
    """Delete the archive with its events; answered with None."""


@command(Overdue.RUN)
class DescribeArchive:
    """The archive; answered with ArchiveDescription."""


@value
class ArchiveDescription:
    """An archive with what it holds; `retention_days` 0: for ever."""

    name: str
    arn: str
    event_source_arn: str
    state: str
    event_pattern: str | None
    retention_days: int
    description: str | None
    event_count: int
    size_bytes: int
    creation_ms: int


@command(Overdue.RUN)
class ListArchives:
    """Archives by name, to the service's ARN; answered with a tuple of ArchiveDescription."""

    name_prefix: str = ""
    event_source_arn: str | None = None


@command(Overdue.RUN)
class StartReplay:
    """Send the archived events of a window of time again; times are milliseconds. Answered with ReplayDescription.

    An empty `destination_arn` is the archive's own bus; `filter_arns` are rules of it, by ARN or by name.
    """

    event_source_arn: str
    destination_arn: str
    event_start_ms: int
    event_end_ms: int
    filter_arns: tuple[str, ...] = ()
    description: str | None = None


@command(Overdue.RUN)
class CancelReplay:
    """Stop the replay; answered with ReplayDescription."""


@command(Overdue.RUN)
class DescribeReplay:
    """The replay; answered with ReplayDescription."""


@value
class ReplayDescription:
    """A replay. Times are milliseconds; `event_last_replayed_ms` None: nothing yet."""

    name: str
    arn: str
    event_source_arn: str
    destination_arn: str
    filter_arns: tuple[str, ...]
    state: str
    state_reason: str | None
    description: str | None
    event_start_ms: int
    event_end_ms: int
    event_last_replayed_ms: int | None
    replay_start_ms: int
    replay_end_ms: int | None
    events: int


@command(Overdue.RUN)
class ListReplays:
    """Replays by name, to the service's ARN; answered with a tuple of ReplayDescription."""

    name_prefix: str = ""
    state: str | None = None
    event_source_arn: str | None = None


@command(Overdue.RUN)
class ReplaySlice:
    """Go on with the replay: the events of the minute that begins at `from_ms` or later, behind the one numbered
    `after`."""

    from_ms: int
    after: int = 0


# --- connections and API destinations -----------------------------------------------------------


@command(Overdue.RUN)
class PutEndpoint:
    """CreateConnection, UpdateConnection, CreateApiDestination or UpdateApiDestination, as the ARN says; `settings` are
    rows as `destinations` reads them. Answered with the ARN (str)."""

    settings: dict[str, Any]
    create: bool = True


@command(Overdue.RUN)
class DescribeEndpoint:
    """The connection or API destination; answered with EndpointDescription."""


@command(Overdue.RUN)
class DeleteEndpoint:
    """Delete the connection or API destination; answered with None."""


@value
class EndpointDescription:
    """A connection or an API destination; `settings` are without secrets."""

    name: str
    arn: str
    state: str
    settings: dict[str, Any]


@command(Overdue.RUN)
class ListEndpoints:
    """All connections, or all API destinations, by name; to the service's ARN, a tuple of EndpointDescription."""

    connections: bool
    name_prefix: str = ""


@command(Overdue.RUN)
class SendRequest:
    """A request to an API destination is due: a retry, or one that its rate has held back."""

    request_id: str

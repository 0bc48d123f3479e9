"""Event source mappings as the API shows them: their state, and the JSON of a mapping's configuration.

Creating, updating, enabling and disabling take no time here, so `Creating`, `Enabling` and `Updating` are seen in
the answer to the request only; a mapping is `Disabling` while batches of it are in flight. Source: AWS Lambda API
Reference, EventSourceMappingConfiguration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused
from ...kernel.ids import Ids
from ...kernel.service import Reader
from . import store
from .commands import MappingDescription
from .polling import MappingView, read_mapping
from .settings import MappingSettings

CREATING, UPDATING, DELETING = "Creating", "Updating", "Deleting"
ENABLING, ENABLED, DISABLING, DISABLED = "Enabling", "Enabled", "Disabling", "Disabled"
USER_INITIATED = "USER_INITIATED"


def answered_state(before: MappingSettings | None, after: MappingSettings | None) -> str:
    """The State in the answer to a request that turned `before` (None: created) into `after` (None: deleted)."""
    if after is None:
        return DELETING
    if before is None:
        return CREATING if after.enabled else DISABLED
    if before.enabled == after.enabled:
        return UPDATING
    return ENABLING if after.enabled else DISABLING


def state_of(view: MappingView) -> str:
    """The State of a mapping as it is now."""
    if view.active:
        return ENABLED
    return DISABLING if view.in_flight else DISABLED


@dataclass(frozen=True, slots=True)
class GetView:
    """A mapping, and when its settings were written."""

    mapping: MappingView
    updated_ms: int


def view_get(read: Reader, entry: Entry) -> GetView:
    """Read a mapping."""
    row = read.one(store.SELECT_UPDATED_MS, entry.arn)
    return GetView(read_mapping(read, entry.arn), row[0] if row else 0)


def decide_get(view: GetView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """GetEventSourceMapping: replies with MappingDescription, or refuses an unknown mapping."""
    resource = view.mapping.resource
    if resource is None:
        return Decision(reply=Refused("ResourceNotFoundException", "The resource you requested does not exist.", 404))
    settings: MappingSettings = resource.config
    least, most = settings.pollers or (None, None)
    return Decision(
        reply=MappingDescription(
            uuid=settings.uuid,
            arn=settings.arn,
            function_arn=settings.function_arn,
            source_arn=settings.source_arn,
            batch_size=settings.batch_size,
            window_s=settings.window_ms // 1000,
            function_response_types=("ReportBatchItemFailures",) if settings.report_failures else (),
            filters=settings.filters,
            maximum_concurrency=settings.maximum_concurrency,
            minimum_pollers=least,
            maximum_pollers=most,
            state=state_of(view.mapping),
            state_transition_reason=USER_INITIATED,
            last_modified_ms=view.updated_ms,
        )
    )


def configuration(found: MappingDescription, *, state: str | None = None) -> dict[str, Any]:
    """EventSourceMappingConfiguration as JSON: what is not configured is absent. `state` is that of an answer to a
    request that changed the mapping (see `answered_state`). LastModified is in seconds."""
    shown: dict[str, Any] = {
        "BatchSize": found.batch_size,
        "EventSourceArn": found.source_arn,
        "EventSourceMappingArn": found.arn,
    }
    if found.filters:
        shown["FilterCriteria"] = {"Filters": [{"Pattern": text} for text in found.filters]}
    shown["FunctionArn"] = found.function_arn
    shown["FunctionResponseTypes"] = list(found.function_response_types)
    shown["LastModified"] = found.last_modified_ms / 1000
    shown["MaximumBatchingWindowInSeconds"] = found.window_s
    if found.minimum_pollers is not None:
        shown["ProvisionedPollerConfig"] = {
            "MinimumPollers": found.minimum_pollers,
            "MaximumPollers": found.maximum_pollers,
        }
    if found.maximum_concurrency is not None:
        shown["ScalingConfig"] = {"MaximumConcurrency": found.maximum_concurrency}
    shown["State"] = found.state if state is None else state
    shown["StateTransitionReason"] = found.state_transition_reason
    shown["UUID"] = found.uuid
    return shown

"""Event source mappings as resources: validated as AWS does, started, stopped, removed.

Source: AWS Lambda API Reference, CreateEventSourceMapping; error texts as recorded from AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...aws.contracts import PutResource
from ...aws.filter_criteria import MESSAGE as INVALID_FILTER
from ...kernel import resources
from ...kernel.agenda import Entry
from ...kernel.effects import CancelTimer, Decision, Note, Refused, Write
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader, Resource
from . import limits, store
from .filters import check_filters, problem_of
from .functions import out_of_range
from .invocations import not_found
from .polling import POLL_TIMER, SCALE_TIMER, WINDOW_TIMER, MappingView, longer_visibility_ms, proceed, read_mapping
from .scaling import AT_REST
from .settings import MAPPING, MappingSettings, parse_mapping


@dataclass(frozen=True, slots=True)
class PutMappingView:
    """The mapping as it is, its function, its source, and another one of the same function and source."""

    mapping: MappingView
    function: Resource | None
    source: Description | None
    twin: MappingSettings | None


def view_put_mapping(read: Reader, entry: Entry) -> PutMappingView:
    """Read what validating a mapping needs."""
    new = parse_mapping(entry.command.config)
    twin = None
    for other in read.resources(MAPPING):
        same = (other.config.function_arn, other.config.source_arn) == (new.function_arn, new.source_arn)
        if same and other.arn != entry.arn:
            twin = other.config
    mapping = replace(read_mapping(read, entry.arn), visibility_ms=longer_visibility_ms(read, new))
    return PutMappingView(mapping, read.resource(new.function_arn), read.describe(new.source_arn), twin)


def decide_put_mapping(view: PutMappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Create a mapping or bring it up to date, and let it poll; one that polls already goes on."""
    command: PutResource = entry.command
    new = parse_mapping(command.config)
    current = view.mapping.resource
    if current is not None and current.wired and current.config == new:
        unchanged = Decision(reply=current.revision)
        if new.enabled:
            proceed(unchanged, view.mapping, view.mapping, [], cause=entry.cause, now_ms=now_ms, ids=ids)
        return unchanged
    refused = check_mapping(new, view)
    if refused is not None:
        return Decision(reply=refused)
    put = store.put_resource(entry.arn, command, now_ms)
    revision = 1 if current is None else current.revision + 1
    decision = Decision(reply=revision, writes=[put], touched=[entry.arn])
    noted = ids.row_id()
    kind = "MappingEnabled" if new.enabled else "MappingDisabled"
    details = {"function": new.function_arn, "source": new.source_arn}
    decision.notes.append(Note(noted, kind, entry.arn, new.uuid, entry.cause, details))
    if new.enabled:
        resource = Resource(entry.arn, MAPPING, command.name, new, revision, now_ms)
        kept = current is not None and current.config.bounds == new.bounds
        state = replace(view.mapping, resource=resource, scale=view.mapping.scale if kept else AT_REST)
        proceed(decision, view.mapping, state, [], cause=noted, now_ms=now_ms, ids=ids)
    else:
        _stop(decision, entry.arn, view.mapping)
    return decision


def check_mapping(new: MappingSettings, view: PutMappingView) -> Refused | None:
    """What AWS answers to a mapping that it does not take, or None; when it is updated as when it is created.

    Unverified: the texts for large batches of FIFO queues, for both ways of scaling together, and for too many
    filters.
    """
    refused = _check_ranges(new)
    if refused is not None:
        return refused
    if view.function is None:
        return not_found(new.function_arn)
    message = _check_together(new) or _check_filters(new)
    if message:
        return _invalid(message)
    if view.twin is not None:
        message = (
            f'An event source mapping with SQS arn (" {new.source_arn} ") and function'
            f' (" {view.function.name} ") already exists.'
            f" Please update or delete the existing mapping with UUID {view.twin.uuid}"
        )
        return Refused("ResourceConflictException", message, status=409)
    source = view.source
    if source is None:
        return _invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue."
            " SQS Error Message: The specified queue does not exist."
        )
    timeout_ms = view.function.config.timeout_ms
    if source.visibility_timeout_ms is not None and source.visibility_timeout_ms < timeout_ms:
        return _invalid(
            f"Queue visibility timeout: {source.visibility_timeout_ms // 1000} seconds is less than"
            f" Function timeout: {timeout_ms // 1000} seconds"
        )
    return None


def _check_ranges(new: MappingSettings) -> Refused | None:
    """Numbers outside the ranges of the API's model."""
    least_pollers, most_pollers = new.pollers or limits.DEFAULT_POLLERS
    for member, number, (least, most) in (
        ("batchSize", new.batch_size, limits.BATCH_SIZE),
        ("maximumBatchingWindowInSeconds", new.window_ms // 1000, limits.BATCHING_WINDOW_S),
        ("scalingConfig.maximumConcurrency", new.maximum_concurrency, limits.MAXIMUM_CONCURRENCY),
        ("provisionedPollerConfig.minimumPollers", least_pollers, limits.MINIMUM_POLLERS),
        ("provisionedPollerConfig.maximumPollers", most_pollers, limits.MAXIMUM_POLLERS),
    ):
        if number is not None and not least <= number <= most:
            return out_of_range(member, number, least, most)
    return None


def _check_together(new: MappingSettings) -> str:
    large = new.batch_size > limits.BATCH_SIZE_WITHOUT_WINDOW
    if new.fifo and new.window_ms:
        return "Batching window is not supported for FIFO queues"
    if new.fifo and large:
        return f"Batch size must be at most {limits.BATCH_SIZE_WITHOUT_WINDOW} for FIFO queues"
    if large and new.window_ms == 0:
        return "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    if new.pollers is not None:
        if new.maximum_concurrency is not None:
            return "MaximumConcurrency and ProvisionedPollerConfig cannot be set together"
        if new.pollers[0] > new.pollers[1]:
            return "MinimumPollers must not be greater than MaximumPollers"
    return ""


def _check_filters(new: MappingSettings) -> str:
    if any(len(text) > limits.FILTER_CHARACTERS or problem_of(text) for text in new.filters):
        return INVALID_FILTER
    try:
        check_filters(new.filters, quota=new.filter_quota)
    except ValueError as error:
        return str(error)
    return ""


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterValueException", message)


def decide_remove_mapping(view: MappingView, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Stop a mapping; without `wiring_only` forget it. What it has collected comes back by itself."""
    current = view.resource
    if current is None:
        return Decision(reply=Refused("ResourceNotFoundException", "The resource you requested does not exist.", 404))
    gone = resources.unwire(entry.arn) if entry.command.wiring_only else resources.remove(entry.arn)
    decision = Decision(reply=current.revision, writes=[gone], touched=[entry.arn])
    details = {"function": current.config.function_arn, "source": current.config.source_arn}
    decision.notes.append(Note(ids.row_id(), "MappingDisabled", entry.arn, current.config.uuid, entry.cause, details))
    _stop(decision, entry.arn, view)
    return decision


def _stop(decision: Decision, arn: str, state: MappingView) -> None:
    """No more polls. A poll that is out stays known, so that no second one is started beside it."""
    if not state.known:
        return
    decision.writes.append(Write(store.FORGET_COLLECTED, (arn,)))
    decision.writes.append(Write(store.PUT_MAPPING, (arn, int(state.polling), None, None, None)))
    decision.effects.extend((CancelTimer(WINDOW_TIMER), CancelTimer(POLL_TIMER), CancelTimer(SCALE_TIMER)))

"""Which of the service's two kinds of resource a command is about, and what others may know of them."""

from __future__ import annotations

from typing import Any

from ...aws.contracts import PutResource
from ...kernel.agenda import Entry
from ...kernel.effects import Decision
from ...kernel.ids import Ids
from ...kernel.service import Description, Reader
from .functions import FunctionView, decide_put_function, decide_remove_function, view_function
from .mappings import PutMappingView, decide_put_mapping, decide_remove_mapping, view_put_mapping
from .polling import MappingView, read_mapping
from .settings import FUNCTION, MAPPING


def is_mapping(arn: str) -> bool:
    """Whether an ARN is an event source mapping's."""
    return ":event-source-mapping:" in arn


def view_put(read: Reader, entry: Entry) -> FunctionView | PutMappingView:
    """The view of a PutResource, by its kind."""
    command: PutResource = entry.command
    assert command.kind in (FUNCTION, MAPPING), f"lambda has no resources of kind {command.kind!r}"
    return view_put_mapping(read, entry) if command.kind == MAPPING else view_function(read, entry)


def decide_put(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Create or update a function or a mapping."""
    decide = decide_put_mapping if entry.command.kind == MAPPING else decide_put_function
    return decide(view, entry, now_ms=now_ms, ids=ids)


def view_remove(read: Reader, entry: Entry) -> FunctionView | MappingView:
    """The view of a RemoveResource, by the ARN's kind."""
    return read_mapping(read, entry.arn) if is_mapping(entry.arn) else view_function(read, entry)


def decide_remove(view: Any, entry: Entry, *, now_ms: int, ids: Ids) -> Decision:
    """Remove a function or a mapping."""
    decide = decide_remove_mapping if is_mapping(entry.arn) else decide_remove_function
    return decide(view, entry, now_ms=now_ms, ids=ids)


def describe(read: Reader, arn: str) -> Description | None:
    """A function with its timeout; a mapping only while it takes records, so that no source fills a poll
    of one that is disabled or gone."""
    resource = read.resource(arn)
    if resource is None:
        return None
    if is_mapping(arn):
        return Description(arn, MAPPING) if resource.wired and resource.config.enabled else None
    return Description(arn, FUNCTION, timeout_ms=resource.config.timeout_ms)

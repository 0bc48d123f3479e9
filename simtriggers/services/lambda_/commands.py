"""Commands that the function service sends to itself (timers of events, windows, batches and polls), and what it
answers about its mappings."""

from __future__ import annotations

from ...kernel.codec import Overdue, command, value


@command(Overdue.RUN)
class RetryEvent:
    """Attempt a queued asynchronous event again (a retry that is due, or a throttled or interrupted one)."""

    request_id: str


@command(Overdue.RUN)
class WindowEnded:
    """The batching window of a mapping is over: invoke with what was collected."""


@command(Overdue.RUN)
class RetryBatch:
    """Invoke again with a batch that was throttled."""

    batch_id: int


@command(Overdue.RUN)
class PollAgain:
    """Poll a source again that refused the last poll."""


@command(Overdue.RUN)
class ScaleUp:
    """A mapping with all its batches in flight may run one more."""


@command(Overdue.RUN)
class GetEventSourceMapping:
    """Describe a mapping; answered with MappingDescription."""


@value
class MappingDescription:
    """An event source mapping as the API shows it. `state` is `Enabled`, `Disabling` or `Disabled`; what has no
    value is not configured. `minimum_pollers` and `maximum_pollers` are those of provisioned mode."""

    uuid: str
    arn: str
    function_arn: str
    source_arn: str
    batch_size: int
    window_s: int
    function_response_types: tuple[str, ...]
    filters: tuple[str, ...]
    maximum_concurrency: int | None
    minimum_pollers: int | None
    maximum_pollers: int | None
    state: str
    state_transition_reason: str
    last_modified_ms: int

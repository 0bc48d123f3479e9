"""Commands that the function service sends to itself: timers of events, windows, batches and polls."""

from __future__ import annotations

from ...kernel.codec import Overdue, command


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

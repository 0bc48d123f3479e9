"""The commands of EventBridge beside PutResource and RemoveResource."""

from __future__ import annotations

from ...kernel.codec import Overdue, command


@command(Overdue.SKIP)
class ScheduleFires:
    """A turn of a rule's schedule has come, or had come at `scheduled_ms` while nothing was running."""

    scheduled_ms: int

"""Commands that only the logs service knows. Writing is aws/contracts.PutLogEvents."""

from __future__ import annotations

from ...kernel.codec import Overdue, command, value


@command(Overdue.RUN)
class GetLogEvents:
    """Read a log group's lines, oldest first: of one invocation (`request_id`), or of the whole group.

    With `limit` only the last so many. Replies with a tuple of `LogEvent`.
    """

    request_id: str = ""
    limit: int = 10_000


@value
class LogEvent:
    """One line. `message` ends with a newline; `at_ms` is when it was written."""

    stream: str
    at_ms: int
    request_id: str
    message: str

"""Resource rows: what exists, with its settings as JSON. One table for all services, kept by the engine.

What a project declares and what an SDK creates end here alike, so both survive a restart and are read
in one place. `wired` is 0 for a resource that the project no longer declares: its data stays, what it
triggers does not.
"""

from __future__ import annotations

from typing import Any

from .codec import to_json
from .effects import Statement, Write

PUT = Statement(
    "kernel.put_resource",
    "INSERT INTO resources (arn, service, kind, name, config, revision, declared_by, wired, created_ms, updated_ms)"
    " VALUES (?, ?, ?, ?, ?, 1, ?, 1, ?, ?) ON CONFLICT (arn) DO UPDATE SET config = excluded.config,"
    " revision = revision + 1, declared_by = excluded.declared_by, wired = 1, updated_ms = excluded.updated_ms",
)
REMOVE = Statement("kernel.remove_resource", "DELETE FROM resources WHERE arn = ?")
UNWIRE = Statement("kernel.unwire_resource", "UPDATE resources SET wired = 0, revision = revision + 1 WHERE arn = ?")


def put(
    arn: str, *, service: str, kind: str, name: str, config: dict[str, Any], declared_by: str, now_ms: int
) -> Write:
    """The write that creates a resource's row or replaces its settings, counting its revision up.

    The decision that holds it must name the ARN in `touched`.
    """
    return Write(PUT, (arn, service, kind, name, to_json(config), declared_by, now_ms, now_ms))


def remove(arn: str) -> Write:
    """The write that deletes a resource's row; name the ARN in `touched`."""
    return Write(REMOVE, (arn,))


def unwire(arn: str) -> Write:
    """The write that marks a resource as no longer declared; name the ARN in `touched`."""
    return Write(UNWIRE, (arn,))

"""What a service's `view` reads through: statements, parsed resources, payloads. Caches, never writes.

The caches hold what is derived from rows. They are dropped when a decision touches the row, when a batch
is rolled back, after a restore, and when another process has written the file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from ..kernel.effects import Payload, Statement, fill
from ..kernel.service import Description, Reader, Resource, Row
from .router import Router

_RESOURCE = "SELECT arn, kind, name, config, revision, created_ms, wired FROM resources WHERE arn = ?"
_RESOURCES = "SELECT arn, kind, name, config, revision, created_ms, wired FROM resources WHERE kind = ? ORDER BY arn"
_PAYLOAD = "SELECT body FROM payloads WHERE digest = ?"
_ABSENT_KEPT = 10_000
_PAYLOADS_KEPT = 4096
_ROWS_KEPT = 10_000
_PAYLOAD_KEPT_SIZE = 64 * 1024


class DatabaseReader:
    """The `kernel.service.Reader` over one connection."""

    def __init__(self, connection: sqlite3.Connection, router: Router) -> None:
        self._connection = connection
        self._router = router
        self._resources: dict[str, Resource | None] = {}
        self._of_kind: dict[str, list[Resource]] = {}
        self._payloads: dict[str, str] = {}
        self._derived: dict[str, Any] = {}
        self._fresh: set[str] = set()
        self._kept: dict[str, dict[tuple[Any, ...], Row | None]] = {}
        self.now_ms = 0

    def one(self, statement: Statement, *params: Any) -> Row | None:
        """The first row of a statement, or None."""
        if statement.kept:
            return self._kept_one(statement, params)
        row: Row | None = self._connection.execute(statement.sql, params).fetchone()
        return row

    def _kept_one(self, statement: Statement, params: tuple[Any, ...]) -> Row | None:
        kept = self._kept.setdefault(statement.kept, {})
        try:
            return kept[params]
        except KeyError:
            if len(kept) >= _ROWS_KEPT:
                kept.clear()
            row: Row | None = self._connection.execute(statement.sql, params).fetchone()
            kept[params] = row
            return row

    def all(self, statement: Statement, *params: Any) -> list[Row]:
        """All rows of a statement."""
        return self._connection.execute(statement.sql, params).fetchall()

    def resource(self, arn: str) -> Resource | None:
        """A resource with parsed settings, or None."""
        try:
            return self._resources[arn]
        except KeyError:
            row = self._connection.execute(_RESOURCE, (arn,)).fetchone()
            if row is None and len(self._resources) > _ABSENT_KEPT:
                return None
            found = self._resources[arn] = None if row is None else self._parse(row)
            return found

    def resources(self, kind: str) -> list[Resource]:
        """All resources of a kind, by ARN."""
        found = self._of_kind.get(kind)
        if found is None:
            rows = self._connection.execute(_RESOURCES, (kind,)).fetchall()
            found = self._of_kind[kind] = [self._resources.get(row[0]) or self._parse(row) for row in rows]
            self._resources.update((resource.arn, resource) for resource in found)
        return list(found)

    def _parse(self, row: Row) -> Resource:
        arn, kind, name, config, revision, created_ms, wired = row
        service = self._router.service(arn)
        assert service is not None, f"no service owns the stored resource {arn}"
        return Resource(arn, kind, name, service.parsers[kind](json.loads(config)), revision, created_ms, bool(wired))

    def derived(self, name: str, build: Callable[[Reader, Any], Any]) -> Any:
        """What `build` makes of resources, made again after the row of any resource was written."""
        if name not in self._fresh:
            self._derived[name] = build(self, self._derived.get(name))
            self._fresh.add(name)
        return self._derived[name]

    def describe(self, arn: str) -> Description | None:
        """What the owner of a resource says of it, or None when there is none."""
        service = self._router.service(arn)
        if service is None or service.describe is None:
            return None
        return service.describe(self, arn)

    def payload(self, digest: str) -> str:
        """The text of a payload. Raises LookupError for an unknown digest."""
        try:
            return self._payloads[digest]
        except KeyError:
            if "~" in digest:
                return fill(digest, self.payload)
            row = self._connection.execute(_PAYLOAD, (digest,)).fetchone()
            if row is None:
                raise LookupError(f"no payload {digest}") from None
            self._keep(digest, row[0])
            return str(row[0])

    def knows_payload(self, item: Payload) -> bool:
        """Whether this payload was written or read lately; if not, remembers it as written now."""
        if item.digest in self._payloads:
            return True
        self._keep(item.digest, item.body)
        return False

    def _keep(self, digest: str, body: str) -> None:
        if len(body) > _PAYLOAD_KEPT_SIZE:
            return
        if len(self._payloads) >= _PAYLOADS_KEPT:
            for old in list(self._payloads)[: _PAYLOADS_KEPT // 2]:
                del self._payloads[old]
        self._payloads[digest] = body

    def forget_kept(self, name: str) -> None:
        """Rows of this name are being written (see Statement)."""
        self._kept.pop(name, None)

    def forget(self, arn: str) -> None:
        """A resource's row is being written."""
        self._resources.pop(arn, None)
        self._of_kind.clear()
        self._fresh.clear()

    def forget_all(self) -> None:
        """The rows may be others than before: rollback, restore, another process's write."""
        self._resources.clear()
        self._of_kind.clear()
        self._payloads.clear()
        self._derived.clear()
        self._fresh.clear()
        self._kept.clear()

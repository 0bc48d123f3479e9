"""From an ARN to the service that owns it. Knows no service by itself: it is given their tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..aws.arn import service_of
from ..kernel.service import Service


class Router:
    """The services of one simulator, by the third part of an ARN."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._by_name = {service.name: service for service in services}
        self._by_arn: dict[str, Service | None] = {}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._by_name.values())

    def service(self, arn: str) -> Service | None:
        """The owner of an ARN, or None when no service here has such ARNs (or the text is none)."""
        try:
            return self._by_arn[arn]
        except KeyError:
            pass
        try:
            found = self._by_name.get(service_of(arn))
        except ValueError:
            found = None
        if len(self._by_arn) > 100_000:
            self._by_arn.clear()
        self._by_arn[arn] = found
        return found

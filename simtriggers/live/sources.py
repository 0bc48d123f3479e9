"""The files that a running project is made of: its YAML, its handlers' code, its variables; and their changes.

The watcher only says when to look. What has changed is found by comparing the files with how they were, so
that a change between two watchers is not missed and the same change is not told twice.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import watchfiles

from .folders import set_when_cancelled

_SUFFIXES = (".py", ".yaml", ".yml", ".env")
_NOT_SOURCES = frozenset({".simtriggers", ".git", "__pycache__", ".venv", "node_modules", ".pytest_cache"})
_STEP_MS, _DEBOUNCE_MS = 20, 200

Changed = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Places:
    """Absolute folders: `watched` with all that lies below, but for `buckets`, whose files are objects."""

    watched: tuple[Path, ...]
    buckets: frozenset[Path]


class Sources:
    """Tells of changes. `places()` are looked up again after each; `problem` is told what cannot be watched."""

    def __init__(self, places: Callable[[], Places], problem: Callable[[str], None]) -> None:
        self._places = places
        self._problem = problem
        self._comparing = anyio.Lock()
        self._seen = self._look()

    async def follow(self, changed: Changed) -> None:
        """Call `changed("a.py, b.yaml")` after each change, until cancelled."""
        while True:
            watched = self._watched()
            async with anyio.create_task_group() as inner:
                stop = anyio.Event()
                inner.start_soon(set_when_cancelled, stop)
                inner.start_soon(self._watch, watched, stop, changed, inner.cancel_scope)
                # The watcher is made in the first turn of `_watch`, which comes before this one's next.
                await anyio.lowlevel.checkpoint()
                await self._compare(changed)
                if self._watched() != watched:
                    inner.cancel_scope.cancel()

    def _watched(self) -> list[str]:
        return sorted(str(folder) for folder in self._places().watched if folder.is_dir())

    async def _watch(self, watched: list[str], stop: anyio.Event, changed: Changed, scope: anyio.CancelScope) -> None:
        try:
            async for _ in watchfiles.awatch(
                *watched, watch_filter=self._is_source, step=_STEP_MS, debounce=_DEBOUNCE_MS, stop_event=stop
            ):
                await self._compare(changed)
                if self._watched() != watched:
                    scope.cancel()
        except (OSError, RuntimeError) as error:
            self._problem(f"the code cannot be watched ({error}); start again after a change")
            await anyio.sleep_forever()

    async def _compare(self, changed: Changed) -> None:
        async with self._comparing:
            seen = await anyio.to_thread.run_sync(self._look)
            names = sorted({Path(path).name for path, _ in seen.items() ^ self._seen.items()})
            self._seen = seen
            if names:
                await changed(", ".join(names))

    def _look(self) -> dict[str, tuple[int, int]]:
        """Size and time of every source."""
        places = self._places()
        found: dict[str, tuple[int, int]] = {}
        for folder in places.watched:
            for place, folders, files in os.walk(folder):
                folders[:] = [
                    name for name in folders if name not in _NOT_SOURCES and Path(place, name) not in places.buckets
                ]
                for name in files:
                    if _named_like_a_source(name):
                        with contextlib.suppress(OSError):
                            stat = os.stat(os.path.join(place, name))
                            found[os.path.join(place, name)] = (stat.st_mtime_ns, stat.st_size)
        return found

    def _is_source(self, _: watchfiles.Change, path: str) -> bool:
        places = self._places()
        place = Path(path)
        if not _named_like_a_source(place.name) or any(place.is_relative_to(folder) for folder in places.buckets):
            return False
        return any(
            place.is_relative_to(folder) and not _NOT_SOURCES & set(place.relative_to(folder).parts)
            for folder in places.watched
        )


def _named_like_a_source(name: str) -> bool:
    return name.endswith(_SUFFIXES)

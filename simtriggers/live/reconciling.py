"""Comparing a folder with the rows of its bucket: at a start, and whenever news may have been lost.

What a bucket's folder held before its first start is indexed without events, unless the project wants
them; what came, changed or went while nothing ran is reported, unless the project wants it indexed.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio

from ..kernel.effects import Refused
from ..services.s3.commands import (
    FileIdentity,
    FileList,
    FileState,
    FolderScanned,
    ForgetFiles,
    IndexFiles,
    ListFiles,
)
from ..services.s3.config import BucketSettings
from .completeness import Look, Opener, Seen, look_at
from .naming import Names, Tree, key_problem, walk

Known = dict[str, tuple[int, FileIdentity]]
"""Files by key, with size and identity."""

_PAGE = 2000
_CHUNK = 200


class Reconciler:
    """Compares for one bucket. `skip(key, reason)` warns of what cannot be an object."""

    def __init__(
        self,
        arn: str,
        root: str,
        settings: BucketSettings,
        names: Names,
        submit: Callable[[str, Any], Awaitable[Any]],
        skip: Callable[[str, str], Awaitable[None]],
        opener: Opener = os.open,
    ) -> None:
        self._arn = arn
        self._root = root
        self._settings = settings
        self._names = names
        self._submit = submit
        self._skip = skip
        self._opener = opener

    async def start(self, before: Tree) -> list[str]:
        """The keys to look at after a start, indexing what is to raise no events.

        `before` is the folder as it was before it was watched: only what is still like that can be old.
        """
        scanned, rows = await self._rows("")
        quiet = self._settings.changes_while_down if scanned else self._settings.initial_files
        new, changed, gone = _compared(before, rows)
        for key, reason in before.unreadable.items():
            await self._skip(key, reason)
        report = new + changed + gone
        indexed = 0
        if quiet == "index":
            report, indexed = await self._index(before, new + changed)
            await self._forget(gone)
        await self._submit(
            self._arn,
            FolderScanned(indexed, len(new + changed) - indexed, 0 if quiet == "index" else len(gone)),
        )
        # What came between the walk and the watching, which neither of them tells.
        after = await anyio.to_thread.run_sync(walk, self._root, "", self._names)
        late = [key for key, found in after.files.items() if found is None or before.files.get(key) != found]
        return list(dict.fromkeys([*report, *late]))

    async def differences(self, below: str) -> list[str]:
        """The keys below a folder (`` for all) whose files are not as their rows say, or have no row, or
        are gone."""
        _, rows = await self._rows(f"{below}/" if below else "")
        tree = await anyio.to_thread.run_sync(walk, self._root, below, self._names)
        for key, reason in tree.unreadable.items():
            await self._skip(key, reason)
        return [key for group in _compared(tree, rows) for key in group]

    async def _rows(self, prefix: str) -> tuple[bool, Known]:
        rows: Known = {}
        after, scanned = "", False
        while True:
            page = await self._submit(self._arn, ListFiles(after, prefix, _PAGE))
            if isinstance(page, Refused):
                return scanned, rows
            assert isinstance(page, FileList)
            scanned = page.scanned
            rows.update((one.key, (one.size, one.file)) for one in page.files)
            if not page.truncated:
                return scanned, rows
            after = page.files[-1].key

    async def _index(self, before: Tree, keys: list[str]) -> tuple[list[str], int]:
        """Index the files that are still as they were; gives the others, and how many were indexed."""
        others: list[str] = []
        indexed = 0
        for at in range(0, len(keys), _CHUNK):
            part = keys[at : at + _CHUNK]
            old: list[FileState] = []
            for key, seen in zip(part, await anyio.to_thread.run_sync(self._look, part), strict=True):
                state = seen.state
                if state is not None and before.files[key] == (state.size, state.file):
                    old.append(state)
                else:
                    others.append(key)
            await self._submit(self._arn, IndexFiles(tuple(old)))
            indexed += len(old)
        return others, indexed

    def _look(self, keys: Iterable[str]) -> list[Seen]:
        """Whether somebody writes does not matter here: a file that goes on growing will be looked at."""
        return [
            Seen(Look.NO_FILE) if key_problem(key) else look_at(self._root, key, opener=self._opener, rested=True)
            for key in keys
        ]

    async def _forget(self, keys: list[str]) -> None:
        missing = [key for key in keys if not os.path.lexists(f"{self._root}/{key}")]
        for at in range(0, len(missing), _CHUNK):
            await self._submit(self._arn, ForgetFiles(tuple(missing[at : at + _CHUNK])))


def _compared(tree: Tree, rows: Known) -> tuple[list[str], list[str], list[str]]:
    """Keys of new files, of changed ones and of those that are gone; links and the like count as new."""
    new = [key for key in tree.files if key not in rows]
    changed = [key for key, row in rows.items() if key in tree.files and tree.files[key] != row]
    gone = [key for key in rows if key not in tree.files]
    return new, changed, gone

"""A bucket on a folder: a file that is complete becomes a PutObject, one that goes a FileGone.

Owns the watching of one folder and the order of looks at its paths; never decides whether a file is news
(the service does, from its rows, so a repeated report makes no event and a restart loses none).
Changes are seen by watchfiles; each path is looked at until it is complete, hashed, and reported. Folders
that are added are walked, and walked again when all is quiet: files that appeared in them before the
system watched them are never announced. A burst so large that the system may have dropped news is followed
by a comparison of the whole folder with the bucket.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

import anyio
import anyio.abc
from watchfiles import Change, awatch

from ..errors import SimtriggersError, StateError, UserError
from ..kernel.effects import Refused
from ..services.s3.commands import FileGone, FileSkipped, FileState, FolderChanged, Gone, ObjectPut, PutObject
from ..services.s3.config import BucketSettings
from ..services.s3.store import BELOW_LIMIT
from .candidates import SHORTEST_S, Candidate, Candidates
from .completeness import Look, Opener, Seen, Writers, look_at, nobody_writes
from .naming import Names, key_of, key_problem, shown, walk
from .reconciling import Reconciler

Submit = Callable[[str, Any], Awaitable[Any]]

_STEP_MS, _DEBOUNCE_MS = 1, 10
_INLINE, _BATCH, _IN_FLIGHT = 2, 256, 500
_HASH_INLINE, _HASH_AT_ONCE = 256 << 10, 1 << 20
_GONE_S, _QUIET_S, _DOUBT_LIMIT_S, _RETRY_S, _ROOT_S = 0.1, 0.2, 2.0, 1.0, 0.25
_RESTART_S = 0.05
_BURST = 1000
"""Changes in one batch from which on the system may have dropped some (Linux keeps 16,384 unread)."""


class Copies(Protocol):
    """Who keeps copies of files beside the folder."""

    def keep_file(self, key: str, path: str, etag: str) -> str | None:
        """The name of a copy of the file, or None when it does not have that MD5 (any more)."""

    def drop_copy(self, name: str) -> None:
        """Forget a copy."""


def _topmost(folders: set[str]) -> list[str]:
    """The folders that lie in no other of them; `` is the whole."""
    if "" in folders:
        return [""]
    return [one for one in sorted(folders) if not any(one.startswith(f"{other}/") for other in folders)]


async def set_when_cancelled(event: anyio.Event) -> None:
    """The thread of awatch ends by this event alone: without it a cancellation waits for five seconds."""
    try:
        await anyio.sleep_forever()
    finally:
        event.set()


class BucketFolder:
    """Watches the folder of one bucket. `submit(arn, command)` returns the reply after the commit.

    Of a versioned bucket `copies` keeps the bytes of each file, since one that is overwritten is gone.
    `opener`, `writers` and `watcher` are replaced in tests only.
    """

    def __init__(
        self,
        arn: str,
        settings: BucketSettings,
        submit: Submit,
        *,
        opener: Opener = os.open,
        writers: Writers = nobody_writes,
        copies: Copies | None = None,
        watcher: Callable[..., AsyncGenerator[set[tuple[Change, str]], None]] = awatch,
    ) -> None:
        assert settings.folder, f"{arn} has no folder"
        self.arn = arn
        self._settings = settings
        self._submit = submit
        self._opener = opener
        self._writers = writers
        self._watcher = watcher
        self._copies = copies if settings.versioning else None
        self._names = Names(settings.ignore)
        self._polling = settings.polling
        self._quiet_s = settings.quiet_period_ms / 1000
        self._candidates = Candidates()
        self._stirred = anyio.Event()
        self._slots = anyio.Semaphore(_IN_FLIGHT)
        self._hashing = anyio.CapacityLimiter(2)
        self._skipped: dict[str, str] = {}
        self._doubtful: dict[str, float] = {}
        self._quiet_at = 0.0
        self._comparing = False
        self._rootless = False
        self._tasks: anyio.abc.TaskGroup
        self._root = os.path.realpath(settings.folder)
        self._reconciler = Reconciler(arn, self._root, settings, self._names, submit, self._skip, opener)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Compare the folder with the bucket, then report what happens in it, until cancelled.

        Started when everything that happens from now on will be reported. Raises UserError when there is
        no such folder.
        """
        if not os.path.isdir(self._root):
            raise UserError(
                f"the folder of bucket {self.arn.rsplit(':', 1)[-1]} is not there: {self._settings.folder}",
                fix=f"mkdir -p {self._settings.folder}",
            )
        before = await anyio.to_thread.run_sync(walk, self._root, "", self._names)
        async with anyio.create_task_group() as self._tasks:
            await self._tasks.start(self._watch)
            for key in await self._reconciler.start(before):
                self._notice(key)
            self._doubt("")
            self._tasks.start_soon(self._work)
            task_status.started()

    async def settled(self) -> None:
        """Wait until nothing is left to look at, to report or to doubt."""
        while self._candidates or self._doubtful or self._comparing:
            await anyio.sleep(0.005)

    # --- watching -------------------------------------------------------------------------------

    async def _watch(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Follow the folder; when it goes, wait for its return; when it cannot be watched, poll it."""
        started = False
        while True:
            async with anyio.create_task_group() as inner:
                stop = anyio.Event()
                inner.start_soon(set_when_cancelled, stop)
                inner.start_soon(self._follow, stop, inner.cancel_scope)
                # The watcher is made in the first turn of `_follow`, which comes before this one's next.
                await anyio.lowlevel.checkpoint()
                if not started:
                    task_status.started()
                    started = True
            if self._rootless or not os.path.isdir(self._root):
                await self._wait_for_the_root()
            self._doubt("")

    async def _wait_for_the_root(self) -> None:
        """The folder itself went: its objects stay as they are until it is there again."""
        self._rootless = True
        await self._tell(FolderChanged("gone"))
        while not os.path.isdir(self._root):
            await anyio.sleep(_ROOT_S)
        self._rootless = False
        await self._tell(FolderChanged("returned"))

    async def _tell(self, change: FolderChanged) -> None:
        """A row of the trace; none when the database cannot keep it, or the simulator stops."""
        with contextlib.suppress(SimtriggersError):
            await self._submit(self.arn, change)

    async def _follow(self, stop: anyio.Event, scope: anyio.CancelScope) -> None:
        changes = self._watcher(
            self._root,
            watch_filter=None,
            step=_STEP_MS,
            debounce=_DEBOUNCE_MS,
            stop_event=stop,
            force_polling=self._polling or None,
            ignore_permission_denied=True,
        )
        try:
            async with aclosing(changes):
                async for batch in changes:
                    if not self._changed(batch):
                        break
        except ExceptionGroup:
            # The watcher ends over a name that is not UTF-8, or over a folder too many: begin anew and
            # compare, which names the one; the other is refused at once and ends below.
            await anyio.sleep(_RESTART_S)
        except (OSError, RuntimeError) as error:
            if os.path.isdir(self._root):
                if self._polling:
                    raise
                self._polling = True
                await self._tell(FolderChanged("polled", str(error)))
        scope.cancel()

    def _changed(self, batch: set[tuple[Change, str]]) -> bool:
        """Note what happened; False when the folder itself went."""
        if len(batch) >= _BURST:
            self._doubt("")
        now = time.monotonic()
        cut = len(self._root) + 1
        for change, path in batch:
            if len(path) <= cut:
                if change is Change.deleted and not os.path.isdir(self._root):
                    self._rootless = True
                    return False
                self._doubt("")
                continue
            key = key_of(path[cut:])
            if "\ufffd" in key:
                self._doubt(key.rpartition("/")[0])
            elif not self._names.ignores(key):
                self._candidates.notice(key, now)
        self._quiet_at = now + _QUIET_S
        self._stirred.set()
        return True

    def _notice(self, key: str, after_s: float = 0.0) -> None:
        self._candidates.notice(key, time.monotonic() + after_s)
        self._stirred.set()

    def _doubt(self, folder: str) -> None:
        """Compare a folder with its rows when all has been quiet for a while, but not too late."""
        now = time.monotonic()
        self._doubtful.pop(folder, None)
        self._doubtful[folder] = now + _DOUBT_LIMIT_S
        self._quiet_at = now + _QUIET_S
        self._stirred.set()

    # --- looking --------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Look at what is due; compare what is in doubt once nothing has happened for a while."""
        while True:
            now = time.monotonic()
            taken = self._candidates.take(now, _BATCH)
            if taken:
                await self._look(taken)
                continue
            due = self._candidates.next_due()
            if self._doubtful and not self._candidates.taken:
                compare_at = min(self._quiet_at, next(iter(self._doubtful.values())))
                if now >= compare_at:
                    await self._compare(now)
                    continue
                due = compare_at if due is None else min(due, compare_at)
            self._stirred = anyio.Event()
            with anyio.move_on_after(None if due is None else max(0.0, due - now)):
                await self._stirred.wait()

    async def _look(self, taken: list[Candidate]) -> None:
        if len(taken) <= _INLINE:
            seen = self._look_at(taken, _HASH_INLINE)
        else:
            seen = await anyio.to_thread.run_sync(self._look_at, taken, _HASH_AT_ONCE)
        for item, one in zip(taken, seen, strict=True):
            await self._act(item, one)

    def _look_at(self, items: list[Candidate], hash_limit: int) -> list[Seen]:
        found: list[Seen] = []
        for item in items:
            problem = key_problem(item.key)
            if problem:
                found.append(Seen(Look.NO_FILE, reason=problem))
                continue
            seen = self._look_once(item.key, hash_limit, rested=False)
            if seen.look is Look.UNSURE and self._has_rested(item, seen):
                seen = self._look_once(item.key, hash_limit, rested=True)
            found.append(seen)
        return found

    def _look_once(self, key: str, hash_limit: int | None, *, rested: bool) -> Seen:
        return look_at(
            self._root,
            key,
            opener=self._opener,
            writers=self._writers,
            hash_limit=hash_limit,
            rested=rested,
        )

    def _has_rested(self, item: Candidate, seen: Seen) -> bool:
        assert seen.identity is not None
        now = time.monotonic()
        if item.rest is None or item.rest[:2] != (seen.identity, seen.size):
            item.rest = (seen.identity, seen.size, now)
        return now - item.rest[2] >= self._quiet_s

    async def _act(self, item: Candidate, seen: Seen) -> None:
        """What follows from a look."""
        now = time.monotonic()
        look = seen.look
        if look is Look.READY:
            assert seen.state is not None
            await self._report(item, self._put, seen.state)
        elif look is Look.LARGE:
            self._tasks.start_soon(self._hash_large, item)
        elif look is Look.BUSY:
            self._candidates.retry(item, now + item.backoff(now))
        elif look is Look.UNSURE:
            assert item.rest is not None
            self._candidates.retry(item, item.rest[2] + self._quiet_s)
        elif look is Look.CHANGED:
            self._candidates.retry(item, now + SHORTEST_S)
        elif look is Look.GONE:
            await self._missing(item, now)
        elif look is Look.FOLDER:
            self._tasks.start_soon(self._enter, item)
        elif look is Look.UNREADABLE:
            await self._skip(item.key, seen.reason)
            self._candidates.release(item, now)
        else:
            await self._skip(item.key, seen.reason)
            await self._report(item, self._gone)

    async def _missing(self, item: Candidate, now: float) -> None:
        """A file that is away for a moment is being replaced: editors do so."""
        if item.gone_since is None:
            item.gone_since = now
        if now - item.gone_since < _GONE_S:
            self._candidates.retry(item, item.gone_since + _GONE_S)
        elif self._rootless or not os.path.isdir(self._root):
            self._candidates.release(item, now)
        else:
            self._skipped.pop(item.key, None)
            await self._report(item, self._gone)

    async def _hash_large(self, item: Candidate) -> None:
        def look() -> Seen:
            return self._look_once(item.key, None, rested=item.rest is not None)

        await self._act(item, await anyio.to_thread.run_sync(look, limiter=self._hashing))

    async def _enter(self, item: Candidate) -> None:
        """A folder: look at all that it holds now, and compare when all is quiet."""
        if self._names.ignores_below(item.key):
            self._candidates.release(item, time.monotonic())
            return
        self._doubt(item.key)
        tree = await anyio.to_thread.run_sync(walk, self._root, item.key, self._names)
        for key in tree.files:
            self._notice(key)
        for key, reason in tree.unreadable.items():
            await self._skip(key, reason)
        await self._report(item, self._gone)

    async def _compare(self, now: float) -> None:
        """Find what the system did not tell: in new folders, or anywhere."""
        quiet = now >= self._quiet_at
        folders = {folder for folder, limit in self._doubtful.items() if quiet or now >= limit}
        for folder in folders:
            del self._doubtful[folder]
        if self._rootless:
            return
        self._comparing = True
        try:
            for folder in _topmost(folders):
                for key in await self._reconciler.differences(folder):
                    self._notice(key)
        except SimtriggersError:
            # The database could not answer, or the simulator stops: the doubt remains.
            self._tasks.start_soon(self._doubt_later, folders)
        finally:
            self._comparing = False

    async def _doubt_later(self, folders: set[str]) -> None:
        await anyio.sleep(_RETRY_S)
        for folder in folders:
            self._doubt(folder)

    # --- reporting ------------------------------------------------------------------------------

    async def _report(self, item: Candidate, report: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Report in a task of its own, so that many are committed together; waits when too many are."""
        await self._slots.acquire()
        self._tasks.start_soon(self._reporting, item, report, args)

    async def _reporting(self, item: Candidate, report: Callable[..., Awaitable[None]], args: tuple[Any, ...]) -> None:
        try:
            await report(item.key, *args)
            self._candidates.release(item, time.monotonic())
        except StateError:
            # The database could not keep it (a full disk): the file is still there, so report it later.
            self._candidates.retry(item, time.monotonic() + _RETRY_S)
        except SimtriggersError:
            # The simulator stops; the next start finds what was not reported.
            self._candidates.release(item, time.monotonic())
        finally:
            self._slots.release()
            self._stirred.set()

    async def _put(self, key: str, state: FileState) -> None:
        copy = ""
        if self._copies is not None:
            kept = await anyio.to_thread.run_sync(self._copies.keep_file, key, f"{self._root}/{key}", state.etag)
            if kept is None:
                # It changed meanwhile: the next look finds what it is now.
                self._notice(key)
                return
            copy = kept
        reply = await self._submit(self.arn, PutObject(key, state.size, state.etag, file=state.file, copy=copy))
        if copy and self._copies is not None and not (isinstance(reply, ObjectPut) and reply.changed):
            await anyio.to_thread.run_sync(self._copies.drop_copy, copy)
        if isinstance(reply, Refused):
            await self._skip(key, f"{reply.code}: {reply.message}")
            return
        self._skipped.pop(key, None)

    async def _gone(self, key: str) -> None:
        if key_problem(key):
            return
        reply = await self._submit(self.arn, FileGone(key))
        if isinstance(reply, Gone) and not os.path.lexists(f"{self._root}/{key}"):
            for below in reply.below:
                self._notice(below)
            if len(reply.below) == BELOW_LIMIT:
                self._doubt("")

    async def _skip(self, key: str, reason: str) -> None:
        """A warning in the trace, once for each path and reason."""
        if self._skipped.get(key) == reason:
            return
        self._skipped[key] = reason
        try:
            await self._submit(self.arn, FileSkipped(shown(key), reason))
        except SimtriggersError:
            # Not kept, so it is said again when the path is seen again.
            self._skipped.pop(key, None)

"""API writes into a live bucket with a folder: an object put by a request becomes a file, or goes beside it.

The intent is journalled before the disk is touched, the content written to a temporary file outside the
watched folder, made durable and renamed; then the object and its event are committed. The watcher sees the
renamed file, but the service knows it already. `settle` reads the journal after a crash: what was renamed
is committed, what was not is aborted, so there is neither a false event nor a missing one.

Keys that no file can have (`a` beside `a/b`, a `/` at the end, `..`, names that the system or the bucket's
ignored patterns do not take) are kept in the store, a folder of the simulator's own, under a digest.

A versioned bucket keeps a copy of each content there too, since a file that is overwritten is gone.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import anyio

from ..kernel.effects import Refused
from ..services.s3.commands import (
    DEFAULT_CONTENT_TYPE,
    AbortWrite,
    BeginWrite,
    Caller,
    CommitWrite,
    Conditions,
    DeleteObject,
    GetObject,
    HeadObject,
    ListCopies,
    ListWrites,
    ObjectInfo,
    PendingWrite,
    Properties,
    PutObject,
    StoredObject,
    content_md5,
)
from ..services.s3.conditions import ranged
from ..services.s3.config import BucketSettings
from ..services.s3.removal import many_refused
from ..services.s3.requests import CompleteMultipartUpload, DeleteObjects, Joined, JoinParts, ObjectsDeleted
from .completeness import identity_of
from .naming import Names, key_of

Submit = Callable[[str, Any], Awaitable[Any]]

_BEGAN_NS = time.time_ns()
_NAME_BYTES = 255
_EXACT_NAMES = sys.platform == "linux"
_TEMPORARY_FOLDER = ".simtriggers"
"""In the bucket's folder, when the state lies on another file system; always ignored by the watcher."""


COMMANDS = (PutObject, DeleteObject, GetObject, DeleteObjects, CompleteMultipartUpload)
"""What is to be told to ObjectFiles instead of the bucket's service."""


class ObjectFiles:
    """Writes and reads the objects of one bucket that has a folder.

    `state` is the simulator's own folder (`.simtriggers`). `crash` is told each point that was passed, for
    tests that end the process there.
    """

    def __init__(
        self,
        arn: str,
        settings: BucketSettings,
        submit: Submit,
        *,
        state: Path,
        crash: Callable[[str], None] = lambda point: None,
    ) -> None:
        assert settings.folder, f"{arn} has no folder"
        self._arn = arn
        self._submit = submit
        self._crash = crash
        self._names = Names(settings.ignore)
        self._root = Path(os.path.realpath(settings.folder))
        self._store = state.absolute() / "objects" / settings.facts.name
        self._temporary = self._temporary_folder(state.absolute())
        self._count = 0
        self._versioned = bool(settings.versioning)
        self._locks: dict[tuple[str, ...], anyio.Lock] = {}

    def _temporary_folder(self, state: Path) -> Path:
        state.mkdir(parents=True, exist_ok=True)
        near = os.stat(state).st_dev == os.stat(self._root).st_dev
        return state / "tmp" if near else self._root / _TEMPORARY_FOLDER / "tmp"

    # --- by command -----------------------------------------------------------------------------

    async def carry_out(self, command: Any) -> Any:
        """Carry out one of COMMANDS; replies as the service would."""
        if isinstance(command, PutObject):
            return await self.put(
                command.key,
                command.body or b"",
                content_type=command.content_type,
                caller=command.caller,
                properties=command.properties,
                conditions=command.conditions,
                operation=command.operation,
            )
        if isinstance(command, DeleteObject):
            return await self.delete(
                command.key,
                caller=command.caller,
                version_id=command.version_id,
                conditions=command.conditions,
            )
        if isinstance(command, GetObject):
            conditions = command.conditions
            return await self.get(command.key, command.version_id, range=command.range, conditions=conditions)
        if isinstance(command, DeleteObjects):
            return await self.delete_many(command)
        assert isinstance(command, CompleteMultipartUpload), command
        return await self.complete(command)

    # --- writing --------------------------------------------------------------------------------

    async def put(
        self,
        key: str,
        body: str | bytes,
        *,
        content_type: str = DEFAULT_CONTENT_TYPE,
        caller: Caller | None = None,
        properties: Properties | None = None,
        conditions: Conditions | None = None,
        operation: str = "PutObject",
    ) -> Any:
        """Put an object; replies with ObjectPut, or Refused. `operation` as PutObject names it."""
        raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        begin = BeginWrite(
            "put",
            key,
            "",
            len(raw),
            content_md5(raw),
            content_type=content_type,
            caller=caller,
            properties=properties,
            conditions=conditions,
            source=operation,
        )
        return await self._store_content(begin, raw)

    async def complete(self, command: CompleteMultipartUpload) -> Any:
        """Complete an upload in parts: its object becomes a file, with the ETag of its parts. Replies as the
        command does; the upload goes with the commit."""
        async with self._alone("upload", command.upload_id):
            joined = await self._submit(self._arn, JoinParts(command.upload_id, command.parts, command.conditions))
            if not isinstance(joined, Joined):
                return joined
            begin = BeginWrite(
                "put",
                joined.key,
                "",
                len(joined.body),
                joined.etag,
                content_type=joined.content_type,
                caller=command.caller,
                properties=joined.properties,
                conditions=command.conditions,
                source="CompleteMultipartUpload",
                upload_id=command.upload_id,
            )
            return await self._store_content(begin, joined.body)

    async def _store_content(self, wanted: BeginWrite, raw: bytes) -> Any:
        """Write a content to its place. `wanted` says all of it but where: place, file, temporary, copy."""
        key = wanted.key
        async with self._alone("key", key):
            place, target = await anyio.to_thread.run_sync(self._target, key)
            temporary = self._next_temporary()
            found = await anyio.to_thread.run_sync(self._write, temporary, raw)
            copy = await anyio.to_thread.run_sync(self.keep_copy, key, raw) if self._versioned else ""
            begin = replace(wanted, place=place, file=identity_of(found), temporary=str(temporary), copy=copy)
            write_id = await self._submit(self._arn, begin)
            if isinstance(write_id, Refused):
                await self._clear(temporary, copy)
                return write_id
            self._crash("before_rename")
            try:
                await anyio.to_thread.run_sync(self._rename, temporary, target)
            except OSError as error:
                await self._clear(temporary, copy)
                reason = f"the file could not be put in its place: {error.strerror or error}"
                await self._submit(self._arn, AbortWrite(write_id, reason))
                return Refused("InternalError", f"{key}: {reason}", 500)
            self._crash("after_rename")
            reply = await self._submit(self._arn, CommitWrite(write_id))
            if place == "file":
                await anyio.to_thread.run_sync(self._unlink, self._path(key, "store"))
            return reply

    async def _clear(self, temporary: Path, copy: str) -> None:
        temporary.unlink(missing_ok=True)
        await anyio.to_thread.run_sync(self._unlink, self._path_of_copy(copy))

    @asynccontextmanager
    async def _alone(self, *what: str) -> AsyncIterator[None]:
        """One at a time for each key, and for each upload."""
        lock = self._locks.setdefault(what, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if lock.statistics().tasks_waiting == 0 and not lock.locked():
                self._locks.pop(what, None)

    async def delete(
        self,
        key: str,
        *,
        caller: Caller | None = None,
        version_id: str = "",
        conditions: Conditions | None = None,
    ) -> Any:
        """Delete an object and its file, or one version; replies with ObjectDeleted, or Refused.

        Of a version that is deleted the copy goes too. The version before it, if it becomes the current one,
        stays beside the folder.
        """
        if version_id:
            return await self._delete_version(DeleteObject(key, caller, version_id, conditions))
        async with self._alone("key", key):
            head = await self._submit(self._arn, HeadObject(key))
            place = head.place if isinstance(head, ObjectInfo) else "none"
            begin = BeginWrite("delete", key, place, caller=caller, conditions=conditions)
            write_id = await self._submit(self._arn, begin)
            if isinstance(write_id, Refused):
                return write_id
            self._crash("before_unlink")
            await anyio.to_thread.run_sync(self._unlink, self._path(key, place))
            self._crash("after_unlink")
            return await self._submit(self._arn, CommitWrite(write_id))

    async def delete_many(self, command: DeleteObjects) -> Any:
        """Delete each of a list, one after the other; replies with ObjectsDeleted, or Refused for all."""
        refused = many_refused(command.objects)
        if refused is not None:
            return refused
        caller = command.caller
        done = [await self.delete(key, caller=caller, version_id=version_id) for key, version_id in command.objects]
        return ObjectsDeleted(tuple(done))

    async def _delete_version(self, command: DeleteObject) -> Any:
        key = command.key
        async with self._alone("key", key):
            version = await self._submit(self._arn, HeadObject(key, command.version_id))
            current = await self._submit(self._arn, HeadObject(key))
            reply = await self._submit(self._arn, command)
            if isinstance(reply, Refused) or not isinstance(version, ObjectInfo):
                return reply
            if isinstance(current, ObjectInfo) and current.version_id == version.version_id:
                await anyio.to_thread.run_sync(self._unlink, self._path(key, version.place))
            await anyio.to_thread.run_sync(self._unlink, self._path_of_copy(version.copy))
            return reply

    async def settle(self) -> None:
        """Finish what the journal of an earlier process left; before the folder is watched."""
        for write in await self._submit(self._arn, ListWrites()):
            reached = await anyio.to_thread.run_sync(self._reached_the_disk, write)
            if reached:
                await self._submit(self._arn, CommitWrite(write.id))
            else:
                await self._submit(self._arn, AbortWrite(write.id, "the process ended before the file was written"))
        await anyio.to_thread.run_sync(shutil.rmtree, self._temporary, True)
        copies = await self._submit(self._arn, ListCopies())
        await anyio.to_thread.run_sync(self._sweep, frozenset(copies))

    def _sweep(self, kept: frozenset[str]) -> None:
        """Remove the copies that an earlier process left and that no version has: a lifecycle rule deleted it, or
        the write was cut off."""
        folder = self._store / "versions"
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in kept and path.stat().st_mtime_ns < _BEGAN_NS:
                path.unlink(missing_ok=True)

    def _reached_the_disk(self, write: PendingWrite) -> bool:
        path = self._path(write.key, write.place)
        try:
            found = os.lstat(path) if path is not None else None
        except OSError:
            found = None
        if write.operation == "delete":
            return found is None
        return found is not None and (identity_of(found), found.st_size) == (write.file, write.size)

    # --- reading --------------------------------------------------------------------------------

    async def get(
        self, key: str, version_id: str = "", *, range: str = "", conditions: Conditions | None = None
    ) -> Any:
        """The object, or a version or a part of it, with its content as bytes or text (StoredObject), or
        Refused."""
        stored = await self._submit(self._arn, GetObject(key, version_id, conditions, range))
        if not isinstance(stored, StoredObject) or stored.body is not None:
            return stored
        kept = stored.info.place == "copy"
        path = self._path_of_copy(stored.info.copy) if kept else self._path(key, stored.info.place)
        if path is None:
            return stored
        try:
            raw = await anyio.to_thread.run_sync(path.read_bytes)
        except OSError:
            return Refused("NoSuchKey", "The specified key does not exist.", 404, fields=(("Key", key),))
        return ranged(StoredObject(stored.info, raw), range)

    # --- places ---------------------------------------------------------------------------------

    def _path(self, key: str, place: str) -> Path | None:
        if place == "file":
            return self._root / key
        if place == "store":
            return self._store / blake2b(key.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return None

    def _path_of_copy(self, name: str) -> Path | None:
        return self._store / "versions" / name if name else None

    def keep_copy(self, key: str, raw: bytes) -> str:
        """Keep a content beside the folder, durably; the name under which it is found."""
        self._count += 1
        unique = f"{key}/{os.getpid()}/{time.time_ns()}/{self._count}".encode("utf-8", "surrogatepass")
        name = blake2b(unique, digest_size=20).hexdigest()
        path = self._path_of_copy(name)
        assert path is not None
        self._write(path, raw)
        _sync_folder(path.parent)
        return name

    def keep_file(self, key: str, path: str, etag: str) -> str | None:
        """Keep the content of a file beside the folder; None when it does not have that MD5 (any more)."""
        try:
            raw = Path(path).read_bytes()
        except OSError:
            return None
        return self.keep_copy(key, raw) if content_md5(raw) == etag else None

    def drop_copy(self, name: str) -> None:
        """Forget a copy."""
        self._unlink(self._path_of_copy(name))

    def _target(self, key: str) -> tuple[str, Path]:
        """Where a key's content goes: its file if there can be one."""
        place = "file" if self._can_be_file(key) else "store"
        path = self._path(key, place)
        assert path is not None
        return place, path

    def _can_be_file(self, key: str) -> bool:
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\0" in part or os.sep != "/" and os.sep in part for part in parts):
            return False
        if any(len(part.encode("utf-8", "surrogatepass")) > _NAME_BYTES for part in parts):
            return False
        try:
            key.encode()
        except UnicodeEncodeError:
            return False
        if self._names.ignores(key) or self._names.ignores_below(key):
            return False
        path = self._root / key
        if path.is_symlink() or path.is_dir() or _other_spelling(path, key):
            return False
        folder = path.parent
        while not os.path.lexists(folder):
            folder = folder.parent
        return folder.is_dir() and os.path.realpath(folder) == str(folder)

    def _next_temporary(self) -> Path:
        self._count += 1
        return self._temporary / f"{os.getpid()}-{self._count}"

    # --- the disk -------------------------------------------------------------------------------

    def _write(self, path: Path, raw: bytes) -> os.stat_result:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
            return os.fstat(file.fileno())

    def _rename(self, temporary: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, target)
        _sync_folder(target.parent)

    def _unlink(self, path: Path | None) -> None:
        if path is not None and os.path.lexists(path):
            path.unlink(missing_ok=True)
            _sync_folder(path.parent)


def _other_spelling(path: Path, key: str) -> bool:
    """Whether the disk would take the key for another name: by case, or by the form of its letters."""
    if _EXACT_NAMES:
        return False
    if key_of(key) != key:
        return True
    return os.path.lexists(path) and path.name not in map(key_of, os.listdir(path.parent))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every system can open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)

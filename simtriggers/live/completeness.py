"""Is a file complete, and what is in it: one look at one path, in plain synchronous code.

On Linux a file is complete when nobody has it open for writing: then, and only then, the kernel grants a
read lease on it. The lease is given back at once; a writer that opens the file in those microseconds
waits for that long. Where leases do not exist (other systems, network mounts, files of another user) the
caller waits until the file has rested for a while.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..services.s3.commands import FileIdentity, FileState

Opener = Callable[[str, int], int]
"""Like os.open: a path and flags to a descriptor, or OSError. Tests inject unreadable files with it."""

Writers = Callable[[int], bool | None]
"""Like `nobody_writes`. Tests inject systems without leases with it."""

_INODE_MASK = (1 << 63) - 1
_CHUNK = 1 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


class Look(Enum):
    """What one look at a path says."""

    READY = "complete and hashed"
    BUSY = "somebody has it open for writing"
    UNSURE = "the system cannot say whether somebody writes"
    CHANGED = "it changed while it was read"
    LARGE = "complete, but too large to be hashed here"
    FOLDER = "a folder"
    GONE = "nothing there"
    UNREADABLE = "it cannot be read"
    NO_FILE = "something that cannot be an object"


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of a look. `state` when READY; `identity` and `size` when UNSURE; `reason` in words when
    UNREADABLE or NO_FILE."""

    look: Look
    state: FileState | None = None
    identity: FileIdentity | None = None
    size: int = 0
    reason: str = ""


def identity_of(found: os.stat_result) -> FileIdentity:
    """What tells this state of a file from another, beside its size."""
    return FileIdentity(found.st_ino & _INODE_MASK, found.st_mtime_ns)


if sys.platform == "linux":
    import fcntl

    def nobody_writes(descriptor: int) -> bool | None:
        """Whether no process has the open file open for writing; None when the system cannot say."""
        try:
            # A writer that runs into the lease makes the kernel signal us: SIGIO would end the process.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            # EACCES: the file is another user's, so the system will not say.
            return False if error.errno == errno.EAGAIN else None
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True

else:

    def nobody_writes(descriptor: int) -> bool | None:
        """None: this system cannot say whether a process has the open file open for writing."""
        return None


def look_at(
    root: str,
    key: str,
    *,
    opener: Opener,
    writers: Writers = nobody_writes,
    hash_limit: int | None = None,
    rested: bool = False,
) -> Seen:
    """Look at a file of the folder `root` (a real path).

    `hash_limit` in bytes: larger files are LARGE (None: hash anything, in bounded memory). `rested`: the
    caller has seen that the file does not change, so no lease is asked for.
    """
    path = f"{root}/{key}"
    try:
        found = os.lstat(path)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            return Seen(Look.FOLDER)
        reason = _SPECIAL.get(kind) or _link_problem(root, key, kind == stat.S_IFLNK)
        if reason:
            return Seen(Look.NO_FILE, reason=reason)
        descriptor = opener(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return Seen(Look.GONE)
    except OSError as error:
        return Seen(Look.UNREADABLE, reason=f"cannot be read: {error.strerror or error}")
    try:
        return _look_inside(descriptor, path, key, hash_limit, None if rested else writers)
    except OSError as error:
        return Seen(Look.UNREADABLE, reason=f"cannot be read: {error.strerror or error}")
    finally:
        os.close(descriptor)


def _link_problem(root: str, key: str, is_link: bool) -> str:
    """Why links on the way to a file keep it out, or nothing. A link to a file inside is that file."""
    if not is_link and "/" not in key:
        return ""
    path = f"{root}/{key}"
    folder = os.path.dirname(path)
    if os.path.realpath(folder) != folder:
        return "it lies behind a symbolic link to a folder, which is not followed"
    if not is_link:
        return ""
    target = os.path.realpath(path)
    if not target.startswith(f"{root}/"):
        return "a symbolic link that leads out of the folder"
    if not os.path.exists(target):
        return "a symbolic link to nothing"
    return "" if os.path.isfile(target) else "a symbolic link to something that is not a file"


def _look_inside(descriptor: int, path: str, key: str, hash_limit: int | None, writers: Writers | None) -> Seen:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        return Seen(Look.CHANGED)
    if writers is not None:
        free = writers(descriptor)
        if free is None:
            return Seen(Look.UNSURE, identity=identity_of(before), size=before.st_size)
        if not free:
            return Seen(Look.BUSY)
    if hash_limit is not None and before.st_size > hash_limit:
        return Seen(Look.LARGE)
    etag = _md5(descriptor)
    after = os.fstat(descriptor)
    try:
        named = os.stat(path)
    except OSError:
        return Seen(Look.CHANGED)
    marks = {(one.st_ino, one.st_size, one.st_mtime_ns) for one in (before, after, named)}
    if len(marks) != 1:
        return Seen(Look.CHANGED)
    return Seen(Look.READY, FileState(key, before.st_size, etag, identity_of(before)))


def _md5(descriptor: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := os.read(descriptor, _CHUNK):
        digest.update(chunk)
    return digest.hexdigest()

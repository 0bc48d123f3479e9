"""Opening the world's database: a WAL file behind aiosqlite's thread, or memory, inline.

The step that runs on either is the same synchronous function of a sqlite3 connection. Owns the pragmas,
the lock against a second live simulator, and the translation of SQLite's errors into words for people.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import aiosqlite

from ..errors import StateError

T = TypeVar("T")

SYNCHRONOUS = ("normal", "full")
"""`normal` survives the process being killed; `full` survives the loss of power."""

_BUSY_S = 5.0


class SteppingConnection(aiosqlite.Connection):
    """aiosqlite's connection and thread, plus one call for a whole function.

    Uses members that aiosqlite does not document: `_execute(function, *args)`, which runs a function in
    the connection's thread, `_conn`, the sqlite3 connection, and, to open and to fail, `_thread`.
    tests/engine/test_database.py holds them to that; pyproject.toml pins the version.
    """

    async def hop(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function(connection)` in the connection's thread, as one hop, and return its result."""
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result

    async def open_connection(self) -> sqlite3.Connection:
        """The sqlite3 connection itself, for use inside `hop` alone."""
        return self._conn


def open_memory() -> sqlite3.Connection:
    """An empty database in memory, in autocommit mode: transactions are explicit."""
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=1024)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_inline(path: Path, *, synchronous: str = "normal", busy_s: float = _BUSY_S) -> sqlite3.Connection:
    """The state file as a plain sqlite3 connection, in autocommit mode: transactions are explicit.

    `busy_s` is how long to wait for another program's transaction to end. Raises StateError when the file
    is no SQLite database, belongs to another program, is corrupt, locked, or cannot be opened.
    """
    assert synchronous in SYNCHRONOUS
    with explained(path):
        connection = sqlite3.connect(
            path, isolation_level=None, cached_statements=1024, check_same_thread=False, timeout=busy_s
        )
        try:
            _refuse_foreign(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """A file with tables but without ours is somebody's data: it is not to be written into."""
    names = {
        name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    }
    if names and "schema_versions" not in names:
        raise StateError(
            f"{path}: is the database of another program (it has the table {min(names)})\n"
            "  fix: give another --state file"
        )


async def open_file(path: Path, *, synchronous: str = "normal", busy_s: float = _BUSY_S) -> SteppingConnection:
    """The state file, created with its folder when absent, behind a thread of its own. As `open_inline`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{path}: the folder of the state file cannot be made: {error}") from error
    connection = SteppingConnection(lambda: open_inline(path, synchronous=synchronous, busy_s=busy_s), 64)
    connection._thread.daemon = True  # a crash must not hang on the connection's thread
    try:
        await connection
    except BaseException:
        connection._thread.join()  # else it answers to an event loop that may have closed
        raise
    return connection


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors into StateError: what is wrong with the file, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error


_REFUSALS = tuple(
    f"SQLITE_{name}"
    for name in (
        *("BUSY", "CANTOPEN", "CORRUPT", "FULL", "INTERRUPT", "IOERR", "LOCKED", "NOLFS", "NOMEM", "NOTADB"),
        *("PERM", "PROTOCOL", "READONLY"),
    )
)


def refused(error: BaseException) -> bool:
    """Whether the database or its disk is the cause, so that no statement of ours would do better now."""
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorname", "") or "").startswith(_REFUSALS)


def explain(path: Path | str, error: sqlite3.Error) -> StateError:
    """The StateError for one of SQLite's errors."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    if name.startswith("SQLITE_FULL"):
        return StateError(f"{path}: the disk is full; nothing of this change was kept\n  fix: free some space")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StateError(
            f"{path}: another program holds the database locked; nothing of this change was kept\n"
            "  fix: end its transaction (a sqlite3 shell with an open BEGIN?)"
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StateError(
            f"{path}: not a sound simtriggers state file ({text})\n"
            "  fix: move it away and start again, or give another --state file"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StateError(f"{path}: cannot be opened for writing ({text})")
    if name.startswith("SQLITE_IOERR"):
        return StateError(f"{path}: the disk refused to read or write ({name}); nothing of this change was kept")
    return StateError(f"{path}: {text}")


class StateLock:
    """Keeps a second live simulator off one state file: an operating-system lock on `FILE.lock`.

    The lock goes with the process, however it ends. Other programs may still read and write the database.
    """

    def __init__(self, state: Path) -> None:
        self.path = state.with_name(state.name + ".lock")
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises StateError naming the process that holds it, or why it cannot be made."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be made: {error}") from error
        try:
            _lock(handle)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                os.close(handle)
                raise StateError(f"{self.path}: this file system gives no locks: {error}") from error
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StateError(
                f"{self.path.with_suffix('')}: in use by another simtriggers (process {holder})\n"
                f"  fix: stop it (kill {holder}), or start this one with another --state file"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


if sys.platform == "win32":  # pragma: no cover - best effort
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

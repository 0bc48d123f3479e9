"""The state file: what aiosqlite must go on doing, the lock, and what is said when the file cannot be used."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simtriggers.engine.database import (
    StateLock,
    SteppingConnection,
    explain,
    explained,
    open_file,
    open_inline,
    open_memory,
    refused,
)
from simtriggers.engine.schema import migrate
from simtriggers.errors import StateError
from tests.patience import PATIENCE_S
from tests.support import LiveWorld
from tests.toys import TOYS, Add, counter_arn

C = counter_arn("c")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "state.db"


def run(path: Path, work: Callable[[SteppingConnection], Awaitable[None]], **options: Any) -> None:
    """Open the file behind its thread, work, close."""

    async def main() -> None:
        connection = await open_file(path, **options)
        try:
            await work(connection)
        finally:
            await connection.close()

    asyncio.run(main())


# --- what aiosqlite must go on doing ------------------------------------------------------------------


def test_a_hop_runs_one_whole_function_in_the_threads_own_connection(path: Path) -> None:
    async def work(connection: SteppingConnection) -> None:
        raw = await connection.open_connection()
        assert isinstance(raw, sqlite3.Connection)
        seen: list[int] = []

        def whole(inside: sqlite3.Connection) -> tuple[bool, str]:
            seen.append(threading.get_ident())
            inside.execute("BEGIN")
            inside.execute("CREATE TABLE t (a)")
            inside.execute("INSERT INTO t VALUES (1)")
            inside.execute("COMMIT")
            return inside is raw, "result"

        assert await connection.hop(whole) == (True, "result")
        assert await connection.hop(whole_count) == 1
        assert seen and threading.get_ident() not in seen

    def whole_count(inside: sqlite3.Connection) -> int:
        count: int = inside.execute("SELECT count(*) FROM t").fetchone()[0]
        return count

    run(path, work)


def test_hops_run_one_after_the_other_in_order(path: Path) -> None:
    async def work(connection: SteppingConnection) -> None:
        order: list[int] = []
        await asyncio.gather(*[connection.hop(lambda _, n=n: order.append(n)) for n in range(20)])
        assert order == list(range(20))

    run(path, work)


def test_an_exception_comes_out_of_the_hop_as_it_is_and_the_next_hop_works(path: Path) -> None:
    class Ours(Exception):
        pass

    def fails(inside: sqlite3.Connection) -> None:
        raise Ours("as it is")

    async def work(connection: SteppingConnection) -> None:
        with pytest.raises(Ours, match="as it is"):
            await connection.hop(fails)
        assert await connection.hop(lambda inside: 7) == 7

    run(path, work)


def test_a_cancelled_wait_does_not_cut_a_function_in_two(path: Path) -> None:
    async def work(connection: SteppingConnection) -> None:
        began, go_on = threading.Event(), threading.Event()

        def slow(inside: sqlite3.Connection) -> None:
            inside.execute("BEGIN")
            began.set()
            assert go_on.wait(10)
            inside.execute("CREATE TABLE t (a)")
            inside.execute("COMMIT")

        task = asyncio.ensure_future(connection.hop(slow))
        await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        count = await connection.hop(lambda inside: inside.execute("SELECT count(*) FROM t").fetchone())
        assert count == (0,)
        assert not await connection.hop(lambda inside: inside.in_transaction)

    run(path, work)


def test_the_thread_does_not_keep_the_process(path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from simtriggers.engine.database import open_file\n"
        "asyncio.run(open_file(pathlib.Path(sys.argv[1])))\n"
        "raise SystemExit(3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)], env=_environment(), timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 3


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "ignore"}


# --- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("synchronous, number", [("normal", 1), ("full", 2)])
def test_pragmas(path: Path, synchronous: str, number: int) -> None:
    async def work(connection: SteppingConnection) -> None:
        def pragmas(inside: sqlite3.Connection) -> list[Any]:
            names = ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")
            return [inside.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await connection.hop(pragmas) == ["wal", number, 0, 1]

    run(path, work, synchronous=synchronous)
    with pytest.raises(AssertionError):
        open_inline(path, synchronous="off")


def test_memory_is_in_autocommit_mode_too() -> None:
    connection = open_memory()
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (1)")
    assert not connection.in_transaction
    connection.close()


def test_another_program_can_read_while_a_batch_is_open(path: Path) -> None:
    path.parent.mkdir()
    world = LiveWorld(path)
    world.batch((C, Add(3)))
    world.connection.execute("BEGIN IMMEDIATE")
    world.connection.execute("UPDATE counters SET n = 99")
    shell = sqlite3.connect(path, timeout=0)
    assert shell.execute("SELECT n FROM counters").fetchone() == (3,)
    world.connection.execute("COMMIT")
    assert shell.execute("SELECT n FROM counters").fetchone() == (99,)
    shell.close()
    world.close()


# --- files that cannot be used ------------------------------------------------------------------------


def _text(path: Path) -> None:
    path.write_text("this is a letter to my aunt, and not a database of any kind\n" * 50)


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (name)")
    connection.execute("INSERT INTO customers VALUES ('aunt')")
    connection.commit()
    connection.close()


def _half(path: Path) -> None:
    connection = open_inline(path)
    migrate(connection, TOYS)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    raw = path.read_bytes()
    path.write_bytes(raw[:100] + b"\xff" * 3000 + raw[3100:])


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "make, said",
    [
        (_text, "not a sound simtriggers state file (file is not a database)"),
        (_foreign, "is the database of another program (it has the table customers)"),
        (_half, "not a sound simtriggers state file (database disk image is malformed)"),
        (_folder, "cannot be opened for writing (unable to open database file)"),
    ],
)
def test_a_file_that_is_no_state_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "state.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None

    async def never(connection: SteppingConnection) -> None:
        raise AssertionError("it was opened")

    with pytest.raises(StateError) as caught:
        run(path, never)
    assert str(caught.value).startswith(f"{path}: {said}")
    with pytest.raises(StateError):
        open_inline(path)
    assert before == (path.read_bytes() if path.is_file() else None)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def never(connection: SteppingConnection) -> None:
        raise AssertionError("it was opened")

    with pytest.raises(StateError, match="the folder of the state file cannot be made"):
        run(tmp_path / "file" / "state.db", never)
    with pytest.raises(StateError, match=r"state\.db\.lock: cannot be made"):
        StateLock(tmp_path / "file" / "state.db").acquire()


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    path.chmod(0o400)
    with pytest.raises(StateError, match="cannot be opened for writing"):
        open_inline(path)


def test_a_file_that_another_program_keeps_locked(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    LiveWorld(path).close()
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    world = open_inline(path, busy_s=0.01)
    with pytest.raises(StateError, match="another program holds the database locked") as caught, explained(path):
        migrate(world, TOYS)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError) and refused(caught.value.__cause__)
    assert not world.in_transaction
    shell.execute("ROLLBACK")
    migrate(world, TOYS)
    shell.close()
    world.close()


def test_a_disk_that_is_full_leaves_no_half_of_anything(tmp_path: Path) -> None:
    """The kernel's own limit on the size of files stands in for the disk."""
    path = tmp_path / "state.db"
    script = (
        "import pathlib, resource, signal, sqlite3, sys\n"
        "from simtriggers.engine.database import explain, refused\n"
        "from tests.support import LiveWorld\n"
        "from tests.toys import Add, Post, counter_arn, mailbox_arn\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "world = LiveWorld(path)\n"
        "world.batch((counter_arn('c'), Add(1)))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = pathlib.Path(str(path) + '-wal').stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60_000, -1))\n"
        "try:\n"
        "    world.batch((counter_arn('c'), Add(10)), (mailbox_arn('a'), Post('x' * 200_000)))\n"
        "except sqlite3.Error as error:\n"
        "    assert refused(error)\n"
        "    print(explain('FILE', error))\n"
        "print(world.ask(counter_arn('c'), Add(1)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.stderr == ""
    said, _, total = ended.stdout.strip().rpartition("\n")
    assert said.startswith(("FILE: the disk is full", "FILE: the disk refused to read or write")), said
    assert "nothing of this change was kept" in said
    assert total == "2"
    after = LiveWorld(path)
    assert after.connection.execute("SELECT n FROM counters").fetchall() == [(2,)]
    assert after.connection.execute("SELECT count(*) FROM letters").fetchone() == (0,)
    assert after.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    after.close()


@pytest.mark.parametrize(
    "name, said, is_refusal",
    [
        ("SQLITE_FULL", "the disk is full", True),
        ("SQLITE_BUSY_SNAPSHOT", "another program holds the database locked", True),
        ("SQLITE_LOCKED", "another program holds the database locked", True),
        ("SQLITE_CORRUPT_INDEX", "not a sound simtriggers state file", True),
        ("SQLITE_READONLY_DBMOVED", "cannot be opened for writing", True),
        ("SQLITE_IOERR_WRITE", "the disk refused to read or write (SQLITE_IOERR_WRITE)", True),
        ("SQLITE_ERROR", "words", False),
        ("SQLITE_CONSTRAINT_CHECK", "words", False),
    ],
)
def test_what_sqlite_says_in_words_for_people(name: str, said: str, is_refusal: bool) -> None:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorname = name
    assert str(explain("FILE", error)).startswith(f"FILE: {said}")
    assert refused(error) is is_refusal
    assert not refused(ValueError("SQLITE_FULL"))


# --- the lock -----------------------------------------------------------------------------------------


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = (
        "import pathlib, sys\n"
        "from simtriggers.engine.database import StateLock\n"
        "lock = StateLock(pathlib.Path(sys.argv[1]))\n"
        "lock.acquire()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "state.db")],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_a_second_simulator_is_refused_by_name_and_the_lock_goes_with_its_process(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    lock = StateLock(tmp_path / "state.db")
    with pytest.raises(StateError) as caught:
        lock.acquire()
    assert str(caught.value) == (
        f"{tmp_path / 'state.db'}: in use by another simtriggers (process {holder.pid})\n"
        f"  fix: stop it (kill {holder.pid}), or start this one with another --state file"
    )
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock.acquire()
    assert (tmp_path / "state.db.lock").read_text() == f"{os.getpid()}\n"
    lock.release()
    lock.release()
    again = StateLock(tmp_path / "state.db")
    again.acquire()
    again.release()


def test_the_lock_of_one_file_is_not_that_of_another(tmp_path: Path) -> None:
    locks = [StateLock(tmp_path / name) for name in ("a.db", "b.db")]
    for lock in locks:
        lock.acquire()
    with pytest.raises(StateError, match=f"process {os.getpid()}"):
        StateLock(tmp_path / "a.db").acquire()
    for lock in locks:
        lock.release()

"""The live engine: commits before replies, databases that refuse, its end."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from simtriggers.aws.contracts import PutLogEvents
from simtriggers.engine import agenda_store
from simtriggers.errors import StateError
from simtriggers.kernel.agenda import Agenda
from simtriggers.kernel.effects import payload
from simtriggers.kernel.trace import TraceRow
from simtriggers.live.driver import Stopped
from simtriggers.services.logs import service as logs
from tests.engine.test_adrift import Unreadable
from tests.live.engine_world import HOUR_MS, NAMES, A, C, Handlers, engine, go, impatient, rang, running, total, until
from tests.live.running import environment, query
from tests.patience import PATIENCE_S
from tests.toys import TOYS, Add, Post, Relay, Remind, Take, Work

pytestmark = pytest.mark.live

# --- commits ------------------------------------------------------------------------------------


def test_a_reply_comes_after_its_commit(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            seen: list[tuple[int, int]] = []

            def told(row: TraceRow) -> None:
                if row.kind == "Counted":
                    seen.append((row.details["total"], total(tmp_path)))

            live.trace.subscribe(told)
            for number in range(1, 21):
                assert await live.submit(C, Add()) == number
                assert total(tmp_path) >= number
        assert [told for told, _ in seen] == list(range(1, 21))
        assert all(stored >= told for told, stored in seen)

    go(main)


def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            statements: list[str] = []
            await live.read(lambda db: db.set_trace_callback(statements.append))
            replies: list[int] = []

            async def add() -> None:
                replies.append(await live.submit(C, Add()))

            async with anyio.create_task_group() as tasks:
                for _ in range(200):
                    tasks.start_soon(add)
            await live.read(lambda db: db.set_trace_callback(None))
        assert sorted(replies) == list(range(1, 201))
        # A batch ends after some milliseconds, in which a slow machine gets less done.
        assert 1 <= statements.count("COMMIT") <= 100

    go(main)


def test_a_caller_that_goes_away_consumes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            with anyio.move_on_after(0.05):
                await live.submit(A, Take(None))
            await live.submit(A, Post("kept"))
            assert (await live.submit(A, Take(0))).bodies == ("kept",)

    go(main)


def test_when_idle_the_log_is_brought_into_the_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            await live.submit(C, Add(7))
            main_file = tmp_path / "copy" / "state.db"
            main_file.parent.mkdir()

            def brought_in() -> bool:
                main_file.write_bytes((tmp_path / "state.db").read_bytes())
                try:
                    return total(main_file.parent) == 7
                except sqlite3.Error:
                    return False

            await until(brought_in, "the file without its log holds what was committed")

    go(main)


def test_old_trace_rows_are_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            await live.submit(C, Add(1, "old"))
            await live.advance(3 * HOUR_MS)
        async with running(tmp_path, retention_ms=HOUR_MS) as live:
            await live.submit(C, Add(1, "new"))

            def notes() -> list[str]:
                rows = query(tmp_path / "state.db", "SELECT subject FROM trace WHERE kind = 'Counted' ORDER BY id")
                return [row[0] for row in rows]

            await until(lambda: notes() == ["new"], "only the new row is left")
            assert await live.submit(C, Add()) == 3

    go(main)


def test_old_log_lines_are_forgotten(tmp_path: Path) -> None:
    group = NAMES.log_group("/aws/lambda/work")
    services = [*TOYS, logs.SERVICE]

    async def main() -> None:
        async with running(tmp_path, services=services) as live:
            await live.submit(group, PutLogEvents("s", ((live.clock.now_ms(), "old\n"),), "r1"))
            await live.advance(3 * HOUR_MS)
        async with running(tmp_path, services=services, retention_ms=HOUR_MS) as live:
            await live.submit(group, PutLogEvents("s", ((live.clock.now_ms(), "new\n"),), "r2"))

            def lines() -> list[str]:
                rows = query(tmp_path / "state.db", "SELECT message FROM log_events ORDER BY seq")
                return [row[0] for row in rows]

            await until(lambda: lines() == ["new\n"], "only the new line is left")

    go(main)


# --- a database that refuses ----------------------------------------------------------------------


@pytest.mark.parametrize("then", ["events", "full", "off"])
def test_causes_that_a_trace_of_events_left_out_lead_on_after_a_start(tmp_path: Path, then: str) -> None:
    """The letter was posted in one run and is taken in the next: it keeps the cause that it was given."""

    async def main() -> None:
        async with running(tmp_path, trace="events") as live:
            for _ in range(2):
                await live.submit(C, Relay(A, Post("x")))
        async with running(tmp_path, trace=then) as live:
            await live.submit(A, Take(None))
        async with running(tmp_path, trace="full") as live:
            await live.submit(A, Take(None))

    go(main)
    rows = query(tmp_path / "state.db", "SELECT id, kind, cause FROM trace ORDER BY id")
    asked = [row for row, kind, _ in rows if kind == "Asked"]
    taken = [cause for _, kind, cause in rows if kind == "LetterTaken"]
    assert taken == (asked[1:] if then == "off" else asked)
    assert "LetterPosted" not in [kind for _, kind, _ in rows]


def test_a_locked_database_refuses_callers_and_keeps_what_was_posted(tmp_path: Path) -> None:
    async def main() -> None:
        problems: list[str] = []
        async with running(tmp_path, on_problem=problems.append) as live:
            await impatient(live)
            assert await live.submit(C, Add()) == 1
            with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                live.post(C, Add(10))
                with pytest.raises(StateError, match="another program holds the database locked"):
                    await live.submit(C, Add(100))
                with pytest.raises(StateError, match="locked"):
                    await live.store([payload("text")])
                live.post(C, Add(20))
                other.execute("ROLLBACK")
            assert await live.submit(C, Add()) == 32
        assert problems and "end its transaction" in problems[0]
        assert total(tmp_path) == 32

    go(main)


def test_the_end_of_a_handler_outlives_a_locked_database(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = Handlers(going=False)
        answers: list[Any] = []
        async with running(tmp_path, handlers) as live, anyio.create_task_group() as tasks:
            await impatient(live)

            async def work() -> None:
                answers.append(await live.submit(C, Work()))

            tasks.start_soon(work)
            await until(lambda: handlers.started)
            with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                handlers.go.set()
                await until(lambda: not live.running())
                await anyio.sleep(0.1)
                assert answers == []
                other.execute("ROLLBACK")
            await until(lambda: answers)
        assert answers == ["ok"]

    go(main)


def test_a_full_disk_refuses_callers_and_keeps_what_was_posted(tmp_path: Path) -> None:
    async def main() -> None:
        problems: list[str] = []
        async with running(tmp_path, on_problem=problems.append) as live:
            assert await live.submit(C, Add()) == 1
            await live.read(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())
            with pytest.raises(StateError, match="the disk is full; nothing of this change was kept"):
                await live.submit(A, Post("x" * 100_000))
            live.post(A, Post("y" * 100_000))
            await until(lambda: len(problems) >= 2, "the posted one is tried, too")
            await live.read(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall())
            assert (await live.submit(A, Take(None))).bodies == ("y" * 100_000,)
            assert (await live.submit(A, Take(0))).bodies == ()
        assert "free some space" in problems[0]

    go(main)


_LIMITED = """
import resource, signal, sys
from pathlib import Path
import anyio
from simtriggers.errors import StateError
from tests.live.engine_world import A, running
from tests.toys import Post, Take

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    async with running(Path(sys.argv[1])) as live:
        first = (await live.submit(A, Post("first")))
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        kept, error = [first], None
        for number in range(100):
            try:
                kept.append(await live.submit(A, Post(f"{number} " + "x" * 20_000)))
            except StateError as refused:
                error = str(refused)
                break
        print(len(kept), "kept, then", (error or "nothing").splitlines()[0].partition(": ")[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await live.submit(A, Post("last"))
        bodies = [(await live.submit(A, Take(0))).bodies[0].split()[0] for _ in range(len(kept) + 1)]
        print(bodies[0], bodies[-1], (await live.submit(A, Take(0))).bodies == ())

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    count, _, why = first.partition(" kept, then ")
    assert 2 <= int(count) < 100
    assert why.startswith(("the disk is full", "the disk refused to read or write"))
    assert second == "first last True"


# --- the lock -------------------------------------------------------------------------------------


def test_a_second_engine_is_refused_and_told_whose_the_state_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path):
            with pytest.raises(StateError, match=f"in use by another simtriggers \\(process {os.getpid()}\\)"):
                await engine(tmp_path).open()
        async with running(tmp_path) as live:
            assert await live.submit(C, Add()) == 1

    go(main)


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 20, b"SQLite format 3\0" * 90]
)
def test_a_corrupt_state_is_refused_and_can_be_replaced(tmp_path: Path, content: bytes) -> None:
    async def main() -> None:
        (tmp_path / "state.db").write_bytes(content)
        with pytest.raises(StateError, match="not a sound simtriggers state file"):
            await engine(tmp_path).open()
        assert (tmp_path / "state.db").read_bytes() == content
        (tmp_path / "state.db").unlink()
        async with running(tmp_path) as live:
            assert await live.submit(C, Add()) == 1

    go(main)


def test_a_state_that_this_version_does_not_know_frees_its_lock(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            await live.submit(C, Remind("k", live.clock.now_ms() + HOUR_MS))
        with closing(sqlite3.connect(tmp_path / "state.db")) as db, db:
            db.execute("""UPDATE agenda SET command = replace(command, 'Ring', 'Bell')""")
        for _ in range(2):
            with pytest.raises(StateError, match="this version of simtriggers does not know"):
                await engine(tmp_path).open()

    go(main)


# --- the end --------------------------------------------------------------------------------------


def test_stopping_lets_running_handlers_finish(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = Handlers(going=False)
        answers: list[Any] = []

        async def work() -> None:
            answers.append(await live.submit(C, Work()))

        async with anyio.create_task_group() as tasks, running(tmp_path, handlers) as live:
            tasks.start_soon(work)
            await until(lambda: handlers.started)
            live.stop()
            await anyio.sleep(0.1)
            assert (answers, handlers.closed) == ([], False)
            assert live.running() == [f"toy {handlers.started[0].request_id}"]
            with pytest.raises(Stopped):
                await live.submit(C, Add())
            handlers.go.set()
        assert (answers, handlers.closed) == (["ok"], True)
        assert query(tmp_path / "state.db", "SELECT count(*) FROM trace WHERE kind = 'WorkEnded'") == [(1,)]

    go(main)


def test_stopping_answers_everybody_who_waits(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = Handlers(going=False)
        ends: list[type[BaseException]] = []

        async def waits(call: Callable[[], Awaitable[Any]]) -> None:
            try:
                await call()
            except Stopped as error:
                ends.append(type(error))

        async with anyio.create_task_group() as tasks, running(tmp_path, handlers) as live:
            tasks.start_soon(waits, lambda: live.submit(A, Take(None)))
            tasks.start_soon(live.submit, C, Work())
            await until(lambda: handlers.started)
            tasks.start_soon(waits, lambda: live.advance(HOUR_MS))
            await anyio.sleep(0.05)
            live.stop()
            handlers.go.set()
        assert ends == [Stopped, Stopped]
        with pytest.raises(Stopped):
            await live.advance(1)

    go(main)


def test_a_loop_that_dies_fails_everybody_who_waits(tmp_path: Path) -> None:
    async def main() -> None:
        handlers = Handlers(broken=True)
        ends: list[str] = []
        live = engine(tmp_path, handlers)
        await live.open()

        async def waits(call: Callable[[], Awaitable[Any]]) -> None:
            try:
                await call()
            except Stopped as error:
                ends.append(str(error))

        async def die(callers: anyio.abc.TaskGroup) -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(live.run)
                callers.start_soon(waits, lambda: live.submit(A, Take(None)))
                callers.start_soon(waits, lambda: live.submit(C, Work()))

        async with anyio.create_task_group() as callers:
            with pytest.raises(ExceptionGroup) as caught:
                await die(callers)
        assert caught.group_contains(RuntimeError, match="the runtime is broken")
        assert len(ends) == 2
        with pytest.raises(Stopped):
            await live.submit(C, Add())
        with pytest.raises(Stopped):
            await live.advance(1)
        async with running(tmp_path) as live:
            assert await live.submit(C, Add()) == 1

    go(main)


def test_a_database_that_cannot_be_read_for_a_while_after_a_failed_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer that was due is not forgotten with the agenda that could not be read, though nothing arrives."""
    unreadable = Unreadable(2)
    save = agenda_store.save_changes

    def full(connection: sqlite3.Connection, agenda: Agenda) -> None:
        if all(entry.timer_key != "k" for entry in agenda.entries()):
            monkeypatch.setattr(agenda_store, "save_changes", save)
            monkeypatch.setattr(agenda_store, "load", unreadable)
            raise sqlite3.OperationalError("disk I/O error")
        save(connection, agenda)

    async def main() -> None:
        problems: list[str] = []
        async with running(tmp_path, on_problem=problems.append) as live:
            await live.submit(C, Remind("k", live.clock.now_ms() + 500))
            monkeypatch.setattr(agenda_store, "save_changes", full)
            await until(lambda: rang(tmp_path))
        assert unreadable.left == 0
        assert len(problems) == 2

    go(main)


def test_the_end_does_not_wait_for_readers(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as live:
            assert await live.submit(C, Add()) == 1
            other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
            other.execute("BEGIN")
            other.execute("SELECT * FROM counters").fetchall()
            assert await live.submit(C, Add()) == 2
            # Whatever waits for the reader waits longer than this test may take.
            await live.read(lambda db: db.execute(f"PRAGMA busy_timeout = {int(3000 * PATIENCE_S)}").fetchall())
        other.close()
        async with running(tmp_path) as live:
            assert await live.submit(C, Add()) == 3

    go(main)

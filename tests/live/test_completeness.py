"""One look at one path, and the queue of paths to look at."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.live.candidates import LONGEST_S, SHORTEST_S, Candidates
from simtriggers.live.completeness import Look, look_at, nobody_writes
from simtriggers.live.naming import Names, walk
from simtriggers.services.s3.commands import content_md5
from simtriggers.services.s3.config import DEFAULT_IGNORE

from .folder_world import Site, created

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")


@linux
def test_a_file_is_complete_when_no_writer_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("hello")
    with open(path, "ab"):
        assert look_at(str(tmp_path), "a", opener=os.open).look is Look.BUSY
    with open(path):
        seen = look_at(str(tmp_path), "a", opener=os.open)
    assert seen.state is not None
    assert (seen.look, seen.state.size, seen.state.etag) == (Look.READY, 5, content_md5(b"hello"))


@linux
def test_a_writer_is_not_disturbed_by_the_lease(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for _ in range(200):
            assert nobody_writes(descriptor)
            with open(path, "ab") as file:
                file.write(b"x")
    finally:
        os.close(descriptor)
    assert path.stat().st_size == 200


def test_looks_at_what_is_no_complete_file(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100)
    (tmp_path / "folder").mkdir()

    def look(key: str, **more: int) -> Look:
        return look_at(str(tmp_path), key, opener=os.open, rested=True, **more).look

    assert look("nothing") is Look.GONE
    assert look("large/below") is Look.GONE
    assert look("folder") is Look.FOLDER
    assert look("large", hash_limit=99) is Look.LARGE
    assert look("large", hash_limit=100) is Look.READY


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")

    def grow(name: str, flags: int) -> int:
        descriptor = os.open(name, flags)
        return descriptor

    def replace(descriptor: int) -> bool:
        (tmp_path / "b").write_text("after!")
        os.rename(tmp_path / "b", path)
        return True

    assert look_at(str(tmp_path), "a", opener=grow, writers=replace).look is Look.CHANGED


def test_a_quiet_period_where_there_are_no_leases(tmp_path: Path) -> None:
    site = Site(tmp_path, quiet_period="150ms")

    async def drip(key: str) -> float:
        """Write a file in parts; returns the longest pause between two of them."""
        longest, before = 0.0, time.monotonic()
        with open(site.folder / key, "w") as file:
            for _ in range(6):
                file.write("12345")
                file.flush()
                await anyio.sleep(0.05)
                now = time.monotonic()
                longest, before = max(longest, now - before), now
        return longest

    def told(key: str) -> list[tuple[str, str, int | None]]:
        return [event for event in site.events() if event[1] == key]

    async def main() -> str:
        async with site.up(writers=lambda descriptor: None):
            for number in range(1000):
                # A busy machine may pause for longer than the quiet period: that file says nothing.
                if await drip(f"a{number}") < 0.14:
                    assert told(f"a{number}") == []
                    return f"a{number}"
        raise AssertionError("this machine always pauses")

    key = anyio.run(main)
    assert told(key) == [created(key, 30)]


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        ".data.csv.Ab12Zz",
        "sub/.data.csv.Ab12Zz",
        "a.part",
        "a.crdownload",
        "a.tmp",
        "a~",
        ".a.swp",
        ".#a",
        "#a#",
        ".~lock.report.odt#",
        "~$report.docx",
        ".DS_Store",
        "Thumbs.db",
        ".git/HEAD",
        "deep/.git/objects/ab/cd",
        ".simtriggers/state.db",
    ],
)
def test_passed_over(key: str) -> None:
    assert Names(DEFAULT_IGNORE).ignores(key)


@pytest.mark.parametrize("key", ["a.csv", ".hidden", "data.csv.Ab12Zz", "git/HEAD", "a.parts", "tmp/a", "~a", "4913"])
def test_not_passed_over(key: str) -> None:
    assert not Names(DEFAULT_IGNORE).ignores(key)


def test_walk(tmp_path: Path) -> None:
    for key in ("a", "d/b", "d/e/c", "d/skip.tmp", ".git/HEAD"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_text(key)
    os.symlink("/etc", tmp_path / "link")
    names = Names(DEFAULT_IGNORE)
    whole = walk(str(tmp_path), "", names)
    assert sorted(whole.files) == ["a", "d/b", "d/e/c", "link"]
    assert whole.files["link"] is None
    assert sorted(whole.folders) == ["d", "d/e"]
    assert sorted(walk(str(tmp_path), "d/e", names).files) == ["d/e/c"]
    assert walk(str(tmp_path), "gone", names).files == {}


# --- the queue ------------------------------------------------------------------------------------


def test_a_path_noticed_while_taken_comes_again() -> None:
    queue = Candidates()
    queue.notice("a", 1.0)
    queue.notice("a", 1.5)
    (item,) = queue.take(1.0, 10)
    assert queue.take(9.0, 10) == []
    queue.notice("a", 2.0)
    assert len(queue) == 1
    queue.release(item, 3.0)
    (again,) = queue.take(3.0, 10)
    assert again is not item
    queue.release(again, 3.1)
    assert (len(queue), queue.next_due()) == (0, None)


def test_a_retry_keeps_its_age_and_comes_early_when_something_happens() -> None:
    queue = Candidates()
    queue.notice("a", 0.0)
    (item,) = queue.take(0.0, 1)
    assert item.backoff(0.0) == SHORTEST_S
    assert item.backoff(0.4) == pytest.approx(0.1)
    assert item.backoff(60.0) == LONGEST_S
    queue.retry(item, 5.0)
    assert queue.take(4.9, 1) == []
    queue.notice("a", 1.0)
    assert queue.take(1.0, 1) == [item]
    queue.notice("a", 1.1)
    queue.retry(item, 5.0)
    assert queue.next_due() == 1.0 + SHORTEST_S


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30))
def test_every_notice_is_followed_by_a_look(notices: list[tuple[str, int]]) -> None:
    queue = Candidates()
    owed: set[str] = set()
    for now, (key, kind) in enumerate(notices):
        if kind < 3:
            queue.notice(key, float(now))
            owed.add(key)
        for item in queue.take(float(now), 1):
            owed.discard(item.key)
            if kind == 4:
                queue.notice(item.key, float(now))
                owed.add(item.key)
            if kind == 5:
                queue.retry(item, now + 2.0)
            else:
                queue.release(item, float(now))
    while (due := queue.next_due()) is not None:
        for item in queue.take(due, 10):
            owed.discard(item.key)
            queue.release(item, due)
    assert owed == set()
    assert len(queue) == 0

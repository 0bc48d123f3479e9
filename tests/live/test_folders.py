"""Real files in a real folder: each kind of arrival gives exactly its events."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from watchfiles import awatch

from simtriggers.errors import UserError
from simtriggers.live.folders import BucketFolder
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3.events import encode_key

from .folder_world import BUCKET, Site, created, removed

pytestmark = pytest.mark.live


def scenario(site: Site, act: Callable[[], Awaitable[None]]) -> None:
    """Run `act` while the folder is watched."""

    async def main() -> None:
        async with site.up():
            await act()

    anyio.run(main)


def test_a_dropped_file(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        site.write("a.csv", "hello")
        await site.sent(1)

    scenario(site, act)
    assert site.events() == [created("a.csv", 5)]
    (sent,) = site.world.sent
    assert sent.record["Records"][0]["s3"]["object"]["eTag"] == "5d41402abc4b2a76b9719d911017c592"


def test_names(tmp_path: Path) -> None:
    site = Site(tmp_path)
    keys = ["red flower.jpg", "a+b%41.csv", "café/über (1).txt", "🚀.bin", "-", "a\\b"]

    async def act() -> None:
        for count, key in enumerate(keys, start=1):
            site.write(key)
            await site.sent(count)

    scenario(site, act)
    assert site.events() == [created(encode_key(key), 1) for key in keys]


def test_a_copy_that_pauses_in_the_middle(tmp_path: Path) -> None:
    site = Site(tmp_path)
    go_on = threading.Event()

    def copy() -> None:
        with open(site.folder / "big.bin", "wb") as file:
            file.write(b"x" * 70_000)
            file.flush()
            go_on.wait()
            file.write(b"y" * 70_000)

    async def act() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, copy)
            await anyio.sleep(0.9)
            told = site.events()
            go_on.set()
            assert told == []
        await site.sent(1)

    scenario(site, act)
    assert site.events() == [created("big.bin", 140_000)]


def test_write_temporary_then_rename(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        for temporary in (".a.csv.Xy12Zz", "a.csv.tmp", "a.csv~", ".goutputstream-ABC123"):
            site.write(temporary, "final")
            await anyio.sleep(0.02)
            os.rename(site.folder / temporary, site.folder / "a.csv")
            await site.noted("ObjectCreated", len(site.events()) + 1)
            await anyio.sleep(0.02)

    scenario(site, act)
    assert site.events() == [created("a.csv", 5)] * 4


def test_an_editor_that_moves_the_old_file_away(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        site.write("a.txt", "old")
        await site.sent(1)
        os.rename(site.folder / "a.txt", site.folder / "a.txt~")
        await anyio.sleep(0.03)
        site.write("a.txt", "newer")
        os.unlink(site.folder / "a.txt~")
        await site.sent(2)

    scenario(site, act)
    assert site.events() == [created("a.txt", 3), created("a.txt", 5)]


def test_rsync(tmp_path: Path) -> None:
    """rsync's own sequence: a hidden temporary file, written with pauses, its time set, then renamed."""
    site = Site(tmp_path)

    async def act() -> None:
        (site.folder / "sub").mkdir()
        temporary = site.folder / "sub" / ".data.csv.q7Bx2K"
        with open(temporary, "wb") as file:
            for _ in range(3):
                file.write(b"z" * 40_000)
                file.flush()
                await anyio.sleep(0.03)
        os.utime(temporary, (1_600_000_000, 1_600_000_000))
        os.chmod(temporary, 0o644)
        await anyio.sleep(0.03)
        os.rename(temporary, site.folder / "sub" / "data.csv")
        await site.sent(1)

    scenario(site, act)
    assert site.events() == [created("sub/data.csv", 120_000)]


def test_moves(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.outside / "new").write_text("moved")

    async def act() -> None:
        os.rename(site.outside / "new", site.folder / "a")
        await site.sent(1)
        os.rename(site.folder / "a", site.folder / "b")
        await site.sent(3)
        os.rename(site.folder / "b", site.outside / "b")
        await site.sent(4)

    scenario(site, act)
    assert site.events() == [created("a", 5), created("b", 5), removed("a"), removed("b")]


def test_folders_moved_and_removed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for name in ("1", "2", "deep/3"):
        path = site.outside / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    async def act() -> None:
        os.rename(site.outside / "d", site.folder / "d")
        await site.sent(3)
        os.rename(site.folder / "d", site.folder / "e")
        await site.sent(9)
        shutil.rmtree(site.folder / "e")
        await site.sent(12)

    scenario(site, act)
    keys = {"1": 1, "2": 1, "deep/3": 6}
    assert Counter(site.events()) == Counter(
        event
        for key, size in keys.items()
        for event in (
            created(f"d/{key}", size),
            removed(f"d/{key}"),
            created(f"e/{key}", size),
            removed(f"e/{key}"),
        )
    )
    assert site.world.step(BUCKET, c.ListObjects()).objects == ()


def test_an_overwrite_while_the_first_event_is_in_flight(tmp_path: Path) -> None:
    site = Site(tmp_path)
    overwritten = []

    def overwrite(command: object) -> None:
        if isinstance(command, c.PutObject) and not overwritten:
            overwritten.append(True)
            site.write("a", "longer than before")

    site.before_reply = overwrite

    async def act() -> None:
        site.write("a", "first")
        await site.sent(2)

    scenario(site, act)
    assert site.events() == [created("a", 5), created("a", 18)]


def test_what_is_no_change_of_content(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        site.write("a")
        await site.sent(1)
        os.chmod(site.folder / "a", 0o600)
        (site.folder / "a").read_text()
        (site.folder / "empty").mkdir()
        site.write("last")
        await site.sent(2)

    scenario(site, act)
    assert site.events() == [created("a", 1), created("last", 1)]


def test_saving_the_same_content_again_is_a_put(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        for count in (1, 2):
            site.write("a", "same")
            await site.sent(count)
            await anyio.sleep(0.02)

    scenario(site, act)
    assert site.events() == [created("a", 4)] * 2


def test_links_sockets_and_pipes_are_skipped_with_one_warning_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    monkeypatch.chdir(site.folder)  # the name of a socket is a short one
    secret = site.outside / "secret"
    secret.write_text("secret")

    async def act() -> None:
        site.write("real", "12345")
        await site.sent(1)
        os.symlink(secret, site.folder / "link-out")
        os.symlink("../outside/secret", site.folder / "link-relative")
        os.symlink("nowhere", site.folder / "link-to-nothing")
        os.symlink(site.outside, site.folder / "folder-out")
        os.mkfifo(site.folder / "pipe")
        (site.outside / "other").write_text("x")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("sock")
            await site.noted("FileSkipped", 6)
            os.symlink("real", site.folder / "link-inside")
            await site.sent(2)
            secret.write_text("changed")
            os.chmod(site.folder / "sock", 0o600)
            os.chmod(site.folder / "pipe", 0o600)
            await anyio.sleep(0.1)

    scenario(site, act)
    assert site.events() == [created("real", 5), created("link-inside", 5)]
    out = "a symbolic link that leads out of the folder"
    warned = [one for one in site.skipped() if not one[0].startswith("folder-out/")]
    assert sorted(warned) == [
        ("folder-out", out),
        ("link-out", out),
        ("link-relative", out),
        ("link-to-nothing", "a symbolic link to nothing"),
        ("pipe", "a named pipe"),
        ("sock", "a socket"),
    ]
    assert len(set(site.skipped())) == len(site.skipped())


def test_an_unreadable_file_is_skipped_until_it_can_be_read(tmp_path: Path) -> None:
    site = Site(tmp_path)
    locked = True

    def opener(path: str, flags: int) -> int:
        if locked and path.endswith("/locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return os.open(path, flags)

    async def main() -> None:
        nonlocal locked
        async with site.up(opener):
            site.write("locked", "secret")
            await site.noted("FileSkipped")
            site.write("open", "x")
            await site.sent(1)
            locked = False
            os.chmod(site.folder / "locked", 0o644)
            await site.sent(2)

    anyio.run(main)
    assert site.skipped() == [("locked", "cannot be read: Permission denied")]
    assert site.events() == [created("open", 1), created("locked", 6)]


def test_names_that_cannot_be_keys(tmp_path: Path) -> None:
    site = Site(tmp_path)
    long = "/".join(["é" * 100] * 6)

    async def act() -> None:
        with open(os.fsencode(site.folder) + b"/bad-\xff", "w") as file:
            file.write("x")
        site.write(long)
        await site.noted("FileSkipped", 2)

    scenario(site, act)
    assert sorted(site.skipped()) == sorted(
        [("bad-\\xff", "its name is not UTF-8"), (long, "its key has 1205 bytes, S3 takes 1024")]
    )
    assert site.events() == []


def test_temporary_names_are_a_setting(tmp_path: Path) -> None:
    site = Site(tmp_path, ignore=["*.skip", "cache/"])

    async def act() -> None:
        for key in ("a.skip", "cache/b", "deep/cache/c", "deep/d.skip", ".simtriggers/state.db"):
            site.write(key)
        site.write("a.tmp")
        await site.sent(1)

    scenario(site, act)
    assert site.events() == [created("a.tmp", 1)]


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_files_in_nested_new_folders(tmp_path: Path, count: int) -> None:
    site = Site(tmp_path)
    keys = [f"n{i % 7}/m{i % 31}/k{i % 5}/file-{i}.txt" for i in range(count)]

    def unzip() -> None:
        for number, key in enumerate(keys):
            site.write(key, "x" * (number % 100))

    async def act() -> None:
        await anyio.to_thread.run_sync(unzip)
        await site.sent(len(keys))

    scenario(site, act)
    assert Counter(site.events()) == Counter(created(key, n % 100) for n, key in enumerate(keys))


@pytest.mark.parametrize("seed", [1, 2])
def test_after_any_disorder_bucket_and_folder_agree(tmp_path: Path, seed: int) -> None:
    site = Site(tmp_path)
    chance = random.Random(seed)

    def disorder() -> None:
        for number in range(400):
            folder = site.folder / chance.choice(["", "d", "d/e", "f"])
            path = folder / f"k{chance.randrange(8)}"
            with contextlib.suppress(OSError):
                match chance.randrange(7):
                    case 0 | 1:
                        folder.mkdir(parents=True, exist_ok=True)
                        path.write_text("x" * number)
                    case 2:
                        with open(path, "a") as file:
                            file.write("more")
                    case 3:
                        path.rename(site.folder / f"k{chance.randrange(8)}")
                    case 4:
                        path.unlink()
                    case 5:
                        path.chmod(0o600)
                    case 6 if number % 5 == 0:
                        shutil.rmtree(site.folder / chance.choice(["d", "d/e", "f"]))
            if number % 10 == 0:
                time.sleep(0.004)

    async def act() -> None:
        await anyio.to_thread.run_sync(disorder)

    scenario(site, act)
    files = {
        path.relative_to(site.folder).as_posix(): (path.stat().st_size, c.content_md5(path.read_bytes()))
        for path in site.folder.rglob("*")
        if path.is_file()
    }
    listed = site.world.step(BUCKET, c.ListObjects()).objects
    assert {one.key: (one.size, one.etag) for one in listed} == files
    last = {key: (event, size) for event, key, size in site.events()}
    assert {key: size for key, (event, size) in last.items() if event == "ObjectCreated:Put"} == {
        key: size for key, (size, _) in files.items()
    }


def test_files_larger_than_one_read_are_hashed_aside(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        site.write("large", "ab" * 1_500_000)
        await site.sent(1)

    scenario(site, act)
    assert site.events() == [created("large", 3_000_000)]
    (stored,) = site.world.step(BUCKET, c.ListObjects()).objects
    assert stored.etag == c.content_md5(b"ab" * 1_500_000)


def test_a_folder_that_goes_and_returns(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def act() -> None:
        site.write("a")
        site.write("b")
        await site.sent(2)
        os.rename(site.folder, site.outside / "away")
        await site.noted("FolderGone")
        await anyio.sleep(0.3)
        assert len(site.events()) == 2
        assert len(site.world.step(BUCKET, c.ListObjects()).objects) == 2
        os.unlink(site.outside / "away" / "b")
        os.rename(site.outside / "away", site.folder)
        await site.noted("FolderReturned")
        site.write("c")
        await site.sent(4)
        site.write("d")
        await site.sent(5)

    scenario(site, act)
    assert Counter(site.events()) == Counter(
        [created("a", 1), created("b", 1), removed("b"), created("c", 1), created("d", 1)]
    )
    assert site.skipped() == []
    where = {"folder": str(site.folder)}
    assert [(note.kind, note.details) for note in site.world.notes if note.kind.startswith("Folder")] == [
        ("FolderScanned", {**where, "indexed": 0, "put": 0, "removed": 0}),
        ("FolderGone", {**where, "level": "warning"}),
        ("FolderReturned", where),
    ]


def test_a_folder_that_cannot_be_watched_is_polled(tmp_path: Path) -> None:
    """As when the system has no watches left: the first watcher ends with its error, the next one polls."""
    site = Site(tmp_path)

    async def watcher(path: str, *, force_polling: bool | None, **more: Any) -> AsyncGenerator[Any, None]:
        if not force_polling:
            raise OSError(errno.ENOSPC, "no watches left")
        async for batch in awatch(path, force_polling=True, **more):
            yield batch

    async def main() -> None:
        async with site.up(watcher=watcher):
            await site.noted("FolderPolled")
            site.write("a")
            await site.sent(1)

    anyio.run(main)
    assert site.events() == [created("a", 1)]
    (note,) = (note for note in site.world.notes if note.kind == "FolderPolled")
    assert note.details["reason"] == "[Errno 28] no watches left"


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.folder.rmdir()
    with pytest.raises(UserError, match=r"mkdir -p .*/in") as caught:
        anyio.run(BucketFolder(BUCKET, site.settings, site.submit).run)
    assert "bucket uploads is not there" in str(caught.value)


def test_polling(tmp_path: Path) -> None:
    site = Site(tmp_path, polling=True)

    async def act() -> None:
        site.write("sub/a", "12")
        await site.sent(1)
        os.unlink(site.folder / "sub" / "a")
        await site.sent(2)

    scenario(site, act)
    assert site.events() == [created("sub/a", 2), removed("sub/a")]

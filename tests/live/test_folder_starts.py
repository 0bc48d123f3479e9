"""Starts and restarts: what the folder held before, what happened while nothing ran, and a start cut off."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import anyio
import pytest

from simtriggers.services.s3 import commands as c

from .folder_world import BUCKET, Site, created, removed

pytestmark = pytest.mark.live


async def once(site: Site) -> None:
    async with site.up():
        await site.noted("FolderScanned", 1)


def test_initial_files_are_indexed_without_events(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("old/a")
    site.write("b", "bb")

    async def main() -> None:
        async with site.up():
            os.chmod(site.folder / "b", 0o600)
            site.write("new")
            await site.sent(1)

    anyio.run(main)
    assert site.events() == [created("new", 1)]
    listed = site.world.step(BUCKET, c.ListObjects()).objects
    assert [(one.key, one.size, one.place) for one in listed] == [
        ("b", 2, "file"),
        ("new", 1, "file"),
        ("old/a", 1, "file"),
    ]
    (note,) = [note for note in site.world.notes if note.kind == "FolderScanned"]
    assert note.details == {"folder": str(site.folder), "indexed": 2, "put": 0, "removed": 0}


def test_initial_files_raise_events_if_wanted(tmp_path: Path) -> None:
    site = Site(tmp_path, initial_files="events")
    site.write("old/a")
    anyio.run(once, site)
    assert site.events() == [created("old/a", 1)]


def test_what_happened_while_down_is_told_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for key in ("same", "changed", "gone", "moved"):
        site.write(key, "x")
    anyio.run(once, site)
    assert site.events() == []
    site.write("changed", "xyz")
    (site.folder / "gone").unlink()
    os.rename(site.folder / "moved", site.folder / "to")
    site.write("new/one", "12")
    again = Site(tmp_path)
    anyio.run(once, again)
    assert Counter(again.events()) == Counter(
        [created("changed", 3), created("to", 1), created("new/one", 2), removed("gone"), removed("moved")]
    )
    third = Site(tmp_path)
    anyio.run(once, third)
    assert third.events() == []


def test_what_happened_while_down_may_be_indexed(tmp_path: Path) -> None:
    site = Site(tmp_path, changes_while_down="index")
    site.write("gone")
    anyio.run(once, site)
    (site.folder / "gone").unlink()
    site.write("new", "12")
    again = Site(tmp_path, changes_while_down="index")
    anyio.run(once, again)
    assert again.events() == []
    assert [one.key for one in again.world.step(BUCKET, c.ListObjects()).objects] == ["new"]


def test_files_that_arrive_during_the_first_scan(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(300):
        site.write(f"old-{number}")
    stop = threading.Event()
    written: list[str] = []

    def arrive() -> None:
        while not stop.wait(0.001) and len(written) < 500:
            site.write(f"new-{len(written)}")
            written.append(f"new-{len(written)}")

    async def main() -> None:
        thread = threading.Thread(target=arrive)
        async with site.up():
            thread.start()
            while len(written) < 20:
                await anyio.sleep(0.01)
            stop.set()
            await anyio.to_thread.run_sync(thread.join)

    anyio.run(main)
    assert Counter(site.events()) == Counter(created(key, 1) for key in written)


def test_a_start_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.write("a")
    anyio.run(once, site)
    site.write("b", "12")
    site.write("c", "123")

    class Killed(Exception):
        pass

    def die(command: object) -> None:
        if isinstance(command, c.PutObject):
            raise Killed

    second = Site(tmp_path)
    second.before_reply = die
    with pytest.raises(ExceptionGroup):
        anyio.run(once, second)
    third = Site(tmp_path)
    anyio.run(once, third)
    told = Counter(second.events() + third.events())
    assert told == Counter([created("b", 2), created("c", 3)])

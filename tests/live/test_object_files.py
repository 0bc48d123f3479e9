"""API writes into a folder: one event each, whatever the watcher sees and wherever the process dies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.live.object_files import ObjectFiles
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r

from .folder_world import BUCKET, Site, created, removed

pytestmark = pytest.mark.live


class Killed(Exception):
    """The process ended here."""


def files_of(site: Site, crash_at: str = "") -> ObjectFiles:
    def crash(point: str) -> None:
        if point == crash_at:
            raise Killed

    return ObjectFiles(BUCKET, site.settings, site.submit, state=site.folder.parent / ".simtriggers", crash=crash)


def keys(site: Site) -> list[tuple[str, str]]:
    return [(one.key, one.place) for one in site.world.step(BUCKET, c.ListObjects()).objects]


def left_over(site: Site) -> list[str]:
    state = site.folder.parent / ".simtriggers"
    return sorted(str(path.relative_to(state)) for path in state.rglob("*") if path.is_file())


def test_a_put_and_a_delete_are_told_once_and_seen_in_the_folder(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up() as watched:
            assert (await files.put("in/a.csv", "hello", caller=c.Caller(source_ip="203.0.113.9"))).changed
            assert (site.folder / "in/a.csv").read_text() == "hello"
            await anyio.sleep(0.05)
            await watched.settled()
            got = await files.get("in/a.csv")
            assert (got.body, got.info.place) == (b"hello", "file")
            (site.folder / "in/a.csv").write_text("edited")
            await site.sent(2)
            assert await files.delete("in/a.csv") == c.ObjectDeleted(True)
            assert not (site.folder / "in/a.csv").exists()
            assert await files.delete("in/a.csv") == c.ObjectDeleted(False)

    anyio.run(main)
    # The second deletion is of nothing, which S3 tells as well.
    gone = removed("in/a.csv")
    assert site.events() == [created("in/a.csv", 5), created("in/a.csv", 6), gone, gone]
    first = site.world.sent[0].record["Records"][0]
    assert first["requestParameters"] == {"sourceIPAddress": "203.0.113.9"}
    assert left_over(site) == []


def test_keys_that_no_file_can_have_are_kept_beside_the_folder(tmp_path: Path) -> None:
    site = Site(tmp_path)
    odd = ["a/b", "a", "folder/", "../out", "./x", "x//y", "n" * 300, "draft.tmp", ".git/HEAD", "a/b/c", "link/z"]
    os.symlink(site.outside, site.folder / "link")

    async def main() -> None:
        files = files_of(site)
        async with site.up():
            for key in odd:
                assert (await files.put(key, key)).changed
            for key in odd:
                got = await files.get(key)
                assert got.body == key.encode()
                assert got.info.place == ("file" if key == "a/b" else "store")
            for key in odd[1:]:
                assert await files.delete(key) == c.ObjectDeleted(True)

    anyio.run(main)
    assert keys(site) == [("a/b", "file")]
    assert left_over(site) == []
    assert len(site.events()) == 2 * len(odd) - 1
    assert sorted(path.name for path in site.folder.iterdir()) == ["a", "link"]
    assert list(site.outside.iterdir()) == []


def test_a_key_in_the_store_can_become_a_file(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        (site.folder / "a").mkdir()
        async with site.up():
            await files.put("a", "store")
            (site.folder / "a").rmdir()
            await files.put("a", "file")
            assert (await files.get("a")).body == b"file"

    anyio.run(main)
    assert keys(site) == [("a", "file")]
    assert left_over(site) == []


@pytest.mark.parametrize(
    ("point", "act", "before", "after", "body"),
    [
        ("before_rename", "put", [], [], "old"),
        ("after_rename", "put", [], [created("a", 6)], "newest"),
        ("before_unlink", "delete", [], [], "old"),
        ("after_unlink", "delete", [], [removed("a")], None),
    ],
)
def test_the_journal_settles_what_a_killed_process_left(
    tmp_path: Path, point: str, act: str, before: list[Any], after: list[Any], body: str | None
) -> None:
    site = Site(tmp_path)

    async def first() -> None:
        async with site.up():
            await files_of(site).put("a", "old")

    async def killed() -> None:
        files = files_of(site, crash_at=point)
        run: Callable[..., Any] = files.put if act == "put" else files.delete
        with pytest.raises(Killed):
            await run("a", *(["newest"] if act == "put" else []))

    async def again() -> None:
        await files_of(site).settle()
        async with site.up():
            pass

    anyio.run(first)
    site.world.sent.clear()
    anyio.run(killed)
    assert site.events() == before
    anyio.run(again)
    anyio.run(again)
    assert site.events() == after
    path = site.folder / "a"
    assert (path.read_text() if path.exists() else None) == body
    assert left_over(site) == []
    assert site.world.step(BUCKET, c.ListWrites()) == ()


def test_a_file_that_replaced_the_put_of_a_killed_process_is_told_itself(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def killed() -> None:
        async with site.up():
            pass
        with pytest.raises(Killed):
            await files_of(site, crash_at="after_rename").put("a", "mine")
        (site.folder / "a").unlink()
        site.write("a", "another")

    async def again() -> None:
        await files_of(site).settle()
        async with site.up():
            pass

    anyio.run(killed)
    anyio.run(again)
    assert site.events() == [created("a", 7)]


def test_a_write_that_the_disk_refuses_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)

        def in_the_way(command: Any) -> None:
            if isinstance(command, c.BeginWrite):
                (site.folder / "a").write_text("a file where a folder is needed")

        site.before_reply = in_the_way
        reply = await files.put("a/b", "x")
        assert isinstance(reply, Refused)
        assert reply.code == "InternalError"

    anyio.run(main)
    assert left_over(site) == []
    assert keys(site) == []
    assert site.world.step(BUCKET, c.ListWrites()) == ()


def test_many_writers_of_one_key_follow_each_other(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up(), anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(files.put, "a", "x" * number)
        assert (await files.get("a")).info.size == (site.folder / "a").stat().st_size

    anyio.run(main)
    assert sorted(size or 0 for _, _, size in site.events()) == list(range(20))


def test_versions_are_kept_beside_the_folder_whoever_writes(tmp_path: Path) -> None:
    site = Site(tmp_path, versioning="enabled")

    async def main() -> None:
        files = files_of(site)
        async with site.up(copies=files) as watched:
            first = await files.put("a", "by request", properties=c.Properties((("by", "me"),)))
            site.write("a", "by file")
            await site.sent(2)
            await watched.settled()
            assert (await files.get("a", first.version_id)).body == b"by request"
            assert (await files.get("a", first.version_id, range="bytes=3-")).body == b"request"
            assert (await files.get("a")).body == b"by file"
            marker = await files.delete("a")
            assert marker.delete_marker
            assert not (site.folder / "a").exists()
            await watched.settled()
            versions = site.world.step(BUCKET, r.ListObjectVersions()).versions
            assert [one.size for one in versions] == [0, 7, 10]
            second = versions[1].version_id
            assert (await files.get("a", second)).body == b"by file"
            await files.delete("a", version_id=marker.version_id)
            assert (await files.get("a")).body == b"by file"
            await files.delete("a", version_id=second)
            assert (await files.get("a")).body == b"by request"
            await files.delete("a", version_id=first.version_id)

    anyio.run(main)
    assert left_over(site) == []
    names = [sent.record["Records"][0]["eventName"] for sent in site.world.sent]
    assert names == ["ObjectCreated:Put"] * 2 + ["ObjectRemoved:DeleteMarkerCreated"] + ["ObjectRemoved:Delete"] * 3


def test_copies_that_no_version_has_any_more_go_at_the_next_start(tmp_path: Path) -> None:
    rule = {"noncurrent_version_expiration": {"noncurrent_days": 1}}
    site = Site(tmp_path, versioning="enabled", lifecycle_rules=[rule])

    async def main() -> None:
        files = files_of(site)
        async with site.up(copies=files):
            for body in ("one", "two"):
                await files.put("a", body)
        site.world.until(site.world.now_ms + 3 * 86_400_000)
        assert len(left_over(site)) == 2
        await files.settle()
        # What this process made may belong to a write that is not committed yet.
        assert len(left_over(site)) == 2
        for path in (site.folder.parent / ".simtriggers").rglob("*"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
        await files.settle()
        assert len(left_over(site)) == 1
        assert (await files.get("a")).body == b"two"

    anyio.run(main)


def test_a_condition_that_does_not_hold_leaves_the_file(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up():
            await files.put("a", "old")
            refused = await files.put("a", "new", conditions=c.Conditions(if_none_match="*"))
            assert (refused.code, refused.status) == ("PreconditionFailed", 412)
            assert (site.folder / "a").read_text() == "old"

    anyio.run(main)
    assert len(site.events()) == 1
    assert left_over(site) == []

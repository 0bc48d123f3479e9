"""Requests and files of one bucket are one truth: what a request makes is a file, what is dropped is an object, and
neither makes two events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from simtriggers.live.object_copies import copy_part
from simtriggers.live.object_files import ObjectFiles
from simtriggers.services.s3 import commands as c
from simtriggers.services.s3 import requests as r
from simtriggers.services.s3.multipart import SMALLEST_PART, multipart_etag

from .folder_world import BUCKET, Site
from .running import Up, project, up
from .test_object_files import Killed, files_of, left_over

pytestmark = pytest.mark.live

PROJECT = """\
buckets:
  uploads:
    folder: ./uploads
    notifications:
      - queue: told
        events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectRestore:*"]
  archive:
    versioning: enabled
    notifications: [{queue: told, events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]
queues:
  told: {}
"""


def told(sim: Up) -> list[tuple[str, str, str]]:
    """(bucket, event, key) of all records that were sent, in order."""
    texts = sim.rows("SELECT p.body FROM sqs_messages m JOIN payloads p ON p.digest = m.payload ORDER BY m.seq")
    bodies = [json.loads(text) for (text,) in texts]
    records = [body["Records"][0] for body in bodies if "Records" in body]
    return [(one["s3"]["bucket"]["name"], one["eventName"], one["s3"]["object"]["key"]) for one in records]


def listed(sim: Up) -> list[tuple[str, int, str, str]]:
    """(key, size, etag, place) of the objects of the bucket with a folder."""
    sql = "SELECT key, size, etag, place FROM s3_objects WHERE bucket = 'arn:aws:s3:::uploads' ORDER BY key"
    return sim.rows(sql)


# --- the real command -----------------------------------------------------------------------------


def test_a_request_makes_a_file_and_a_file_makes_an_object(tmp_path: Path) -> None:
    with up(project(tmp_path, PROJECT)) as sim:
        assert sim.noted("TestEventSent", 2)
        sim.step(put_object={"bucket": "uploads", "key": "in/a b.csv", "body": "hello"})
        assert (tmp_path / "uploads/in/a b.csv").read_text() == "hello"
        (tmp_path / "uploads" / "dropped.csv").write_text("12345678")
        sim.noted("ObjectCreated", 2)
        assert [row[0::3] for row in listed(sim)] == [("dropped.csv", "file"), ("in/a b.csv", "file")]
        sim.step(delete_object={"bucket": "uploads", "key": "dropped.csv"})
        assert not (tmp_path / "uploads" / "dropped.csv").exists()
        (tmp_path / "uploads/in/a b.csv").unlink()
        sim.noted("ObjectRemoved", 2)
        assert sim.stop() == 0
        assert listed(sim) == []
        assert told(sim) == [
            ("uploads", "ObjectCreated:Put", "in/a+b.csv"),
            ("uploads", "ObjectCreated:Put", "dropped.csv"),
            ("uploads", "ObjectRemoved:Delete", "dropped.csv"),
            ("uploads", "ObjectRemoved:Delete", "in/a+b.csv"),
        ]


def test_copies_into_a_folder_and_out_of_it_are_files_and_one_event_each(tmp_path: Path) -> None:
    with up(project(tmp_path, PROJECT)) as sim:
        folder = tmp_path / "uploads"
        (folder / "a.txt").write_text("from a file")
        sim.noted("ObjectCreated")
        within = sim.step(copy_object={"bucket": "uploads", "key": "b.txt", "source_key": "a.txt"})
        out = sim.step(copy_object={"bucket": "archive", "key": "a", "source_bucket": "uploads", "source_key": "a.txt"})
        back = sim.step(copy_object={"bucket": "uploads", "key": "c/d", "source_bucket": "archive", "source_key": "a"})
        assert [(folder / name).read_text() for name in ("b.txt", "c/d")] == ["from a file"] * 2
        etag = c.content_md5(b"from a file")
        assert [one["etag"] for one in (within, out, back)] == [etag] * 3
        assert (out["source_version_id"], back["source_version_id"]) == (None, out["version_id"])
        assert listed(sim) == [(key, 11, etag, "file") for key in ("a.txt", "b.txt", "c/d")]
        refused = sim.refused(copy_object={"bucket": "uploads", "key": "b.txt", "source_key": "b.txt"})
        assert "copy an object to itself" in refused
        (folder / "last").write_text("x")
        sim.noted("ObjectCreated", 5)
        assert sim.stop() == 0
        assert told(sim) == [
            ("uploads", "ObjectCreated:Put", "a.txt"),
            ("uploads", "ObjectCreated:Copy", "b.txt"),
            ("archive", "ObjectCreated:Copy", "a"),
            ("uploads", "ObjectCreated:Copy", "c/d"),
            ("uploads", "ObjectCreated:Put", "last"),
        ]


def test_files_are_tagged_and_restored_like_other_objects(tmp_path: Path) -> None:
    with up(project(tmp_path, PROJECT)) as sim:
        folder = tmp_path / "uploads"
        (folder / "a.txt").write_text("a file")
        sim.noted("ObjectCreated")
        sim.step(tag_object={"bucket": "uploads", "key": "a.txt", "tags": {"kind": "note"}})
        sim.step(untag_object={"bucket": "uploads", "key": "a.txt"})
        sim.step(put_object={"bucket": "uploads", "key": "old", "body": "cold", "storage_class": "GLACIER"})
        assert "not in the active tier" in sim.refused(
            copy_object={"bucket": "archive", "key": "x", "source_bucket": "uploads", "source_key": "old"}
        )
        assert sim.step(restore_object={"bucket": "uploads", "key": "old", "days": 1}) == 202
        sim.step(advance="6h")
        sim.step(copy_object={"bucket": "archive", "key": "x", "source_bucket": "uploads", "source_key": "old"})
        assert (folder / "old").read_text() == "cold"
        assert (folder / "a.txt").read_text() == "a file"
        assert sim.stop() == 0
        assert told(sim) == [
            ("uploads", "ObjectCreated:Put", "a.txt"),
            ("uploads", "ObjectTagging:Put", "a.txt"),
            ("uploads", "ObjectTagging:Delete", "a.txt"),
            ("uploads", "ObjectCreated:Put", "old"),
            ("uploads", "ObjectRestore:Post", "old"),
            ("uploads", "ObjectRestore:Completed", "old"),
            ("archive", "ObjectCreated:Copy", "x"),
        ]


# --- uploads in parts -----------------------------------------------------------------------------


async def uploaded(site: Site, key: str, *bodies: bytes, **given: Any) -> r.CompleteMultipartUpload:
    """An upload with its parts, ready to be completed."""
    submit = site.submit
    upload = await submit(BUCKET, r.CreateMultipartUpload(key, "text/plain", c.Properties(**given)))
    etags = [await submit(BUCKET, r.UploadPart(upload, number, body)) for number, body in enumerate(bodies, start=1)]
    return r.CompleteMultipartUpload(upload, tuple(enumerate(etags, start=1)))


def uploads_and_parts(site: Site) -> list[int]:
    execute = site.world.db.execute
    return [execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("s3_uploads", "s3_parts")]


def test_an_upload_in_parts_becomes_a_file_with_the_etag_of_its_parts(tmp_path: Path) -> None:
    site = Site(tmp_path)
    parts = b"\xff" * SMALLEST_PART, b"end"

    async def main() -> None:
        files = files_of(site)
        async with site.up() as watched:
            command = await uploaded(site, "in/big", *parts, metadata=(("by", "me"),), tags=(("k", "v"),))
            put = await files.carry_out(command)
            assert put.etag == multipart_etag([etag for _, etag in command.parts])
            assert (site.folder / "in/big").read_bytes() == b"".join(parts)
            await anyio.sleep(0.05)
            await watched.settled()
            got = await files.get("in/big", range="bytes=-3")
            info = got.info
            assert (got.body, info.etag, info.place, info.content_type) == (b"end", put.etag, "file", "text/plain")
            assert (info.metadata, info.tags) == ((("by", "me"),), (("k", "v"),))
            again = await files.carry_out(command)
            assert again.code == "NoSuchUpload"

    anyio.run(main)
    assert site.events() == [("ObjectCreated:CompleteMultipartUpload", "in/big", SMALLEST_PART + 3)]
    assert uploads_and_parts(site) == [0, 0]
    assert left_over(site) == []


def test_completing_an_upload_twice_at_once_makes_one_object(tmp_path: Path) -> None:
    site = Site(tmp_path)
    replies: list[Any] = []

    async def main() -> None:
        files = files_of(site)
        command = await uploaded(site, "a", b"x")

        async def complete() -> None:
            replies.append(await files.complete(command))

        async with site.up(), anyio.create_task_group() as tasks:
            tasks.start_soon(complete)
            tasks.start_soon(complete)

    anyio.run(main)
    assert sorted(type(reply).__name__ for reply in replies) == ["ObjectPut", "Refused"]
    assert len(site.events()) == 1


def test_parts_that_are_wrong_leave_the_file_and_the_upload(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up():
            await files.put("a", "old")
            command = await uploaded(site, "a", b"x")
            wrong = r.CompleteMultipartUpload(command.upload_id, ((1, "e" * 32),))
            assert (await files.complete(wrong)).code == "InvalidPart"
            kept = r.CompleteMultipartUpload(command.upload_id, command.parts, c.Conditions(if_none_match="*"))
            assert (await files.complete(kept)).status == 412
            assert (site.folder / "a").read_text() == "old"
            assert uploads_and_parts(site) == [1, 1]

    anyio.run(main)
    assert len(site.events()) == 1


@pytest.mark.parametrize(("point", "body"), [("before_rename", None), ("after_rename", "whole")])
def test_a_completion_that_was_killed_is_settled_by_the_journal(tmp_path: Path, point: str, body: str | None) -> None:
    site = Site(tmp_path)

    async def killed() -> None:
        async with site.up():
            pass
        command = await uploaded(site, "a", b"whole")
        with pytest.raises(Killed):
            await files_of(site, crash_at=point).complete(command)

    async def again() -> None:
        await files_of(site).settle()
        async with site.up():
            pass

    anyio.run(killed)
    assert site.events() == []
    anyio.run(again)
    path = site.folder / "a"
    assert (path.read_text() if path.exists() else None) == body
    expected = [("ObjectCreated:CompleteMultipartUpload", "a", 5)] if body else []
    assert site.events() == expected
    # What never reached the disk can still be completed.
    assert uploads_and_parts(site) == ([0, 0] if body else [1, 1])
    assert left_over(site) == []


def test_a_part_is_copied_from_a_file(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up():
            site.write("source", "0123456789")
            await site.sent(1)
            upload = await site.submit(BUCKET, r.CreateMultipartUpload("copy", "text/plain"))
            part = r.UploadPartCopy(upload, 1, BUCKET, "source", source_range="bytes=2-4")
            etag = await copy_part(site.submit, files, BUCKET, part)
            assert etag == c.content_md5(b"234")
            beyond = r.UploadPartCopy(upload, 2, BUCKET, "source", source_range="bytes=10-11")
            assert (await copy_part(site.submit, files, BUCKET, beyond)).code == "InvalidArgument"
            await files.complete(r.CompleteMultipartUpload(upload, ((1, etag),)))
            assert (site.folder / "copy").read_text() == "234"

    anyio.run(main)
    assert [name for name, _, _ in site.events()] == ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload"]


# --- many, and conditions -------------------------------------------------------------------------


def test_many_are_deleted_with_their_files_or_none(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files: ObjectFiles = files_of(site)
        async with site.up():
            for key in ("a", "b", "c"):
                await files.put(key, key)
            refused = await files.carry_out(r.DeleteObjects((("a", ""), ("b", "no id"))))
            assert refused.code == "InvalidArgument"
            assert len(list(site.folder.iterdir())) == 3
            reply = await files.carry_out(r.DeleteObjects((("a", ""), ("none", ""), ("c", ""))))
            assert [one.existed for one in reply.deleted] == [True, False, True]
            assert [path.name for path in site.folder.iterdir()] == ["b"]

    anyio.run(main)
    assert [key for name, key, _ in site.events() if name == "ObjectRemoved:Delete"] == ["a", "none", "c"]


def test_conditions_of_deletes_and_reads_hold_for_files(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def main() -> None:
        files = files_of(site)
        async with site.up():
            put = await files.put("a", "x")
            other, same = c.Conditions(if_match="e" * 32), c.Conditions(if_match=put.etag)
            assert (await files.carry_out(c.DeleteObject("a", conditions=other))).status == 412
            assert (await files.carry_out(c.GetObject("a", conditions=other))).status == 412
            assert (await files.carry_out(c.GetObject("a", conditions=same))).body == b"x"
            assert (site.folder / "a").exists()
            assert await files.carry_out(c.DeleteObject("a", conditions=same)) == c.ObjectDeleted(True)
            assert not (site.folder / "a").exists()

    anyio.run(main)
    assert len(site.events()) == 2

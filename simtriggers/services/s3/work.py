"""A decision about objects of one bucket while it is being made, and what each such decision begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...kernel.agenda import Entry
from ...kernel.effects import Decision, Refused, Write
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import store
from .bus_events import S3_ITSELF
from .commands import Caller
from .config import BucketSettings
from .records import SEQUENCERS_PER_MS, Request, request_ids, sequencer

MALFORMED = Refused(
    "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
)
NO_SUCH_BUCKET = Refused("NoSuchBucket", "The specified bucket does not exist", 404)


@fixed
class Spot:
    """What a decision about one key needs: the bucket, the last sequencer, the object that is there.

    `row` is (size, etag, sequencer, inode, mtime_ns, place, body, version id, copy, last modified,
    storage class, more) or None; `writes` are the key's journalled API writes, read for files only; `bus`
    says that the default event bus is there, asked for buckets that send to it.
    """

    bucket: Resource | None
    last: tuple[int, int] = (0, 0)
    row: tuple[Any, ...] | None = None
    writes: tuple[tuple[Any, ...], ...] = ()
    bus: bool = False


PLACE, BODY, VERSION, COPY, MODIFIED, CLASS, MORE = 5, 6, 7, 8, 9, 10, 11
"""Columns of a spot's row."""


def spot_of(read: Reader, arn: str, key: str) -> Spot:
    """The spot of a key; without a bucket when there is none of that ARN."""
    bucket = read.resource(arn)
    if bucket is None:
        return Spot(None)
    row = read.one(store.BUCKET_AND_OBJECT, arn, key)
    assert row is not None, f"bucket {arn} has a resource row but no row in s3_buckets"
    return Spot(bucket, (row[0], row[1]), None if row[2] is None else row[2:], (), bus_of(read, bucket))


def bus_of(read: Reader, bucket: Resource) -> bool:
    """Whether this bucket sends to a bus that is there."""
    settings: BucketSettings = bucket.config
    return settings.eventbridge and read.describe(settings.bus) is not None


@dataclass(slots=True)
class Work:
    """A decision in the making. `last` is the last sequencer that was given out."""

    bucket: Resource
    entry: Entry
    now_ms: int
    ids: Ids
    last: tuple[int, int]
    bus: bool
    decision: Decision = field(default_factory=Decision)

    def sequencer(self) -> str:
        """Later than the bucket's last one, whatever the clock says."""
        last = self.last
        at_ms, count = (self.now_ms, 0) if self.now_ms > last[0] else (last[0], last[1] + 1)
        if count == SEQUENCERS_PER_MS:
            at_ms, count = at_ms + 1, 0
        self.last = (at_ms, count)
        return sequencer(at_ms, count)

    def done(self, reply: Any) -> Decision:
        """The decision, with the sequencer remembered."""
        decision = self.decision
        decision.reply = reply
        decision.writes.append(Write(store.SET_SEQUENCER, (*self.last, self.entry.arn)))
        return decision


def work_on(view: Spot, entry: Entry, now_ms: int, ids: Ids) -> Work:
    """Begin the decision about a spot whose bucket is there."""
    assert view.bucket is not None
    return Work(view.bucket, entry, now_ms, ids, view.last, view.bus)


def request_of(settings: BucketSettings, caller: Caller | None, ids: Ids) -> Request:
    """Who acts, with fresh request ids; the account's own user from this machine when nobody is named."""
    request_id, host_id = request_ids(ids.take("s3.request", 64))
    if caller is None:
        return Request(settings.principal, "127.0.0.1", request_id, host_id)
    principal, source_ip = caller.principal or settings.principal, caller.source_ip or "127.0.0.1"
    return Request(principal, source_ip, request_id, host_id, caller.trace_header)


def own_request(settings: BucketSettings, ids: Ids) -> Request:
    """S3 itself acts: lifecycle, restores."""
    return request_of(settings, Caller(f"AmazonCustomer:{settings.facts.owner}", S3_ITSELF), ids)

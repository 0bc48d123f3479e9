"""Batches of records: how many fit into one, what the event looks like, and what a response settles. Pure.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" (batching behaviour; partial batch
responses: success and failure conditions).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from ...aws.contracts import Record
from ...kernel.fixed import fixed
from . import limits

_ENVELOPE_BYTES = len('{"Records":[]}')


@fixed
class Held:
    """A record that a mapping has claimed, at `claimed_ms`. `seq` is its row's, 0 when it has none."""

    id: str
    receipt: str
    json: str
    cause: int
    claimed_ms: int
    seq: int = 0


def hold(record: Record, *, now_ms: int) -> Held:
    """A record that was just received."""
    return Held(record.id, record.receipt, record.json, record.cause, now_ms)


def fitting(records: Sequence[Held], batch_size: int) -> int:
    """How many of the first records make one batch: up to `batch_size`, and 6 MB with the envelope."""
    most = min(len(records), batch_size)
    characters = sum(len(record.json) for record in records[:most]) + most
    if characters * 4 + _ENVELOPE_BYTES <= limits.SYNC_PAYLOAD_BYTES:
        return most
    size = _ENVELOPE_BYTES
    for number, record in enumerate(records[:most]):
        size += len(record.json.encode("utf-8", "surrogatepass")) + 1
        if size > limits.SYNC_PAYLOAD_BYTES:
            return max(1, number)
    return most


def event_text(records: Sequence[Held]) -> str:
    """The event of a batch: `{"Records":[…]}`, the records as their source shaped them."""
    return '{"Records":[' + ",".join([record.json for record in records]) + "]}"


@fixed
class Verdict:
    """Which records of a batch failed, by id. `problem` says why all failed, empty when they did not."""

    failed: frozenset[str]
    problem: str = ""


def verdict(response: str, ids: Collection[str]) -> Verdict:
    """What a response means with ReportBatchItemFailures.

    A response that breaks any rule fails the whole batch. Unverified: JSON that is neither an object nor
    null breaks one; an object without `batchItemFailures` is a success.
    """
    everything = frozenset(ids)
    try:
        found = json.loads(response)
    except (ValueError, RecursionError):
        return Verdict(everything, "the response is not JSON")
    if found is None:
        return Verdict(frozenset())
    if not isinstance(found, dict):
        return Verdict(everything, "the response is not a JSON object")
    items = found.get("batchItemFailures")
    if items is None:
        return Verdict(frozenset())
    if not isinstance(items, list):
        return Verdict(everything, "batchItemFailures is not a list")
    failed: set[str] = set()
    for item in items:
        if not isinstance(item, dict) or "itemIdentifier" not in item:
            return Verdict(everything, "an entry of batchItemFailures has no itemIdentifier")
        identifier = item["itemIdentifier"]
        if not isinstance(identifier, str) or not identifier:
            return Verdict(everything, f"itemIdentifier is {json.dumps(identifier)}")
        if identifier not in everything:
            return Verdict(everything, f"itemIdentifier {identifier} is not in the batch")
        failed.add(identifier)
    return Verdict(frozenset(failed))

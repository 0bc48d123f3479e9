"""Execution environments: which one runs an invocation, and what becomes of it afterwards. Pure.

A warm one of the function's current revision is used again, the one used last first; otherwise a cold one
is made. After a timeout or an exit the environment is reset: its globals are made again, its /tmp stays.
Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle".
Unverified: idle environments are given up after 10 minutes; that is looked at when the next is chosen.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ...kernel.effects import Write
from ...kernel.fixed import fixed
from ...kernel.ids import Ids
from ...kernel.service import Reader, Resource
from . import limits, store
from .concurrency import pool_of
from .settings import VERSION, FunctionSettings


@fixed
class Slot:
    """What SELECT_SLOT says: the account's numbers, and the idle environment to use, if there is one."""

    incarnation: int
    reserved_total: int
    busy: int
    environment_id: str | None
    cold: int | None
    log_stream: str | None


@fixed
class Granted:
    """The environment of one run, and the writes that make it busy."""

    environment_id: str
    log_stream: str
    cold: bool
    writes: tuple[Write, ...]


def view_slot(read: Reader, function: Resource) -> Slot:
    """Read what `grant` needs, in one statement."""
    oldest_ms = read.now_ms - limits.IDLE_ENVIRONMENT_MS
    row = read.one(store.SELECT_SLOT, pool_of(function.config), function.arn, function.revision, oldest_ms)
    assert row is not None, "lambda_account has its one row from the start"
    return Slot(*row)


def grant(slot: Slot, function: Resource, *, now_ms: int, ids: Ids) -> Granted:
    """The idle environment of the view, or a new one; concurrency was checked before."""
    settings: FunctionSettings = function.config
    pool = pool_of(settings)
    if slot.environment_id is not None and slot.log_stream is not None:
        take = Write(store.TAKE_ENVIRONMENT, (pool, slot.environment_id))
        return Granted(slot.environment_id, slot.log_stream, bool(slot.cold), (take,))
    environment_id = ids.hex("lambda.environment", 32)
    stream = f"{datetime.fromtimestamp(now_ms // 1000, UTC):%Y/%m/%d}/[{VERSION}]{environment_id}"
    oldest_ms = now_ms - limits.IDLE_ENVIRONMENT_MS
    new = (environment_id, function.arn, pool, function.revision, slot.incarnation, now_ms, now_ms, stream)
    writes = (
        Write(store.RETIRE_ENVIRONMENTS, (function.arn, function.revision, oldest_ms)),
        Write(store.INSERT_ENVIRONMENT, new),
    )
    return Granted(environment_id, stream, True, writes)


def release(environment_id: str, *, status: str, keep: bool, now_ms: int) -> Write:
    """What becomes of an environment when its invocation has ended with a contracts.Ended status."""
    if status in ("timeout", "exit"):
        return Write(store.RELEASE_ENVIRONMENT, (1, now_ms, environment_id))
    if not keep:
        return Write(store.DELETE_ENVIRONMENT, (environment_id,))
    return Write(store.RELEASE_ENVIRONMENT, (0, now_ms, environment_id))

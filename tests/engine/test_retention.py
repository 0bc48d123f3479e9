"""What a state file forgets, and what it must keep."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from simtriggers.engine.faults import TargetFault
from simtriggers.engine.retention import Trimmed, trim
from simtriggers.kernel.effects import RetryPolicy, Statement, payload
from tests.support import LiveWorld, dump
from tests.toys import MAILBOX, START_MS, Post, Send, Take, counter_arn, mailbox_arn

COLUMNS = list(MAILBOX.payload_columns)
LATE_MS = START_MS + 10_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LiveWorld]:
    opened = LiveWorld(tmp_path / "state.db")
    yield opened
    opened.close()


def bodies(world: LiveWorld) -> list[str]:
    return sorted(body for (body,) in world.connection.execute("SELECT body FROM payloads"))


def test_old_rows_go_with_the_texts_that_they_alone_named(world: LiveWorld) -> None:
    world.batch((mailbox_arn("a"), Post("taken")), (mailbox_arn("a"), Take(0)))
    world.now_ms = LATE_MS
    world.batch((mailbox_arn("a"), Post("new")), (mailbox_arn("a"), Take(0)))
    assert bodies(world) == ["new", "taken"]
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=COLUMNS) == Trimmed(2, 1)
    assert bodies(world) == ["new"]
    assert {row[1] for row in dump(world.connection, "trace")} == {LATE_MS}
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=COLUMNS) == Trimmed(0, 0)


def test_texts_that_services_the_agenda_and_failed_steps_name_are_kept(world: LiveWorld) -> None:
    policy = RetryPolicy("slow", 9, 10**9, base_ms=10**8, cap_ms=10**8)
    world.ask(mailbox_arn("a"), Post("in a mailbox"))
    world.engine.faults.targets = (TargetFault(mailbox_arn("b"), "down"),)
    world.ask(counter_arn("c"), Send(mailbox_arn("b"), "waits for its retry", policy))
    world.batch()
    world.connection.execute(
        "INSERT INTO failed_steps (at_ms, arn, command, error) VALUES (?, '', ?, '')",
        (START_MS, f'{{"payload":"{payload("failed").digest}"}}'),
    )
    for text in ("failed", "named by nothing"):
        world.connection.execute("INSERT INTO payloads VALUES (?, ?)", (payload(text).digest, text))
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=COLUMNS) == Trimmed(3, 1)
    assert bodies(world) == ["failed", "in a mailbox", "waits for its retry"]
    assert dump(world.connection, "trace") == []


def test_a_text_that_was_forgotten_is_written_again_when_it_comes_again(world: LiveWorld) -> None:
    world.batch((mailbox_arn("a"), Post("x")), (mailbox_arn("a"), Take(0)))
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=COLUMNS).payloads == 1
    world.engine.reader.forget_all()
    world.ask(mailbox_arn("a"), Post("x"))
    assert bodies(world) == ["x"]


def test_services_forget_their_records_of_the_past(world: LiveWorld) -> None:
    world.connection.execute("CREATE TABLE diary (at_ms INTEGER, body TEXT)")
    for at_ms, text in ((1, "old"), (2, "old"), (LATE_MS, "new")):
        world.connection.execute("INSERT INTO diary VALUES (?, ?)", (at_ms, payload(text).digest))
        world.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (payload(text).digest, text))
    columns = [*COLUMNS, ("diary", "body")]
    forget = Statement("diary.trim", "DELETE FROM diary WHERE at_ms < ?")
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=columns, trims=[forget]) == Trimmed(0, 1, 2)
    assert world.connection.execute("SELECT at_ms FROM diary").fetchall() == [(LATE_MS,)]
    assert bodies(world) == ["new"]
    assert trim(world.connection, before_ms=LATE_MS, payload_columns=columns, trims=[forget]) == Trimmed(0, 0, 0)


def test_a_failing_trim_changes_nothing(world: LiveWorld) -> None:
    world.batch((mailbox_arn("a"), Post("x")), (mailbox_arn("a"), Take(0)))
    before = dump(world.connection, "trace")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        trim(world.connection, before_ms=LATE_MS, payload_columns=[("no_such_table", "digest")])
    assert not world.connection.in_transaction
    assert (dump(world.connection, "trace"), bodies(world)) == (before, ["x"])

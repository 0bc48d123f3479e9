"""Migrations: once, in order, all or nothing, and never on what a newer version wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from simtriggers.engine.database import open_memory
from simtriggers.engine.schema import ENGINE, migrate, split
from simtriggers.errors import StateError
from simtriggers.kernel.service import Service
from tests.support import dump
from tests.toys import COUNTER, TOYS


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = open_memory()
    yield opened
    opened.close()


def service(*scripts: str) -> Service:
    return Service("things", {}, migrations=scripts)


ONE = "CREATE TABLE things (a TEXT) STRICT; INSERT INTO things VALUES ('one');"
TWO = "INSERT INTO things SELECT a || ' and two' FROM things;"
THREE = "ALTER TABLE things ADD COLUMN b TEXT; INSERT INTO things VALUES ('three', 'x');"


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_scripts_run_once_and_in_order(connection: sqlite3.Connection) -> None:
    migrate(connection, [service(ONE, TWO)])
    expected = [("one and two",), ("one",)]
    assert dump(connection, "things") == expected
    migrate(connection, [service(ONE, TWO)])
    assert dump(connection, "things") == expected
    migrate(connection, [service(ONE, TWO, THREE)])
    assert dump(connection, "things") == [("one and two", None), ("one", None), ("three", "x")]
    assert dump(connection, "schema_versions") == [("engine", len(ENGINE)), ("things", 3)]


def test_a_service_may_come_later_and_go_again(connection: sqlite3.Connection) -> None:
    migrate(connection, [])
    assert "counters" not in tables(connection)
    migrate(connection, [COUNTER])
    assert {"counters", "asks", "engine", "agenda"} <= tables(connection)
    migrate(connection, [])
    migrate(connection, TOYS)
    assert dict(dump(connection, "schema_versions"))["counter"] == 2


def test_all_or_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection, [service(ONE)])
    before = (tables(connection), dump(connection, "things"), dump(connection, "schema_versions"))
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        migrate(connection, [COUNTER, service(ONE, TWO, "INSERT INTO nowhere VALUES (1);")])
    assert not connection.in_transaction
    assert (tables(connection), dump(connection, "things"), dump(connection, "schema_versions")) == before


def test_what_a_newer_version_wrote_is_refused_and_not_touched(connection: sqlite3.Connection) -> None:
    migrate(connection, [service(ONE, TWO)])
    with pytest.raises(StateError) as caught:
        migrate(connection, [service(ONE), COUNTER])
    assert str(caught.value) == (
        "the state was written by a newer simtriggers: its things tables have version 2, this one knows 1\n"
        "  fix: upgrade simtriggers, or start with another --state file"
    )
    assert "counters" not in tables(connection)
    migrate(connection, [service(ONE, TWO)])


def test_a_script_is_split_where_sqlite_says() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END;"
    script = f"""
    -- a comment; with a semicolon
    CREATE TABLE a (x TEXT DEFAULT ';');
    {trigger}
    INSERT INTO a VALUES ('it''s; so');
    -- the end
    """
    assert [part.splitlines()[-1].strip() for part in split(script)] == [
        "CREATE TABLE a (x TEXT DEFAULT ';');",
        trigger,
        "INSERT INTO a VALUES ('it''s; so');",
    ]
    assert split("") == split("  -- nothing\n") == []


def test_a_statement_without_its_end_is_a_mistake_and_not_left_out(connection: sqlite3.Connection) -> None:
    with pytest.raises(AssertionError, match="without a semicolon: INSERT INTO things"):
        migrate(connection, [service(ONE, TWO + " INSERT INTO things VALUES ('lost')")])
    assert "things" not in tables(connection)


def test_every_table_says_what_it_is_for() -> None:
    for one in (*ENGINE, *(script for toy in TOYS for script in toy.migrations[1:])):
        for statement in split(one):
            if "CREATE TABLE" in statement:
                assert statement.lstrip().startswith("--"), statement
                assert "STRICT" in statement


def test_a_version_counts_scripts_and_not_services(connection: sqlite3.Connection) -> None:
    migrate(connection, [replace(COUNTER, name="a", migrations=()), service(ONE)])
    assert dump(connection, "schema_versions") == [("engine", len(ENGINE)), ("things", 1)]

"""Log groups: append, read by group and by invocation, trim."""

from __future__ import annotations

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import PutLogEvents
from simtriggers.services.logs import store
from simtriggers.services.logs.commands import GetLogEvents, LogEvent
from simtriggers.services.logs.service import SERVICE
from tests.support import Rows

GROUP = Names().log_group("/aws/lambda/work")
OTHER = Names().log_group("/aws/lambda/other")


def filled() -> Rows:
    rows = Rows(SERVICE)
    rows.step(GROUP, PutLogEvents("s1", ((1, "a\n"), (1, "b\n")), "r1"))
    rows.step(OTHER, PutLogEvents("s9", ((2, "x\n"),), "r9"))
    rows.step(GROUP, PutLogEvents("s2", ((3, "c\n"),), "r2"))
    return rows


def test_lines_come_back_in_the_order_in_which_they_were_written() -> None:
    rows = filled()
    assert rows.step(GROUP, GetLogEvents()).reply == (
        LogEvent("s1", 1, "r1", "a\n"),
        LogEvent("s1", 1, "r1", "b\n"),
        LogEvent("s2", 3, "r2", "c\n"),
    )
    assert [line.message for line in rows.step(GROUP, GetLogEvents(request_id="r1")).reply] == ["a\n", "b\n"]
    assert [line.message for line in rows.step(GROUP, GetLogEvents(limit=2)).reply] == ["b\n", "c\n"]
    assert [line.message for line in rows.step(GROUP, GetLogEvents("r1", limit=1)).reply] == ["b\n"]
    assert rows.step(GROUP, GetLogEvents("r9")).reply == ()


def test_no_lines_and_no_trace_rows() -> None:
    rows = Rows(SERVICE)
    decision = rows.step(GROUP, PutLogEvents("s", (), "r"))
    assert (decision.writes, decision.notes) == ([], [])
    assert rows.step(GROUP, PutLogEvents("s", ((1, "a\n"),), "r")).notes == []


def test_retention_forgets_old_lines() -> None:
    rows = filled()
    rows.connection.execute(store.TRIM.sql, (3,))
    assert [row[5] for row in rows.table("log_events")] == ["c\n"]

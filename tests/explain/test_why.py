"""`why`: from any row back to its first cause, and forward to what followed; the same from every kind of book."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simtriggers.errors import UserError
from simtriggers.explain import (
    Book,
    MemoryBook,
    NotFound,
    StateBook,
    chain,
    is_first_cause,
    origin,
    read_trace_file,
    row_dict,
    why,
)
from simtriggers.kernel.trace import TraceRow
from tests.explain.world import memory_book, message, played, state_book, trace_file


@pytest.fixture(params=["memory", "state", "file"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    if request.param == "memory":
        yield memory_book()
    elif request.param == "file":
        [(name, found)] = read_trace_file(trace_file(tmp_path))
        assert name == "story.yaml"
        yield found
    else:
        state = state_book(tmp_path)
        yield state
        state.close()


def test_every_row_comes_from_an_act_or_from_the_start_of_the_run(book: Book) -> None:
    origins = {row.kind: origin(book, row) for row in book.rows()}
    assert {came for _, came in origins.values()} == {"act", "start"}
    assert all(is_first_cause(first) for first, _ in origins.values())
    assert origins["ScheduleFired"][1] == "start"
    assert origins["MessageMovedToDeadLetterQueue"][0].kind == "MessageSent"


def test_a_message_in_the_dead_letter_queue(book: Book) -> None:
    found = why(book, message("first"))
    tried = ["MessageReceived", "BatchStarted", "InvocationStarted", "LogLines", "InvocationFailed"]
    failed = [*tried, "BatchFailed", "RecordFailed"]
    kinds = [step.row.kind for step in found.steps]
    assert kinds == ["MessageSent", *failed, *failed, "MessageMovedToDeadLetterQueue"]
    assert {step.row.subject for step in found.steps if step.role == "asked"} == {message("first")}
    assert found.origin == "act" and not found.more
    assert found.error is not None and found.error["errorType"] == "KeyError"
    text = found.render()
    assert "KeyError: 'item'" in text
    assert "in the end   MessageMovedToDeadLetterQueue: → sqs:orders-dlq: received 2 times" in text
    assert "+59.999s" in text


def test_the_row_of_the_move_tells_the_same_story(book: Book) -> None:
    moved = next(row for row in book.about(message("second")) if row.kind == "MessageMovedToDeadLetterQueue")
    by_row, by_message = why(book, f"#{moved.id}"), why(book, message("second"))
    assert [step.row.id for step in by_row.steps] == [step.row.id for step in by_message.steps]
    assert [step.row.id for step in by_row.steps if step.role == "asked"] == [moved.id]


def test_an_invocation_is_connected_with_all_records_of_its_batch(book: Book) -> None:
    started = next(row for row in book.rows() if row.kind == "InvocationStarted" and row.arn.endswith("handle"))
    found = why(book, started.subject)
    before = [step.row for step in found.steps if step.role == "cause"]
    assert sorted(row.subject for row in before if row.kind == "MessageSent") == sorted(
        map(message, ("first", "second"))
    )
    after = [step.row for step in found.steps if step.role == "effect"]
    assert sorted(row.subject for row in after if row.kind == "RecordFailed") == sorted(
        map(message, ("first", "second"))
    )


def test_a_file_that_failed_shows_each_try_and_where_it_ended(book: Book) -> None:
    found = why(book, "bad.csv")
    kinds = [step.row.kind for step in found.steps]
    assert kinds.count("InvocationFailed") == 3
    assert kinds.count("RetryScheduled") == 2
    assert kinds[-2:] == ["DestinationSent", "MessageSent"]
    delays = [line.split()[1] for line in found.render().splitlines() if "InvocationStarted" in line]
    assert delays == ["+0ms", "+1m00s", "+2m00s"]
    last = found.steps[-1].row
    assert why(book, last.subject).first.kind == "ObjectCreated"


def test_dates_and_what_is_left_out(book: Book) -> None:
    found = why(book, "1")
    text = found.render(most=6)
    assert f"… {len(found.steps) - 6} steps left out; --all shows them" in text
    assert "  2026-01-16" in found.render(most=None).splitlines()
    assert len([line for line in text.splitlines() if "  #" in line and line[2:4].isdigit()]) == 6


def test_as_json(book: Book) -> None:
    found = why(book, message("first")).as_dict()
    assert (found["origin"], found["more"]) == ("act", False)
    assert {step["role"] for step in found["steps"]} == {"asked", "cause"}
    assert found["steps"][0]["id"] == found["first_cause"]


def test_the_beginning_of_an_id_is_enough(book: Book) -> None:
    assert why(book, message("first")[:8]).steps == why(book, message("first")).steps


@pytest.mark.parametrize("ident", ["bad.txt", "99999", "#0", "zzz", "9" * 40])
def test_an_id_that_is_not_there(book: Book, ident: str) -> None:
    with pytest.raises(NotFound) as error:
        why(book, ident)
    assert repr(ident) in error.value.problem
    assert ("bad.csv" in error.value.rule) == ident.startswith("bad")


def test_a_beginning_that_several_have() -> None:
    rows = [TraceRow(number, 0, "MessageSent", "", f"order-{number}", 0, {}) for number in (1, 2)]
    with pytest.raises(NotFound) as error:
        why(MemoryBook(rows), "order")
    assert error.value.rule == "the nearest: order-1, order-2"


@pytest.mark.parametrize(
    ("count", "listed"),
    [
        (1, "a90"),
        (2, "a90, a91"),
        (12, "a90, a91, a910, a911, a92, a93, a94, a95, a96, a97, …"),
    ],
)
def test_a_beginning_that_is_too_short(count: int, listed: str) -> None:
    rows = [TraceRow(number + 1, 0, "MessageSent", "", f"a9{number}", 0, {}) for number in range(count)]
    for ident in ("a9", "a"):
        with pytest.raises(NotFound) as error:
            why(MemoryBook(rows), ident)
        assert error.value.rule == f"at least four letters of an id are needed; these begin with {ident!r}: {listed}"
        assert error.value.fix == "write one of these, or at least four letters of it"


def test_a_cause_that_is_no_longer_kept_and_one_that_should_be_there() -> None:
    late = TraceRow(50, 0, "InvocationFailed", "", "r", 49, {})
    lost = TraceRow(51, 0, "InvocationFailed", "", "s", 0, {})
    book = MemoryBook([late, lost])
    assert origin(book, late) == (late, "forgotten")
    assert origin(book, lost) == (lost, "broken")
    assert not is_first_cause(lost)
    assert "too old to be kept" in why(book, "r").render()
    assert chain(book, late) == [late]


# --- books --------------------------------------------------------------------------------------


def test_all_books_hold_the_same(book: Book) -> None:
    rows = played().trace
    assert list(book.rows()) == rows
    assert list(book.rows(until=3)) == rows[:3]
    assert book.newest() == rows[-1]
    assert book.row(5) == rows[4]
    assert book.caused_by(1) == [row for row in rows if row.cause == 1]
    assert book.subjects("bad") == ["bad.csv"]
    digests = [row.details["payload"] for row in rows if "payload" in row.details]
    assert [book.payload(digest) for digest in digests] == [played().payload(digest) for digest in digests]
    assert book.payload("nothing") is None


def test_a_trace_file_of_several_runs(tmp_path: Path) -> None:
    runs = list(read_trace_file(trace_file(tmp_path, "a.yaml", "b.yaml")))
    assert [name for name, _ in runs] == ["a.yaml", "b.yaml"]
    assert list(runs[0][1].rows()) == list(runs[1][1].rows()) == played().trace


def test_a_file_that_is_no_trace(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    for text in (
        "no json",
        "[]",
        '{"id": 1}',
        '{"id":1,"at":5,"kind":"x","arn":"","subject":"","cause":0,"details":{}}',
    ):
        wrong.write_text(text + "\n")
        with pytest.raises(UserError, match=r"wrong\.jsonl:1: this is no line of a trace"):
            list(read_trace_file(wrong))
    with pytest.raises(UserError, match="cannot read"):
        list(read_trace_file(tmp_path / "missing.jsonl"))


def test_a_trace_file_without_a_run(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UserError, match=r"empty\.jsonl is empty: no run is in it"):
        list(read_trace_file(tmp_path / "empty.jsonl"))


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.db"
    wrong.write_text("this is no database, and long enough to be looked at as if it were one" * 20)
    with pytest.raises(UserError, match="is not a state file of simtriggers"):
        StateBook.open(wrong)
    with pytest.raises(UserError, match="there is no state file"):
        StateBook.open(tmp_path / "missing.db")


def test_a_row_as_json() -> None:
    row = TraceRow(1, 1_768_478_400_000, "Started", "", "run", 0, {"seed": 1})
    assert row_dict(row) == {
        "id": 1, "at": "2026-01-15T12:00:00.000Z", "kind": "Started", "arn": "", "subject": "run", "cause": 0,
        "details": {"seed": 1},
    }  # fmt: skip

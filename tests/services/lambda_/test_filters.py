"""Filter criteria of mappings over real queues: what is dropped is deleted, named, and part of no batch."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from simtriggers.aws.contracts import Record
from simtriggers.kernel.effects import Decision, Refused
from simtriggers.kernel.ids import Ids
from simtriggers.services.lambda_.config import SqsTrigger
from simtriggers.services.lambda_.filtering import drop
from simtriggers.services.lambda_.filters import compiled, pattern_texts
from simtriggers.services.lambda_.settings import MappingSettings, mapping_resource, parse_mapping
from tests.services.lambda_.world import NAMES, World
from tests.support import START_MS

PAID = {"body": {"status": ["paid"]}}


def order(number: int, status: str = "paid") -> str:
    return json.dumps({"id": number, "status": status})


def bodies(event: Any) -> list[str]:
    return [record["body"] for record in event["Records"]]


def depth(world: World, queue: str) -> int:
    row = world.engine.connection.execute("SELECT count(*) FROM sqs_messages WHERE queue = ?", (queue,)).fetchone()
    return int(row[0])


def test_what_does_not_match_is_deleted_and_says_why() -> None:
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    mapping = world.mapping("ship", "orders", filter_criteria=[PAID])
    kept, dropped = world.send_one(queue, order(1)), world.send_one(queue, order(2, "new"))
    world.engine.run_until_idle()
    (event,) = world.events("ship")
    assert [record["messageId"] for record in event["Records"]] == [kept]
    assert depth(world, queue) == 0
    all_filtered, one_filtered, deleted = world.rows("RecordsFiltered", "RecordFiltered", "MessageDeleted")[:3]
    received = next(row for row in world.rows("MessageReceived") if row.subject == dropped)
    rule = {"rule": "the filter does not match", "revision": 1}
    assert all_filtered.details == {"filtered": 1, "passed": 1, **rule, "by": all_filtered.details["by"]}
    assert (one_filtered.arn, one_filtered.subject, one_filtered.cause) == (mapping, dropped, received.id)
    assert one_filtered.details == {**rule, "function": NAMES.function("ship"), "by": all_filtered.id}
    assert (deleted.subject, deleted.details["by"]) == (dropped, all_filtered.id)


def test_a_record_passes_when_any_filter_matches() -> None:
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    world.mapping("ship", "orders", filter_criteria=[PAID, '{"body":{"total":[{"numeric":[">",100]}]}}'])
    world.send(queue, order(1), '{"total":101}', '{"total":99}', "plain text")
    world.engine.run_until_idle()
    (event,) = world.events("ship")
    assert bodies(event) == [order(1), '{"total":101}']
    (row,) = world.rows("RecordsFiltered")
    assert (row.details["filtered"], row.details["rule"]) == (2, "none of the 2 filters matches")


def test_when_nothing_passes_nothing_is_invoked_and_the_mapping_goes_on() -> None:
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    world.mapping("ship", "orders", filter_criteria=[PAID])
    world.send(queue, *(order(number, "new") for number in range(25)))
    world.engine.run_until_idle()
    assert (world.starts_ms("ship"), depth(world, queue)) == ([], 0)
    assert world.rows("BatchStarted") == []
    assert len(world.rows("RecordFiltered")) == 25
    world.send(queue, order(26))
    world.engine.run_until_idle()
    assert [bodies(event) for event in world.events("ship")] == [[order(26)]]


def test_what_is_dropped_is_not_counted_in_a_batch_nor_starts_a_window() -> None:
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    world.mapping("ship", "orders", batch_size=3, maximum_batching_window="5s", filter_criteria=[PAID])
    world.send(queue, order(1, "new"))
    world.engine.run_until(START_MS + 1000)
    assert world.count("lambda_collected") == 0
    world.send(queue, order(2), order(3, "new"), order(4))
    world.engine.run_until(START_MS + 2000)
    assert (world.starts_ms("ship"), world.count("lambda_collected")) == ([], 2)
    world.send(queue, order(5, "new"), order(6), order(7))
    world.engine.run_until_idle()
    assert world.starts_ms("ship") == [2000, 7000]
    assert [bodies(event) for event in world.events("ship")] == [[order(2), order(4), order(6)], [order(7)]]
    assert depth(world, queue) == 0


def test_a_filter_over_the_record_itself() -> None:
    world = World()
    queue = world.queue("orders", visibility_timeout="30s")
    world.function("again", "ok")
    world.mapping("again", "orders", filter_criteria=[{"attributes": {"ApproximateReceiveCount": ["1"]}}])
    world.send(queue, "not looked at")
    world.engine.run_until_idle()
    assert [bodies(event) for event in world.events("again")] == [["not looked at"]]
    assert depth(world, queue) == 0


def test_new_filters_hold_from_the_next_record_on() -> None:
    world = World()
    queue = world.queue("orders")
    world.function("ship")
    world.mapping("ship", "orders", filter_criteria=[PAID])
    other = SqsTrigger.model_validate({"sqs": "orders", "filter_criteria": [{"body": {"status": ["new"]}}]})
    assert world.put(mapping_resource(NAMES, "ship", other)) == 2
    world.send(queue, order(1), order(2, "new"))
    world.engine.run_until_idle()
    assert [bodies(event) for event in world.events("ship")] == [[order(2, "new")]]
    (row,) = world.rows("RecordFiltered")
    assert row.details["revision"] == 2


def test_records_that_all_pass_leave_no_trace_of_the_filters() -> None:
    made = mapping_resource(NAMES, "ship", SqsTrigger.model_validate({"sqs": "orders", "filter_criteria": [PAID]}))
    parsed: MappingSettings = parse_mapping(made[1].config)
    records = (Record("m-1", "r-1", json.dumps({"body": order(1)}), 7),)
    decision = Decision()
    assert drop(decision, parsed, records, revision=1, cause=3, ids=Ids(1)) is records
    assert decision == Decision()


def test_patterns_are_compiled_once() -> None:
    texts = pattern_texts([PAID])
    assert texts == ('{"body":{"status":["paid"]}}',)
    assert compiled(texts) is compiled(pattern_texts([PAID]))


@pytest.mark.parametrize("criteria", [[{"body": {1, 2}}], [{"body": [float]}], [None]])
def test_what_is_no_json_is_refused(criteria: Any) -> None:
    with pytest.raises(ValueError, match="Invalid filter pattern definition"):
        pattern_texts(criteria)


def test_a_pattern_has_at_most_4096_characters() -> None:
    empty = len('{"body":[""]}')
    longest = {"sqs": "orders", "filter_criteria": [{"body": ["x" * (4096 - empty)]}]}
    trigger = SqsTrigger.model_validate(longest)
    assert [len(text) for text in trigger.filter_criteria] == [4096]
    with pytest.raises(ValidationError, match="Filter 1 has more than 4096 characters"):
        SqsTrigger.model_validate({"sqs": "orders", "filter_criteria": [{"body": ["x" * (4097 - empty)]}]})
    world = World()
    world.queue("orders")
    world.function("ship")
    arn, command = mapping_resource(NAMES, "ship", trigger)
    refused = world.put(
        (arn, replace(command, config={**command.config, "filters": ['{"body":["' + "x" * 4096 + '"]}']}))
    )
    assert refused == Refused("InvalidParameterValueException", "Invalid filter pattern definition.")
    assert world.put((arn, command)) == 1


@settings(max_examples=30, deadline=None)
@given(
    sends=st.lists(
        st.tuples(st.integers(0, 20), st.lists(st.sampled_from(["paid", "new", "text"]), min_size=1, max_size=9)),
        min_size=1,
        max_size=5,
    ),
    script=st.lists(st.sampled_from(["ok", "fail", "timeout", "exit"]), min_size=1, max_size=6),
    batch_size=st.integers(1, 10),
    window_s=st.sampled_from([0, 2]),
    report=st.booleans(),
    restart_s=st.sampled_from([None, 3]),
    shuffle=st.sampled_from([None, 1]),
)
def test_every_message_is_handled_or_dropped_by_the_rule(
    sends: list[tuple[int, list[str]]],
    script: list[str],
    batch_size: int,
    window_s: int,
    report: bool,
    restart_s: int | None,
    shuffle: int | None,
) -> None:
    world = World(shuffle_ties=shuffle)
    queue = world.queue("orders", visibility_timeout="30s")
    world.function("ship", *script, "ok", duration="2s", timeout="5s")
    world.mapping(
        "ship",
        "orders",
        batch_size=batch_size,
        maximum_batching_window=window_s,
        function_response_types=["ReportBatchItemFailures"] if report else [],
        filter_criteria=[PAID],
    )
    if report:
        world.runtime.scripts["ship"] = [
            ("ok", "null") if status == "ok" else (status, text) for status, text in world.runtime.scripts["ship"]
        ]
    wanted: set[str] = set()
    unwanted: set[str] = set()
    acts = sorted([*sends, *([(restart_s, [])] if restart_s is not None else [])])
    for at_s, statuses in acts:
        world.engine.run_until(START_MS + 1000 * at_s)
        if not statuses:
            world.engine.restart(NAMES.service)
        for status in statuses:
            body = order(len(wanted) + len(unwanted), status) if status != "text" else "plain text"
            (wanted if status == "paid" else unwanted).add(world.send_one(queue, body))
    assert world.engine.run_until_idle().reason == "idle"
    seen = {record["messageId"] for event in world.events("ship") for record in event["Records"]}
    dropped = [row.subject for row in world.rows("RecordFiltered")]
    assert seen == wanted
    assert set(dropped) == unwanted
    assert {row.subject for row in world.rows("MessageDeleted")} == wanted | unwanted
    assert depth(world, queue) == world.count("lambda_batches") == world.count("lambda_collected") == 0

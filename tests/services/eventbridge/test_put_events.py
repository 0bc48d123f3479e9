"""PutEvents: checks of a request and its entries, the envelope, buses that are not there, laws."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simtriggers.errors import AwsFault
from simtriggers.services.eventbridge.commands import PutEventsEntry
from simtriggers.services.eventbridge.put_events import DEPTH, check_entry, check_request, event_text, size_of, too_deep

from .world import bodies, details, events, world

CASES = Path(__file__).parents[3] / "fixtures" / "cases" / "eventbridge" / "put_events.yaml"
REFUSED: list[dict[str, Any]] = YAML(typ="safe").load(CASES)
ALL = 'rules: {all: {event_bus_name: shop, event_pattern: {source: [{prefix: ""}]}, targets: [{queue: q}]}}\n'
GOOD = {"source": "shop", "detail_type": "order", "detail": "{}"}


def test_the_envelope() -> None:
    with world(ALL) as sim:
        detail = '{"total": 59.90, "items": [{"sku": "ä"}]}'
        put = sim.event_bus("shop").put_events({**GOOD, "detail": detail, "resources": ["arn:aws:x:::y"]})
        sim.run_until_idle()
        (result,) = put.entries
        assert put.failed_entry_count == 0
        assert result.event_id == str(uuid.UUID(result.event_id))
        assert bodies(sim) == [
            f'{{"version":"0","id":"{result.event_id}","detail-type":"order","source":"shop","account":"123456789012",'
            '"time":"2026-01-15T12:00:00Z","region":"us-east-1","resources":["arn:aws:x:::y"],'
            '"detail":{"total":59.90,"items":[{"sku":"ä"}]}}'
        ]


def test_powertools_reads_it() -> None:
    entry = PutEventsEntry("shop.checkout", "order.placed", '{"id": "o-1"}', time="2026-03-02T08:15:30Z")
    text = event_text(entry, event_id="5d0c3f6e", account="123456789012", region="eu-west-1", now_ms=0)
    found = EventBridgeModel.model_validate_json(text)
    assert (found.source, found.detail_type, found.detail) == ("shop.checkout", "order.placed", {"id": "o-1"})
    assert (found.version, found.id, found.account, found.region) == ("0", "5d0c3f6e", "123456789012", "eu-west-1")
    assert (found.time.isoformat(), found.resources, found.replay_name) == ("2026-03-02T08:15:30+00:00", [], None)


@pytest.mark.parametrize(
    "given_time, shown",
    [
        ("2022-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        ("2022-01-01T01:30:00.999+01:00", "2022-01-01T00:30:00Z"),
        (None, "2026-01-15T12:00:00Z"),
    ],
)
def test_time(given_time: str | None, shown: str) -> None:
    with world(ALL) as sim:
        sim.event_bus("shop").put_events({**GOOD, "time": given_time})
        sim.run_until_idle()
        assert [event["time"] for event in events(sim)] == [shown]


def test_resources_are_never_missing() -> None:
    with world(ALL) as sim:
        sim.event_bus("shop").put_event("shop", "order")
        sim.run_until_idle()
        assert [(event["resources"], event["detail"]) for event in events(sim)] == [([], {})]


@pytest.mark.parametrize("row", REFUSED, ids=[row["name"] for row in REFUSED])
def test_refused_entry(row: dict[str, Any]) -> None:
    with world(ALL) as sim:
        put = sim.event_bus("shop").put_events(row["entry"], GOOD)
        sim.run_until_idle()
        refused, taken = put.entries
        assert put.failed_entry_count == 1
        assert [refused.event_id, refused.error_code, refused.error_message] == [None, *row["error"]]
        assert taken.event_id is not None and taken.error_code is None
        assert [event["id"] for event in events(sim)] == [taken.event_id]
        assert details(sim, "EventRefused") == [{"code": row["error"][0], "message": row["error"][1]}]


def test_a_request_with_refused_entries_alone_succeeds() -> None:
    with world(ALL) as sim:
        put = sim.event_bus("shop").put_events({}, {})
        assert put.failed_entry_count == 2


def test_ten_entries_at_most() -> None:
    with world(ALL) as sim:
        assert sim.put_events(*[GOOD] * 10).failed_entry_count == 0
        with pytest.raises(AwsFault) as caught:
            sim.put_events(*[GOOD] * 11)
        shown = (
            "PutEventsRequestEntry(time=null, source=shop, resources=null, detailType=order, detail={},"
            " eventBusName=null, traceHeader=null, kmsKeyIdentifier=null, internalMetadata=null)"
        )
        assert (caught.value.code, caught.value.message) == (
            "ValidationException",
            f"1 validation error detected: Value '[{', '.join([shown] * 11)}]' at 'entries' failed to satisfy"
            " constraint: Member must have length less than or equal to 10",
        )
        with pytest.raises(AwsFault, match="length greater than or equal to 1"):
            sim.put_events()


def test_a_bus_that_is_not_there_takes_the_event_and_loses_it() -> None:
    with world(ALL) as sim:
        put = sim.put_events({**GOOD, "event_bus_name": "nope"})
        sim.run_until_idle()
        assert (put.failed_entry_count, put.entries[0].event_id is not None) == (0, True)
        (lost,) = details(sim, "EventLost")
        assert lost["reason"] == "there is no event bus nope"
        assert bodies(sim) == []


def test_a_bus_by_its_arn() -> None:
    with world(ALL) as sim:
        sim.put_events({**GOOD, "event_bus_name": sim.names.event_bus("shop")})
        sim.run_until_idle()
        assert len(events(sim)) == 1


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, size",
    [
        (PutEventsEntry("s", "t", "{}"), 4),
        (PutEventsEntry("s", "t", "{}", time="2026-01-15T12:00:00Z"), 18),
        (PutEventsEntry("ä", "t", '{"é":1}'), 2 + 1 + 8),
        (PutEventsEntry("s", "t", "{}", resources=("abc", "de")), 9),
        (PutEventsEntry("s", "t", "{}", event_bus_name="a-long-name", trace_header="Root=1"), 4),
        (PutEventsEntry(), 0),
    ],
)
def test_size(entry: PutEventsEntry, size: int) -> None:
    assert size_of(entry) == size


@pytest.mark.parametrize(
    "limit, text", [(1_048_576, ""), (262_144, "event_buses: {default: {maximum_request_size: 256KB}}\n")]
)
def test_the_size_of_a_request(limit: int, text: str) -> None:
    from .world import simulated

    with simulated(text or "queues: {q: {}}\n") as sim:
        filler = "x" * (limit - 1 - len('{"a":""}') - 2)
        taken = {"source": "s", "detail_type": "t", "detail": f'{{"a":"{filler}"}}'}
        assert sim.put_events(taken).failed_entry_count == 0
        with pytest.raises(AwsFault) as caught:
            sim.put_events(taken, GOOD)
        assert str(caught.value) == ("ValidationException: Total size of the entries in the request is over the limit.")


def test_a_request_of_exactly_the_limit_is_too_large() -> None:
    entry = PutEventsEntry("s", "t", "{}")
    assert check_request([entry], most_bytes=5) is None
    refused = check_request([entry], most_bytes=4)
    assert refused is not None and refused.code == "ValidationException"


def test_a_detail_nests_400_levels_deep() -> None:
    def nested(levels: int) -> str:
        return '{"a":' * levels + '"{[{["' + "}" * levels

    assert not too_deep(nested(DEPTH))
    assert too_deep(nested(DEPTH + 1))
    assert check_entry(PutEventsEntry("s", "t", nested(DEPTH))) is None
    refused = check_entry(PutEventsEntry("s", "t", nested(DEPTH + 1)))
    assert refused is not None and refused.code == "MalformedDetail"


@pytest.mark.parametrize("time", ["yesterday", "2026-01-15T12:00:00"])
def test_a_time_that_is_none(time: str) -> None:
    refused = check_request([PutEventsEntry("s", "t", "{}", time=time)], most_bytes=1000)
    assert refused is not None and "Member must be a timestamp" in refused.message


# --- laws ---------------------------------------------------------------------------------------

TEXTS = st.text(min_size=1, max_size=8).filter(lambda text: not text.startswith("aws."))
DETAILS = st.dictionaries(st.text(max_size=4), st.integers() | st.booleans() | st.text() | st.none(), max_size=4)


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS, DETAILS, st.lists(st.text(max_size=6), max_size=2))
def test_an_event_says_what_its_entry_said(
    source: str, kind: str, detail: dict[str, Any], resources: list[str]
) -> None:
    entry = PutEventsEntry(source, kind, json.dumps(detail), tuple(resources))
    assert check_entry(entry) is None
    text = event_text(entry, event_id="e", account="1", region="r", now_ms=1_000)
    found = json.loads(text)
    assert list(found) == [
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
    ]
    assert (found["source"], found["detail-type"], found["detail"]) == (source, kind, detail)
    assert (found["resources"], found["time"]) == (resources, "1970-01-01T00:00:01Z")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=10))
def test_answers_come_in_the_order_of_the_entries(good: list[bool]) -> None:
    with world(ALL) as sim:
        put = sim.event_bus("shop").put_events(*[GOOD if each else {**GOOD, "detail": "[]"} for each in good])
        sim.run_until_idle()
        assert [each.error_code is None for each in put.entries] == good
        assert put.failed_entry_count == good.count(False)
        taken = [each.event_id for each in put.entries if each.event_id is not None]
        assert [event["id"] for event in events(sim)] == taken

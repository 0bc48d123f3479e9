"""Archives and replays: what is kept and for how long, what is sent again, to whom and in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.errors import AwsFault
from simtriggers.services.eventbridge.replays import PAGE, TRANSITIONS
from simtriggers.simulation import Simulation

from .world import bodies, details, events, kinds, world

TEXT = """
archives: {kept: {event_bus_name: shop}}
rules:
  all: {event_bus_name: shop, event_pattern: {source: [shop]}, targets: [{queue: q}]}
  other: {event_bus_name: shop, event_pattern: {detail-type: [order]}, targets: [{queue: dlq}]}
"""


def put(sim: Simulation, *times: str, kind: str = "order") -> list[str]:
    """Events of these times, numbered; returns their ids."""
    bus = sim.event_bus("shop")
    return [
        str(bus.put_event("shop", kind, {"n": number}, time=time).entries[0].event_id)
        for number, time in enumerate(times)
    ]


def emptied(sim: Simulation) -> None:
    """Nothing lies in the queues any more."""
    sim.run_until_idle()
    sim.advance("61s")
    for name in ("q", "dlq"):
        sim.queue(name).purge()
    sim.run_until_idle()


def refused(call: Any, *args: Any, **keys: Any) -> tuple[str, str]:
    with pytest.raises(AwsFault) as caught:
        call(*args, **keys)
    return caught.value.code, caught.value.message


# --- archives -----------------------------------------------------------------------------------


def test_an_archive_keeps_what_its_pattern_wants() -> None:
    with world("archives: {kept: {event_bus_name: shop, event_pattern: {detail-type: [order]}}}\n") as sim:
        put(sim, "2026-01-15T12:00:00Z", kind="order")
        put(sim, "2026-01-15T12:00:00Z", kind="else")
        sim.event_bus().put_event("shop", "order")
        found = sim.events.describe_archive("kept")
        text = sim.payload(details(sim, "EventReceived")[0]["payload"]) or ""
        assert (found.state, found.event_count, found.size_bytes) == ("ENABLED", 1, len(text))
        assert found.event_source_arn == sim.names.event_bus("shop")
        assert found.arn == "arn:aws:events:us-east-1:123456789012:archive/kept"


def test_making_changing_and_deleting_an_archive() -> None:
    with world("") as sim:
        made = sim.events.create_archive("a", event_bus="shop", event_pattern={"source": ["x"]}, retention_days=1)
        assert (made.retention_days, made.event_pattern) == (1, '{"source":["x"]}')
        assert refused(sim.events.create_archive, "a", event_bus="shop") == (
            "ResourceAlreadyExistsException",
            "Archive a already exists.",
        )
        assert refused(sim.events.create_archive, "b", event_bus="none") == (
            "ResourceNotFoundException",
            "Event bus none does not exist.",
        )
        assert sim.events.update_archive("a", retention_days=2).event_pattern == '{"source":["x"]}'
        assert [each.name for each in sim.events.archives()] == ["a"]
        sim.events.delete_archive("a")
        wanted = ("ResourceNotFoundException", "Archive a does not exist.")
        assert refused(sim.events.describe_archive, "a") == wanted
        assert refused(sim.events.delete_archive, "a") == wanted
        assert refused(sim.events.update_archive, "a") == wanted


@pytest.mark.parametrize(
    "name, keys, part",
    [
        ("a" * 49, {}, "length less than or equal to 48"),
        ("a b", {}, "regular expression"),
        ("a", {"retention_days": -1}, "greater than or equal to 0"),
        ("a", {"event_pattern": "[]"}, "Filter is not an object"),
    ],
)
def test_refused_archives(name: str, keys: dict[str, Any], part: str) -> None:
    with world("") as sim:
        assert part in refused(sim.events.create_archive, name, event_bus="shop", **keys)[1]


def test_retention() -> None:
    with world("archives: {kept: {event_bus_name: shop, retention_days: 2}, ever: {event_bus_name: shop}}\n") as sim:
        put(sim, "2026-01-15T12:00:00Z")
        sim.advance("1d")
        put(sim, "2026-01-16T12:00:00Z")
        sim.advance("25h")
        assert [sim.events.describe_archive(name).event_count for name in ("kept", "ever")] == [1, 2]
        sim.events.start_replay("r", "kept")
        sim.run_until_idle()
        assert sim.events.describe_replay("r").events == 1
        put(sim, "2026-01-17T13:00:00Z")
        (kept,) = sim.engine.connection.execute(
            "SELECT count(*) FROM events_archived WHERE archive LIKE '%/kept' ORDER BY 1"
        ).fetchone()
        assert kept == 2  # the oldest is gone, not only passed over


# --- replays ------------------------------------------------------------------------------------


def test_a_replayed_event_says_so_and_is_the_same_otherwise() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T11:00:00Z")
        sim.run_until_idle()
        (before,) = bodies(sim)
        emptied(sim)
        started = sim.events.start_replay("again", "kept")
        assert (started.state, started.arn) == ("STARTING", sim.names.replay("again"))
        sim.run_until_idle()
        (after,) = bodies(sim)
        assert after == before.replace('"resources"', '"replay-name":"again","resources"')
        found = EventBridgeModel.model_validate_json(after)
        assert found.replay_name == "again"
        done = sim.events.describe_replay("again")
        assert (done.state, done.events, done.replay_end_ms is not None) == ("COMPLETED", 1, True)
        assert done.destination_arn == sim.names.event_bus("shop")


def test_what_a_replay_sends_is_not_archived_again() -> None:
    text = "rules: {on: {event_bus_name: shop, event_pattern: {source: [shop]}, targets: [{event_bus: default}]}}\n"
    with world(text + "archives: {kept: {event_bus_name: shop}, far: {}}\n") as sim:
        put(sim, "2026-01-15T11:00:00Z")
        sim.run_until_idle()
        sim.events.start_replay("again", "kept")
        sim.run_until_idle()
        assert [sim.events.describe_archive(name).event_count for name in ("kept", "far")] == [1, 1]
        assert kinds(sim).count("EventReceived") == 4


def test_a_window_of_event_times() -> None:
    with world(TEXT) as sim:
        put(sim, *[f"2026-01-15T10:0{minute}:00Z" for minute in range(5)])
        emptied(sim)
        sim.events.start_replay("again", "kept", start="2026-01-15T10:01:00Z", end="2026-01-15T10:03:00Z")
        sim.run_until_idle()
        assert [event["detail"]["n"] for event in events(sim)] == [1, 2, 3]


def test_chosen_rules() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z")
        emptied(sim)
        rows = len(details(sim, "RulesNotMatched"))
        sim.events.start_replay("again", "kept", rules=["other"])
        sim.run_until_idle()
        assert (len(bodies(sim)), len(bodies(sim, "dlq"))) == (0, 1)
        assert sim.events.describe_replay("again").filter_arns == (sim.names.rule("other", "shop"),)
        assert len(details(sim, "RulesNotMatched")) == rows  # the rule that was not chosen was not asked


def test_a_disabled_rule_gets_nothing_of_a_replay() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z")
        emptied(sim)
        sim.event_bus("shop").disable_rule("all")
        sim.events.start_replay("again", "kept")
        sim.run_until_idle()
        assert (len(bodies(sim)), len(bodies(sim, "dlq"))) == (0, 1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 600), min_size=1, max_size=12), st.one_of(st.none(), st.integers(0, 100)))
def test_minutes_come_in_their_order(seconds: list[int], ties: int | None) -> None:
    with world(TEXT, shuffle_ties=ties) as sim:
        put(sim, *[f"2026-01-15T10:{each // 60:02}:{each % 60:02}Z" for each in seconds])
        emptied(sim)
        sim.events.start_replay("again", "kept")
        sim.run_until_idle()
        order = [row.subject for row in sim.trace if row.kind == "EventReceived" and "replay" in row.details]
        times = {event["id"]: event["time"][:16] for event in events(sim)}
        assert len(order) == len(seconds)
        assert [times[each] for each in order] == sorted(times[each] for each in order)
        assert [event["time"][:16] for event in events(sim)] == sorted(event["time"][:16] for event in events(sim))


def test_a_minute_of_many_events_is_sent_in_pages() -> None:
    with world("archives: {kept: {event_bus_name: shop}}\n", check_invariants=False) as sim:
        for _ in range(PAGE // 10):
            entry = {"source": "shop", "detail_type": "order", "detail": "{}", "time": "2026-01-15T10:00:00Z"}
            sim.event_bus("shop").put_events(*[entry] * 10)
        put(sim, "2026-01-15T10:01:00Z")
        sim.events.start_replay("again", "kept")
        sim.run_until_idle()
        assert sim.events.describe_replay("again").events == PAGE + 1


def test_events_that_come_after_the_start_are_not_replayed() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z")
        sim.events.start_replay("again", "kept")
        put(sim, "2026-01-15T10:05:00Z")
        sim.run_until_idle()
        assert sim.events.describe_replay("again").events == 1


def test_cancelling() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z", "2026-01-15T10:05:00Z")
        sim.run_until_idle()
        sim.events.start_replay("again", "kept")
        assert sim.events.cancel_replay("again").state == "CANCELLING"
        sim.run_until_idle()
        found = sim.events.describe_replay("again")
        assert (found.state, found.events) == ("CANCELLED", 0)
        assert details(sim, "ReplayEnded") == [{"state": "CANCELLED", "events": 0}]
        assert refused(sim.events.cancel_replay, "again")[0] == "IllegalStatusException"


def test_an_archive_that_goes_meanwhile() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z")
        sim.run_until_idle()
        sim.events.start_replay("again", "kept")
        sim.events.delete_archive("kept")
        sim.run_until_idle()
        found = sim.events.describe_replay("again")
        assert (found.state, found.state_reason) == ("FAILED", "The archive does not exist any more.")


def test_a_restart_in_the_middle() -> None:
    with world(TEXT) as sim:
        put(sim, *[f"2026-01-15T10:0{minute}:00Z" for minute in range(4)])
        emptied(sim)
        sim.events.start_replay("again", "kept")
        sim.advance(0.001)
        sim.restart()
        sim.run_until_idle()
        assert sim.events.describe_replay("again").state == "COMPLETED"
        assert [event["detail"]["n"] for event in events(sim)] == [0, 1, 2, 3]


def test_what_a_replay_is_refused_for() -> None:
    with world(TEXT) as sim:
        start = sim.events.start_replay
        code = "ValidationException"
        assert refused(start, "r", "none") == (
            code,
            "Parameter EventSourceArn is not valid. Reason: Archive none does not exist.",
        )
        assert refused(start, "r", "kept", event_bus="default") == (
            code,
            "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.",
        )
        moment = "2026-01-15T10:00:00Z"
        late = "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."
        assert refused(start, "r", "kept", start=moment, end=moment) == (code, late)
        assert refused(start, "r", "kept", start="2026-01-15T10:00:01Z", end=moment) == (code, late)
        assert "regular expression" in refused(start, "a b", "kept")[1]
        assert "less than or equal to 64" in refused(start, "r" * 65, "kept")[1]
        start("r", "kept", event_bus="shop")
        assert refused(start, "r", "kept") == ("ResourceAlreadyExistsException", "Replay r already exists.")
        assert refused(sim.events.describe_replay, "none") == (
            "ResourceNotFoundException",
            "Replay none does not exist.",
        )


def test_ten_replays_at_once() -> None:
    with world(TEXT) as sim:
        for number in range(10):
            sim.events.start_replay(f"r{number}", "kept")
        assert refused(sim.events.start_replay, "r10", "kept") == (
            "LimitExceededException",
            "The requested resource exceeds the maximum number allowed.",
        )
        sim.run_until_idle()
        sim.events.start_replay("r10", "kept")
        assert [each.name for each in sim.events.replays("r1")] == ["r1", "r10"]


def test_a_state_leads_only_where_it_may() -> None:
    assert {state for moves in TRANSITIONS.values() for state in moves.values()} < set(TRANSITIONS)
    assert [state for state, moves in TRANSITIONS.items() if not moves] == ["COMPLETED", "CANCELLED", "FAILED"]


def test_the_order_of_the_keys() -> None:
    with world(TEXT) as sim:
        put(sim, "2026-01-15T10:00:00Z")
        emptied(sim)
        sim.events.start_replay("again", "kept")
        sim.run_until_idle()
        assert list(json.loads(bodies(sim)[0])) == [
            *("version", "id", "detail-type", "source", "account", "time", "region"),
            *("replay-name", "resources", "detail"),
        ]


def test_a_window_inside_of_a_minute() -> None:
    with world(TEXT) as sim:
        put(sim, *[f"2026-01-15T10:00:{second:02}Z" for second in (0, 10, 20, 30)])
        emptied(sim)
        sim.events.start_replay("again", "kept", start="2026-01-15T10:00:10Z", end="2026-01-15T10:00:20Z")
        sim.run_until_idle()
        assert [event["detail"]["n"] for event in events(sim)] == [1, 2]

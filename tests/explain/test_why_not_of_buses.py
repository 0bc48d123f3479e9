"""Why an event did not reach what a rule would have sent it to: the field that failed, a disabled rule, a delivery."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.engine.faults import FaultPlan, TargetFault
from simtriggers.explain.answers import Answer
from simtriggers.explain.why_not import why_not
from simtriggers.explain.world import World
from simtriggers.runtimes.http import HttpStub
from simtriggers.simulation import Simulation
from tests.simulated import world

TEXT = """
event_buses: {shop: {}}
queues: {big: {}, all: {}, far: {}}
functions:
  ship:
    stub: [{returns: 1}]
    triggers: [{event_bridge_rule: {detail-type: [order]}, event_bus_name: shop}]
rules:
  big-orders: {event_bus_name: shop, event_pattern: {detail: {amount: [{numeric: [">", 10]}]}}, targets: [{queue: big}]}
  off: {event_bus_name: shop, event_pattern: {source: [shop]}, state: DISABLED, targets: [{queue: all}]}
  trap:
    event_bus_name: shop
    event_pattern: {source: [shop]}
    targets: [{queue: far, input_transformer: {input_paths_map: {d: $.detail}, input_template: '{"d": "<d>"}'}}]
archives: {large: {event_bus_name: shop, event_pattern: {detail: {amount: [{numeric: [">", 100]}]}}}}
"""


def put(sim: Simulation, **detail: Any) -> str:
    """An order; returns its id."""
    found = sim.event_bus("shop").put_event("shop", "order", detail)
    sim.run_until_idle()
    return str(found.entries[0].event_id)


def asked(sim: Simulation, target: str, ident: str) -> Answer:
    return why_not(World.running(sim.engine), target, ident)


def texts(answer: Answer) -> list[str]:
    return [finding.text for finding in answer.reasons]


@pytest.mark.parametrize("target", ["big-orders", "rule:shop/big-orders", "big"])
def test_the_field_that_failed(target: str) -> None:
    with world(TEXT) as sim:
        answer = asked(sim, target, put(sim, amount=5))
        assert texts(answer)[0] == "rule:shop/big-orders did not match: detail.amount: 5 is not > 10"
        assert answer.reasons[0].code == "pattern"


def test_an_event_that_did_match() -> None:
    with world(TEXT) as sim:
        event = put(sim, amount=50)
        assert [row.kind for row in asked(sim, "big-orders", event).triggered] == ["RuleMatched"]
        assert [row.kind for row in asked(sim, "big", event).triggered][:1] == ["MessageSent"]
        assert [row.kind for row in asked(sim, "ship", event).triggered] == ["InvocationStarted", "InvocationSucceeded"]


def test_a_disabled_rule() -> None:
    with world(TEXT) as sim:
        assert texts(asked(sim, "off", put(sim, amount=5))) == ["rule:shop/off is disabled"]


def test_a_rule_that_was_changed_since() -> None:
    with world(TEXT) as sim:
        event = put(sim, amount=5)
        sim.event_bus("shop").put_rule("big-orders", {"detail": {"amount": [5]}})
        assert texts(asked(sim, "big-orders", event)) == [
            "rule:shop/big-orders was changed after the event; compared is what it is now"
        ]


def test_a_template_that_made_no_json() -> None:
    with world(TEXT) as sim:
        answer = asked(sim, "far", put(sim, amount=5))
        assert texts(answer) == [
            "rule:shop/trap matched, and sent nothing to sqs:far: the input transformer made no valid JSON"
        ]


def test_an_archive() -> None:
    with world(TEXT) as sim:
        event = put(sim, amount=50)
        assert texts(asked(sim, "large", event)) == ["archive:large did not take it: detail.amount: 50 is not > 100"]
        assert [row.kind for row in asked(sim, "large", put(sim, amount=500)).triggered] == ["EventArchived"]
        sim.events.start_replay("r", "large")
        sim.run_until_idle()
        again = [row for row in sim.trace if row.kind == "EventReceived"][-1]
        assert texts(asked(sim, "large", str(again.id))) == ["what a replay sends is not archived again"]


def test_a_target_that_is_down() -> None:
    with world(TEXT) as sim:
        sim.set_faults(FaultPlan(targets=(TargetFault(sim.names.queue("big"), "missing"),)))
        answer = asked(sim, "big", put(sim, amount=50))
        assert answer.reasons[0].code == "delivery_dropped"
        assert "it was dropped: ResourceNotFoundException" in answer.reasons[0].text


def test_a_rule_in_general() -> None:
    with world(TEXT) as sim:
        assert texts(asked(sim, "big", "big-orders")) == [
            "rule:shop/big-orders has matched no event; ask about an event"
        ]
        put(sim, amount=50)
        assert [row.kind for row in asked(sim, "big", "big-orders").triggered][:1] == ["MessageSent"]


def test_an_event_for_a_bus_without_a_way_there() -> None:
    with world(TEXT) as sim:
        found = sim.event_bus().put_event("shop", "order", {})
        answer = asked(sim, "big", str(found.entries[0].event_id))
        assert texts(answer)[0] == "no rule of bus:default has sqs:big as its target"


def test_an_api_destination() -> None:
    text = """
connections: {c: {basic: {username: u, password: p}}}
api_destinations: {partner: {connection: c, invocation_endpoint: "https://partner.example/"}}
rules: {tell: {event_pattern: {source: [shop]}, targets: [{api_destination: partner}]}}
"""
    with world(text, endpoints=[HttpStub("https://partner.example/")]) as sim:
        found = sim.event_bus().put_event("shop", "order", {})
        sim.run_until_idle()
        event = str(found.entries[0].event_id)
        assert [row.kind for row in asked(sim, "http:partner", event).triggered] == ["HttpRequestSucceeded"]


def test_an_object_on_its_way_over_the_bus() -> None:
    text = """
buckets: {uploads: {eventbridge: true}}
queues: {csv: {}}
rules: {files: {event_pattern: {detail: {object: {key: [{suffix: .csv}]}}}, targets: [{queue: csv}]}}
"""
    with world(text) as sim:
        sim.bucket("uploads").put("a.txt", "x")
        sim.run_until_idle()
        answer = asked(sim, "csv", "a.txt")
        assert texts(answer) == ['rule:files did not match: detail.object.key: "a.txt" does not end with ".csv"']
        sim.bucket("uploads").put("b.csv", "x")
        sim.run_until_idle()
        assert [row.kind for row in asked(sim, "csv", "b.csv").triggered] == ["MessageSent"]

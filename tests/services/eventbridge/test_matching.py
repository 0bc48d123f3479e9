"""Which rules match, while rules come, change and go: as if each event were compared with every row anew."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simtriggers.aws.event_pattern import compile_pattern, matches
from simtriggers.services.eventbridge.matching import rules_of
from simtriggers.simulation import Simulation

from .world import world

VALUES = st.sampled_from(["a", "b", "c"])
PATTERNS = st.dictionaries(
    st.sampled_from(["source", "detail-type"]), st.lists(VALUES, min_size=1, max_size=2), min_size=1
)
ACTS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(["r1", "r2", "r3"]), PATTERNS),
    st.tuples(st.sampled_from(["delete", "disable", "enable"]), st.sampled_from(["r1", "r2", "r3"]), st.none()),
    st.tuples(st.just("event"), VALUES, VALUES),
    st.tuples(st.sampled_from(["restart", "fork"]), st.none(), st.none()),
)


def expected(sim: Simulation, event: dict[str, Any]) -> list[str]:
    """Rule by rule, from what the rules' descriptions say."""
    rules = sim.event_bus("shop").rules()
    return [
        rule.name
        for rule in rules
        if rule.state == "ENABLED" and matches(compile_pattern(rule.event_pattern or "{}"), event)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTS, max_size=14))
def test_the_rules_of_a_bus_are_those_of_its_rows(acts: list[tuple[str, Any, Any]]) -> None:
    with world("") as sim:
        for act, name, what in acts:
            bus = sim.event_bus("shop")
            there = {rule.name for rule in bus.rules()}
            if act == "put":
                bus.put_rule(name, what)
            elif act == "delete":
                bus.delete_rule(name)
            elif act in ("disable", "enable") and name in there:
                (bus.disable_rule if act == "disable" else bus.enable_rule)(name)
            elif act == "restart":
                sim.restart()
            elif act == "fork":
                sim.restore(sim.snapshot())
            elif act == "event":
                event = {"source": name, "detail-type": what, "detail": {}}
                wanted = expected(sim, event)
                bus.put_event(name, what)
                matched = [row for row in sim.trace if row.kind == "RuleMatched"]
                received = [row for row in sim.trace if row.kind == "EventReceived"][-1]
                assert [row.arn.rsplit("/", 1)[1] for row in matched if row.cause == received.id] == wanted


def test_a_rule_that_was_not_written_is_not_compiled_again() -> None:
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("a", {"source": ["x"]})
        before = rules_of(sim.engine.reader, bus.arn)
        rule = before.enabled[sim.names.rule("a", "shop")]
        bus.put_rule("b", {"source": ["x"]})
        after = rules_of(sim.engine.reader, bus.arn)
        assert after is before
        assert after.enabled[rule.arn] is rule
        assert [each.name for each in after.matching({"source": "x", "detail-type": "t"})] == ["a", "b"]
        assert (after.count, after.revision) == (2, 2)

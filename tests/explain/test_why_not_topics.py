"""`why-not` for topics: for every way in which a message can fail to reach a subscriber, the reason that is given."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.explain import NotFound
from simtriggers.runtimes.http import HttpStub, StubbedResponse
from simtriggers.simulation import Simulation
from tests.explain.test_why_not import ask, change, codes, faults, project

HOOK = "https://example.com/hook"
TOPICS = f"""
buckets: {{uploads: {{notifications: [{{topic: news, prefix: in/}}]}}}}
topics:
  news:
    subscriptions:
      - {{queue: all, redrive_policy: {{dead_letter_target: lost}}}}
      - {{queue: orders, filter_policy: {{kind: [order], total: [{{numeric: [">", 10]}}]}}}}
      - {{queue: large, filter_policy: {{total: [{{numeric: [">", 10]}}]}}, filter_policy_scope: MessageBody}}
      - {{endpoint: "{HOOK}", redrive_policy: {{dead_letter_target: lost}}}}
      - {{email: someone@example.com}}
  ordered.fifo: {{content_based_deduplication: true, subscriptions: [{{queue: all}}]}}
queues: {{all: {{}}, orders: {{}}, large: {{}}, lost: {{}}, unused: {{}}}}
functions:
  note: {{stub: [{{returns: 1}}], triggers: [{{sns: news, filter_policy: {{kind: [note]}}}}]}}
"""


def simulation(*responses: int, text: str = TOPICS) -> Simulation:
    answers = tuple(StubbedResponse(status) for status in responses or (200,))
    return Simulation(project(text), seed=3, endpoints=[HttpStub(HOOK, answers)])


def confirm(sim: Simulation, *endpoints: str) -> None:
    """Confirm the subscriptions of these endpoints."""
    sim.run_until_idle()
    for each in sim.topic("news").subscriptions().subscriptions:
        if each.endpoint in endpoints and each.token is not None:
            sim.topic("news").confirm_subscription(each.token)


@pytest.mark.parametrize(
    ("target", "message", "attributes", "expected", "text"),
    [
        (
            "orders",
            "x",
            {"kind": "note", "total": 5},
            ["filter"],
            'keeps it back: kind is "note", the policy wants ["order"]',
        ),
        (
            "orders",
            "x",
            {"kind": "order", "total": 5},
            ["filter"],
            'keeps it back: total is 5, the policy wants [{"numeric": [">", 10]}]',
        ),
        ("orders", "x", {"kind": "order"}, ["filter"], "total is absent"),
        ("large", {"total": 5}, {}, ["filter"], "total is 5"),
        ("large", "x", {}, ["filter"], "the message is not a JSON object"),
        ("note", "x", {}, ["filter"], "(to lambda:note) keeps it back: kind is absent"),
        ("unused", "x", {}, ["no_subscription", "leads_to"], "sns:news has no subscription of sqs:unused"),
        ("lost", "x", {}, ["not_dead_lettered", "delivered", "pending"], "what was not delivered to sns:news/"),
        (HOOK, "x", {}, ["pending"], f"(to {HOOK}) has not been confirmed"),
    ],
)
def test_a_message(target: str, message: Any, attributes: dict[str, Any], expected: list[str], text: str) -> None:
    with simulation() as sim:
        sent = sim.topic("news").publish(message, message_attributes=attributes)
        sim.run_until_idle()
        answer = ask(sim, target, sent.message_id)
    assert codes(answer) == expected
    assert text in answer.reasons[0].text, answer.reasons[0].text
    assert answer.event is not None and answer.event.kind == "MessagePublished"
    assert answer.reasons[0].text in answer.render()


def test_the_text_of_a_protocol_is_what_is_filtered() -> None:
    with simulation() as sim:
        texts = {"default": "{}", "sqs": '{"total": 3}'}
        sent = sim.topic("news").publish(texts, message_structure="json")
        sim.run_until_idle()
        assert "total is 3, the policy wants" in ask(sim, "large", sent.message_id).reasons[0].text


def test_a_message_that_did_arrive() -> None:
    with simulation() as sim:
        confirm(sim, HOOK, "someone@example.com")
        sent = sim.topic("news").publish("x", message_attributes={"kind": "note"})
        sim.run_until_idle()
        assert ask(sim, "all", sent.message_id).triggered[0].kind == "MessageSent"
        assert ask(sim, "note", sent.message_id).triggered[0].kind == "InvocationStarted"
        assert ask(sim, HOOK, sent.message_id).triggered[0].kind == "HttpRequestSucceeded"
        assert ask(sim, "someone@example.com", sent.message_id).triggered[0].kind == "OutboxEntry"
        subscription = sim.topic("news").subscriptions().subscriptions[0].subscription_arn
        answer = ask(sim, subscription, sent.message_id)
    assert codes(answer) == ["delivered", "leads_to"]
    assert answer.reasons[0].text == "sqs:all, its endpoint, did get it"


def test_an_object_on_its_way_through_a_topic() -> None:
    with simulation() as sim:
        sim.bucket("uploads").put("in/a.csv", "x")
        sim.bucket("uploads").put("out/a.csv", "x")
        sim.run_until_idle()
        answer = ask(sim, "orders", "in/a.csv")
        assert codes(answer) == ["filter"]
        [path] = answer.paths
        assert [each.name for each in path.along] == ["uploads", "news", "orders"]
        assert path.steps[0].hop.reached is not None and path.steps[0].hop.reached.kind == "MessagePublished"
        assert codes(ask(sim, "orders", "out/a.csv")) == ["prefix"]


def test_a_subscription_that_came_later() -> None:
    with simulation() as sim:
        early = sim.topic("news").publish("x")
        confirm(sim, HOOK)
        changed = TOPICS.replace("      - {queue: orders, ", "      - {queue: unused}\n      - {queue: orders, ")
        change(sim, changed)
        assert codes(ask(sim, "unused", early.message_id)) == ["subscribed_later"]
        answer = ask(sim, HOOK, early.message_id)
        assert codes(answer) == ["confirmed_later"]
        assert [row.kind for row in answer.reasons[0].rows] == ["SubscriptionConfirmed"]


def test_a_filter_policy_that_has_changed_since() -> None:
    with simulation() as sim:
        sent = sim.topic("news").publish("x", message_attributes={"kind": "gift", "total": 20})
        sim.run_until_idle()
        change(sim, TOPICS.replace("kind: [order]", "kind: [gift]"))
        answer = ask(sim, "orders", sent.message_id)
    assert codes(answer) == ["matches_now", "changed"]
    assert [row.kind for row in answer.reasons[1].rows] == ["SubscriptionUpdated"]


def test_a_subscription_that_a_project_no_longer_declares() -> None:
    with simulation() as sim:
        sim.engine.connection.execute("UPDATE resources SET wired = 0 WHERE kind = 'subscription'")
        sim.engine.reader.forget_all()
        sent = sim.topic("news").publish("x")
        sim.run_until_idle()
        assert codes(ask(sim, "all", sent.message_id)) == ["not_declared"]


def test_a_replay_that_has_an_end() -> None:
    text = """
topics:
  old.fifo:
    archive_policy: {message_retention_period: 1}
    subscriptions:
      - {queue: all, replay_policy: {starting_point: 2026-01-15T12:00:00Z, ending_point: 2026-01-15T12:00:00Z}}
queues: {all: {}}
"""
    with simulation(text=text) as sim:
        sent = sim.topic("old.fifo").publish("x", message_group_id="g", message_deduplication_id="1")
        sim.run_until_idle()
        assert codes(ask(sim, "all", sent.message_id)) == ["replay_ended"]


def test_an_endpoint_that_does_not_take_it() -> None:
    with simulation(200, 500) as sim:
        confirm(sim, HOOK)
        sent = sim.topic("news").publish("x")
        sim.advance("30s")
        answer = ask(sim, HOOK, sent.message_id)
        assert codes(answer) == ["delivery_failed"]
        assert "refused it 2 times: 500: HTTP status 500, and it is delivered again at 12:00:" in answer.reasons[0].text
        sim.advance("10m")
        assert codes(ask(sim, HOOK, sent.message_id)) == ["delivery_dead_lettered"]
        assert ask(sim, "lost", sent.message_id).triggered


def test_a_queue_that_is_down() -> None:
    with simulation() as sim:
        sim.set_faults(faults(sim, target="all", down=True))
        sent = sim.topic("news").publish("x")
        sim.advance("5s")
        assert codes(ask(sim, "all", sent.message_id)) == ["delivery_failed"]
        sim.set_faults(faults(sim, target="all", missing=True))
        sim.advance("1m")
        assert codes(ask(sim, "all", sent.message_id)) == ["delivery_dead_lettered"]


def test_a_duplicate_is_not_published() -> None:
    with simulation() as sim:
        for _ in range(2):
            sim.topic("ordered.fifo").publish("x", message_group_id="g")
        sim.run_until_idle()
        [row] = [row for row in sim.trace if row.kind == "MessageDeduplicated" and ":sns:" in row.arn]
        assert codes(ask(sim, "all", f"#{row.id}")) == ["deduplicated"]
        assert codes(ask(sim, "ordered.fifo", f"#{row.id}")) == ["deduplicated"]


def test_topics_in_general() -> None:
    with simulation() as sim:
        answer = ask(sim, "orders", "news")
        assert codes(answer) == ["subscription"]
        assert 'wants in the MessageAttributes: {"kind":["order"],' in answer.reasons[0].text
        assert "passes everything on to" in ask(sim, "all", "news").reasons[0].text
        assert codes(ask(sim, "lost", "news"))[0] == "dead_letters"
        assert codes(ask(sim, "note", "ordered.fifo")) == ["no_subscription", "leads_to"]
        assert codes(ask(sim, "news", "news")) == ["no_event"]
        with pytest.raises(NotFound):
            ask(sim, "orders", "nothing-at-all")

"""`why-not` of a message that a topic sent."""

from __future__ import annotations

from tests.explain.test_why_not import ask, simulation


def test_a_filter_sees_who_sent_a_message_and_a_topics_text() -> None:
    senders, total = "{attributes: {SenderId: [AIDANOBODY]}}", '{body: {Message: [{"exists": false}]}}'
    text = f"""
topics: {{news: {{subscriptions: [{{queue: orders}}]}}}}
queues: {{orders: {{}}}}
functions:
  handle: {{stub: [{{returns: 1}}], triggers: [{{sqs: orders, filter_criteria: [{senders}, {total}]}}]}}
"""
    with simulation(text) as sim:
        sim.topic("news").publish("hello")
        sim.run_until_idle()
        [sent] = [row for row in sim.trace if row.kind == "MessageSent"]
        found = [finding.text for finding in ask(sim, "handle", sent.subject).reasons]
    assert found[1].endswith('attributes.SenderId: "AIDAIT2UOQQY3AUEKVGXU" is not "AIDANOBODY"')
    assert 'body.Message: "hello"' in found[2]

"""What other services deliver: who is said to have sent it, and that a text for many queues is stored once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simtriggers.aws.contracts import Delivery, Poll
from simtriggers.aws.digests import md5_of_body
from simtriggers.engine.retention import trim
from simtriggers.kernel.effects import SUBSTITUTE, RetryPolicy, filled, payload
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.send import DEFAULT_SENDER_ID
from simtriggers.services.sqs.service import SERVICE
from tests.services.sqs.world import NAMES, World

POLICY = RetryPolicy("test", maximum_retries=0, maximum_age_ms=0)
TOPIC = "AIDAIT2UOQQY3AUEKVGXU"
TEMPLATE = '{"Message":"grüße","UnsubscribeURL":"https://x/?arn=' + SUBSTITUTE + '"}'
FIFO = {"fifo_queue": True, "content_based_deduplication": True}


def deliver(world: World, queue: str, digest: str, *context: tuple[str, str]) -> Any:
    command = Delivery(digest, POLICY, 1, world.engine.now_ms, None, context)
    world.engine.submit(NAMES.queue(queue), command)
    world.engine.run_until(world.engine.now_ms)


def stored(world: World, text: str) -> str:
    made = payload(text)
    world.engine.connection.execute("INSERT OR IGNORE INTO payloads VALUES (?, ?)", (made.digest, made.body))
    return made.digest


def texts(world: World) -> list[str]:
    return [row[0] for row in world.engine.connection.execute("SELECT body FROM payloads ORDER BY body")]


def rows(world: World, kind: str) -> list[dict[str, Any]]:
    world.engine.flush()
    found = world.engine.connection.execute("SELECT details FROM trace WHERE kind = ? ORDER BY id", (kind,))
    return [json.loads(details) for (details,) in found]


@pytest.mark.parametrize("fifo", [False, True])
def test_a_text_that_many_queues_get_is_stored_once(fifo: bool) -> None:
    names = [f"{name}.fifo" if fifo else name for name in "abc"]
    world = World({name: FIFO if fifo else {} for name in names})
    digest = stored(world, TEMPLATE)
    context = (("group_id", "g"),) if fifo else ()
    for name in names:
        deliver(world, name, filled(digest, f"sub-{name}"), *context)
    assert texts(world) == [TEMPLATE]
    for name in names:
        text = TEMPLATE.replace(SUBSTITUTE, f"sub-{name}")
        (peeked,) = world.ask(name, c.PeekMessages()).messages
        (message,) = world.receive(name, visibility_timeout=0).messages
        (record,) = world.ask(name, Poll(1, 0)).records
        assert [peeked.body, message.body, json.loads(record.json)["body"]] == [text] * 3
        assert message.md5_of_body == md5_of_body(text)
    sent = rows(world, "MessageSent")
    assert [(row["payload"], row["size"]) for row in sent] == [
        (f"{digest}~sub-{name}", len(TEMPLATE.encode()) - 1 + len(f"sub-{name}")) for name in names
    ]
    assert world.engine.reader.payload(sent[0]["payload"]) == TEMPLATE.replace(SUBSTITUTE, f"sub-{names[0]}")
    assert world.broken() == []


@pytest.mark.parametrize("fifo", [False, True])
def test_it_stays_so_in_a_dead_letter_queue_and_back(fifo: bool) -> None:
    end, more = (".fifo", FIFO) if fifo else ("", {})
    policy = {"dead_letter_target": f"dlq{end}", "max_receive_count": 1}
    source = {**more, "visibility_timeout": 10, "redrive_policy": policy}
    world = World({f"dlq{end}": more, f"q{end}": source})
    text = TEMPLATE.replace(SUBSTITUTE, "sub")
    deliver(world, f"q{end}", filled(stored(world, TEMPLATE), "sub"), ("sender_id", TOPIC), ("group_id", "g"))
    (first,) = world.receive(f"q{end}").messages
    world.engine.advance(10_000)
    assert world.receive(f"q{end}").messages == ()
    (letter,) = world.receive(f"dlq{end}", visibility_timeout=0).messages
    world.ask(f"dlq{end}", c.StartMessageMoveTask())
    world.engine.advance(1000)
    (again,) = world.receive(f"q{end}").messages
    for message in (first, letter, again):
        assert (message.body, dict(message.attributes)["SenderId"]) == (text, TOPIC)
    assert texts(world) == [TEMPLATE]
    digests = {row["payload"] for row in rows(world, "MessageSent")}
    assert digests == {filled(payload(TEMPLATE).digest, "sub")}
    assert world.broken() == []


def test_a_template_is_kept_while_a_message_fills_it_and_forgotten_afterwards() -> None:
    world = World({"q": {}})
    deliver(world, "q", filled(stored(world, TEMPLATE), "sub"))
    connection = world.engine.connection

    def forget() -> None:
        world.engine.flush()
        if connection.in_transaction:
            connection.execute("COMMIT")
        trim(connection, before_ms=world.engine.now_ms + 1, payload_columns=SERVICE.payload_columns)
        world.engine.reader.forget_all()

    forget()
    assert texts(world) == [TEMPLATE]
    (message,) = world.receive("q").messages
    assert message.body == TEMPLATE.replace(SUBSTITUTE, "sub")
    world.ask("q", c.DeleteMessage(message.receipt_handle))
    forget()
    assert texts(world) == []


def test_a_plain_text_is_stored_once_too() -> None:
    world = World({"a": {}, "b": {}})
    digest = stored(world, "hello")
    for name in "ab":
        deliver(world, name, digest)
    world.send("a", "hello")
    assert texts(world) == ["hello"]
    assert {row["payload"] for row in rows(world, "MessageSent")} == {digest}


def test_who_sent_a_message_is_who_the_delivery_names() -> None:
    world = World({"q": {}})
    digest = stored(world, "hello")
    deliver(world, "q", digest, ("sender_id", TOPIC))
    deliver(world, "q", digest, ("source", "arn:aws:s3:::uploads"))
    world.send("q", "hello")
    ids = [TOPIC, DEFAULT_SENDER_ID, DEFAULT_SENDER_ID]
    got = world.receive("q", 10, visibility_timeout=0).messages
    assert [dict(message.attributes)["SenderId"] for message in got] == ids
    polled = world.ask("q", Poll(10, 0)).records
    assert [json.loads(record.json)["attributes"]["SenderId"] for record in polled] == ids
    assert [row.get("sender_id") for row in rows(world, "MessageSent")] == [TOPIC, None, None]

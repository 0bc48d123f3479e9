"""What queues do in time: fixtures/cases/sqs/stories.yaml and fifo.yaml, run through the engine."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.aws.quantities import parse_duration_ms
from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.config import QueueConfig
from tests.services.sqs.world import NAMES, World, cases, shown

STORIES = cases("stories.yaml") + cases("fifo.yaml")


class Story:
    """Runs the steps of one story. Each verb is a method; what it returns is checked against the step."""

    def __init__(self, queues: dict[str, Any]) -> None:
        self.world = World(queues)
        self.answers: dict[str, tuple[int, Any]] = {}

    def run(self, step: dict[str, Any]) -> None:
        verb = "start" if "start" in step else next(iter(step))
        got = getattr(self, verb)(step)
        if "refused" in step:
            assert isinstance(got, Refused), f"{step}: not refused but {got}"
            assert got.code == step["refused"]
            assert got.message == step.get("says", got.message)
            assert got.message.endswith(step.get("says_end", ""))
        else:
            assert not isinstance(got, Refused), f"{step}: {got}"
        if "gives" in step:
            assert shown(got) == step["gives"], step
        assert self.world.broken() == [], step

    def send(self, step: dict[str, Any]) -> Any:
        first = self.world.ids.get(step.get("repeats", ""))
        counts = self.world.counts(step["to"]) if "group" in step else []
        got = self.world.send(
            step["to"],
            step["send"],
            delay_seconds=step.get("delay"),
            message_group_id=step.get("group"),
            message_deduplication_id=step.get("dedup"),
        )
        if "repeats" in step:
            assert got.message_id == first, step
            assert self.world.counts(step["to"]) == counts, step
        elif "group" in step:
            assert self.world.counts(step["to"]) != counts, step
        return got

    def send_all(self, step: dict[str, Any]) -> None:
        for each in step["send_all"]:
            group, body = each.split("/")
            sent = self.world.send(step["to"], body, message_group_id=group)
            assert isinstance(sent, c.SendResult), sent

    def send_many(self, step: dict[str, Any]) -> Any:
        entries = tuple(c.SendEntry(str(n), body) for n, body in enumerate(step["send_many"]))
        got = self.world.ask(step["to"], c.SendMessageBatch(entries))
        for entry, done in zip(entries, got.successful, strict=True):
            self.world.ids[entry.body] = done.sent.message_id
        assert [done.id for done in got.successful] == [entry.id for entry in entries]
        return got

    def _request(self, step: dict[str, Any]) -> c.ReceiveMessage:
        return c.ReceiveMessage(
            step.get("max", 1),
            step.get("visibility"),
            step.get("wait"),
            tuple(step.get("attributes", ["All"])),
            receive_request_attempt_id=step.get("attempt"),
        )

    def receive(self, step: dict[str, Any]) -> Any:
        before = set(self.world.handles.values())
        got = self.world.remember(self.world.ask(step["receive"], self._request(step)))
        if isinstance(got, c.ReceiveResult):
            known = {message.receipt_handle for message in got.messages} & before
            assert len(known) == (len(got.messages) if step.get("same_handles") else 0), step
        return got

    def deduplication_id(self, step: dict[str, Any]) -> None:
        (message,) = self.world.ask(step["deduplication_id"], c.PeekMessages()).messages
        expected = self.world.ids[step["of"]] if step["is"] == "message id" else step["is"]
        assert message.message_deduplication_id == expected

    def start(self, step: dict[str, Any]) -> None:
        engine = self.world.engine

        def answered(got: Any) -> None:
            self.answers[step["start"]] = (engine.now_ms, self.world.remember(got))

        engine.request(NAMES.queue(step["receive"]), self._request(step), 0, answered)
        engine.run_until(engine.now_ms)

    def answered(self, step: dict[str, Any]) -> Any:
        assert step["answered"] in self.answers, f"{step}: still waiting"
        at_ms, got = self.answers[step["answered"]]
        assert at_ms == parse_duration_ms(step["at"]), step
        return got

    def _handle(self, step: dict[str, Any]) -> str:
        if "text" in step:
            return str(step["text"])
        body, count = step["handle"].split(" ")
        return self.world.handles[body, int(count)]

    def delete(self, step: dict[str, Any]) -> Any:
        return self.world.ask(step["delete"], c.DeleteMessage(self._handle(step)))

    def change(self, step: dict[str, Any]) -> Any:
        command = c.ChangeMessageVisibility(self._handle(step), step["to"])
        return self.world.ask(step["change"], command)

    def purge(self, step: dict[str, Any]) -> Any:
        return self.world.ask(step["purge"], c.PurgeQueue())

    def remove(self, step: dict[str, Any]) -> Any:
        return self.world.remove(step["remove"])

    def settings(self, step: dict[str, Any]) -> Any:
        return self.world.put(step["settings"], QueueConfig(**step["are"]))

    def advance(self, step: dict[str, Any]) -> None:
        self.world.engine.advance(parse_duration_ms(step["advance"]))

    def counts(self, step: dict[str, Any]) -> None:
        assert self.world.counts(step["counts"]) == step["are"], step

    def rows(self, step: dict[str, Any]) -> None:
        rows = self.world.rows(step["rows"])
        assert [kind for _, kind, _, _ in rows] == step["are"]
        chain = [row for row in rows if row[1] not in ("MessageDeleteIgnored", "MessageDeduplicated")]
        assert [cause for _, _, cause, _ in chain] == [0, *(row for row, _, _, _ in chain[:-1])]

    def row(self, step: dict[str, Any]) -> None:
        last = [details for _, kind, _, details in self.world.rows(step["row"]) if kind == step["kind"]][-1]
        assert step["last_has"].items() <= last.items()


@pytest.mark.parametrize("case", STORIES, ids=[case["name"] for case in STORIES])
def test_story(case: dict[str, Any]) -> None:
    story = Story(case["queues"])
    for step in case["steps"]:
        story.run(step)

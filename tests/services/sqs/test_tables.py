"""What sends and settings are accepted: the tables of fixtures/cases/sqs."""

from __future__ import annotations

from typing import Any

import pytest

from simtriggers.aws.contracts import PutResource
from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.config import QueueConfig, RedriveAllowPolicy
from tests.services.sqs.world import NAMES, World, cases

SENDS = cases("sends.yaml")
SETTINGS = cases("settings.yaml")


def message(members: dict[str, Any]) -> c.SendMessage:
    members = dict(members)
    if "repeat" in members:
        letter, count = members.pop("repeat")
        members["body"] = letter * count
    for name in ("message_attributes", "system_attributes"):
        members[name] = tuple(tuple(item) for item in members.get(name, ()))
    return c.SendMessage(**members)


@pytest.mark.parametrize("case", SENDS, ids=[case["name"] for case in SENDS])
def test_send(case: dict[str, Any]) -> None:
    world = World({"q": case.get("settings", {})})
    command = message(case["message"])
    sent = world.ask("q", command)
    if "refused" in case:
        assert isinstance(sent, Refused)
        assert sent.code == case["refused"]
        assert sent.message == case.get("says", sent.message)
        assert world.counts("q") == [0, 0, 0]
        return
    assert isinstance(sent, c.SendResult)
    assert sent.md5_of_body == case.get("md5_of_body", sent.md5_of_body)
    assert sent.md5_of_message_attributes == case.get("md5_of_attributes", sent.md5_of_message_attributes)
    if not command.system_attributes:
        assert sent.md5_of_message_system_attributes is None
    elif "md5_of_system_attributes" in case:
        assert sent.md5_of_message_system_attributes == case["md5_of_system_attributes"]
    got = world.receive("q", message_attribute_names=("All",))
    assert got.messages[0].body == command.body
    assert got.messages[0].message_attributes == tuple(sorted(command.message_attributes))
    assert got.messages[0].md5_of_message_attributes == sent.md5_of_message_attributes
    assert world.broken() == []


@pytest.mark.parametrize("case", SETTINGS, ids=[case["name"] for case in SETTINGS])
def test_settings(case: dict[str, Any]) -> None:
    choosy = RedriveAllowPolicy(redrive_permission="byQueue", source_queues=("friend",))
    world = World({"dlq": {}})
    world.put("closed", QueueConfig(redrive_allow_policy=RedriveAllowPolicy(redrive_permission="denyAll")))
    world.put("choosy", QueueConfig(redrive_allow_policy=choosy))
    name = case.get("queue", "q")
    answer = world.ask(name, PutResource("queue", name, case["config"]))
    if "refused" in case:
        assert isinstance(answer, Refused)
        assert answer.code == case["refused"]
        assert answer.message == case.get("says", answer.message)
        assert world.engine.reader.resource(NAMES.queue(name)) is None
    else:
        assert answer == 1
        assert world.engine.reader.resource(NAMES.queue(name)) is not None

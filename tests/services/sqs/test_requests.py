"""The operations on queues that clients call: create, set, find, list, tag, delete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simtriggers.kernel.effects import Refused
from simtriggers.services.sqs import commands as c
from simtriggers.services.sqs.config import QueueConfig
from tests.services.sqs.world import NAMES, World

Q = NAMES.queue("q")
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"


def create(world: World, name: str = "q", tags: dict[str, str] | None = None, **attributes: str) -> Any:
    return world.ask(name, c.CreateQueue(tuple(attributes.items()), tuple((tags or {}).items())))


def setting(world: World, name: str = "q", **attributes: str) -> Any:
    return world.ask(name, c.SetQueueAttributes(tuple(attributes.items())))


def shown(world: World, name: str = "q", *names: str) -> dict[str, str]:
    return dict(world.ask(name, c.GetQueueAttributes(names or ("All",))).attributes)


def redrive(target: str, count: Any = 3) -> str:
    return json.dumps({"deadLetterTargetArn": NAMES.queue(target), "maxReceiveCount": count})


# --- create -------------------------------------------------------------------------------------


def test_a_queue_is_made_with_its_attributes_and_tags() -> None:
    world = World({})
    assert create(world, tags={"team": "a"}, VisibilityTimeout="45", DelaySeconds="5") == c.QueueUrl(URL)
    assert (shown(world)["VisibilityTimeout"], shown(world)["DelaySeconds"]) == ("45", "5")
    assert world.ask("q", c.ListQueueTags()) == c.QueueTags((("team", "a"),))
    assert world.ask("q", c.GetQueueUrl()) == c.QueueUrl(URL)


def test_a_bare_queue_shows_the_defaults() -> None:
    world = World({})
    world.engine.advance(1500)
    create(world)
    counts = {f"ApproximateNumberOfMessages{end}": "0" for end in ("", "NotVisible", "Delayed")}
    everything = {
        "QueueArn": Q,
        **counts,
        "CreatedTimestamp": "1",
        "LastModifiedTimestamp": "1",
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    assert shown(world) == everything
    create(world, "q.fifo", FifoQueue="true")
    fifo = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoThroughputLimit": "perQueue",
    }
    assert shown(world, "q.fifo") == {**everything, "QueueArn": f"{Q}.fifo", **fifo}


@pytest.mark.parametrize(
    ("attributes", "differs"),
    [
        ({}, None),
        ({"VisibilityTimeout": "45"}, None),
        ({"DelaySeconds": "0", "VisibilityTimeout": "45"}, None),
        ({"DelaySeconds": "2"}, "DelaySeconds"),
        ({"VisibilityTimeout": "30"}, "VisibilityTimeout"),
        ({"VisibilityTimeout": "45", "MaximumMessageSize": "1024", "DelaySeconds": "1"}, "MaximumMessageSize"),
        ({"RedrivePolicy": redrive("dlq")}, "RedrivePolicy"),
        ({"SqsManagedSseEnabled": "true"}, None),
    ],
    ids=str,
)
def test_a_queue_that_is_there(attributes: dict[str, str], differs: str | None) -> None:
    world = World({"dlq": {}})
    create(world, VisibilityTimeout="45")
    before = shown(world)
    got = create(world, **attributes)
    if differs is None:
        assert got == c.QueueUrl(URL)
    else:
        assert (got.code, dict(got.fields)["QueryErrorCode"]) == ("QueueAlreadyExists", "QueueNameExists")
        assert got.message == (
            f"A queue already exists with the same name and a different value for attribute {differs}"
        )
    assert shown(world) == before


ALLOW_ALL = {"RedriveAllowPolicy": '{"redrivePermission":"allowAll"}'}
DENY_ALL = {"RedriveAllowPolicy": '{"sourceQueueArns": [], "redrivePermission": "denyAll"}'}


@pytest.mark.parametrize(
    "attributes",
    [{"RedrivePolicy": redrive("dlq", "3")}, {"RedrivePolicy": redrive("dlq", 3)}, ALLOW_ALL, DENY_ALL],
    ids=str,
)
def test_a_queue_is_created_again_with_what_it_shows_and_with_what_was_sent(attributes: dict[str, str]) -> None:
    world = World({"dlq": {}})
    create(world, **attributes)
    (name,) = attributes
    assert create(world, **shown(world, "q", name)) == c.QueueUrl(URL)
    assert create(world, **attributes) == c.QueueUrl(URL)


def test_a_count_is_the_same_as_a_number_and_as_a_text() -> None:
    for first, second in ((3, "3"), ("3", 3), (3, "003")):
        world = World({"dlq": {}})
        create(world, RedrivePolicy=redrive("dlq", first))
        assert create(world, RedrivePolicy=redrive("dlq", second)) == c.QueueUrl(URL)
        assert create(world, RedrivePolicy=redrive("dlq", "4")).code == "QueueAlreadyExists"


def test_a_projects_queue_is_created_again_with_what_it_shows() -> None:
    policy = {"dead_letter_target": "dlq", "max_receive_count": 3}
    world = World({"dlq": {"redrive_allow_policy": {}}, "q": {"redrive_policy": policy}})
    for queue, name in (("dlq", "RedriveAllowPolicy"), ("q", "RedrivePolicy")):
        (attribute,) = shown(world, queue, name).items()
        assert create(world, queue, **dict([attribute])) == c.QueueUrl(URL.replace("/q", f"/{queue}"))


def test_a_name_is_taken_for_a_minute_after_the_deletion() -> None:
    world = World({})
    create(world)
    assert world.ask("q", c.DeleteQueue()) is None
    world.engine.advance(59_999)
    refused = create(world)
    assert refused.code == "AWS.SimpleQueueService.QueueDeletedRecently"
    assert refused.message == (
        "You must wait 60 seconds after deleting a queue before you can create another with the same name."
    )
    world.engine.advance(1)
    assert create(world) == c.QueueUrl(URL)
    assert world.engine.connection.execute("SELECT * FROM sqs_deleted").fetchall() == []


def test_a_project_makes_its_queue_again_at_once() -> None:
    world = World({"q": {}})
    world.ask("q", c.DeleteQueue())
    assert world.put("q", QueueConfig()) == 1


@pytest.mark.parametrize(
    ("attributes", "code", "text"),
    [
        ({"Colour": "red"}, "InvalidAttributeName", "Unknown Attribute Colour."),
        ({"QueueArn": "x"}, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        ({"FifoQueue": "false"}, "InvalidAttributeName", "Unknown Attribute FifoQueue."),
        ({"VisibilityTimeout": "soon"}, "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        (
            {"VisibilityTimeout": "43201"},
            "InvalidAttributeValue",
            "Invalid value for the parameter VisibilityTimeout.",
        ),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication."),
        (
            {"FifoThroughputLimit": "perQueue"},
            "InvalidAttributeName",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
        ({"Policy": "{"}, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        (
            {"RedrivePolicy": "x"},
            "InvalidParameterValue",
            "Value x for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.",
        ),
        (
            {"RedrivePolicy": '{"maxReceiveCount":1,"deadLetterTargetArn":"dummy"}'},
            "InvalidParameterValue",
            'Value {"maxReceiveCount":1,"deadLetterTargetArn":"dummy"} for parameter RedrivePolicy is invalid.'
            " Reason: Invalid value for deadLetterTargetArn.",
        ),
        (
            {"RedrivePolicy": '{"maxReceiveCount": "42"}'},
            "InvalidParameterValue",
            'Value {"maxReceiveCount": "42"} for parameter RedrivePolicy is invalid.'
            " Reason: Redrive policy does not contain mandatory attribute: deadLetterTargetArn.",
        ),
        (
            {"RedrivePolicy": '{"deadLetterTargetArn": "dummy"}'},
            "InvalidParameterValue",
            'Value {"deadLetterTargetArn": "dummy"} for parameter RedrivePolicy is invalid.'
            " Reason: Redrive policy does not contain mandatory attribute: maxReceiveCount.",
        ),
        (
            {"RedrivePolicy": '{"maxReceiveCount":1,"x":2}'},
            "InvalidParameterValue",
            'Value {"maxReceiveCount":1,"x":2} for parameter RedrivePolicy is invalid.'
            " Reason: Unexpected attribute: x.",
        ),
        ({"RedriveAllowPolicy": '{"redrivePermission":"some"}'}, "InvalidAttributeValue", None),
        (
            {"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"},
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS"
            " SSE.",
        ),
        ({"KmsMasterKeyId": "k", "KmsDataKeyReusePeriodSeconds": "59"}, "InvalidAttributeValue", None),
    ],
    ids=str,
)
def test_attributes_that_are_refused(attributes: dict[str, str], code: str, text: str | None) -> None:
    for there in (False, True):
        world = World({"q": {}} if there else {})
        refused = setting(world, **attributes) if there else create(world, **attributes)
        assert isinstance(refused, Refused), attributes
        assert (refused.code, refused.message) == (code, text or refused.message)


def test_the_type_of_a_queue_cannot_change() -> None:
    world = World({"q": {}, "q.fifo": {"fifo_queue": True}})
    assert setting(world, "q.fifo", FifoQueue="true") is None
    assert isinstance(setting(world, "q", FifoQueue="true"), Refused)
    refused = world.put("q", QueueConfig())
    assert refused == 1


def test_a_fifo_queue_shows_its_own_attributes() -> None:
    world = World({})
    assert create(world, "q.fifo", FifoQueue="true").url.endswith("/q.fifo")
    names = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
    assert shown(world, "q.fifo", *names) == dict(zip(names, ("true", "false", "queue", "perQueue"), strict=True))
    high = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    assert setting(world, "q.fifo", ContentBasedDeduplication="true", **high) is None
    found = shown(world, "q.fifo", *names)
    assert found == {"FifoQueue": "true", "ContentBasedDeduplication": "true", **high}
    refused = setting(world, "q.fifo", DeduplicationScope="queue")
    assert refused.code == "InvalidAttributeValue"
    assert shown(World({"q": {}}), "q", *names) == {}


# --- set ----------------------------------------------------------------------------------------


def test_what_is_named_changes_and_the_rest_stays() -> None:
    world = World({"q": {"visibility_timeout": 45}, "dlq": {}})
    world.ask("q", c.TagQueue((("a", "1"),)))
    assert setting(world, DelaySeconds="9", RedrivePolicy=redrive("dlq", "4")) is None
    found = shown(world)
    assert (found["VisibilityTimeout"], found["DelaySeconds"]) == ("45", "9")
    assert json.loads(found["RedrivePolicy"]) == {"deadLetterTargetArn": NAMES.queue("dlq"), "maxReceiveCount": 4}
    assert world.ask("q", c.ListQueueTags()).tags == (("a", "1"),)


def test_an_empty_text_removes_a_policy() -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    allow = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [NAMES.queue("a")]})
    world = World({"q": {}, "dlq": {}})
    names = ("Policy", "RedrivePolicy", "RedriveAllowPolicy")
    setting(world, Policy=policy, RedrivePolicy=redrive("dlq"), RedriveAllowPolicy=allow)
    found = shown(world, "q", *names)
    assert found["Policy"] == policy
    assert json.loads(found["RedriveAllowPolicy"]) == json.loads(allow)
    for name in names:
        assert setting(world, **{name: ""}) is None
        found.pop(name)
        assert shown(world, "q", *names) == found


def test_encryption_is_shown_as_it_is_set() -> None:
    names = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    world = World({"q": {}})
    assert shown(world, "q", *names) == {"SqsManagedSseEnabled": "true"}
    setting(world, KmsMasterKeyId="key", KmsDataKeyReusePeriodSeconds="6000")
    assert shown(world, "q", *names) == {
        "KmsMasterKeyId": "key",
        "KmsDataKeyReusePeriodSeconds": "6000",
        "SqsManagedSseEnabled": "false",
    }
    setting(world, SqsManagedSseEnabled="true")
    assert shown(world, "q", *names) == {"SqsManagedSseEnabled": "true"}
    setting(world, SqsManagedSseEnabled="false", KmsMasterKeyId="other")
    assert shown(world, "q", "KmsMasterKeyId", "SqsManagedSseEnabled") == {
        "KmsMasterKeyId": "other",
        "SqsManagedSseEnabled": "false",
    }


def test_a_project_and_a_client_set_the_same_attributes() -> None:
    world = World({"q": {"policy": {"Statement": []}, "kms_master_key_id": "k", "tags": {"a": "1"}}})
    assert shown(world, "q", "Policy") == {"Policy": '{"Statement":[]}'}
    assert shown(world, "q", "KmsDataKeyReusePeriodSeconds") == {"KmsDataKeyReusePeriodSeconds": "300"}
    assert world.ask("q", c.ListQueueTags()).tags == (("a", "1"),)


def test_a_project_keeps_its_queue_when_a_client_changes_it() -> None:
    world = World({"q": {}})
    create(world, "mine")
    setting(world, DelaySeconds="3")
    world.ask("q", c.TagQueue((("a", "1"),)))
    found = world.engine.connection.execute("SELECT name, declared_by FROM resources ORDER BY name").fetchall()
    assert found == [("mine", "sdk"), ("q", "project")]


# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        c.SetQueueAttributes(()),
        c.GetQueueUrl(),
        c.DeleteQueue(),
        c.TagQueue(()),
        c.UntagQueue(()),
        c.ListQueueTags(),
        c.ListDeadLetterSourceQueues(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_queue_that_is_not_there(command: Any) -> None:
    refused = World({}).ask("q", command)
    assert refused.code == "AWS.SimpleQueueService.NonExistentQueue"
    assert dict(refused.fields)["QueryErrorCode"] == "QueueDoesNotExist"


# --- list ---------------------------------------------------------------------------------------


def names_of(found: c.QueueUrls) -> list[str]:
    return [url.rsplit("/", 1)[1] for url in found.urls]


def test_queues_are_listed_by_prefix_and_in_pages() -> None:
    world = World({name: {} for name in ("b2", "a", "b1", "b3", "c")})
    assert names_of(world.ask("*", c.ListQueues())) == ["a", "b1", "b2", "b3", "c"]
    first = world.ask("*", c.ListQueues("b", 2))
    assert names_of(first) == ["b1", "b2"]
    second = world.ask("*", c.ListQueues("b", 2, first.next_token))
    assert (names_of(second), second.next_token) == (["b3"], None)
    assert names_of(world.ask("*", c.ListQueues("nothing"))) == []
    assert world.ask("*", c.ListQueues("", 0)).code == "InvalidParameterValue"
    assert world.ask("*", c.ListQueues("", 1001)).code == "InvalidParameterValue"
    assert world.ask("*", c.ListQueues("", 5, "?")).code == "InvalidParameterValue"


def test_the_queues_that_use_a_dead_letter_queue() -> None:
    policy = {"dead_letter_target": "dlq", "max_receive_count": 1}
    world = World({"dlq": {}, "b": {"redrive_policy": policy}, "a": {"redrive_policy": policy}, "c": {}})
    assert names_of(world.ask("dlq", c.ListDeadLetterSourceQueues())) == ["a", "b"]
    assert names_of(world.ask("dlq", c.ListDeadLetterSourceQueues(1))) == ["a"]
    assert names_of(world.ask("c", c.ListDeadLetterSourceQueues())) == []


# --- tags ---------------------------------------------------------------------------------------


def test_tags_are_added_changed_and_removed() -> None:
    world = World({"q": {}})
    assert world.ask("q", c.TagQueue((("b", "1"), ("a", "")))) is None
    assert world.ask("q", c.TagQueue((("b", "2"),))) is None
    assert world.ask("q", c.ListQueueTags()) == c.QueueTags((("a", ""), ("b", "2")))
    assert world.ask("q", c.UntagQueue(("a", "nothing"))) is None
    assert world.ask("q", c.ListQueueTags()) == c.QueueTags((("b", "2"),))
    assert world.ask("q", c.UntagQueue(("b",))) is None
    assert world.ask("q", c.ListQueueTags()) == c.QueueTags(())


@pytest.mark.parametrize(
    ("tags", "accepted"),
    [
        (tuple((str(n), "") for n in range(50)), True),
        (tuple((str(n), "") for n in range(51)), False),
        ((("x" * 128, "y" * 256),), True),
        ((("x" * 129, ""),), False),
        ((("", ""),), False),
        ((("x", "y" * 257),), False),
    ],
)
def test_how_many_tags_and_how_long(tags: c.Pairs, accepted: bool) -> None:
    world = World({"q": {}})
    got = world.ask("q", c.TagQueue(tags))
    if accepted:
        assert got is None
    else:
        assert got.code == "InvalidParameterValue"
        assert world.ask("q", c.ListQueueTags()) == c.QueueTags(())
        assert isinstance(world.ask("new", c.CreateQueue((), tags)), Refused)


# --- who may use a dead-letter queue ------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow", "accepted"),
    [
        ('{"redrivePermission":"allowAll"}', True),
        ('{"redrivePermission":"denyAll"}', False),
        (json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [NAMES.queue("q")]}), True),
        (json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [NAMES.queue("other")]}), False),
        ("", True),
    ],
)
def test_a_dead_letter_queue_says_who_may_use_it(allow: str, accepted: bool) -> None:
    world = World({"q": {}, "dlq": {}})
    assert setting(world, "dlq", RedriveAllowPolicy=allow) is None
    got = setting(world, RedrivePolicy=redrive("dlq"))
    assert (got is None) is accepted


@pytest.mark.parametrize(
    "allow",
    [
        {"redrivePermission": "byQueue"},
        {"redrivePermission": "byQueue", "sourceQueueArns": []},
        {"redrivePermission": "byQueue", "sourceQueueArns": [NAMES.queue(f"q{n}") for n in range(11)]},
        {"redrivePermission": "denyAll", "sourceQueueArns": [NAMES.queue("q")]},
        {"redrivePermission": "byQueue", "sourceQueueArns": "q"},
    ],
)
def test_an_allow_policy_that_is_none(allow: dict[str, Any]) -> None:
    world = World({"dlq": {}})
    assert setting(world, "dlq", RedriveAllowPolicy=json.dumps(allow)).code == "InvalidAttributeValue"

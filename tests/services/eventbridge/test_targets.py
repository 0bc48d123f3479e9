"""What each kind of target gets of an event, and what becomes of an event that a target does not take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel, S3EventNotificationEventBridgeModel

from simtriggers.aws.contracts import PutResource
from simtriggers.engine.faults import FaultPlan, TargetFault
from simtriggers.handles import Queue
from simtriggers.operations import Operation, QueueOperations
from simtriggers.services.eventbridge import commands as eb
from simtriggers.services.eventbridge.arns import names_at
from simtriggers.services.logs.commands import GetLogEvents
from simtriggers.services.sqs import commands as sqs
from simtriggers.simulation import Simulation

from .world import bodies, details, events, kinds, simulated, world

ORDERS = "rules: {orders: {event_bus_name: shop, event_pattern: {source: [shop]}, targets: [%s]}}\n"


def put(sim: Simulation, detail: dict[str, Any] | None = None) -> str:
    """An order on the bus; returns its id."""
    result = sim.event_bus("shop").put_event("shop", "order", detail or {"id": 1, "tags": ["new"]})
    sim.run_until_idle()
    return str(result.entries[0].event_id)


# --- inputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys, body",
    [
        ("input: {a: [1]}", '{"a":[1]}'),
        ("input_path: $.detail", '{"id":1,"tags":["new"]}'),
        ("input_path: $.detail-type", '"order"'),
        ("input_path: '$.detail.tags[0]'", '"new"'),
        ("input_path: $.detail.none", "null"),
        ("input_path: $.detail.id", "1"),
        (
            "input_transformer: {input_paths_map: {i: $.detail.id},"
            " input_template: {o: <i>, r: <aws.events.rule-name>}}",
            '{"o":1,"r":"orders"}',
        ),
        (
            "input_transformer: {input_template: '\"<aws.events.rule-arn>\"'}",
            '"arn:aws:events:us-east-1:123456789012:rule/shop/orders"',
        ),
    ],
)
def test_input(keys: str, body: str) -> None:
    with world(ORDERS % f"{{queue: q, {keys}}}") as sim:
        put(sim)
        assert bodies(sim) == [body]


def test_a_template_that_makes_no_json_loses_the_event_silently() -> None:
    keys = 'input_transformer: {input_paths_map: {d: $.detail}, input_template: \'{"d": "<d>"}\'}'
    with world(ORDERS % f"{{queue: q, dead_letter_target: dlq, {keys}}}") as sim:
        result = sim.event_bus("shop").put_event("shop", "order", {"a": 1})
        sim.run_until_idle()
        assert result.failed_entry_count == 0
        assert (bodies(sim), bodies(sim, "dlq")) == ([], [])
        (row,) = details(sim, "InputInvalid")
        assert (row["target"], row["rule"]) == (sim.names.queue("q"), "the input transformer made no valid JSON")


# --- kinds of targets ---------------------------------------------------------------------------


def test_a_function_gets_the_event_itself_asynchronously() -> None:
    text = """
functions:
  f:
    stub: [{raises: {type: ValueError}}, {returns: 1}]
    triggers: [{event_bridge_rule: {detail-type: [order]}, event_bus_name: shop, name: mine}]
"""
    with world(text) as sim:
        event_id = put(sim)
        assert kinds(sim).count("InvocationFailed") == kinds(sim).count("InvocationSucceeded") == 1
        event = json.loads(sim.payload(details(sim, "InvocationStarted")[0]["payload"]) or "")
        assert EventBridgeModel.model_validate(event).id == event_id
        assert sim.event_bus("shop").describe_rule("mine").event_pattern == '{"detail-type":["order"]}'


def test_two_rules_and_two_targets_give_copies_with_one_id() -> None:
    text = """
rules:
  one: {event_bus_name: shop, event_pattern: {source: [shop]}, targets: [{queue: q}, {queue: q, id: again}]}
  two: {event_bus_name: shop, event_pattern: {detail-type: [order]}, targets: [{queue: q}]}
  off: {event_bus_name: shop, event_pattern: {source: [shop]}, state: DISABLED, targets: [{queue: q}]}
  other: {event_bus_name: shop, event_pattern: {source: [else]}, targets: [{queue: q}]}
"""
    with world(text) as sim:
        event_id = put(sim)
        assert [event["id"] for event in events(sim)] == [event_id] * 3
        assert [row["targets"] for row in details(sim, "RuleMatched")] == [
            [sim.names.queue("q")] * 2,
            [sim.names.queue("q")],
        ]
        assert details(sim, "RulesNotMatched") == [{"not_matched": 2, "of": 4, "revision": 4, "disabled": 1}]
        assert details(sim, "EventReceived")[0]["matched"] == 2


def test_a_fifo_queue_gets_its_message_group() -> None:
    text = (
        "queues: {f.fifo: {fifo_queue: true, content_based_deduplication: true}, plain.fifo: {fifo_queue: true},"
        " q: {}, dlq: {}}\n"
    )
    fifo = "{queue: f.fifo, sqs_parameters: {message_group_id: g}}"
    plain = "{queue: plain.fifo, sqs_parameters: {message_group_id: g}, dead_letter_target: dlq}"
    with simulated("event_buses: {shop: {}}\n" + text + ORDERS % f"{fifo}, {plain}") as sim:
        put(sim)
        (message,) = sim.queue("f.fifo").receive()
        assert dict(message.attributes)["MessageGroupId"] == "g"
        (letter,) = sim.queue("dlq").messages()  # EventBridge gives no deduplication id
        assert {name: text for name, _, text in letter.message_attributes}["ERROR_CODE"] == "INVALID_PARAMETER"


def test_a_topic_publishes_the_event() -> None:
    text = "topics: {t: {subscriptions: [{queue: q}]}}\n"
    with world(text + ORDERS % "{topic: t}") as sim:
        event_id = put(sim)
        (message,) = bodies(sim)
        assert json.loads(json.loads(message)["Message"])["id"] == event_id


def test_a_log_group_gets_a_line() -> None:
    with world(ORDERS % "{log_group: /aws/events/orders, input_path: $.detail}") as sim:
        put(sim, {"id": 1})
        group = sim.names.log_group("/aws/events/orders")
        (line,) = sim.perform(Operation(group, GetLogEvents(), lambda reply: reply))
        assert (line.message, line.stream) == ('{"id":1}\n', "events")


def test_a_trace_header_goes_along_to_a_queue() -> None:
    with world(ORDERS % "{queue: q}") as sim:
        header = "Root=1-5759e988-bd862e3fe1be46a994272793"
        entry = {"source": "shop", "detail_type": "order", "detail": "{}", "trace_header": header}
        sim.event_bus("shop").put_events(entry)
        sim.run_until_idle()
        (message,) = sim.queue("q").receive()
        assert dict(message.attributes)["AWSTraceHeader"] == header


# --- buses --------------------------------------------------------------------------------------

CHAIN = """
event_buses: {a: {}, b: {}, c: {}}
queues: {q: {}, at-c: {}, dlq: {}}
rules:
  ab: {event_bus_name: a, event_pattern: {source: [shop]}, targets: [{event_bus: b, input: {not: applied}}]}
  bc:
    event_bus_name: b
    event_pattern: {source: [shop]}
    targets: [{event_bus: c, dead_letter_target: dlq}, {queue: q}]
  cq: {event_bus_name: c, event_pattern: {source: [shop]}, targets: [{queue: at-c}]}
"""


def test_another_bus_gets_the_event_as_it_is_and_no_third_one() -> None:
    with simulated(CHAIN) as sim:
        put_ = sim.event_bus("a").put_event("shop", "order", {"id": 1})
        sim.run_until_idle()
        (event,) = events(sim)
        assert (event["id"], event["detail"]) == (put_.entries[0].event_id, {"id": 1})
        assert bodies(sim, "at-c") == []
        (letter,) = sim.queue("dlq").messages()
        found = {name: text for name, _, text in letter.message_attributes}
        assert found["ERROR_CODE"] == "THIRD_ACCOUNT_HOP_DETECTED"
        assert (found["RETRY_ATTEMPTS"], found["RULE_ARN"]) == ("0", sim.names.rule("bc", "b"))
        assert json.loads(letter.body)["id"] == event["id"]


def letters_at(sim: Simulation, arn: str) -> Queue:
    """The dead-letter queue in the account and Region of a rule or a bus."""
    return Queue(QueueOperations(names_at(arn), "dlq"), sim.perform)


def far_bus(sim: Simulation, arn: str, rule: str, target: str) -> None:
    """A bus elsewhere with a rule that sends everything to a target."""
    engine = sim.engine
    assert engine.ask(arn, eb.CreateEventBus()) == arn
    config = {"event_pattern": '{"source":["shop"]}', "state": "ENABLED", "targets": []}
    letters = names_at(arn).queue("dlq")
    row = {"id": "t", "arn": target, "input": None, "dead_letter_arn": letters}
    assert isinstance(engine.ask(letters, sqs.CreateQueue()), sqs.QueueUrl)
    row["retry_policy"] = {"maximum_retry_attempts": 185, "maximum_event_age_in_seconds": 86_400}
    assert engine.ask(rule, PutResource("rule", rule.rsplit("/", 1)[1], {**config, "targets": [row]})) == 1


@pytest.mark.parametrize(
    "region, account, same_id, code",
    [
        ("eu-west-1", "123456789012", False, "THIRD_REGION_HOP_DETECTED"),
        ("us-east-1", "999999999999", True, "THIRD_ACCOUNT_HOP_DETECTED"),
    ],
)
def test_a_hop_to_another_region_or_account(region: str, account: str, same_id: bool, code: str) -> None:
    bus = f"arn:aws:events:{region}:{account}:event-bus/far"
    with world(ORDERS % f"{{arn: '{bus}'}}") as sim:
        home = sim.names.event_bus("shop")
        far_bus(sim, bus, f"arn:aws:events:{region}:{account}:rule/far/r", home)
        event_id = put(sim)
        (row,) = [row for row in sim.trace if row.kind == "EventReceived" and row.arn == bus]
        event = json.loads(sim.payload(row.details["payload"]) or "")
        assert (event["id"] == event_id, row.subject == event["id"]) == (same_id, True)
        assert (event["account"], event["region"]) == ("123456789012", "us-east-1")
        (letter,) = letters_at(sim, bus).messages()  # it would go home again: a second hop of the same kind
        assert {name: text for name, _, text in letter.message_attributes}["ERROR_CODE"] == code


def test_a_bus_elsewhere_sends_nothing_to_its_neighbour() -> None:
    place = "arn:aws:events:eu-west-1:123456789012"
    with world(ORDERS % f"{{arn: '{place}:event-bus/far'}}") as sim:
        far_bus(sim, f"{place}:event-bus/far", f"{place}:rule/far/r", f"{place}:event-bus/next")
        assert sim.engine.ask(f"{place}:event-bus/next", eb.CreateEventBus()) == f"{place}:event-bus/next"
        put(sim)
        assert [row.arn for row in sim.trace if row.kind == "EventReceived"][1:] == [f"{place}:event-bus/far"]
        (letter,) = letters_at(sim, f"{place}:rule/far/r").messages()
        attributes = {name: text for name, _, text in letter.message_attributes}
        assert attributes["ERROR_CODE"] == "THIRD_ACCOUNT_HOP_DETECTED"


# --- what services of this simulator send -------------------------------------------------------


def test_events_of_a_bucket_arrive_on_the_default_bus() -> None:
    text = """
buckets: {uploads: {eventbridge: true}}
rules: {files: {event_pattern: {source: [aws.s3], detail: {object: {key: [{suffix: .csv}]}}}, targets: [{queue: q}]}}
"""
    with world(text) as sim:
        sim.bucket("uploads").put("a.csv", "1")
        sim.bucket("uploads").put("b.txt", "2")
        sim.run_until_idle()
        (event,) = events(sim)
        found = S3EventNotificationEventBridgeModel.model_validate(event)
        assert (found.detail_type, found.detail.object.key) == ("Object Created", "a.csv")
        assert kinds(sim).count("RulesNotMatched") == 1


@pytest.mark.parametrize(
    "outcome, kind", [("returns: {ok: true}", "Success"), ("raises: {type: ValueError, message: no}", "Failure")]
)
def test_results_of_functions_arrive_on_a_bus(outcome: str, kind: str) -> None:
    text = f"""
functions:
  f:
    stub: [{{{outcome}}}]
    event_invoke_config: {{maximum_retry_attempts: 0, on_success: {{event_bus: shop}}, on_failure: {{event_bus: shop}}}}
rules: {{results: {{event_bus_name: shop, event_pattern: {{source: [lambda]}}, targets: [{{queue: q}}]}}}}
"""
    with world(text) as sim:
        sim.invoke("f", {"id": 1}, invocation_type="Event")
        sim.run_until_idle()
        (event,) = events(sim)
        assert EventBridgeModel.model_validate(event).source == "lambda"
        assert event["detail-type"] == f"Lambda Function Invocation Result - {kind}"
        assert event["resources"] == [sim.names.event_bus("shop"), sim.names.function("f") + ":$LATEST"]
        assert event["detail"]["requestPayload"] == {"id": 1}
        assert list(event) == [
            "version",
            "id",
            "detail-type",
            "source",
            "account",
            "time",
            "region",
            "resources",
            "detail",
        ]


# --- when a target does not take it -------------------------------------------------------------


def letter_attributes(sim: Simulation) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of the one dead letter, and its attributes."""
    (letter,) = sim.queue("dlq").messages()
    assert {kind for _, kind, _ in letter.message_attributes} == {"String"}
    return json.loads(letter.body), {name: text for name, _, text in letter.message_attributes}


@pytest.mark.parametrize(
    "kind, code, condition, retries",
    [
        ("missing", "NO_RESOURCE", None, "0"),
        ("denied", "NO_PERMISSIONS", None, "0"),
        ("down", "ERROR_FROM_TARGET", "MaximumRetryAttempts", "3"),
    ],
)
def test_dead_letter(kind: str, code: str, condition: str | None, retries: str) -> None:
    target = "{queue: q, dead_letter_target: dlq, input: {n: 1}, retry_policy: {maximum_retry_attempts: 3}}"
    with world(ORDERS % target) as sim:
        sim.set_faults(FaultPlan(targets=(TargetFault(sim.names.queue("q"), kind),)))
        event_id = put(sim)
        event, found = letter_attributes(sim)
        assert event["id"] == event_id  # the event, not the input
        wanted = {"RULE_ARN": sim.names.rule("orders", "shop"), "TARGET_ARN": sim.names.queue("q"), "ERROR_CODE": code}
        assert {name: found[name] for name in wanted} == wanted
        assert (found.get("EXHAUSTED_RETRY_CONDITION"), found["RETRY_ATTEMPTS"]) == (condition, retries)


def test_an_event_that_grows_too_old() -> None:
    target = "{queue: q, dead_letter_target: dlq, retry_policy: {maximum_event_age: 60s}}"
    with world(ORDERS % target) as sim:
        sim.set_faults(FaultPlan(targets=(TargetFault(sim.names.queue("q"), "down"),)))
        put(sim)
        _, found = letter_attributes(sim)
        assert found["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
        assert sim.elapsed_ms <= 60_000


def test_without_a_dead_letter_queue_it_is_dropped() -> None:
    with world(ORDERS % "{queue: q}") as sim:
        sim.set_faults(FaultPlan(targets=(TargetFault(sim.names.queue("q"), "missing"),)))
        put(sim)
        assert [row["rule"] for row in details(sim, "DeliveryDropped")] == ["no dead-letter queue; not retryable"]


def test_a_target_that_nothing_here_knows() -> None:
    arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
    with world("") as sim:
        bus = sim.event_bus("shop")
        bus.put_rule("r", {"source": ["shop"]})
        bus.put_targets("r", {"id": "t", "arn": arn, "dead_letter_arn": sim.names.queue("dlq")})
        put(sim)
        _, found = letter_attributes(sim)
        assert (found["TARGET_ARN"], found["ERROR_CODE"]) == (arn, "NO_RESOURCE")

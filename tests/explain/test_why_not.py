"""`why-not`: for every way in which something can fail to trigger something, the reason that is given."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from simtriggers.engine.faults import FaultPlan
from simtriggers.errors import UserError
from simtriggers.explain import NotFound
from simtriggers.explain.answers import Answer, Finding, Hop, Question, stopped
from simtriggers.explain.questions import QUESTIONS
from simtriggers.explain.why_not import why_not
from simtriggers.explain.world import Known, World
from simtriggers.kernel.trace import TraceRow
from simtriggers.project.declare import declare
from simtriggers.project.load import parse_yaml
from simtriggers.project.model import Project, ProjectFile, _names
from simtriggers.project.validate import validate
from simtriggers.scenario.faults import fault_plan
from simtriggers.scenario.model import Fault
from simtriggers.simulation import Simulation
from tests.explain.world import PROJECT, message, played, state_file

BUCKETS = """
buckets: {uploads: {notifications: [{queue: jobs, prefix: in/}]}}
queues: {jobs: {}, failed: {}, unused: {}}
functions:
  parse:
    stub: [{returns: 1}]
    triggers: [{s3: uploads, prefix: csv/, suffix: .csv}, {sqs: jobs}]
    event_invoke_config: {on_failure: {queue: failed}}
  sweep:
    stub: [{returns: 1}]
    triggers: [{s3: uploads, events: ["s3:ObjectRemoved:*"]}]
  closed:
    stub: [{returns: 1}]
    reserved_concurrent_executions: 0
    triggers: [{s3: uploads, prefix: closed/}]
"""
QUEUES = """
queues:
  orders: {visibility_timeout: 60s, redrive_policy: {dead_letter_target: dead, max_receive_count: 2}}
  dead: {}
  slow: {delay_seconds: 10m}
  off: {}
  other: {}
functions:
  handle:
    stub: [{raises: {type: KeyError, message: x}}]
    triggers:
      - sqs: orders
        filter_criteria: [{body: {total: [{numeric: [">", 10]}]}}, {body: {kind: [gift]}}]
      - {sqs: slow}
      - {sqs: off, enabled: false}
  late: {stub: [{returns: 1}], triggers: [{sqs: dead}]}
  windowed: {stub: [{returns: 1}], triggers: [{sqs: other, maximum_batching_window: 60s}]}
"""
RULES = """
queues: {unused: {}}
functions:
  nightly:
    stub: [{returns: 1}]
    triggers:
      - {schedule: "cron(0 2 * * ? *)", name: night}
      - {schedule: "cron(0 3 * * ? *)", name: quiet, enabled: false}
      - {schedule: "cron(0 2 1 1 ? 2020)", name: past}
"""


def project(text: str) -> Project:
    model = validate(ProjectFile, parse_yaml(text, "simtriggers.yaml"))
    return Project(model, Path(), _names(model))


def simulation(text: str) -> Simulation:
    return Simulation(project(text), seed=3)


def ask(sim: Simulation, target: str, ident: str) -> Answer:
    return why_not(World.running(sim.engine), target, ident)


def codes(answer: Answer) -> list[str]:
    assert not answer.triggered
    return [finding.code for finding in answer.reasons]


def change(sim: Simulation, text: str) -> None:
    """Take over another version of the project, as `up` does."""
    for each in declare(project(text), default_runtime="inline", folders=False):
        sim.engine.ask(each.arn, each.command)


def faults(sim: Simulation, **fault: Any) -> FaultPlan:
    return fault_plan((Fault.model_validate(fault),), sim.names, sim.project.resources, sim.start_ms)


# --- objects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "key", "expected", "text"),
    [
        ("closed", "csv/a.csv", ["prefix"], "closed-4 of s3:uploads has prefix 'closed/', and .* is 'csv/a.csv'"),
        ("parse", "csv/a b.txt", ["suffix", "prefix"], r"has suffix '\.csv', and .* is 'csv/a\+b\.txt'$"),
        ("parse", "csv/A.CSV", ["suffix", "prefix"], "told apart"),
        ("parse", "x", ["prefix", "suffix", "prefix"], "prefix 'csv/'"),
        ("jobs", "csv/x.csv", ["prefix"], "jobs-1 of s3:uploads has prefix 'in/'"),
        ("sweep", "csv/x.csv", ["event_type"], r"is for s3:ObjectRemoved:\*; this was s3:ObjectCreated:Put"),
        ("unused", "csv/x.csv", ["no_notification", "leads_to"], "has no notification for sqs:unused"),
        ("closed", "closed/x", ["given_up"], "reserved concurrency is 0"),
        ("failed", "csv/x.csv", ["not_sent", "prefix"], "on failure.*, but it succeeded"),
    ],
)
def test_an_object(target: str, key: str, expected: list[str], text: str) -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put(key, "x")
        sim.run_until_idle()
        answer = ask(sim, target, key)
    assert codes(answer) == expected
    assert re.search(text, answer.reasons[0].text), answer.reasons[0].text
    assert answer.event is not None and answer.event.kind == "ObjectCreated"
    assert answer.reasons[0].text in answer.render()


def test_an_object_that_did_trigger_it() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("csv/a.csv", "x")
        sim.run_until_idle()
        answer = ask(sim, "parse", "csv/a.csv")
    assert [row.kind for row in answer.triggered] == ["InvocationStarted", "InvocationSucceeded"]
    assert answer.paths == ()
    assert "it did trigger lambda:parse" in answer.render()


def test_an_object_that_went_on_through_a_queue() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("in/a.csv", "x")
        sim.run_until_idle()
        assert ask(sim, "parse", "in/a.csv").triggered[0].kind == "InvocationStarted"


def test_the_last_event_of_a_key_is_meant_and_the_others_are_named() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("csv/a.csv", "x")
        sim.bucket("uploads").delete("csv/a.csv")
        sim.run_until_idle()
        answer = ask(sim, "parse", "csv/a.csv")
        assert answer.event is not None and answer.event.kind == "ObjectRemoved"
        assert codes(answer)[0] == "event_type"
        assert [row.kind for row in [sim.trace[other.id - 1] for other in answer.others]] == ["ObjectCreated"]
        assert "the last of 2" in answer.render()
        assert ask(sim, "parse", f"#{answer.others[0].id}").triggered
        assert ask(sim, "sweep", "csv/a.csv").triggered


def test_the_row_that_says_that_nothing_matched_is_as_good_as_the_key() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("x", "x")
        summary = next(row for row in sim.trace if row.kind == "NotificationsNotMatched")
        assert ask(sim, "closed", str(summary.id)).event == ask(sim, "closed", "x").event


def test_a_bucket_whose_settings_have_changed_since() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("new/a.csv", "x")
        sim.run_until_idle()
        change(sim, BUCKETS.replace("csv/", "new/"))
        answer = ask(sim, "parse", "new/a.csv")
    assert codes(answer)[:2] == ["matches_now", "changed"]
    assert "revision 1 then, 2 now" in answer.reasons[1].text
    assert [row.kind for row in answer.reasons[1].rows] == ["BucketChanged"]


def test_a_bucket_that_a_project_no_longer_declares() -> None:
    with simulation(BUCKETS) as sim:
        sim.engine.connection.execute("UPDATE resources SET wired = 0 WHERE kind = 'bucket'")
        sim.engine.reader.forget_all()
        sim.bucket("uploads").put("csv/a.csv", "x")
        assert codes(ask(sim, "parse", "csv/a.csv"))[:3] == ["matches_now", "not_declared", "not_wired"]


def test_a_target_that_is_down() -> None:
    with simulation(BUCKETS) as sim:
        sim.set_faults(faults(sim, target="parse", down={"from": "0s", "for": "2h"}))
        sim.bucket("uploads").put("csv/a.csv", "x")
        sim.advance("5s")
        answer = ask(sim, "parse", "csv/a.csv")
        assert codes(answer)[0] == "delivery_failed"
        assert re.search(r"refused it \d times: .*delivered again at 12:00:", answer.reasons[0].text)


def test_a_bucket_in_general() -> None:
    with simulation(BUCKETS) as sim:
        answer = ask(sim, "parse", "uploads")
        assert codes(answer) == ["notification", "notification"]
        assert "s3:ObjectCreated:*, prefix 'csv/', suffix '.csv'" in answer.reasons[0].text
        assert codes(ask(sim, "unused", "uploads")) == ["no_notification", "leads_to"]


def test_a_file_that_was_there_before() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("old.csv", "x")
        sim.engine.flush()
        sim.engine.connection.execute("UPDATE s3_objects SET cause = 0")
        sim.engine.connection.execute("DELETE FROM trace WHERE subject = 'old.csv'")
        answer = ask(sim, "parse", "old.csv")
    assert codes(answer)[0] == "indexed"
    assert "was no event: a start took" in answer.reasons[0].text


# --- messages -----------------------------------------------------------------------------------


def test_a_filter_names_the_field_that_failed() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("orders").send('{"total": 5, "kind": "gift card"}')
        sim.run_until_idle()
        answer = ask(sim, "handle", sent.message_id)
    assert codes(answer) == ["filter", "filter_field", "filter_field"]
    assert answer.reasons[1].text.endswith("body.total: 5 is not > 10")
    assert answer.reasons[2].text.endswith('body.kind: "gift card" is not "gift"')
    assert [row.kind for row in answer.reasons[0].rows] == ["RecordFiltered"]


def test_a_filter_sees_the_attributes_and_the_text_of_a_message() -> None:
    text = QUEUES.replace("{body: {kind: [gift]}}", "{messageAttributes: {kind: {stringValue: [gift]}}}")
    with simulation(text) as sim:
        sent = sim.queue("orders").send("plain", message_attributes={"kind": "card"})
        sim.run_until_idle()
        found = [finding.text for finding in ask(sim, "handle", sent.message_id).reasons]
    assert found[1].endswith("body: it is plain text, and the filter is for JSON")
    assert found[2].endswith('messageAttributes.kind.stringValue: "card" is not "gift"')


def test_a_filter_that_has_changed_since() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("orders").send('{"total": 5}')
        sim.run_until_idle()
        change(sim, QUEUES.replace('">", 10', '">", 1'))
        assert codes(ask(sim, "handle", sent.message_id)) == ["filter", "matches_now", "changed"]


def test_a_message_that_is_delayed() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("slow").send("x")
        sim.advance("1m")
        answer = ask(sim, "handle", sent.message_id)
        assert codes(answer) == ["delayed"]
        assert "2026-01-15T12:10:00.000Z" in answer.reasons[0].text
        sim.advance("10m")
        assert ask(sim, "handle", sent.message_id).triggered


def test_a_mapping_that_is_disabled() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("off").send("x")
        sim.advance("1m")
        answer = ask(sim, "handle", sent.message_id)
        assert codes(answer) == ["disabled"]
        assert [row.kind for row in answer.reasons[0].rows] == ["MappingDisabled"]
        sim.queue("off").receive()
        assert codes(ask(sim, "handle", sent.message_id)) == ["in_flight", "disabled"]
        sim.queue("off").purge()
        assert codes(ask(sim, "handle", sent.message_id)) == ["dropped", "disabled"]


def test_a_message_that_another_consumer_deleted() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("off").send("x")
        [received] = sim.queue("off").receive()
        sim.queue("off").delete(received.receipt_handle)
        answer = ask(sim, "handle", sent.message_id)
    assert codes(answer) == ["deleted", "disabled"]
    assert "deleted by another consumer" in answer.reasons[0].text


def test_a_queue_without_a_mapping_to_the_function() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("off").send("x")
        assert codes(ask(sim, "windowed", sent.message_id)) == ["no_mapping", "leads_to"]


def test_a_message_that_is_not_dead_yet() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("orders").send('{"total": 50}')
        sim.advance("30s")
        answer = ask(sim, "dead", sent.message_id)
        assert codes(answer) == ["too_few_receives", "in_flight"]
        assert "received 2 times, and this was received 1 time" in answer.reasons[0].text
        assert "lambda:handle received it" in answer.reasons[1].text
        assert codes(ask(sim, "late", sent.message_id)) == ["too_few_receives", "in_flight"]
        sim.advance("10m")
        assert ask(sim, "dead", sent.message_id).triggered[0].kind == "MessageMovedToDeadLetterQueue"
        assert ask(sim, "late", sent.message_id).triggered[0].kind == "InvocationStarted"


def test_a_message_that_waits_for_its_batch() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("other").send("x")
        sim.advance("10s")
        answer = ask(sim, "windowed", sent.message_id)
        assert codes(answer)[-1] == "window"
        assert "12:01:00" in answer.reasons[-1].text


def test_a_function_without_concurrency() -> None:
    text = QUEUES.replace("handle:\n", "handle:\n    reserved_concurrent_executions: 0\n")
    with simulation(text) as sim:
        sent = sim.queue("orders").send('{"total": 50}')
        sim.advance("20s")
        answer = ask(sim, "handle", sent.message_id)
        assert codes(answer) == ["throttled", "reserved_0"]
        assert answer.reasons[0].rows[0].kind == "BatchThrottled"
        assert [step.hop.reached is not None for step in answer.paths[0].steps] == [True, False]
        sim.advance("50s")
        assert codes(ask(sim, "handle", sent.message_id))[-1] == "reserved_0"


def test_a_group_that_waits_for_its_first_message() -> None:
    text = """
queues: {line.fifo: {fifo_queue: true, content_based_deduplication: true, visibility_timeout: 60s}}
functions: {handle: {stub: [{raises: {type: KeyError, message: x}}], triggers: [{sqs: line.fifo, batch_size: 1}]}}
"""
    with simulation(text) as sim:
        queue = sim.queue("line.fifo")
        first, second = (queue.send(body, message_group_id="g").message_id for body in ("a", "b"))
        sim.advance("5s")
        assert ask(sim, "handle", first).triggered
        answer = ask(sim, "handle", second)
        assert codes(answer) == ["group_blocked"]
        assert f"'g' waits: message {first}, sent before it, is hidden until 2026-01-15T12:01:00" in answer.render()


def test_a_queue_that_is_gone_for_its_mapping() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("other").send("x", delay_seconds=600)
        world = World.running(sim.engine)
        [mapping] = [
            each for each in world.of_kind("event_source_mapping") if each.config["source_arn"].endswith(":other")
        ]
        details = '{"code": "QueueDoesNotExist", "message": "gone", "retry_at_ms": 60000}'
        row = (10_000, sim.engine.now_ms, "PollRefused", mapping.arn, mapping.arn, 1, details)
        sim.engine.connection.execute("INSERT INTO trace VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        answer = ask(sim, "windowed", sent.message_id)
    assert codes(answer) == ["delayed", "poll_refused"]
    assert answer.reasons[1].text.endswith("QueueDoesNotExist; tried again at 00:01:00.000")


def test_a_mapping_as_the_target() -> None:
    with simulation(QUEUES) as sim:
        sent = sim.queue("off").send("x")
        world = World.running(sim.engine)
        [mapping] = [
            each for each in world.of_kind("event_source_mapping") if each.config["source_arn"].endswith(":off")
        ]
        for name in (mapping.arn, mapping.name, mapping.name[:8], str(mapping)):
            assert codes(why_not(world, name, sent.message_id)) == ["disabled"]


def test_a_request_that_was_throttled() -> None:
    with simulation(BUCKETS.replace("executions: 0", "executions: 1\n    duration: 2s")) as sim:
        sim.bucket("uploads").put("closed/x", "x")
        sim.bucket("uploads").put("closed/y", "x")
        sim.advance("500ms")
        answer = ask(sim, "closed", "closed/y")
        assert codes(answer) == ["throttled"]
        assert answer.reasons[0].text.endswith("LimitExceeded; tried again at 12:00:01.000")
        assert codes(ask(sim, "closed", answer.reasons[0].rows[0].subject)) == ["throttled"]
        sim.run_until_idle()
        assert ask(sim, "closed", "closed/y").triggered


# --- schedules ----------------------------------------------------------------------------------


def test_rules() -> None:
    with simulation(RULES) as sim:
        assert codes(ask(sim, "nightly", "night")) == ["not_due"]
        assert "2026-01-16T02:00:00Z" in ask(sim, "night", "night").reasons[0].text
        assert codes(ask(sim, "nightly", "quiet")) == ["disabled"]
        assert codes(ask(sim, "nightly", "past")) == ["ended"]
        assert codes(ask(sim, "unused", "night")) == ["no_target", "leads_to"]
        sim.advance("15h")
        answer = ask(sim, "nightly", "night")
        assert [row.kind for row in answer.triggered] == ["InvocationStarted", "InvocationSucceeded"]
        assert ask(sim, "night", "rule:night").triggered[0].kind == "ScheduleFired"
        fired = next(row for row in sim.trace if row.kind == "ScheduleFired")
        assert ask(sim, "nightly", fired.subject).triggered
        assert codes(ask(sim, "unused", fired.subject)) == ["no_target", "leads_to"]


def test_a_turn_that_was_missed() -> None:
    with simulation(RULES) as sim:
        sim.engine.flush()
        details = '{"count": 2, "first": "2026-01-13T02:00:00Z", "last": "2026-01-14T02:00:00Z"}'
        missed = (10_000, sim.engine.now_ms, "ScheduleMissed", sim.names.rule("night"), "night", 1, details)
        sim.engine.connection.execute("INSERT INTO trace VALUES (?, ?, ?, ?, ?, ?, ?)", missed)
        answer = ask(sim, "nightly", "night")
        assert codes(answer) == ["missed", "not_due"]
        assert answer.reasons[0].text.startswith("2 turns, from 2026-01-13T02:00:00Z to 2026-01-14T02:00:00Z, were")
        assert codes(ask(sim, "nightly", "#10000")) == ["missed", "not_due"]


# --- what cannot be answered --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "ident", "error", "rule"),
    [
        ("hande", "first", UserError, "the nearest: handle"),
        ("handle", "bad.tsv", NotFound, "the nearest: bad.csv"),
        ("handle", "1", NotFound, "it is Started of run"),
    ],
)
def test_unknown_names(target: str, ident: str, error: type[UserError], rule: str) -> None:
    with pytest.raises(error) as raised:
        ask(played(), target, ident)
    assert raised.value.rule == rule


def test_a_name_that_two_resources_have() -> None:
    with simulation("queues: {same: {}}\nfunctions: {same: {stub: [{returns: 1}]}}") as sim:
        with pytest.raises(UserError, match="is the name of 2 resources") as raised:
            ask(sim, "same", "same")
        assert raised.value.rule == "lambda:same, sqs:same"
        assert World.running(sim.engine).target("sqs:same").kind == "queue"


# --- the same from a state file -----------------------------------------------------------------


@pytest.mark.parametrize(("target", "ident"), [("handle", "bad.csv"), ("orders-dlq", "first"), ("nightly", "1")])
def test_a_state_file_answers_as_the_run_does(tmp_path: Path, target: str, ident: str) -> None:
    asked = message(ident) if ident == "first" else ident
    if ident == "1":
        asked = next(row.subject for row in played().trace if row.kind == "ScheduleFired")
    connection = sqlite3.connect(state_file(tmp_path))
    try:
        stored = why_not(World(connection), target, asked)
        assert stored == ask(played(), target, asked)
    finally:
        connection.close()


def test_a_state_file_of_an_earlier_version(tmp_path: Path) -> None:
    connection = sqlite3.connect(state_file(tmp_path))
    try:
        connection.execute("ALTER TABLE resources DROP COLUMN wired")
        with pytest.raises(UserError, match="the state cannot be read: no such column: wired"):
            why_not(World(connection), "handle", "bad.csv")
    finally:
        connection.close()


def test_as_json() -> None:
    with simulation(BUCKETS) as sim:
        sim.bucket("uploads").put("x", "x")
        found = ask(sim, "closed", "x").as_dict()
    assert (found["id"], found["target"], found["triggered"]) == ("x", sim.names.function("closed"), [])
    assert [finding["code"] for path in found["paths"] for step in path for finding in step["findings"]] == ["prefix"]


# --- another kind of resource -------------------------------------------------------------------


def test_another_kind_of_resource_brings_its_own_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole seam for a service to come: what its events are, where they lead, and why one did not."""

    def refused(world: World, event: TraceRow | None, source: Known, target: Known) -> Hop:
        return stopped(Finding("filter_policy", f"the policy of {source} does not match"))

    toy = Question(
        events=frozenset({"BucketCreated"}),
        reached=frozenset(),
        leads_to=lambda world, source: [each.arn for each in world.of_kind("function")],
        ask=refused,
    )
    monkeypatch.setitem(QUESTIONS, "bucket", toy)
    with simulation(BUCKETS) as sim:
        answer = ask(sim, "parse", "uploads")
    assert codes(answer) == ["filter_policy"]
    assert answer.event is not None and answer.event.kind == "BucketCreated"


def test_the_project_of_the_other_tests_knows_all_kinds() -> None:
    kinds = {each.kind for each in World.running(played().engine).resources.values()}
    assert kinds | {"schedule", "archive", "api_destination"} == set(QUESTIONS), (
        PROJECT
    )  # archives have tests of their own

"""Scenarios run, and what they say about it: every step, fault and expectation, holding and failing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from simtriggers.aws.contracts import Delivery
from simtriggers.errors import UserError
from simtriggers.scenario import conservation, expect, report, runner
from simtriggers.scenario.load import load_scenario
from simtriggers.scenario.model import EXPECTATIONS
from simtriggers.simulation import Simulation
from tests.simulated import HANDLERS, world

FIXTURES = Path(__file__).parents[2] / "fixtures"
ROWS: list[dict[str, Any]] = YAML(typ="safe").load(FIXTURES / "cases" / "scenario" / "runs.yaml")


def story(text: str, folder: Path) -> Path:
    """A scenario file with what lies beside it."""
    shutil.copy(FIXTURES / "handlers" / "scenario" / "handlers.py", folder)
    (folder / "body.txt").write_text("from a file")
    file = folder / "story.yaml"
    file.write_text(text)
    return file


def run(text: str, folder: Path, **options: Any) -> runner.Result:
    """Run a scenario text in a folder of its own."""
    return runner.run(story(text, folder), check_invariants=True, **options)


def outcome(row: dict[str, Any], folder: Path) -> str:
    """What a user reads at the end of a row's scenario."""
    try:
        result = run(row["text"], folder)
    except UserError as error:
        return str(error).replace(f"{folder}/", "")
    return "\n".join(result.failures).replace(f"{folder}/", "") or "fine"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_how_a_scenario_ends(row: dict[str, Any], tmp_path: Path) -> None:
    assert outcome(row, tmp_path) == row["expect"].rstrip("\n")


def test_the_rows_have_names_and_reasons_and_show_every_expectation_failing() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    assert all(row["why"].endswith(".") for row in ROWS)
    failing = "".join(row["text"] for row in ROWS if row["expect"] != "fine")
    assert [name for name in EXPECTATIONS if name not in failing] == []


# --- nothing lost, nothing stuck ------------------------------------------------------------------


def _story(folder: Path, text: str) -> runner.Result:
    result = run(text, folder)
    assert result.failures == []
    return result


def _now_says(result: runner.Result, expectation: str) -> list[str]:
    """The first lines of what an expectation says now."""
    return [text.splitlines()[0] for text in expect.check(result.simulation, expectation)]


def test_a_message_that_vanishes_is_lost(tmp_path: Path) -> None:
    result = _story(
        tmp_path,
        "queues: {jobs: {}}\nsteps: [{send_message: {queue: jobs, body: x}, times: 2}]\nexpect: [nothing_lost]\n",
    )
    connection = result.simulation.engine.connection
    (gone,) = connection.execute("SELECT message_id FROM sqs_messages ORDER BY seq LIMIT 1").fetchone()
    connection.execute("DELETE FROM sqs_messages WHERE message_id = ?", (gone,))
    (text,) = expect.check(result.simulation, "nothing_lost")
    first, _, chain = text.splitlines()
    assert first == f"nothing_lost: message {gone} of arn:aws:sqs:us-east-1:123456789012:jobs has vanished"
    assert "MessageSent" in chain


def test_an_event_that_never_ends_is_lost(tmp_path: Path) -> None:
    result = _story(
        tmp_path, "functions: {note: {handler: handlers.note}}\nsteps: [{invoke: {function: note}}, {advance: 1m}]\n"
    )
    result.simulation.invoke("note", 1, invocation_type="Event")
    assert _now_says(result, "nothing_lost") == []
    result.simulation.engine.connection.execute("DELETE FROM lambda_invocations")
    (text,) = _now_says(result, "nothing_lost")
    assert text.startswith("nothing_lost: event ")
    assert text.endswith("function:note was accepted and never ended")


@pytest.mark.parametrize(
    "wiring, act, kind",
    [
        ("{handler: handlers.note, triggers: [{s3: uploads}]}", "put", "NotificationMatched"),
        ('{handler: handlers.note, triggers: [{schedule: "rate(1 hour)"}]}', "hour", "ScheduleFired"),
    ],
)
def test_a_delivery_that_never_arrives_is_lost(wiring: str, act: str, kind: str, tmp_path: Path) -> None:
    result = _story(tmp_path, f"buckets: {{uploads: {{}}}}\nfunctions: {{note: {wiring}}}\nsteps: [advance: 1m]\n")
    sim = result.simulation
    if act == "put":
        sim.bucket("uploads").put("a", "b")
    else:
        sim.engine._take(sim.engine.now_ms + 3_600_000)
    (delivery,) = [entry for entry in sim.engine.agenda.entries() if isinstance(entry.command, Delivery)]
    assert _now_says(result, "nothing_lost") == [], "it is on its way"
    sim.engine.agenda.remove(delivery)
    (text,) = _now_says(result, "nothing_lost")
    assert text.startswith(f"nothing_lost: {kind} of ")
    assert text.endswith("was handed on and never arrived")


def test_what_a_rule_dropped_is_not_lost() -> None:
    text = (
        "queues: {jobs: {message_retention_period: 60s}, gone: {}}\n"
        "functions: {closed: {handler: app.echo, reserved_concurrent_executions: 0}}\n"
    )
    with world(text, folder=HANDLERS) as sim:
        sim.queue("jobs").send("expires")
        sim.queue("gone").send("purged")
        sim.invoke("closed", invocation_type="Event")
        sim.advance("7h")
        sim.queue("gone").purge()
        sim.advance("1d")
        assert sim.queue("jobs").messages() == sim.queue("gone").messages() == []
        assert conservation.lost(sim, sim.trace) == []
        assert conservation.stuck(sim, sim.trace) == []


def test_a_message_that_waits_for_its_mapping_is_stuck(tmp_path: Path) -> None:
    text = """
    queues: {jobs: {visibility_timeout: 1m}, idle: {}}
    functions:
      note: {handler: handlers.note, reserved_concurrent_executions: 0, triggers: [{sqs: jobs}]}
      off: {handler: handlers.note, triggers: [{sqs: idle, enabled: false}]}
    steps:
      - {send_message: {queue: jobs, body: x}}
      - {send_message: {queue: idle, body: x}}
    horizon: 10m
    expect: [nothing_lost, nothing_stuck]
    """
    failures = run(text, tmp_path).failures
    assert failures, "the function never takes it"
    assert all("nothing_stuck: " in failure and ":idle" not in failure for failure in failures)
    assert any("message " in failure and ":jobs is " in failure for failure in failures)


# --- what a run is ----------------------------------------------------------------------------------


def test_a_scenario_of_a_project_has_its_own_account_and_region_and_the_machine_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "simtriggers.yaml").write_text("account: 111111111111\nqueues: {jobs: {}}\n")
    (tmp_path / "app" / "body.txt").write_text("not this one")
    text = "project: app/simtriggers.yaml\nsteps: [{send_message: {queue: jobs, body: x}}]\n"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert run(text, tmp_path).rows()[-1].arn == "arn:aws:sqs:us-east-1:111111111111:jobs"
    more = "account: '222222222222'\nregion: ap-south-1\n"
    assert run(more + text, tmp_path).rows()[-1].arn == "arn:aws:sqs:ap-south-1:222222222222:jobs"


def test_a_file_of_a_step_lies_beside_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = "buckets: {uploads: {}}\nsteps: [{put_object: {bucket: uploads, key: k, file: body.txt}}]\n"
    assert run(text, tmp_path).simulation.bucket("uploads").get("k") == b"from a file"


def test_a_result_says_what_ran(tmp_path: Path) -> None:
    text = "name: One\nseed: 4\nfunctions: {note: {handler: handlers.note, duration: 2s}}\n"
    text += "steps: [invoke: {function: note}]\n"
    result = run(text, tmp_path)
    assert (result.name, result.seed, result.passed, result.failures) == ("One", 4, True, [])
    assert (result.virtual_ms, result.invocations, result.checks, result.pending) == (2000, 1, 0, ())
    assert list(result.trace_lines()) == list(result.simulation.trace_lines())
    assert run(text, tmp_path, seed=9).seed == 9


@pytest.mark.parametrize(
    "last, where", [("  - {advance: 1m}\n", "story.yaml:5:5: advance: "), ("", "story.yaml:1:1: after the last step: ")]
)
def test_a_run_that_would_not_end_fails_with_its_place(last: str, where: str, tmp_path: Path) -> None:
    text = "queues: {jobs: {}}\nfunctions: {burst: {handler: handlers.burst}}\nsteps:\n  - invoke: {function: burst}\n"
    scenario = load_scenario(story(text + last, tmp_path))
    with Simulation(scenario.project) as simulation:
        simulation.engine.same_ms_limit = 500
        (failure,), pending = runner._play(scenario, simulation)
    assert failure.startswith(f"{tmp_path}/{where}500 steps at the same millisecond")
    assert "jobs" in failure
    assert pending


# --- one expectation, from Python ---------------------------------------------------------------------


def test_an_expectation_is_checked_as_it_stands(tmp_path: Path) -> None:
    sim = _story(tmp_path, "queues: {jobs: {}}\nsteps: [{send_message: {queue: jobs, body: x}}]\n").simulation
    assert expect.check(sim, {"messages": {"queue": "jobs", "count": 1}}) == []
    (text,) = expect.check(sim, {"messages": {"queue": "jobs", "count": 2}})
    assert text.startswith("messages in jobs\n    expected: 2\n    actual:   1 of 1 that lie there: x\n")
    for wrong, message in [
        ("nothing_losst", "'nothing_losst' is not an expectation"),
        ({"messages": {"queue": "job", "count": 0}}, "the project has no queue 'job'"),
        ({"invocations": {"function": "f", "count": 0}}, "the project has no function 'f'"),
        ({"messages": {"count": 0}}, r"expect\[0\]\.messages has no key 'queue'"),
    ]:
        with pytest.raises(UserError, match=message):
            expect.check(sim, wrong)


# --- JUnit --------------------------------------------------------------------------------------------


def test_the_junit_report_is_xml_with_the_failures(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    bad = 'name: "<&\\"odd\\u0007\\">"\nbuckets: {uploads: {}}\n'
    bad += 'steps: [{put_object: {bucket: uploads, key: "a\\u0007<b>"}}]\n'
    good = run("name: good\nqueues: {jobs: {}}\n", tmp_path / "one")
    failed = run(
        bad + "expect: [{objects: {bucket: uploads, count: 2}}, {trace: {kind: MessageSent}}]\n",
        tmp_path / "two",
    )
    root = ElementTree.fromstring(report.junit([good, failed]))
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    cases = root.findall("testsuite/testcase")
    assert [case.get("name") for case in cases] == ["good", '<&"odd">']
    assert [case.get("file") for case in cases] == [result.path.as_posix() for result in (good, failed)]
    assert cases[0].find("failure") is None
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message", "").endswith("objects in uploads, expected: 2, actual: 1: a<b> (and 1 more)")
    assert "actual:   1: a<b>" in (failure.text or "")
    assert "trace rows of kind MessageSent" in (failure.text or "")

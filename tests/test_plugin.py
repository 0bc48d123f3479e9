"""The pytest plugin, tried with pytest inside pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import WITH_PLUGIN

pytest_plugins = ["pytester"]

PROJECT = """
buckets: {uploads: {}}
queues:
  orders: {redrive_policy: {dead_letter_target: dlq, max_receive_count: 1}}
  dlq: {}
functions:
  count:
    handler: counting.count
    triggers: [{s3: uploads}, {schedule: "cron(0 2 * * ? *)"}]
  handle:
    handler: orders.handle
    code_uri: ./code
    triggers: [{sqs: orders}]
"""
COUNTING = """
import time
calls = 0

def count(event, context):
    global calls
    calls += 1
    return {"calls": calls, "at": time.time()}
"""
ORDERS = """
import json

def handle(event, context):
    for record in event["Records"]:
        process(json.loads(record["body"]))

def process(order):
    print("order", order["id"])
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a project whose functions live in two places."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    pytester.path.joinpath("simtriggers.yaml").write_text(PROJECT)
    pytester.path.joinpath("counting.py").write_text(COUNTING)
    pytester.mkdir("code").joinpath("orders.py").write_text(ORDERS)
    return pytester


def run(project: pytest.Pytester, *options: str, **tests: str) -> pytest.RunResult:
    project.makepyfile(**tests)
    return project.runpytest_inprocess(*WITH_PLUGIN, "-p", "no:cacheprovider", *options)


def test_the_short_forms(project: pytest.Pytester) -> None:
    run(
        project,
        test_all="""
        import json

        def test_all(simtriggers):
            put = simtriggers.put("uploads", "a.csv", "x")
            assert len(put.etag) == 32
            sent = simtriggers.send("orders", {"id": 1}, delay_seconds=30)
            assert simtriggers.run_until_idle().reason == "idle"
            simtriggers.expect("nothing_lost", "nothing_stuck", invocations={"function": "count", "count": 1})
            simtriggers.expect(trace={"kind": "MessageDeleted", "subject": sent.message_id, "count": 1})
            result = simtriggers.invoke("count", {})
            assert (result.payload["calls"], result.function_error) == (2, None)
            simtriggers.advance("1d")
            simtriggers.expect(invocations={"function": "count", "count": 3})
            assert simtriggers.sim.now.startswith("2026-01-16T12:0")
        """,
    ).assert_outcomes(passed=1)


def test_handlers_are_the_imported_modules(project: pytest.Pytester) -> None:
    run(
        project,
        test_patch="""
        from unittest.mock import patch
        import counting, orders

        def test_patch(simtriggers):
            simtriggers.send("orders", {"id": 7})
            with patch("orders.process") as process:
                simtriggers.run_until_idle()
            process.assert_called_once_with({"id": 7})

        def test_globals_are_shared(simtriggers):
            counting.calls = 41
            assert simtriggers.invoke("count").payload["calls"] == 42
        """,
    ).assert_outcomes(passed=2)


def test_the_marker(project: pytest.Pytester) -> None:
    project.mkdir("other").joinpath("simtriggers.yaml").write_text("queues: {elsewhere: {}}")
    run(
        project,
        "--strict-markers",
        test_marker="""
        import counting
        import pytest

        pytestmark = pytest.mark.simtriggers(start="2030-06-01T00:00:00Z", seed=5)

        @pytest.mark.simtriggers(isolated=True)
        def test_isolated(simtriggers):
            counting.calls = 41
            assert simtriggers.invoke("count").payload["calls"] == 1
            assert simtriggers.sim.engine.ids.seed == 5

        @pytest.mark.simtriggers(start="2031-06-01T00:00:00Z")
        def test_the_nearest_marker_wins(simtriggers):
            assert simtriggers.sim.now == "2031-06-01T00:00:00.000Z"

        @pytest.mark.simtriggers(project="other")
        def test_another_project(simtriggers):
            simtriggers.send("elsewhere", "x")
        """,
    ).assert_outcomes(passed=3)


def test_the_ini_option(project: pytest.Pytester) -> None:
    project.path.joinpath("simtriggers.yaml").rename(project.path / "app.yaml")
    project.makeini("[pytest]\nsimtriggers_project = app.yaml")
    run(project, test_ini="import orders\ndef test_it(simtriggers): simtriggers.send('orders', 'x')").assert_outcomes(
        passed=1
    )


def test_the_project_above_the_test(project: pytest.Pytester) -> None:
    deep = project.mkdir("deep")
    deep.joinpath("tests").mkdir()
    deep.joinpath("simtriggers.yaml").write_text("queues: {deep: {}}")
    deep.joinpath("tests", "test_deep.py").write_text("def test_it(simtriggers): simtriggers.send('deep', 'x')")
    run(project, test_top="def test_it(simtriggers): simtriggers.send('orders', 'x')").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "test, message",
    [
        ("@pytest.mark.simtriggers(sed=1)\ndef test_it(simtriggers): pass", "does not take sed"),
        ("@pytest.mark.simtriggers('x.yaml')\ndef test_it(simtriggers): pass", "does not take 'x.yaml'"),
        ("@pytest.mark.simtriggers(project='no.yaml')\ndef test_it(simtriggers): pass", "there is no file *no.yaml"),
        ("@pytest.mark.simtriggers(start='noon')\ndef test_it(simtriggers): pass", "start: *noon*"),
        ("def test_it(simtriggers): simtriggers.send('ordrs', 'x')", "*the project has no queue 'ordrs'"),
        ("def test_it(simtriggers): simtriggers.expect('nothing_los')", "*'nothing_los' is not an expectation*"),
        ("def test_it(simtriggers): simtriggers.expect()", "*expect() needs an expectation*"),
    ],
)
def test_what_is_wrong_is_said(project: pytest.Pytester, test: str, message: str) -> None:
    result = run(project, test_wrong=f"import pytest\n{test}")
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    result.stdout.fnmatch_lines([f"*{message}*"])


def test_no_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    result = run(pytester, test_none="def test_it(simtriggers): pass")
    result.assert_outcomes(errors=1)
    top = pytester.path.anchor
    result.stdout.fnmatch_lines(
        [f"*there is no simtriggers.yaml in {pytester.path} or above, up to {top}", "*fix: make a project with*"]
    )


def test_the_project_is_found_from_a_folder_inside(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = project.mkdir("tests")
    inside.joinpath("test_inside.py").write_text(
        "import orders\ndef test_it(simtriggers): simtriggers.send('orders', 'x')"
    )
    monkeypatch.chdir(inside)
    result = project.runpytest_inprocess(*WITH_PLUGIN, "-p", "no:cacheprovider", "--rootdir", str(inside))
    result.assert_outcomes(passed=1)


def test_a_project_outside_of_the_repository_is_not_the_tests_own(project: pytest.Pytester) -> None:
    inside = project.mkdir("other")
    inside.joinpath(".git").mkdir()
    inside.joinpath("test_other.py").write_text("def test_it(simtriggers): pass")
    result = project.runpytest_inprocess(*WITH_PLUGIN, "-p", "no:cacheprovider", "--rootdir", str(inside), str(inside))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*there is no simtriggers.yaml in {inside} or above, up to {inside}"])


def test_a_failing_test_shows_the_trace_so_far(project: pytest.Pytester) -> None:
    result = run(
        project,
        test_fails="""
        def test_it(simtriggers):
            simtriggers.send("orders", "no json")
            simtriggers.run_until_idle()
            simtriggers.expect(messages={"queue": "dlq", "count": 0})
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: *",
            "*- simtriggers trace -*",
            "12:00:00.000  #* sqs:orders * MessageSent *no json",
            "12:00:00.001  #* lambda:handle * InvocationFailed *JSONDecodeError*",
            "12:00:30.000  #* sqs:orders * MessageMovedToDeadLetterQueue *",
        ]
    )
    assert "in expect" not in result.stdout.str()


def test_a_failing_test_shows_what_to_do_about_errors_of_the_runtime(project: pytest.Pytester) -> None:
    project.path.joinpath("code", "orders.py").write_text("import nowhere\ndef handle(event, context): ...\n")
    result = run(
        project,
        test_fails="""
        def test_it(simtriggers):
            simtriggers.send("orders", "{}")
            simtriggers.run_until_idle()
            simtriggers.expect(messages={"queue": "dlq", "count": 0})
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["fix: handle: install what is missing where simtriggers runs*"])


def test_a_mistake_in_a_test_is_told_in_words_and_not_in_our_code(project: pytest.Pytester) -> None:
    wrong = """
        import pytest
        def test_queue(simtriggers):
            simtriggers.send("ordrs", {})
        def test_body(simtriggers):
            simtriggers.send("orders", "")
        def test_expectation(simtriggers):
            simtriggers.expect(mesages={"queue": "dlq"})
        def test_fixture(simtriggers):
            simtriggers.queue("orders")
        def test_spelling(simtriggers):
            simtriggers.advanc("1m")
        """
    result = run(project, test_wrong=wrong)
    result.assert_outcomes(failed=5)
    said = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "E *the project has no queue 'ordrs'",
            "E *fix: did you mean 'orders'?",
            "test_wrong.py:3: UserError",
            "test_wrong.py:5: AwsFault",
            "test_wrong.py:7: UserError",
            "E *the fixture has no 'queue'; write simtriggers.sim.queue",
            "test_wrong.py:9: AttributeError",
            "E *the fixture has no 'advanc'; did you mean 'advance'?",
        ]
    )
    assert "simulation.py" not in said and "pytest_plugin.py" not in said
    project.path.joinpath("test_wrong.py").unlink()
    whole = project.runpytest_inprocess(*WITH_PLUGIN, "--full-trace", str(project.makepyfile(test_full=wrong)))
    assert "simulation.py" in whole.stdout.str()


def test_a_long_trace_is_cut(project: pytest.Pytester) -> None:
    result = run(
        project,
        test_long="""
        def test_it(simtriggers):
            for number in range(300):
                simtriggers.send("dlq", "x")
            assert False
        """,
    )
    result.stdout.fnmatch_lines(["… * rows before these are left out"])


def test_it_says_once_of_a_hash_seed_that_is_not_fixed(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    project.makepyfile(test_two="def test_a(simtriggers): pass\ndef test_b(simtriggers): pass")
    result = project.runpytest_subprocess(*WITH_PLUGIN)
    result.assert_outcomes(passed=2, warnings=0)
    line = "simtriggers: a handler that goes by the order of a set may differ from run to run; PYTHONHASHSEED=0 *"
    result.stdout.fnmatch_lines([line])
    assert result.stdout.str().count("PYTHONHASHSEED") == 1


def test_it_says_nothing_of_the_hash_seed_where_nothing_depends_on_it(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = "def test_it(simtriggers): pass"
    assert "PYTHONHASHSEED" not in run(project, test_fixed=used).stdout.str()
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    project.path.joinpath("test_fixed.py").unlink()
    assert "PYTHONHASHSEED" not in run(project, test_unused="def test_it(): pass").stdout.str()
    assert "PYTHONHASHSEED" in run(project, test_used=used).stdout.str()


def test_it_loads_nothing_that_is_not_used() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import simtriggers.pytest_plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "['simtriggers', 'simtriggers.pytest_plugin']"

"""`simtriggers why-not`: on a state file, and on a scenario that it runs first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.explain.world import message, played, state_file


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a state, and the working folder in it."""
    (tmp_path / ".simtriggers").mkdir()
    monkeypatch.chdir(tmp_path)
    return state_file(tmp_path).rename(tmp_path / ".simtriggers" / "state.db")


def test_it_reads_the_state_of_the_project_here(shell: Shell, state: Path) -> None:
    done = shell("why-not", "handle", "bad.csv")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "why-not lambda:handle bad.csv"
    assert "✗ s3:uploads has no notification for lambda:handle" in done.out
    for options in (["--state", str(state)], ["--project", str(state.parents[1])]):
        assert shell("why-not", "handle", "bad.csv", *options).out == done.out


def test_what_did_trigger_it_is_shown_and_fails(shell: Shell, state: Path) -> None:
    done = shell("why-not", "handle", message("first"))
    assert (done.code, done.err) == (1, "")
    assert "it did trigger lambda:handle" in done.out
    assert "InvocationFailed" in done.out


def test_as_json(shell: Shell, state: Path) -> None:
    done = shell("why-not", "nightly", "bad.csv", "--json")
    found = json.loads(done.out)
    assert (done.code, found["triggered"]) == (0, [])
    assert found["target"] == played().names.function("nightly")
    [[step]] = found["paths"]
    assert [finding["code"] for finding in step["findings"]] == ["no_notification", "leads_to"]


def test_a_scenario_is_run_first(shell: Shell, demo: Path) -> None:
    scenario = str(demo / "scenarios" / "first.yaml")
    done = shell("why-not", "process", "good.csv", "--scenario", scenario)
    assert (done.code, done.err) == (0, "")
    assert "✗ s3:uploads has no notification for lambda:process" in done.out
    assert shell("why-not", "ingest", "good.csv", "--scenario", scenario).code == 1


def test_a_scenario_that_fails_is_asked_all_the_same(shell: Shell, demo: Path) -> None:
    scenario = demo / "scenarios" / "first.yaml"
    scenario.write_text(scenario.read_text().replace("count: 4, failed: 3", "count: 9"))
    done = shell("why-not", "process", "good.csv", "--scenario", str(scenario))
    assert done.code == 0
    assert done.err.startswith(f"the scenario fails: {scenario}:")
    assert done.err.endswith(f": invocations of ingest; `simtriggers test {scenario}` shows it\n")
    assert len(done.err.splitlines()) == 1
    assert "has no notification" in done.out
    text = scenario.read_text() + "  - {invocations: {function: ingest, count: 8, failed: 8}}\n"
    scenario.write_text(text)
    done = shell("why-not", "process", "good.csv", "--scenario", str(scenario))
    assert done.err == f"the scenario fails: 2 expectations; `simtriggers test {scenario}` shows them\n"
    assert "has no notification" in done.out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["hande", "bad.csv"], "the nearest: handle"),
        (["handle", "bad.tsv"], "the nearest: bad.csv"),
        (["handle"], "Missing argument"),
        (["handle", "bad.csv", "--state", "nowhere.db"], "there is no state file nowhere.db"),
        (["handle", "bad.csv", "--scenario", "x.yaml", "--state", "y.db"], "--scenario stands alone"),
        (["handle", "bad.csv", "--scenario", "x.yaml"], "x.yaml"),
    ],
)
def test_wrong_input(shell: Shell, state: Path, arguments: list[str], text: str) -> None:
    done = shell("why-not", *arguments)
    assert (done.code, done.out) == (2, "")
    assert text in done.err


def test_a_topic_names_the_field_that_failed(shell: Shell, tmp_path: Path) -> None:
    scenario = tmp_path / "news.yaml"
    scenario.write_text(
        "topics: {news: {subscriptions: [{queue: orders, filter_policy: {kind: [order]}}]}}\n"
        "queues: {orders: {}}\n"
        "steps: [{publish: {topic: news, message: hello, message_attributes: {kind: note}}}]\n"
    )
    done = shell("why-not", "orders", "#5", "--scenario", str(scenario))
    assert (done.code, done.err) == (0, "")
    assert "  sns:news → sqs:orders\n    ✗ the filter policy of sns:news/" in done.out
    assert 'keeps it back: kind is "note", the policy wants ["order"]' in done.out
    assert "SubscriptionsNotMatched" in done.out

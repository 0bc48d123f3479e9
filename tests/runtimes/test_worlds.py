"""What one environment must not see of another, nor of simtriggers, nor it of them."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from simtriggers.aws.contracts import Ended
from simtriggers.runtimes.inline import InlineRuntime, current
from tests.runtimes.support import HANDLERS, START_MS, FakeHub, start_of, texts

ONE, TWO = "worlds/one", "worlds/two"


def _answers(hub: FakeHub) -> dict[str, Any]:
    for _, _, ended in hub.ends:
        assert ended.status == "ok", ended
    return {name: json.loads(ended.payload_text or "") for _, name, ended in hub.ends}


def _world() -> tuple[object, ...]:
    return (
        sys.stdout,
        sys.stderr,
        tuple(sys.path),
        dict(os.environ),
        os.getcwd(),
        tuple(sorted(name for name in sys.modules if name.split(".")[0] in ("app", "helper", "late"))),
        logging.root,
        tuple(logging.root.handlers),
        logging.root.level,
    )


def test_module_instances() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    before = _world()
    turns = [
        (ONE, "a", True),
        (TWO, "b", True),
        (ONE, "a", False),
        (ONE, "c", True),
        (TWO, "b", False),
        (ONE, "a", True),
    ]
    for number, (folder, environment, cold) in enumerate(turns):
        runtime.start(start_of(folder, "app.counts", invocation_id=str(number), environment_id=environment, cold=cold))
        hub.run()
    assert list(_answers(hub).values()) == [[1, "one"], [101, "two"], [2, "one"], [1, "one"], [102, "two"], [1, "one"]]
    assert _world() == before


def test_late_imports_find_the_own_module() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    for folder, seconds in ((ONE, 2), (TWO, 1)):
        runtime.start(
            start_of(
                folder, "app.late_import", invocation_id=folder, environment_id=folder, event=json.dumps({"s": seconds})
            )
        )
    hub.run()
    assert _answers(hub) == {ONE: "late one", TWO: "late two"}


def test_a_module_of_the_test_stays_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HANDLERS / ONE))
    for name in ("app", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    outside = importlib.import_module("app")
    hub = FakeHub()
    InlineRuntime(hub).start(start_of(ONE, "app.counts", invocation_id="i"))
    hub.run()
    assert _answers(hub) == {"i": [1, "one"]}
    assert outside.COUNT == 0
    assert sys.modules["app"] is outside
    for name in ("app", "helper"):
        del sys.modules[name]


def test_shared_is_the_module_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HANDLERS / ONE))
    for name in ("app", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    outside = importlib.import_module("app")
    monkeypatch.setattr(outside.helper, "NAME", "patched")
    hub = FakeHub()
    runtime = InlineRuntime(hub, shared=True)
    for folder in (ONE, TWO):
        runtime.start(start_of(folder, "app.counts", invocation_id=folder, environment_id=folder))
        hub.run()
    monkeypatch.setattr(outside, "counts", lambda event, context: "replaced")
    runtime.start(start_of(ONE, "app.counts", invocation_id="again", environment_id=ONE, cold=False))
    hub.run()
    assert _answers(hub) == {ONE: [1, "patched"], TWO: [101, "two"], "again": "replaced"}
    assert outside.COUNT == 1
    logging.root.setLevel(logging.WARNING)
    for name in ("app", "helper"):
        del sys.modules[name]


def test_switches_swap_the_world(tmp_path: Path) -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    before = _world()
    event = json.dumps({"folder": str(tmp_path)})
    for folder in (ONE, TWO):
        runtime.start(
            start_of(folder, "app.shows", invocation_id=folder, environment_id=folder, event=event, timeout_ms=60_000)
        )
        assert _world() == before
    hub.run()
    assert _world() == before
    assert _answers(hub) == {
        TWO: [None, str(HANDLERS / TWO), str(HANDLERS / TWO)],
        ONE: ["one", str(tmp_path), "/one", "orders"],
    }
    ends: dict[str, Ended] = {name: ended for _, name, ended in hub.ends}
    assert ends[ONE].logs == (
        (START_MS + 10_000, "begin end\n"),
        (START_MS + 10_000, "error\n"),
        (START_MS + 10_000, "bytes\n"),
        (START_MS + 10_000, "[INFO]\t2026-01-15T12:00:10.000Z\treq-1\tinformed\n"),
        (START_MS + 10_000, "no newline"),
    )
    assert ends[TWO].logs == (
        (START_MS, "two begins\n"),
        (START_MS, "[WARNING]\t2026-01-15T12:00:00.000Z\treq-1\twarned\n"),
    )


def test_real_credentials_are_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real-secret")
    monkeypatch.setenv("AWS_PROFILE", "real-profile")
    monkeypatch.setenv("OF_THE_MACHINE", "x")
    hub = FakeHub()
    InlineRuntime(hub).start(start_of(ONE, "app.environment", invocation_id="i"))
    hub.run()
    fake = "simtriggers/not/a/real/secret/key0000000"
    assert _answers(hub)["i"] == {
        "secret": fake,
        "profile": None,
        "other": None,
        "credentials": False,
        "child": [fake, "orders"],
        "shell": fake,
        "system": 0,
        "task": True,
    }
    with os.popen("echo $AWS_SECRET_ACCESS_KEY") as pipe:
        assert pipe.read() == "real-secret\n"


def test_boto3_fails_at_once_and_says_so() -> None:
    hub = FakeHub()
    InlineRuntime(hub).start(start_of(ONE, "app.calls_aws"))
    hub.run()
    [(_, _, ended)] = hub.ends
    error = json.loads(ended.payload_text or "")
    assert (error["errorType"], hub.requests) == ("NotConnected", [])
    assert "boto3 calls from handlers are not connected yet (PUT http" in error["errorMessage"]
    assert "nothing left the machine" in error["errorMessage"]


# --- calls --------------------------------------------------------------------------------------


def _asking(tmp_path: Path) -> Path:
    (tmp_path / "asking.py").write_text(
        "import time\n"
        "from simtriggers.runtimes.inline import current\n"
        "def handler(event, context):\n"
        "    before = time.time()\n"
        "    reply = current().ask('arn:of:a:queue', {'send': 1})\n"
        "    return [reply, round(time.time() - before, 3)]\n"
    )
    return tmp_path


def test_a_call_is_answered_at_the_time_of_its_reply(tmp_path: Path) -> None:
    hub = FakeHub()
    InlineRuntime(hub).start(start_of(_asking(tmp_path), "asking.handler", invocation_id="i"))
    hub.run()
    assert hub.requests == [(START_MS, "arn:of:a:queue", {"send": 1}, 7)]
    assert _answers(hub) == {"i": [[{"send": 1}], 0.04]}
    assert hub.at_ms == START_MS + 41
    assert current() is None


def test_a_call_that_is_never_answered_ends_at_the_timeout(tmp_path: Path) -> None:
    hub = FakeHub()
    hub.answer_ms = None
    runtime = InlineRuntime(hub)
    runtime.start(start_of(_asking(tmp_path), "asking.handler"))
    assert runtime.busy() == ["work req-1"]
    hub.run()
    assert [(at_ms - START_MS, ended.status) for at_ms, _, ended in hub.ends] == [(3000, "timeout")]


def test_abandoned_handlers_report_nothing() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start_of("clocks", "app.cleans_up"))
    runtime.start(start_of("clocks", "app.survives_everything", environment_id="env-2"))
    runtime.abandon()
    hub.run()
    assert (hub.ends, runtime.busy()) == ([], [])


def test_a_forgotten_environment_is_not_kept() -> None:
    hub = FakeHub()
    runtime = InlineRuntime(hub)
    runtime.start(start_of(ONE, "app.counts"))
    runtime.forget("work")
    hub.run()
    assert [(ended.status, ended.keep) for _, _, ended in hub.ends] == [("ok", False)]
    assert texts(hub.ends[0][2]) == []

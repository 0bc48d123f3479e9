"""The real `simtriggers up` in a process of its own: what it does with files, code, signals and restarts."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.live.running import Up, project, simtriggers, up, wait_for

pytestmark = pytest.mark.live

YAML = """\
buckets:
  uploads: {folder: ./uploads}
queues:
  orders: {visibility_timeout: 30s}
  plain: {}
functions:
  parse:
    handler: app.parse
    timeout: 1m
    triggers: [{s3: uploads, events: ["s3:ObjectCreated:*"]}]
  ship:
    handler: app.ship
    timeout: 30s
    triggers: [{sqs: orders}]
"""
APP = """\
import json, os, time

def parse(event, context):
    for record in event["Records"]:
        print("parsed", record["s3"]["object"]["key"], record["s3"]["object"]["size"])

def ship(event, context):
    for record in event["Records"]:
        print("shipped", record["body"])
"""


def demo(folder: Path, yaml: str = YAML, app: str = APP) -> Path:
    """A project with its watched folder."""
    project(folder, yaml, app=app)
    (folder / "uploads").mkdir(exist_ok=True)
    return folder


# --- the first success ----------------------------------------------------------------------------


def test_a_dropped_file_runs_its_handler_once(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        assert (tmp_path / ".simtriggers" / ".gitignore").read_text() == "*\n"
        (tmp_path / "uploads" / "a.csv").write_text("12345")
        sim.saw("parse | parsed a.csv 5")
        sim.saw("InvocationSucceeded")
        sim.send("orders", "one")
        sim.saw("ship | shipped one")
        sim.noted("MessageDeleted")
        assert sim.stop() == 0
        screen = sim.screen()
        for text in ("parsed a.csv 5", " ObjectCreated ", "shipped one", "MessageSent", "MessageDeleted", "stopping"):
            assert screen.count(text) == 1, (text, screen)
        assert sim.err == []
        assert not (tmp_path / ".simtriggers" / "state.db-wal").exists()
    why = simtriggers("why", "a.csv", folder=tmp_path)
    assert (why.returncode, why.stderr) == (0, "")
    assert "ObjectCreated" in why.stdout and "InvocationSucceeded" in why.stdout


def test_at_first_the_screen_lists_what_is_declared(tmp_path: Path) -> None:
    yaml = """
buckets: {inside: {}, uploads: {folder: in}}
queues: {orders: {}}
topics: {news: {subscriptions: [{queue: orders}]}}
event_buses: {mine: {}}
functions: {parse: {handler: app.parse, triggers: [{event_bridge_rule: {source: [x]}}, {sns: news}, {sqs: orders}]}}
"""
    (tmp_path / "in").mkdir()
    with up(project(tmp_path, yaml, app=APP)) as sim:
        assert "".join(sim.out).splitlines()[:-1] == [
            "bucket     inside  in the state file",
            "bucket     uploads  folder in",
            "queue      orders",
            "topic      news",
            "function   parse",
            "event bus  mine",
        ]


def test_trace_and_why_while_it_is_up(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        message = sim.send("plain", "one")
        why = simtriggers("why", message, folder=tmp_path)
        assert (why.returncode, "MessageSent" in why.stdout) == (0, True), why
        trace = simtriggers("trace", "--json", "--kind", "MessageSent", folder=tmp_path)
        assert [json.loads(line)["subject"] for line in trace.stdout.splitlines()] == [message]


def test_what_a_handler_sees(tmp_path: Path) -> None:
    app = APP + (
        "\ndef look(event, context):\n"
        "    import sys\n"
        "    return {**{name: value for name, value in os.environ.items()}, 'cwd': os.getcwd()}\n"
    )
    yaml = YAML + "  look: {handler: app.look, environment: {MINE: own}}\n"
    mine = {"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "mysecret", "AWS_SESSION_TOKEN": "mytoken"}
    with up(demo(tmp_path, yaml, app), **mine, AWS_PROFILE="prod", MY_SECRET="of the shell") as sim:
        seen = sim.step(invoke={"function": "look", "invocation_type": "RequestResponse"})["payload"]
    assert seen["MINE"] == "own"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "look"
    assert not {"AWS_PROFILE", "MY_SECRET", "SIMTRIGGERS_CRASH_AT"} & seen.keys()
    assert mine.keys() <= seen.keys()
    assert not set(mine.values()) & set(seen.values())
    assert seen["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1")


def test_a_screen_that_cannot_show_every_letter(tmp_path: Path) -> None:
    with up(demo(tmp_path), PYTHONIOENCODING="ascii") as sim:
        (tmp_path / "uploads" / "ä 日本.csv").write_text("x")
        sim.saw("InvocationSucceeded")
        assert sim.stop() == 0, sim.screen()


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    demo(tmp_path).joinpath("uploads").rmdir()
    with up(tmp_path) as sim:
        sim.saw("was not there and has been made; drop files into it")
        (tmp_path / "uploads" / "a.csv").write_text("x")
        sim.saw("parsed a.csv 1")


def test_an_import_error_in_the_handler_is_shown_with_a_fix_and_taken_over_when_mended(tmp_path: Path) -> None:
    with up(demo(tmp_path, app="import no_such_module\n" + APP)) as sim:
        (tmp_path / "uploads" / "a.csv").write_text("x")
        line = sim.saw("Unable to import module 'app': No module named 'no_such_module'")
        assert "Runtime.ImportModuleError" in line or sim.saw("Runtime.ImportModuleError")
        sim.saw("fix: install what is missing")
        (tmp_path / "app.py").write_text(APP)
        sim.saw("reloaded: app.py changed")
        sim.step(advance="1m")
        sim.saw("parsed a.csv 1")


# --- its end --------------------------------------------------------------------------------------

SLOW = (
    APP
    + """
def slow(event, context):
    print("slow begins")
    while not os.path.exists("go.txt"):
        time.sleep(0.01)
    open("slow.txt", "a").write("done ")
    print("slow ends")
"""
)
WITH_SLOW = YAML + "  slow: {handler: app.slow, timeout: 10m}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_running_handlers_finish_before_it_ends(tmp_path: Path, number: int) -> None:
    with up(demo(tmp_path, WITH_SLOW, SLOW)) as sim:
        sim.step(invoke={"function": "slow"})
        sim.saw("slow begins")
        assert sim.health()["running"][0].startswith("slow ")
        sim.process.send_signal(number)
        sim.saw("stopping; waiting for slow")
        (tmp_path / "go.txt").touch()
        assert sim.wait() == 0
        sim.saw("slow ends")
        assert (tmp_path / "slow.txt").read_text() == "done "
        assert len(sim.trace("InvocationSucceeded")) == 1
        assert sim.rows("SELECT * FROM lambda_invocations") == []


def test_a_second_signal_ends_running_handlers(tmp_path: Path) -> None:
    with up(demo(tmp_path, WITH_SLOW, SLOW)) as sim:
        sim.step(invoke={"function": "slow"})
        sim.saw("slow begins")
        sim.process.send_signal(signal.SIGINT)
        sim.saw("Ctrl-C again ends them")
        assert sim.stop() == 130
        assert "Traceback" not in sim.screen()
    with up(tmp_path) as sim:
        sim.noted("InvocationInterrupted")
        sim.noted("InvocationStarted", 2)


def test_it_ends_whoever_still_waits(tmp_path: Path) -> None:
    with up(demo(tmp_path, WITH_SLOW, SLOW)) as sim:
        with socket.create_connection(("127.0.0.1", sim.port)) as endless:
            endless.sendall(b"POST /_simtriggers/steps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            sim.health()
            assert sim.stop() == 0
        assert "Traceback" not in sim.screen()


# --- reload ---------------------------------------------------------------------------------------


def test_changed_code_and_a_changed_project_are_taken_over(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        sim.send("orders", "one")
        sim.saw("shipped one")
        (tmp_path / "app.py").write_text(APP.replace('"shipped"', '"sent off"'))
        sim.saw("reloaded: app.py changed")
        sim.send("orders", "two")
        sim.saw("sent off two")
        good = YAML.replace("  plain: {}\n", "  plain: {}\n  more: {}\n")
        (tmp_path / "simtriggers.yaml").write_text(good.replace("sqs: orders", "sqs: oders"))
        sim.saw("not reloaded, what ran before goes on")
        sim.saw("did you mean 'orders'")
        assert sim.refused(send_message={"queue": "more", "body": "x"})
        sim.send("orders", "three")
        sim.saw("sent off three")
        (tmp_path / "simtriggers.yaml").write_text(good)
        sim.saw("reloaded: simtriggers.yaml changed")
        assert sim.health()["queues"] == ["orders", "plain", "more"]
        sim.send("more", "four")


def test_code_that_is_no_python_is_not_taken_over(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        sim.send("orders", "one")
        sim.saw("shipped one")
        before = children(sim)
        (tmp_path / "app.py").write_text(APP.replace('"shipped"', '"sent off",,'))
        sim.saw("not reloaded, what ran before goes on")
        sim.saw("app.py:9:")
        sim.saw("fix: mend the line")
        sim.send("orders", "two")
        sim.saw("shipped two")
        assert children(sim) == before
        (tmp_path / "app.py").write_text(APP.replace('"shipped"', '"sent off"'))
        sim.saw("reloaded: app.py changed")
        sim.send("orders", "three")
        sim.saw("sent off three")
        assert not [line for line in sim.out + sim.err if "UserCodeSyntaxError" in line]


def test_a_removed_trigger_loses_its_wiring_and_the_queue_keeps_its_messages(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        (tmp_path / "simtriggers.yaml").write_text(YAML.replace("    triggers: [{sqs: orders}]\n", ""))
        sim.saw("reloaded: simtriggers.yaml changed")
        kept = sim.send("orders", "kept")
        (tmp_path / "simtriggers.yaml").write_text(
            YAML.replace("  orders: {visibility_timeout: 30s}\n", "").replace("    triggers: [{sqs: orders}]\n", "")
        )
        sim.saw("reloaded: simtriggers.yaml changed", 2)
        assert sim.rows("SELECT message_id FROM sqs_messages ORDER BY seq") == [(kept,)]
        assert sim.refused(send_message={"queue": "orders", "body": "x"})
        (tmp_path / "simtriggers.yaml").write_text(YAML)
        sim.saw("reloaded: simtriggers.yaml changed", 3)
        sim.step(advance="30s")
        sim.saw("shipped kept")


def test_no_change_is_missed_whenever_it_comes(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        for number in range(15):
            (tmp_path / "simtriggers.yaml").write_text(YAML.replace("plain", f"plain-{number}"))
            wanted = ["orders", f"plain-{number}"]
            wait_for(lambda wanted=wanted: sim.health()["queues"] == wanted, str(wanted), seen=sim.screen)
            time.sleep(0.004 * (number % 8))


def test_code_that_the_project_did_not_name_before_is_followed(tmp_path: Path) -> None:
    with up(demo(tmp_path / "here")) as sim:
        elsewhere = project(tmp_path / "elsewhere", "", other="def run(event, context):\n    return 1\n")
        (elsewhere / "simtriggers.yaml").unlink()
        yaml = YAML + "  other: {handler: other.run, code_uri: ../elsewhere}\n"
        (sim.folder / "simtriggers.yaml").write_text(yaml)
        sim.saw("reloaded: simtriggers.yaml changed")
        assert sim.step(invoke={"function": "other", "invocation_type": "RequestResponse"})["payload"] == 1
        (elsewhere / "other.py").write_text("def run(event, context):\n    return 22\n")
        sim.saw("reloaded: other.py changed")
        assert sim.step(invoke={"function": "other", "invocation_type": "RequestResponse"})["payload"] == 22


def test_reloads_leave_no_processes_behind(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        for number in range(1, 4):
            sim.send("orders", f"number {number}")
            sim.saw(f"shipped number {number}")
            (tmp_path / "app.py").write_text(APP + "\n" * number)
            sim.saw("reloaded", number)
        sim.send("orders", "last")
        sim.saw("shipped last")
        wait_for(lambda: len(children(sim)) <= 1, "one process", seen=lambda: str(children(sim)))


def children(sim: Up) -> list[int]:
    """The processes that it has started and that still run."""
    listed = Path(f"/proc/{sim.process.pid}/task").glob("*/children")
    return [int(pid) for path in listed for pid in path.read_text().split()]


def test_a_source_file_dropped_into_a_bucket_is_an_object_and_no_code(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        (tmp_path / "uploads" / "data.yaml").write_text("x: 1")
        sim.saw("parsed data.yaml 4")
        (tmp_path / "app.py").write_text(APP + "\n")
        sim.saw("reloaded")
        assert sim.saw("reloaded").startswith("reloaded: app.py changed")


# --- restarts -------------------------------------------------------------------------------------


def test_a_restart_keeps_messages_and_finds_what_changed_meanwhile(tmp_path: Path) -> None:
    folder = demo(tmp_path) / "uploads"
    (folder / "before.csv").write_text("there from the first")
    with up(tmp_path) as sim:
        for name in ("stays.csv", "changes.csv", "goes.csv"):
            (folder / name).write_text("x")
            sim.saw(f"parsed {name} 1")
        kept = sim.send("plain", "kept")
        assert not sim.rows("SELECT id FROM trace WHERE subject = 'before.csv'")
        assert sim.stop() == 0
    (folder / "changes.csv").write_text("longer")
    (folder / "goes.csv").unlink()
    (folder / "comes.csv").write_text("new")
    with up(tmp_path) as sim:
        sim.saw("parsed changes.csv 6")
        sim.saw("parsed comes.csv 3")
        sim.noted("ObjectRemoved")
        assert sim.rows("SELECT message_id FROM sqs_messages ORDER BY seq") == [(kept,)]
        found = sim.rows(
            "SELECT kind, subject FROM trace WHERE kind LIKE 'Object%' AND id >"
            " (SELECT max(id) FROM trace WHERE kind = 'Started') ORDER BY subject"
        )
        assert found == [
            ("ObjectCreated", "changes.csv"),
            ("ObjectCreated", "comes.csv"),
            ("ObjectRemoved", "goes.csv"),
        ]
        starts = [details["incarnation"] for _, _, details in sim.trace("Started")]
        assert starts == [1, 2]
        assert sim.stop() == 0


def test_a_trigger_that_is_gone_at_the_next_start(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        assert sim.stop() == 0
    (tmp_path / "simtriggers.yaml").write_text(YAML.replace("    triggers: [{sqs: orders}]\n", ""))
    with up(tmp_path) as sim:
        sim.send("orders", "stays")
        sim.step(invoke={"function": "parse", "event": {"Records": []}, "invocation_type": "RequestResponse"})
        assert sim.trace("BatchStarted") == []
        assert sim.rows("SELECT count(*) FROM sqs_messages") == [(1,)]


def test_what_the_project_no_longer_declares_stays_until_it_is_pruned(tmp_path: Path) -> None:
    topics = "topics: {news: {subscriptions: [{queue: plain}]}}\n"
    with up(demo(tmp_path, YAML + topics)) as sim:
        kept = sim.send("plain", "kept")
        assert sim.stop() == 0
    wired = "SELECT arn, wired FROM resources WHERE kind != 'function' ORDER BY arn"
    (tmp_path / "simtriggers.yaml").write_text(YAML.replace("  plain: {}\n", ""))
    with up(tmp_path) as sim:
        assert sim.rows("SELECT message_id FROM sqs_messages ORDER BY seq") == [(kept,)]
        unwired = [arn for arn, is_wired in sim.rows(wired) if not is_wired]
        assert [arn.split(":")[5] for arn in unwired] == ["news", "plain"]
        assert sim.stop() == 0
    with up(tmp_path, "--prune") as sim:
        assert sim.rows("SELECT count(*) FROM sqs_messages") == [(0,)]
        assert [arn for arn, is_wired in sim.rows(wired) if not is_wired] == []
        assert sim.trace("QueueDeleted") and sim.trace("TopicDeleted")
        assert sim.stop() == 0


def test_speed_and_advance(tmp_path: Path) -> None:
    yaml = YAML + '  tick: {handler: app.tick, triggers: [{schedule: "rate(10 minutes)"}]}\n'
    with up(demo(tmp_path, yaml, APP + "\ndef tick(event, context):\n    pass\n"), "--speed", "600") as sim:
        assert sim.health()["speed"] == 600
        sim.noted("ScheduleFired", 2)
        shown = sim.step(advance="1h")["time"]
        sim.noted("ScheduleFired", 8)
        sim.kill()
    with up(tmp_path) as sim:
        assert sim.health()["time"] >= shown
        turns = [details["scheduled"] for _, _, details in sim.trace("ScheduleFired")]
        assert len({turn[15:19] for turn in turns}) == 1, turns


def test_sigterm_while_nothing_happens(tmp_path: Path) -> None:
    with up(demo(tmp_path)) as sim:
        assert sim.stop(signal.SIGTERM) == 0
        assert "".join(sim.out).endswith("stopping\n")

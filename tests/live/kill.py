"""The kill test: `simtriggers up` is killed with SIGKILL again and again while files and messages arrive.

Run as `python -m tests.live.kill --rounds 20 --seed N`; the suite runs a shorter form. Each round ends at a
random moment; three more end at each named point. At the end one run is left to come to rest, and then:
every acknowledged message and every complete file reached its handler, nothing is stuck, no deleted message
came back, retries came no earlier than they were due and kept their due times, the schedule its phase.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live.running import Up, project, query, wait_for
from tests.patience import PATIENCE_S

SPEED = 20
"""How fast simulated time passes, so that visibility timeouts and retries are over soon."""

MAX_RECEIVE_COUNT = 2
"""Of the queue with poison messages, as the project below has it."""

YAML = """\
buckets:
  uploads: {folder: ./uploads}
queues:
  orders: {visibility_timeout: 6s, redrive_policy: {dead_letter_target: orders-dlq, max_receive_count: 1000}}
  poisoned: {visibility_timeout: 6s, redrive_policy: {dead_letter_target: orders-dlq, max_receive_count: 2}}
  orders-dlq: {}
  failed-files: {}
functions:
  parse:
    handler: handlers.parse
    reserved_concurrent_executions: 4
    event_invoke_config: {maximum_retry_attempts: 2, on_failure: {queue: failed-files}}
    triggers: [{s3: uploads, events: ["s3:ObjectCreated:*"]}]
  ship:
    handler: handlers.ship
    timeout: 5s
    triggers: [{sqs: orders, batch_size: 10, function_response_types: [ReportBatchItemFailures]}, {sqs: poisoned}]
  tick:
    handler: handlers.tick
    triggers: [{schedule: rate(1 minute)}]
"""

HANDLERS = """\
import json
import os
import time
from urllib.parse import unquote_plus


def done(*words):
    line = json.dumps(words) + "\\n"
    descriptor = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def parse(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        done("file", key, record["s3"]["object"]["size"])
        if key.startswith("bad"):
            raise ValueError(key)
    time.sleep(0.01)


def ship(event, context):
    time.sleep(0.01)
    failures = []
    for record in event["Records"]:
        done("message", record["body"], record["messageId"])
        if record["body"].startswith("poison"):
            failures.append({"itemIdentifier": record["messageId"]})
    if failures and len(failures) == len(event["Records"]):
        raise ValueError("poison")
    return {"batchItemFailures": failures}


def tick(event, context):
    done("tick", event["time"])
"""

LATE_MS = 600_000
"""How late a retry may come on a busy machine: half a minute of real time."""

EARLY = 30
"""How many files arrive while it starts, at most: a slow machine must not have more and more to catch up with."""

POINTS = ("after_commit", "before_invoke", "after_invoke")


@dataclass
class World:
    """The project under fire and what was asked of it. `sent` are acknowledged messages, by body;
    `files` complete files with their sizes."""

    folder: Path
    chance: random.Random
    sent: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    killed: collections.Counter[str] = field(default_factory=collections.Counter)
    number: int = 0

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / ".simtriggers" / "state.db"

    def start(self, crash_at: str = "") -> Up:
        """Start the simulator, to be killed at a point if one is named."""
        self.rounds += 1
        variables = {"SIMTRIGGERS_CRASH_AT": crash_at} if crash_at else {}
        return Up(self.folder, "--speed", str(SPEED), "--no-reload", variables=variables)


# --- what arrives -----------------------------------------------------------------------------------


def feed(world: World, running: Up) -> None:
    """Files and messages until the simulator is gone. Only what was acknowledged counts."""
    early = 0
    while running.process.poll() is None:
        if not running.port:
            early += 1
            if early > EARLY:
                time.sleep(0.02)
                continue
        world.number += 1
        name = f"{world.number:05d}"
        bad = world.chance.random() < 0.04
        if world.chance.random() < 0.3 or not running.port:
            drop(world, f"bad-{name}.txt" if bad else f"file-{name}.txt")
        else:
            send(world, running, "poisoned" if bad else "orders", f"poison {name}" if bad else f"order {name}")
        time.sleep(world.chance.uniform(0, 0.04 if running.port else 0.2))


def drop(world: World, name: str) -> None:
    """A file, complete by the time it has its name: written in place, or moved in."""
    body = "x" * world.chance.randrange(1, 2000)
    if world.chance.random() < 0.5:
        (world.folder / "uploads" / name).write_text(body)
    else:
        elsewhere = world.folder / "elsewhere.part"
        elsewhere.write_text(body)
        elsewhere.rename(world.folder / "uploads" / name)
    world.files[name] = len(body)


def send(world: World, running: Up, queue: str, body: str) -> None:
    """A message; without an answer nobody knows whether it was taken, so it may or may not arrive."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        status, answer = running.post({"send_message": {"queue": queue, "body": body}}, seconds=PATIENCE_S)
        if status == 200:
            world.sent[body] = answer["result"]["message_id"]


def round_(world: World, crash_at: str = "") -> None:
    """One run that ends with SIGKILL: at a named point, or at a random moment, also while it starts."""
    running = world.start(crash_at)
    try:
        feeder = threading.Thread(target=feed, args=(world, running))
        feeder.start()
        if crash_at:
            code = running.wait()
            assert code == -9, f"it ended with {code} instead of being killed {crash_at}:\n{running.screen()}"
        else:
            if world.chance.random() < 0.8:
                running.ready()
            time.sleep(world.chance.uniform(0, 1.2))
        world.killed[crash_at.partition(":")[0] or ("while up" if running.port else "while starting")] += 1
    finally:
        running.kill()
        feeder.join(PATIENCE_S)


def come_to_rest(world: World) -> None:
    """One more run that is left alone, moved on by `advance`, and stopped."""
    running = world.start()
    try:
        running.ready()
        wait_for(lambda: reported(world), "every file is known", seen=running.screen)
        # Events that were throttled together wait for up to five minutes, again and again.
        for _ in range(180):
            running.step(advance="1m")
            if not stuck(world.state):
                break
        running.step(advance="2m")
        code = running.stop()
        assert code == 0, running.screen()
    finally:
        running.kill()


def reported(world: World) -> bool:
    """Whether every dropped file is an object."""
    known = {key for (key,) in query(world.state, "SELECT key FROM s3_objects ORDER BY key")}
    return world.files.keys() <= known


# --- what must hold ---------------------------------------------------------------------------------


@dataclass
class Result:
    """What came of it. All but `twice` must be empty."""

    world: World
    handled: collections.Counter[tuple[str, str]]
    lost: list[str]
    stuck: list[str]
    returned: list[str]
    timers: list[str]

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.stuck or self.returned or self.timers)

    def summary(self) -> str:
        """What the script prints."""
        world = self.world
        # What fails is meant to come more than once.
        twice = sum(count > 1 for (_, name), count in self.handled.items() if not name.startswith(("bad", "poison")))
        ended = ", ".join(f"{count} {point}" for point, count in sorted(world.killed.items()))
        ticks = sum(kind == "tick" for kind, _ in self.handled)
        problems = [*self.lost, *self.stuck, *self.returned, *self.timers]
        return "\n".join(
            [
                f"runs killed: {sum(world.killed.values())} ({ended})",
                f"files: {len(world.files)}, messages acknowledged: {len(world.sent)}, schedule turns: {ticks}",
                f"handled twice: {twice}, lost: {len(self.lost)}, stuck: {len(self.stuck)},"
                f" came back: {len(self.returned)}, timers wrong: {len(self.timers)}",
                *(f"  {problem}" for problem in problems[:50]),
            ]
        )


def ledger(world: World) -> collections.Counter[tuple[str, str]]:
    """How often handlers ran for each file, message and turn."""
    lines = (world.folder / "ledger.jsonl").read_text().splitlines()
    return collections.Counter((kind, str(name)) for kind, name, *_ in map(json.loads, lines))


def stuck(state: Path) -> list[str]:
    """What is under way in a world that should be at rest: all but recurring turns and upkeep."""
    found = [
        f"invocation {request_id} of {arn} is {invocation_state}"
        for request_id, arn, invocation_state in query(
            state, "SELECT request_id, function_arn, state FROM lambda_invocations ORDER BY request_id"
        )
    ]
    for table in ("lambda_batches", "lambda_collected", "s3_writes", "failed_steps"):
        count = query(state, f"SELECT count(*) FROM {table}")[0][0]
        if count:
            found.append(f"{count} rows in {table}")
    for queue, count in query(
        state, "SELECT queue, count(*) FROM sqs_messages GROUP BY queue HAVING queue NOT LIKE '%:orders-dlq'"
    ):
        if not queue.endswith(":failed-files"):
            found.append(f"{count} messages in {queue}")
    for arn, command, at_ms in query(
        state,
        "SELECT arn, command, at_ms FROM agenda WHERE background = 0 AND park_key IS NULL ORDER BY seq",
    ):
        found.append(f"still to come at {at_ms}: {command} of {arn}")
    return found


def lost(world: World, handled: collections.Counter[tuple[str, str]]) -> list[str]:
    """What was acknowledged or complete and never reached its handler, or its dead-letter queue."""
    bodies = {
        (queue.rpartition(":")[2], body)
        for queue, body in query(
            world.state, "SELECT queue, body FROM sqs_messages JOIN payloads ON digest = payload ORDER BY seq"
        )
    }
    found = [
        f"message {body} ({message_id})"
        for body, message_id in world.sent.items()
        if not handled["message", body]
        and not (("orders-dlq", body) in bodies and always_interrupted(world.state, message_id))
    ]
    found += [f"file {name}" for name in world.files if not handled["file", name]]
    found += [
        f"{body} is not in the dead-letter queue"
        for body in world.sent
        if body.startswith("poison") and ("orders-dlq", body) not in bodies
    ]
    failed = " ".join(body for queue, body in bodies if queue == "failed-files")
    found += [
        f"{name} is not in the on-failure queue"
        for name in world.files
        if name.startswith("bad") and name not in failed
    ]
    return found


def always_interrupted(state: Path, message_id: str) -> bool:
    """Whether a message used up its two receives while each of its invocations was ended by a kill: AWS counts
    such receives too, so it was delivered twice and rightly lies in the dead-letter queue, unhandled."""
    batches = query(state, "SELECT id FROM trace WHERE kind = 'BatchStarted' AND details LIKE ?", f'%"{message_id}"%')
    ended = [
        query(
            state,
            "SELECT count(*) FROM trace ran JOIN trace gone ON gone.subject = ran.subject"
            " WHERE ran.kind = 'InvocationStarted' AND ran.cause = ? AND gone.kind = 'InvocationInterrupted'",
            batch,
        )[0][0]
        for (batch,) in batches
    ]
    return len(ended) == MAX_RECEIVE_COUNT and all(ended)


def returned(state: Path) -> list[str]:
    """Messages that were received after they had been deleted."""
    gone: set[str] = set()
    found = []
    for row, kind, subject in query(
        state,
        "SELECT id, kind, subject FROM trace WHERE kind IN ('MessageDeleted', 'MessageReceived') ORDER BY id",
    ):
        if kind == "MessageDeleted":
            gone.add(subject)
        elif subject in gone:
            found.append(f"message {subject} was received at row {row}, after it had been deleted")
    return found


def timers(state: Path) -> list[str]:
    """Retries before they were due, or late though something ran; turns of the schedule out of phase."""
    found = []
    due: dict[str, int] = {}
    clock = up_since = 0
    turns: collections.Counter[str] = collections.Counter()
    missed: list[str] = []
    for at_ms, kind, subject, details in query(state, "SELECT at_ms, kind, subject, details FROM trace ORDER BY id"):
        facts: dict[str, Any] = json.loads(details)
        if at_ms < clock:
            found.append(f"time went back from {clock} to {at_ms} at {kind}")
        clock = max(clock, at_ms)
        if kind == "Started":
            up_since = at_ms
        elif kind == "RetryScheduled":
            if subject in due:
                found.append(f"the retry of {subject} was set anew, from {due[subject]} to {facts['due_ms']}")
            due[subject] = facts["due_ms"]
        elif kind == "InvocationStarted" and subject in due:
            late_ms = at_ms - max(due[subject], up_since)
            if at_ms < due[subject] or late_ms > LATE_MS:
                found.append(f"the retry of {subject} was due at {due[subject]} and came at {at_ms}")
            del due[subject]
        elif kind == "InvocationThrottled":
            due.pop(subject, None)
        elif kind == "ScheduleFired":
            turns[facts["scheduled"]] += 1
        elif kind == "ScheduleMissed":
            missed.append(facts["first"])
    found += [f"the turn of {text} was taken {count} times" for text, count in turns.items() if count > 1]
    if len({text[17:19] for text in [*turns, *missed]}) != 1:
        found.append(f"the schedule lost its phase: {sorted([*turns, *missed])}")
    return found


def kill_test(folder: Path, *, rounds: int, seed: int, points: int) -> Result:
    """Kill `rounds` runs at random moments, and `points` at each named point; then look."""
    world = World(project(folder, YAML, handlers=HANDLERS), random.Random(seed))
    (folder / "uploads").mkdir()
    (folder / ".env").write_text(f"LEDGER={folder / 'ledger.jsonl'}\n")
    # The first run indexes what is there; it must have seen the empty folder to call later files new.
    first = world.start()
    try:
        first.ready()
    finally:
        first.kill()
    plan = ["" for _ in range(rounds)]
    plan += [f"{point}:{world.chance.randrange(1, 25)}" for point in POINTS for _ in range(points)]
    world.chance.shuffle(plan)
    for crash_at in plan:
        round_(world, crash_at)
    come_to_rest(world)
    handled = ledger(world)
    return Result(world, handled, lost(world, handled), stuck(world.state), returned(world.state), timers(world.state))


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="runs killed at a random moment")
    parser.add_argument("--points", type=int, default=4, help="runs killed at each named point")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2), "big"))
    parser.add_argument("--keep", type=Path, help="leave project and state in this new folder")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "project"
        result = kill_test(folder.resolve(), rounds=options.rounds, seed=options.seed, points=options.points)
        print(result.summary())
    return 0 if result.fine else 1


if __name__ == "__main__":
    sys.exit(main())

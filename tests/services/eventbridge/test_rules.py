"""Rules with a schedule: what each decision holds, and a year of turns in a small world of their own."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from ruamel.yaml import YAML

from simtriggers.aws.arn import Names
from simtriggers.aws.contracts import PutResource, RemoveResource
from simtriggers.engine.overdue import Lateness
from simtriggers.kernel import resources
from simtriggers.kernel.agenda import ORDINARY, Agenda, Entry
from simtriggers.kernel.clock import parse_iso
from simtriggers.kernel.codec import Overdue, decode, encode, overdue_of
from simtriggers.kernel.effects import CancelTimer, Decision, Deliver, Note, Refused, Timer, payload
from simtriggers.kernel.ids import Ids
from simtriggers.kernel.service import Description, Resource
from simtriggers.services.eventbridge.commands import ScheduleFires
from simtriggers.services.eventbridge.config import ScheduleTrigger, rule_resource
from simtriggers.services.eventbridge.records import scheduled_event
from simtriggers.services.eventbridge.service import SERVICE

CASES = Path(__file__).parents[3] / "fixtures" / "cases" / "eventbridge"
NAMES = Names()
RULE = NAMES.rule("nightly")
FUNCTION = NAMES.function("nightly")
LETTERS = NAMES.queue("letters")
START = parse_iso("2026-01-15T12:34:56Z")
MINUTE = 60_000


class World:
    """The service alone: rows are kept in a dict, effects and notes in lists, turns in a real agenda."""

    def __init__(self) -> None:
        self.now_ms = START
        self.ids = Ids(1)
        self.agenda = Agenda()
        self.rows: dict[str, Resource] = {}
        self.notes: list[Note] = []
        self.sent: list[tuple[int, Deliver]] = []
        self.payloads: dict[str, str] = {}

    def resource(self, arn: str) -> Resource | None:
        return self.rows.get(arn)

    def tell(self, command: Any, *, arn: str = RULE, cause: int = 1) -> Decision:
        return self._step(Entry(self.now_ms, ORDINARY, arn, command, cause))

    def run_until(self, until_ms: int) -> None:
        while (entry := self.agenda.peek()) is not None and entry.at_ms <= until_ms:
            self.now_ms = entry.at_ms
            self._step(self.agenda.pop())
        self.now_ms = until_ms

    def sleep(self, until_ms: int) -> None:
        """The process is down: time passes, and what was due is taken afterwards."""
        self.now_ms = until_ms
        late = Lateness()
        while (entry := self.agenda.peek()) is not None and entry.at_ms <= until_ms:
            seq = entry.seq
            self.agenda.pop()
            assert late.admits(entry, now_ms=until_ms, next_seq=self.agenda.next_seq, seq=seq)
            self._step(entry)

    def turn(self) -> Entry | None:
        return self.agenda.peek()

    def kinds(self) -> list[str]:
        return [note.kind for note in self.notes]

    def _step(self, entry: Entry | None) -> Decision:
        assert entry is not None
        rule = SERVICE.rules[type(entry.command)]
        decide = rule.missed if entry.missed else rule.decide
        assert decide is not None
        decision = decide(rule.view(self, entry), entry, now_ms=self.now_ms, ids=self.ids)  # type: ignore[arg-type]
        for write in decision.writes:
            self._write(write.statement, write.rows)
        self.payloads |= {item.digest: item.body for item in decision.payloads}
        for effect in decision.effects:
            if isinstance(effect, Timer):
                command = decode(encode(effect.command))
                turn = Entry(effect.at_ms, ORDINARY, entry.arn, command, effect.cause, timer_key=effect.key)
                self.agenda.set_timer(turn)
            elif isinstance(effect, CancelTimer):
                self.agenda.cancel_timer(entry.arn, effect.key)
            else:
                assert isinstance(effect, Deliver)
                self.sent.append((self.now_ms, effect))
        self.notes += decision.notes
        return decision

    def _write(self, statement: object, row: Any) -> None:
        arn = row[-1] if len(row) == 1 else row[0]
        before = self.rows.pop(arn, None)
        if statement is resources.PUT:
            _, service, kind, name, config, _, created_ms, _ = row
            assert service == "events"
            parsed = SERVICE.parsers[kind](json.loads(config))
            revision = 1 if before is None else before.revision + 1
            self.rows[arn] = Resource(arn, kind, name, parsed, revision, created_ms)
        elif statement is resources.UNWIRE:
            assert before is not None
            self.rows[arn] = Resource(arn, before.kind, before.name, before.config, before.revision + 1, 0, False)


def put(schedule: str = "rate(5 minutes)", **keys: Any) -> PutResource:
    trigger = ScheduleTrigger.model_validate(
        {"name": "nightly", "schedule": schedule, "rate_starts": "at_once", "dead_letter_target": "letters", **keys}
    )
    return rule_resource(NAMES, "nightly", 1, trigger)[1]


def at(text: str) -> int:
    return parse_iso(f"2026-01-{text}Z")


# --- making, changing, removing -----------------------------------------------------------------


def test_a_rate_starts_after_one_interval() -> None:
    world = World()
    decision = world.tell(put(rate_starts="after_interval"))
    first_ms = START + 5 * MINUTE
    assert decision.effects == [Timer("schedule", first_ms, ScheduleFires(first_ms), 1, background=True)]
    world.run_until(START + 10 * MINUTE)
    assert [when for when, _ in world.sent] == [START + 5 * MINUTE, START + 10 * MINUTE]


def test_a_rate_starts_at_once() -> None:
    world = World()
    decision = world.tell(put())
    assert (decision.reply, decision.touched) == (1, [RULE])
    started = {"schedule": "rate(5 minutes)", "first": "2026-01-15T12:34:56Z"}
    assert decision.notes == [Note(1, "ScheduleStarted", RULE, "nightly", 1, started)]
    assert decision.effects == [Timer("schedule", START, ScheduleFires(START), 1, background=False)]
    world.run_until(START + 10 * MINUTE)
    assert [when for when, _ in world.sent] == [START, START + 5 * MINUTE, START + 10 * MINUTE]


def test_a_cron_starts_at_its_first_minute() -> None:
    decision = World().tell(put("cron(0 2 * * ? *)"))
    first_ms = at("16T02:00:00")
    assert decision.effects == [Timer("schedule", first_ms, ScheduleFires(first_ms), 1, background=True)]


def test_an_unchanged_rule_keeps_its_pending_turn() -> None:
    world = World()
    world.tell(put("rate(1 hour)"))
    world.run_until(START + 10 * MINUTE)
    decision = world.tell(put("rate(1 hour)"))
    assert decision == Decision(reply=1)
    turn = world.turn()
    assert turn is not None and turn.at_ms == START + 60 * MINUTE


def test_other_targets_do_not_shift_the_phase() -> None:
    world = World()
    world.tell(put("rate(1 hour)"))
    world.run_until(START + 10 * MINUTE)
    decision = world.tell(put("rate(1 hour)", input={"a": 1}))
    assert (decision.reply, decision.effects) == (2, [])
    assert world.kinds()[-1] == "RuleTargetsChanged"
    world.run_until(START + 60 * MINUTE)
    when, sent = world.sent[-1]
    assert (when, world.payloads[sent.payload]) == (START + 60 * MINUTE, '{"a":1}')


def test_another_schedule_starts_anew() -> None:
    world = World()
    world.tell(put("rate(1 hour)"))
    world.run_until(START + 10 * MINUTE)
    world.tell(put("rate(2 hours)"))
    turn = world.turn()
    assert turn is not None and turn.at_ms == START + 10 * MINUTE
    assert len(world.agenda) == 1


def test_disabling_and_enabling() -> None:
    world = World()
    world.tell(put("cron(0 * * * ? *)"))
    decision = world.tell(put("cron(0 * * * ? *)", enabled=False))
    assert decision.effects == [CancelTimer("schedule")]
    assert decision.notes[0].details == {"reason": "the rule is disabled"}
    assert world.turn() is None
    assert world.tell(put("cron(0 * * * ? *)", enabled=False)) == Decision(reply=2)
    world.tell(put("cron(0 * * * ? *)"))
    turn = world.turn()
    assert turn is not None and turn.at_ms == at("15T13:00:00")
    assert world.kinds() == ["ScheduleStarted", "ScheduleStopped", "ScheduleStarted"]


@pytest.mark.parametrize("wiring_only", [True, False])
def test_removing_and_declaring_again(wiring_only: bool) -> None:
    world = World()
    world.tell(put())
    decision = world.tell(RemoveResource(wiring_only))
    assert decision.effects == [CancelTimer("schedule")]
    assert (decision.touched, world.kinds()[-1]) == ([RULE], "ScheduleStopped")
    assert world.turn() is None
    assert (world.resource(RULE) is not None) == wiring_only
    world.now_ms += MINUTE
    world.tell(put())
    turn = world.turn()
    assert turn is not None and turn.at_ms == START + MINUTE


def test_removing_what_is_not_there() -> None:
    assert World().tell(RemoveResource()) == Decision()


def test_a_schedule_without_a_future() -> None:
    world = World()
    decision = world.tell(put("cron(0 0 1 1 ? 2022)"))
    assert (decision.reply, decision.effects) == (1, [CancelTimer("schedule")])
    assert decision.notes[0].details == {"schedule": "cron(0 0 1 1 ? 2022)", "last": None}
    assert world.kinds() == ["ScheduleEnded"]


REFUSED = YAML(typ="safe").load(CASES / "refused_rules.yaml")


@pytest.mark.parametrize("row", REFUSED, ids=[row["name"] for row in REFUSED])
def test_refused(row: dict[str, Any]) -> None:
    right = put()
    fields = {"kind": right.kind, "name": right.name, "config": copy.deepcopy(right.config)}
    for path, new in row["set"].items():
        *steps, last = path.split(".")
        place: Any = fields
        for step in steps:
            place = place[int(step) if step.isdigit() else step]
        place[last] = right.config["targets"] * new if path == "config.targets" else new
    world = World()
    assert world.tell(PutResource(**fields)) == Decision(reply=Refused(row["code"], row["message"]))
    assert world.tell(right).reply == 1


def test_describe() -> None:
    world = World()
    assert SERVICE.describe is not None
    assert SERVICE.describe(world, RULE) is None  # type: ignore[arg-type]
    world.tell(put())
    assert SERVICE.describe(world, RULE) == Description(RULE, "rule")  # type: ignore[arg-type]


# --- a turn -------------------------------------------------------------------------------------


def test_a_turn_sends_the_scheduled_event() -> None:
    world = World()
    world.tell(put("cron(0 2 * * ? *)", retry_policy={"maximum_retry_attempts": 3}))
    world.run_until(at("16T02:00:00"))
    event_id = world.notes[-1].subject
    expected = (
        f'{{"version":"0","id":"{event_id}","detail-type":"Scheduled Event","source":"aws.events",'
        '"account":"123456789012","time":"2026-01-16T02:00:00Z","region":"us-east-1",'
        f'"resources":["{RULE}"],"detail":{{}}}}'
    )
    [(when, sent)] = world.sent
    assert (when, world.payloads[sent.payload]) == (at("16T02:00:00"), expected)
    assert sent.context == (
        ("source", RULE),
        ("rule_arn", RULE),
        ("target_arn", FUNCTION),
        ("subject", event_id),
    )
    assert (sent.arn, sent.dead_letter, sent.cause) == (FUNCTION, LETTERS, 2)
    assert (sent.policy.name, sent.policy.maximum_retries) == ("eventbridge", 3)
    details = {"scheduled": "2026-01-16T02:00:00Z", "targets": 1, "payload": sent.payload}
    assert world.notes[-1] == Note(2, "ScheduleFired", RULE, event_id, 1, details)


def test_powertools_reads_the_event() -> None:
    text = scheduled_event(
        event_id="0f6b2b7c-6a51-4f3e-9f0e-5f6a2f0b9d10",
        account="123456789012",
        region="eu-west-1",
        time="2026-03-02T09:00:00Z",
        rule_arn=RULE,
    )
    found = EventBridgeModel.model_validate_json(text)
    assert (found.source, found.detail_type, found.detail) == ("aws.events", "Scheduled Event", {})
    assert (found.account, found.region, found.resources) == ("123456789012", "eu-west-1", [RULE])
    assert found.time.isoformat() == "2026-03-02T09:00:00+00:00"
    assert list(json.loads(text)) == [
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
    ]


def test_an_input_replaces_the_event() -> None:
    world = World()
    world.tell(put(input='{"a": 1}', dead_letter_target=None))
    decision = world.tell(ScheduleFires(START))
    assert decision.payloads == [payload('{"a": 1}')]
    assert "payload" not in decision.notes[0].details


def test_a_dead_letter_is_the_event_that_an_input_replaces() -> None:
    world = World()
    world.tell(put(input='{"a": 1}'))
    world.run_until(START)
    [(_, sent)] = world.sent
    letter = json.loads(world.payloads[dict(sent.context)["dead_letter_payload"]])
    assert (world.payloads[sent.payload], letter["detail-type"]) == ('{"a": 1}', "Scheduled Event")


def test_every_target_gets_the_same_event() -> None:
    world = World()
    command = put()
    [target] = command.config["targets"]
    others = [{**target, "id": "two", "arn": NAMES.queue("q")}, {**target, "id": "three", "input": "5"}]
    world.tell(PutResource(command.kind, command.name, {**command.config, "targets": [target, *others]}))
    world.run_until(START)
    bodies = [world.payloads[sent.payload] for _, sent in world.sent]
    assert [sent.arn for _, sent in world.sent] == [FUNCTION, NAMES.queue("q"), FUNCTION]
    assert bodies[0] == bodies[1] != bodies[2] == "5"
    assert {dict(sent.context)["subject"] for _, sent in world.sent} == {json.loads(bodies[0])["id"]}


def test_a_turn_of_a_stopped_rule_does_nothing() -> None:
    world = World()
    assert world.tell(ScheduleFires(START)) == Decision()
    world.tell(put(enabled=False))
    assert world.tell(ScheduleFires(START)) == Decision()


def test_the_last_turn_says_so() -> None:
    world = World()
    world.tell(put("cron(0 13,14 15 1 ? 2026)"))
    world.run_until(at("31T00:00:00"))
    assert world.kinds() == ["ScheduleStarted", "ScheduleFired", "ScheduleFired", "ScheduleEnded"]
    ended = {"schedule": "cron(0 13,14 15 1 ? 2026)", "last": "2026-01-15T14:00:00Z"}
    assert (world.notes[-1].cause, world.notes[-1].details) == (world.notes[-2].id, ended)
    assert world.turn() is None


# --- being late ---------------------------------------------------------------------------------


def test_turns_are_skipped_and_not_made_up_for() -> None:
    assert overdue_of(ScheduleFires) is Overdue.SKIP


def test_a_turn_within_its_minute_is_delivered() -> None:
    world = World()
    world.tell(put("cron(* * * * ? *)"))
    world.sleep(at("15T12:35:00") + 60_000)
    assert [json.loads(world.payloads[sent.payload])["time"] for _, sent in world.sent] == [
        "2026-01-15T12:35:00Z",
        "2026-01-15T12:36:00Z",
    ]


def test_missed_turns_of_a_rate_keep_its_phase() -> None:
    world = World()
    world.tell(put("rate(5 minutes)"))
    world.run_until(START)
    world.sleep(START + 62 * MINUTE)
    assert len(world.sent) == 1
    missed = {"count": 12, "first": "2026-01-15T12:39:56Z", "last": "2026-01-15T13:34:56Z"}
    assert (world.kinds()[-1], world.notes[-1].details) == ("ScheduleMissed", missed)
    turn = world.turn()
    assert turn is not None and turn.command == ScheduleFires(START + 65 * MINUTE)
    world.run_until(START + 65 * MINUTE)
    assert [when for when, _ in world.sent] == [START, START + 65 * MINUTE]


def test_missed_turns_of_a_cron() -> None:
    world = World()
    world.tell(put("cron(0/10 * * * ? *)"))
    world.sleep(at("15T13:20:30"))
    missed = {"count": 5, "first": "2026-01-15T12:40:00Z", "last": "2026-01-15T13:20:00Z"}
    assert (world.kinds()[-1], world.notes[-1].details) == ("ScheduleMissed", missed)
    turn = world.turn()
    assert turn is not None and turn.at_ms == at("15T13:30:00")


def test_a_schedule_that_ended_while_nothing_was_running() -> None:
    world = World()
    world.tell(put("cron(0 13,14 15 1 ? 2026)"))
    world.sleep(at("20T00:00:00"))
    assert world.kinds() == ["ScheduleStarted", "ScheduleMissed", "ScheduleEnded"]
    assert world.notes[-1].details["last"] == "2026-01-15T14:00:00Z"
    assert world.turn() is None


# --- long runs ----------------------------------------------------------------------------------


def test_a_year_of_nights() -> None:
    """Every night once, at its minute, each caused by the row that started the schedule."""
    world = World()
    world.tell(put("cron(0 2 * * ? *)"))
    world.run_until(START + 365 * 24 * 60 * MINUTE)
    times = [json.loads(world.payloads[sent.payload])["time"] for _, sent in world.sent]
    assert len(times) == len(set(times)) == 365
    assert (times[0], times[-1]) == ("2026-01-16T02:00:00Z", "2027-01-15T02:00:00Z")
    assert {note.cause for note in world.notes if note.kind == "ScheduleFired"} == {world.notes[0].id}
    assert len({note.subject for note in world.notes if note.kind == "ScheduleFired"}) == 365

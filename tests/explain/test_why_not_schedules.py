"""Why a schedule of EventBridge Scheduler did not reach its target."""

from __future__ import annotations

from tests.explain.test_why_not import ask, codes, simulation

SCHEDULES = """
queues: {jobs: {}, unused: {}}
schedules:
  night: {schedule_expression: "cron(0 2 * * ? *)", target: {queue: jobs}}
  quiet: {schedule_expression: "cron(0 2 * * ? *)", state: DISABLED, target: {queue: jobs}}
  past: {schedule_expression: "at(2020-01-01T00:00:00)", target: {queue: jobs}}
  over: {schedule_expression: "rate(1 hour)", end_date: "2026-01-15T11:00:00Z", target: {queue: jobs}}
  window:
    schedule_expression: "at(2026-01-15T13:00:00)"
    flexible_time_window: {maximum_window: 60m}
    target: {queue: jobs}
  call:
    schedule_expression: "at(2026-01-15T13:00:00)"
    target:
      arn: "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"
      input: {QueueUrl: "https://sqs.us-east-1.amazonaws.com/123456789012/jobs", MessageBody: x}
"""


def test_schedules() -> None:
    with simulation(SCHEDULES) as sim:
        assert codes(ask(sim, "jobs", "night")) == ["not_due"]
        assert "2026-01-16T02:00:00Z" in ask(sim, "jobs", "night").reasons[0].text
        assert codes(ask(sim, "jobs", "quiet")) == ["disabled"]
        assert codes(ask(sim, "jobs", "past")) == ["ended"]
        over = ask(sim, "jobs", "over").reasons[0]
        assert (over.code, over.text.partition(" no ")[2]) == (
            "ended",
            "later date before its end date, 2026-01-15T11:00:00Z",
        )
        assert codes(ask(sim, "unused", "night")) == ["no_target", "leads_to"]
        sim.advance("1h")
        assert [row.kind for row in ask(sim, "jobs", "call").triggered] == ["MessageSent"]
        opened = ask(sim, "jobs", "window")
        assert (codes(opened), "the turn of 2026-01-15T13:00:00Z has a flexible window" in opened.reasons[0].text) == (
            ["in_window"],
            True,
        )
        sim.advance("14h")
        assert [row.kind for row in ask(sim, "jobs", "window").triggered] == ["MessageSent"]
        assert [row.kind for row in ask(sim, "jobs", "night").triggered] == ["MessageSent"]
        fired = next(row for row in sim.trace if row.kind == "ScheduleFired")
        assert ask(sim, "jobs", fired.subject).triggered


def test_a_turn_of_scheduler_that_was_missed() -> None:
    with simulation(SCHEDULES) as sim:
        sim.engine.flush()
        details = '{"count": 1, "first": "2026-01-14T02:00:00Z", "last": "2026-01-14T02:00:00Z"}'
        missed = (10_000, sim.engine.now_ms, "ScheduleMissed", sim.names.schedule("night"), "night", 1, details)
        sim.engine.connection.execute("INSERT INTO trace VALUES (?, ?, ?, ?, ?, ?, ?)", missed)
        answer = ask(sim, "jobs", "night")
        assert codes(answer) == ["missed", "not_due"]
        assert answer.reasons[0].text.startswith("the turn of 2026-01-14T02:00:00Z was missed")

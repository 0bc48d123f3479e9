"""`simtriggers plan`: what it says triggers what, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import Shell

AFTER = ["--after", "2026-01-15T12:00:00Z"]

EVERYTHING = """\
buckets:
  docs: {versioning: enabled, eventbridge: true}
  old: {folder: old, versioning: suspended, notifications: [{queue: q, events: ["s3:ObjectCreated:*"]}]}
queues: {q: {}, failed: {}}
topics:
  quiet: {}
  alerts:
    subscriptions:
      - {queue: q, raw_message_delivery: true, filter_policy: {kind: [a]}, redrive_policy: {dead_letter_target: failed}}
      - {endpoint: https://partner.example/in}
      - {email: ops@example.com, filter_policy: {kind: [b]}, filter_policy_scope: MessageBody}
event_buses: {shop: {dead_letter_target: failed}, idle: {}}
functions:
  f:
    stub: [{returns: {}}]
    triggers:
      - {sns: "arn:aws:sns:us-east-1:123456789012:alerts", filter_policy: {kind: [c]}}
      - {sns: "arn:aws:sns:eu-west-1:999999999999:theirs"}
rules:
  big: {event_bus_name: shop, event_pattern: {source: [a]}, targets: [{queue: q}]}
schedule_groups: {office: {}}
schedules:
  report: {schedule_expression: at(2026-03-09T09:00:00), target: {queue: q}, group_name: office}
"""

EVERYTHING_PLANNED = """\
buckets:
  docs (versioning enabled)
    → event bus default  all events
  old (folder old, versioning suspended)
    → q  s3:ObjectCreated:*
queues:
  q  visibility timeout 30s
  failed  visibility timeout 30s
topics:
  quiet has no subscriptions
  alerts
    → q  sqs, raw, filter on attributes {"kind":["a"]}, dead letters → failed
    → https://partner.example/in  https
    → ops@example.com  email, filter on the body {"kind":["b"]}
    → f  lambda, filter on attributes {"kind":["c"]}
  arn:aws:sns:eu-west-1:999999999999:theirs
    → f  lambda
event_buses:
  shop  rules big, dead letters → failed
  idle  no rules with a pattern
  default  no rules with a pattern
rules:
  big on shop: {"source":["a"]} → q
schedules:
  report in group office: at(2026-03-09T09:00:00) → q  next 2026-03-09T09:00:00Z
functions:
  f  a stub, timeout 3s
"""


def test_the_plan(shell: Shell, demo: Path) -> None:
    done = shell("plan", *AFTER)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "buckets:",
        "  uploads (folder ./uploads)",
        "    → ingest  s3:ObjectCreated:*, suffix .csv",
        "queues:",
        "  orders  visibility timeout 1m00s → orders-dlq after 3 receives",
        "  orders-dlq  visibility timeout 30s",
        "  failed  visibility timeout 30s",
        "mappings:",
        "  orders → process  batches of 10, reports partial failures",
        "schedules:",
        "  nightly-schedule-1: cron(0 2 * * ? *) → nightly"
        "  next 2026-01-16T02:00:00Z, 2026-01-17T02:00:00Z, 2026-01-18T02:00:00Z",
        "functions:",
        "  ingest  handlers.ingest, timeout 10s",
        "    as an event: 2 retries, on failure → failed",
        "  process  handlers.process, timeout 10s",
        "  nightly  handlers.nightly, timeout 3s",
    ]
    assert sorted(path.name for path in demo.iterdir() if path.name == ".simtriggers") == []


def test_the_plan_as_json(shell: Shell, demo: Path) -> None:
    made = json.loads(shell("plan", *AFTER, "--json").out)
    assert made["mappings"] == [
        {"queue": "orders", "function": "process", "batch_size": 10, "window_ms": 0,
         "report_batch_item_failures": True, "enabled": True},
    ]  # fmt: skip
    assert made["schedules"][0]["next"][0] == "2026-01-16T02:00:00Z"


def test_the_plan_of_rules(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "simtriggers.yaml").write_text(
        """
event_buses: {shop: {}}
queues: {q: {}}
functions:
  f:
    stub: [{returns: {}}]
    event_invoke_config: {on_success: {event_bus: shop}}
    triggers:
      - {event_bridge_rule: {source: [a]}, event_bus_name: shop}
      - {schedule: rate(1 hour)}
rules:
  r: {event_pattern: {source: [b]}, schedule_expression: rate(1 hour), state: DISABLED, targets: [{queue: q}]}
  none: {event_pattern: {source: [c]}}
"""
    )
    lines = shell("plan", str(tmp_path), *AFTER).out.splitlines()
    assert lines[lines.index("rules:") : lines.index("functions:")] == [
        "rules:",
        '  f-rule-1 on shop: {"source":["a"]} → f',
        '  r on default: {"source":["b"]} → q (disabled)',
        '  none on default: {"source":["c"]} → nothing',
        "schedules:",
        "  f-schedule-1: rate(1 hour) → f  next 2026-01-15T13:00:00Z, 2026-01-15T14:00:00Z, 2026-01-15T15:00:00Z",
        "  r: rate(1 hour) → q (disabled)",
    ]
    assert "    as an event: 2 retries, on success → shop" in lines
    made = json.loads(shell("plan", str(tmp_path), *AFTER, "--json").out)
    assert [row["rule"] for row in made["schedules"]] == ["f-schedule-1", "r"]
    assert made["rules"][0] == {
        "rule": "f-rule-1", "event_bus": "shop", "pattern": '{"source":["a"]}', "function": "f", "enabled": True,
    }  # fmt: skip


def test_the_plan_of_topics_buses_and_what_buckets_keep(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "simtriggers.yaml").write_text(EVERYTHING)
    done = shell("plan", str(tmp_path), *AFTER)
    assert (done.code, done.err) == (0, "")
    assert done.out == EVERYTHING_PLANNED
    made = json.loads(shell("plan", str(tmp_path), *AFTER, "--json").out)
    assert made["buckets"][0] == {
        "name": "docs", "folder": None, "versioning": "enabled", "eventbridge": True, "notifications": [],
    }  # fmt: skip
    assert [topic["name"] for topic in made["topics"]] == [
        "quiet",
        "alerts",
        "arn:aws:sns:eu-west-1:999999999999:theirs",
    ]
    assert made["topics"][1]["subscriptions"][0] == {
        "endpoint": "q", "protocol": "sqs", "filter_policy": '{"kind":["a"]}',
        "filter_policy_scope": "MessageAttributes", "raw_message_delivery": True, "dead_letter_queue": "failed",
    }  # fmt: skip
    assert made["event_buses"] == [
        {"name": "shop", "rules": ["big"], "dead_letter_queue": "failed"},
        {"name": "idle", "rules": [], "dead_letter_queue": None},
        {"name": "default", "rules": [], "dead_letter_queue": None},
    ]


def test_the_plan_of_what_is_switched_off(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "simtriggers.yaml").write_text(
        """
buckets: {lonely: {}}
queues: {q: {}}
functions:
  f:
    stub: [{returns: {}}]
    dead_letter_config: {target: q}
    triggers:
      - {sqs: q, enabled: false, maximum_batching_window: 20s}
      - {schedule: rate(1 hour), enabled: false}
      - {schedule: "cron(0 0 1 1 ? 2020)"}
"""
    )
    lines = shell("plan", str(tmp_path), *AFTER).out.splitlines()
    assert "  lonely notifies nobody" in lines
    assert "  q → f  batches of 10, window 20s (disabled)" in lines
    assert "  f-schedule-1: rate(1 hour) → f (disabled)" in lines
    assert "  f-schedule-2: cron(0 0 1 1 ? 2020) → f  next never again" in lines
    assert "  f  a stub, timeout 3s" in lines
    assert "    as an event: 2 retries, dead letters → q" in lines
    (tmp_path / "simtriggers.yaml").write_text("queues: {}")
    assert shell("plan", str(tmp_path)).out == "the project declares nothing\n"
    assert shell("plan", str(tmp_path), "--after", "noon").code == 2

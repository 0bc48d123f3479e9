"""What triggers what, as text: the lines of `simtriggers plan`."""

from __future__ import annotations

from typing import Any

from ..aws.filter_policy import ATTRIBUTES, BODY
from ..explain.texts import duration
from ..services.eventbridge.arns import DEFAULT

Plan = dict[str, list[dict[str, Any]]]
"""The rows of a plan by section, as `plan --json` prints them."""

_SCOPES = {ATTRIBUTES: "attributes", BODY: "the body"}


def lines(made: Plan) -> list[str]:
    """The plan as lines of text: a section for each kind of thing that there is."""
    sections = (
        ("buckets", _bucket_lines),
        ("queues", _queue_lines),
        ("topics", _topic_lines),
        ("event_buses", _bus_lines),
        ("mappings", _mapping_lines),
        ("rules", _rule_lines),
        ("schedules", _schedule_lines),
        ("functions", _function_lines),
    )
    found: list[str] = []
    for name, shown in sections:
        if made[name]:
            found += [f"{name}:", *(f"  {line}" for row in made[name] for line in shown(row))]
    return found or ["the project declares nothing"]


def _bucket_lines(row: dict[str, Any]) -> list[str]:
    kept = [f"folder {row['folder']}"] if row["folder"] else []
    kept += [f"versioning {row['versioning']}"] if row["versioning"] else []
    found = [row["name"] + (f" ({', '.join(kept)})" if kept else "")]
    for one in row["notifications"]:
        limits = [f"{key} {one[key]}" for key in ("prefix", "suffix") if one[key]]
        found.append(f"  → {one['target']}  {', '.join([*one['events'], *limits])}")
    if row["eventbridge"]:
        found.append(f"  → event bus {DEFAULT}  all events")
    return found if len(found) > 1 else [f"{found[0]} notifies nobody"]


def _queue_lines(row: dict[str, Any]) -> list[str]:
    text = f"{row['name']}  visibility timeout {duration(row['visibility_timeout_ms'])}"
    if "dead_letter_queue" in row:
        text += f" → {row['dead_letter_queue']} after {row['max_receive_count']} receives"
    return [text]


def _topic_lines(row: dict[str, Any]) -> list[str]:
    found = [row["name"] + ("" if row["subscriptions"] else " has no subscriptions")]
    for one in row["subscriptions"]:
        words = [one["protocol"]]
        words += ["raw"] if one["raw_message_delivery"] else []
        if one["filter_policy"] is not None:
            words.append(f"filter on {_SCOPES[one['filter_policy_scope']]} {one['filter_policy']}")
        words += [f"dead letters → {one['dead_letter_queue']}"] if one["dead_letter_queue"] else []
        found.append(f"  → {one['endpoint']}  {', '.join(words)}")
    return found


def _bus_lines(row: dict[str, Any]) -> list[str]:
    words = [f"rules {', '.join(row['rules'])}" if row["rules"] else "no rules with a pattern"]
    words += [f"dead letters → {row['dead_letter_queue']}"] if row["dead_letter_queue"] else []
    return [f"{row['name']}  {', '.join(words)}"]


def _mapping_lines(row: dict[str, Any]) -> list[str]:
    window = f", window {duration(row['window_ms'])}" if row["window_ms"] else ""
    partial = ", reports partial failures" if row["report_batch_item_failures"] else ""
    off = "" if row["enabled"] else " (disabled)"
    return [f"{row['queue']} → {row['function']}  batches of {row['batch_size']}{window}{partial}{off}"]


def _rule_lines(row: dict[str, Any]) -> list[str]:
    to = row["function"] if "function" in row else ", ".join(row["targets"]) or "nothing"
    return [f"{row['rule']} on {row['event_bus']}: {row['pattern']} → {to}{'' if row['enabled'] else ' (disabled)'}"]


def _schedule_lines(row: dict[str, Any]) -> list[str]:
    where = row.get("timezone", "UTC")
    name = row["rule"] if "rule" in row else _in_group(*row["scheduler"].split("/"))
    text = f"{name}: {row['schedule']}" + ("" if where == "UTC" else f" in {where}")
    text += f" → {row['function'] if 'function' in row else ', '.join(row['targets'])}"
    if not row["enabled"]:
        return [f"{text} (disabled)"]
    window = f", each within {duration(row['window_ms'])}" if row.get("window_ms") else ""
    return [f"{text}  next {', '.join(row['next']) or 'never again'}{window}"]


def _in_group(group: str, name: str) -> str:
    return name if group == "default" else f"{name} in group {group}"


def _function_lines(row: dict[str, Any]) -> list[str]:
    found = [f"{row['name']}  {row['handler']}, timeout {duration(row['timeout_ms'])}"]
    ends = (("on success", "on_success"), ("on failure", "on_failure"), ("dead letters", "dead_letter_queue"))
    kept = [f"{words} → {row[key]}" for words, key in ends if row[key]]
    if kept:
        found.append(f"  as an event: {row['asynchronous_retries']} retries, {', '.join(kept)}")
    return found

"""Which records of a poll a mapping's filters drop, and what becomes of those. Pure.

A record passes when any pattern matches it. One that passes none is deleted from its source without an
invocation, is no part of a batch, and leaves a row. Records are parsed only when there are filters. Source: AWS
Lambda Developer Guide, "Control which events Lambda sends to your function".
"""

from __future__ import annotations

import json

from ...aws.contracts import Record, Settle
from ...aws.filter_criteria import passes
from ...kernel.effects import Call, Decision, Note
from ...kernel.ids import Ids
from .filters import compiled
from .settings import MappingSettings


def drop(
    decision: Decision, settings: MappingSettings, records: tuple[Record, ...], *, revision: int, cause: int, ids: Ids
) -> tuple[Record, ...]:
    """The records that pass; the others are settled, each with a row that names the rule. `revision` is that of
    the mapping's settings, with which the question why can be asked again."""
    filters = compiled(settings.filters)
    passed: list[Record] = []
    dropped: list[Record] = []
    for record in records:
        (passed if passes(filters, json.loads(record.json)) else dropped).append(record)
    if not dropped:
        return records
    count = len(settings.filters)
    rule = "the filter does not match" if count == 1 else f"none of the {count} filters matches"
    noted = ids.row_id()
    details = {"filtered": len(dropped), "passed": len(passed), "rule": rule, "revision": revision, "by": cause}
    first = dropped[0]
    decision.notes.append(Note(noted, "RecordsFiltered", settings.arn, settings.uuid, first.cause, details))
    for record in dropped:
        why = {"rule": rule, "function": settings.function_arn, "revision": revision, "by": noted}
        decision.notes.append(Note(ids.row_id(), "RecordFiltered", settings.arn, record.id, record.cause, why))
    done = tuple((record.id, record.receipt) for record in dropped)
    decision.effects.append(Call(settings.source_arn, Settle(done), noted))
    return tuple(passed)

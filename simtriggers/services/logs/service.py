"""The logs service as the engine sees it."""

from __future__ import annotations

from ...aws.contracts import Delivery, PutLogEvents
from ...kernel.service import Rule, Service
from . import rules, store
from .commands import GetLogEvents

SERVICE = Service(
    name="logs",
    rules={
        Delivery: Rule(rules.view_delivery, rules.decide_delivery),
        PutLogEvents: Rule(rules.view_nothing, rules.decide_put),
        GetLogEvents: Rule(rules.view_events, rules.decide_get),
    },
    migrations=(store.MIGRATION_1,),
    trims=(store.TRIM,),
    lookup_indexes=store.LOOKUP_INDEXES,
)

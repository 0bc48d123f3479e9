"""EventBridge as the engine sees it: rules with a schedule on the default bus."""

from __future__ import annotations

from ...aws.contracts import PutResource, RemoveResource
from ...kernel.service import Rule, Service
from .commands import ScheduleFires
from .config import KIND, parse_rule
from .rules import SERVICE_NAME, decide_fires, decide_missed, decide_put, decide_remove, describe_rule, view_rule

SERVICE = Service(
    name=SERVICE_NAME,
    rules={
        PutResource: Rule(view_rule, decide_put),
        RemoveResource: Rule(view_rule, decide_remove),
        ScheduleFires: Rule(view_rule, decide_fires, decide_missed),
    },
    parsers={KIND: parse_rule},
    describe=describe_rule,
)

"""EventBridge as the engine sees it: which rule answers which command, and which settings are parsed by what."""

from __future__ import annotations

from ...kernel.service import Rule, Service
from . import (
    archives,
    arns,
    buses,
    destinations,
    events,
    replays,
    resources,
    rule_requests,
    rules,
    settings,
    store,
    tokens,
)

SERVICE = Service(
    name=settings.SERVICE_NAME,
    rules={
        **resources.RULES,
        **events.RULES,
        **rules.RULES,
        **rule_requests.RULES,
        **buses.RULES,
        **archives.RULES,
        **replays.RULES,
        **destinations.RULES,
    },
    migrations=store.MIGRATIONS,
    parsers={
        arns.RULE: settings.parse_rule,
        arns.EVENT_BUS: settings.parse_bus,
        arns.ARCHIVE: archives.parse_archive,
        arns.CONNECTION: destinations.parse_connection,
        arns.API_DESTINATION: destinations.parse_destination,
    },
    describe=resources.describe,
    restarted=Rule(tokens.view_restarted, tokens.decide_restarted),
    invariants=store.INVARIANTS,
    payload_columns=store.PAYLOAD_COLUMNS,
    bookkeeping={"RuleMatched": (), "RulesNotMatched": ()},
)

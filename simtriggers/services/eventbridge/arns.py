"""What the ARNs of EventBridge say: which kind of resource it is, and which bus a rule is on."""

from __future__ import annotations

from functools import lru_cache

from ...aws.arn import Names, region_and_account

RULE, EVENT_BUS, ARCHIVE, REPLAY = "rule", "event_bus", "archive", "replay"
CONNECTION, API_DESTINATION = "connection", "api_destination"
DEFAULT = "default"

_KINDS = {
    "rule": RULE,
    "event-bus": EVENT_BUS,
    "archive": ARCHIVE,
    "replay": REPLAY,
    "connection": CONNECTION,
    "api-destination": API_DESTINATION,
}


@lru_cache(maxsize=4096)
def kind_of(arn: str) -> str:
    """`rule`, `event_bus` and so on; empty for the service itself and for what has no such form."""
    return _KINDS.get(arn.split(":", 5)[-1].partition("/")[0], "")


@lru_cache(maxsize=4096)
def names_at(arn: str) -> Names:
    """The names of the account and region that an ARN is in."""
    region, account = region_and_account(arn)
    return Names(account, region)


@lru_cache(maxsize=4096)
def bus_name_of(rule_arn: str) -> str:
    """The name of the bus that a rule is on."""
    parts = rule_arn.split("/")
    return parts[1] if len(parts) > 2 else DEFAULT


@lru_cache(maxsize=4096)
def bus_of(rule_arn: str) -> str:
    """The ARN of the bus that a rule is on."""
    return names_at(rule_arn).event_bus(bus_name_of(rule_arn))


def bus_arn(near: str, name_or_arn: str | None) -> str:
    """The ARN of a bus by its name (None: the default one) or ARN, in the account and region of `near`."""
    name = name_or_arn or DEFAULT
    return name if name.startswith("arn:") else names_at(near).event_bus(name)

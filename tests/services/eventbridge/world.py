"""A world of EventBridge, queues and topics, in virtual time; handlers are left out."""

from __future__ import annotations

import json
from typing import Any

from simtriggers.simulation import Simulation
from tests.simulated import world as simulated

__all__ = ["bodies", "details", "events", "kinds", "simulated", "world"]

SHOP = "event_buses: {shop: {}}\nqueues: {q: {}, dlq: {}}\n"


def world(text: str, **options: Any) -> Simulation:
    """A project with the bus `shop` and the queues `q` and `dlq`, and what `text` adds."""
    return simulated(SHOP + text, **options)


def bodies(sim: Simulation, queue: str = "q") -> list[str]:
    """What lies in a queue."""
    return [message.body for message in sim.queue(queue).messages()]


def events(sim: Simulation, queue: str = "q") -> list[dict[str, Any]]:
    """The events that lie in a queue."""
    return [json.loads(body) for body in bodies(sim, queue)]


def kinds(sim: Simulation) -> list[str]:
    """The kinds of the rows about events, in order."""
    return [row.kind for row in sim.trace]


def details(sim: Simulation, kind: str) -> list[dict[str, Any]]:
    """The details of the rows of a kind."""
    return [row.details for row in sim.trace if row.kind == kind]

"""Invariants: what must hold after every step. They watch; product code does not know them."""

from __future__ import annotations

from ..kernel.agenda import Entry
from ..kernel.service import Invariant
from .engine import Checker, Engine


def sql_invariants(invariants: list[Invariant], *, every: int = 1) -> Checker:
    """A checker that runs each invariant's statement after every `every`-th step."""

    def check(engine: Engine, entry: Entry) -> list[str]:
        if engine.steps % every:
            return []
        return violations(engine, invariants)

    return check


def violations(engine: Engine, invariants: list[Invariant]) -> list[str]:
    """What contradicts the invariants now, a line each."""
    found: list[str] = []
    for invariant in invariants:
        for row in engine.connection.execute(invariant.sql).fetchmany(5):
            found.append(f"{invariant.name}: {row}")
    return found


def time_never_goes_back() -> Checker:
    """A checker that compares the time of each step with that of the one before."""
    last = [0]

    def check(engine: Engine, entry: Entry) -> list[str]:
        before, last[0] = last[0], engine.now_ms
        return [] if engine.now_ms >= before else [f"time went back from {before} to {engine.now_ms}"]

    return check


def of_services(engine: Engine) -> list[Invariant]:
    """The invariants that the engine's services name."""
    return [invariant for service in engine.router for invariant in service.invariants]

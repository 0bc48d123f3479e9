"""Events matched against 1 to 10,000 rules of a bus, JSON parsing included, against parsing alone in the same run.

Two mixes of rules: in one each rule names a source and a detail type, in the other half of them name
neither. Beside the second stand moto's evaluation, rule by rule, and that with our own compiled patterns.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from moto.events.models import EventPattern

from simtriggers.aws.event_pattern import Pattern, compile_pattern, matches
from simtriggers.aws.rule_index import RuleIndex

from .report import Result, interleaved

_SOURCES, _KINDS = 20, 50
_EVENTS = 2_000
_COUNTS = (1, 100, 1_000, 10_000)
_GOALS = {1: (0.75, 0.85), 100: (0.75, 0.85), 1_000: (0.5, 0.75), 10_000: (0.17, 0.37)}

_STATES = [f"state-{number}" for number in range(40)]
_CITIES = ["berlin", "bern", "bergen", "boston", "basel", "bristol", "bruges", "brno"]


def events(chance: random.Random) -> list[str]:
    """Texts of events, some 650 bytes each, as an order of a shop may have."""
    return [
        json.dumps(
            {
                "version": "0",
                "id": f"{chance.getrandbits(128):032x}",
                "detail-type": f"kind.{chance.randrange(_KINDS)}",
                "source": f"shop.{chance.randrange(_SOURCES)}",
                "account": "123456789012",
                "time": "2026-01-15T12:34:00Z",
                "region": "us-east-1",
                "resources": [f"arn:aws:dynamodb:us-east-1:123456789012:table/orders-{chance.randrange(9)}"],
                "detail": {
                    "state": chance.choice(_STATES),
                    "amount": chance.randrange(100_000),
                    "customer": f"c-{chance.randrange(100_000):05d}",
                    "address": {
                        "city": chance.choice(_CITIES),
                        "zip": f"{chance.randrange(10_000):04d}",
                        "country": "DE",
                    },
                    "items": [f"sku-{chance.randrange(1000)}" for _ in range(3)],
                    "currency": "EUR",
                    "payment": {"method": "card", "authorized": True, "attempts": chance.randrange(3)},
                    "placed-at": "2026-01-15T12:33:58.120Z",
                    "note": None,
                },
            },
            separators=(",", ":"),
        )
        for _ in range(_EVENTS)
    ]


def _narrow(chance: random.Random) -> dict[str, Any]:
    """What a rule asks of the detail; few events meet it."""
    low = chance.randrange(100_000)
    asked: list[dict[str, Any]] = [
        {"state": [chance.choice(_STATES)], "amount": [{"numeric": [">=", low, "<", low + 500]}]},
        {"customer": [{"prefix": f"c-{chance.randrange(10_000):04d}"}]},
        {
            "amount": [{"numeric": [">", low, "<=", low + 20]}],
            "address": {"city": [{"anything-but": ["bern", "brno"]}]},
        },
        {"coupon": [{"exists": True}], "state": [{"anything-but": chance.sample(_STATES, 3)}]},
        {"address": {"zip": [{"prefix": f"{chance.randrange(10_000):04d}"}]}, "refund": [{"exists": False}]},
    ]
    return chance.choice(asked)


def named(chance: random.Random, count: int) -> list[Pattern]:
    """Rules that each name a source and a detail type."""
    return [
        compile_pattern(
            {
                "source": [f"shop.{chance.randrange(_SOURCES)}"],
                "detail-type": [f"kind.{chance.randrange(_KINDS)}"],
                "detail": _narrow(chance),
            }
        )
        for _ in range(count)
    ]


def mixed(chance: random.Random, count: int) -> list[Pattern]:
    """Rules of which every other one names neither."""
    return [
        compile_pattern({"detail": _narrow(chance)}) if number % 2 else named(chance, 1)[0] for number in range(count)
    ]


def _index(patterns: Sequence[Pattern]) -> RuleIndex[int]:
    index: RuleIndex[int] = RuleIndex()
    for number, pattern in enumerate(patterns):
        index.add(number, pattern)
    return index


def _parsing(texts: Sequence[str]) -> Callable[[], int]:
    def work() -> int:
        for text in texts:
            json.loads(text)
        return len(texts)

    return work


def _through(patterns: Sequence[Pattern], texts: Sequence[str]) -> Callable[[], int]:
    index = _index(patterns)

    def work() -> int:
        for text in texts:
            index.match(json.loads(text))
        return len(texts)

    return work


def _one_by_one(patterns: Sequence[Pattern], texts: Sequence[str]) -> Callable[[], int]:
    def work() -> int:
        for text in texts:
            event = json.loads(text)
            [number for number, pattern in enumerate(patterns) if matches(pattern, event)]
        return len(texts)

    return work


def _moto(patterns: Sequence[Pattern], texts: Sequence[str]) -> Callable[[], int]:
    theirs = [EventPattern.load(pattern.text) for pattern in patterns]

    def work() -> int:
        for text in texts:
            event = json.loads(text)
            [number for number, pattern in enumerate(theirs) if pattern.matches_event(event)]
        return len(texts)

    return work


def run() -> list[Result]:
    """All figures, in turns with parsing alone."""
    chance = random.Random(1)
    texts = events(chance)
    works = [_parsing(texts), *(_through(named(chance, count), texts) for count in _COUNTS)]
    parsing, *rates = interleaved(*works)
    found = [
        Result(f"events/s with {count:,} rules", rate, "events/s", "JSON parsing alone", parsing, *_GOALS[count])
        for count, rate in zip(_COUNTS, rates, strict=True)
    ]
    one, thousand, many = (mixed(chance, count) for count in (1, 1_000, 10_000))
    works = [_moto(thousand, texts[:20]), _one_by_one(thousand, texts[:100])]
    theirs, singly, by_one, by_thousand, by_many = interleaved(
        *works, *(_through(patterns, texts) for patterns in (one, thousand, many))
    )
    return [
        *found,
        Result("1,000 rules, half name no source", by_thousand, "events/s", "moto, rule by rule", theirs, 100, 200),
        Result("the same", by_thousand, "events/s", "our patterns, rule by rule", singly, 20, 50),
        Result("10,000 of them, an event", 1e6 / by_many, "µs", "1 rule", 1e6 / by_one, 12, 6, higher_is_better=False),
    ]

"""Who answers for which kind of resource, by kind: the one place where a new kind is entered.

A kind that filters what it passes on brings a module with a `Question` (see `answers`), whose `ask` evaluates
the service's own rule again, and a line here.
"""

from __future__ import annotations

from ..answers import Question
from .buckets import BUCKETS, indexed
from .buses import ARCHIVES, BUSES, DESTINATIONS
from .functions import FUNCTIONS
from .mappings import MAPPINGS
from .queues import QUEUES
from .rules import RULES
from .schedules import SCHEDULES
from .topics import SUBSCRIPTIONS, TOPICS

QUESTIONS: dict[str, Question] = {
    "bucket": BUCKETS,
    "queue": QUEUES,
    "event_source_mapping": MAPPINGS,
    "function": FUNCTIONS,
    "rule": RULES,
    "schedule": SCHEDULES,
    "topic": TOPICS,
    "subscription": SUBSCRIPTIONS,
    "event_bus": BUSES,
    "archive": ARCHIVES,
    "api_destination": DESTINATIONS,
}

__all__ = ["QUESTIONS", "indexed"]

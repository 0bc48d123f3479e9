"""Retry is a value: policy and history in, decision out. Never acts, never reads a clock.

>>> policy = RetryPolicy("example", maximum_retries=3, maximum_age_ms=60_000, base_ms=1000, cap_ms=2000)
>>> [next_attempt(policy, attempts=n, first_ms=0, now_ms=0, chance=0.0) for n in (1, 2, 3)]
[RetryAt(at_ms=1000), RetryAt(at_ms=2000), RetryAt(at_ms=2000)]
>>> next_attempt(policy, attempts=4, first_ms=0, now_ms=0, chance=0.0)
Exhausted(condition='MaximumRetryAttempts')
>>> phased = RetryPolicy("example", maximum_retries=9, maximum_age_ms=60_000, phases=((2, 0), (1, 500)))
>>> [delay_ms(phased, attempts=n, chance=0.0) for n in (1, 2, 3, 4)]
[0, 0, 500, 500]
"""

from __future__ import annotations

from dataclasses import dataclass

from .effects import RetryPolicy


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at this time."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No more tries; `condition` is `MaximumRetryAttempts` or `MaximumEventAgeInSeconds`."""

    condition: str


def delay_ms(policy: RetryPolicy, *, attempts: int, chance: float) -> int:
    """The wait after the `attempts`-th attempt (from 1); `chance` in [0, 1) places it in the jitter."""
    if policy.phases:
        return int(_of_phases(policy.phases, attempts) * (1 - policy.jitter * chance))
    full = min(policy.cap_ms, policy.base_ms << min(attempts - 1, 40))
    return max(1, int(full * (1 - policy.jitter * chance)))


def _of_phases(phases: tuple[tuple[int, int], ...], retry: int) -> int:
    for count, delay in phases:
        if retry <= count:
            return delay
        retry -= count
    return phases[-1][1]


def next_attempt(
    policy: RetryPolicy, *, attempts: int, first_ms: int, now_ms: int, chance: float
) -> RetryAt | Exhausted:
    """What follows a failed attempt. `attempts` were made, the first at `first_ms`, the last at `now_ms`."""
    if attempts > policy.maximum_retries:
        return Exhausted("MaximumRetryAttempts")
    at_ms = now_ms + delay_ms(policy, attempts=attempts, chance=chance)
    if at_ms - first_ms > policy.maximum_age_ms:
        return Exhausted("MaximumEventAgeInSeconds")
    return RetryAt(at_ms)

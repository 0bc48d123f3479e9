"""Amazon SNS's delivery retries as values: four phases, and the curves between two delays. Pure.

A retry passes through no delay, minimum delay, backoff and maximum delay. The result is what
`kernel.effects.RetryPolicy.phases` takes: (how many retries, delay of each in ms) pairs.
Source: Amazon SNS Developer Guide, "Amazon SNS message delivery retries" and "Creating an HTTP/S
delivery policy".
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kernel.effects import RetryPolicy

Phases = tuple[tuple[int, int], ...]

BACKOFF_FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
TOTAL_RETRY_TIME_S = 3600
"""The longest that all retries of an HTTP/S delivery policy may take together."""

JITTER = 0.2
"""Unverified: SNS says that it applies jitter, not how much; here up to a fifth of each delay is taken off."""

NO_AGE_MS = 1 << 50
"""SNS counts retries and knows no age of a message; this is 35,000 years."""


@dataclass(frozen=True, slots=True)
class HealthyRetryPolicy:
    """The retry part of an HTTP/S delivery policy, with AWS's defaults. Delays are seconds."""

    min_delay_target: int = 20
    max_delay_target: int = 20
    num_retries: int = 3
    num_no_delay_retries: int = 0
    num_min_delay_retries: int = 0
    num_max_delay_retries: int = 0
    backoff_function: str = "linear"

    @property
    def backoff_retries(self) -> int:
        """How many retries are left for the backoff phase."""
        others = self.num_no_delay_retries + self.num_min_delay_retries + self.num_max_delay_retries
        return self.num_retries - others


def backoff_delays(function: str, count: int, *, low_ms: int, high_ms: int) -> tuple[int, ...]:
    """The delays of a backoff phase of `count` retries: the first is `low_ms`, the last `high_ms`.

    `linear` grows by equal steps, `arithmetic` by steps that grow themselves, `geometric` and
    `exponential` by equal factors. Unverified: AWS shows the four curves as a picture only.
    """
    if count < 2:
        return (low_ms,) * count
    last = count - 1
    if function == "linear":
        shares = [n / last for n in range(count)]
    elif function == "arithmetic":
        shares = [n * (n + 1) / (last * count) for n in range(count)]
    else:
        return tuple(round(low_ms * (high_ms / low_ms) ** (n / last)) for n in range(count))
    return tuple(round(low_ms + (high_ms - low_ms) * share) for share in shares)


def delivery_policy_delays(policy: HealthyRetryPolicy) -> Phases:
    """The four phases of an HTTP/S delivery policy; empty ones are left out."""
    low_ms, high_ms = policy.min_delay_target * 1000, policy.max_delay_target * 1000
    backoff = backoff_delays(policy.backoff_function, policy.backoff_retries, low_ms=low_ms, high_ms=high_ms)
    found = (
        (policy.num_no_delay_retries, 0),
        (policy.num_min_delay_retries, low_ms),
        *((1, delay) for delay in backoff),
        (policy.num_max_delay_retries, high_ms),
    )
    return tuple((count, delay) for count, delay in found if count)


def _fixed(name: str, *phases: tuple[int, int]) -> RetryPolicy:
    retries = sum(count for count, _ in phases)
    return RetryPolicy(name, maximum_retries=retries, maximum_age_ms=NO_AGE_MS, jitter=JITTER, phases=phases)


def _exponential(count: int, low_ms: int, high_ms: int) -> Phases:
    return tuple((1, delay) for delay in backoff_delays("exponential", count, low_ms=low_ms, high_ms=high_ms))


AWS_MANAGED = _fixed("sns", (3, 0), (2, 1000), *_exponential(10, 1000, 20_000), (100_000, 20_000))
"""Functions, queues and Firehose: 100,015 retries over 23 days."""

CUSTOMER_MANAGED = _fixed("sns", (2, 10_000), *_exponential(10, 10_000, 600_000), (38, 600_000))
"""Email, SMS and mobile push: 50 retries over 6 hours."""


def http_retry_policy(policy: HealthyRetryPolicy) -> RetryPolicy:
    """The retries of an HTTP/S endpoint."""
    phases = delivery_policy_delays(policy)
    return RetryPolicy(
        "sns", maximum_retries=policy.num_retries, maximum_age_ms=NO_AGE_MS, jitter=JITTER, phases=phases
    )

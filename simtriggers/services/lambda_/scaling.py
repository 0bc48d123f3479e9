"""How many batches of a mapping may be in flight: growth while a backlog lasts, rest, and backing off. Pure.

AWS starts with 5 concurrent batches and adds up to 300 a minute while there are messages, up to 1,250; in
provisioned mode it starts with 10 for each of the least pollers and adds 1,000 a minute. On a FIFO queue the
number of message groups is the bound. Source: AWS Lambda Developer Guide, "Configuring scaling behavior for SQS
event source mappings" and "Handling errors for an SQS event source in Lambda".

Unverified: that what is added comes one at a time (one every 200 ms), that an idle mapping goes back at the
pace at which it grew, that each failed or throttled batch takes one away, down to 2, and that growth then
begins anew. AWS says "up to", "scales back" and "gradually".
"""

from __future__ import annotations

from ...kernel.fixed import fixed
from . import limits


@fixed
class Bounds:
    """Concurrent batches at the start, at most, and after errors at least; and how long one more takes, in ms."""

    initial: int
    ceiling: int
    floor: int
    interval_ms: int


@fixed
class Scale:
    """How many batches may be in flight (`allowed`, None: the initial number) as of `growing_ms`; since then a
    backlog lasts and the number grows. `growing_ms` None: it does not grow."""

    allowed: int | None = None
    growing_ms: int | None = None


AT_REST = Scale()


def standard_bounds(maximum_concurrency: int | None) -> Bounds:
    """Of a mapping on a standard queue."""
    ceiling = maximum_concurrency or limits.MOST_CONCURRENT_BATCHES
    return Bounds(
        min(limits.INITIAL_CONCURRENT_BATCHES, ceiling),
        ceiling,
        min(limits.LEAST_CONCURRENT_BATCHES, ceiling),
        60_000 // limits.ADDED_BATCHES_A_MINUTE,
    )


def fifo_bounds(maximum_concurrency: int | None) -> Bounds:
    """Of a mapping on a FIFO queue, whose locked groups are the real bound: nothing grows or backs off."""
    ceiling = maximum_concurrency or limits.MOST_CONCURRENT_BATCHES
    return Bounds(ceiling, ceiling, ceiling, 60_000 // limits.ADDED_BATCHES_A_MINUTE)


def provisioned_bounds(minimum_pollers: int, maximum_pollers: int) -> Bounds:
    """Of a mapping in provisioned mode; errors take nothing from its least pollers."""
    least = minimum_pollers * limits.BATCHES_OF_A_POLLER
    most = maximum_pollers * limits.BATCHES_OF_A_POLLER
    return Bounds(least, most, least, 60_000 // limits.PROVISIONED_BATCHES_A_MINUTE)


def bounds_of(*, fifo: bool, maximum_concurrency: int | None, pollers: tuple[int, int] | None) -> Bounds:
    """The bounds of a mapping; `pollers` are the least and most of provisioned mode."""
    if pollers is not None:
        return provisioned_bounds(*pollers)
    make = fifo_bounds if fifo else standard_bounds
    return make(maximum_concurrency)


def allowed_at(scale: Scale, bounds: Bounds, now_ms: int) -> int:
    """How many batches may be in flight now."""
    allowed = bounds.initial if scale.allowed is None else scale.allowed
    if scale.growing_ms is not None:
        allowed += (now_ms - scale.growing_ms) // bounds.interval_ms
    return min(allowed, bounds.ceiling)


def saturated(scale: Scale, bounds: Bounds, now_ms: int) -> Scale:
    """All that may be in flight is: the number grows from now on, if it did not before and may."""
    allowed = allowed_at(scale, bounds, now_ms)
    if allowed >= bounds.ceiling:
        return _kept(allowed, bounds, None)
    if scale.growing_ms is None:
        return _kept(allowed, bounds, now_ms)
    past_ms = (now_ms - scale.growing_ms) % bounds.interval_ms
    return _kept(allowed, bounds, now_ms - past_ms)


def next_growth_ms(scale: Scale, bounds: Bounds) -> int | None:
    """When one more batch may be in flight; None when the number does not grow."""
    return None if scale.growing_ms is None else scale.growing_ms + bounds.interval_ms


def rested(scale: Scale, bounds: Bounds, *, since_ms: int, now_ms: int, in_flight: int) -> Scale:
    """A poll had to wait from `since_ms` until now: growth ended then, and the number went towards the initial
    one, though not below what is in flight."""
    if scale == AT_REST or now_ms <= since_ms:
        return scale
    before = allowed_at(scale, bounds, since_ms)
    steps = (now_ms - since_ms) // bounds.interval_ms
    if before < bounds.initial:
        return _kept(min(bounds.initial, before + steps), bounds, None)
    return _kept(min(before, max(bounds.initial, in_flight, before - steps)), bounds, None)


def backed_off(scale: Scale, bounds: Bounds, now_ms: int) -> Scale:
    """A batch failed or was throttled: one less, and growth begins anew."""
    allowed = allowed_at(scale, bounds, now_ms)
    growing_ms = None if scale.growing_ms is None else now_ms
    return _kept(max(min(allowed, bounds.floor), allowed - 1), bounds, growing_ms)


def _kept(allowed: int, bounds: Bounds, growing_ms: int | None) -> Scale:
    if allowed == bounds.initial:
        return AT_REST if growing_ms is None else Scale(None, growing_ms)
    return Scale(allowed, growing_ms)

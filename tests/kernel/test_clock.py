"""Clocks that never go back, holds that keep virtual time from moving, and times as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simtriggers.kernel.clock import Holds, VirtualClock, WallClock, iso_ms, iso_s, parse_iso


class Machine:
    """A machine clock that the test sets."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@given(st.lists(st.integers(0, 1000)))
def test_a_virtual_clock_is_the_latest_time_it_was_set_to(times: list[int]) -> None:
    clock = VirtualClock(100)
    shown = [clock.set(at_ms) for at_ms in times]
    assert shown == [max([100, *times[: n + 1]]) for n in range(len(times))]
    assert clock.now_ms() == max([100, *times])


def test_a_wall_clock_that_jumps_back_stands_still_until_it_has_caught_up() -> None:
    machine = Machine(10_000)
    clock = WallClock(machine_ms=machine)
    seen = []
    for at_ms in (10_500, 4_000, 10_400, 10_500, 10_600):
        machine.now_ms = at_ms
        seen.append(clock.now_ms())
    assert seen == [10_500, 10_500, 10_500, 10_500, 10_600]


def test_advance_shows_at_once_also_while_the_machine_is_behind() -> None:
    machine = Machine(10_000)
    clock = WallClock(machine_ms=machine)
    assert clock.now_ms() == 10_000
    machine.now_ms = 4_000
    assert clock.now_ms() == 10_000
    clock.advance(900_000)
    assert clock.now_ms() == 910_000
    machine.now_ms = 10_001
    assert clock.now_ms() == 910_001


def test_speed_scales_what_passes_and_the_wait_is_in_real_seconds() -> None:
    machine = Machine(1_000)
    clock = WallClock(speed=60, machine_ms=machine)
    machine.now_ms += 1_000
    assert clock.now_ms() == 1_000 + 60_000
    assert clock.seconds_until(1_000 + 120_000) == pytest.approx(1.0)
    assert clock.seconds_until(0) == 0.0
    assert clock.ahead_ms() == 59_000


def test_offset_and_floor_carry_a_world_over_a_restart() -> None:
    machine = Machine(1_000_000)
    first = WallClock(speed=10, machine_ms=machine)
    first.advance(3_600_000)
    machine.now_ms += 5_000
    stood = first.now_ms()
    second = WallClock(offset_ms=first.ahead_ms(), floor_ms=stood, machine_ms=machine)
    assert second.now_ms() == stood
    machine.now_ms += 7
    assert second.now_ms() == stood + 7
    machine.now_ms -= 60_000
    third = WallClock(floor_ms=stood, machine_ms=machine)
    assert third.now_ms() == stood


@given(
    speed=st.sampled_from([0.5, 1, 60]),
    steps=st.lists(st.tuples(st.integers(-5_000, 5_000), st.integers(0, 1_000))),
)
def test_a_wall_clock_never_goes_back(speed: float, steps: list[tuple[int, int]]) -> None:
    machine = Machine(1_000_000)
    clock = WallClock(speed=speed, machine_ms=machine)
    last = clock.now_ms()
    for moved, skipped in steps:
        machine.now_ms += moved
        before = clock.now_ms()
        clock.advance(skipped)
        assert last <= before
        assert clock.now_ms() == before + skipped
        last = clock.now_ms()


def test_the_machine_clock_is_the_default() -> None:
    assert WallClock().now_ms() > 1_700_000_000_000


def test_holds_are_counted_and_named() -> None:
    holds = Holds()
    assert not holds
    with holds.hold("subprocess b"), holds.hold("a file"), holds.hold("a file"):
        assert holds
        assert holds.names() == ["a file", "subprocess b"]
    assert not holds
    holds.take("x")
    holds.take("x")
    holds.release("x")
    assert holds.names() == ["x"]
    holds.release("x")
    with pytest.raises(AssertionError, match=r"hold 'x' is released but was not taken; held: \[\]"):
        holds.release("x")


def test_a_hold_ends_with_an_exception() -> None:
    holds = Holds()
    with pytest.raises(ZeroDivisionError), holds.hold("x"):
        raise ZeroDivisionError
    assert not holds


@pytest.mark.parametrize(
    "at_ms, ms, s",
    [
        (0, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"),
        (1_768_480_440_007, "2026-01-15T12:34:00.007Z", "2026-01-15T12:34:00Z"),
        (1_768_480_440_999, "2026-01-15T12:34:00.999Z", "2026-01-15T12:34:00Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z"),
    ],
)
def test_times_as_text(at_ms: int, ms: str, s: str) -> None:
    assert (iso_ms(at_ms), iso_s(at_ms)) == (ms, s)
    assert parse_iso(ms) == at_ms


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_survives_its_text(at_ms: int) -> None:
    assert parse_iso(iso_ms(at_ms)) == at_ms


def test_a_zone_is_needed() -> None:
    assert parse_iso("2026-01-15T13:34:00+01:00") == 1_768_480_440_000
    with pytest.raises(ValueError, match="has no time zone; write 2026-01-15T12:34:00Z for UTC"):
        parse_iso("2026-01-15T12:34:00")
    with pytest.raises(ValueError, match="tomorrow"):
        parse_iso("tomorrow")

"""`simtriggers advance` without a simulator, and with what it cannot read."""

from __future__ import annotations

import socket

import pytest

from simtriggers.cli.advance import _plain
from tests.cli.commands import Shell


def test_nobody_is_there(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    done = shell("advance", "15m", "--port", str(port))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"no simulator answers on port {port}: nothing listens there\n"
        "  fix: start one with `simtriggers up`, or name its port with --port\n"
    )


@pytest.mark.parametrize("duration", ["soon", "15 minutes", ""])
def test_a_duration_that_is_none(shell: Shell, duration: str) -> None:
    done = shell("advance", duration)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"{duration!r} is not a duration\n  fix: write 250ms, 30s, 5m, 1h30m, 2d or a number of seconds\n"
    )


def test_an_error_of_the_system_is_shown_in_its_words() -> None:
    assert _plain(OSError(113, "No route to host")) == "no route to host"
    assert _plain(TimeoutError("timed out")) == "timed out"

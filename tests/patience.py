"""How long tests wait for what must happen, and how they measure real time, on a machine of any speed."""

from __future__ import annotations

import time

PATIENCE_S = 120.0
"""For a condition that must come true. It costs nothing where it does, and a slow, busy machine needs it."""


class Passed:
    """Real time since this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def ms(self) -> int:
        """Milliseconds, and a second more: the machine's clock of the day may be corrected meanwhile."""
        return int((time.monotonic() - self._began) * 1000) + 1000

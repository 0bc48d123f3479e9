"""What holds for all tests: Hypothesis judges results and not the machine's speed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

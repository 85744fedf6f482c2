"""HiGHS as all solvers here use it: silent, and with one thread."""

from __future__ import annotations

from typing import Any

import highspy

__all__ = ["quiet_highs"]


class _QuietHighs(highspy.Highs):
    """HiGHS without the banner that its Python class prints while it is being made."""

    def enableCallbacks(self) -> None:  # noqa: N802 - HiGHS's name
        """Silence it first."""
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def quiet_highs(**options: Any) -> highspy.Highs:
    """Return a new silent HiGHS with options by their names in HiGHS, and one thread where not told otherwise."""
    # Another user of HiGHS in this process may have started more threads than are asked for.
    highspy.Highs.resetGlobalScheduler(True)
    highs = _QuietHighs()  # type: ignore[no-untyped-call]
    for name, value in ({"threads": 1} | options).items():
        highs.setOptionValue(name, value)
    return highs

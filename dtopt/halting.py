"""Computations of the compiled core that end when the time of their run is over."""

from __future__ import annotations

from contextvars import ContextVar

from dtopt._core import Cancellation
from dtopt.stop import seconds_left

__all__ = ["CANCELLATION", "LONGEST_S", "cancellation"]

#: What the system can wait for, s.
LONGEST_S = 1e6
#: What ends the compiled work of this thread, where another thread is to end it; see `cancellation`.
CANCELLATION: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def cancellation() -> Cancellation:
    """Return what ends compiled work of this thread: its own token, else one for the time of the run under way."""
    given = CANCELLATION.get()
    return Cancellation(seconds_left()) if given is None else given

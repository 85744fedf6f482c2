"""Computations of the compiled core that end when the time of their run is over."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dtopt._core import Cancellation
from dtopt.stop import seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray

__all__ = ["CANCELLATION", "HALT", "LONGEST_S", "cancellation", "in_time"]

#: What the system can wait for, s.
LONGEST_S = 1e6
#: What ends the compiled work of this thread, where another thread is to end it; see `cancellation`.
CANCELLATION: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)
#: The flag of what runs in a thread of its own: set by another thread, it ends what is compiled there too.
HALT: ContextVar[BoolArray | None] = ContextVar("halt", default=None)

Found = TypeVar("Found")


def cancellation() -> Cancellation:
    """Return what ends compiled work of this thread: its own token, else one for the time of the run under way."""
    given = CANCELLATION.get()
    return Cancellation(seconds_left()) if given is None else given


def in_time(work: Callable[[BoolArray], Found], *, long: bool) -> Found:
    """Return what some work returns, which is told where the time of the run under way is over.

    Parameters
    ----------
    work : callable
        Called with a flag, shape (1,): once it is set, the work is to end soon, with what it has.
    long : bool
        Whether it may take so long that it is worth a thread, some 0.1 ms; else it is not told.
    """
    given = HALT.get()
    halt = np.zeros(1, dtype=np.bool_) if given is None else given
    if given is not None or not long or not math.isfinite(seconds_left()):
        return work(halt)
    with ThreadPoolExecutor(1, thread_name_prefix="compiled") as pool:
        future = pool.submit(work, halt)
        try:
            return future.result(timeout=min(seconds_left(), LONGEST_S))
        except TimeoutError:
            halt[0] = True
            return future.result()
        finally:
            # On Ctrl-C too.
            halt[0] = True

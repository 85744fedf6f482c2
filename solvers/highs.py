"""HiGHS as all solvers here use it: silent, with one thread, and never longer than it may take.

HiGHS looks at its clock and at its callbacks only between steps, and a step may take long: `exact` was once seen not to
come back within ten minutes. So it runs in a thread of its own, which is left behind where it does not come back: the
caller goes on with the incumbents and the bound that were told up to then.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray

__all__ = ["HighsRun", "quiet_highs"]

#: How long HiGHS may take to end once its time is up or it is told to stop: at least so much, s, or this part of its
#: time. Usually it takes some milliseconds.
GRACE_S, GRACE_PART = 0.1, 0.05
#: Seconds between two looks at whether to stop.
POLL_S = 0.02


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


class HighsRun:
    """One run of HiGHS within a time that holds.

    Parameters
    ----------
    highs : highspy.Highs
        With its model; must not be touched again where the run was abandoned.
    seconds : float
        Wall time; infinite where it is not limited.
    should_stop : callable, optional
        Looked at every few milliseconds; the run is ended where it returns True.
    on_columns : callable, optional
        Called, in the thread of the caller, with the columns of each better solution of a MILP.

    Attributes
    ----------
    abandoned : bool
        Whether HiGHS did not come back. Nothing but `bound` and the solutions told is known then.
    bound : float
        The last dual bound of a MILP that HiGHS told on its way, −inf where it told none.
    """

    def __init__(
        self,
        highs: highspy.Highs,
        *,
        seconds: float = math.inf,
        should_stop: Callable[[], bool] | None = None,
        on_columns: Callable[[FloatArray], object] | None = None,
    ) -> None:
        self.highs, self.seconds = highs, seconds
        self.should_stop, self.on_columns = should_stop, on_columns
        self.abandoned = False
        self.bound = -math.inf
        self._told: queue.SimpleQueue[FloatArray | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run until HiGHS ends, or its time is up, or it is told to stop.

        What `should_stop` and `on_columns` raise, and Ctrl-C, end it and come out when it has ended.
        """
        kinds = highspy.cb.HighsCallbackType
        self.highs.setCallback(self._callback, None)
        self.highs.startCallback(kinds.kCallbackMipInterrupt)
        if self.on_columns is not None:
            self.highs.startCallback(kinds.kCallbackMipImprovingSolution)
        if math.isfinite(self.seconds):
            self.highs.setOptionValue("time_limit", max(0.0, self.seconds))
        thread = threading.Thread(target=self._work, name="highs", daemon=True)
        thread.start()
        begun = time.perf_counter()
        grace = max(GRACE_S, GRACE_PART * self.seconds) if math.isfinite(self.seconds) else GRACE_S
        deadline = begun + self.seconds + grace
        error: BaseException | None = None
        while True:
            try:
                if self._wait():
                    break
                if not self._stopping.is_set() and self.should_stop is not None and self.should_stop():
                    self._stopping.set()
                    deadline = min(deadline, time.perf_counter() + grace)
            except BaseException as raised:  # Ctrl-C too: it comes out when HiGHS has ended
                error = raised
                self._stopping.set()
                deadline = min(deadline, time.perf_counter() + grace)
            if time.perf_counter() > deadline:
                # Told to stop for good, for the case that it looks at its callbacks again.
                self._stopping.set()
                self.abandoned = True
                break
        if error is None:
            error = self._error
        if error is not None:
            raise error

    def _wait(self) -> bool:
        """Hand on what HiGHS tells; return whether it has ended."""
        try:
            columns = self._told.get(timeout=POLL_S)
        except queue.Empty:
            return False
        if columns is None:
            return True
        if self.on_columns is not None:
            self.on_columns(columns)
        return False

    def _work(self) -> None:
        try:
            self.highs.run()
        except BaseException as error:
            self._error = error
        finally:
            self._told.put(None)

    def _callback(self, kind: Any, message: str, out: Any, into: Any, data: Any) -> None:
        kinds = highspy.cb.HighsCallbackType
        if kind == kinds.kCallbackMipImprovingSolution:
            self._told.put(np.array(out.mip_solution))
            return
        if kind == kinds.kCallbackMipInterrupt:
            self.bound = max(self.bound, float(out.mip_dual_bound))
        if self._stopping.is_set():
            into.user_interrupt = True

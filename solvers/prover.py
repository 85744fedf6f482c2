"""The bound of a large placement in a thread of its own: first at the root, then by branching on servers.

What is compiled runs without Python's lock, so that a search goes on beside it. The thread touches nothing of the
run: whoever started it asks for what is new. Where a run may use but one thread (`DTOPT_NUM_THREADS`, or one core) the
two work by turns.
"""

from __future__ import annotations

import os
import time
from contextvars import copy_context
from threading import Condition, Thread
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import Cancellation
from dtopt.bounds import dual_bound
from dtopt.errors import InputError
from dtopt.halting import CANCELLATION, LONGEST_S

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from dtopt.arrays import FloatArray
    from dtopt.problem import Placement
    from solvers.exact.wired import WiredDual
    from solvers.server_tree import ServerTree

__all__ = ["Prover"]

#: Bytes that the prices of all nodes together may take.
NODE_BYTES = 1_000_000_000
#: Seconds between two looks at what the best node says of servers.
NEWS_S = 0.1
#: Of a turn, where there is one thread to share, s.
TURN_S = 0.05

SEARCH, PROOF = 0, 1


def thread_count() -> int:
    """Return how many threads a run may use: `DTOPT_NUM_THREADS`, else the CPUs of this process.

    Raises
    ------
    InputError
        If the variable is not a whole number above 0.
    """
    given = os.environ.get("DTOPT_NUM_THREADS")
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"DTOPT_NUM_THREADS is {given!r}; it must be a whole number above 0")
    return int(given)


class Turns:
    """Lets a search and a proof work by turns; each says often that the other may go on.

    Parameters
    ----------
    alone : bool
        Whether there is but one thread; else neither waits for the other.
    """

    def __init__(self, alone: bool) -> None:
        self._alone, self._turn, self._since = alone, SEARCH, time.perf_counter()
        self._changed = Condition()

    def share(self, me: int, seconds: float = np.inf) -> None:
        """Wait, so many seconds at most, while it is the other's turn; first end an own turn that is over."""
        if not self._alone:
            return
        with self._changed:
            now = time.perf_counter()
            if self._turn == me:
                if now - self._since < TURN_S:
                    return
                self._turn = 1 - me
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == me or not self._alone, min(seconds, LONGEST_S))
            self._since = time.perf_counter()

    def leave(self) -> None:
        """Let the other work alone from now on."""
        with self._changed:
            self._alone = False
            self._changed.notify_all()


class Prover:
    """A proof under way, from the start of its block to the end.

    Parameters
    ----------
    problem : Placement
    quick : bool
        Whether the root takes half the time; see `dtopt.wired_dual.wired_bound`.

    Attributes
    ----------
    bound : float
        Proven lower bound on the cost, the constant part left out; −inf before there is one.
    cutoff : float
        The incumbent's cost less what a proof may leave open, to be kept up to date from outside.
    nodes : int
        Nodes of the tree.
    finished : bool
        Whether nothing more will come.
    """

    def __init__(self, problem: Placement, *, quick: bool = False) -> None:
        self.problem, self.quick = problem, quick
        self.bound, self.cutoff, self.nodes, self.finished = -np.inf, np.inf, 0, False
        self._news: FloatArray | None = None
        self._cancellation = Cancellation()
        self._error: BaseException | None = None
        self._turns = Turns(alone=thread_count() < 2)
        self._thread = Thread(target=copy_context().run, args=(self._work,), name="prover", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cancellation.cancel()
        self._turns.leave()
        self._thread.join()

    def wait(self, seconds: float) -> None:
        """Let the proof go on for its turn, where it and the search share one thread; so many seconds at most."""
        self._turns.share(SEARCH, seconds)

    def news(self) -> FloatArray | None:
        """Return what servers are worth at the latest prices, shape (M,), below 0 where they pay; None if known.

        Raises
        ------
        BaseException
            What has ended the proof, such as the end of the memory.
        """
        if self._error is not None:
            raise self._error
        news, self._news = self._news, None
        return news

    def _work(self) -> None:
        CANCELLATION.set(self._cancellation)
        try:
            self._turns.share(PROOF)
            self._prove()
        except BaseException as error:
            self._error = error
        finally:
            self.finished = True
            self._turns.leave()

    def _over(self) -> bool:
        self._turns.share(PROOF)
        return self._cancellation.requested()

    def _prove(self) -> None:
        from dtopt.wired_dual import wired_bound
        from solvers.exact.wired import TEMPERATURES, WiredDual
        from solvers.server_tree import ServerTree

        wired = wired_bound(self.problem, self._over, quick=self.quick)
        if wired is None:
            self.bound = dual_bound(self.problem, self._over) - self.problem.constant_cost
            return
        self.bound, self._news = wired.value, wired.server_value
        if self._over() or not np.isfinite(wired.value):
            return
        tree = ServerTree(WiredDual.of(wired), (wired.value, wired.prices), TEMPERATURES)
        looked = time.perf_counter()

        def over() -> bool:
            nonlocal looked
            self.bound, self.nodes = min(tree.bound, self.cutoff), tree.nodes
            if time.perf_counter() - looked > NEWS_S:
                self._look(tree)
                looked = time.perf_counter()
            return self._over()

        tree.search(lambda: self.cutoff, over, lambda dual, prices: None, NODE_BYTES // (8 * wired.prices.size))
        over()
        self._look(tree)

    def _look(self, tree: ServerTree[WiredDual]) -> None:
        best = tree.best()
        if best is None:
            return
        with_it, without_it = best[0].server_bounds(best[1])
        decided = np.where(np.isfinite(with_it), -np.inf, np.inf)
        undecided = np.isfinite(with_it) & np.isfinite(without_it)
        with np.errstate(invalid="ignore"):
            self._news = np.where(undecided, with_it - without_it, decided)

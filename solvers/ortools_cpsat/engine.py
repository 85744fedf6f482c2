"""CP-SAT within a run's limits: it searches in a thread of its own while the run judges what it finds.

The run stays in the thread that called the solver. There callbacks of users may raise, Ctrl-C arrives, and any
stopping criterion is asked at short intervals; CP-SAT itself would look at none of them between two solutions.
"""

from __future__ import annotations

import atexit
import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ortools.sat.python import cp_model

from dtopt.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from dtopt.run import Run
    from solvers.ortools_cpsat.model import AssociationModel

__all__ = ["Verdict", "search"]

Verdict = Literal["optimal", "infeasible", "stopped"]

#: Time between two looks at the clock and at Ctrl-C, s.
POLL_S = 0.02
#: Time beyond the limit after which CP-SAT stops by itself, s.
SPARE_S = 1.0
#: How long it may take to end once it is told to: at least so much, s, or this part of the time so far.
GRACE_S, GRACE_PART = 0.1, 0.05
#: How long the end of the process waits for it, s.
LONGEST_S = 60.0


class _Listener(cp_model.CpSolverSolutionCallback):
    """Passes the association of each solution on to the thread of the run."""

    def __init__(self, model: AssociationModel, found: queue.SimpleQueue[IntArray | float]) -> None:
        super().__init__()
        self._pairs = list(model.pair.items())
        self._users = model.problem.n_users
        self._found = found

    def on_solution_callback(self) -> None:
        """Note the association."""
        association: IntArray = np.full(self._users, -1, dtype=np.int64)
        for (i, k), variable in self._pairs:
            if self.boolean_value(variable):
                association[i] = k
        self._found.put(association)


def _wait_for(solver: cp_model.CpSolver, thread: threading.Thread) -> None:
    """Wait for a search that was left behind: the process would be aborted, were it to end before that."""
    until = time.perf_counter() + LONGEST_S
    while thread.is_alive() and time.perf_counter() < until:
        solver.stop_search()
        thread.join(POLL_S)


def search(
    model: AssociationModel,
    run: Run,
    *,
    on_solution: Callable[[IntArray], None],
    on_bound: Callable[[float], None],
    enough: Callable[[], bool],
    deterministic_limit: float,
    workers: int,
) -> tuple[Verdict, float]:
    """Minimise a model until it is solved or the run must stop.

    Parameters
    ----------
    model : AssociationModel
    run : Run
    on_solution, on_bound : callable
        Called with each new association, and each new bound of the model, in the thread of the caller.
    enough : callable
        Asked after each of them, and at short intervals, whether to stop.
    deterministic_limit : float
        Limit on the work in CP-SAT's deterministic seconds, which do not depend on the machine.
    workers : int
        Threads of the search.

    Returns
    -------
    tuple
        The verdict, and the deterministic seconds that were spent.
    """
    found: queue.SimpleQueue[IntArray | float] = queue.SimpleQueue()
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    # One worker runs one strategy, which on these models beats taking turns between all of them, and is reproducible.
    parameters.num_workers = workers
    parameters.random_seed = run.seed % 2**31
    parameters.linearization_level = model.linearization
    parameters.catch_sigint_signal = False
    if math.isfinite(run.seconds_left):
        # The run itself stops it in time; this is for when its thread is kept from asking.
        parameters.max_time_in_seconds = run.seconds_left + SPARE_S
    if math.isfinite(deterministic_limit):
        parameters.max_deterministic_time = deterministic_limit
    solver.best_bound_callback = found.put
    listener = _Listener(model, found)
    ended: list[Any] = []
    failed: list[BaseException] = []
    left = threading.Event()

    def work() -> None:
        try:
            if not left.is_set():
                ended.append(solver.solve(model.cp, listener))
        except BaseException as error:
            failed.append(error)

    def judge(news: IntArray | float) -> None:
        if isinstance(news, np.ndarray):
            on_solution(news)
        else:
            on_bound(float(news))

    thread = threading.Thread(target=work, name="cp-sat", daemon=True)
    try:
        thread.start()
        while thread.is_alive() and not enough():
            try:
                judge(found.get(timeout=POLL_S))
            except queue.Empty:
                continue
    finally:
        left.set()
        # Asked again and again, since a solver that has not begun yet does not hear it; in presolve it may not hear it
        # for long, and is left behind then.
        until = time.perf_counter() + max(GRACE_S, GRACE_PART * run.elapsed_s)
        while thread.is_alive() and time.perf_counter() < until:
            solver.stop_search()
            thread.join(POLL_S)
        if thread.is_alive():
            atexit.register(_wait_for, solver, thread)
    if failed:
        raise failed[0]
    while not found.empty():
        judge(found.get())
    if not ended:
        return "stopped", 0.0
    status = ended[0]
    if status == cp_model.MODEL_INVALID:
        raise UnsupportedProblemError("ortools-cpsat: the numbers lie too far apart for sums of 64-bit integers")
    spent = float(solver.response_proto.deterministic_time)
    if status == cp_model.INFEASIBLE:
        return "infeasible", spent
    if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        # Without a solution there is no telling a bound of 0 from none at all.
        on_bound(float(solver.best_objective_bound))
    return ("optimal" if status == cp_model.OPTIMAL else "stopped"), spent

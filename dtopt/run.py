"""`Run`: what every solver shares, from the clock to the incumbent.

A solver opens a run, offers it solutions and bounds, asks it whether to stop, and returns its result::

    run = Run(problem, "greedy", seed=seed, stop=stop, time_limit=time_limit)
    with run:
        run.offer(association)
    return run.result()

Every solution offered goes through the evaluator; only feasible ones can become the incumbent. Leaving the block
by Ctrl-C, or where memory is at its end, keeps the best so far.
"""

from __future__ import annotations

import math
import platform
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dtopt.errors import InputError
from dtopt.evaluation import Evaluation, evaluate
from dtopt.feasibility import obvious_conflict
from dtopt.result import Incumbent, Result, Status, relative_gap
from dtopt.solution import Solution
from dtopt.stop import UNDER_WAY, Progress, StoppingCriterion, stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from dtopt.arrays import IntArray
    from dtopt.problem import Problem

__all__ = ["OPTIMALITY_GAP", "Listener", "Run", "Stopped", "listen", "out_of_memory", "pass_on", "versions"]

#: A relative gap at or below this counts as proven optimal.
OPTIMALITY_GAP = 1e-6
#: Where no solution is found when the time is over, this part of it may go into telling why there is none.
WHY_PART = 0.05


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """Raised by `Run.check` to leave the `with` block when the stopping criterion is met."""


class Listener(Protocol):
    """Hears of all runs of this process; see `listen`."""

    def began(self, run: Run) -> None:
        """Hear that a run has started its clock."""

    def bounded(self, run: Run) -> None:
        """Hear that a run has a better bound."""


_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Let one listener hear of all runs of this process from now on, or none."""
    global _listener
    _listener = listener


class Run:
    """One run of a solver on a problem.

    Parameters
    ----------
    problem : Problem
    solver : str
        The solver's registered name.
    seed : int
    stop : StoppingCriterion, optional
    time_limit : float, optional
        Short form of a `MaxRuntime`, s.
    on_incumbent : callable, optional
        Called with each new incumbent's time, objective and solution.
    libraries : iterable of str
        Distributions behind the method, whose versions the result records.
    """

    def __init__(
        self,
        problem: Problem,
        solver: str,
        *,
        seed: int = 0,
        stop: StoppingCriterion | None = None,
        time_limit: float | None = None,
        on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
        libraries: Iterable[str] = (),
    ) -> None:
        self.problem = problem
        self.solver = solver
        self.seed = seed
        self.stop = stopping(stop, time_limit)
        self.iterations = 0
        self.details: dict[str, Any] = {}
        self.solution: Solution | None = None
        self.evaluation: Evaluation | None = None
        self.bound: float | None = None
        self._on_incumbent = on_incumbent
        self._libraries = ("numpy", *libraries)
        self._trace: list[Incumbent] = []
        self.improved_at = 0
        self._status: Status | None = None
        self._message = ""
        self._started = time.perf_counter()
        self._cpu_started = time.process_time()
        self._ended: tuple[float, float] | None = None
        if _listener is not None:
            _listener.began(self)

    # --- the block ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Run:
        self._outside = UNDER_WAY.set(self)
        self._look_for_conflict(structural=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        UNDER_WAY.reset(self._outside)
        self._ended = (time.perf_counter() - self._started, time.process_time() - self._cpu_started)
        if error is None or isinstance(error, Stopped):
            self.check_feasibility()
        if isinstance(error, KeyboardInterrupt):
            self._status, self._message = Status.INTERRUPTED, "interrupted; the best solution so far is kept"
            return True
        if error is not None and out_of_memory(error):
            self._status, self._message = Status.MEMORY_LIMIT, "out of memory"
            if self.solution is not None:
                self._message += "; the best solution so far is kept"
            return True
        return isinstance(error, Stopped)

    @property
    def settled(self) -> bool:
        """Whether infeasibility was proven before the method began, so that nothing is left to do."""
        return self._status is Status.INFEASIBLE

    # --- what a solver says ---------------------------------------------------------------------------------------

    def offer(self, candidate: Solution | IntArray) -> Evaluation:
        """Judge a solution, or a bare association, and keep it if it is feasible and the best so far.

        Returns
        -------
        Evaluation
            What the evaluator says of it.
        """
        solution = candidate if isinstance(candidate, Solution) else Solution(np.asarray(candidate))
        evaluation = evaluate(self.problem, solution)
        if evaluation.feasible and self._better(evaluation.objective):
            self.solution = Solution(solution.association, solution.open_servers, evaluation.cpu_share_hz)
            self.evaluation = evaluation
            step = Incumbent(self.elapsed_s, evaluation.objective)
            self._trace.append(step)
            self.improved_at = self.iterations
            if self._on_incumbent is not None:
                self._on_incumbent(step, self.solution)
        return evaluation

    def begin_from(self, start: Solution | None) -> None:
        """Take a solution that the user has as the first incumbent; None changes nothing.

        Raises
        ------
        InputError
            If it breaks a constraint of this problem.
        """
        if start is None or self.settled:
            return
        evaluation = self.offer(start)
        if not evaluation.feasible:
            broken = evaluation.violations[0]
            raise InputError(
                f"is not feasible: {broken.constraint} of {broken.name}, {broken.message}",
                where="start",
                mend="give a feasible solution of this instance, or none",
            )

    def offer_bound(self, bound: float) -> None:
        """Record a proven bound: lower for P1, upper for P2. The tightest is kept."""
        if math.isfinite(bound) and (
            self.bound is None or (bound < self.bound if self.problem.maximise else bound > self.bound)
        ):
            self.bound = float(bound)
            if _listener is not None:
                _listener.bounded(self)

    def infeasible(self, message: str) -> None:
        """Record that the problem is proven to have no feasible solution, and why."""
        self._status, self._message = Status.INFEASIBLE, message

    def check_feasibility(self) -> bool:
        """Look for a proof of infeasibility while there is no solution; return whether infeasibility is proven.

        Also done at the end of each run without a solution: the checks would cost most runs more than their search.
        """
        if self.solution is None and not self.settled:
            self._look_for_conflict(structural=True)
        return self.settled

    def _look_for_conflict(self, *, structural: bool) -> None:
        # To tell the conflict well may take a little of the time even where that is over.
        seconds = max(self.seconds_left, WHY_PART * self.elapsed_s)
        conflict = obvious_conflict(self.problem, structural=structural, seconds=seconds)
        if conflict:
            self.infeasible(conflict)

    def finish(self, status: Status, message: str = "") -> None:
        """Record how the run ended where `result` cannot tell by itself."""
        self._status, self._message = status, message

    # --- the clock ------------------------------------------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        """Wall time since the start, s."""
        return time.perf_counter() - self._started

    @property
    def seconds_left(self) -> float:
        """Wall time left, infinite where it is not limited, s."""
        return self.stop.seconds_left(self.elapsed_s)

    @property
    def gap(self) -> float:
        """Relative gap between incumbent and bound; infinite while one is missing."""
        return relative_gap(self.evaluation.objective if self.evaluation else None, self.bound)

    def should_stop(self) -> bool:
        """Return whether the stopping criterion is met."""
        elapsed = self.elapsed_s
        last = self._trace[-1].time_s if self._trace else 0.0
        since = self.iterations - self.improved_at
        return self.stop(Progress(elapsed, self.iterations, since, elapsed - last, self.gap))

    def check(self) -> None:
        """Leave the block by `Stopped` when the stopping criterion is met."""
        if self.should_stop():
            raise Stopped

    # --- the end --------------------------------------------------------------------------------------------------

    def result(self) -> Result:
        """Return what the run has found."""
        wall, cpu = self._ended or (self.elapsed_s, time.process_time() - self._cpu_started)
        status = self._status
        if status is None:
            if self.evaluation is not None:
                status = Status.OPTIMAL if self.gap <= OPTIMALITY_GAP else Status.FEASIBLE
            else:
                out_of_time = self.stop.seconds_left(wall) <= 0
                status = Status.TIME_LIMIT if out_of_time else Status.NOT_FOUND
        return Result(
            solver=self.solver,
            seed=self.seed,
            problem_kind=self.problem.kind,
            problem_name=self.problem.name,
            problem_hash=self.problem.content_hash,
            status=status,
            solution=self.solution,
            evaluation=self.evaluation,
            bound=self.bound,
            trace=tuple(self._trace),
            wall_s=wall,
            cpu_s=cpu,
            iterations=self.iterations,
            message=self._message,
            versions=versions(*self._libraries),
            details=self.details,
            problem=self.problem,
        )

    def _better(self, objective: float) -> bool:
        if self.evaluation is None:
            return True
        best = self.evaluation.objective
        return objective > best if self.problem.maximise else objective < best


def pass_on(inner: Result) -> None:
    """End the outer run as well where an interrupt, or the end of the memory, has ended one inside it.

    The run inside has taken it for its own.
    """
    if inner.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if inner.status is Status.MEMORY_LIMIT:
        raise MemoryError


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no more memory; not all libraries raise MemoryError."""
    if isinstance(error, MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("bad_alloc" in text or "can't allocate memory" in text)


def versions(*libraries: str) -> dict[str, str]:
    """Return the versions of Python, dtopt and some other distributions, by name; unknown where not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in ("dtopt", *libraries)}


@cache
def _version(distribution: str) -> str:
    """Return the version of an installed distribution; cached, since reading it takes longer than a short run."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"

"""Stopping criteria: objects that say when a solver should end. `time_limit` is the short form of `MaxRuntime`."""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dtopt.arrays import number

if TYPE_CHECKING:
    from dtopt.run import Run

__all__ = [
    "AnyOf",
    "GapReached",
    "MaxIterations",
    "MaxRuntime",
    "Never",
    "NoImprovement",
    "Progress",
    "StoppingCriterion",
    "seconds_left",
    "stopping",
]


@dataclass(frozen=True)
class Progress:
    """Where a run stands when it asks whether to stop.

    Parameters
    ----------
    elapsed_s : float
        Wall time since the start, s.
    iterations : int
        Iterations done; what one is, each solver documents.
    since_improvement : int
        Iterations since the incumbent last changed.
    since_improvement_s : float
        Wall time since then, s.
    gap : float
        Relative gap between incumbent and proven bound; infinite while one is missing.
    """

    elapsed_s: float
    iterations: int
    since_improvement: int
    since_improvement_s: float
    gap: float


class StoppingCriterion(Protocol):
    """Says when to stop, and what is left for solvers that hand over to a library."""

    def __call__(self, progress: Progress) -> bool:
        """Return True when the run should end."""

    def seconds_left(self, elapsed_s: float) -> float:
        """Return the wall time left, infinite where it is not limited, s."""

    def target_gap(self) -> float:
        """Return the relative gap at which the run may end, 0 where only a proof of optimality will do."""


class Never:
    """Never stops; the run ends when the solver is done. Base of the other criteria."""

    def __call__(self, progress: Progress) -> bool:
        """Return False."""
        return False

    def seconds_left(self, elapsed_s: float) -> float:
        """Return infinity."""
        return math.inf

    def target_gap(self) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True)
class MaxRuntime(Never):
    """Stops after `seconds` of wall time."""

    seconds: float

    def __post_init__(self) -> None:
        number(self.seconds, "time limit", minimum=0.0, infinite=True)

    def __call__(self, progress: Progress) -> bool:
        """Return whether the time is up."""
        return progress.elapsed_s >= self.seconds

    def seconds_left(self, elapsed_s: float) -> float:
        """Return the time left, s."""
        return max(0.0, self.seconds - elapsed_s)


@dataclass(frozen=True)
class MaxIterations(Never):
    """Stops after a number of iterations."""

    iterations: int

    def __post_init__(self) -> None:
        number(self.iterations, "iterations", minimum=0.0)

    def __call__(self, progress: Progress) -> bool:
        """Return whether they are done."""
        return progress.iterations >= self.iterations


@dataclass(frozen=True)
class NoImprovement(Never):
    """Stops when the incumbent has not changed for a number of iterations, or of seconds, whichever is given.

    Raises
    ------
    InputError
        If neither is given or one is negative.
    """

    iterations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = [x for x in (self.iterations, self.seconds) if x is not None]
        number(min(given, default=math.nan), "no improvement", minimum=0.0)

    def __call__(self, progress: Progress) -> bool:
        """Return whether it has been too long."""
        return (self.iterations is not None and progress.since_improvement >= self.iterations) or (
            self.seconds is not None and progress.since_improvement_s >= self.seconds
        )


@dataclass(frozen=True)
class GapReached(Never):
    """Stops when the incumbent is proven to be within a relative gap of the optimum."""

    gap: float

    def __post_init__(self) -> None:
        number(self.gap, "gap", minimum=0.0)

    def __call__(self, progress: Progress) -> bool:
        """Return whether the gap is reached."""
        return progress.gap <= self.gap

    def target_gap(self) -> float:
        """Return the gap."""
        return self.gap


class AnyOf(Never):
    """Stops as soon as any of several criteria says so."""

    def __init__(self, *criteria: StoppingCriterion) -> None:
        self.criteria = criteria

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.criteria))})"

    def __call__(self, progress: Progress) -> bool:
        """Return whether any criterion is met."""
        return any(criterion(progress) for criterion in self.criteria)

    def seconds_left(self, elapsed_s: float) -> float:
        """Return the least time left, s."""
        return min((c.seconds_left(elapsed_s) for c in self.criteria), default=math.inf)

    def target_gap(self) -> float:
        """Return the largest target."""
        return max((c.target_gap() for c in self.criteria), default=0.0)


def stopping(stop: StoppingCriterion | None, time_limit: float | None) -> StoppingCriterion:
    """Return one criterion out of an object and the short form, either of which may be missing."""
    limit = None if time_limit is None else MaxRuntime(time_limit)
    if stop is None:
        return limit or Never()
    return AnyOf(stop, limit) if limit else stop


#: The run under way in this thread, the innermost of several.
UNDER_WAY: ContextVar[Run | None] = ContextVar("run under way", default=None)


def seconds_left() -> float:
    """Return the time that the run under way in this thread has left, infinite where there is none, s.

    For long computations deep below a solver, which no criterion is handed to.
    """
    run = UNDER_WAY.get()
    return math.inf if run is None else run.seconds_left

"""Brute force over all associations: what exact solvers and bounds are held against."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.solution import Solution

if TYPE_CHECKING:
    from dtopt.problem import Problem


__all__ = ["brute_force"]


def brute_force(problem: Problem) -> tuple[float | None, tuple[int, ...] | None]:
    """Return the best objective and an association with it; (None, None) where none is feasible.

    Only servers in use are open: an idle open server never helps.
    """
    best: float | None = None
    choice: tuple[int, ...] | None = None
    for association in itertools.product(range(problem.n_stations), repeat=problem.n_users):
        evaluation = evaluate(problem, Solution(np.array(association)))
        if evaluation.feasible and (
            best is None or (evaluation.objective > best if problem.maximise else evaluation.objective < best)
        ):
            best, choice = evaluation.objective, association
    return best, choice

"""What the network learns from: random instances of the presets, and what local search makes of each.

Seeds of training instances are 10⁹ and above; whatever is evaluated has smaller ones. `melbourne` is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.generators import generate
from dtopt.problem import Placement
from dtopt.registry import solve
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.candidates import lists_of
from solvers.local_search.ejection import improve_fixed
from solvers.policy.graph import Graph
from solvers.weight_files import write_arrays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dtopt.arrays import IntArray
    from solvers.local_search.candidates import Lists

__all__ = ["FIRST_SEED", "PRESETS", "Example", "Pool", "draw", "example"]

#: Seeds of training instances begin here.
FIRST_SEED = 10**9
#: Presets that training instances are drawn from, and how often each.
PRESETS = {
    "paper": 0.30,
    "city": 0.14,
    "tight-capacity": 0.13,
    "tight-deadline": 0.13,
    "costly-servers": 0.12,
    "correlated": 0.18,
}
#: Iterations of the teacher, local search: at least, and for each server; and neighbourhoods of each user that ejection
#: chains search after it under ``fixed`` sharing.
TEACHER, TEACHER_PER_SERVER, CHAINS = 250, 10, 60
#: The file of answers is written anew after so many.
SAVED = 200


@dataclass(frozen=True, eq=False)
class Example:
    """A training instance with the teacher's answer.

    Parameters
    ----------
    lists : Lists
    graph : Graph
    association : ndarray of int, shape (N,)
    cost : float
        Of the teacher's answer, the constant part of the objective left out.
    """

    lists: Lists
    graph: Graph
    association: IntArray
    cost: float


def draw(seed: int, users: tuple[int, int], stations: tuple[int, int]) -> Placement:
    """Return the training instance of a seed: random preset, size, sharing, objective and costs."""
    rng = np.random.default_rng(seed)
    preset = str(rng.choice(list(PRESETS), p=list(PRESETS.values())))
    m = round(float(np.exp(rng.uniform(np.log(stations[0]), np.log(stations[1])))))
    least = max(users[0], 2 * m)
    n = round(float(np.exp(rng.uniform(np.log(least), np.log(max(users[1], least))))))
    sharing = str(
        rng.choice(["optimal", "equal", "fixed"], p=[0.3, 0.1, 0.6] if preset == "correlated" else [0.6, 0.2, 0.2])
    )
    problem = generate(preset, seed=seed, users=n, stations=m, sharing=sharing)
    assert isinstance(problem, Placement)  # noqa: S101 - the kind asked for
    changes: dict[str, Any] = {}
    if rng.random() < 0.25:
        changes["objective"] = "latency"
    if rng.random() < 0.5:
        changes["server_cost"] = problem.server_cost * float(np.exp(rng.normal(0.0, 0.7)))
    if rng.random() < 0.1:
        changes["max_servers"] = int(rng.integers(max(1, m // 4), m + 1))
    if rng.random() < 0.05 and preset != "tight-deadline":
        changes["deadline"] = "soft"
    return replace(problem, **changes) if changes else problem


def example(problem: Placement, association: IntArray | None = None) -> Example | None:
    """Return an instance with the teacher's answer, or None where the teacher finds none.

    `association` is that answer where it is known from before.
    """
    if association is None:
        iterations = max(TEACHER, TEACHER_PER_SERVER * problem.n_stations)
        result = solve(problem, "local-search", stop=MaxIterations(iterations))
        if result.solution is None:
            return None
        association = result.solution.association
        if problem.sharing == "fixed":
            arrays, effort = SearchArrays.of(problem), CHAINS * problem.n_users
            better, _ = improve_fixed(arrays, association, seconds=np.inf, seed=0, iterations=effort)
            association = association if better is None else better
    evaluation = evaluate(problem, Solution(association))
    lists = lists_of(problem)
    return Example(lists, Graph.of(lists), association, evaluation.objective - problem.constant_cost)


class Pool:
    """Training instances and the teacher's answers, kept in a file as they are made.

    Parameters
    ----------
    path : Path
        An npz of seeds and associations; what is there is not made again.
    count : int
        Seeds that are tried; those of which the teacher solves none are left out.
    seed : int
        The first of them less `FIRST_SEED`.
    users, stations : tuple of int
        Least and largest numbers.
    on_example : callable, optional
        Called with the number made so far.
    """

    def __init__(
        self,
        path: Path,
        count: int,
        seed: int,
        users: tuple[int, int],
        stations: tuple[int, int],
        on_example: Callable[[int], None] | None = None,
    ) -> None:
        self.path = path
        self.examples: list[Example] = []
        known: dict[int, IntArray] = {}
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                ends = stored["length"].cumsum()
                parts = np.split(stored["association"].astype(np.int64), ends[:-1])
                known = dict(zip(stored["seed"].tolist(), parts, strict=True))
        for number in range(count):
            this = FIRST_SEED + seed + number
            problem = draw(this, users, stations)
            answer = known.get(this)
            if answer is None or answer.size:
                made = example(problem, answer)
                known[this] = np.zeros(0, dtype=np.int64) if made is None else made.association
                if made is not None:
                    self.examples.append(made)
            if answer is None and (number + 1) % SAVED == 0:
                self._save(known)
            if on_example is not None:
                on_example(number + 1)
        self._save(known)

    def _save(self, known: dict[int, IntArray]) -> None:
        """Write seeds and associations; one without users stands for an instance that the teacher does not solve."""
        length = np.array([a.size for a in known.values()])
        association = np.concatenate(list(known.values())).astype(np.int16)
        write_arrays(self.path, {"seed": np.array(list(known)), "length": length, "association": association})

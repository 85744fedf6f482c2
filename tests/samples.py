"""Samples of tiny problems in which every constraint bites, and exact solvers held against brute force on them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dtopt.evaluation import evaluate
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem

#: No deadlines, hard ones and soft ones, with and without capacities and a limit on servers: 12 combinations.
DEADLINES = ((False, "hard"), (True, "hard"), (True, "soft"))
VARIANTS = tuple(itertools.product(DEADLINES, (False, True), (False, True)))


def without_deadlines(problem):
    """The same problem with deadlines that bind nobody."""
    if problem.kind == "migration":
        # Deadlines are part of the utility there, so they stay; missing them is free.
        return replace(problem, deadline="soft", deadline_penalty=0.0)
    return _with_deadlines(problem, np.full(problem.n_users, np.inf))


def with_biting_deadlines(problem, seed):
    """The same problem with most deadlines near the latencies of some association, which often rules out the best."""
    rng = np.random.default_rng(seed)
    free = without_deadlines(problem)
    for _ in range(50):
        judged = evaluate(free, Solution(rng.integers(0, problem.n_stations, problem.n_users)))
        if judged.feasible:
            latency = judged.deadline_latency_s
            near = latency * rng.uniform(0.98, 1.2, latency.size)
            far = 3.0 * latency if problem.kind == "migration" else np.full(latency.size, np.inf)
            return _with_deadlines(problem, np.where(rng.random(latency.size) < 0.8, near, far))
    return problem


def _with_deadlines(problem, deadline):
    users = replace(problem.network.users, deadline_s=deadline)
    return replace(problem, network=replace(problem.network, users=users))


def sample(kind, sharing, objective, first, count):
    """Problems in turn without deadlines, with random and with biting ones, hard and soft, and of every other kind."""
    for seed in range(first, first + count):
        (deadlines, mode), capacities, limited = VARIANTS[seed % len(VARIANTS)]
        problem = tiny_problem(
            seed,
            kind=kind,
            sharing=sharing,
            objective=objective,
            deadlines=deadlines,
            mode=mode,
            capacities=capacities,
            limited_servers=limited,
        )
        yield with_biting_deadlines(problem, seed) if deadlines and seed % 5 else problem


def against_brute_force(solve, problem):
    """Hold an exact solver against brute force; return what the sample is counted by."""
    best = brute_force(problem)[0]
    result = solve(problem, time_limit=60)
    if best is None:
        assert result.status is Status.INFEASIBLE, problem
        assert result.message
        return ["infeasible"]
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.objective == evaluate(problem, Solution(result.solution.association)).objective
    slack = 1e-9 * abs(best)
    assert result.bound >= best - slack if problem.maximise else result.bound <= best + slack
    free = brute_force(without_deadlines(problem))[0]
    return ["feasible"] + [f"changed, {problem.deadline}"] * (abs(free - best) > 1e-6 * abs(best))

"""Whether `paper` is a real trade-off; the full table comes from benchmarks/calibration.py."""

from __future__ import annotations

import numpy as np
import pytest

from dtopt.evaluation import PlacementTerms
from dtopt.registry import solve
from instances.presets import paper


@pytest.mark.parametrize("stations", [5, 10])
@pytest.mark.parametrize("users", [80, 100])
def test_no_part_of_the_cost_decides_alone(users: int, stations: int) -> None:
    nearest, random = [], []
    for seed in range(20, 24):
        problem = paper(seed=seed, users=users, stations=stations)
        found = solve(problem, "greedy")
        assert found.evaluation is not None
        terms, best = found.evaluation.terms, found.evaluation.objective
        assert isinstance(terms, PlacementTerms)
        # A good solution is not the best one, so its parts are held to a little less than the 15 % of the best.
        assert min(terms.wireless, terms.wired, terms.compute) > 0.12 * terms.latency
        assert 1 < terms.n_open < stations
        assert problem.constant_cost < 0.06 * best  # type: ignore[attr-defined]
        nearest.append((solve(problem, "nearest").objective or np.inf) / best)
        random.extend((solve(problem, "random", seed=s).objective or np.inf) / best for s in range(6))
    assert np.mean(nearest) > 1.10
    assert np.mean(random) > np.mean(nearest) + 0.05

"""Gaps to the bound and to the best found, and when a solution proves a bound wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dtopt.channel import GainMatrix
from dtopt.testing.tiny import tiny_problem
from reports.gap import contradicts, to_best, to_bound, uncontrollable
from reports.statistics.primal import primal_gap


@pytest.mark.parametrize(
    ("objective", "bound", "maximise", "expected"),
    [
        (2.0, 1.5, False, 0.25),
        (2.0, 2.5, True, 0.25),
        (-2.0, -3.0, False, 0.5),
        (2.0, 2.0, False, 0.0),
        # Passed within rounding: never negative.
        (2.0, 2.0 + 1e-12, False, 0.0),
        (2.0, 2.0 - 1e-12, True, 0.0),
        (0.0, 0.0, False, 0.0),
        (0.0, -1.0, False, math.inf),
        (None, 1.0, False, math.inf),
        (1.0, None, False, math.inf),
        (1.0, -math.inf, False, math.inf),
        (math.inf, 1.0, False, math.inf),
    ],
)
def test_gap_to_the_bound(objective, bound, maximise, expected):
    assert to_bound(objective, bound, maximise=maximise) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("objective", "best", "maximise", "expected"),
    [
        (3.0, 2.0, False, 0.5),
        (1.0, 2.0, True, 0.5),
        (2.0, 2.0, False, 0.0),
        (-1.0, -2.0, False, 0.5),
        (1.0, 0.0, False, math.inf),
        (None, 1.0, True, math.inf),
    ],
)
def test_gap_to_the_best(objective, best, maximise, expected):
    assert to_best(objective, best, maximise=maximise) == pytest.approx(expected)


def test_gaps_of_what_decisions_change():
    # C = 1 of a cost, C = 5 of a utility.
    assert to_bound(2.0, 1.5, maximise=False, uncontrollable=1.0) == 0.5
    assert to_best(2.0, 1.5, maximise=False, uncontrollable=1.0) == 1.0
    assert to_bound(1.0, 3.0, maximise=True, uncontrollable=5.0) == 0.5
    assert to_bound(2.0, 2.0, maximise=False, uncontrollable=None) == 0.0
    for unknown in (None, math.nan, 2.0):
        assert to_bound(2.0, 1.5, maximise=False, uncontrollable=unknown) == math.inf
    # Between 0 and 1: no solution is better than C, so the larger distance to it is that of the worse one.
    assert primal_gap(2.0, 1.5, 1.0) == 0.5
    assert primal_gap(1.0, 3.0, 5.0) == 0.5
    assert primal_gap(2.0, 1.0, 1.0) == 1.0
    assert primal_gap(None, 1.5, 1.0) == 1.0
    assert math.isnan(primal_gap(2.0, 1.5, math.nan))


def test_the_constant_of_users_without_coverage_is_none():
    problem = tiny_problem(1, users=2, stations=1)
    covered = uncontrollable(problem)
    assert covered == problem.uncontrollable_objective
    network = replace(problem.network, channel=GainMatrix(np.array([[1e-11], [0.0]])))
    assert uncontrollable(replace(problem, network=network)) is None


def test_a_bound_is_contradicted_only_beyond_rounding():
    assert contradicts(2.1, 2.0, maximise=False)
    assert not contradicts(2.0 + 1e-7, 2.0, maximise=False)
    assert not contradicts(1.9, 2.0, maximise=False)
    assert contradicts(1.9, 2.0, maximise=True)
    assert not contradicts(2.1, 2.0, maximise=True)

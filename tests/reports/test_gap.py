"""Gaps to the bound and to the best found, and when a solution proves a bound wrong."""

from __future__ import annotations

import math

import pytest

from reports.gap import contradicts, to_best, to_bound


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


def test_a_bound_is_contradicted_only_beyond_rounding():
    assert contradicts(2.1, 2.0, maximise=False)
    assert not contradicts(2.0 + 1e-7, 2.0, maximise=False)
    assert not contradicts(1.9, 2.0, maximise=False)
    assert contradicts(1.9, 2.0, maximise=True)
    assert not contradicts(2.1, 2.0, maximise=True)

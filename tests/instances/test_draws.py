"""Portable draws follow the distributions that they are named after."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from instances import draws

MANY = 40_000


def test_uniform_draws_are_those_of_the_generator_up_to_rounding():
    low, high = np.array([1.0, -2.0]), np.array([3.0, 5.0])
    found = draws.uniform(np.random.default_rng(1), low, high, (50, 2))
    np.testing.assert_allclose(found, np.random.default_rng(1).uniform(low, high, (50, 2)), rtol=1e-14, atol=1e-14)
    assert draws.uniform(np.random.default_rng(1), 0.0, 2.0, 3).shape == (3,)


@pytest.mark.parametrize("shape", [MANY, (MANY // 2, 2), MANY + 1])
def test_normal_draws(shape):
    found = draws.normal(np.random.default_rng(2), 3.0, shape)
    assert found.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert stats.kstest(found.ravel(), "norm", args=(0.0, 3.0)).pvalue > 0.01
    assert draws.normal(np.random.default_rng(2), 1.0, 0).shape == (0,)


def test_popularities_are_dirichlet():
    rng = np.random.default_rng(3)
    parts = np.array([draws.popularity(rng, 5) for _ in range(4000)])
    np.testing.assert_allclose(parts.sum(axis=1), 1.0)
    # A part of Dirichlet(2, 2, 2, 2, 2) is Beta(2, 8).
    assert stats.kstest(parts[:, 0], "beta", args=(2, 8)).pvalue > 0.01
    assert draws.popularity(rng, 1).tolist() == [1.0]


def test_choices_follow_their_probabilities():
    probability = np.array([0.5, 0.0, 0.2, 0.3])
    found = draws.choice(np.random.default_rng(4), MANY, probability)
    np.testing.assert_allclose(np.bincount(found, minlength=4) / MANY, probability, atol=0.01)
    assert not (found == 1).any()
    assert draws.choice(np.random.default_rng(4), 7, np.array([2.0])).tolist() == [0] * 7

"""The nearest points: the same as by looking at all, ties by number."""

from __future__ import annotations

import numpy as np
import pytest

import dtopt.nearest
from dtopt.nearest import nearest


def by_all(points, places, count):
    gap = places[:, None, :] - points
    distance = gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1]
    return np.argsort(distance, axis=1, kind="stable")[:, :count]


@pytest.mark.parametrize("dense_pairs", [0, 1_000_000])
@pytest.mark.parametrize("count", [1, 3, 8, 49])
def test_ties_on_a_grid_go_to_the_lower_number(count, dense_pairs, monkeypatch):
    monkeypatch.setattr(dtopt.nearest, "DENSE_PAIRS", dense_pairs)
    rng = np.random.default_rng(count)
    grid = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0)), axis=-1).reshape(-1, 2)
    grid = grid[rng.permutation(len(grid))]
    places = np.concatenate([grid, grid + 0.5, rng.uniform(0.0, 7.0, (50, 2))])
    np.testing.assert_array_equal(nearest(grid, places, count), by_all(grid, places, count))


@pytest.mark.parametrize("dense_pairs", [0, 1_000_000])
def test_many_points_at_one_place(dense_pairs, monkeypatch):
    monkeypatch.setattr(dtopt.nearest, "DENSE_PAIRS", dense_pairs)
    points = np.zeros((100, 2))
    points[:30] = 1.0
    found = nearest(points, np.array([[0.0, 0.0], [1.0, 1.0]]), 5)
    assert found.tolist() == [[30, 31, 32, 33, 34], [0, 1, 2, 3, 4]]

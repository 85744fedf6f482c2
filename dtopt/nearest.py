"""The nearest of many points, with ties decided by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["nearest"]

#: Points looked at beyond those wanted: what a tree finds among equally near ones differs between its builds.
SPARE = 4
#: Squared distances closer than this part of them count as equal until they are computed here.
DOUBT = 1e-9
#: Up to this many pairs of a point and a place all distances are computed; a tree takes longer to load.
DENSE_PAIRS = 1_000_000


def nearest(points_m: FloatArray, places_m: FloatArray, count: int) -> IntArray:
    """Return the points nearest to each place, the nearest first and the lower number first on a tie.

    Parameters
    ----------
    points_m : ndarray, shape (m, 2)
    places_m : ndarray, shape (n, 2)
    count : int
        How many, at most m.

    Returns
    -------
    ndarray of int, shape (n, count)
    """
    if len(points_m) * len(places_m) <= DENSE_PAIRS:
        everyone = np.broadcast_to(np.arange(len(points_m)), (len(places_m), len(points_m)))
        return _ranked(points_m, places_m, everyone)[0][:, :count]
    from scipy.spatial import cKDTree

    tree = cKDTree(points_m)
    result = np.empty((len(places_m), count), dtype=np.int64)
    rows = np.arange(len(places_m))
    asked = count + SPARE
    while rows.size:
        asked = min(asked, len(points_m))
        found = np.asarray(tree.query(places_m[rows], k=asked)[1], dtype=np.int64).reshape(rows.size, asked)
        ranked, distance = _ranked(points_m, places_m[rows], found)
        result[rows] = ranked[:, :count]
        # Where the last one found is as near as the last one wanted, there may be more of them.
        rows = rows[distance[:, -1] <= distance[:, count - 1] * (1.0 + DOUBT)] if asked < len(points_m) else rows[:0]
        asked *= 2
    return result


def _ranked(points_m: FloatArray, places_m: FloatArray, found: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the points `found` for each place, the nearest first, and their squared distances; shapes (n, k)."""
    gap = places_m[:, None, :] - points_m[found]
    gap *= gap
    distance = gap[..., 0] + gap[..., 1]
    order = np.lexsort((found, distance))
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(distance, order, axis=1)

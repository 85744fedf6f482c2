"""The rectangle that users move in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray

__all__ = ["LEAST_SIDE_M", "Area"]

#: Least side of the area around some points, m: users and stations on a line or at one place still have streets around
#: them, two blocks of `instances.constants.BLOCK_M`.
LEAST_SIDE_M = 250.0


@dataclass(frozen=True)
class Area:
    """A rectangle, m.

    Parameters
    ----------
    west, south, east, north : float

    Raises
    ------
    InputError
        If it is empty.
    """

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not (self.west < self.east and self.south < self.north):
            span = f"x {self.west:g} to {self.east:g} m, y {self.south:g} to {self.north:g} m"
            raise InputError(f"is empty: {span}", where="area")

    @classmethod
    def around(cls, *points_m: FloatArray) -> Area:
        """Return the smallest rectangle with sides of `LEAST_SIDE_M` that holds all points, shape (n, 2), m.

        The points are in its middle where they span less.
        """
        whole = np.concatenate(points_m)
        low, high = whole.min(axis=0), whole.max(axis=0)
        margin = np.maximum(0.0, (LEAST_SIDE_M - (high - low)) / 2.0)
        return cls(*(low - margin).tolist(), *(high + margin).tolist())

    def __str__(self) -> str:
        """Return its sides, for messages."""
        return f"{self.east - self.west:.0f} x {self.north - self.south:.0f} m"

    @property
    def low(self) -> FloatArray:
        """The south-west corner, shape (2,)."""
        return np.array([self.west, self.south])

    @property
    def high(self) -> FloatArray:
        """The north-east corner, shape (2,)."""
        return np.array([self.east, self.north])

    @property
    def centre(self) -> FloatArray:
        """The middle, shape (2,)."""
        return np.asarray((self.low + self.high) / 2.0)

    def holds(self, position_m: FloatArray) -> BoolArray:
        """Return which positions, shape (..., 2), are inside or on the border."""
        return np.asarray(((position_m >= self.low) & (position_m <= self.high)).all(axis=-1))

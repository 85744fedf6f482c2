"""The ascent of a price dual: where it starts, in which units, and how it goes up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import AscentParams
from dtopt.halting import cancellation

if TYPE_CHECKING:
    from dtopt._core import Columns
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["ITERATIONS", "TEMPERATURES", "Start", "climb", "even_price", "narrowed"]

#: Temperatures of the smoothed ascent, as shares of the mean cost of a user, and the iterations spent at each.
TEMPERATURES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
ITERATIONS = 200
#: Past steps that the quasi-Newton ascent remembers.
MEMORY = 10


def even_price(root_load: FloatArray, cpu: FloatArray, worth: float) -> float:
    """Return the price of load were the load spread evenly over half of all CPUs."""
    load = float(root_load.sum())
    return 4.0 * worth * load / float(cpu.sum()) if load > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Start:
    """Prices to begin with, their units and limits; (π, λ, μ, ν, θ) in a row, shape (N + 3M + 1,).

    Parameters
    ----------
    prices, unit : ndarray
    bounded, fixed : ndarray of bool
        Which prices must be >= 0, and which of those stay at 0.
    typical : float
        The mean size of the cost of serving a user, the unit of temperatures.
    """

    prices: FloatArray
    unit: FloatArray
    bounded: BoolArray
    fixed: BoolArray
    typical: float

    @classmethod
    def of(cls, serve: FloatArray, even: float, opening: float, useful: BoolArray) -> Start:
        """Return the start from the least cost of serving each user at an even price of load.

        Parameters
        ----------
        serve : ndarray, shape (N,)
        even : float
            See `even_price`.
        opening : float
        useful : ndarray of bool, shape (3M + 1,)
            Which of (λ, μ, ν, θ) may be above 0: a constraint that cannot bind has price 0.
        """
        n, m = serve.size, useful.size // 3
        serve = serve + opening * max(1.0, m / 3.0) / n
        # Costs can be of any sign, and all least costs can be 0: then any unit will do.
        typical = float(np.abs(serve).mean()) or 1.0
        unit = np.full(n + 3 * m + 1, typical)
        unit[n : n + m] = even if even > 0 else 1.0
        unit[-1] = max(opening, typical)
        prices = np.zeros(unit.size)
        prices[:n] = serve
        prices[n : n + m] = even * useful[:m]
        bounded = np.arange(unit.size) >= n
        return cls(prices, unit, bounded, np.concatenate([np.zeros(n, dtype=bool), ~useful]), typical)


def climb(
    columns: Columns,
    state: IntArray,
    start: Start,
    prices: FloatArray,
    temperatures: tuple[float, ...],
    *,
    enough: float = np.inf,
    iterations: int = ITERATIONS,
    memory: int = MEMORY,
) -> tuple[float, FloatArray]:
    """Return the best value and prices found from `prices` on by quasi-Newton ascent (L-BFGS).

    It ends early, with a value that is a bound too, where the time of the run that it is part of is over.
    """
    params = AscentParams()
    params.iterations, params.memory, params.enough = iterations, memory, enough
    value, found, _ = columns.ascend(
        state,
        prices,
        start.unit,
        start.bounded,
        start.fixed,
        start.typical * np.array(temperatures),
        params,
        cancellation(),
    )
    return value, found


def narrowed(columns: Columns, prices: FloatArray, margin: float) -> Columns:
    """Return the columns of the pairs that may come to gain as prices change a little.

    Parameters
    ----------
    columns : Columns
    prices : ndarray, shape (N + 3M + 1,)
    margin : float
        How much more than they would gain at these prices pairs may cost, in units of a user's mean price.
    """
    return columns.narrowed(prices, margin * float(np.abs(prices[: columns.n_users]).mean()))

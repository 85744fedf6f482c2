"""The Lagrangian dual of P2 in prices of users: its value, its ascent, and what it proves of single decisions.

With a price π_i on serving user i each server decides alone. Its level r (see `dtopt.utility_segments`) is cut into
segments [a, b]; on each, a price λ on the load that the level comes from, Σ_i h_ik a_ik <= r, and a price μ on places
leave Σ_i max(0, u_ik(r) − π_i − λ h_ik(r) − μ) + λ r + μ N_k, which is convex in r and so is largest at a or b. The
best of its segments is what the server can win, and the sum over servers with Σ π_i bounds P2 for any prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import AscentParams, UtilitySegments
from dtopt.halting import cancellation
from dtopt.utility_segments import Segments
from dtopt.utility_start import Equilibrium

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.utility_segments import ServerUtility

__all__ = ["MOST_PAIRS", "UtilityDual"]

#: Above this many pairs the matrices of worth at all ends of segments take too much memory and time.
MOST_PAIRS = 2_000_000
#: Temperatures of the smoothed ascent, as parts of the unit of prices (`Equilibrium.unit`).
TEMPERATURES = (0.03, 0.01, 0.003, 0.001, 0.0003)
#: The same after segments were split, from the prices that there were.
WARM = (0.01, 0.001, 0.0003)
#: Iterations at each temperature, and past steps that the quasi-Newton method remembers.
ITERATIONS, MEMORY = 80, 20
#: The ascent ends where a step lowers the mean over users by less than this part of the unit.
PRECISION = 1e-9
#: A segment takes part in the ascent from when it wins less than its server's best by at most this number of units;
#: the second is for more than `MANY_PAIRS` pairs, where each further segment takes much time.
NEAR, NEARER, MANY_PAIRS = 10.0, 1.0, 10_000
#: Halvings in the search for the price of load of a segment.
HALVINGS = 30
#: A segment is split into so many.
PIECES = 4
#: Rounding of sums, relative to the sum of the absolute values of what is summed.
ROUNDING = 64 * float(np.finfo(np.float64).eps)
#: Rounds of splitting.
ROUNDS = 4


def _params() -> AscentParams:
    params = AscentParams()
    params.iterations, params.memory, params.least_gain = ITERATIONS, MEMORY, PRECISION
    return params


@dataclass(frozen=True, eq=False)
class UtilityDual:
    """The dual of P2 over segments, in the prices (π, λ, μ): π free, λ and μ >= 0 for each segment.

    g = Σ_i π_i + Σ_k max_{c of k} max_{r = a_c, b_c} [Σ_i max(0, u_ik(r) − π_i − λ_c h_ik(r) − μ_c) + λ_c r + μ_c N_k]

    The constant part −(1−β) Σ E_i is left out. It falls as prices improve: an upper bound.

    Parameters
    ----------
    utility : ServerUtility
    start : Equilibrium
        Where the ascent starts.
    segments : Segments
    worth, weight : ndarray, shape (C, 2, N)
        u and h at both ends of each segment, see `ServerUtility.items`.
    level : ndarray, shape (C, 2)
        a and b.
    places : ndarray, shape (C,)
        N_k of the segment's server.
    starts : ndarray of int, shape (servers in use + 1,)
        Where each server's segments begin.
    """

    utility: ServerUtility
    start: Equilibrium
    segments: Segments
    worth: FloatArray
    weight: FloatArray
    level: FloatArray
    places: FloatArray
    starts: IntArray

    @classmethod
    def of(cls, utility: ServerUtility) -> UtilityDual:
        """Return the dual over first segments; every user must have a server."""
        start = Equilibrium.of(utility)
        return cls.over(utility.first_segments(start.level), utility, start)

    @classmethod
    def over(cls, segments: Segments, utility: ServerUtility, start: Equilibrium) -> UtilityDual:
        """Return the dual over given segments."""
        n = utility.deadline.size
        worth, weight = np.empty((segments.server.size, 2, n)), np.empty((segments.server.size, 2, n))
        ends = zip(segments.server.tolist(), segments.low.tolist(), segments.high.tolist(), strict=True)
        for c, (server, low, high) in enumerate(ends):
            worth[c], weight[c] = utility.items(server, low, high)
        return cls(
            utility=utility,
            start=start,
            segments=segments,
            worth=worth,
            weight=weight,
            level=np.stack([segments.low, segments.high], axis=1),
            places=utility.capacity[segments.server],
            starts=segments.starts,
        )

    # --- values ---------------------------------------------------------------------------------------------------

    def split(self, prices: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return π, λ and μ."""
        n, segments = self.worth.shape[2], self.level.shape[0]
        return prices[:n], prices[n : n + segments], prices[n + segments :]

    def margins(self, prices: FloatArray) -> FloatArray:
        """Return u − π − λ h − μ at both ends of all segments, shape (C, 2, N)."""
        serve, load, place = self.split(prices)
        return np.asarray(self.worth - serve - load[:, None, None] * self.weight - place[:, None, None])

    def gains(self, prices: FloatArray, margins: FloatArray | None = None) -> FloatArray:
        """Return what servers win at both ends of all segments, shape (C, 2)."""
        _, load, place = self.split(prices)
        margins = self.margins(prices) if margins is None else margins
        won = np.maximum(0.0, margins).sum(axis=2)
        return np.asarray(won + load[:, None] * self.level + (place * self.places)[:, None])

    def value(self, prices: FloatArray) -> float:
        """Return g, an upper bound for any prices in range; −inf where no server may be used.

        What rounding can take from its sums, which may be much larger than g where prices are, is added.
        """
        if not self.level.size:
            return -np.inf
        serve, load, place = self.split(prices)
        gains = self.gains(prices)
        leaders = self._leaders(gains)
        worth, weight = self.worth[leaders], self.weight[leaders]
        costs = np.abs(serve) + load[leaders, None, None] * weight + place[leaders, None, None]
        summed = np.where(worth - serve > 0, np.abs(worth) + costs, 0.0).sum(axis=2).max(axis=1)
        best = gains.max(axis=1)[leaders]
        rounding = ROUNDING * float(np.abs(serve).sum() + summed.sum() + best.sum())
        return float(serve.sum() + best.sum() + rounding)

    @cached_property
    def core(self) -> UtilitySegments:
        """The same for the compiled core."""
        return UtilitySegments(
            worth=np.ascontiguousarray(self.worth),
            weight=np.ascontiguousarray(self.weight),
            level=np.ascontiguousarray(self.level),
            places=np.ascontiguousarray(self.places),
            starts=self.starts,
        )

    def smoothed(self, prices: FloatArray, temperature: float) -> tuple[float, FloatArray]:
        """Return g with its maxima softened, which lies above it, and its gradient.

        max(0, x) becomes T log(1 + e^(x/T)), and the maximum over ends of segments T log Σ e^(x/T).
        """
        return self.core.smoothed(np.ascontiguousarray(prices), temperature)

    # --- ascent ---------------------------------------------------------------------------------------------------

    def first_prices(self) -> FloatArray:
        """Return the prices of the start, those of load in proportion to the segments' levels."""
        at = self.start.level[self.segments.server]
        middle = self.level.mean(axis=1)
        load = self.start.load[self.segments.server]
        if self.utility.demand is None:
            load = load * np.divide(middle, at, out=np.ones_like(at), where=at > 0)
        return np.concatenate([self.start.serve, load, self.start.place[self.segments.server]])

    def _units(self) -> FloatArray:
        """Return the units of all prices."""
        n, segments = self.worth.shape[2], self.level.shape[0]
        able = np.isfinite(self.worth[:, 0])
        weight = np.where(able, self.weight[:, 0], 0.0).sum(axis=1) / np.maximum(able.sum(axis=1), 1)
        unit = np.full(n + 2 * segments, self.start.unit)
        # A server's prices concern all its users, so the same step in them does that much more.
        unit[n:] /= np.sqrt(n / max(self.starts.size - 1, 1))
        unit[n : n + segments] /= np.where(weight > 0, weight, 1.0)
        return unit

    def settled(self, prices: FloatArray) -> FloatArray:
        """Return prices with each segment's price of load where the segment wins least, the others as they are."""
        n, segments = self.worth.shape[2], self.level.shape[0]
        unit = self._units()[n : n + segments]
        load = self.core.settled(np.ascontiguousarray(prices), unit, HALVINGS)
        return np.concatenate([prices[:n], load, prices[n + segments :]])

    def ascend(
        self,
        start: FloatArray | None = None,
        temperatures: tuple[float, ...] = TEMPERATURES,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> tuple[float, FloatArray]:
        """Return the least value found over all temperatures, and its prices.

        Only the segments near the best of their servers take part in the ascent; the others' prices follow. It ends
        where the time of the run under way is over.

        Parameters
        ----------
        start : ndarray, optional
            Prices to begin with.
        temperatures : tuple of float
            Falling, as parts of the unit of prices (`Equilibrium.unit`).
        stop : callable
            Asked at each temperature.
        """
        prices = self.settled(self.first_prices() if start is None else start)
        best, kept = self.value(prices), prices
        near = np.zeros(self.level.shape[0], dtype=bool)
        reach = self.start.unit * (NEAR if self.utility.slack.size <= MANY_PAIRS else NEARER)
        unit, fixed, token = self._units(), self._fixed(), cancellation()
        for temperature in temperatures:
            if token.requested() or (stop is not None and stop()):
                break
            gains = self.gains(prices).max(axis=1)
            # Segments that were near stay in. Else the ascent stalls: it moves until one that was left out leads.
            near |= gains >= self._best(gains[:, None]) - reach
            prices = self.core.descend(
                prices=prices,
                kept=near,
                temperature=temperature * self.start.unit,
                unit=unit,
                fixed=fixed,
                scale=self.worth.shape[2] * self.start.unit,
                params=_params(),
                cancellation=token,
            )
            prices = self.settled(prices)
            value = self.value(prices)
            if value < best:
                best, kept = value, prices
        return best, kept

    def _fixed(self) -> BoolArray:
        """Return which prices stay at 0: of places, where levels say all of them or there are enough for everyone."""
        n, segments = self.worth.shape[2], self.level.shape[0]
        enough = self.places >= np.isfinite(self.worth).any(axis=1).sum(axis=1)
        return np.concatenate([np.zeros(n + segments, dtype=bool), enough | self.utility.discrete])

    def tighten(
        self,
        prices: FloatArray,
        accuracy: float,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> tuple[float, FloatArray, UtilityDual]:
        """Split the segments that the value at some prices rests on and ascend again, while that lowers it.

        Parameters
        ----------
        prices : ndarray
        accuracy : float
            Relative to the value: what is not worth another round.
        stop : callable
            See `ascend`.

        Returns
        -------
        value : float
        prices : ndarray
        dual : UtilityDual
            The last one, which the prices are for.
        """
        dual, value = self, self.value(prices)
        for _ in range(ROUNDS):
            finer, start = dual.finer(prices, accuracy)
            if finer is dual or (stop is not None and stop()):
                break
            dual, before = finer, value
            value, prices = dual.ascend(start, WARM, stop=stop)
            if before - value <= accuracy * abs(value):
                break
        return value, prices, dual

    def finer(self, prices: FloatArray, accuracy: float) -> tuple[UtilityDual, FloatArray]:
        """Return the dual with the segments split that its value rests on, and the same prices for it.

        The dual itself where that would lower the value by no more than a relative `accuracy`.
        """
        serve, load, place = self.split(prices)
        gains = self.gains(prices)
        best = self._best(gains)
        error = accuracy * max(abs(self.value(prices)), 1e-300)
        parts: list[tuple[int, float, float]] = []
        parents: list[int] = []
        ends = zip(self.segments.server.tolist(), self.segments.low.tolist(), self.segments.high.tolist(), strict=True)
        for c, (server, low, high) in enumerate(ends):
            pieces = [(low, high)]
            if low < high:
                middle = 0.5 * (low + high)
                worth, weight = (x[0] for x in self.utility.items(server, middle, middle))
                held = np.maximum(0.0, worth - serve - load[c] * weight - place[c]).sum()
                chord = float(0.5 * gains[c].sum() - (held + load[c] * middle + place[c] * self.places[c]))
                if chord * (self.starts.size - 1) > error and gains[c].max() >= best[c] - chord - error:
                    pieces = self._pieces(low, high)
            parts += [(server, a, b) for a, b in pieces]
            parents += [c] * len(pieces)
        if len(parts) == self.level.shape[0]:
            return self, prices
        return UtilityDual.over(Segments.joined(parts), self.utility, self.start), np.concatenate(
            [serve, load[parents], place[parents]]
        )

    def _pieces(self, low: float, high: float) -> list[tuple[float, float]]:
        if not self.utility.discrete:
            edges = np.linspace(low, high, PIECES + 1)
            edges[-1] = high
            return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        cuts = np.unique(np.round(np.linspace(low, high + 1.0, PIECES + 1)))
        return [(a, b - 1.0) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]

    # --- what it proves of single decisions -----------------------------------------------------------------------

    def _leaders(self, gains: FloatArray) -> IntArray:
        """Return the best segment of each server in use."""
        won = gains.max(axis=1)
        pairs = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return np.array([first + int(won[first:last].argmax()) for first, last in pairs], dtype=np.int64)

    def _best(self, gains: FloatArray) -> FloatArray:
        """Return what the server of each segment wins with its best one, shape (C,)."""
        return np.repeat(np.maximum.reduceat(gains.max(axis=1), self.starts[:-1]), np.diff(self.starts))

    def segment_bounds(self, prices: FloatArray) -> FloatArray:
        """Return upper bounds on g with each segment's server in it, shape (C,)."""
        gains = self.gains(prices)
        return np.asarray(self.value(prices) - self._best(gains) + gains.max(axis=1))

    def user_bounds(self, prices: FloatArray) -> FloatArray:
        """Return upper bounds on g with each user in each segment, shape (C, N).

        With user i there, the segment's server takes i, and no other server does.
        """
        margins = self.margins(prices)
        gains = self.gains(prices, margins)
        best = np.maximum.reduceat(gains.max(axis=1), self.starts[:-1])
        without = np.maximum.reduceat((gains[:, :, None] - np.maximum(0.0, margins)).max(axis=1), self.starts[:-1])
        lost = without - best[:, None]
        others = np.repeat(lost.sum(axis=0) - lost, np.diff(self.starts), axis=0)
        forced = (gains[:, :, None] + np.minimum(0.0, margins)).max(axis=1)
        return np.asarray(self.value(prices) - self._best(gains)[:, None] + forced + others)

    def rounded(self, prices: FloatArray) -> IntArray:
        """Return an association near the dual: each user on the server that wants it most at its best segment."""
        gains = self.gains(prices)
        leaders = self._leaders(gains)
        margins = self.margins(prices).max(axis=1)[leaders]
        return np.asarray(self.segments.server[leaders][margins.argmax(axis=0)])

    def only(self, kept: BoolArray) -> UtilityDual:
        """Return the dual over some of the segments."""
        parts = Segments(self.segments.server[kept], self.segments.low[kept], self.segments.high[kept])
        return replace(
            self,
            segments=parts,
            worth=self.worth[kept],
            weight=self.weight[kept],
            level=self.level[kept],
            places=self.places[kept],
            starts=parts.starts,
        )

    def prices_of(self, kept: BoolArray, prices: FloatArray) -> FloatArray:
        """Return the prices of some of the segments."""
        serve, load, place = self.split(prices)
        return np.concatenate([serve, load[kept], place[kept]])

"""The Lagrangian dual over time: prices on users' paths, and servers that each decide alone in each slot.

With V_n a potential on each node n (user, slot, server) and 0 at the end of each stay, the worth of a path telescopes:
Σ u = V_source + Σ_edges (u − V_q + V_p). An edge's margin is left to the server it leads to, which takes whom it likes
at a level r of its choice, with a price λ on the load that the level comes from and a price μ on places:

    g = Σ_stays V_source + Σ_{t,k} max_c max_{r = a_c, b_c} [Σ_i max(0, max_q u_i(r; q) − V_q + V_p − λ_c h − μ_c)
                                                               + λ_c r + μ_c N_k]

Segments c of levels, and why a segment's best is at one of its ends: `dtopt.utility_dual`, which is this for one slot.
Potentials are held as V_n = ν_n + Σ π over the user's later slots, so that a change in one slot does not have to travel
through all slots before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.utility_dual import ROUNDING
from dtopt.utility_segments import Segments
from solvers.clairvoyant import kernel
from solvers.clairvoyant.descent import descend
from solvers.clairvoyant.expanded import EQUAL, FIXED
from solvers.clairvoyant.spread import spread_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.clairvoyant.expanded import ExpandedScenario

__all__ = ["Prices", "TimeDual"]

#: Temperatures of the smoothed ascent, as parts of the users' spread of worth between servers.
TEMPERATURES = (0.03, 0.01, 0.003, 0.001, 0.0003)
#: The same after segments were split.
WARM = (0.003, 0.001, 0.0003)
#: Iterations at each temperature, past steps that the quasi-Newton method remembers, and numbers it remembers at most.
ITERATIONS, MEMORY, REMEMBERED = 80, 20, 60_000_000
#: The ascent ends where a step lowers the mean over rows by less than this part of their spread.
PRECISION = 1e-8
#: Segments take part in the ascent that win less than their cell's best by no more than so many spreads.
NEAR = 1.0
#: The same for edges, less their user's.
NEAR_EDGES = 0.5
#: Halvings in the search for the price of load of a segment.
HALVINGS = 30
#: A segment is split into so many.
PIECES = 4


class Prices(NamedTuple):
    """π of rows, ν of nodes, λ and μ of segments."""

    serve: FloatArray
    node: FloatArray
    load: FloatArray
    place: FloatArray


@dataclass(frozen=True, eq=False)
class TimeDual:
    """The dual over given segments; its value lies above that of every feasible choice of paths, for any prices.

    The constant part −(1−β) Σ E_i is left out.

    Parameters
    ----------
    expanded : ExpandedScenario
    segments : Segments
        Of all cells, which stand in the place of servers.
    spread : float
        The scale of the users' worth, which temperatures are parts of.
    """

    expanded: ExpandedScenario
    segments: Segments
    spread: float

    # --- values ---------------------------------------------------------------------------------------------------

    def _levels(self) -> tuple[FloatArray, FloatArray]:
        return self.segments.low, self.segments.high

    def gains(self, prices: Prices) -> tuple[FloatArray, FloatArray]:
        """Return what cells win at both ends of all segments, and the absolute values of what was summed; (C, 2)."""
        low, high = self._levels()
        won = [
            kernel.gains(self.expanded.net, low, high, self.segments.server, *prices, level) for level in (low, high)
        ]
        return np.stack([won[0][0], won[1][0]], axis=1), np.stack([won[0][1], won[1][1]], axis=1)

    def value(self, prices: Prices) -> float:
        """Return g at any prices, an upper bound; what rounding can take from its sums is added."""
        won, summed = self.gains(prices)
        return self._value(prices, won, summed)

    def _value(self, prices: Prices, won: FloatArray, summed: FloatArray) -> float:
        starts = self.segments.starts[:-1]
        best = np.maximum.reduceat(won.max(axis=1), starts)
        size = np.abs(prices.serve).sum() + np.maximum.reduceat(summed.max(axis=1), starts).sum()
        return float(prices.serve.sum() + best.sum() + ROUNDING * size)

    def edges(self, prices: Prices, threshold: float = -np.inf) -> kernel.Edges:
        """Return the edges whose margins at some prices are above a threshold."""
        low, high = self._levels()
        return kernel.near_edges(self.expanded.net, low, high, self.segments.server, *prices, threshold)

    def smoothed(self, prices: Prices, temperature: float, edges: kernel.Edges) -> tuple[float, Prices]:
        """Return g over some edges with its maxima softened, and its gradient; over all edges it lies above g."""
        low, high = self._levels()
        serve, node, load, place = prices
        value, d_serve, d_node, d_load, d_place = kernel.smoothed(
            edges,
            low,
            high,
            self.expanded.net.places,
            self.segments.starts,
            serve,
            node.ravel(),
            load,
            place,
            temperature,
        )
        return float(value), Prices(d_serve, d_node.reshape(node.shape), d_load, d_place)

    def settled(self, prices: Prices) -> Prices:
        """Return prices with each segment's price of load where the segment wins least, the others as they are."""
        low, high = self._levels()
        unit = np.ascontiguousarray(self.units().load)
        load = kernel.settled(self.expanded.net, low, high, self.segments.server, *prices, unit, HALVINGS)
        return prices._replace(load=load)

    def rounded(self, prices: Prices, temperature: float) -> IntArray:
        """Return a choice of a position in each row near the dual: each where the most of the user is.

        Users spread over paths by a logit of their worth at each cell's best segment and its prices.

        Parameters
        ----------
        prices : Prices
        temperature : float
            Of the logit, as a part of `spread`.
        """
        net, starts = self.expanded.real, self.segments.starts
        won, _ = self.gains(prices)
        best = won.max(axis=1)
        pairs = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        leader = np.array([a + int(best[a:b].argmax()) for a, b in pairs], dtype=np.int64)
        level = np.where(won[leader, 0] >= won[leader, 1], self.segments.low[leader], self.segments.high[leader])
        heat = temperature * self.spread
        chosen = spread_paths(net, level, prices.load[leader], prices.place[leader], heat)[2]
        return np.asarray(chosen.argmax(axis=1))

    # --- ascent ---------------------------------------------------------------------------------------------------

    def units(self) -> Prices:
        """Return the units of all prices."""
        net, cell = self.expanded.net, self.segments.server
        items = np.diff(net.starts)
        if net.mode == FIXED:
            weight = np.add.reduceat(net.demand[net.item_row, net.item_pos], net.starts[:-1]) / items
        else:
            weight = np.add.reduceat(net.size[net.item_row], net.starts[:-1]) / items * net.part
        # A cell's prices concern all its users, so the same step in them does that much more.
        rows = self.expanded.rows
        place = np.full(cell.size, self.spread / np.sqrt(rows / max(net.places.size, 1)))
        load = place / np.where(weight > 0, weight, 1.0)[cell]
        node = np.full((net.width.size, net.cell.shape[1]), self.spread)
        return Prices(np.full(rows, self.spread), node, load, place)

    def ascend(
        self,
        prices: Prices,
        temperatures: tuple[float, ...] = TEMPERATURES,
        *,
        iterations: int = ITERATIONS,
        stop: Callable[[], bool] | None = None,
    ) -> tuple[float, Prices]:
        """Return the least value found over all temperatures, and its prices.

        Only the segments near the best of their cells take part in the ascent; the others' prices follow.

        Parameters
        ----------
        prices : Prices
            Where to begin.
        temperatures : tuple of float
            Falling, as parts of `spread`.
        iterations : int
            At each temperature.
        stop : callable
            Asked at each iteration.
        """
        prices = self.settled(prices)
        won, summed = self.gains(prices)
        best, kept = self._value(prices, won, summed), prices
        near = np.zeros(self.segments.server.size, dtype=bool)
        for temperature in temperatures:
            if stop is not None and stop():
                break
            # Segments once near stay in, or they take turns.
            near |= won.max(axis=1) >= self._best(won) - NEAR * self.spread
            part = self.only(near)
            found = part._descend(self.prices_of(near, prices), temperature, iterations, stop)
            load, place = prices.load.copy(), prices.place.copy()
            load[near], place[near] = found.load, found.place
            prices = self.settled(Prices(found.serve, found.node, load, place))
            won, summed = self.gains(prices)
            value = self._value(prices, won, summed)
            if value < best:
                best, kept = value, prices
        return best, kept

    def _descend(self, prices: Prices, temperature: float, iterations: int, stop: Callable[[], bool] | None) -> Prices:
        """Return the prices at which the dual smoothed at one temperature is least, by L-BFGS."""
        net, cell = self.expanded.net, self.segments.server
        unit = np.concatenate([np.ravel(x) for x in self.units()])
        rows, nodes, segments = prices.serve.size, prices.node.size, prices.load.size
        # Where a stay ends, and where there is no choice, potentials are what they are.
        free = np.zeros(prices.node.shape, dtype=bool)
        free[:rows][~self.expanded.last] = True
        free &= np.arange(net.cell.shape[1]) < net.width[:, None]
        # Levels say all of places under equal sharing, and elsewhere places may be enough for all.
        binds = (net.places < np.diff(net.starts))[cell] & (net.mode != EQUAL)
        lower = np.full(unit.size, -np.inf)
        lower[rows + nodes :] = 0.0
        fixed = np.zeros(unit.size, dtype=bool)
        fixed[rows : rows + nodes] = ~free.ravel()
        fixed[-segments:] = ~binds
        offset, scale = self.value(prices), rows * self.spread
        heat = temperature * self.spread
        # Edges far from being used cannot come near within one descent.
        edges = self.edges(prices, -max(NEAR_EDGES, 40.0 * temperature) * self.spread)

        def split(x: FloatArray) -> Prices:
            y = x * unit
            return Prices(
                y[:rows], y[rows : rows + nodes].reshape(free.shape), y[rows + nodes : -segments], y[-segments:]
            )

        def scaled(x: FloatArray) -> tuple[float, FloatArray]:
            value, slope = self.smoothed(split(x), heat, edges)
            flat = np.concatenate([slope.serve, slope.node.ravel(), slope.load, slope.place])
            flat[fixed] = 0.0
            return (value - offset) / scale, flat * unit / scale

        found = descend(
            scaled,
            np.concatenate([np.ravel(x) for x in prices]) / unit,
            lower,
            iterations=iterations,
            memory=max(3, min(MEMORY, REMEMBERED // (2 * unit.size))),
            precision=PRECISION,
            first_step=temperature,
            stop=stop,
        )
        return split(found)

    # --- segments -------------------------------------------------------------------------------------------------

    def finer(self, prices: Prices, accuracy: float) -> tuple[TimeDual, Prices]:
        """Return the dual with the segments split that its value rests on, and the same prices for it.

        The dual itself where that would lower the value by no more than about `accuracy`, absolute.
        """
        low, high = self._levels()
        won, _ = self.gains(prices)
        middle = 0.5 * (low + high)
        inside, _ = kernel.gains(self.expanded.net, middle, middle, self.segments.server, *prices, middle)
        # With pieces of kinks as in the whole segment, and items as in the middle.
        chord = np.where(low < high, 0.5 * won.sum(axis=1) - inside, 0.0)
        cells = max(self.segments.starts.size - 1, 1)
        split = (chord * cells > accuracy) & (won.max(axis=1) >= self._best(won) - chord - accuracy / cells)
        if not split.any():
            return self, prices
        discrete = self.expanded.net.mode == EQUAL
        parts: list[tuple[int, float, float]] = []
        parents: list[int] = []
        for c in range(low.size):
            pieces = [(float(low[c]), float(high[c]))]
            if split[c]:
                pieces = _pieces(*pieces[0], discrete=discrete)
            parts += [(int(self.segments.server[c]), a, b) for a, b in pieces]
            parents += [c] * len(pieces)
        return replace(self, segments=Segments.joined(parts)), prices._replace(
            load=prices.load[parents], place=prices.place[parents]
        )

    def _best(self, won: FloatArray) -> FloatArray:
        """Return what the cell of each segment wins with its best one, shape (C,)."""
        starts = self.segments.starts
        return np.repeat(np.maximum.reduceat(won.max(axis=1), starts[:-1]), np.diff(starts))

    def only(self, kept: BoolArray) -> TimeDual:
        """Return the dual over some of the segments."""
        parts = self.segments
        return replace(self, segments=Segments(parts.server[kept], parts.low[kept], parts.high[kept]))

    def prices_of(self, kept: BoolArray, prices: Prices) -> Prices:
        """Return the prices of some of the segments."""
        return prices._replace(load=prices.load[kept], place=prices.place[kept])

    def best_of_cell(self, prices: Prices) -> FloatArray:
        """Return what the cell of each segment wins with its best one, shape (C,)."""
        return self._best(self.gains(prices)[0])


def _pieces(low: float, high: float, *, discrete: bool) -> list[tuple[float, float]]:
    if discrete:
        cuts = np.unique(np.round(np.linspace(low, high + 1.0, PIECES + 1)))
        return [(a, b - 1.0) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]
    edges = np.linspace(low, high, PIECES + 1)
    edges[-1] = high
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

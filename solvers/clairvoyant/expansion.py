"""Spreading a scenario out in time: how the arrays of `solvers.clairvoyant.expanded` are made, slot by slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.utility_segments import TOLERANCE, ServerUtility, highest_level
from solvers._core import Sharing, SlotView
from solvers.clairvoyant.expanded import ExpandedScenario

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.scenario import Scenario

__all__ = ["expand"]

SHARINGS = {"fixed": Sharing.FIXED, "optimal": Sharing.OPTIMAL, "equal": Sharing.EQUAL}


def expand(scenario: Scenario, candidates: int | None = None) -> ExpandedScenario:
    """Return a scenario spread out in time.

    Parameters
    ----------
    scenario : Scenario
    candidates : int, optional
        So many servers of each user in each slot, those of most worth to the user alone; all where not given. All
        others together are one more position, a relaxation: it is worth what the best of them is to the user alone,
        it loads none of them, and the way to it and from it is the shortest to any of them.
    """
    return _Builder(scenario, candidates).build()


class _Builder:
    """Collects rows and cells slot by slot, so that matrices of all pairs are held for one slot only."""

    def __init__(self, scenario: Scenario, candidates: int | None) -> None:
        self.scenario = scenario
        base = scenario.base
        allowed = int(base.server_allowed.sum())
        self.dense = candidates is None or candidates >= allowed
        #: Candidates of a row, and positions: with one for all other servers where they are not all candidates.
        self.candidates = allowed if self.dense else int(candidates or 1)
        self.width = self.candidates + (not self.dense)
        self.parts: dict[str, list[np.ndarray]] = {}
        self.before = np.full(scenario.n_users, -1, dtype=np.int64)
        self.before_server = np.zeros((0, self.width), dtype=np.int64)
        self.offset = self.cells = 0
        self.sources: list[int] = []
        self.constant = 0.0

    def put(self, **arrays: np.ndarray) -> None:
        for name, value in arrays.items():
            self.parts.setdefault(name, []).append(value)

    def joined(self, name: str) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate(self.parts[name]))

    def build(self) -> ExpandedScenario:
        for slot in range(self.scenario.n_slots):
            self._slot(slot)
        rows, base = self.offset, self.scenario.base
        prior, server = self.joined("prior"), self.joined("server")
        # Sources were numbered -2, -3, ... while the number of rows was not known.
        prior = np.where(prior < 0, rows - 2 - prior, prior)
        source = np.full((len(self.sources), self.width), -1, dtype=np.int64)
        source[:, 0] = self.sources
        view = SlotView(
            cell=self.joined("cell"),
            prior=prior,
            sources=len(self.sources),
            slack=self.joined("slack"),
            move=self.joined("move"),
            growth=self.joined("growth"),
            size=self.joined("size"),
            room=self.joined("room"),
            demand=self.joined("demand") if base.sharing == "fixed" else None,
            rate=self.joined("rate"),
            part=self.joined("part"),
            places=self.joined("places"),
            beta=float(base.beta),
            penalty=0.0 if base.deadline == "hard" else float(base.deadline_penalty),
            sharing=SHARINGS[base.sharing],
            hard=bool(self.scenario.problem(0).deadlines_bind),
            has_others=not self.dense,
        )
        return ExpandedScenario(
            scenario=self.scenario,
            view=view,
            slot=self.joined("slot"),
            user=self.joined("user"),
            server=np.concatenate([server, source]),
            cell_server=self.joined("cell_server"),
            top=self.joined("top"),
            even=self.joined("even"),
            constant=self.constant,
            dense=self.dense,
        )

    def _slot(self, slot: int) -> None:
        scenario = self.scenario
        problem = scenario.problem(slot, np.full(scenario.n_users, -1))
        self.constant -= (1.0 - problem.beta) * float(problem.energy_j.sum())
        utility = ServerUtility.of(problem)
        users, n = scenario.present_users(slot), problem.n_users
        even = utility.even_levels()
        alone = _alone(utility)
        server = self._candidates(alone)
        rows = np.arange(n)[:, None]
        used = server >= 0
        real = used & (server < problem.n_stations)
        slack = np.where(real, utility.slack[rows, np.where(real, server, 0)], -np.inf)
        prior, from_server = self._prior(slot, users)
        room = TOLERANCE * utility.deadline
        move = self._moves(problem, from_server, server, np.isfinite(alone))
        if not self.dense:
            chosen = np.zeros((n, problem.n_stations + 1), dtype=bool)
            chosen[rows, server] = used
            best = np.where(chosen[:, :-1], -np.inf, alone).max(axis=1)
            slack[:, -1] = np.where(used[:, -1], best, -np.inf)
        in_time = self._in_time(utility, np.where(real, server, -1), slack, move, room)
        if utility.deadline_mode == "hard":
            move[~in_time] = np.inf
        servers = np.unique(server[used])
        number = np.full(problem.n_stations + 1, -1, dtype=np.int64)
        number[servers] = np.arange(servers.size) + self.cells
        top = utility.top.copy()
        if utility.clamps:
            _raise_tops(utility, np.where(real, server, -1), slack, move, top)
        # All other servers together have room for everyone, at a level that means nothing.
        nothing = 0.0 if utility.sharing == "optimal" else 1.0
        self.put(
            slot=np.full(n, slot),
            user=users,
            prior=prior,
            server=server,
            slack=slack,
            # By position, then position before.
            move=np.ascontiguousarray(move.swapaxes(1, 2)),
            growth=np.asarray(utility.growth, dtype=float),
            size=np.asarray(utility.size, dtype=float),
            room=room,
            cell=np.where(used, number[server], -1),
            rate=np.append(utility.rate, 0.0)[servers],
            part=np.append(utility.part, 0.0)[servers],
            places=np.append(utility.capacity, float(n))[servers],
            top=np.append(top, nothing)[servers],
            even=np.append(even, nothing)[servers],
            cell_server=servers,
        )
        if utility.demand is not None:
            self.put(demand=np.where(real, utility.demand[rows, np.where(real, server, 0)], 0.0))
        self.before = np.full(scenario.n_users, -1, dtype=np.int64)
        self.before[users] = np.arange(n)
        self.before_server = server
        self.offset += n
        self.cells += servers.size

    def _candidates(self, alone: FloatArray) -> IntArray:
        """Return the servers that rows may choose in order, then M where there are others; −1 pads."""
        able = np.isfinite(alone)
        n, m = able.shape
        order = np.argsort(-np.where(able, 0.0 if self.dense else alone, -np.inf), axis=1, kind="stable")
        order = order[:, : self.candidates]
        chosen = np.sort(np.where(np.take_along_axis(able, order, axis=1), order, m), axis=1)
        found: IntArray = np.full((n, self.width), -1, dtype=np.int64)
        found[:, : chosen.shape[1]] = np.where(chosen < m, chosen, -1)
        if not self.dense:
            found[able.sum(axis=1) > self.candidates, -1] = m
        return found

    def _moves(self, problem: Migration, before: IntArray, server: IntArray, able: BoolArray) -> FloatArray:
        """Return the weighted moving times between positions, 0 where there was no twin, shape (n, C, C)."""
        network, m = problem.network, problem.n_stations
        stations = np.arange(m)
        table = network.station_distance(stations[:, None], stations[None, :])
        distance = table[np.clip(before, 0, m - 1)[:, :, None], np.clip(server, 0, m - 1)[:, None, :]]
        if not self.dense:
            # The way to other servers than a row's candidates, and from others than those of the row before.
            distance[:, :, -1] = _to_others(table, before, _others(server, able))
            # Others may do where the row before has them, whoever may use what now.
            distance[:, -1, :] = _to_others(table, server, _others(before, np.ones_like(able)))
            distance[:, -1, -1] = 0.0
        scale = problem.migration_weight * network.backhaul_s_per_bit_m
        bits = network.users.data_bits + problem.companion_bits
        time = scale * bits[:, None, None] * distance
        return np.asarray(np.where(before[:, :, None] < 0, 0.0, time))

    def _prior(self, slot: int, users: IntArray) -> tuple[IntArray, IntArray]:
        """Return each row's row before or source, and the servers there, shape (n, C); −1 for no twin."""
        before = self.before[users]
        prior = np.where(before >= 0, before + self.offset - len(self.before_server), -1)
        servers: IntArray = np.full((users.size, self.width), -1, dtype=np.int64)
        there = before >= 0
        servers[there] = self.before_server[before[there]]
        for row in np.flatnonzero(~there).tolist():
            prior[row] = -2 - len(self.sources)
            held = int(self.scenario.base.previous[users[row]]) if slot == 0 else -1
            self.sources.append(held)
            servers[row, 0] = held
        return prior, servers

    def _in_time(
        self, utility: ServerUtility, server: IntArray, slack: FloatArray, move: FloatArray, room: FloatArray
    ) -> BoolArray:
        """Return which moves leave a hard deadline that can be met alone on the server, shape (n, C, C)."""
        k = np.maximum(server, 0)
        if utility.sharing == "optimal":
            level = utility.size[:, None] * utility.part[k]
        else:
            level = np.full(server.shape, 1.0 if utility.discrete else 0.0)
        # All other servers together have their best one's latency in their slack already.
        alone = np.where(server < 0, 0.0, utility.growth[:, None] * (utility.rate[k] * level))
        return np.asarray(alone[:, None, :] + move <= slack[:, None, :] + room[:, None, None])


def _alone(utility: ServerUtility) -> FloatArray:
    """Return each user's slack alone on each server, shape (N, M); −inf where it may not be."""
    if utility.sharing == "fixed":
        return utility.slack
    level = 1.0 if utility.discrete else utility.size[:, None] * utility.part
    return np.asarray(utility.slack - utility.growth[:, None] * utility.rate * level)


def _others(server: IntArray, able: BoolArray) -> BoolArray:
    """Return which servers that rows may use are none of theirs, shape (n, M)."""
    n, m = able.shape
    others = np.ones((n, m + 2), dtype=bool)
    # Both −1 and M fall outside.
    others[np.arange(n)[:, None], np.where(server < 0, m + 1, server)] = False
    return np.asarray(others[:, :m] & able)


def _to_others(table: FloatArray, server: IntArray, others: BoolArray) -> FloatArray:
    """Return the distance from each of the rows' servers to the nearest of the others, 0 from none, shape (n, C)."""
    m = len(table)
    result = np.zeros(server.shape)
    for p in range(server.shape[1]):
        real = (server[:, p] >= 0) & (server[:, p] < m)
        nearest = np.where(others[real], table[server[real, p]], np.inf).min(axis=1, initial=np.inf)
        result[real, p] = np.where(np.isfinite(nearest), nearest, 0.0)
    return result


def _raise_tops(utility: ServerUtility, server: IntArray, slack: FloatArray, move: FloatArray, top: FloatArray) -> None:
    """Raise the largest levels to what they can be where moving makes floors higher."""
    finite = np.isfinite(move)
    longest = np.where(finite, move, 0.0).max(axis=1)
    for k in np.unique(server[server >= 0]).tolist():
        row, position = np.nonzero(server == k)
        growth, left = utility.growth[row] * utility.rate[k], slack[row, position]
        size = utility.size[row] * utility.part[k]
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = (left - longest[row, position]) / growth
            floor = np.where(size > 0, np.minimum(size / np.maximum(turn, 1e-300), 1.0), 0.0)
            last = float(np.where(size > 0, left / growth, 0.0).max(initial=0.0))
        low = float(top[k])
        high = highest_level(size, floor, int(utility.capacity[k]), low, max(low, last))
        top[k] = max(low, high * (1.0 + 1e-6))

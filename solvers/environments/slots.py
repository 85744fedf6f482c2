"""The environment itself, vectorised: B network states in which all stations act in the same time slot.

The state is (22): what the network is, which stations are servers, and who is on which. An action is (23), the reward
is (26), minus the objective. `dtopt`'s objective stands for it, so that a problem with the objective ``latency`` is
rewarded by (24) alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import float_array
from solvers.environments.decoding import Decoding, complete, decode
from solvers.environments.states import NetworkStates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["Slots"]

#: The cost of an action from which no association could be made, in multiples of the first cost met.
FAILURE = 2.0


class Slots:
    """A batch of network states, the servers open in each and the association.

    Parameters
    ----------
    states : NetworkStates or sequence of Placement
    rule : Decoding
        How users choose among open servers; see `solvers.environments.decoding`.
    score_weight : float
        ``marginal``: what a score is worth beside the marginal cost.

    Attributes
    ----------
    opened : ndarray of bool, shape (B, M)
        pl of (22): the stations that act as servers.
    association : ndarray of int, shape (B, N)
        l of (22): the server of each user, -1 where an action left it without.
    """

    def __init__(
        self, states: NetworkStates | Sequence[Problem], *, rule: Decoding = "argmax", score_weight: float = 0.1
    ) -> None:
        self.states = states if isinstance(states, NetworkStates) else NetworkStates.of(states)
        self.rule: Decoding = rule
        self.score_weight = score_weight
        self.opened: BoolArray = np.zeros((self.states.count, self.states.n_stations), dtype=bool)
        self.association: IntArray = np.full((self.states.count, self.states.n_users), -1)
        self._reference: float | None = None

    def reset(self, rng: np.random.Generator) -> FloatArray:
        """Open random servers in each state, give users to them, and return the costs, shape (B,)."""
        shape = self.opened.shape
        bids = rng.uniform(-1.0, 1.0, shape)
        return self.step(bids, rng.uniform(-1.0, 1.0, (shape[0], self.association.shape[1], shape[1])))

    def step(self, bids: FloatArray, scores: FloatArray) -> FloatArray:
        """Execute the actions of all stations and return the costs, minus the rewards (26).

        Parameters
        ----------
        bids : ndarray, shape (B, M)
            The stations of positive bids are servers; see `solvers.environments.decoding.open_servers`.
        scores : ndarray, shape (B, N, M)
            How much each station wants each user.

        Returns
        -------
        ndarray, shape (B,)
            The objective; for an action from which no feasible association could be made, `FAILURE` times the first
            cost met.

        Raises
        ------
        InputError
            On another shape, NaN or infinities.
        """
        bids = float_array(bids, "bids", shape=self.opened.shape)
        b, m = self.opened.shape
        scores = float_array(scores, "scores", shape=(b, self.association.shape[1], m))
        association, opened = decode(self.states, bids, scores, self.rule, self.score_weight)
        for b in np.flatnonzero((association < 0).any(axis=1)).tolist():
            repaired = complete(self.states.problems[b], association[b], bids[b])
            if repaired is not None:
                association[b] = repaired
                opened[b] = np.bincount(repaired, minlength=opened.shape[1]) > 0
        self.association, self.opened = association, opened
        cost = self.states.objective(association)
        met = np.isfinite(cost)
        if self._reference is None and met.any():
            self._reference = float(np.abs(cost[met]).mean()) or 1.0
        return np.where(met, cost, FAILURE * (self._reference or 1.0))

"""`policy-online`: each slot searched exactly, with what servers are worth later said by a trained network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.simulation.policy import Decision
from solvers.policies.slot_search import search_view
from solvers.policy_online.network import SHIPPED, Weights, corrections, load_weights
from solvers.policy_online.view import look

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.simulation.observation import Observation
    from solvers.policy_online.view import View

__all__ = ["PolicyOnline", "bonus"]


@dataclass(frozen=True)
class PolicyOnline:
    """Decide each slot for its own sake and what a trained network says servers are worth to users later.

    Parameters
    ----------
    weights : path, optional
        A file that ``dtopt train policy-online`` wrote, in the place of the shipped one.
    corrected : bool
        Without, values are those of the fitted future alone, which the network corrects.
    swaps : bool
        Whether pairs of users are exchanged too, in slots of at most 200 users; it takes half of the time.
    """

    weights: str | Path | None = None
    corrected: bool = True
    swaps: bool = True
    network: Weights | None = field(init=False, repr=False, default=None)

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.corrected:
            network = load_weights(SHIPPED if self.weights is None else Path(self.weights))
            object.__setattr__(self, "network", network)

    def decide(self, observation: Observation) -> Decision:
        """Return a local optimum of the slot's utility and what servers are worth after it."""
        view = look(observation)
        arrays = view.arrays.with_bonus(bonus(view, self.network))
        problem = observation.problem
        start = problem.previous
        return Decision(search_view(problem, start, arrays, view.servers, seed=observation.seed, swaps=self.swaps))


def bonus(view: View, network: Weights | None) -> FloatArray:
    """Return what each pair is worth beyond this slot, shape (n, S), in utility."""
    value = view.value
    if network is not None:
        value = value + corrections(network, view.shown)
    value = view.unit[:, None] * value
    return np.ascontiguousarray(np.where(np.isfinite(view.arrays.slack), value, 0.0))

"""Where the ascent of the utility dual starts: prices and levels at which users choosing for themselves agree.

Users spread over servers by a logit of what they gain there at the present prices; levels, and the prices of load and
places, follow from who is where, until neither changes much. It is no solution, but near where the dual's optimum lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import log
from dtopt.utility_segments import exp

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.utility_segments import ServerUtility

__all__ = ["Equilibrium"]

#: First and last temperature of the logit, as parts of the users' spread of worth between servers, and rounds.
WARMEST, COLDEST, ROUNDS = 0.3, 0.02, 80
#: Part of the way that levels and prices go in a round.
STEP = 0.3


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """Prices and levels to start from.

    Parameters
    ----------
    serve : ndarray, shape (N,)
        π, what users gain on the servers they choose.
    load, place, level : ndarray, shape (M,)
        λ, μ and r of each server.
    unit : float
        Unit of prices: the mean over users of how much more the best server is worth to them than the mean one, or the
        mean of what a user costs the others on its server, whichever is larger.
    """

    serve: FloatArray
    load: FloatArray
    place: FloatArray
    level: FloatArray
    unit: float

    @classmethod
    def of(cls, utility: ServerUtility) -> Equilibrium:
        """Return the equilibrium of a problem in which every user has a server."""
        able = np.isfinite(utility.slack)
        weight = utility.demand if utility.demand is not None else utility.size[:, None] * utility.part
        weight = np.where(able, weight, 0.0)
        level = utility.even_levels()
        worth, fall = utility.at(level)
        worth = np.where(able, worth, -np.inf)
        mean = np.where(able, worth, 0.0).sum(axis=1) / able.sum(axis=1)
        spread = float((worth.max(axis=1) - mean).mean())
        spread = max(spread, 1e-3 * float(np.abs(mean).mean()), 1e-300)
        load, place = np.zeros(level.size), np.zeros(level.size)
        typical = weight.sum(axis=0) / np.maximum(able.sum(axis=0), 1)
        for temperature in spread * np.geomspace(WARMEST, COLDEST, ROUNDS):
            ratio = (worth - load * weight - place) / temperature
            chosen = exp(ratio - ratio.max(axis=1, keepdims=True))
            chosen /= chosen.sum(axis=1, keepdims=True)
            count, held = chosen.sum(axis=0), (chosen * weight).sum(axis=0)
            full = log(np.maximum(count, 1e-9) / np.maximum(utility.capacity, 1e-9))
            place = np.maximum(0.0, place + temperature * full)
            if utility.demand is not None:
                over = np.where(typical > 0, temperature * log(np.maximum(held, 1e-9)), 0.0)
                over = over / np.where(typical > 0, typical, 1.0)
                load = np.maximum(0.0, load + STEP * over)
                continue
            # The marginal cost of load: how fast the worth of those who are there falls with the level.
            level = np.clip(level + STEP * (held - level), 0.0, utility.top)
            load = load + STEP * ((chosen * fall).sum(axis=0) - load)
            worth, fall = utility.at(level)
            worth = np.where(able, worth, -np.inf)
        gain = worth - load * weight - place
        most = gain.max(axis=1)
        serve = most + temperature * log(exp((gain - most[:, None]) / temperature).sum(axis=1))
        # Where users are indifferent between servers, worth varies with the levels, and the spread is no unit.
        external = float((load * weight.sum(axis=0)).sum() / able.sum())
        return cls(np.asarray(serve), load, place, level, max(spread, external))

"""Scenarios to train on: several mobility models, sizes, settings and costs, with seeds of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.generators import generate_scenario

if TYPE_CHECKING:
    from dtopt.scenario import Scenario

__all__ = ["FIRST_SEED", "draw"]

#: Seeds of training scenarios start here; nothing that is evaluated has one as large.
FIRST_SEED = 1_000_000_000


def draw(number: int, slots: int, users: tuple[int, int]) -> Scenario:
    """Return a training scenario; the same number gives the same one.

    Half of them are the paper's setting. The shipped trace is in none: it is for evaluation.
    """
    seed = FIRST_SEED + number
    random = np.random.default_rng([seed, 3])
    options: dict[str, Any] = {
        "mobility": str(random.choice(["random-waypoint", "gauss-markov", "manhattan"])),
        "interaction": "construction" if random.random() < 0.65 else "update",
    }
    preset = "paper"
    n, m = 100, 10
    if random.random() < 0.6:
        preset = str(random.choice(["paper", "paper", "city"]))
        n = int(random.integers(users[0], users[1] + 1))
        m = int(random.integers(5, 21))
        options["sharing"] = str(random.choice(["optimal", "optimal", "equal", "fixed"]))
        options["migration_weight"] = float(random.choice([0.3, 1.0, 1.0, 1.0, 3.0]))
        options["slot_s"] = float(random.choice([2.0, 5.0, 5.0, 10.0]))
        options["vehicles"] = float(random.uniform(0.2, 0.9))
        options["stay_s"] = float(random.choice([150.0, 300.0, 1200.0]))
        options["fading_coherence_s"] = float(random.choice([5.0, 10.0, 20.0]))
    return generate_scenario(preset, seed=seed, slots=slots, users=n, stations=m, **options)

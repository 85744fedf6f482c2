"""The `city` preset: streets, hot spots, macro and small cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import GainMatrix
from dtopt.propagation import Propagation
from instances import constants, layout
from instances.assembly import Scene, assemble, count, draw_twins, fair_capacity, streams
from instances.draws import uniform

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.channel import Channel
    from dtopt.problem import Objective, Problem, Sharing
    from dtopt.propagation import Fading
    from instances.assembly import Kind

__all__ = ["city"]

_MACRO, _SMALL = 0, 1


def city(
    *,
    seed: int = 0,
    users: int = 200,
    stations: int = 25,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
    fading: Fading = "rician",
) -> Problem:
    """Return a city: users on a grid of streets, clustered at hot spots, under macro cells and street-side small cells.

    Macro cells (3GPP UMa) keep apart from each other; small cells (UMi, weaker CPUs) stand at street corners around the
    hot spots. The area grows with the number of stations, 25 to 1500 m x 1500 m.
    """
    n, m = count(users, "users"), count(stations, "stations")
    side = float(constants.AREA_M * np.sqrt(max(m / 25.0, 0.2)))
    random = streams(seed)
    macros = max(1, round(constants.MACRO_SHARE * m))
    small = m - macros
    kinds = np.where(np.arange(m) < macros, _MACRO, _SMALL)
    spots = layout.spread_points(random.stations, max(1, small // constants.SMALL_CELLS_PER_HOT_SPOT), side)
    station_m = np.concatenate(
        [layout.spread_points(random.stations, macros, side), layout.corners(random.stations, small, spots, side)]
    )
    cpu = np.where(
        kinds == _MACRO,
        uniform(random.stations, *constants.CPU_RANGE_HZ, m),
        uniform(random.stations, *constants.SMALL_CPU_RANGE_HZ, m),
    )
    user_m = layout.hot_spot_users(random.users, n, spots, side)
    earlier_m = layout.to_streets(layout.steps(random.users, user_m, constants.STEP_M), side)
    models = [
        Propagation("uma", constants.CARRIER_GHZ, fading, seed=seed),
        Propagation("umi", constants.CARRIER_GHZ, fading, seed=seed),
    ]

    def channel(position_m: FloatArray) -> Channel:
        if n * m > constants.MATRIX_PAIRS:
            return layout.candidate_gains(models, kinds, position_m, station_m)
        return GainMatrix(layout.mixed_gain(models, kinds, position_m, station_m, np.arange(m)[None, :]))

    data, update = draw_twins(random.twins, n)
    scene = Scene(
        label="city",
        seed=seed,
        user_m=user_m,
        earlier_m=earlier_m,
        station_m=station_m,
        data_bits=data,
        update_bits=update,
        cpu_hz=cpu,
        capacity=fair_capacity(n, cpu),
        channel=channel,
        station_names=tuple(f"{'macro' if k == _MACRO else 'small'} {i}" for i, k in enumerate(kinds.tolist())),
    )
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)

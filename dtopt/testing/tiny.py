"""Random tiny problems of every kind, made so that each constraint sometimes binds and sometimes cannot be met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.arrays import UNLIMITED
from dtopt.channel import GainMatrix
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement

if TYPE_CHECKING:
    from dtopt.problem import Problem

__all__ = ["OBJECTIVES", "SHARINGS", "tiny_problem"]

SHARINGS = ("optimal", "equal", "fixed")
OBJECTIVES = ("system-cost", "latency")


def tiny_problem(
    seed: int,
    *,
    kind: str = "placement",
    sharing: str = "optimal",
    objective: str = "system-cost",
    deadlines: bool = False,
    capacities: bool = False,
    limited_servers: bool = False,
    mode: str = "hard",
    users: int | None = None,
    stations: int | None = None,
) -> Problem:
    """Return a problem of 2 to 5 users and 1 to 3 stations; all latencies are of the order of 0.1 s."""
    rng = np.random.default_rng(seed)
    n = users or int(rng.integers(2, 6))
    m = stations or int(rng.integers(1, 4))
    data = rng.uniform(1e6, 8e6, n)
    update = rng.uniform(1e5, 2e6, n)
    cpu = rng.uniform(8e9, 24e9, m)
    # A pair alone takes 0.05 to 0.4 s, in company up to 1 s: deadlines bind for some and exclude others.
    deadline: Any = rng.uniform(0.2, 0.9, n) if deadlines else (np.inf if kind == "placement" else 5.0)
    capacity: Any = rng.integers(max(1, n // m), n + 1, m) if capacities else UNLIMITED
    network = Network(
        Users(data, update, rng.uniform(0.1, 0.3, n), deadline, rng.uniform(0, 1500, (n, 2))),
        BaseStations(cpu, capacity, rng.uniform(0, 1500, (m, 2))),
        GainMatrix(10.0 ** rng.uniform(-12.5, -10.0, (n, m))),
        cycles_per_bit=float(rng.uniform(50, 200)),
        backhaul_s_per_bit_m=float(rng.uniform(1e-11, 1e-10)),
        wired_passes=int(rng.integers(1, 3)),
    )
    common: dict[str, Any] = {"sharing": sharing, "deadline": mode, "deadline_penalty": float(rng.uniform(0.5, 5))}
    if sharing == "fixed":
        # Each pair takes 0.15 to 0.6 of a server, so the CPU is a knapsack that sometimes does not fit.
        common["demand_hz"] = rng.uniform(0.15, 0.6, (n, m)) * cpu
    if kind == "migration":
        allowed = None
        if limited_servers:
            allowed = np.sort(rng.choice(m, size=int(rng.integers(1, m + 1)), replace=False))
        return Migration(
            network,
            previous=rng.integers(-1, m, n),
            servers=allowed,
            beta=float(rng.uniform(0.2, 0.8)),
            interaction=str(rng.choice(["update", "construction"])),  # type: ignore[arg-type]
            migration_weight=float(rng.choice([0.0, 1.0])),
            **common,
        )
    return Placement(
        network,
        objective=objective,  # type: ignore[arg-type] # the type checks it
        server_cost=float(rng.uniform(0, 0.1)),
        latency_weight=float(rng.uniform(0.5, 2)),
        cost_weight=float(rng.uniform(0, 1)),
        max_servers=int(rng.integers(1, m + 1)) if limited_servers else None,
        update_period_s=float(rng.uniform(0.5, 2)),
        sync_weight=float(rng.uniform(0, 2)),
        **common,
    )

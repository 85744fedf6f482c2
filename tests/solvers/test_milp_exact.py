"""Cases in which an engine behind `milp` once claimed what is not true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pulp
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.channel import GainMatrix
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement
from dtopt.result import Status
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem
from solvers.milp import solve


def far_apart(mode):
    """P2 whose users differ by orders of magnitude: presolve cut off the optimum at tight tolerances."""
    if mode == "hard":
        users = Users(
            [9140.758520442194, 9715339.525039759],
            [2167.5083875852874, 0.0],
            [0.21682385754543088, 0.20829253474857556],
            [11.29447996685538, 1.521291797428625],
        )
        cpu = [47059819718.287926, 3209842668.9804897, 669879202.4818518]
        place = [
            [1260.791459587241, 1015.9737197363049],
            [917.5749998617268, 531.7930281479149],
            [1289.1866363000993, 317.5736147926908],
        ]
        gain = [
            [8.116881742137939e-12, 4.642380694809837e-12, 1.2679464719563065e-11],
            [1.1175364525361326e-12, 6.157579850728027e-12, 3.308511646872365e-11],
        ]
        kappa, phi, previous, weight = 140.7187056273258, 6.471419319068838e-11, [1, 0], 1.0
        capacity = UNLIMITED
    else:
        users = Users(
            [168089.7947288453, 7216.333882866917, 36030.1142606776, 2277628.703677808, 13777.533839356633],
            [33195.552912239975, 969.0018186277912, 2683.4466194851543, 0.0, 647.8906616817485],
            [0.22023011542429555, 0.16084388720423876, 0.2632136566106459, 0.1255205671640514, 0.21827688135968482],
            [0.1998711315303553, 0.18461622045648365, 0.0962111710432502, 11.902268610860807, 13.741966754518025],
        )
        cpu = [12930523167.762589, 9845138592.125013, 8811550381.794706]
        place = [
            [881.5359774479422, 101.29439725659644],
            [1463.3102394120756, 1223.523390524568],
            [113.30218137313413, 1322.6833767018575],
        ]
        gain = [
            [2.068981003852171e-12, 3.250517584087384e-13, 8.754937921720505e-13],
            [5.940702188785804e-11, 7.457906947833671e-11, 1.3459722203682945e-11],
            [7.830920090669661e-11, 5.257860477731096e-11, 1.5537014783399084e-11],
            [2.6363541224433925e-12, 1.8840858409199994e-11, 3.3117039023888857e-13],
            [7.191380930878407e-13, 2.830536933591672e-12, 2.53757132254958e-12],
        ]
        kappa, phi, previous, weight = 99.09981383581047, 5.0720393217811145e-11, [2, 2, -1, 2, 0], 0.0
        capacity = [4, 2, 1]
    network = Network(
        users,
        BaseStations(cpu, capacity, place),
        GainMatrix(np.array(gain)),
        cycles_per_bit=kappa,
        backhaul_s_per_bit_m=phi,
    )
    return Migration(
        network,
        deadline=mode,
        deadline_penalty=2.8305361998737437,
        previous=previous,
        interaction="construction",
        migration_weight=weight,
    )


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_users_of_very_different_size_under_optimal_sharing(mode):
    problem = far_apart(mode)
    best = brute_force(problem)[0]
    result = solve(problem)
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.bound >= best * (1 - 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["highs", "cbc"])
def test_near_ties_are_told_apart(engine):
    """Generalized assignment whose solutions differ by some 1e-5: less than what CBC takes for an improvement."""
    feasible = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        base = tiny_problem(seed, users=6, stations=3, sharing="fixed")
        problem = Placement(
            replace(base.network, channel=None),
            sharing="fixed",
            demand_hz=0.7 * base.demand_hz,
            objective="latency",
            pair_latency_s=0.5 + 3e-5 * rng.random((6, 3)),
        )
        best = brute_force(problem)[0]
        if best is None:
            continue
        feasible += 1
        result = solve(problem, engine=engine)
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(best, rel=1e-6, abs=0)
        assert result.bound <= best * (1 + 1e-9)
    assert feasible >= 30


def cbc_says(monkeypatch, status, solution, log, takes=0.0):
    """Let CBC answer with a log and a status, and use up `takes` of its time."""

    def answer(self, lp, **options):
        Path(self.optionsDict["logPath"]).write_text(log)
        if takes:
            clock["ahead"] += takes * self.timeLimit
        lp.assignStatus(status, solution)
        return status

    clock = {"ahead": 0.0}
    now = __import__("time").perf_counter
    monkeypatch.setattr("dtopt.run.time.perf_counter", lambda: now() + clock["ahead"])
    monkeypatch.setattr(pulp.PULP_CBC_CMD, "actualSolve", answer)


@pytest.mark.parametrize(("takes", "status"), [(0.95, Status.TIME_LIMIT), (0.1, Status.INFEASIBLE)])
def test_cbc_cut_short_proves_nothing_infeasible(monkeypatch, takes, status):
    """CBC 2.10.3 prints this of feasible models when its limit comes during preprocessing."""
    log = (
        "Cgl0000I Cut generators found to be infeasible! (or unbounded)\nPre-processing says infeasible or unbounded\n"
    )
    cbc_says(monkeypatch, pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible, log, takes)
    result = solve(tiny_problem(4, users=5, stations=3, sharing="equal"), engine="cbc", time_limit=10.0)
    assert result.status is status


def test_the_bound_of_cbc_is_not_the_rounded_one(monkeypatch):
    """The log of a run that was stopped; 1.905 is above the bound that was proven."""
    log = (
        "Cbc0005I Partial search - best objective 1e+50 (best possible 1.9048237), took 0 iterations and 0 nodes\n"
        "Result - Stopped on time limit\n\nNo feasible solution found\nLower bound:                    1.905\n"
    )
    cbc_says(monkeypatch, pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound, log)
    problem = tiny_problem(4, users=5, stations=3, sharing="equal", objective="latency")
    bounds = []
    monkeypatch.setattr("dtopt.run.Run.offer_bound", lambda self, bound: bounds.append(bound))
    monkeypatch.setattr("solvers.milp.placement.EqualPlacement.bound", lambda self, value: value)
    solve(problem, engine="cbc", time_limit=10.0)
    assert bounds == [pytest.approx(1.9048237, rel=1e-6)]
    assert bounds[0] <= 1.9048237

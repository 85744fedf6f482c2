"""`solvers.highs`: HiGHS runs within its time even where it does not look at its clock."""

from __future__ import annotations

import math
import threading
from typing import Any

import highspy
import numpy as np
import pytest

import solvers.highs
from dtopt.result import Status
from dtopt.testing.tiny import tiny_problem
from solvers import exact, milp
from solvers.highs import HighsRun, quiet_highs


class Stuck:
    """Stands for a HiGHS that tells of one solution and then never comes back, until the test lets it go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.callback: Any = None

    def setCallback(self, callback: Any, data: Any) -> None:  # noqa: N802 - HiGHS's name
        self.callback = callback

    def startCallback(self, kind: Any) -> None:  # noqa: N802 - HiGHS's name
        pass

    def setOptionValue(self, name: str, value: Any) -> None:  # noqa: N802 - HiGHS's name
        pass

    def run(self) -> None:
        kinds = highspy.cb.HighsCallbackType
        out = type("Out", (), {"mip_solution": [1.0, 0.0], "mip_dual_bound": 2.5})
        self.callback(kinds.kCallbackMipInterrupt, "", out, out, None)
        self.callback(kinds.kCallbackMipImprovingSolution, "", out, out, None)
        self.free.wait(30)


def knapsack(items: int = 40) -> highspy.Highs:
    rng = np.random.default_rng(1)
    highs = quiet_highs()
    highs.addVars(items, np.zeros(items), np.ones(items))
    columns = np.arange(items, dtype=np.int32)
    highs.changeColsCost(items, columns, -rng.integers(20, 60, items).astype(float))
    highs.changeColsIntegrality(items, columns, np.full(items, highspy.HighsVarType.kInteger))
    for _ in range(3):
        highs.addRow(-math.inf, 300.0, items, columns, rng.integers(10, 50, items).astype(float))
    return highs


def test_a_run_that_does_not_come_back_is_left_with_what_it_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers.highs, "GRACE_S", 0.05)
    for limits in ({"seconds": 0.05}, {"should_stop": lambda: True}):
        stuck, told = Stuck(), []
        run = HighsRun(stuck, on_columns=told.append, **limits)
        run.run()
        assert run.abandoned
        assert run.bound == 2.5
        assert [columns.tolist() for columns in told] == [[1.0, 0.0]]
        stuck.free.set()


def test_ctrl_c_comes_out_of_a_run_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers.highs, "GRACE_S", 0.05)
    stuck = Stuck()

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HighsRun(stuck, should_stop=interrupt).run()
    stuck.free.set()


def test_what_is_told_on_the_way_agrees_with_the_end() -> None:
    highs, told, threads = knapsack(), [], set()

    def keep(columns: Any) -> None:
        told.append(columns)
        threads.add(threading.current_thread())

    run = HighsRun(highs, seconds=60.0, on_columns=keep)
    run.run()
    assert not run.abandoned
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert np.round(told[-1]) == pytest.approx(np.round(highs.getSolution().col_value))
    # A minimisation: what was told on the way is no better than what is proven in the end.
    assert run.bound <= highs.getInfo().mip_dual_bound + 1e-6
    assert threads == {threading.main_thread()}


def test_solvers_keep_the_incumbent_of_a_highs_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solvers.highs, "GRACE_S", 0.05)
    free = threading.Event()
    whole = solvers.highs.HighsRun._work

    def work(self: HighsRun) -> None:
        self.highs.run()
        free.wait(30)
        whole(self)

    monkeypatch.setattr(solvers.highs.HighsRun, "_work", work)
    problem = tiny_problem(5, users=5, stations=3, sharing="fixed")
    for solver in (milp, exact):
        result = solver.solve(problem, time_limit=1.0)
        assert result.solution is not None
        assert result.status in {Status.FEASIBLE, Status.OPTIMAL, Status.TIME_LIMIT}
    free.set()

"""The registry and `solve`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dtopt
from dtopt.errors import InputError, UnknownSolverError, UnsupportedProblemError
from dtopt.registry import load_solver, solve, solver_names
from dtopt.testing.tiny import tiny_problem


def test_unknown_solvers_are_named_with_what_there_is():
    with pytest.raises(UnknownSolverError, match=r"unknown solver 'best'; there are .*greedy, "):
        load_solver("best")


def test_the_kind_of_problem_is_checked(monkeypatch):
    def only_placement(problem, **options):
        raise AssertionError

    only_placement.problems = ("placement",)
    monkeypatch.setattr("dtopt.registry.load_solver", lambda name: only_placement)
    with pytest.raises(UnsupportedProblemError, match="takes placement problems, not migration"):
        solve(tiny_problem(1, kind="migration"), "only-placement")


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed: must be >= 0"):
        solve(tiny_problem(1), "greedy", seed=-1)


def test_the_baselines_are_registered():
    assert {"random", "nearest", "greedy", "milp"} <= set(solver_names())


def test_every_public_name_can_be_had():
    for name in dtopt.__all__:
        assert getattr(dtopt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dtopt.nothing  # noqa: B018


def test_importing_dtopt_loads_nothing_heavy():
    code = "import sys, dtopt; print(sorted({'numpy', 'torch', 'pandas', 'pulp'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

"""dtopt: place and migrate digital twins on edge servers, with proven gaps.

``import dtopt`` is cheap: names are loaded when first used.

>>> import dtopt
>>> problem = dtopt.generate("paper", users=80, stations=5, seed=1)
>>> result = dtopt.solve(problem, "greedy")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtopt.arrays import UNLIMITED
    from dtopt.bounds import dual_bound
    from dtopt.channel import CandidateGains, GainMatrix, ModelledChannel
    from dtopt.errors import DtoptError, InputError, SolverDiedError, UnknownSolverError, UnsupportedProblemError
    from dtopt.evaluation import Evaluation, Violation, evaluate
    from dtopt.generators import generate, generate_scenario
    from dtopt.io import read, read_solution, write, write_solution
    from dtopt.io.scenarios import read_scenario, write_scenario
    from dtopt.network import BaseStations, Network, Users
    from dtopt.problem import Migration, Placement, Problem
    from dtopt.propagation import Propagation
    from dtopt.registry import Solver, solve, solver_names
    from dtopt.result import Incumbent, Result, Status
    from dtopt.scenario import Scenario
    from dtopt.simulation import Decision, Observation, Policy, Trajectory, policy_names, simulate
    from dtopt.solution import Solution
    from dtopt.stop import AnyOf, GapReached, MaxIterations, MaxRuntime, NoImprovement

__version__ = "0.1.0"

_HOME = {
    "UNLIMITED": "arrays",
    "AnyOf": "stop",
    "BaseStations": "network",
    "CandidateGains": "channel",
    "Decision": "simulation",
    "DtoptError": "errors",
    "Evaluation": "evaluation",
    "GainMatrix": "channel",
    "GapReached": "stop",
    "Incumbent": "result",
    "InputError": "errors",
    "MaxIterations": "stop",
    "MaxRuntime": "stop",
    "Migration": "problem",
    "ModelledChannel": "channel",
    "Network": "network",
    "NoImprovement": "stop",
    "Observation": "simulation",
    "Placement": "problem",
    "Policy": "simulation",
    "Problem": "problem",
    "Propagation": "propagation",
    "Result": "result",
    "Scenario": "scenario",
    "Solution": "solution",
    "Solver": "registry",
    "SolverDiedError": "errors",
    "Status": "result",
    "Trajectory": "simulation",
    "UnknownSolverError": "errors",
    "UnsupportedProblemError": "errors",
    "Users": "network",
    "Violation": "evaluation",
    "dual_bound": "bounds",
    "evaluate": "evaluation",
    "generate": "generators",
    "generate_scenario": "generators",
    "policy_names": "simulation",
    "read": "io",
    "read_scenario": "io.scenarios",
    "read_solution": "io",
    "simulate": "simulation",
    "solve": "registry",
    "solver_names": "registry",
    "write": "io",
    "write_scenario": "io.scenarios",
    "write_solution": "io",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'dtopt' has no attribute {name!r}")
    value = getattr(import_module(f"dtopt.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

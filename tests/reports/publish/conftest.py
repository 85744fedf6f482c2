from __future__ import annotations

from dataclasses import replace

import pytest

from dtopt.testing.tiny import tiny_problem
from reports.compare import compare
from reports.publish.source import source
from tests.reports.samples import from_comparison

SOLVERS = ["random", "nearest", "greedy"]


@pytest.fixture(scope="session")
def comparison():
    problems = [
        replace(tiny_problem(5, users=5, stations=3), name="tiny"),
        replace(tiny_problem(3, kind="migration", users=5, stations=3), name="move"),
    ]
    return compare(problems, SOLVERS, time_limit=2, seed=1, runs=2)


@pytest.fixture(scope="session")
def sample(comparison):
    """Six copies of a placement and a migration, two seeds: the source of a report, and the problems by label."""
    results, problems = from_comparison(comparison, copies=6)
    return source(results), problems

"""`Run` and `Result`: incumbents, bounds, statuses and interruption."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dtopt.result import Status, relative_gap
from dtopt.run import Run, Stopped, pass_on
from dtopt.stop import MaxIterations
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem

problem = tiny_problem(2, users=4, stations=3, capacities=True)
best, choice = brute_force(problem)


def test_only_better_feasible_solutions_become_the_incumbent():
    with Run(problem, "test") as run:
        assert not run.offer(np.full(4, -1)).feasible
        assert run.solution is None
        worse = next(
            a
            for a in np.ndindex(3, 3, 3, 3)
            if (e := Run(problem, "x").offer(np.array(a))).feasible and e.objective > best
        )
        run.offer(np.array(worse))
        run.offer(np.array(choice))
        run.offer(np.array(worse))
    result = run.result()
    assert result.objective == best
    assert tuple(result.solution.association) == choice
    assert len(result.trace) == 2
    assert result.trace[0].time_s <= result.trace[1].time_s <= result.wall_s
    assert result.status is Status.FEASIBLE
    assert result.solution.cpu_share_hz is not None


def test_the_tightest_bound_is_kept_and_closes_the_gap():
    with Run(problem, "test") as run:
        run.offer(np.array(choice))
        for bound in (0.5 * best, best, 0.9 * best, math.nan):
            run.offer_bound(bound)
    result = run.result()
    assert result.bound == best
    assert result.gap == 0
    assert result.status is Status.OPTIMAL


def test_bounds_of_a_maximisation_fall():
    with Run(tiny_problem(2, kind="migration"), "test") as run:
        for bound in (9.0, 7.0, 8.0):
            run.offer_bound(bound)
    assert run.bound == 7.0


def test_ctrl_c_keeps_the_incumbent():
    with Run(problem, "test") as run:
        run.offer(np.array(choice))
        raise KeyboardInterrupt
    assert run.result().status is Status.INTERRUPTED
    assert run.result().objective == best


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), Run(problem, "test"):
        raise ZeroDivisionError


def test_check_leaves_the_block():
    reached = []
    with Run(problem, "test", stop=MaxIterations(3)) as run:
        for i in range(10):
            run.iterations = i
            reached.append(i)
            run.check()
    assert reached == [0, 1, 2, 3]
    assert not issubclass(Stopped, KeyboardInterrupt)


def test_no_solution_is_a_time_limit_only_when_time_ran_out():
    with Run(problem, "test", time_limit=0.0) as run:
        pass
    assert run.result().status is Status.TIME_LIMIT
    with Run(problem, "test") as run:
        pass
    assert run.result().status is Status.NOT_FOUND


def test_the_result_is_plain_json():
    with Run(problem, "test", seed=7) as run:
        run.offer(np.array(choice))
    document = json.loads(json.dumps(run.result().to_dict(), allow_nan=False))
    assert document["objective"] == best
    assert document["association"] == list(choice)
    assert document["gap"] is None
    assert document["seed"] == 7
    assert document["problem"]["hash"] == problem.content_hash
    assert str(best)[:5] in str(run.result())


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (2.0, 1.0, 0.5),
        (2.0, 2.0, 0.0),
        (0.0, 0.0, 0.0),
        (0.0, -1.0, math.inf),
        (None, 1.0, math.inf),
        (-2.0, -1.0, 0.5),
    ],
)
def test_relative_gap(objective, bound, gap):
    assert relative_gap(objective, bound) == gap


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_the_end_of_the_memory_keeps_the_incumbent(error):
    with Run(problem, "test") as run:
        run.offer(np.array(choice))
        raise error
    assert run.result().status is Status.MEMORY_LIMIT
    assert run.result().objective == best
    assert run.result().message == "out of memory; the best solution so far is kept"
    with Run(problem, "test") as run:
        raise error
    assert run.result().status is Status.MEMORY_LIMIT
    assert run.result().solution is None
    assert run.result().message == "out of memory"


@pytest.mark.parametrize(("error", "status"), [(MemoryError, "memory_limit"), (KeyboardInterrupt, "interrupted")])
def test_what_ended_a_run_inside_another_ends_that_as_well(error, status):
    with Run(problem, "inner") as inner:
        inner.offer(np.array(choice))
        raise error
    with Run(problem, "outer") as outer:
        outer.offer(inner.result().solution)
        pass_on(inner.result())
        pytest.fail("it went on")
    assert outer.result().status == status
    assert outer.result().objective == best

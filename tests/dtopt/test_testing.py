"""`dtopt.testing`: good solvers pass, and each kind of fault is named by the check that is made for it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt.result import Status
from dtopt.run import Run
from dtopt.simulation import Decision, policy_names
from dtopt.testing import CheckFailed, check_policy, check_solver, policy_checks, solver_checks
from solvers import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.result import Result


def good(problem: Any, *, time_limit: Any = None, seed: int = 0, stop: Any = None, on_incumbent: Any = None) -> Result:
    """Do what `nearest` does."""
    return nearest.solve(problem, time_limit=time_limit, seed=seed, stop=stop, on_incumbent=on_incumbent)


def _changed(change: Callable[[Any, Result], Result]) -> Any:
    """Return a solver whose result is changed after the fact."""

    def solve(
        problem: Any, *, time_limit: Any = None, seed: int = 0, stop: Any = None, on_incumbent: Any = None
    ) -> Any:
        """Break one rule."""
        return change(problem, good(problem, time_limit=time_limit, seed=seed, stop=stop, on_incumbent=on_incumbent))

    return solve


def _prints(problem: Any, result: Result) -> Result:
    print("hello")
    return result


def _draws(problem: Any, result: Result) -> Result:
    random.random()
    return result


def _thaws(problem: Any, result: Result) -> Result:
    data = problem.network.users.data_bits
    data.flags.writeable = True
    data[0] *= 2
    return result


def _never_infeasible(problem: Any, result: Result) -> Result:
    return replace(result, status=Status.NOT_FOUND) if result.status is Status.INFEASIBLE else result


_TURNS: list[int] = []


def _other_each_time(problem: Any, result: Result) -> Result:
    _TURNS.append(1)
    return replace(result, status=Status.TIME_LIMIT if len(_TURNS) % 2 else Status.FEASIBLE)


FAULTS = {
    "check_prints_nothing": _prints,
    "check_no_global_random_state": _draws,
    "check_input_not_changed": _thaws,
    "check_infeasible_is_said": _never_infeasible,
    "check_same_seed_same_answer": _other_each_time,
    "check_result_tells_the_run": lambda problem, result: replace(result, seed=99),
    "check_answers": lambda problem, result: replace(result, status=Status.OPTIMAL),
    "check_incumbents_are_reported": lambda problem, result: replace(result, trace=result.trace * 2),
    "check_solution_file": lambda problem, result: result.solution and replace(result, solver=object()),
}


def test_a_good_solver_passes_by_function_and_by_name() -> None:
    check_solver(good)
    check_solver("nearest")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_its_check(name: str) -> None:
    check = next(c for c in solver_checks(_changed(FAULTS[name])) if c.name == name)
    with pytest.raises(CheckFailed, match=f"^{name}: "):
        check()


def test_faults_of_the_function_itself() -> None:
    def rude(problem: Any, time_limit: Any, **anything: Any) -> Any:
        return good(problem, time_limit=time_limit, seed=0, stop=None)

    with pytest.raises(CheckFailed) as caught:
        check_solver(rude)  # type: ignore[arg-type]
    text = str(caught.value)
    for line in ("check_signature: 'time_limit' must be keyword-only", "check_description", "unknown_option"):
        assert line in text
    assert "of 18 checks failed" in text


def test_an_interrupt_that_comes_out_is_a_fault() -> None:
    def deaf(problem: Any, *, time_limit: Any = None, seed: int = 0, stop: Any = None, on_incumbent: Any = None) -> Any:
        """Offer outside of the block that keeps the incumbent."""
        run = Run(problem, "deaf", on_incumbent=on_incumbent)
        found = good(problem).solution
        if found is not None:
            run.offer(found)
        return run.result()

    check = next(c for c in solver_checks(deaf) if "interrupt" in c.name)
    with pytest.raises(CheckFailed, match="KeyboardInterrupt came out"):
        check()


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=f"{name}-{c.name}") for name in policy_names() for c in policy_checks(name)]
)
def test_registered_policies_keep_what_plug_ins_must_keep(check: Any) -> None:
    check()


class Peeks:
    """Look at the next slot through a private door."""

    def decide(self, observation: Any) -> Decision:
        last = observation.past._scenario.position_m[-1, observation.users, 0]
        return Decision(last.astype(int) % observation.problem.n_stations)


class Forgets:
    """Count slots without telling the simulator."""

    def __init__(self) -> None:
        self.slots = 0

    def decide(self, observation: Any) -> Decision:
        problem = observation.problem
        self.slots += 1
        return Decision(np.full(problem.n_users, self.slots % problem.n_stations))


@pytest.mark.parametrize(("policy", "name"), [(Peeks, "check_future_is_not_seen"), (Forgets, "check_resumes")])
def test_faults_of_policies_are_named(policy: Any, name: str) -> None:
    with pytest.raises(CheckFailed, match=name):
        check_policy(policy)

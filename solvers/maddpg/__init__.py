"""`maddpg`: the paper's Algorithm 1, trained on the instance itself; `solvers.maddpg.algorithm` has it in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.environments.slots import Slots

__all__ = ["solve"]

#: The paper trains for so many iterations, at N = 100 and M = 10.
ITERATIONS = 5000
#: Smaller instances get so many for each pair of user and station, which is the same at the paper's largest size.
ITERATIONS_FOR_A_PAIR = 5
#: The largest instance, and the scores that the replay memory holds at most.
MOST_PAIRS, MOST_SCORES = 10_000, 20_000_000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    iterations: int | None = None,
    printed: bool = False,
    shuffled: bool = False,
) -> Result:
    """Train the paper's agents (MADDPG, Algorithm 1) on the instance and return the best association they met.

    Every episode begins from random servers. Agents trained on many network states, for states never seen:
    `solvers.maddpg.training`.

    Parameters
    ----------
    problem : Placement
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    iterations : int, optional
        Episodes, each with one update; 5 for each pair of user and station where not given, at most the paper's 5000.
    printed : bool
        Take the plainest reading of the paper, `solvers.maddpg.algorithm.Settings.as_printed`.
    shuffled : bool
        Shuffle the rewards that the agents learn from: a control that cannot learn.
    """
    pairs = problem.n_users * problem.n_stations
    if pairs > MOST_PAIRS:
        raise UnsupportedProblemError(
            f"solver 'maddpg' takes up to {MOST_PAIRS} pairs of user and station, not {pairs}: "
            "every agent scores every user, and a replay memory holds it all"
        )
    _prepare()
    from solvers.learning import one_thread  # which loads PyTorch

    run = Run(
        problem,
        "maddpg",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=["torch"],
    )
    if iterations is None:
        iterations = min(ITERATIONS, ITERATIONS_FOR_A_PAIR * pairs)
    if iterations < 1:
        raise InputError(f"must be >= 1, got {iterations}", where="iterations")
    with run, one_thread():
        if not run.settled:
            _train(run, iterations, printed=printed, shuffled=shuffled)
    return run.result()


solve.problems = ("placement",)  # type: ignore[attr-defined]


def _train(run: Run, iterations: int, *, printed: bool, shuffled: bool) -> None:
    from solvers.environments.states import NetworkStates
    from solvers.maddpg.algorithm import Learner, Settings

    states = NetworkStates.of([run.problem])
    settings = Settings.as_printed() if printed else Settings()
    pairs = run.problem.n_users * run.problem.n_stations
    settings = settings.model_copy(update={"replay": min(settings.replay, MOST_SCORES // pairs)})
    learner = Learner(lambda _: states, 1, settings, iterations=iterations, seed=run.seed, shuffled=shuffled)

    def seen(env: Slots, cost: FloatArray) -> None:
        best = run.evaluation.objective if run.evaluation is not None else float("inf")
        if cost[0] < best and (env.association[0] >= 0).all():
            run.offer(env.association[0])
        run.check()

    took = 0.0
    for _ in range(iterations):
        learner.episode(seen)
        if run.seconds_left < took:
            return  # An update on a large instance takes long, and nobody looks at the clock in it.
        began = run.elapsed_s
        learner.update()
        took = run.elapsed_s - began
        learner.iteration += 1
        run.iterations += 1
        run.check()
    association, _ = learner.decide(states)
    run.offer(association[0])


def _prepare() -> None:
    """Load PyTorch before the clock starts: it is part of installing solvers, not of any run."""
    import torch

    from solvers.maddpg import algorithm  # noqa: F401

    # The first optimiser and the first gradient load much of PyTorch.
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([weight])
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()

"""`random-descent`: a solver for dtopt in a package of its own."""

import numpy as np

import dtopt
from dtopt.run import Run


def solve(problem, *, time_limit=None, seed=0, stop=None, on_incumbent=None, moves: int = 300):
    """Move one random twin at a time to a random server, and keep each move that pays.

    Parameters
    ----------
    moves : int
        How many moves to try.
    """
    run = Run(problem, "random-descent", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    rng = np.random.default_rng(seed)
    servers = np.flatnonzero(problem.server_allowed)
    with run:  # keeps the best so far, whatever ends the block
        start = dtopt.solve(problem, "greedy", seed=seed, stop=dtopt.MaxRuntime(run.seconds_left)).solution
        if start is not None:
            run.offer(start)  # judged by the one evaluator, kept if it is feasible and the best
        while run.solution is not None and run.iterations < moves and not run.should_stop():
            association = run.solution.association.copy()
            association[rng.integers(problem.n_users)] = rng.choice(servers)
            run.offer(association)
            run.iterations += 1
    return run.result()
